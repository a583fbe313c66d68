package dialer

import (
	"maps"
	"slices"
)

// GroupInfo is a group with its settings, by GroupAttributes, and how many
// users who are not deleted are in it.
type GroupInfo struct {
	ID       int64         `json:"id"`
	Kind     Kind          `json:"kind"`
	Name     string        `json:"name"`
	Settings map[Field]any `json:"settings"`
	Members  int64         `json:"members"`
}

// Shown are the name and the settings, as the audit trail has them.
func (g *GroupInfo) Shown() map[Field]any {
	all := map[Field]any{"name": g.Name}
	maps.Copy(all, g.Settings)
	return all
}

// GroupChange is what shall become of a group. What is nil stays.
type GroupChange struct {
	Name     *string       `json:"name,omitempty"`
	Settings map[Field]any `json:"settings,omitempty"` // those named are written, nil to their default
}

// Settings of groups that the directory itself goes by.
const (
	CanChangeCallerID Field = "can_change_caller_id"
	AreaCodes         Field = "codes"
	TemplateLicenses  Field = "license_types"
)

var groupTables = map[Kind][]Attribute{
	KindPermissionGroup: {
		{Name: CanChangeCallerID, Label: "May change own caller ID", Kind: ValueFlag, Owner: admin},
		{Name: "can_record", Label: "May start and stop recordings", Kind: ValueFlag, Owner: admin},
		{Name: "can_listen_recordings", Label: "May listen to own recordings", Kind: ValueFlag, Default: "true", Owner: admin},
		{Name: "can_dial_manually", Label: "May dial numbers by hand", Kind: ValueFlag, Default: "true", Owner: admin},
		{Name: "can_transfer", Label: "May transfer calls", Kind: ValueFlag, Default: "true", Owner: admin},
		{Name: "can_drop_voicemail", Label: "May drop voicemail", Kind: ValueFlag, Default: "true", Owner: admin},
		{Name: "can_see_reports", Label: "May see reports", Kind: ValueFlag, Owner: admin},
		{Name: "can_edit_own_profile", Label: "May edit own profile", Kind: ValueFlag, Default: "true", Owner: admin},
	},
	KindRole: {
		{Name: "description", Label: "Description", Kind: ValueText, Owner: admin},
	},
	KindDepartment: {
		{Name: "dispositions", Label: "Dispositions", Kind: ValueList, Max: 80, Owner: admin},
		{Name: "call_tags", Label: "Call tags", Kind: ValueList, Max: 80, Owner: admin},
		{Name: "after_call_work_seconds", Label: "After-call work", Kind: ValueNumber, Format: "seconds", Max: 3600, Default: "0", Owner: admin},
	},
	KindLocation: {
		{Name: "country", Label: "Country", Kind: ValueText, Format: "country", Owner: admin},
		{Name: "region", Label: "State or region", Kind: ValueText, Owner: admin},
		{Name: "city", Label: "City", Kind: ValueText, Owner: admin},
		{Name: "timezone", Label: "Time zone", Kind: ValueText, Format: "zone", Owner: admin},
		{Name: "main_number", Label: "Main number", Kind: ValuePhone, Format: "e164", Owner: admin},
	},
	KindSkillGroup: {
		{Name: "description", Label: "Description", Kind: ValueText, Owner: admin},
	},
	KindDesk: {
		{Name: "description", Label: "Description", Kind: ValueText, Owner: admin},
	},
	KindTag: {
		{Name: "color", Label: "Color", Kind: ValueChoice, Choices: []string{"gray", "blue", "green", "yellow", "red"}, Default: "gray", Owner: admin},
	},
	KindCampaign:   {{Name: "active", Label: "Active", Kind: ValueFlag, Default: "true", Owner: admin}},
	KindInitiative: {{Name: "active", Label: "Active", Kind: ValueFlag, Default: "true", Owner: admin}},
	KindACD:        {{Name: "active", Label: "Active", Kind: ValueFlag, Default: "true", Owner: admin}},
	KindAreaCodeGroup: {
		{Name: AreaCodes, Label: "Area codes", Kind: ValueList, Format: "area_code", Max: 3, Owner: admin, Help: "of North America, such as 801"},
	},
	KindTemplate: templateTable(),
}

// templateTable holds what a new user can be given: every attribute that can be
// set for many users at once.
func templateTable() []Attribute {
	table := []Attribute{{Name: TemplateLicenses, Label: "Licenses", Section: SectionAccess, Kind: ValueList, Owner: admin}}
	for _, a := range attributes {
		if !a.Mass {
			continue
		}
		if a.Kind == ValueGroups {
			a.Kind = ValueList
		}
		a.Default, a.Needs = "", nil
		if a.Kind == ValueFlag { // which may say no where the default says yes
			a.Kind, a.Choices = ValueChoice, []string{"true", "false"}
		}
		table = append(table, a)
	}
	return table
}

// GroupAttributes describes the settings that groups of one kind have, as
// Attributes does those of a user.
func GroupAttributes(k Kind) []Attribute { return slices.Clone(groupTables[k]) }

// ReadGroupSettings reads the stored settings of a group.
func ReadGroupSettings(k Kind, text string) (Values, error) { return ReadValues(groupTables[k], text) }

// WriteGroupSettings returns the settings of a group as they are stored.
func WriteGroupSettings(k Kind, v Values) string { return v.JSON(groupTables[k]) }

// SetGroupSettings changes the settings of a group of kind k.
func SetGroupSettings(k Kind, v Values, values map[Field]any) error {
	return v.SetAll(groupTables[k], values)
}

// ShowGroupSettings returns every setting of a group as JSON has it.
func ShowGroupSettings(k Kind, v Values) map[Field]any {
	if k != KindTemplate {
		return v.All(groupTables[k])
	}
	set := make(map[Field]any, len(v)) // of a template, what it does not say is not its business
	for f, text := range v {
		if a := in(groupTables[k], f); a != nil {
			set[f] = a.value(text)
		}
	}
	return set
}

// Allows reports whether a permission group grants what a setting of its kind
// names.
func Allows(v Values, f Field) bool { return v.Text(groupTables[KindPermissionGroup], f) == "true" }

// Codes returns the area codes of an area-code group.
func Codes(v Values) []string {
	a := in(groupTables[KindAreaCodeGroup], AreaCodes)
	list, _ := a.value(v.Text(groupTables[KindAreaCodeGroup], AreaCodes)).([]string)
	return list
}

// ApplyTemplate gives u what a template says, where u has not been given
// something else, and returns the license types that it asks for.
func ApplyTemplate(u *User, v Values) (licenses []string, err error) {
	for i := range groupTables[KindTemplate] {
		a := &groupTables[KindTemplate][i]
		text, there := v[a.Name]
		if !there {
			continue
		}
		if a.Name == TemplateLicenses {
			licenses, _ = a.value(text).([]string)
			continue
		}
		if given(u, a.Name) {
			continue
		}
		if err := a.Name.Set(u, a.value(text)); err != nil {
			return nil, err
		}
	}
	return licenses, nil
}

// given reports whether u has something else than the default.
func given(u *User, f Field) bool {
	if k := f.Kind(); k != "" {
		return u.One(k) != ""
	}
	return !f.Equal(u, &User{})
}
