package events

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// userFields are those of the events of users, by index.
var userFields = strings.Fields(`ChangeEventHeader Username Name CompanyName Division Department Title Address Email EmailPreferences
	SenderEmail SenderName Signature StayInTouchSubject StayInTouchSignature StayInTouchNote Phone Fax MobilePhone Alias CommunityNickname
	IsActive IsSystemControlled TimeZoneSidKey UserRoleId LocaleSidKey ReceivesInfoEmails ReceivesAdminInfoEmails EmailEncodingKey ProfileId
	UserType UserSubtype LanguageLocaleKey EmployeeNumber DelegatedApproverId ManagerId LastLoginDate LastPasswordChangeDate CreatedDate
	CreatedById LastModifiedDate LastModifiedById NumberOfFailedLogins OfflineTrialExpirationDate OfflinePdaTrialExpirationDate
	UserPermissions ForecastEnabled UserPreferences ContactId AccountId CallCenterId Extension FederationIdentifier AboutMe DigestFrequency
	DefaultGroupNotificationFrequency JigsawImportLimitOverride WorkspaceId IsProfilePhotoActive IndividualId`)

// userSchema is a schema of these fields and some custom ones.
func userSchema(t *testing.T, custom ...string) (*schema, string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"type":"record","name":"UserChangeEvent","namespace":"com.sforce.eventbus","fields":[`)
	for i, name := range slices.Concat(userFields, custom) {
		if i > 0 {
			b.WriteString(",")
		}
		kind := `["null","string"]`
		switch name {
		case "ChangeEventHeader":
			b.WriteString(`{"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[
				{"name":"entityName","type":"string"},{"name":"recordIds","type":{"type":"array","items":"string"}},
				{"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["CREATE","UPDATE","DELETE","UNDELETE","GAP_CREATE","GAP_UPDATE","GAP_DELETE","GAP_UNDELETE","GAP_OVERFLOW","SNAPSHOT"]}},
				{"name":"commitTimestamp","type":"long"},{"name":"commitNumber","type":"long"},
				{"name":"nulledFields","type":{"type":"array","items":"string"}},{"name":"diffFields","type":{"type":"array","items":"string"}},
				{"name":"changedFields","type":{"type":"array","items":"string"}}]}}`)
			continue
		case "Name":
			kind = `["null","string",{"type":"record","name":"PersonName","fields":[{"name":"Salutation","type":["null","string"]},
				{"name":"FirstName","type":["null","string"]},{"name":"LastName","type":["null","string"]}]}]`
		case "Address":
			kind = `["null",{"type":"record","name":"Address","fields":[`
			for j, part := range []string{"Street", "City", "State", "PostalCode", "Country"} {
				if j > 0 {
					kind += ","
				}
				kind += fmt.Sprintf(`{"name":%q,"type":["null","string"]}`, part)
			}
			kind += `]}]`
		case "IsActive":
			kind = `["null","boolean"]`
		case "LastModifiedDate":
			kind = `["null","long"]`
		}
		fmt.Fprintf(&b, `{"name":%q,"type":%s,"default":null}`, name, kind)
	}
	b.WriteString("]}")
	s, err := parseSchema(b.String())
	if err != nil {
		t.Fatal(err)
	}
	return s, b.String()
}

func TestBitmaps(t *testing.T) {
	s, _ := userSchema(t, "Region__c")
	for _, tc := range []struct {
		name    string
		bitmaps string
		want    string
	}{
		{"stamp only", "0x010000000000", "LastModifiedDate"},
		{"IsActive", "0x010000200000", "IsActive LastModifiedDate"},
		{"IsActive by another", "0x030000200000", "IsActive LastModifiedDate LastModifiedById"},
		{"Phone", "0x010000010000", "Phone LastModifiedDate"},
		{"Email", "0x010000000100", "Email LastModifiedDate"},
		{"Title", "0x010000000040", "Title LastModifiedDate"},
		{"Division and Department", "0x010000000030", "Division Department LastModifiedDate"},
		{"role and profile", "0x010021000000", "UserRoleId ProfileId LastModifiedDate"},
		{"manager", "0x010800000000", "ManagerId LastModifiedDate"},
		{"call center", "0x04010000000000", "LastModifiedDate CallCenterId"},
		{"extension", "0x08010000000000", "LastModifiedDate Extension"},
		{"federation", "0x10010000000000", "LastModifiedDate FederationIdentifier"},
		{"permissions", "0x210000000000", "LastModifiedDate UserPermissions"},
		{"first name", "0x010000000000 2-0x02", "LastModifiedDate Name.FirstName"},
		{"both names", "0x010000000000 2-0x06", "LastModifiedDate Name.FirstName Name.LastName"},
		{"whole name", "0x010000000000 2-0x07", "LastModifiedDate Name"},
		{"city and country", "0x010000000000 7-0x12", "LastModifiedDate Address.City Address.Country"},
		{"parts alone", "2-0x02", "Name.FirstName"},
		{"an empty top", "0x 2-0x04", "Name.LastName"},
		{"custom", "0x1000010000000000", "LastModifiedDate Region__c"},
		{"cleared phone", "0x010000", "Phone"},
		{"cleared mobile", "0x040000", "MobilePhone"},
		{"none", "", ""},
	} {
		got, err := s.names(strings.Fields(tc.bitmaps))
		if err != nil || strings.Join(got, " ") != tc.want {
			t.Errorf("%s: got %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestBitmapsRefuseWhatTheyAreNot(t *testing.T) {
	s, _ := userSchema(t)
	for _, text := range []string{"010000", "0xzz", "0x1000000000000000", "99-0x01", "-1-0x01", "x-0x01", "2-01", "7-0x80000000", "2-", "0x0000001000000000000000"} {
		if got, err := s.names([]string{text}); err == nil && text != "7-0x80000000" {
			t.Errorf("%q: got %q, want an error", text, got)
		}
	}
}

// An index means the field of the event's own schema.
func TestBitmapsGoByTheirOwnSchema(t *testing.T) {
	older, err := parseSchema(`{"type":"record","name":"E","fields":[{"name":"ChangeEventHeader","type":"string"},{"name":"Phone","type":"string"},{"name":"Email","type":"string"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	newer, err := parseSchema(`{"type":"record","name":"E","fields":[{"name":"ChangeEventHeader","type":"string"},{"name":"Fax","type":"string"},{"name":"Phone","type":"string"},{"name":"Email","type":"string"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[*schema]string{older: "Email", newer: "Phone"} {
		got, err := s.names([]string{"0x04"})
		if err != nil || !cmp.Equal(got, []string{want}) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func FuzzBitmaps(f *testing.F) {
	for _, seed := range []string{"0x010000200000", "2-0x06", "0x", "-0x01", "7-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, _ := userSchema(t)
		if names, err := s.names([]string{text}); err == nil && slices.Contains(names, "") {
			t.Errorf("%q names a field without a name", text)
		}
	})
}
