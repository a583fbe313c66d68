package crm

import "strings"

// eventNames are the standard fields that a change event carries inside of another
// one, or by another name.
var eventNames = map[string]string{
	"FirstName": "Name.FirstName", "LastName": "Name.LastName",
	"City": "Address.City", "State": "Address.State", "StateCode": "Address.StateCode", "PostalCode": "Address.PostalCode",
	"Country": "Address.Country", "CountryCode": "Address.CountryCode",
	"UserPermissionsCallCenterAutoLogin": "UserPermissions",
}

// stamps move with every change, so that alone they tell of none.
var stamps = map[string]bool{"LastModifiedDate": true, "SystemModstamp": true, "CreatedDate": true, "Id": true}

// EventFields returns what a change event calls the fields of a SELECT list, so
// that an event can be told that changes nothing of what is read. A compound is
// in it beside those of its parts. Stamps are not.
func EventFields(selected []string) map[string]bool {
	names := make(map[string]bool, len(selected))
	for _, f := range selected {
		parent, _, dotted := strings.Cut(f, ".")
		switch name, renamed := eventNames[f]; {
		case renamed:
			whole, _, _ := strings.Cut(name, ".")
			names[name], names[whole] = true, true
		case dotted && !strings.HasSuffix(parent, "__r"):
			names[parent+"Id"] = true
		case dotted:
			names[strings.TrimSuffix(parent, "__r")+"__c"] = true
		case f == "Name":
			for _, part := range []string{"Name", "Name.FirstName", "Name.LastName", "Name.MiddleName", "Name.Suffix"} {
				names[part] = true
			}
		case !stamps[f]:
			names[f] = true
		}
	}
	return names
}
