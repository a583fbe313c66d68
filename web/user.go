package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// userPage is what a user's page shows.
type userPage struct {
	User     control.User
	Tab      string
	Tabs     []tab
	Sections []sectionForm
	Editable bool // the tab has attributes that the visitor may change
	Explain  *control.Explanation
	Steps    []step
	Activity []entry
	Signin   *signinPart
	Wanted   *control.SuperuserRequest // somebody wants the user to be a superuser
	MayAsk   bool                      // the visitor can ask for that
	Next     string                    // address of older activity
}

// Full is the user's name, or what stands for it.
func (p userPage) Full() string { return fullName(p.User) }

func fullName(u control.User) string {
	if name := strings.TrimSpace(u.FirstName + " " + u.LastName); name != "" {
		return name
	}
	return u.Username
}

type tab struct {
	Name, Label, Href string
	Here              bool
}

// user shows one user.
func (v *visit) user() error {
	ctx, id := v.r.Context(), v.r.PathValue("id")
	u, err := v.api.User(ctx, id)
	if err != nil {
		return err
	}
	p := userPage{User: u, Tab: v.query("tab")}
	var names [][2]string
	for _, t := range tabSections() {
		names = append(names, [2]string{t.Tab, t.Label})
	}
	names = append(names, [2]string{"signin", "Sign-in and sessions"}, [2]string{"activity", "Activity"}, [2]string{"why", "Why?"})
	if !slices.ContainsFunc(names, func(n [2]string) bool { return n[0] == p.Tab }) {
		p.Tab = names[0][0]
	}
	for _, n := range names {
		p.Tabs = append(p.Tabs, tab{n[0], n[1], v.At("/users/%s", u.ID) + "?tab=" + n[0], n[0] == p.Tab})
	}
	if err := v.superuserPart(&p); err != nil {
		return err
	}
	switch p.Tab {
	case "why", "salesforce":
		e, err := v.api.Explain(ctx, u.ID)
		if err != nil {
			return err
		}
		p.Explain, p.Steps = &e, v.timeline(&e)
	case "signin":
		if p.Signin, err = v.signin(&u); err != nil {
			return err
		}
	case "activity":
		page, err := v.api.Activity(ctx, control.ActivityFilter{User: u.ID, Before: number64(v.query("before")), Limit: 50})
		if err != nil {
			return err
		}
		p.Activity = entries(page.Activity, false)
		if page.Next != 0 {
			p.Next = fmt.Sprintf("%s?tab=activity&before=%d", v.At("/users/%s", u.ID), page.Next)
		}
	}
	if tabLabel(p.Tab) != "" {
		table, err := v.api.Attributes(ctx)
		if err != nil {
			return err
		}
		p.Sections = sectionsOf(table, &u, p.Tab, v.May(control.Admin))
		for _, s := range p.Sections {
			for _, in := range s.Inputs {
				p.Editable = p.Editable || in.Locked == ""
			}
		}
		p.Editable = p.Editable && v.May(control.Manager) && u.Status != dialer.StatusDeleted
	}
	return v.page("user", fullName(u), p)
}

// sentenceCase makes words of a name.
func sentenceCase(s string) string {
	return strings.TrimSuffix(sentence(strings.ReplaceAll(s, "_", " ")), ".")
}

// step is one line of the story that leads to a user's state.
type step struct {
	Title  string
	Tone   string
	Detail string
	At     any // a time, or nil
	List   []sync.Clause
}

// timeline tells an explanation from Salesforce to the seat.
func (v *visit) timeline(e *control.Explanation) []step {
	var steps []step
	if s := e.Source; s != nil {
		active, _ := s.Fields["IsActive"].(bool)
		st := step{"Active in Salesforce", "ok", "Last changed there; read into the mirror with that state.", s.Modified, nil}
		switch {
		case !s.Visible:
			st.Title, st.Tone, st.Detail = "Not visible in Salesforce", "warn", "The integration user does not see this person any more. Nothing is removed for that."
		case !active:
			st.Title, st.Tone = "Inactive in Salesforce", "quiet"
		case s.Frozen:
			st.Title, st.Tone = "Frozen in Salesforce", "warn"
		}
		steps = append(steps, st, step{"Read by rosterd", "ok", "", s.ReadAt, nil})
	} else {
		steps = append(steps, step{Title: "Not known from Salesforce", Tone: "quiet", Detail: "A local user, or one that no sync has seen."})
	}
	if s := e.Scope; s != nil {
		st := step{Title: "In scope", Tone: "ok", Detail: s.Expression, List: s.Clauses}
		if !s.In {
			st.Title, st.Tone = "Out of scope", "warn"
		}
		if s.Error != "" {
			st.Title, st.Tone, st.Detail = "The scope cannot be judged", "bad", s.Error
		}
		steps = append(steps, st)
	}
	if e.Match != "" {
		steps = append(steps, step{Title: "Link", Tone: "ok", Detail: sentence(e.Match)})
	}
	if e.Seat != "" {
		steps = append(steps, step{Title: "Seat", Tone: "ok", Detail: sentence(e.Seat)})
	}
	for _, w := range e.Pending {
		st := step{Title: "Waits: " + strings.ReplaceAll(w.Kind, "_", " "), Tone: "warn", Detail: sentence(w.Detail), At: w.Since}
		if !w.Next.IsZero() {
			st.At = w.Next
		}
		steps = append(steps, st)
	}
	for _, a := range e.Attention {
		steps = append(steps, step{Title: word(words())(a.Kind), Tone: "bad", Detail: sentence(a.Detail), At: a.Since})
	}
	return steps
}

// entry is a line of the activity log.
type entry struct {
	control.Activity
	Changes []change
	User    bool   // the line names its user
	Name    string // of the user
}

// Long reports whether the changes are better folded away.
func (e entry) Long() bool { return len(e.Changes) > 4 }

// change is an attribute before and after.
type change struct {
	Field, Before, After string
}

// entries makes lines of activities. User says that they name their users.
func entries(list []control.Activity, user bool) []entry {
	out := make([]entry, len(list))
	for i, a := range list {
		out[i] = entry{a, changes(a.Before, a.After), user, ""}
	}
	return out
}

// changes pairs what was before with what is after.
func changes(before, after json.RawMessage) []change {
	var b, a map[string]any
	_ = json.Unmarshal(before, &b) // what cannot be read is shown as nothing
	_ = json.Unmarshal(after, &a)
	names := map[string]bool{}
	for k := range b {
		names[k] = true
	}
	for k := range a {
		names[k] = true
	}
	var out []change
	for k := range names {
		if was, is := plain(b[k]), plain(a[k]); was != is {
			out = append(out, change{strings.ReplaceAll(k, "_", " "), was, is})
		}
	}
	slices.SortFunc(out, func(x, y change) int { return strings.Compare(x.Field, y.Field) })
	return out
}

// plain writes any JSON value for people.
func plain(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case bool:
		if x {
			return "yes"
		}
		return "no"
	case float64:
		return fmt.Sprintf("%v", x)
	case []any:
		parts := make([]string, len(x))
		for i := range x {
			parts[i] = plain(x[i])
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		if name, ok := x["name"]; ok {
			return plain(name)
		}
	}
	text, _ := json.Marshal(v)
	return string(text)
}

func number64(s string) int64 {
	var n int64
	_, _ = fmt.Sscan(s, &n)
	return n
}

// decoded reads JSON, nil when it is none.
func decoded(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return nil
	}
	return v
}
