package dialer

import "slices"

// Field names an attribute of a user that a change can write.
type Field string

// The attributes, as they are called in JSON, in mapping rules and in the
// activity log. The kinds of group are attributes by their own names.
const (
	FieldSalesforceID     Field = "salesforce_id"
	FieldUsername         Field = "username"
	FieldEmail            Field = "email"
	FieldFirstName        Field = "first_name"
	FieldLastName         Field = "last_name"
	FieldDisplayName      Field = "display_name"
	FieldTitle            Field = "title"
	FieldEmployeeNumber   Field = "employee_number"
	FieldManagerID        Field = "manager_id"
	FieldPhone            Field = "phone"
	FieldMobile           Field = "mobile"
	FieldExtension        Field = "extension"
	FieldVirtualExtension Field = "virtual_extension"
	FieldTimezone         Field = "timezone"
	FieldLanguage         Field = "language"
	FieldSystemRole       Field = "system_role"
	FieldSuperuser        Field = "is_superuser"
	FieldCountry          Field = "country"
	FieldCallerIDName     Field = "caller_id_name"
	FieldCallerIDNumber   Field = "caller_id_number"
	FieldSalesRole        Field = "sales_role"
	FieldTargetMarket     Field = "target_market"
	FieldMatchMethod      Field = "match_method"
	FieldIntegration      Field = "integration_reason"
	FieldAdminHold        Field = "admin_hold"
	FieldProtected        Field = "protected"

	FieldPermissionGroup = Field(KindPermissionGroup)
	FieldRole            = Field(KindRole)
	FieldDepartment      = Field(KindDepartment)
	FieldLocation        = Field(KindLocation)
	FieldTag             = Field(KindTag)
	FieldSkillGroup      = Field(KindSkillGroup)
	FieldDesk            = Field(KindDesk)
	FieldCampaign        = Field(KindCampaign)
	FieldInitiative      = Field(KindInitiative)
	FieldACD             = Field(KindACD)
	FieldAreaCodeGroup   = Field(KindAreaCodeGroup)
	FieldTemplate        = Field(KindTemplate)

	FieldClickToCall           Field = "caller_id_click_to_call"
	FieldUserOverride          Field = "caller_id_user_override"
	FieldInternationalDialing  Field = "international_dialing"
	FieldLocalPresence         Field = "local_presence"
	FieldAutoDial              Field = "auto_dial"
	FieldFirstAttempts         Field = "daily_first_attempts"
	FieldSecondAttempts        Field = "daily_second_attempts"
	FieldRecordingEnabled      Field = "recording_enabled"
	FieldRecordingMode         Field = "recording_mode"
	FieldRecordingMinSeconds   Field = "recording_min_seconds"
	FieldRecordingRatio        Field = "recording_ratio"
	FieldCallWaiting           Field = "call_waiting"
	FieldRingTimeout           Field = "ring_timeout_seconds"
	FieldRingback              Field = "ringback"
	FieldRingbackAsset         Field = "ringback_asset"
	FieldVoicemailDrop         Field = "voicemail_drop"
	FieldUnavailable           Field = "unavailable_kind"
	FieldUnavailableTarget     Field = "unavailable_target"
	FieldPersonalNumberEnabled Field = "personal_number_enabled"
	FieldPersonalNumber        Field = "personal_number"
	FieldSIPOption             Field = "sip_option"
	FieldSIPURI                Field = "sip_custom_uri"
	FieldSIPUsername           Field = "sip_username"
	FieldSIPPassword           Field = "sip_password"
	FieldSIPExtension          Field = "sip_extension"
	FieldSIPDynamic            Field = "sip_dynamic_extension"
	FieldDevices               Field = "devices"
	FieldScreenPopEnabled      Field = "screen_pop_enabled"
	FieldScreenPopRules        Field = "screen_pop_rules"
	FieldIPACLEnabled          Field = "ip_acl_enabled"
	FieldIPACLEntries          Field = "ip_acl_entries"
	FieldAssignLeads           Field = "assign_leads"
	FieldAutoLogin             Field = "auto_callcenter_login"
	FieldDataViewLevel         Field = "data_view_level"
	FieldSitePermissionLevel   Field = "site_permission_level"
	FieldMassEmail             Field = "mass_email_enabled"
	FieldMassEmailCap          Field = "mass_email_daily_cap"
	FieldMassFax               Field = "mass_fax_enabled"
	FieldMassFaxCap            Field = "mass_fax_daily_cap"
	FieldOAuthEmail            Field = "oauth_email"
	FieldCalDAVToken           Field = "caldav_token"
	FieldMemberAllDesks        Field = "member_all_desks"
	FieldProfileSettings       Field = "profile_settings"
	FieldSFAuthorization       Field = "sf_authorization"
	FieldSFAuthorizedAt        Field = "sf_authorized_at"
	FieldSFAuthAskedAt         Field = "sf_authorization_asked_at"
	FieldInviteState           Field = "invite_state"

	// Derived ones; see Derive.
	FieldPhoneValid        Field = "phone_valid"
	FieldMobileValid       Field = "mobile_valid"
	FieldIntegrationStatus Field = "integration_status"
	FieldEffectiveCallerID Field = "effective_caller_id"
	FieldEffectiveRegion   Field = "effective_region"
	FieldOnboarding        Field = "onboarding"
	FieldMissing           Field = "missing"
	FieldEffectiveDesks    Field = "effective_desks"
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
	case FieldVirtualExtension:
		return &u.VirtualExtension
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
	case FieldSuperuser:
		return &u.Superuser
	case FieldProtected:
		return &u.Protected
	}
	return nil
}

// Kind returns the kind of group that the attribute holds, or "".
func (f Field) Kind() Kind {
	switch k := Kind(f); k {
	case KindPermissionGroup, KindRole, KindDepartment, KindLocation, KindTag, KindSkillGroup,
		KindDesk, KindCampaign, KindInitiative, KindACD, KindAreaCodeGroup, KindTemplate:
		return k
	}
	return ""
}

// Known reports whether the attribute exists and can be written.
func (f Field) Known() bool {
	a := find(f)
	return a != nil && !a.Derived
}

// Phone reports whether the attribute is a telephone number.
func (f Field) Phone() bool {
	a := find(f)
	return a != nil && a.Kind == ValuePhone
}

// Text returns the attribute of u in its plain form, which is the same for
// values that are the same: text as it is, numbers in digits, true or false,
// lists in JSON. Of groups it is the first name, of a secret whether it is set.
func (f Field) Text(u *User) string {
	if p := f.text(u); p != nil {
		return *p
	}
	if p := f.flag(u); p != nil {
		return boolText(*p)
	}
	if k := f.Kind(); k != "" {
		return u.One(k)
	}
	a := find(f)
	if a == nil || a.Derived {
		return ""
	}
	if v := u.Settings.get(a); v == "" || !a.Secret {
		return v
	}
	return SecretSet
}

// Value returns the attribute of u as JSON has it: a string, a bool, an int64
// or nil, a []string of groups or of texts, or a []map[string]any of records.
func (f Field) Value(u *User) any {
	if k := f.Kind(); k != "" {
		names := u.In(k)
		if names == nil {
			names = []string{}
		}
		return names
	}
	if p := f.text(u); p != nil {
		return *p
	}
	if p := f.flag(u); p != nil {
		return *p
	}
	if a := find(f); a != nil {
		return a.value(f.Text(u))
	}
	return ""
}

// Flag returns a yes-or-no attribute of u.
func (f Field) Flag(u *User) bool { return f.Text(u) == "true" }

// SetText writes an attribute given as text, as Set does; "" brings it back to
// its default. It reports whether the attribute exists and takes that text.
func (f Field) SetText(u *User, v string) bool {
	if p := f.text(u); p != nil {
		*p = v
		return true
	}
	if k := f.Kind(); k != "" {
		u.SetGroups(k, v)
		return true
	}
	return f.Set(u, v) == nil
}

// Set writes the attribute of u from a value as JSON or a mapping rule has it,
// in whatever form it comes: a number may be given in digits, a flag as yes or
// no, a list as its JSON or, of texts, separated by commas. nil brings the
// attribute back to its default. The error is an *InvalidError.
func (f Field) Set(u *User, v any) error {
	a := find(f)
	if a == nil || a.Derived {
		return &InvalidError{f, "is not an attribute that can be written"}
	}
	if k := f.Kind(); k != "" {
		names, err := a.names(v)
		if err == nil {
			u.SetGroups(k, names...)
		}
		return err
	}
	s, err := a.Parse(v)
	if err != nil {
		return err
	}
	if p := f.text(u); p != nil {
		*p = s
	} else if p := f.flag(u); p != nil {
		*p = s == "true"
	} else {
		u.Settings.set(a, s)
	}
	return nil
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
		return
	}
	if a := find(f); a != nil && !a.Derived {
		dst.Settings.set(a, src.Settings.get(a))
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
	if k := f.Kind(); k != "" {
		return slices.Equal(a.In(k), b.In(k))
	}
	if len(a.Settings.More) == 0 && len(b.Settings.More) == 0 {
		return true
	}
	at := find(f)
	return at == nil || a.Settings.get(at) == b.Settings.get(at)
}

// Same reports whether writing want's value into is would change nothing, once
// it is in the form that the directory stores; see Normalize.
func (f Field) Same(is, want *User) bool {
	if f.Equal(is, want) {
		return true
	}
	a := find(f)
	if a == nil || a.Kind != ValuePhone {
		return false
	}
	return Phone(f.Text(want), is.Settings.Country) == f.Text(is)
}
