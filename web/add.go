package web

import (
	"strings"

	"github.com/rosterd/rosterd/control"
)

// addPage is what the page for adding users shows.
type addPage struct {
	Refs     string
	Reason   string
	Licenses []control.License
	Results  []control.AddResult
}

func (v *visit) add() error { return v.showAdd(addPage{}) }

func (v *visit) showAdd(p addPage) error {
	page, err := v.api.Licenses(v.r.Context())
	if err != nil {
		return err
	}
	p.Licenses = page.Licenses
	return v.page("add", "Add users from Salesforce", p)
}

// addUsers adds the people that the form names.
func (v *visit) addUsers() error {
	p := addPage{Refs: v.form("refs"), Reason: v.form("reason")}
	refs := strings.FieldsFunc(p.Refs, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) })
	if len(refs) == 0 {
		v.session.say(note{"bad", "Name at least one person.", ""})
		return v.showAdd(p)
	}
	added, err := v.api.Add(v.r.Context(), refs, p.Reason)
	if problem := refused(err); problem != nil {
		v.session.say(note{"bad", sentence(problem.Message), sentence(problem.Hint)})
		return v.showAdd(p)
	}
	if err != nil {
		return err
	}
	p.Results = added.Results
	return v.showAdd(p)
}
