package dialer

import (
	"maps"
	"strconv"
	"time"
)

// The settings of an org: what it is entitled to, and its defaults.
const (
	OrgInternational    Field = "international"
	OrgPersonalNumbers  Field = "personal_numbers"
	OrgDefaultCountry   Field = "default_country"
	OrgDefaultRegion    Field = "default_region"
	OrgRegions          Field = "country_regions"
	OrgExtensionFirst   Field = "extension_first"
	OrgExtensionLast    Field = "extension_last"
	OrgNamesRequired    Field = "names_required"
	OrgOwnCallerIDs     Field = "caller_ids_from_numbers"
	OrgQuarantineDays   Field = "extension_quarantine_days"
	OrgFirstAttempts    Field = "daily_first_attempts"
	OrgSecondAttempts   Field = "daily_second_attempts"
	OrgDefaultGroups    Field = "default_groups"
	OrgDefaultTemplate  Field = "default_template"
	OrgTwoPersons       Field = "two_person_superusers"
	OrgAuthLink         Field = "authorization_link"
	OrgAuthText         Field = "authorization_text"
	orgEntitlements           = "entitlements"
	orgDefaults               = "defaults"
	orgNumbers                = "numbers"
	orgMessages               = "messages"
	defaultRegion             = HomeCountry
	defaultQuarantine         = "30"
	maxQuarantineInDays       = 3650
)

var orgTable = []Attribute{
	{Name: OrgInternational, Label: "International dialing", Section: orgEntitlements, Kind: ValueFlag, Owner: system, Help: "granted by support; until then everybody is served by the home region"},
	{Name: OrgPersonalNumbers, Label: "Personal numbers", Section: orgEntitlements, Kind: ValueFlag, Owner: system},
	{Name: OrgDefaultCountry, Label: "Country of new users", Section: orgDefaults, Kind: ValueText, Format: "country", Owner: admin},
	{Name: OrgDefaultRegion, Label: "Home dial region", Section: orgDefaults, Kind: ValueText, Max: 40, Default: defaultRegion, Owner: admin},
	{Name: OrgRegions, Label: "Dial region by country", Section: orgDefaults, Kind: ValueList, Owner: admin, Columns: []Attribute{
		{Name: "country", Label: "Country", Kind: ValueText, Format: "country", Min: 2, Max: 2},
		{Name: "region", Label: "Region", Kind: ValueText, Min: 1, Max: 40},
	}},
	{Name: OrgFirstAttempts, Label: "First dial attempts a day", Section: orgDefaults, Kind: ValueNumber, Max: 10_000, Owner: admin},
	{Name: OrgSecondAttempts, Label: "Second dial attempts a day", Section: orgDefaults, Kind: ValueNumber, Max: 10_000, Owner: admin},
	{Name: OrgDefaultGroups, Label: "Groups of new users", Section: orgDefaults, Kind: ValueList, Owner: admin, Columns: []Attribute{
		{Name: "kind", Label: "Kind", Kind: ValueChoice, Choices: kindNames(), Min: 1},
		{Name: "name", Label: "Name", Kind: ValueText, Min: 1},
	}},
	{Name: OrgNamesRequired, Label: "First and last name are required", Section: orgDefaults, Kind: ValueFlag, Owner: admin, Help: "the sync puts what stands before the @ where Salesforce has none"},
	{Name: OrgOwnCallerIDs, Label: "Caller IDs must be numbers of the org", Section: orgNumbers, Kind: ValueFlag, Owner: admin},
	{Name: OrgDefaultTemplate, Label: "Template of new users", Section: orgDefaults, Kind: ValueText, Owner: admin},
	{Name: OrgTwoPersons, Label: "A superuser takes two administrators", Section: orgDefaults, Kind: ValueFlag, Owner: admin, Help: "one asks, another confirms; to switch it off takes one, and stands in the activity log"},
	{Name: OrgAuthLink, Label: "Page where users authorize the dialer", Section: orgMessages, Kind: ValueText, Format: "url", Max: 1000, Owner: admin, Help: "goes to users who are asked to let the dialer act for them in Salesforce"},
	{Name: OrgAuthText, Label: "Words to users who are asked to authorize the dialer", Section: orgMessages, Kind: ValueText, Max: 2000, Owner: admin, Help: "in place of the usual ones"},
	{Name: OrgExtensionFirst, Label: "First extension", Section: orgNumbers, Kind: ValueText, Format: "digits", Min: 3, Max: 6, Owner: admin, Help: "new users get the next free one of the range"},
	{Name: OrgExtensionLast, Label: "Last extension", Section: orgNumbers, Kind: ValueText, Format: "digits", Min: 3, Max: 6, Owner: admin},
	{Name: OrgQuarantineDays, Label: "Days until the extension of someone deleted is free", Section: orgNumbers, Kind: ValueNumber, Max: maxQuarantineInDays, Default: defaultQuarantine, Owner: admin},
}

func kindNames() (names []string) {
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return names
}

// OrgAttributes describes the settings of an org, as Attributes does those of a
// user. Owner is system for what only support may grant.
func OrgAttributes() []Attribute { return append([]Attribute(nil), orgTable...) }

// OrgSettings are the settings of an org.
type OrgSettings struct{ Values Values }

// International reports whether the org may dial to and from other countries.
func (o *OrgSettings) International() bool {
	return o.Values.Text(orgTable, OrgInternational) == "true"
}

// Entitled reports whether the org has what an attribute needs of it, such as
// personal_numbers.
func (o *OrgSettings) Entitled(to string) bool { return o.Values.Text(orgTable, Field(to)) == "true" }

// NamesRequired reports whether users must have a first and a last name.
func (o *OrgSettings) NamesRequired() bool {
	return o.Values.Text(orgTable, OrgNamesRequired) == "true"
}

// OwnCallerIDs reports whether a caller ID must be one of the org's numbers.
func (o *OrgSettings) OwnCallerIDs() bool { return o.Values.Text(orgTable, OrgOwnCallerIDs) == "true" }

// TwoPersons reports whether it takes two administrators to make a superuser.
func (o *OrgSettings) TwoPersons() bool { return o.Values.Text(orgTable, OrgTwoPersons) == "true" }

// Country is that of new users for whom none is known.
func (o *OrgSettings) Country() string { return o.Values.Text(orgTable, OrgDefaultCountry) }

// Template is that of new users who get no other; or "".
func (o *OrgSettings) Template() string { return o.Values.Text(orgTable, OrgDefaultTemplate) }

// Authorization returns the page where users let the dialer act for them in
// Salesforce, and what they are told. Without either nobody can be asked.
func (o *OrgSettings) Authorization() (link, words string) {
	return o.Values.Text(orgTable, OrgAuthLink), o.Values.Text(orgTable, OrgAuthText)
}

// Region returns the dial region that serves a country.
func (o *OrgSettings) Region(country string) string {
	for _, r := range o.Values.records(orgTable, OrgRegions) {
		if r["country"] == country && country != "" {
			name, _ := r["region"].(string)
			return name
		}
	}
	return o.Values.Text(orgTable, OrgDefaultRegion)
}

// Groups are those of new users who have none of their kind.
func (o *OrgSettings) Groups() (groups []Group) {
	for _, r := range o.Values.records(orgTable, OrgDefaultGroups) {
		kind, _ := r["kind"].(string)
		name, _ := r["name"].(string)
		groups = append(groups, Group{Kind(kind), name})
	}
	return groups
}

// Extensions returns the range from which extensions are given out, and whether
// there is one. Both ends have the same number of digits.
func (o *OrgSettings) Extensions() (first, last string, ok bool) {
	first, last = o.Values.Text(orgTable, OrgExtensionFirst), o.Values.Text(orgTable, OrgExtensionLast)
	return first, last, first != "" && last != ""
}

// Quarantine is how long the extension of someone who was deleted rests.
func (o *OrgSettings) Quarantine() time.Duration {
	return time.Duration(o.Values.number(orgTable, OrgQuarantineDays)) * 24 * time.Hour
}

// Attempts returns how often the dialer calls on a day by default, the first
// and the second time.
func (o *OrgSettings) Attempts() (first, second int64) {
	return int64(o.Values.number(orgTable, OrgFirstAttempts)), int64(o.Values.number(orgTable, OrgSecondAttempts))
}

// Set writes settings, given in whatever form, checked one by one and against
// each other.
func (o *OrgSettings) Set(values map[Field]any) error {
	next := OrgSettings{Values{}}
	maps.Copy(next.Values, o.Values)
	if err := next.Values.SetAll(orgTable, values); err != nil {
		return err
	}
	first, last := next.Values[OrgExtensionFirst], next.Values[OrgExtensionLast]
	switch {
	case (first == "") != (last == ""):
		return &InvalidError{OrgExtensionLast, "must be set where extension_first is, and only there"}
	case len(first) != len(last) || first > last:
		return &InvalidError{OrgExtensionLast, "must have as many digits as extension_first, and not come before it"}
	}
	o.Values = next.Values
	return nil
}

// JSON returns the settings that differ from their default as an object.
func (o *OrgSettings) JSON() string { return o.Values.JSON(orgTable) }

// All returns every setting as JSON has it.
func (o *OrgSettings) All() map[Field]any { return o.Values.All(orgTable) }

// ReadOrgSettings reads what JSON wrote.
func ReadOrgSettings(text string) (OrgSettings, error) {
	v, err := ReadValues(orgTable, text)
	return OrgSettings{v}, err
}

// NextExtension returns the extension after s, of as many digits.
func NextExtension(s string) string {
	n, _ := strconv.Atoi(s) // digits
	next := strconv.Itoa(n + 1)
	for len(next) < len(s) {
		next = "0" + next
	}
	return next
}
