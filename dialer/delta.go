package dialer

import (
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Delta returns two JSON objects with the attributes in which before and after
// differ, in one order. Both are "{}" when the users are the same but for
// bookkeeping: version, times of writing, what was settled.
func Delta(before, after *User) (string, string) {
	var d delta
	for _, f := range plain {
		if p := f.text(before); p != nil {
			d.text(string(f), *p, *f.text(after))
		} else if p := f.flag(before); p != nil {
			d.flag(string(f), *p, *f.flag(after))
		}
	}
	if len(before.Settings.More) > 0 || len(after.Settings.More) > 0 {
		d.settings(before.Settings.More, after.Settings.More)
	}
	d.text("status", string(before.Status), string(after.Status))
	d.text("status_reason", string(before.StatusReason), string(after.StatusReason))
	d.text("deactivate_at", stamp(before.DeactivateAt), stamp(after.DeactivateAt))
	d.text("deactivate_why", string(before.DeactivateWhy), string(after.DeactivateWhy))
	d.text("origin", string(before.Origin), string(after.Origin))
	if !slices.Equal(before.Groups, after.Groups) {
		for _, k := range Kinds() {
			d.list(string(k), before.In(k), after.In(k))
		}
	}
	d.list("license_types", before.LicenseTypes, after.LicenseTypes)
	return d.before.object(), d.after.object()
}

// delta collects the members of both objects.
type delta struct{ before, after members }

func (d *delta) text(name, before, after string) {
	if before != after {
		d.before.text(name, before)
		d.after.text(name, after)
	}
}

func (d *delta) flag(name string, before, after bool) {
	if before != after {
		d.before.add(name, []byte(boolText(before)))
		d.after.add(name, []byte(boolText(after)))
	}
}

// settings goes through both lists side by side.
func (d *delta) settings(before, after []Setting) {
	for len(before) > 0 || len(after) > 0 {
		var f Field
		switch {
		case len(after) == 0, len(before) > 0 && before[0].Field <= after[0].Field:
			f = before[0].Field
		default:
			f = after[0].Field
		}
		a := find(f)
		if a == nil {
			a = &Attribute{Name: f, Kind: ValueText}
		}
		was, is := a.initial(), a.initial()
		if len(before) > 0 && before[0].Field == f {
			was, before = before[0].Text, before[1:]
		}
		if len(after) > 0 && after[0].Field == f {
			is, after = after[0].Text, after[1:]
		}
		if was != is {
			d.before.shown(a, was)
			d.after.shown(a, is)
		}
	}
}

func (d *delta) list(name string, before, after []string) {
	if !slices.Equal(before, after) {
		d.before.list(name, before)
		d.after.list(name, after)
	}
}

// members is a JSON object but for its end; empty where there is nothing in it.
type members []byte

// usualDelta is about as long as what a new user is described by.
const usualDelta = 640

func (m *members) add(name string, value []byte) {
	m.name(name)
	*m = append(*m, value...)
}

// name begins a member.
func (m *members) name(name string) {
	if *m == nil {
		*m = append(make(members, 0, usualDelta), '{')
	} else {
		*m = append(*m, ',')
	}
	*m = append(append(append(*m, '"'), name...), `":`...)
}

func (m *members) text(name, v string) {
	m.name(name)
	*m = quote(*m, v)
}

func (m *members) list(name string, list []string) {
	b := []byte{'['}
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = quote(b, v)
	}
	m.add(name, append(b, ']'))
}

// shown adds a member as a person may see it.
func (m *members) shown(a *Attribute, text string) {
	if a.Secret && text != "" {
		text = SecretSet
	}
	m.value(a, string(a.Name), text)
}

func (m members) object() string {
	if m == nil {
		return "{}"
	}
	return string(append(m, '}'))
}

func quote(b []byte, s string) []byte {
	b, err := jsontext.AppendQuote(b, strings.ToValidUTF8(s, "\uFFFD"))
	if err != nil {
		panic(err) // valid UTF-8 can always be quoted
	}
	return b
}

func boolText(v bool) string {
	if v {
		return "true"
	}
	return "false"
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
