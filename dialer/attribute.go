package dialer

import (
	"slices"
)

// Attribute describes one attribute of a user: what it is called, what it can
// hold, who decides on it. Whoever shows, sets, copies or compares attributes
// goes by this table and lists none of its own.
type Attribute struct {
	Name    Field     `json:"name"`
	Label   string    `json:"label"`
	Section string    `json:"section"` // one of Sections
	Help    string    `json:"help,omitempty"`
	Kind    ValueKind `json:"kind"`
	// Format narrows a text or a number down: email, e164, country, zone,
	// language, digits, salesforce_id, cidr, sip_uri, time, user, seconds,
	// percent, area_code; or nothing.
	Format  string   `json:"format,omitempty"`
	Choices []string `json:"choices,omitempty"`
	Min     int      `json:"min"` // the least number, or the least characters of a text that is set; above 0, every entry of a list must set the column
	Max     int      `json:"max"` // the greatest number, or the most characters; 0 means 255
	Default string   `json:"default"`
	Owner   Owner    `json:"owner"` // who decides where no mapping rule says otherwise
	Mass    bool     `json:"mass"`  // can be set for many users in one act
	Mapped  bool     `json:"mapped"`
	Self    bool     `json:"self"`    // a user may set it for themselves, where their permission group lets them
	Secret  bool     `json:"secret"`  // is written and never shown
	Derived bool     `json:"derived"` // follows from other attributes; nobody writes it
	Single  bool     `json:"single"`  // of groups: at most one
	// Needs names what must be so for the attribute to be set: other
	// attributes (country, or country=US|CA), or an entitlement of the org
	// (org.personal_numbers).
	Needs []string `json:"needs,omitempty"`
	// Columns describes the entries of a list of records; a list without is of
	// plain text.
	Columns []Attribute `json:"columns,omitempty"`
}

// ValueKind is what an attribute holds.
type ValueKind string

// The kinds of value. In JSON text, phone and choice are strings, a number is
// a number, a flag is true or false, groups are a list of names, and a list is
// a list of strings or of records.
const (
	ValueText   ValueKind = "text"
	ValuePhone  ValueKind = "phone"
	ValueNumber ValueKind = "number"
	ValueFlag   ValueKind = "flag"
	ValueChoice ValueKind = "choice"
	ValueGroups ValueKind = "groups"
	ValueList   ValueKind = "list"
)

// Owner says who decides on an attribute.
type Owner string

// The owners. What Salesforce owns is written by each sync and read-only
// elsewhere; what is seeded is written once, at creation; what is the admin's
// the sync leaves alone; what is the system's follows from what happens.
const (
	OwnerSalesforce Owner = "salesforce"
	OwnerSeeded     Owner = "seeded"
	OwnerAdmin      Owner = "admin"
	OwnerSystem     Owner = "system"
)

// Attributes lists every attribute of a user, derived ones too, in the order in
// which a person would look for them.
func Attributes() []Attribute { return slices.Clone(attributes) }

// Attribute returns the description of f, if there is one.
func (f Field) Attribute() (Attribute, bool) {
	if a := find(f); a != nil {
		return *a, true
	}
	return Attribute{}, false
}

// find returns the attribute of that name, or nil.
func find(f Field) *Attribute {
	if i, ok := places[f]; ok {
		return &attributes[i]
	}
	return nil
}

// places are where the attributes stand in the table.
var places = func() map[Field]int {
	m := make(map[Field]int, len(attributes))
	for i := range attributes {
		m[attributes[i].Name] = i
	}
	return m
}()

// Fields lists every attribute that a change can write, groups included.
func Fields() []Field { return slices.Clone(fields) }

var fields = func() (list []Field) {
	for i := range attributes {
		if !attributes[i].Derived {
			list = append(list, attributes[i].Name)
		}
	}
	return list
}()

// plain are the fields that have a place of their own in User; the others are
// groups, or stand in Settings.More.
var plain = slices.DeleteFunc(slices.Clone(fields), func(f Field) bool {
	var u User
	return f.text(&u) == nil && f.flag(&u) == nil
})

// Mappable reports whether a mapping rule may set the attribute.
func (f Field) Mappable() bool {
	a := find(f)
	return a != nil && a.Mapped
}

// MassUpdatable reports whether the attribute can be set for many users at once.
func (f Field) MassUpdatable() bool {
	a := find(f)
	return a != nil && a.Mass
}
