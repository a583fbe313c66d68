package web

import (
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/control"
)

// licensesPage is what the licenses page shows.
type licensesPage struct {
	Licenses []control.License
	Over     []control.License // more assigned than purchased
	Charts   []chart
}

func (v *visit) licenses() error {
	page, err := v.api.Licenses(v.r.Context())
	if err != nil {
		return err
	}
	p := licensesPage{Licenses: page.Licenses}
	for _, l := range page.Licenses {
		if l.Left < 0 {
			p.Over = append(p.Over, l)
		}
	}
	h, err := v.api.Trend(v.r.Context(), 30)
	if err != nil && refused(err) == nil {
		return err
	}
	if err == nil {
		p.Charts = v.chartSeats(h, p.Licenses)
	}
	return v.page("licenses", "Licenses", p)
}

// setLicense says how many seats of a type are purchased.
func (v *visit) setLicense() error {
	at := v.At("/licenses")
	n, err := strconv.ParseInt(strings.TrimSpace(v.form("purchased")), 10, 64)
	if err != nil || n < 0 {
		return v.see(at, note{"bad", "The number of seats is a whole number, 0 or more.", ""})
	}
	l, err := v.api.SetLicense(v.r.Context(), v.form("type"), n)
	if err != nil {
		return v.back(at, err)
	}
	said := note{"ok", word(words())(l.Type) + ": " + plural(l.Purchased, "seat", "seats") + " purchased, " + number(l.Assigned) + " assigned.", ""}
	if l.Left < 0 {
		said.Kind, said.Hint = "warn", "Nobody loses a seat for that, and nobody gets one until enough are free."
	}
	return v.see(at, said)
}

// attentionPage is what waits for a person.
type attentionPage struct {
	Items       []attentionItem
	All         int
	First, Next string
	Ignored     bool // these are ignored
	Wanted      []wanted
}

// attentionSize is how many items a page shows.
const attentionSize = 100

// attentionItem is one of them, with what to do about it.
type attentionItem struct {
	control.AttentionItem
	Advice string
}

// Choose reports whether somebody can be chosen who the item is about.
func (i attentionItem) Choose() bool { return i.Kind == "ambiguous_match" }

// advice says what settles an attention item.
func advice() map[string]string {
	return map[string]string{
		"duplicate_source":  "Correct the address of one of them in Salesforce, then try again.",
		"ambiguous_match":   "Say which dialer user is the person.",
		"value_taken":       "Change or delete the user who has it, then try again.",
		"lost_visibility":   "Give the integration user access to the person again, or deactivate the dialer user by hand.",
		"no_seat":           "Raise the seats purchased, or deactivate someone.",
		"parked":            "Read the detail, mend the cause, then try again.",
		"field_not_visible": "Give the integration user access to the field, or take it out of the mapping.",
		"source_shrink":     "If the org really has fewer users now, settle this to accept the smaller number.",
		"frozen_unreadable": "Give the integration user the permission to manage users.",
		"sandbox_refreshed": "Restore the addresses in Salesforce before the next sync.",
		"wrong_org":         "Check the login URL and the user name in the configuration.",
		"no_events":         "Do what the detail names, or set changes: poll to do without.",
		"permission":        "Give the integration user what the detail names.",
	}
}

func (v *visit) attention() error {
	p := attentionPage{Ignored: v.query("show") == "ignored"}
	list := v.api.Attention
	if p.Ignored {
		list = v.api.IgnoredAttention
	}
	page, err := list(v.r.Context())
	if err != nil {
		return err
	}
	if !p.Ignored {
		if p.Wanted, err = v.superusers(); err != nil {
			return err
		}
	}
	p.All = len(page.Attention)
	from := min(max(int(number64(v.query("from"))), 0), p.All)
	for _, i := range page.Attention[from:min(from+attentionSize, p.All)] {
		p.Items = append(p.Items, attentionItem{i, advice()[i.Kind]})
	}
	at := v.At("/attention") + "?"
	if p.Ignored {
		at += "show=ignored&"
	}
	if from > 0 {
		p.First = at
	}
	if from+attentionSize < p.All {
		p.Next = at + "from=" + strconv.Itoa(from+attentionSize)
	}
	return v.page("attention", "Attention", p)
}

// settle closes an item and has what it is about tried again.
func (v *visit) settle() error {
	at := v.At("/attention")
	how := control.Settlement{Reason: v.form("reason")}
	switch v.form("how") {
	case "accept":
		how.How, how.User = "accept", v.form("user")
	case "ignore":
		how.How = "ignore"
	}
	if _, err := v.api.Resolve(v.r.Context(), number64(v.r.PathValue("id")), how); err != nil {
		return v.back(at, err)
	}
	if how.How == "ignore" {
		return v.see(at, note{"ok", "Ignored, until the person or what is wrong changes.", ""})
	}
	return v.see(at, note{"ok", "Settled. What it was about is tried again; if nothing changed, it comes back.", ""})
}
