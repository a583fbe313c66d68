package simorg

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// field is one column of an object.
type field struct {
	name, label string
	typ         string // as describe spells it
	length      int
	nillable    bool
	updateable  bool
	unfiltered  bool // cannot stand in WHERE or ORDER BY
	custom      bool
	calculated  bool
	unique      bool
	refTo, rel  string // target object and relationship name of a reference
	picklist    []string
	col         int // position in the rows of a small table

	get   func(u *User) value
	set   func(u *User, v value)
	quick func(o *Org, i int) value // reads a generated user without building the whole of it
}

// table is one object of the org.
type table struct {
	name, prefix string
	label        string
	fields       []*field
	byName       map[string]*field        // lower case
	byRel        map[string]*field        // lower case relationship name
	later        atomic.Pointer[[]*field] // fields added while the org serves
	small        int                      // index into view.small, or -1
}

func newTable(name, label, prefix string, small int, fields ...*field) *table {
	t := &table{
		name: name, label: label, prefix: prefix, fields: fields, small: small,
		byName: map[string]*field{}, byRel: map[string]*field{},
	}
	for i, f := range fields {
		f.col = i
		if f.label == "" {
			f.label = words(f.name)
		}
		t.byName[strings.ToLower(f.name)] = f
		if f.rel != "" {
			t.byRel[strings.ToLower(f.rel)] = f
		}
	}
	return t
}

// all lists the fields, those added later last.
func (t *table) all() []*field {
	if more := t.later.Load(); more != nil {
		return slices.Concat(t.fields, *more)
	}
	return t.fields
}

// named finds a field by its name in lower case.
func (t *table) named(name string) *field {
	if f := t.byName[name]; f != nil {
		return f
	}
	if more := t.later.Load(); more != nil {
		for _, f := range *more {
			if strings.ToLower(f.name) == name {
				return f
			}
		}
	}
	return nil
}

// add appends a field. The caller sees to it that nobody else adds one at the time.
func (t *table) add(f *field) error {
	if t.named(strings.ToLower(f.name)) != nil {
		return errors.New("there is a field of that name")
	}
	f.label = words(f.name)
	var more []*field
	if old := t.later.Load(); old != nil {
		more = *old
	}
	more = append(slices.Clone(more), f)
	t.later.Store(&more)
	return nil
}

// column describes a field of a small table, of which the values lie in the row.
func column(name, typ string, length int) *field {
	return &field{name: name, typ: typ, length: length, nillable: typ != "id" && typ != "boolean"}
}

func reference(name, rel, to string) *field {
	return &field{name: name, typ: "reference", length: 18, nillable: true, refTo: to, rel: rel}
}

// textField is a nullable, writable text column of User.
func textField(name, typ string, length int, p func(u *User) *string) *field {
	return &field{
		name: name, typ: typ, length: length, nillable: true, updateable: true,
		get: func(u *User) value { return textValue(*p(u)) },
		set: func(u *User, v value) { *p(u) = v.s },
	}
}

func boolField(name string, p func(u *User) *bool) *field {
	return &field{
		name: name, typ: "boolean", updateable: true,
		get: func(u *User) value { return boolValue(*p(u)) },
		set: func(u *User, v value) { *p(u) = v.n == 1 },
	}
}

func timeField(name string, p func(u *User) *time.Time) *field {
	return &field{
		name: name, typ: "datetime", nillable: true,
		get: func(u *User) value { return timeValue(*p(u)) },
		set: func(u *User, v value) { *p(u) = fieldTime(v) },
	}
}

func refField(name, rel, to string, p func(u *User) *string) *field {
	f := textField(name, "reference", 18, p)
	f.rel, f.refTo = rel, to
	return f
}

func fieldTime(v value) time.Time {
	if v.k == null {
		return time.Time{}
	}
	return time.UnixMilli(v.n).UTC()
}

func (f *field) required() *field { f.nillable = false; return f }
func (f *field) readOnly() *field { f.updateable, f.set = false, nil; return f }
func (f *field) noFilter() *field { f.unfiltered = true; return f }
func (f *field) isUnique() *field { f.unique = true; return f }
func (f *field) asCustom() *field { f.custom = true; return f }
func (f *field) called(l string) *field {
	f.label = l
	return f
}

func (f *field) picks(values ...string) *field {
	f.typ, f.picklist = "picklist", values
	return f
}

func (f *field) fast(q func(o *Org, i int) value) *field {
	f.quick = q
	return f
}

func (f *field) textual() bool {
	return slices.Contains([]string{"string", "picklist", "email", "phone", "textarea", "url"}, f.typ)
}

func (f *field) isID() bool { return f.typ == "id" || f.typ == "reference" }

// words turns an API name into words, for labels nobody wrote.
func words(name string) string {
	var b strings.Builder
	name = strings.ReplaceAll(strings.TrimSuffix(name, "__c"), "_", " ")
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' && name[i-1] >= 'a' && name[i-1] <= 'z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
