package simorg

import (
	"maps"
	"time"
)

// User is one user of the org as an administrator sees it. Empty strings and zero times are null.
type User struct {
	ID, Username, Email                                      string
	FirstName, LastName, Alias, CommunityNickname            string
	IsActive                                                 bool
	UserType                                                 string
	ProfileID, UserRoleID, ManagerID                         string
	Department, Division, Title, CompanyName, EmployeeNumber string
	Phone, MobilePhone, Fax, Extension                       string
	Street, City, State, StateCode, PostalCode               string
	Country, CountryCode                                     string
	TimeZoneSidKey, LocaleSidKey                             string
	LanguageLocaleKey, EmailEncodingKey                      string
	FederationIdentifier, CallCenterID                       string
	CallCenterAutoLogin, SFContentUser, InteractionUser      bool
	SupportUser, KnowledgeUser, MarketingUser                bool
	MobileUser, OfflineUser, ForecastEnabled                 bool
	ContactID, AccountID, DelegatedApproverID, IndividualID  string
	SenderEmail, SenderName, Signature, AboutMe              string
	LastLoginDate, LastPasswordChangeDate                    time.Time
	CreatedDate, LastModifiedDate, SystemModstamp            time.Time
	CreatedByID, LastModifiedByID                            string
	Team                                                     string    // Team__c
	DialerEnabled                                            bool      // Dialer_Enabled__c
	HireDate                                                 time.Time // Hire_Date__c
	Quota                                                    float64   // Quota__c, null when zero

	// Custom holds the values of Options.CustomFields: string, bool, float64 or time.Time. It is replaced, not
	// changed in place, by whoever edits the user.
	Custom map[string]any
}

// Name is the computed name, as Salesforce joins it.
func (u *User) Name() string {
	if u.FirstName == "" {
		return u.LastName
	}
	return u.FirstName + " " + u.LastName
}

// CustomField adds a field to User.
type CustomField struct {
	Name string // ends in __c
	Type string // string (default), boolean, double, date or datetime
}

func (c CustomField) field() *field {
	typ := c.Type
	if typ == "" {
		typ = "string"
	}
	f := &field{name: c.Name, typ: typ, length: 255, nillable: typ != "boolean", updateable: true, custom: true}
	f.get = func(u *User) value { return customValue(typ, u.Custom[c.Name]) }
	f.set = func(u *User, v value) {
		m := make(map[string]any, len(u.Custom)+1)
		maps.Copy(m, u.Custom)
		m[c.Name] = v.native()
		u.Custom = m
	}
	return f
}

// native is the Go value that User.Custom holds for v.
func (v value) native() any {
	switch v.k {
	case text:
		return v.s
	case boolean:
		return v.n == 1
	case integer, double:
		return v.float()
	case datetime, date:
		return fieldTime(v)
	default:
		return nil
	}
}

func customValue(typ string, x any) value {
	switch x := x.(type) {
	case string:
		return textValue(x)
	case bool:
		return boolValue(x)
	case float64:
		return doubleValue(x)
	case int:
		return doubleValue(float64(x))
	case time.Time:
		if typ == "date" {
			return dateValue(x)
		}
		return timeValue(x)
	}
	if typ == "boolean" {
		return boolValue(false)
	}
	return value{}
}
