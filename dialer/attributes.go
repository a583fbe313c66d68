package dialer

// The sections in which attributes are shown.
const (
	SectionContact      = "contact"
	SectionAccess       = "access"
	SectionGroups       = "groups"
	SectionCalling      = "calling"
	SectionRecording    = "recording"
	SectionReaching     = "reaching"
	SectionPhone        = "phone"
	SectionSalesforce   = "salesforce"
	SectionPreferences  = "preferences"
	SectionMessaging    = "messaging"
	SectionProvisioning = "provisioning"
)

// Sections lists the sections in the order in which they are shown.
func Sections() []string {
	return []string{
		SectionContact, SectionAccess, SectionGroups, SectionCalling, SectionRecording, SectionReaching, SectionPhone,
		SectionSalesforce, SectionPreferences, SectionMessaging, SectionProvisioning,
	}
}

// Short forms for the table below.
const (
	sf, seed, admin, system = OwnerSalesforce, OwnerSeeded, OwnerAdmin, OwnerSystem

	maxSeconds = 24 * 60 * 60
)

// attributes is the table. Who adds a row has added an attribute everywhere.
var attributes = []Attribute{
	{Name: FieldFirstName, Label: "First name", Section: SectionContact, Kind: ValueText, Owner: sf, Mapped: true},
	{Name: FieldLastName, Label: "Last name", Section: SectionContact, Kind: ValueText, Owner: sf, Mapped: true},
	{Name: FieldDisplayName, Label: "Display name", Section: SectionContact, Kind: ValueText, Owner: sf, Mapped: true},
	{Name: FieldEmail, Label: "E-mail", Section: SectionContact, Kind: ValueText, Format: "email", Max: maxEmail, Owner: sf, Mapped: true},
	{Name: FieldPhone, Label: "Phone", Section: SectionContact, Kind: ValuePhone, Owner: sf, Mapped: true},
	{Name: FieldMobile, Label: "Mobile", Section: SectionContact, Kind: ValuePhone, Owner: sf, Mapped: true},
	{Name: FieldTitle, Label: "Title", Section: SectionContact, Kind: ValueText, Owner: sf, Mapped: true},
	{Name: FieldEmployeeNumber, Label: "Employee number", Section: SectionContact, Kind: ValueText, Owner: sf, Mapped: true},
	{Name: FieldManagerID, Label: "Manager", Section: SectionContact, Kind: ValueText, Format: "salesforce_id", Owner: sf, Mapped: true},

	{Name: FieldUsername, Label: "User name", Section: SectionAccess, Kind: ValueText, Min: minUsername, Max: maxUsername, Owner: seed, Mapped: true},
	{Name: FieldSystemRole, Label: "System role", Section: SectionAccess, Kind: ValueChoice, Choices: []string{SystemRoleUser, SystemRoleSupervisor, SystemRoleAdmin}, Default: SystemRoleUser, Owner: seed, Mapped: true, Mass: true, Help: "admin and supervisor reach the portal, user only the apps"},
	{Name: FieldSuperuser, Label: "Superuser", Section: SectionAccess, Kind: ValueFlag, Owner: admin, Help: "all rights of an administrator; set by hand only, one user at a time"},
	{Name: FieldPermissionGroup, Label: "Permission group", Section: SectionAccess, Kind: ValueGroups, Single: true, Owner: seed, Mapped: true, Mass: true, Help: "decides which features the user has"},
	{Name: FieldRole, Label: "Roles", Section: SectionAccess, Kind: ValueGroups, Owner: seed, Mapped: true, Mass: true},
	{Name: FieldDataViewLevel, Label: "Data view level", Section: SectionAccess, Kind: ValueChoice, Choices: []string{"own", "team", "all"}, Default: "own", Owner: admin, Mapped: true, Mass: true},
	{Name: FieldSitePermissionLevel, Label: "Site permission level", Section: SectionAccess, Kind: ValueChoice, Choices: []string{"none", "limited", "full"}, Default: "none", Owner: admin, Mapped: true, Mass: true},
	{Name: FieldIPACLEnabled, Label: "Only from listed addresses", Section: SectionAccess, Kind: ValueFlag, Owner: admin, Mapped: true, Mass: true, Needs: []string{"ip_acl_entries"}},
	{Name: FieldIPACLEntries, Label: "Listed addresses", Section: SectionAccess, Kind: ValueList, Owner: admin, Mass: true, Columns: []Attribute{
		{Name: "cidr", Label: "Address range", Kind: ValueText, Format: "cidr", Min: 1},
		{Name: "note", Label: "Note", Kind: ValueText},
	}},
	{Name: FieldAdminHold, Label: "Held by an administrator", Section: SectionAccess, Kind: ValueFlag, Owner: admin, Help: "deactivated by hand: the sync does not reactivate"},
	{Name: FieldProtected, Label: "Protected", Section: SectionAccess, Kind: ValueFlag, Owner: admin, Help: "never touched by the sync, nor by an act on all users"},

	{Name: FieldDepartment, Label: "Department", Section: SectionGroups, Kind: ValueGroups, Single: true, Owner: sf, Mapped: true, Mass: true},
	{Name: FieldLocation, Label: "Location", Section: SectionGroups, Kind: ValueGroups, Single: true, Owner: seed, Mapped: true, Mass: true},
	{Name: FieldTag, Label: "Tags", Section: SectionGroups, Kind: ValueGroups, Owner: seed, Mapped: true, Mass: true},
	{Name: FieldSkillGroup, Label: "Skill groups", Section: SectionGroups, Kind: ValueGroups, Owner: seed, Mapped: true, Mass: true},
	{Name: FieldDesk, Label: "Desks", Section: SectionGroups, Kind: ValueGroups, Owner: seed, Mapped: true, Mass: true},
	{Name: FieldMemberAllDesks, Label: "Member of all desks", Section: SectionGroups, Kind: ValueFlag, Owner: admin, Mapped: true, Mass: true, Help: "of those to come too: found by each of them, beside the user's own"},
	{Name: FieldCampaign, Label: "Campaigns", Section: SectionGroups, Kind: ValueGroups, Owner: seed, Mapped: true, Mass: true},
	{Name: FieldInitiative, Label: "Dialer initiatives", Section: SectionGroups, Kind: ValueGroups, Owner: seed, Mapped: true, Mass: true},
	{Name: FieldACD, Label: "ACDs", Section: SectionGroups, Kind: ValueGroups, Owner: seed, Mapped: true, Mass: true},
	{Name: FieldTemplate, Label: "Template", Section: SectionGroups, Kind: ValueGroups, Owner: admin, Help: "what the user was set up from"},

	{Name: FieldCallerIDName, Label: "Caller ID name", Section: SectionCalling, Kind: ValueText, Max: maxCallerIDName, Owner: seed, Mapped: true, Mass: true},
	{Name: FieldCallerIDNumber, Label: "Caller ID number", Section: SectionCalling, Kind: ValuePhone, Format: "e164", Owner: seed, Mapped: true, Mass: true},
	{Name: FieldClickToCall, Label: "Click-to-call caller ID", Section: SectionCalling, Kind: ValuePhone, Format: "e164", Owner: seed, Mapped: true, Mass: true, Help: "the default for all outbound calls"},
	{Name: FieldUserOverride, Label: "Own caller ID", Section: SectionCalling, Kind: ValuePhone, Format: "e164", Owner: admin, Mass: true, Self: true, Help: "used where the permission group lets users change their caller ID"},
	{Name: FieldCountry, Label: "Country", Section: SectionCalling, Kind: ValueText, Format: "country", Owner: seed, Mapped: true, Mass: true, Help: "picks the nearest dialer server"},
	{Name: FieldInternationalDialing, Label: "International dialing", Section: SectionCalling, Kind: ValueFlag, Owner: admin, Mapped: true, Mass: true, Needs: []string{"country"}},
	{Name: FieldLocalPresence, Label: "Local presence", Section: SectionCalling, Kind: ValueFlag, Owner: admin, Mapped: true, Mass: true, Needs: []string{"country=US|CA"}, Help: "dial out with local area codes"},
	{Name: FieldAutoDial, Label: "Auto dial", Section: SectionCalling, Kind: ValueChoice, Choices: []string{"off", "preview", "progressive", "predictive"}, Default: "off", Owner: admin, Mapped: true, Mass: true},
	{Name: FieldFirstAttempts, Label: "First dial attempts a day", Section: SectionCalling, Kind: ValueNumber, Max: 10_000, Owner: admin, Mapped: true, Mass: true, Help: "empty means the default of the org"},
	{Name: FieldSecondAttempts, Label: "Second dial attempts a day", Section: SectionCalling, Kind: ValueNumber, Max: 10_000, Owner: admin, Mapped: true, Mass: true, Help: "empty means the default of the org"},
	{Name: FieldVoicemailDrop, Label: "Voicemail drop", Section: SectionCalling, Kind: ValueFlag, Owner: admin, Mapped: true, Mass: true},
	{Name: FieldAssignLeads, Label: "Assign leads", Section: SectionCalling, Kind: ValueFlag, Default: "true", Owner: admin, Mapped: true, Mass: true},
	{Name: FieldAutoLogin, Label: "Automatic call-center login", Section: SectionCalling, Kind: ValueFlag, Owner: admin, Mapped: true, Mass: true},

	{Name: FieldRecordingEnabled, Label: "Record calls", Section: SectionRecording, Kind: ValueFlag, Owner: admin, Mapped: true, Mass: true},
	{Name: FieldRecordingMode, Label: "Which calls", Section: SectionRecording, Kind: ValueChoice, Choices: []string{"all", "inbound", "outbound", "on_demand"}, Default: "all", Owner: admin, Mapped: true, Mass: true},
	{Name: FieldRecordingMinSeconds, Label: "Minimum record time", Section: SectionRecording, Kind: ValueNumber, Format: "seconds", Max: maxSeconds, Default: "0", Owner: admin, Mapped: true, Mass: true, Help: "shorter recordings are thrown away"},
	{Name: FieldRecordingRatio, Label: "Share of calls", Section: SectionRecording, Kind: ValueNumber, Format: "percent", Max: 100, Default: "100", Owner: admin, Mapped: true, Mass: true},

	{Name: FieldExtension, Label: "Extension", Section: SectionReaching, Kind: ValueText, Format: "digits", Min: 3, Max: 6, Owner: seed, Mapped: true, Help: "auto takes the next that is free"},
	{Name: FieldVirtualExtension, Label: "Virtual extension", Section: SectionReaching, Kind: ValueText, Format: "digits", Min: 3, Max: 6, Owner: admin, Mapped: true},
	{Name: FieldAreaCodeGroup, Label: "Area-code groups", Section: SectionReaching, Kind: ValueGroups, Owner: admin, Mapped: true, Mass: true, Help: "inbound calls only from these; none means from everywhere"},
	{Name: FieldCallWaiting, Label: "Call waiting", Section: SectionReaching, Kind: ValueFlag, Default: "true", Owner: admin, Mapped: true, Mass: true},
	{Name: FieldRingTimeout, Label: "Ring timeout", Section: SectionReaching, Kind: ValueNumber, Format: "seconds", Min: 5, Max: 120, Default: "20", Owner: admin, Mapped: true, Mass: true},
	{Name: FieldRingback, Label: "Ringback tone", Section: SectionReaching, Kind: ValueChoice, Choices: []string{"default", "custom"}, Default: "default", Owner: admin, Mass: true},
	{Name: FieldRingbackAsset, Label: "Custom ringback tone", Section: SectionReaching, Kind: ValueText, Owner: admin, Mass: true, Needs: []string{"ringback=custom"}},
	{Name: FieldUnavailable, Label: "If unavailable", Section: SectionReaching, Kind: ValueChoice, Choices: []string{"voicemail", "user", "ring_group", "queue", "call_flow", "busy"}, Default: "voicemail", Owner: admin, Mass: true},
	{Name: FieldUnavailableTarget, Label: "Redirect to", Section: SectionReaching, Kind: ValueText, Format: "user", Owner: admin, Mass: true, Needs: []string{"unavailable_kind=user|ring_group|queue|call_flow"}, Help: "the id of a user, or the name of a ring group, queue or call flow"},
	{Name: FieldPersonalNumberEnabled, Label: "Personal number", Section: SectionReaching, Kind: ValueFlag, Owner: admin, Needs: []string{"org.personal_numbers", "personal_number"}},
	{Name: FieldPersonalNumber, Label: "Number", Section: SectionReaching, Kind: ValuePhone, Format: "e164", Owner: admin, Needs: []string{"org.personal_numbers"}},

	{Name: FieldSIPOption, Label: "Phone", Section: SectionPhone, Kind: ValueChoice, Choices: []string{"webrtc", "custom_uri", "pbx"}, Default: "webrtc", Owner: admin, Mass: true},
	{Name: FieldSIPURI, Label: "SIP address", Section: SectionPhone, Kind: ValueText, Format: "sip_uri", Owner: admin, Needs: []string{"sip_option=custom_uri"}},
	{Name: FieldSIPUsername, Label: "SIP user name", Section: SectionPhone, Kind: ValueText, Owner: admin, Needs: []string{"sip_option=pbx"}},
	{Name: FieldSIPPassword, Label: "SIP password", Section: SectionPhone, Kind: ValueText, Owner: admin, Secret: true, Needs: []string{"sip_option=pbx"}},
	{Name: FieldSIPExtension, Label: "SIP extension", Section: SectionPhone, Kind: ValueText, Format: "digits", Min: 1, Max: 20, Owner: admin, Needs: []string{"sip_option=pbx"}},
	{Name: FieldSIPDynamic, Label: "Dynamic SIP extension", Section: SectionPhone, Kind: ValueFlag, Owner: admin, Needs: []string{"sip_option=pbx"}},
	{Name: FieldDevices, Label: "Devices", Section: SectionPhone, Kind: ValueList, Owner: admin, Columns: []Attribute{
		{Name: "name", Label: "Name", Kind: ValueText, Min: 1, Max: 80},
		{Name: "kind", Label: "Kind", Kind: ValueChoice, Choices: []string{"desktop", "mobile", "cti", "deskphone"}, Default: "desktop"},
		{Name: "enabled", Label: "Enabled", Kind: ValueFlag, Default: "true"},
		{Name: "caller_id", Label: "Caller ID", Kind: ValuePhone, Format: "e164"},
	}},

	{Name: FieldScreenPopEnabled, Label: "Screen pop", Section: SectionSalesforce, Kind: ValueFlag, Owner: admin, Mapped: true, Mass: true, Needs: []string{"salesforce_id"}},
	{Name: FieldScreenPopRules, Label: "What to open", Section: SectionSalesforce, Kind: ValueList, Owner: admin, Mass: true, Columns: []Attribute{
		{Name: "direction", Label: "Call", Kind: ValueChoice, Choices: []string{"inbound", "outbound"}, Min: 1},
		{Name: "matched", Label: "Caller is known", Kind: ValueFlag},
		{Name: "open", Label: "Open", Kind: ValueChoice, Choices: []string{"contact", "lead", "account", "case", "task", "new_record", "none"}, Min: 1},
	}},
	{Name: FieldSalesforceID, Label: "Salesforce user", Section: SectionSalesforce, Kind: ValueText, Format: "salesforce_id", Owner: system},
	{Name: FieldMatchMethod, Label: "Matched by", Section: SectionSalesforce, Kind: ValueText, Owner: system},
	{Name: FieldIntegration, Label: "Integration reason", Section: SectionSalesforce, Kind: ValueText, Owner: system},
	{Name: FieldSFAuthorization, Label: "Salesforce authorization", Section: SectionSalesforce, Kind: ValueChoice, Choices: AuthorizationStates(), Default: NotAsked, Owner: system, Help: "whether the user let the dialer act for them in Salesforce: pending is asked"},
	{Name: FieldSFAuthorizedAt, Label: "Authorized at", Section: SectionSalesforce, Kind: ValueText, Format: "time", Owner: system},
	{Name: FieldSFAuthAskedAt, Label: "Asked to authorize at", Section: SectionSalesforce, Kind: ValueText, Format: "time", Owner: system},

	{Name: FieldTimezone, Label: "Time zone", Section: SectionPreferences, Kind: ValueText, Format: "zone", Owner: seed, Mapped: true, Mass: true},
	{Name: FieldLanguage, Label: "Language", Section: SectionPreferences, Kind: ValueText, Format: "language", Owner: seed, Mapped: true, Mass: true, Help: "spoken to clients"},
	{Name: FieldSalesRole, Label: "Sales role", Section: SectionPreferences, Kind: ValueText, Owner: seed, Mapped: true, Mass: true, Help: "for analytics; no effect on permissions"},
	{Name: FieldTargetMarket, Label: "Target market", Section: SectionPreferences, Kind: ValueText, Owner: admin, Mapped: true, Mass: true, Help: "for analytics; no effect on permissions"},
	{Name: FieldProfileSettings, Label: "Further profile settings", Section: SectionPreferences, Kind: ValueList, Owner: admin, Mass: true, Columns: []Attribute{
		{Name: "name", Label: "Name", Kind: ValueText, Min: 1, Max: 80},
		{Name: "value", Label: "Value", Kind: ValueText},
	}},

	{Name: FieldMassEmail, Label: "Mass e-mail", Section: SectionMessaging, Kind: ValueFlag, Owner: admin, Mapped: true, Mass: true},
	{Name: FieldMassEmailCap, Label: "Mass e-mails a day", Section: SectionMessaging, Kind: ValueNumber, Max: 1_000_000, Owner: admin, Mapped: true, Mass: true, Needs: []string{"mass_email_enabled"}},
	{Name: FieldMassFax, Label: "Mass fax", Section: SectionMessaging, Kind: ValueFlag, Owner: admin, Mapped: true, Mass: true},
	{Name: FieldMassFaxCap, Label: "Mass faxes a day", Section: SectionMessaging, Kind: ValueNumber, Max: 1_000_000, Owner: admin, Mapped: true, Mass: true, Needs: []string{"mass_fax_enabled"}},
	{Name: FieldOAuthEmail, Label: "Google account", Section: SectionMessaging, Kind: ValueText, Format: "email", Max: maxEmail, Owner: admin, Mapped: true},
	{Name: FieldCalDAVToken, Label: "Calendar token", Section: SectionMessaging, Kind: ValueText, Owner: admin, Secret: true},

	{Name: FieldInviteState, Label: "Invitation", Section: SectionProvisioning, Kind: ValueChoice, Choices: []string{"none", "queued", "sent", "accepted", "expired", "failed"}, Default: "none", Owner: system},

	{Name: FieldPhoneValid, Label: "Phone is valid", Section: SectionContact, Kind: ValueFlag, Owner: system, Derived: true},
	{Name: FieldMobileValid, Label: "Mobile is valid", Section: SectionContact, Kind: ValueFlag, Owner: system, Derived: true},
	{Name: FieldIntegrationStatus, Label: "Integration", Section: SectionSalesforce, Kind: ValueChoice, Choices: []string{StatusIntegrated, StatusNotIntegrated}, Owner: system, Derived: true},
	{Name: FieldEffectiveCallerID, Label: "Caller ID in force", Section: SectionCalling, Kind: ValuePhone, Owner: system, Derived: true},
	{Name: FieldEffectiveRegion, Label: "Dial region in force", Section: SectionCalling, Kind: ValueText, Owner: system, Derived: true},
	{Name: FieldOnboarding, Label: "Set-up", Section: SectionProvisioning, Kind: ValueList, Owner: system, Derived: true, Columns: []Attribute{
		{Name: "step", Label: "Step", Kind: ValueText}, {Name: "state", Label: "State", Kind: ValueChoice, Choices: []string{"done", "open", "optional"}},
	}},
	{Name: FieldEffectiveDesks, Label: "Desks in force", Section: SectionGroups, Kind: ValueList, Owner: system, Derived: true, Help: "the user's own, or all there are"},
	{Name: "effective_first_attempts", Label: "First dial attempts in force", Section: SectionCalling, Kind: ValueNumber, Max: 10_000, Owner: system, Derived: true},
	{Name: "effective_second_attempts", Label: "Second dial attempts in force", Section: SectionCalling, Kind: ValueNumber, Max: 10_000, Owner: system, Derived: true},
	{Name: "device_states", Label: "State of devices", Section: SectionPhone, Kind: ValueList, Owner: system, Derived: true, Columns: []Attribute{
		{Name: "name", Label: "Name", Kind: ValueText},
		{Name: "caller_id", Label: "Caller ID", Kind: ValuePhone},
		{Name: "registration", Label: "Registration", Kind: ValueChoice, Choices: []string{"connected", "disconnected", "disabled"}},
	}},
	{Name: FieldMissing, Label: "Missing", Section: SectionProvisioning, Kind: ValueList, Owner: system, Derived: true, Help: "contact data to fill in at Salesforce"},
}
