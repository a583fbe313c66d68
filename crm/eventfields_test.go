package crm

import "testing"

func TestEventFields(t *testing.T) {
	names := EventFields(append(StandardFields(), "Region__c"))
	for _, name := range []string{
		"IsActive", "Email", "Username", "Name", "Name.FirstName", "Name.LastName", "Address.City", "Address.CountryCode", "Address",
		"ProfileId", "UserRoleId", "ManagerId", "UserPermissions", "Phone", "CallCenterId", "Region__c",
	} {
		if !names[name] {
			t.Errorf("a change of %s would be passed over", name)
		}
	}
	for _, name := range []string{
		"LastLoginDate", "LastModifiedDate", "LastModifiedById", "NumberOfFailedLogins", "AboutMe", "Address.Street", "Name.Salutation",
		"Signature", "Other__c", "Id", "SystemModstamp",
	} {
		if names[name] {
			t.Errorf("a change of %s would cost a call", name)
		}
	}
}
