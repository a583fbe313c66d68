package web

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/dialer"
)

// ownSettings are what one person shall have who is about to be added: typed
// before they are, kept in the session.
type ownSettings struct {
	Values map[string]any    // attributes, as the API takes them
	Typed  map[string]string // the same as their controls have them
	Seats  []string          // to take beside the default ones and those of all
}

// empty reports whether they say nothing.
func (o ownSettings) empty() bool { return len(o.Values) == 0 && len(o.Seats) == 0 }

// setOwn keeps what a person shall have; nothing is kept of who is empty.
func (s *session) setOwn(org, person string, o ownSettings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.empty() {
		delete(s.own[org], person)
		return
	}
	if s.own[org] == nil {
		s.own[org] = map[string]ownSettings{}
	}
	if len(s.own[org]) < reviewMost {
		s.own[org][person] = o
	}
}

// ownOf are the settings of all people of an org.
func (s *session) ownOf(org string) map[string]ownSettings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.own[org])
}

// ownPage is a form with what one person shall have.
type ownPage struct {
	Person   control.Person
	Sections []sectionForm
	Licenses []control.License
	Seats    map[string]bool
	Error    *control.Problem
	Any      bool
}

// ownForm makes the form of somebody who was ticked.
func (v *visit) ownForm() (ownPage, error) {
	p := ownPage{Seats: map[string]bool{}}
	id := v.r.PathValue("id")
	if !slices.Contains(v.session.chosen(v.peopleSet()), id) {
		return p, missing("Nobody of that id is ticked.")
	}
	page, err := v.api.People(v.r.Context(), control.PeopleFilter{IDs: []string{id}, Limit: 1}, "")
	if err != nil {
		return p, err
	}
	i := slices.IndexFunc(page.People, func(one control.Person) bool { return one.SalesforceID == id })
	if i < 0 {
		return p, missing("Salesforce showed nobody of that id when it was last read.")
	}
	p.Person = page.People[i]
	table, err := v.api.Attributes(v.r.Context())
	if err != nil {
		return p, err
	}
	licenses, err := v.api.Licenses(v.r.Context())
	if err != nil {
		return p, err
	}
	p.Licenses = licenses.Licenses
	own := v.session.ownOf(v.org)[id]
	p.Any = !own.empty()
	for _, kind := range own.Seats {
		p.Seats[kind] = true
	}
	fresh := control.User{SalesforceID: id, Attributes: map[dialer.Field]any{}}
	for _, a := range table.Attributes {
		if a.Default != "" {
			fresh.Attributes[a.Name] = typed(a, a.Default)
		}
	}
	for _, t := range tabSections() {
		for _, s := range sectionsOf(table, &fresh, t.Tab, v.May(control.Admin)) {
			s.Inputs = slices.DeleteFunc(s.Inputs, func(in input) bool { return in.Locked != "" || in.Secret })
			if err := v.offerGroups(s.Inputs); err != nil {
				return p, err
			}
			for i := range s.Inputs {
				if text, ok := own.Typed[string(s.Inputs[i].Name)]; ok {
					s.Inputs[i].refill(text)
				}
			}
			if len(s.Inputs) > 0 {
				p.Sections = append(p.Sections, s)
			}
		}
	}
	return p, nil
}

// personal shows what one person shall have.
func (v *visit) personal() error {
	p, err := v.ownForm()
	if err != nil {
		return err
	}
	return v.page("personal", p.Person.Name, p)
}

// savePersonal keeps what was typed until the person is added.
func (v *visit) savePersonal() error {
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	p, err := v.ownForm()
	if err != nil {
		return err
	}
	o := ownSettings{Values: map[string]any{}, Typed: map[string]string{}}
	if v.form("clear") == "" {
		for _, s := range p.Sections {
			for i := range s.Inputs {
				in := &s.Inputs[i]
				name := string(in.Name)
				if !v.r.PostForm.Has("was." + name) {
					continue
				}
				if text := posted(in.Attribute, v.r.PostForm); text != in.Was {
					o.Values[name], o.Typed[name] = typed(in.Attribute, text), text
				}
			}
		}
		for _, l := range p.Licenses {
			if slices.Contains(v.r.PostForm["seat"], l.Type) && !l.Default {
				o.Seats = append(o.Seats, l.Type)
			}
		}
	}
	v.session.setOwn(v.org, p.Person.SalesforceID, o)
	text := p.Person.Name + " gets what everybody gets."
	if !o.empty() {
		text = p.Person.Name + " gets " + plural(len(o.Values)+len(o.Seats), "setting", "settings") + " of their own."
	}
	http.Redirect(v.w, v.r, v.At("/add/review"), http.StatusSeeOther)
	v.session.say(note{"ok", text, ""})
	return nil
}

// addOwn adds people with what each of them shall have. Those who take the same
// seats are added at once.
func (v *visit) addOwn(all control.NewPeople) (control.Added, error) {
	own := v.session.ownOf(v.org)
	bySeats := map[string]*control.NewPeople{}
	var order []string
	for _, id := range all.Users {
		seats := slices.Concat(all.Licenses, own[id].Seats)
		slices.Sort(seats)
		seats = slices.Compact(seats)
		key := strings.Join(seats, "\n")
		some := bySeats[key]
		if some == nil {
			some = &control.NewPeople{Template: all.Template, Licenses: seats, Reason: all.Reason, Overrides: map[string]map[string]any{}}
			bySeats[key], order = some, append(order, key)
		}
		some.Users = append(some.Users, id)
		if len(own[id].Values) > 0 {
			some.Overrides[id] = own[id].Values
		}
	}
	var done control.Added
	for _, key := range order {
		added, err := v.api.AddPeople(v.r.Context(), *bySeats[key])
		if err != nil {
			return done, err
		}
		done.Results = append(done.Results, added.Results...)
		for _, r := range added.Results {
			if r.Outcome != "refused" {
				v.session.setOwn(v.org, r.SalesforceID, ownSettings{})
			}
		}
	}
	return done, nil
}
