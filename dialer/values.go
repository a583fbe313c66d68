package dialer

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Values are the settings of something that is no user, such as a group or an
// org, by a table of attributes: each in its plain form, and only those that
// differ from their default. The table goes with every call.
type Values map[Field]string

// Text returns a value, or its default.
func (v Values) Text(table []Attribute, f Field) string {
	if s, ok := v[f]; ok {
		return s
	}
	if a := in(table, f); a != nil {
		return a.initial()
	}
	return ""
}

func in(table []Attribute, f Field) *Attribute {
	i := slices.IndexFunc(table, func(a Attribute) bool { return a.Name == f })
	if i < 0 {
		return nil
	}
	return &table[i]
}

// Set writes a value, given in whatever form, and checks it. nil brings it back
// to its default.
func (v Values) Set(table []Attribute, f Field, value any) error {
	a := in(table, f)
	if a == nil {
		return &InvalidError{f, "is not a setting that there is"}
	}
	text, err := a.Parse(value)
	if err != nil {
		return err
	}
	if a.Kind == ValuePhone {
		text = Phone(text, "")
	}
	if must := a.Check(text); must != "" {
		return &InvalidError{f, must}
	}
	if text == a.initial() || text == "" {
		delete(v, f)
	} else {
		v[f] = text
	}
	return nil
}

// SetAll writes many values; on an error none are written.
func (v Values) SetAll(table []Attribute, values map[Field]any) error {
	next := maps.Clone(v)
	if next == nil {
		next = Values{}
	}
	for _, f := range slices.Sorted(maps.Keys(values)) {
		if err := next.Set(table, f, values[f]); err != nil {
			return err
		}
	}
	clear(v)
	maps.Copy(v, next)
	return nil
}

// JSON returns the values that differ from their default as an object.
func (v Values) JSON(table []Attribute) string {
	var m members
	for i := range table {
		if text, ok := v[table[i].Name]; ok {
			m.value(&table[i], string(table[i].Name), text)
		}
	}
	return m.object()
}

// All returns every value of the table as JSON has it, defaults too.
func (v Values) All(table []Attribute) map[Field]any {
	all := make(map[Field]any, len(table))
	for i := range table {
		all[table[i].Name] = table[i].value(v.Text(table, table[i].Name))
	}
	return all
}

// ReadValues reads what JSON wrote. What the table does not know is left out.
func ReadValues(table []Attribute, text string) (Values, error) {
	v := Values{}
	if text == "" || text == "{}" {
		return v, nil
	}
	var raw map[Field]jsontext.Value
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	for f, value := range raw {
		if a := in(table, f); a != nil {
			if s, err := a.plain(value); err == nil {
				v[f] = s
			}
		}
	}
	return v, nil
}

// number returns a value of kind number, or 0.
func (v Values) number(table []Attribute, f Field) int {
	n, _ := strconv.Atoi(v.Text(table, f)) // checked when it was set
	return n
}

// records returns the entries of a list of records.
func (v Values) records(table []Attribute, f Field) []map[string]any {
	a := in(table, f)
	list, _ := a.value(v.Text(table, f)).([]map[string]any)
	return list
}
