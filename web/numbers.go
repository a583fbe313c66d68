package web

import (
	"net/url"
	"strings"

	"github.com/rosterd/rosterd/control"
)

// numbersPage lists the telephone numbers of the org, and whose they are.
type numbersPage struct {
	Numbers   []numberLine
	Available bool // only those that nobody has
	First     string
	Next      string
	Error     *control.Problem
	New       control.Number // what was typed of a new one
	Locations []string
}

// numberLine is a number with the name of whoever has it.
type numberLine struct {
	control.Number
	Name string
}

func (v *visit) numbers() error {
	p, err := v.numbersOf()
	if err != nil {
		return err
	}
	return v.page("numbers", "Numbers", p)
}

func (v *visit) numbersOf() (numbersPage, error) {
	p := numbersPage{Available: v.query("show") == "available"}
	page, err := v.api.Numbers(v.r.Context(), p.Available, v.query("after"))
	if err != nil {
		return p, err
	}
	list := make([]entry, len(page.Numbers))
	for i, n := range page.Numbers {
		list[i].UserID = n.UserID
	}
	v.names(v.r.Context(), list)
	for i, n := range page.Numbers {
		p.Numbers = append(p.Numbers, numberLine{n, list[i].Name})
	}
	at := func(after string) string {
		q := url.Values{}
		if p.Available {
			q.Set("show", "available")
		}
		if after != "" {
			q.Set("after", after)
		}
		return v.At("/numbers") + "?" + q.Encode()
	}
	if v.query("after") != "" {
		p.First = at("")
	}
	if page.Next != "" {
		p.Next = at(page.Next)
	}
	locations, err := v.api.Groups(v.r.Context(), "location")
	for _, g := range locations.Groups {
		p.Locations = append(p.Locations, g.Name)
	}
	return p, err
}

// addNumber adds a number that the org has.
func (v *visit) addNumber() error {
	n := control.Number{
		Number: strings.TrimSpace(v.form("number")), Kind: v.form("kind"), Location: strings.TrimSpace(v.form("location")), Note: strings.TrimSpace(v.form("note")),
	}
	added, err := v.api.AddNumber(v.r.Context(), n)
	problem := refused(err)
	switch {
	case problem != nil:
		p, err := v.numbersOf()
		if err != nil {
			return err
		}
		p.Error, p.New = problem, n
		return v.show(problem.Status, "numbers", "Numbers", p)
	case err != nil:
		return err
	}
	return v.see(v.At("/numbers"), note{"ok", added.Number + " is the org's now.", ""})
}

// doNumber gives a number to a user, takes it from them, or removes it.
func (v *visit) doNumber() error {
	ctx, at, number := v.r.Context(), v.At("/numbers"), v.form("number")
	switch v.r.PathValue("act") {
	case "assign":
		who := strings.TrimSpace(v.form("user"))
		if who == "" {
			return v.see(at, note{"bad", "Say who shall have it: a user name, an e-mail address or an id.", ""})
		}
		return v.give(who, number)
	case "release":
		return v.release(v.form("user"), number)
	case "remove":
		if _, err := v.api.RemoveNumber(ctx, number); err != nil {
			return v.back(at, err)
		}
		return v.see(at, note{"ok", number + " is the org's no more.", ""})
	}
	return missing("There is no such action.")
}

// give makes a number somebody's personal one.
func (v *visit) give(who, number string) error {
	at := v.At("/numbers")
	u, err := v.api.User(v.r.Context(), who)
	if err == nil {
		_, err = v.api.EditUser(v.r.Context(), u.ID, control.Edit{Attributes: map[string]any{"personal_number": number, "personal_number_enabled": true}}, u.Version)
	}
	if err != nil {
		return v.back(at, err)
	}
	return v.see(at, note{"ok", number + " is the personal number of " + fullName(u) + ".", ""})
}

// release takes a number from whoever has it.
func (v *visit) release(who, number string) error {
	at := v.At("/numbers")
	u, err := v.api.User(v.r.Context(), who)
	if err != nil {
		return v.back(at, err)
	}
	if has, _ := u.Attributes["personal_number"].(string); has != number {
		return v.see(at, note{"warn", fullName(u) + " does not have " + number + " any more.", ""})
	}
	if _, err := v.api.EditUser(v.r.Context(), u.ID, control.Edit{Attributes: map[string]any{"personal_number": "", "personal_number_enabled": false}}, u.Version); err != nil {
		return v.back(at, err)
	}
	return v.see(at, note{"ok", fullName(u) + " has no personal number any more.", number + " can be somebody else's now."})
}
