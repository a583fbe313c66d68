package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/dialer"
)

// massPage is the form for acting on many users.
type massPage struct {
	Ticked   int
	Filter   string // as the API writes it, "" for none
	Verbs    []massVerb
	Verb     string
	Sections []massSection // of attributes that can be set for many
	Field    *input        // the one chosen
	Scope    string        // ticked, filter or all
	Reason   string
	Error    *control.Problem
	Latest   []control.MassAction
	Next     string // of the list
}

// massVerb is something that can be done to many users.
type massVerb struct{ Name, Label string }

// massSection is a section of attributes to choose from.
type massSection struct {
	Title string
	Attrs []control.Attribute
}

func massVerbs() []massVerb {
	return []massVerb{
		{"set", "Set a setting"},
		{"add", "Add to groups"},
		{"remove", "Take out of groups"},
		{"replace", "Replace groups"},
		{"activate", "Activate"},
		{"deactivate", "Deactivate"},
		{"delete", "Delete"},
		{"ask", "Ask to authorize in Salesforce"},
	}
}

// needsField reports whether the verb is about an attribute.
func needsField(verb string) bool {
	return slices.Contains([]string{"set", "add", "remove", "replace"}, verb)
}

// massForm makes the form from the address or from what was sent.
func (v *visit) massForm(get func(string) string) (massPage, error) {
	p := massPage{
		Ticked: len(v.session.chosen(v.org)), Filter: get("filter"), Verb: get("verb"), Scope: get("scope"), Reason: get("reason"), Verbs: massVerbs(),
	}
	if !slices.ContainsFunc(p.Verbs, func(m massVerb) bool { return m.Name == p.Verb }) {
		p.Verb = ""
	}
	switch {
	case p.Scope != "":
	case p.Ticked > 0:
		p.Scope = "ticked"
	case p.Filter != "":
		p.Scope = "filter"
	}
	if !needsField(p.Verb) {
		return p, nil
	}
	table, err := v.api.Attributes(v.r.Context())
	if err != nil {
		return p, err
	}
	for _, name := range table.Sections {
		s := massSection{Title: sentenceCase(name)}
		for _, a := range table.Attributes {
			several := a.Kind == dialer.ValueGroups && !a.Single
			if a.Section != name || !a.Mass || (p.Verb == "set") == several || p.Verb != "set" && a.Kind != dialer.ValueGroups {
				continue
			}
			s.Attrs = append(s.Attrs, a)
			if string(a.Name) == get("field") {
				in := inputOf(a, &control.User{}, true)
				in.Value = get(string(a.Name))
				if a.Default != "" && in.Value == "" && a.Kind != dialer.ValueFlag {
					in.Value = a.Default
				}
				in.Was = ""
				one := []input{in}
				if err := v.offerGroups(one); err != nil {
					return p, err
				}
				p.Field = &one[0]
			}
		}
		if len(s.Attrs) > 0 {
			p.Sections = append(p.Sections, s)
		}
	}
	return p, nil
}

// mass shows the form, or first what can be done.
func (v *visit) mass() error {
	p, err := v.massForm(v.query)
	if err != nil {
		return err
	}
	if p.Verb == "" {
		page, err := v.api.MassActions(v.r.Context(), number64(v.query("before")), 20)
		if err != nil {
			return err
		}
		p.Latest = page.MassActions
		if page.Next != 0 {
			p.Next = v.At("/mass") + "?before=" + strconv.FormatInt(page.Next, 10)
		}
	}
	return v.page("mass", "Mass update", p)
}

// previewMass prepares what the form asks for: nobody is changed yet.
func (v *visit) previewMass() error {
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	p, err := v.massForm(v.form)
	if err != nil {
		return err
	}
	if p.Verb == "" || needsField(p.Verb) && p.Field == nil {
		return v.see(v.At("/mass")+"?"+url.Values{"verb": {p.Verb}}.Encode(), note{"bad", "Choose a setting first.", ""})
	}
	r := control.MassActionRequest{Action: control.MassVerb(p.Verb), Reason: p.Reason}
	switch p.Scope {
	case "filter":
		r.Scope.Filter = p.Filter
	case "all":
		r.Scope.All = true
	default:
		r.Scope.IDs = v.session.chosen(v.org)
	}
	if p.Field != nil {
		p.Field.Value = posted(p.Field.Attribute, v.r.PostForm)
		r.Field = p.Field.Name
		if r.Value, err = json.Marshal(typed(p.Field.Attribute, p.Field.Value)); err != nil {
			return fmt.Errorf("write a value: %w", err)
		}
	}
	m, err := v.api.PreviewMass(v.r.Context(), r)
	if problem := refused(err); problem != nil {
		p.Error = problem
		return v.show(problem.Status, "mass", "Mass update", p)
	}
	if err != nil {
		return err
	}
	return v.see(v.At("/mass/%d", m.ID))
}

// massDone is what a mass action's page shows.
type massDone struct {
	Mass    control.MassAction
	What    string
	Counts  control.MassCounts // foretold before it runs, then what came
	Items   []control.MassItem
	Filter  string
	Next    string
	Undo    bool
	Confirm bool // the number must be typed
}

func (p massDone) lively() bool { return p.Mass.State == dialer.MassRunning }

// Handled is how many users had their turn.
func (p massDone) Handled() int64 {
	return p.Mass.Done.Changed + p.Mass.Done.Unchanged + p.Mass.Done.Refused
}

func massPageOf(m control.MassAction) massDone {
	p := massDone{Mass: m, What: massWords(m), Counts: m.Done}
	if m.State == dialer.MassPreviewed {
		p.Counts = m.Preview
	}
	p.Confirm = m.Action == "delete" || m.Action == "deactivate" || m.Scope == "all"
	p.Undo = !m.UndoUntil.IsZero() && m.UndoneBy == 0 && m.State != dialer.MassPreviewed && m.State != dialer.MassRunning
	return p
}

// massWords says what a mass action does.
func massWords(m control.MassAction) string {
	field := strings.ReplaceAll(string(m.Field), "_", " ")
	value := plain(decoded(string(m.Value)))
	if value == "" {
		value = "nothing"
	}
	switch m.Action {
	case dialer.MassSet:
		return fmt.Sprintf("Set %s to %s", field, value)
	case dialer.MassAdd:
		return fmt.Sprintf("Add %s to %s", value, field)
	case dialer.MassRemove:
		return fmt.Sprintf("Remove %s from %s", value, field)
	case dialer.MassReplace:
		return fmt.Sprintf("Replace %s by %s", field, value)
	case dialer.MassUndo:
		return fmt.Sprintf("Undo mass action %d", m.UndoOf)
	}
	return sentenceCase(string(m.Action))
}

func (v *visit) massAction() error {
	id := number64(v.r.PathValue("id"))
	m, err := v.api.MassAction(v.r.Context(), id)
	if err != nil {
		return err
	}
	p := massPageOf(m)
	p.Filter = v.query("outcome")
	f := control.MassResultFilter{Outcome: p.Filter, After: number64(v.query("after")), Limit: 100}
	if m.State == dialer.MassPreviewed {
		f.Outcome, f.Expected = "", p.Filter == "refused"
	}
	page, err := v.api.MassResults(v.r.Context(), id, f)
	if err != nil {
		return err
	}
	p.Items = page.Results
	if page.Next != 0 {
		p.Next = v.At("/mass/%d", id) + "?" + url.Values{"outcome": {p.Filter}, "after": {strconv.FormatInt(page.Next, 10)}}.Encode()
	}
	return v.page("massaction", fmt.Sprintf("Mass action %d", id), p)
}

// doMass starts, cancels or undoes one.
func (v *visit) doMass() error {
	ctx, id := v.r.Context(), number64(v.r.PathValue("id"))
	at := v.At("/mass/%d", id)
	switch v.r.PathValue("act") {
	case "start":
		count, err := strconv.ParseInt(strings.TrimSpace(v.form("confirm")), 10, 64)
		if err != nil {
			return v.see(at, note{"bad", "Type the number of users to confirm.", ""})
		}
		if _, err := v.api.StartMass(ctx, id, count); err != nil {
			return v.back(at, err)
		}
		return v.see(at)
	case "cancel":
		if _, err := v.api.CancelMass(ctx, id); err != nil {
			return v.back(at, err)
		}
		return v.see(at, note{"ok", "Stopped. What was done stays done.", ""})
	case "undo":
		m, err := v.api.UndoMass(ctx, id)
		if err != nil {
			return v.back(at, err)
		}
		return v.see(v.At("/mass/%d", m.ID))
	}
	return missing("There is no such action.")
}

// massCSV sends what came of each user.
func (v *visit) massCSV() error {
	id := number64(v.r.PathValue("id"))
	if _, err := v.api.MassAction(v.r.Context(), id); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="mass-action-%d.csv"`, id))
	if err := v.api.MassResultsCSV(v.r.Context(), v.w, id, control.MassResultFilter{Outcome: v.query("outcome")}); err != nil {
		panic(http.ErrAbortHandler) // the file must not look complete
	}
	return nil
}

// massLive follows a mass action.
func (v *visit) massLive() error {
	id := number64(v.r.PathValue("id"))
	if _, err := v.api.MassAction(v.r.Context(), id); err != nil {
		return err
	}
	s := v.stream()
	defer s.beat.Stop()
	for m, err := range v.api.WatchMass(s.context(), id) {
		if err != nil {
			return nil // the page asks again
		}
		html, err := v.fragment("massaction", "progress", massPageOf(m))
		if err != nil {
			s.ended("gone", "")
			return nil
		}
		if m.State != dialer.MassRunning && m.State != dialer.MassPreviewed {
			s.ended("end", html)
			return nil
		}
		if s.send("part", html) != nil {
			return nil
		}
	}
	return nil
}
