package dialer

// Derived is what follows from a user's attributes, under the names of the
// attributes that are derived.
type Derived struct {
	PhoneValid        bool     `json:"phone_valid"`
	MobileValid       bool     `json:"mobile_valid"`
	IntegrationStatus string   `json:"integration_status"`
	EffectiveCallerID string   `json:"effective_caller_id"`
	EffectiveRegion   string   `json:"effective_region"`
	EffectiveDesks    []string `json:"effective_desks"` // of a member of all desks, every one
	Onboarding        []Step   `json:"onboarding"`
	Missing           []Field  `json:"missing"` // contact data that Salesforce lacks

	// What is in force where a user's own setting and one of the org or of the
	// department meet.
	FirstAttempts  int64         `json:"effective_first_attempts"`
	SecondAttempts int64         `json:"effective_second_attempts"`
	CallSettings   map[Field]any `json:"call_settings"` // of the department
	Devices        []DeviceState `json:"device_states"`
}

// DeviceState is how one of a user's devices stands.
type DeviceState struct {
	Name     string `json:"name"`
	CallerID string `json:"caller_id"` // the device's own, or else the user's
	// Registration is disabled, or else what the registrar says: connected or
	// disconnected, which it is where no registrar is asked.
	Registration string `json:"registration"`
}

// Step is one of the eight steps of setting a user up. Whether it is done is
// seen from the user, not from who clicked where.
type Step struct {
	Name  string `json:"step"`
	Label string `json:"label"`
	State string `json:"state"` // done, open, or optional: nothing set, which may be meant
}

// Surroundings are what some of it depends on beside the user. The zero value
// is an org without entitlements, and a permission group that grants nothing.
type Surroundings struct {
	Org             OrgSettings
	PermissionGroup Values   // settings of the user's
	Department      Values   // settings of the user's
	Desks           []string // all there are
}

// Derive works out what follows from a user's attributes.
func Derive(u *User, s Surroundings) Derived {
	d := Derived{
		PhoneValid: PhoneValid(u.Phone), MobileValid: PhoneValid(u.Mobile), IntegrationStatus: StatusNotIntegrated,
		EffectiveCallerID: EffectiveCallerID(u, Allows(s.PermissionGroup, CanChangeCallerID)), EffectiveRegion: s.Org.Region(""),
		Onboarding: onboarding(u), Missing: missing(u),
	}
	if u.SalesforceID != "" && (u.IntegrationInfo == "" || u.IntegrationInfo == IntegrationOK) {
		d.IntegrationStatus = StatusIntegrated
	}
	if d.EffectiveDesks = u.In(KindDesk); FieldMemberAllDesks.Flag(u) {
		d.EffectiveDesks = s.Desks
	}
	if d.EffectiveDesks == nil {
		d.EffectiveDesks = []string{}
	}
	d.FirstAttempts, d.SecondAttempts = s.Org.Attempts()
	for f, n := range map[Field]*int64{FieldFirstAttempts: &d.FirstAttempts, FieldSecondAttempts: &d.SecondAttempts} {
		if own, ok := f.Value(u).(int64); ok {
			*n = own
		}
	}
	d.CallSettings = ShowGroupSettings(KindDepartment, s.Department)
	d.Devices = devices(u, d.EffectiveCallerID)
	if s.Org.International() {
		d.EffectiveRegion = s.Org.Region(u.Settings.Country)
	}
	return d
}

// EffectiveCallerID is what people see who are called: the user's own choice
// where the permission group allows one, else the default for click-to-call,
// else the caller ID.
func EffectiveCallerID(u *User, mayChange bool) string {
	if own := FieldUserOverride.Text(u); mayChange && own != "" {
		return own
	}
	if n := FieldClickToCall.Text(u); n != "" {
		return n
	}
	return u.Settings.CallerIDNumber
}

func devices(u *User, callerID string) []DeviceState {
	list := []DeviceState{}
	records, _ := FieldDevices.Value(u).([]map[string]any)
	for _, r := range records {
		s := DeviceState{CallerID: callerID, Registration: "disconnected"}
		s.Name, _ = r["name"].(string)
		if own, _ := r["caller_id"].(string); own != "" {
			s.CallerID = own
		}
		if on, _ := r["enabled"].(bool); !on {
			s.Registration = "disabled"
		}
		list = append(list, s)
	}
	return list
}

// missing lists the contact data without which a user's letters look bare.
func missing(u *User) []Field {
	list := []Field{}
	for _, f := range [...]Field{FieldPhone, FieldTitle, FieldEmail} {
		if f.Text(u) == "" {
			list = append(list, f)
		}
	}
	return list
}

func onboarding(u *User) []Step {
	set := func(list ...Field) bool {
		for _, f := range list {
			if !f.Equal(u, &User{}) {
				return true
			}
		}
		return false
	}
	must := func(done bool) string {
		if done {
			return "done"
		}
		return "open"
	}
	may := func(done bool) string {
		if done {
			return "done"
		}
		return "optional"
	}
	return []Step{
		{"profile", "Create the profile", must(u.Username != "")},
		{"licenses", "Assign licenses", must(len(u.LicenseTypes) > 0)},
		{"contact", "Complete the contact data", must(len(missing(u)) == 0)},
		{"permissions", "Set what the user may see and do", must(u.One(KindPermissionGroup) != "" && u.One(KindRole) != "")},
		{"messaging", "Mass e-mail and fax", may(set(FieldMassEmail, FieldMassFax))},
		{"dialing", "Dialing and recording rules", may(set(FieldFirstAttempts, FieldSecondAttempts, FieldRecordingEnabled,
			FieldRecordingRatio, FieldRecordingMode, FieldRecordingMinSeconds))},
		{"addresses", "Restrict the addresses of access", may(set(FieldIPACLEnabled))},
		{"memberships", "Campaigns, dialer initiatives and ACDs", may(set(FieldCampaign, FieldInitiative, FieldACD))},
	}
}

// Number is a telephone number that an org has.
type Number struct {
	Number   string `json:"number"` // E.164
	Kind     string `json:"kind"`   // location or personal
	Location string `json:"location"`
	Note     string `json:"note"`
	UserID   string `json:"user_id"` // whose personal number it is; "" is available
}
