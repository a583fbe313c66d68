package dialer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Settings is the long tail of a user's dialer settings: one validated JSON
// document, so that a new setting is a row of the table of attributes, not a
// migration. What most users have stands by itself, the rest in More.
type Settings struct {
	Country        string // ISO 3166-1 alpha-2
	CallerIDName   string // at most 40 characters
	CallerIDNumber string // E.164
	SalesRole      string
	TargetMarket   string

	// More holds what differs from its default, sorted by field. The list is
	// never changed in place: users that are copied share it.
	More []Setting
}

// Setting is the value of one attribute in its plain form; see Field.Text.
type Setting struct {
	Field Field
	Text  string
}

// SecretSet stands for a secret that is set, wherever it would be shown.
const SecretSet = "set"

// sealed begins what stands in a user for a secret that is kept elsewhere.
const sealed = "sealed:"

// Sealed reports whether text is the mark of a secret that is kept elsewhere,
// rather than the secret.
func Sealed(text string) bool { return strings.HasPrefix(text, sealed) }

// Seal returns the mark for a secret that is kept elsewhere under id.
func Seal(id string) string { return sealed + id }

// Secrets returns the secrets of u that are not sealed yet.
func (u *User) Secrets() (list []Setting) {
	for _, m := range u.Settings.More {
		if a := find(m.Field); a != nil && a.Secret && !Sealed(m.Text) {
			list = append(list, m)
		}
	}
	return list
}

// SetSealed puts the mark of a secret in the place of the secret.
func (u *User) SetSealed(f Field, mark string) {
	if a := find(f); a != nil && a.Secret {
		u.Settings.set(a, mark)
	}
}

func compareSetting(s Setting, f Field) int { return strings.Compare(string(s.Field), string(f)) }

// get returns the value of a, or its default.
func (s *Settings) get(a *Attribute) string {
	if len(s.More) > 0 {
		if i, ok := slices.BinarySearchFunc(s.More, a.Name, compareSetting); ok {
			return s.More[i].Text
		}
	}
	return a.initial()
}

// set writes the value of a, which is left out where it is the default.
func (s *Settings) set(a *Attribute, text string) {
	i, there := slices.BinarySearchFunc(s.More, a.Name, compareSetting)
	switch unset := text == "" || text == a.initial(); {
	case !there && unset, there && s.More[i].Text == text:
	case unset:
		s.More = slices.Delete(slices.Clone(s.More), i, i+1)
		if len(s.More) == 0 {
			s.More = nil
		}
	case there:
		s.More = slices.Clone(s.More)
		s.More[i].Text = text
	default:
		s.More = slices.Insert(slices.Clip(s.More), i, Setting{a.Name, text})
	}
}

// normalize brings More into order, and drops what is no setting, or is one's
// default.
func (s *Settings) normalize() {
	more := s.More
	s.More = nil
	for _, m := range more {
		if a := find(m.Field); a.tail() && s.at(m.Field) == nil {
			if text, err := a.Parse(m.Text); err == nil {
				s.set(a, text)
			} else {
				s.set(a, clean(m.Text)) // for Validate to refuse
			}
		}
	}
}

// at returns the place of f in More, or nil.
func (s *Settings) at(f Field) *Setting {
	if i, ok := slices.BinarySearchFunc(s.More, f, compareSetting); ok {
		return &s.More[i]
	}
	return nil
}

// tail reports whether the attribute stands in Settings.More.
func (a *Attribute) tail() bool {
	var u User
	return a != nil && !a.Derived && a.Kind != ValueGroups && a.Name.text(&u) == nil && a.Name.flag(&u) == nil
}

// document is Settings as they are stored.
type document struct {
	Country        string         `json:"country,omitzero"`
	CallerIDName   string         `json:"caller_id_name,omitzero"`
	CallerIDNumber string         `json:"caller_id_number,omitzero"`
	SalesRole      string         `json:"sales_role,omitzero"`
	TargetMarket   string         `json:"target_market,omitzero"`
	More           jsontext.Value `json:",embed"`
}

// MarshalJSON gives the settings that differ from their defaults as one object.
func (s Settings) MarshalJSON() ([]byte, error) {
	var m members
	for _, p := range [...]Setting{
		{FieldCountry, s.Country},
		{FieldCallerIDName, s.CallerIDName},
		{FieldCallerIDNumber, s.CallerIDNumber},
		{FieldSalesRole, s.SalesRole},
		{FieldTargetMarket, s.TargetMarket},
	} {
		if p.Text != "" {
			m.text(string(p.Field), p.Text)
		}
	}
	for _, p := range s.More {
		m.value(find(p.Field), string(p.Field), p.Text)
	}
	return []byte(m.object()), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. Settings that are not known, as
// of another release, are left out.
func (s *Settings) UnmarshalJSON(b []byte) error {
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	*s = Settings{
		Country: d.Country, CallerIDName: d.CallerIDName, CallerIDNumber: d.CallerIDNumber, SalesRole: d.SalesRole,
		TargetMarket: d.TargetMarket,
	}
	if len(d.More) == 0 {
		return nil
	}
	var more map[Field]jsontext.Value
	if err := json.Unmarshal(d.More, &more); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	for f, v := range more {
		if a := find(f); a.tail() {
			if text, err := a.plain(v); err == nil {
				s.More = append(s.More, Setting{f, text})
			}
		}
	}
	slices.SortFunc(s.More, func(a, b Setting) int { return strings.Compare(string(a.Field), string(b.Field)) })
	return nil
}

// plain turns a stored value back into its plain form.
func (a *Attribute) plain(v jsontext.Value) (string, error) {
	if v.Kind() != '"' {
		return string(v), nil
	}
	var s string
	err := json.Unmarshal(v, &s)
	return s, err
}
