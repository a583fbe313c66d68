package simorg

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// eventField is one field of the Avro schema of an event.
type eventField struct {
	name string
	typ  string // string, boolean, int, long, double, array, or the name of a nested record
	sub  []eventField
	get  func(u *User) value // nil for what no user has
}

// eventSchema is the Avro schema of UserChangeEvent while the object had a certain set of fields.
type eventSchema struct {
	id, json string
	fields   []eventField // index 0 is the header
}

// changeTypes are the symbols of ChangeType, in order.
var changeTypes = [...]string{
	"CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW", "SNAPSHOT",
}

// headerFields are the fields of ChangeEventHeader, with their types in JSON.
var headerFields = [...][2]string{
	{"entityName", `"string"`},
	{"recordIds", `{"type":"array","items":"string"}`},
	{"changeType", `{"type":"enum","name":"ChangeType","symbols":["` + strings.Join(changeTypes[:], `","`) + `"]}`},
	{"changeOrigin", `"string"`},
	{"transactionKey", `"string"`},
	{"sequenceNumber", `"int"`},
	{"commitTimestamp", `"long"`},
	{"commitNumber", `"long"`},
	{"commitUser", `"string"`},
	{"nulledFields", `{"type":"array","items":"string"}`},
	{"diffFields", `{"type":"array","items":"string"}`},
	{"changedFields", `{"type":"array","items":"string"}`},
}

// Indexes of the fields that have rules of their own.
const (
	nameIndex         = 2
	addressIndex      = 7
	lastLoginIndex    = 36
	lastModifiedIndex = 40
)

func newEventSchema(o *Org) *eventSchema {
	s := &eventSchema{fields: append([]eventField{{name: "ChangeEventHeader"}}, standardEventFields(o)...)}
	for _, f := range o.users.all() {
		if f.custom {
			s.fields = append(s.fields, eventField{name: f.name, typ: avroType(f.typ), get: f.get})
		}
	}
	s.json = s.spell()
	sum := md5.Sum([]byte(s.json))
	s.id = base64.RawURLEncoding.EncodeToString(sum[:])
	return s
}

// avroType is how values of a field type travel.
func avroType(typ string) string {
	switch typ {
	case "boolean", "double":
		return typ
	case "date", "datetime":
		return "long"
	default:
		return "string"
	}
}

func constant(v value) func(*User) value { return func(*User) value { return v } }

// standardEventFields are indexes 1 to 59.
func standardEventFields(o *Org) []eventField {
	as := func(name, typ string) eventField {
		f := eventField{name: name, typ: typ}
		if mine := o.users.byName[strings.ToLower(name)]; mine != nil {
			f.get = mine.get
		}
		return f
	}
	texts := func(names ...string) (fs []eventField) {
		for _, n := range names {
			fs = append(fs, as(n, "string"))
		}
		return fs
	}
	long := func(names ...string) (fs []eventField) {
		for _, n := range names {
			fs = append(fs, as(n, "long"))
		}
		return fs
	}
	always := func(name, typ string, v value) eventField { return eventField{name: name, typ: typ, get: constant(v)} }
	off := func(name string) eventField { return always(name, "boolean", boolValue(false)) }
	noNames := value{k: text} // an empty list, not null

	address := texts("Street", "City", "State", "PostalCode", "Country")
	if o.opt.StateCountryPicklists {
		address = append(address, texts("StateCode", "CountryCode")...)
	}
	address = append(address, as("Latitude", "double"), as("Longitude", "double"), as("GeocodeAccuracy", "string"))

	f := texts("Username")
	f = append(f, eventField{name: "Name", typ: "PersonName", sub: texts("Salutation", "FirstName", "LastName")})
	f = append(f, texts("CompanyName", "Division", "Department", "Title")...)
	f = append(f, eventField{name: "Address", typ: "Address", sub: address})
	f = append(f, texts("Email")...)
	f = append(f, always("EmailPreferences", "array", noNames))
	f = append(f, texts("SenderEmail", "SenderName", "Signature", "StayInTouchSubject", "StayInTouchSignature", "StayInTouchNote",
		"Phone", "Fax", "MobilePhone", "Alias", "CommunityNickname")...)
	f = append(f, as("IsActive", "boolean"), off("IsSystemControlled"))
	f = append(f, texts("TimeZoneSidKey", "UserRoleId", "LocaleSidKey")...)
	f = append(f, off("ReceivesInfoEmails"), off("ReceivesAdminInfoEmails"))
	f = append(f, texts("EmailEncodingKey", "ProfileId", "UserType", "UserSubtype", "LanguageLocaleKey", "EmployeeNumber",
		"DelegatedApproverId", "ManagerId")...)
	f = append(f, long("LastLoginDate", "LastPasswordChangeDate", "CreatedDate")...)
	f = append(f, texts("CreatedById")...)
	f = append(f, long("LastModifiedDate")...)
	f = append(f, texts("LastModifiedById")...)
	f = append(f, as("NumberOfFailedLogins", "int"))
	f = append(f, long("OfflineTrialExpirationDate", "OfflinePdaTrialExpirationDate")...)
	f = append(f, eventField{name: "UserPermissions", typ: "array", get: permissionNames})
	f = append(f, as("ForecastEnabled", "boolean"), always("UserPreferences", "array", noNames))
	f = append(f, texts("ContactId", "AccountId", "CallCenterId", "Extension", "FederationIdentifier", "AboutMe")...)
	f = append(f, always("DigestFrequency", "string", textValue("D")), always("DefaultGroupNotificationFrequency", "string", textValue("N")))
	f = append(f, always("JigsawImportLimitOverride", "int", intValue(300)), as("WorkspaceId", "string"), off("IsProfilePhotoActive"))
	return append(f, texts("IndividualId")...)
}

// permissionNames lists the feature licenses of a user that are on, joined by semicolons.
func permissionNames(u *User) value {
	var b strings.Builder
	for _, p := range []struct {
		name string
		on   bool
	}{
		{"CallCenterAutoLogin", u.CallCenterAutoLogin},
		{"SFContentUser", u.SFContentUser},
		{"InteractionUser", u.InteractionUser},
		{"SupportUser", u.SupportUser},
		{"KnowledgeUser", u.KnowledgeUser},
		{"MarketingUser", u.MarketingUser},
		{"MobileUser", u.MobileUser},
		{"OfflineUser", u.OfflineUser},
	} {
		if p.on {
			b.WriteString(p.name + ";")
		}
	}
	return value{k: text, s: strings.TrimSuffix(b.String(), ";")}
}

// spell is the schema as JSON.
func (s *eventSchema) spell() string {
	var b strings.Builder
	b.WriteString(`{"type":"record","name":"UserChangeEvent","namespace":"com.sforce.eventbus","fields":[`)
	b.WriteString(`{"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[`)
	for i, f := range headerFields {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"name":"` + f[0] + `","type":` + f[1] + `}`)
	}
	b.WriteString(`]}}`)
	for _, f := range s.fields[1:] {
		b.WriteByte(',')
		f.spell(&b)
	}
	b.WriteString(`]}`)
	return b.String()
}

func (f *eventField) spell(b *strings.Builder) {
	b.WriteString(`{"name":` + quoted(f.name) + `,"type":["null",`)
	switch {
	case f.sub != nil:
		b.WriteString(`{"type":"record","name":"` + f.typ + `","fields":[`)
		for i := range f.sub {
			if i > 0 {
				b.WriteByte(',')
			}
			f.sub[i].spell(b)
		}
		b.WriteString(`]}`)
	case f.typ == "array":
		b.WriteString(`{"type":"array","items":"string"}`)
	default:
		b.WriteString(`"` + f.typ + `"`)
	}
	b.WriteString(`],"default":null}`)
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}
