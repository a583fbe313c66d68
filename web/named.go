package web

import (
	"fmt"
	"strings"

	"github.com/rosterd/rosterd/control"
)

// namedPage is a form for people to add by their names: for who is limited to
// groups, and so does not see everybody of Salesforce.
type namedPage struct {
	Within    string // the groups
	Templates []string
	Who       string // what was typed
	Template  string
	Reason    string
	Error     *control.Problem
	Others    []string // who would not be in the groups
}

// limited reports whether the visitor is limited to users of some groups.
func (v *visit) limited() bool { return len(v.me.Within) > 0 }

func (v *visit) named() (namedPage, error) {
	var p namedPage
	names := make([]string, len(v.me.Within))
	for i, g := range v.me.Within {
		names[i] = g.Name
	}
	p.Within = strings.Join(names, " or ")
	templates, err := v.api.Groups(v.r.Context(), "template")
	for _, g := range templates.Groups {
		p.Templates = append(p.Templates, g.Name)
	}
	return p, err
}

// addNamed adds those who were typed, one a line. Nobody is added if anybody
// may not be.
func (v *visit) addNamed() error {
	p, err := v.named()
	if err != nil {
		return err
	}
	p.Who, p.Template, p.Reason = v.form("who"), v.form("template"), v.form("reason")
	refs := strings.FieldsFunc(p.Who, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) })
	if len(refs) == 0 {
		return v.see(v.At("/add"), note{"warn", "Say who.", ""})
	}
	added, err := v.api.AddPeople(v.r.Context(), control.NewPeople{Users: refs, Template: p.Template, Reason: p.Reason})
	if p.Error = refused(err); p.Error != nil {
		for _, f := range p.Error.Fields {
			var i int
			if n, _ := fmt.Sscanf(f.Location, "body.users[%d]", &i); n == 1 && i >= 0 && i < len(refs) {
				p.Others = append(p.Others, refs[i])
			}
		}
		return v.show(p.Error.Status, "named", "Add users from Salesforce", p)
	}
	if err != nil {
		return err
	}
	return v.page("review", "Added", reviewPage{Results: added.Results, Added: gained(added.Results)})
}

// gained counts whom the dialer has now who were not in it.
func gained(results []control.AddResult) (n int) {
	for _, r := range results {
		if r.Outcome == "added" || r.Outcome == "linked" {
			n++
		}
	}
	return n
}
