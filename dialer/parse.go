package dialer

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Parse turns a value as JSON or a mapping rule has it into its plain form; see
// Field.Set. It knows kinds only: whether the value is allowed, Check says.
func (a *Attribute) Parse(v any) (string, error) {
	if v == nil {
		return a.initial(), nil
	}
	switch a.Kind {
	case ValueNumber:
		return a.number(v)
	case ValueFlag:
		return a.yesno(v)
	case ValueList:
		return a.list(v)
	case ValueGroups:
		return "", a.wrong("must be set as groups")
	}
	s, ok := scalar(v)
	if !ok {
		return "", a.wrong("must be text")
	}
	return clean(s), nil
}

// wrong is the error of a value that is not to be had.
func (a *Attribute) wrong(rule string) error { return &InvalidError{a.Name, rule} }

// initial is what the attribute is where nobody has set it.
func (a *Attribute) initial() string {
	if a.Default == "" && a.Kind == ValueFlag {
		return "false"
	}
	if a.Default == "" && a.Kind == ValueList {
		return "[]"
	}
	return a.Default
}

func (a *Attribute) number(v any) (string, error) {
	s, ok := scalar(v)
	s = strings.TrimSpace(s)
	if ok && s == "" {
		return a.initial(), nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if !ok || err != nil {
		return "", a.wrong("must be a whole number")
	}
	return strconv.FormatInt(n, 10), nil
}

func (a *Attribute) yesno(v any) (string, error) {
	s, _ := scalar(v)
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "yes", "on", "1":
		return "true", nil
	case "false", "no", "off", "0":
		return "false", nil
	case "":
		if _, text := v.(string); text {
			return a.initial(), nil
		}
	}
	return "", a.wrong("must be true or false")
}

// scalar returns text, a number or a flag as text.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return boolText(v), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return strconv.FormatInt(int64(v), 10), true
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case []byte:
		return scalarOf(v)
	case interface{ MarshalJSON() ([]byte, error) }: // such as a value that is not decoded yet
		raw, err := v.MarshalJSON()
		if err != nil {
			return "", false
		}
		return scalarOf(raw)
	case fmt.Stringer: // such as json.Number
		return v.String(), true
	}
	return "", false
}

func scalarOf(raw []byte) (string, bool) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return "", false
	}
	switch v.(type) {
	case string, bool, float64:
		return scalar(v)
	case nil:
		return "", true
	}
	return "", false
}

// maxEntries is how many entries a list can have.
const maxEntries = 500

// list gives the plain form of a list: JSON without spaces, records with their
// columns in order.
func (a *Attribute) list(v any) (string, error) {
	entries, err := a.entries(v)
	if err != nil {
		return "", err
	}
	if len(entries) > maxEntries {
		return "", a.wrong("must have at most 500 entries")
	}
	b := []byte{'['}
	for _, e := range entries {
		at := len(b)
		if b, err = a.entry(b, e); err != nil {
			return "", err
		}
		if at > 1 && len(b) > at {
			b = slices.Insert(b, at, ',')
		}
	}
	return string(append(b, ']')), nil
}

// entries takes a list apart, in whichever form it comes.
func (a *Attribute) entries(v any) ([]any, error) {
	switch v := v.(type) {
	case []any:
		return v, nil
	case []string:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list, nil
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list, nil
	case []byte:
		return a.entries(string(v))
	case interface{ MarshalJSON() ([]byte, error) }:
		raw, err := v.MarshalJSON()
		if err != nil {
			return nil, a.wrong("must be a list")
		}
		if s, text := scalarOf(raw); text {
			return a.entries(s)
		}
		return a.entries(string(raw))
	case string:
		if v = strings.TrimSpace(v); strings.HasPrefix(v, "[") {
			var list []any
			if json.Unmarshal([]byte(v), &list) != nil {
				return nil, a.wrong("must be a list in JSON")
			}
			return list, nil
		}
		var list []any
		for s := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == '\n' || r == ';' }) {
			list = append(list, s)
		}
		return list, nil
	}
	return nil, a.wrong("must be a list")
}

// entry adds one entry to b, or nothing for an empty one.
func (a *Attribute) entry(b []byte, e any) ([]byte, error) {
	if a.Columns == nil {
		s, ok := scalar(e)
		if !ok {
			return b, a.wrong("must be a list of text")
		}
		if s = clean(s); s == "" {
			return b, nil
		}
		return quote(b, s), nil
	}
	record, ok := e.(map[string]any)
	if s, text := e.(string); text { // the first column alone
		if clean(s) == "" {
			return b, nil
		}
		record, ok = map[string]any{string(a.Columns[0].Name): s}, true
	}
	if !ok {
		return b, a.wrong("must be a list of records")
	}
	var m members
	seen := 0
	for i := range a.Columns {
		c := &a.Columns[i]
		v, there := record[string(c.Name)]
		if there {
			seen++
		}
		text, err := c.Parse(v)
		if err != nil {
			return b, a.wrong(fmt.Sprintf("%s %s", c.Name, err.(*InvalidError).Rule)) //nolint:errorlint // Parse gives no other
		}
		if c.Kind == ValuePhone {
			text = Phone(text, "")
		}
		m.value(c, string(c.Name), text)
	}
	if seen < len(record) {
		for _, name := range slices.Sorted(maps.Keys(record)) {
			if !slices.ContainsFunc(a.Columns, func(c Attribute) bool { return string(c.Name) == name }) {
				return b, a.wrong("must have no entries with other columns than those of the list")
			}
		}
	}
	return append(b, m.object()...), nil
}

// names gives the groups of a value.
func (a *Attribute) names(v any) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	if s, ok := v.(string); ok && !strings.HasPrefix(s, "[") { // a name may have a comma in it
		return []string{clean(s)}, nil
	}
	entries, err := a.entries(v)
	if err != nil {
		return nil, a.wrong("must be names of groups")
	}
	var list []string
	for _, e := range entries {
		s, ok := scalar(e)
		if !ok {
			return nil, a.wrong("must be names of groups")
		}
		list = append(list, clean(s))
	}
	return list, nil
}

// value gives the JSON value of a plain form.
func (a *Attribute) value(text string) any {
	switch a.Kind {
	case ValueFlag:
		return text == "true"
	case ValueNumber:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil
		}
		return n
	case ValueList:
		if a.Columns == nil {
			list := []string{}
			_ = json.Unmarshal([]byte(text), &list) // what is no list is empty
			return list
		}
		list := []map[string]any{}
		_ = json.Unmarshal([]byte(text), &list)
		return list
	}
	return text
}

// value adds a member whose value is in its plain form.
func (m *members) value(a *Attribute, name, text string) {
	switch {
	case a == nil:
	case a.Secret && !Sealed(text):
		m.text(name, SecretSet)
	case a.Secret || a.Kind == ValueText || a.Kind == ValuePhone || a.Kind == ValueChoice:
		m.text(name, text)
	case text == "":
		m.add(name, []byte("null"))
	case a.Kind == ValueNumber:
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			m.text(name, text)
			return
		}
		m.add(name, []byte(text))
	case a.Kind == ValueFlag:
		m.add(name, []byte(boolText(text == "true")))
	default:
		if !jsontext.Value(text).IsValid() {
			text = "[]"
		}
		m.add(name, []byte(text))
	}
}
