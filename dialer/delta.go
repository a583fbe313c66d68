package dialer

import (
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Fields lists every attribute that a change can write, groups included.
func Fields() []Field { return slices.Clone(fields) }

// fields is looked through for every user, several times.
var fields = slices.Concat([]Field{
	FieldSalesforceID, FieldUsername, FieldEmail, FieldFirstName, FieldLastName, FieldDisplayName,
	FieldTitle, FieldEmployeeNumber, FieldManagerID, FieldPhone, FieldMobile, FieldExtension,
	FieldTimezone, FieldLanguage, FieldSystemRole, FieldCountry, FieldCallerIDName,
	FieldCallerIDNumber, FieldSalesRole, FieldTargetMarket, FieldMatchMethod, FieldIntegration,
	FieldAdminHold, FieldProtected,
}, groupFields())

func groupFields() (list []Field) {
	for _, k := range Kinds() {
		list = append(list, GroupField(k))
	}
	return list
}

// Delta returns two JSON objects with the attributes in which before and after
// differ, in one order. Both are "{}" when the users are the same but for
// bookkeeping: version, times of writing, what was settled.
func Delta(before, after *User) (string, string) {
	var d delta
	for _, f := range fields {
		if p := f.text(before); p != nil {
			d.text(string(f), *p, *f.text(after))
		} else if p := f.flag(before); p != nil {
			d.flag(string(f), *p, *f.flag(after))
		}
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
