package dialer

import "slices"

// Field names an attribute of a user that a change can write.
type Field string

// The attributes, as they are called in JSON, in mapping rules and in the
// activity log.
const (
	FieldSalesforceID   Field = "salesforce_id"
	FieldUsername       Field = "username"
	FieldEmail          Field = "email"
	FieldFirstName      Field = "first_name"
	FieldLastName       Field = "last_name"
	FieldDisplayName    Field = "display_name"
	FieldTitle          Field = "title"
	FieldEmployeeNumber Field = "employee_number"
	FieldManagerID      Field = "manager_id"
	FieldPhone          Field = "phone"
	FieldMobile         Field = "mobile"
	FieldExtension      Field = "extension"
	FieldTimezone       Field = "timezone"
	FieldLanguage       Field = "language"
	FieldSystemRole     Field = "system_role"
	FieldCountry        Field = "country"
	FieldCallerIDName   Field = "caller_id_name"
	FieldCallerIDNumber Field = "caller_id_number"
	FieldSalesRole      Field = "sales_role"
	FieldTargetMarket   Field = "target_market"
	FieldMatchMethod    Field = "match_method"
	FieldIntegration    Field = "integration_reason"
	FieldAdminHold      Field = "admin_hold"
	FieldProtected      Field = "protected"
)

// GroupField returns the attribute that holds the groups of one kind.
func GroupField(k Kind) Field { return Field(k) }

// text returns the place of a plain text attribute in u, or nil.
func (f Field) text(u *User) *string {
	switch f {
	case FieldSalesforceID:
		return &u.SalesforceID
	case FieldUsername:
		return &u.Username
	case FieldEmail:
		return &u.Email
	case FieldFirstName:
		return &u.FirstName
	case FieldLastName:
		return &u.LastName
	case FieldDisplayName:
		return &u.DisplayName
	case FieldTitle:
		return &u.Title
	case FieldEmployeeNumber:
		return &u.EmployeeNumber
	case FieldManagerID:
		return &u.ManagerID
	case FieldPhone:
		return &u.Phone
	case FieldMobile:
		return &u.Mobile
	case FieldExtension:
		return &u.Extension
	case FieldTimezone:
		return &u.Timezone
	case FieldLanguage:
		return &u.Language
	case FieldSystemRole:
		return &u.SystemRole
	case FieldCountry:
		return &u.Settings.Country
	case FieldCallerIDName:
		return &u.Settings.CallerIDName
	case FieldCallerIDNumber:
		return &u.Settings.CallerIDNumber
	case FieldSalesRole:
		return &u.Settings.SalesRole
	case FieldTargetMarket:
		return &u.Settings.TargetMarket
	case FieldMatchMethod:
		return &u.MatchMethod
	case FieldIntegration:
		return &u.IntegrationInfo
	}
	return nil
}

// flag returns the place of a yes-or-no attribute in u, or nil.
func (f Field) flag(u *User) *bool {
	switch f {
	case FieldAdminHold:
		return &u.AdminHold
	case FieldProtected:
		return &u.Protected
	}
	return nil
}

// Kind returns the kind of group that the attribute holds, or "".
func (f Field) Kind() Kind {
	if slices.Contains(Kinds(), Kind(f)) {
		return Kind(f)
	}
	return ""
}

// Known reports whether the attribute exists.
func (f Field) Known() bool {
	var u User
	return f.text(&u) != nil || f.flag(&u) != nil || f.Kind() != ""
}

// Value returns the attribute of u: a string, a bool, or a []string of groups.
func (f Field) Value(u *User) any {
	if p := f.text(u); p != nil {
		return *p
	}
	if p := f.flag(u); p != nil {
		return *p
	}
	names := u.In(f.Kind())
	if names == nil {
		names = []string{}
	}
	return names
}

// SetText writes a plain text attribute, or a group attribute as its only
// group. It reports whether the attribute exists and takes text.
func (f Field) SetText(u *User, v string) bool {
	if p := f.text(u); p != nil {
		*p = v
		return true
	}
	if k := f.Kind(); k != "" {
		u.SetGroups(k, v)
		return true
	}
	return false
}

// Copy writes the attribute of src into dst.
func (f Field) Copy(dst, src *User) {
	if p := f.text(dst); p != nil {
		*p = *f.text(src)
		return
	}
	if p := f.flag(dst); p != nil {
		*p = *f.flag(src)
		return
	}
	if k := f.Kind(); k != "" {
		dst.SetGroups(k, src.In(k)...)
	}
}

// Equal reports whether a and b agree on the attribute. Spelling counts: two
// addresses that differ in case are not equal, but Key makes them so.
func (f Field) Equal(a, b *User) bool {
	if p := f.text(a); p != nil {
		return *p == *f.text(b)
	}
	if p := f.flag(a); p != nil {
		return *p == *f.flag(b)
	}
	return slices.Equal(a.In(f.Kind()), b.In(f.Kind()))
}
