package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/dialer"
)

// editPage is a form with a part of a user's attributes.
type editPage struct {
	User     control.User
	Tab      string
	Label    string
	Sections []sectionForm
	Reason   string
	Error    *control.Problem
	Changed  []entry // what somebody else did meanwhile
	Back     string
}

// Full is the user's name.
func (p editPage) Full() string { return fullName(p.User) }

func tabLabel(tab string) string {
	for _, t := range tabSections() {
		if t.Tab == tab {
			return t.Label
		}
	}
	return ""
}

// edit shows the form.
func (v *visit) edit() error {
	p, err := v.editForm()
	if err != nil {
		return err
	}
	return v.page("edit", "Edit "+fullName(p.User), p)
}

func (v *visit) editForm() (editPage, error) {
	p := editPage{Tab: v.r.PathValue("tab")}
	p.Label = tabLabel(p.Tab)
	if p.Label == "" {
		return p, missing("There is no such part of a user.")
	}
	table, err := v.api.Attributes(v.r.Context())
	if err != nil {
		return p, err
	}
	if p.User, err = v.api.User(v.r.Context(), v.r.PathValue("id")); err != nil {
		return p, err
	}
	p.Back = v.At("/users/%s", p.User.ID) + "?tab=" + p.Tab
	p.Sections = sectionsOf(table, &p.User, p.Tab, v.May(control.Admin))
	for _, s := range p.Sections {
		if err := v.offerGroups(s.Inputs); err != nil {
			return p, err
		}
	}
	return p, nil
}

// save writes what was changed in the form, and nothing else of the user.
func (v *visit) save() error {
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	p, err := v.editForm()
	if err != nil {
		return err
	}
	form := v.r.PostForm
	p.Reason = v.form("reason")
	version, _ := strconv.ParseInt(v.form("version"), 10, 64)
	e := control.Edit{Attributes: map[string]any{}, Reason: p.Reason}
	for s := range p.Sections {
		for i := range p.Sections[s].Inputs {
			in := &p.Sections[s].Inputs[i]
			if in.Locked != "" || !form.Has("was."+string(in.Name)) {
				continue
			}
			if in.Secret && form.Get(string(in.Name)) == "" {
				continue
			}
			was := strings.ReplaceAll(form.Get("was."+string(in.Name)), "\r\n", "\n")
			is := posted(in.Attribute, form)
			if is == was {
				continue // what was not touched is shown, and stays, as it is now
			}
			if in.Was != was {
				in.Now = in.Shown
			}
			in.refill(is)
			e.Attributes[string(in.Name)] = typed(in.Attribute, is)
		}
	}
	if len(e.Attributes) == 0 {
		return v.see(p.Back, note{"ok", "Nothing was changed.", ""})
	}
	_, err = v.api.EditUser(v.r.Context(), p.User.ID, e, version)
	problem := refused(err)
	switch {
	case problem != nil:
		return v.again(&p, problem)
	case err != nil:
		return err
	}
	return v.see(p.Back, note{"ok", plural(len(e.Attributes), "attribute is", "attributes are") + " saved.", ""})
}

// refill puts what was typed into the control.
func (in *input) refill(text string) {
	in.Value = text
	if in.Kind == dialer.ValueList && len(in.Columns) > 0 {
		in.Rows = nil
		in.rows(decoded(text))
	}
	for i := range in.Picked {
		in.Picked[i].On = false
		for name := range strings.SplitSeq(text, ", ") {
			in.Picked[i].On = in.Picked[i].On || in.Picked[i].Name == name
		}
	}
}

// again shows the form once more, with what was typed and what is wrong. The
// version is now that of the user as they are: who saves again has seen what
// somebody else did.
func (v *visit) again(p *editPage, problem *control.Problem) error {
	p.Error = problem
	p.Changed = entries(problem.Changes, false)
	for _, s := range p.Sections {
		wrong(s.Inputs, problem)
	}
	status := problem.Status
	if status == 0 {
		status = http.StatusUnprocessableEntity
	}
	return v.show(status, "edit", fmt.Sprintf("Edit %s", fullName(p.User)), *p)
}
