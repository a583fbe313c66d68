package crm

import "time"

// User is a person as Salesforce describes them. The tags carry Salesforce's own
// field names, for mapping rules and for JSON; JSON leaves out what is empty and
// is the same bytes for the same user.
//
// Salesforce does not tell an empty text from none: both are "". A field that was
// not asked for, or that the org hides from us, is empty too, so what counts as
// known is what Fields.Select names, never what is not empty.
type User struct {
	ID        ID     `expr:"Id" json:"Id"`
	Username  string `expr:"Username" json:"Username,omitempty"`
	Email     string `expr:"Email" json:"Email,omitempty"`
	FirstName string `expr:"FirstName" json:"FirstName,omitempty"`
	LastName  string `expr:"LastName" json:"LastName,omitempty"`
	Name      string `expr:"Name" json:"Name,omitempty"`
	Alias     string `expr:"Alias" json:"Alias,omitempty"`
	IsActive  bool   `expr:"IsActive" json:"IsActive"`
	UserType  string `expr:"UserType" json:"UserType,omitempty"`

	// IsFrozen comes from UserLogin, not from User: whoever has read Frozen sets it.
	IsFrozen bool `expr:"IsFrozen" json:"IsFrozen,omitzero"`

	ProfileID  ID       `expr:"ProfileId" json:"ProfileId,omitempty"`
	Profile    Profile  `expr:"Profile" json:"Profile,omitzero"`
	UserRoleID ID       `expr:"UserRoleId" json:"UserRoleId,omitempty"`
	UserRole   UserRole `expr:"UserRole" json:"UserRole,omitzero"`
	ManagerID  ID       `expr:"ManagerId" json:"ManagerId,omitempty"`
	Manager    Manager  `expr:"Manager" json:"Manager,omitzero"`

	Department           string `expr:"Department" json:"Department,omitempty"`
	Division             string `expr:"Division" json:"Division,omitempty"`
	Title                string `expr:"Title" json:"Title,omitempty"`
	CompanyName          string `expr:"CompanyName" json:"CompanyName,omitempty"`
	EmployeeNumber       string `expr:"EmployeeNumber" json:"EmployeeNumber,omitempty"`
	FederationIdentifier string `expr:"FederationIdentifier" json:"FederationIdentifier,omitempty"`

	// Phones are free text, as people typed them.
	Phone       string `expr:"Phone" json:"Phone,omitempty"`
	MobilePhone string `expr:"MobilePhone" json:"MobilePhone,omitempty"`
	Extension   string `expr:"Extension" json:"Extension,omitempty"`

	City        string `expr:"City" json:"City,omitempty"`
	State       string `expr:"State" json:"State,omitempty"`
	StateCode   string `expr:"StateCode" json:"StateCode,omitempty"`
	PostalCode  string `expr:"PostalCode" json:"PostalCode,omitempty"`
	Country     string `expr:"Country" json:"Country,omitempty"`
	CountryCode string `expr:"CountryCode" json:"CountryCode,omitempty"`

	TimeZoneSidKey    string `expr:"TimeZoneSidKey" json:"TimeZoneSidKey,omitempty"`
	LocaleSidKey      string `expr:"LocaleSidKey" json:"LocaleSidKey,omitempty"`
	LanguageLocaleKey string `expr:"LanguageLocaleKey" json:"LanguageLocaleKey,omitempty"`

	CallCenterID        ID   `expr:"CallCenterId" json:"CallCenterId,omitempty"`
	CallCenterAutoLogin bool `expr:"UserPermissionsCallCenterAutoLogin" json:"UserPermissionsCallCenterAutoLogin,omitzero"`

	CreatedDate      time.Time `expr:"CreatedDate" json:"CreatedDate,omitzero"`
	LastModifiedDate time.Time `expr:"LastModifiedDate" json:"LastModifiedDate,omitzero"`
	SystemModstamp   time.Time `expr:"SystemModstamp" json:"SystemModstamp,omitzero"`

	// Custom holds the custom fields that were asked for, by API name (X__c), as
	// string, bool or float64. An empty one is absent. It is nil when there are none.
	Custom map[string]any `expr:"Custom" json:"Custom,omitempty"`
}

// Profile is the permission profile of a user; it fixes the license.
type Profile struct {
	Name        string      `expr:"Name" json:"Name,omitempty"`
	UserLicense UserLicense `expr:"UserLicense" json:"UserLicense,omitzero"`
}

// UserLicense is the Salesforce license behind a profile.
type UserLicense struct {
	Name string `expr:"Name" json:"Name,omitempty"`
}

// UserRole is a user's place in the role hierarchy.
type UserRole struct {
	Name          string `expr:"Name" json:"Name,omitempty"`
	DeveloperName string `expr:"DeveloperName" json:"DeveloperName,omitempty"`
}

// Manager is what is known of a user's manager.
type Manager struct {
	Name  string `expr:"Name" json:"Name,omitempty"`
	Email string `expr:"Email" json:"Email,omitempty"`
}
