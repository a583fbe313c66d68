package crm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// column is one field of User that this package can read.
type column struct {
	name      string // as in SELECT; parents with a dot
	mandatory bool   // nothing can be decided without it
	repeats   bool   // few distinct values in an org: keep one copy of each
	text      func(*User) *string
	flag      func(*User) *bool
	stamp     func(*User) *time.Time
}

// columns are the standard fields, in the order of the SELECT list. LastLoginDate
// is left out on purpose: it would make every login a change.
var columns = []column{
	{name: "Id", mandatory: true, text: func(u *User) *string { return &u.ID }},
	{name: "Username", mandatory: true, text: func(u *User) *string { return &u.Username }},
	{name: "Email", mandatory: true, text: func(u *User) *string { return &u.Email }},
	{name: "FirstName", text: func(u *User) *string { return &u.FirstName }},
	{name: "LastName", text: func(u *User) *string { return &u.LastName }},
	{name: "Name", text: func(u *User) *string { return &u.Name }},
	{name: "Alias", text: func(u *User) *string { return &u.Alias }},
	{name: "IsActive", mandatory: true, flag: func(u *User) *bool { return &u.IsActive }},
	{name: "UserType", mandatory: true, repeats: true, text: func(u *User) *string { return &u.UserType }},
	{name: "ProfileId", repeats: true, text: func(u *User) *string { return &u.ProfileID }},
	{name: "Profile.Name", repeats: true, text: func(u *User) *string { return &u.Profile.Name }},
	{name: "Profile.UserLicense.Name", repeats: true, text: func(u *User) *string { return &u.Profile.UserLicense.Name }},
	{name: "UserRoleId", repeats: true, text: func(u *User) *string { return &u.UserRoleID }},
	{name: "UserRole.Name", repeats: true, text: func(u *User) *string { return &u.UserRole.Name }},
	{name: "UserRole.DeveloperName", repeats: true, text: func(u *User) *string { return &u.UserRole.DeveloperName }},
	{name: "ManagerId", repeats: true, text: func(u *User) *string { return &u.ManagerID }},
	{name: "Manager.Name", repeats: true, text: func(u *User) *string { return &u.Manager.Name }},
	{name: "Manager.Email", repeats: true, text: func(u *User) *string { return &u.Manager.Email }},
	{name: "Department", repeats: true, text: func(u *User) *string { return &u.Department }},
	{name: "Division", repeats: true, text: func(u *User) *string { return &u.Division }},
	{name: "Title", repeats: true, text: func(u *User) *string { return &u.Title }},
	{name: "CompanyName", repeats: true, text: func(u *User) *string { return &u.CompanyName }},
	{name: "EmployeeNumber", text: func(u *User) *string { return &u.EmployeeNumber }},
	{name: "FederationIdentifier", text: func(u *User) *string { return &u.FederationIdentifier }},
	{name: "Phone", text: func(u *User) *string { return &u.Phone }},
	{name: "MobilePhone", text: func(u *User) *string { return &u.MobilePhone }},
	{name: "Extension", text: func(u *User) *string { return &u.Extension }},
	{name: "City", repeats: true, text: func(u *User) *string { return &u.City }},
	{name: "State", repeats: true, text: func(u *User) *string { return &u.State }},
	{name: "StateCode", repeats: true, text: func(u *User) *string { return &u.StateCode }},
	{name: "PostalCode", repeats: true, text: func(u *User) *string { return &u.PostalCode }},
	{name: "Country", repeats: true, text: func(u *User) *string { return &u.Country }},
	{name: "CountryCode", repeats: true, text: func(u *User) *string { return &u.CountryCode }},
	{name: "TimeZoneSidKey", repeats: true, text: func(u *User) *string { return &u.TimeZoneSidKey }},
	{name: "LocaleSidKey", repeats: true, text: func(u *User) *string { return &u.LocaleSidKey }},
	{name: "LanguageLocaleKey", repeats: true, text: func(u *User) *string { return &u.LanguageLocaleKey }},
	{name: "CallCenterId", repeats: true, text: func(u *User) *string { return &u.CallCenterID }},
	{name: "UserPermissionsCallCenterAutoLogin", flag: func(u *User) *bool { return &u.CallCenterAutoLogin }},
	{name: "CreatedDate", stamp: func(u *User) *time.Time { return &u.CreatedDate }},
	{name: "LastModifiedDate", stamp: func(u *User) *time.Time { return &u.LastModifiedDate }},
	{name: "SystemModstamp", mandatory: true, stamp: func(u *User) *time.Time { return &u.SystemModstamp }},
}

// byFeature marks the fields that an org has only with certain settings, so that
// their absence need not be a loss of permission.
var byFeature = map[string]bool{
	"StateCode": true, "CountryCode": true, "UserPermissionsCallCenterAutoLogin": true,
	"CallCenterId": true, "UserRole.DeveloperName": true,
}

// Bounds of a SELECT list.
const (
	maxFields = 200
	// maxSelect leaves, of the 16,384 bytes of a URI, 2,000 for ids and as much for the
	// encoding of the rest.
	maxSelect = 10_000
)

var customForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(_{1,2}[A-Za-z0-9]+)*__c$`)

// StandardFields returns the names of all standard fields that User can hold, in
// the order in which they are selected.
func StandardFields() []string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return names
}

// node is one step of a SELECT list as it comes back in a row: a leaf, or a parent
// object with the leaves asked of it.
type node struct {
	name     string
	column   *column // leaf of the standard fields; nil for parents and custom fields
	children []node  // parent
}

// selection is a SELECT list and how to read rows of it.
type selection struct {
	list  string
	names []string
	nodes []node
}

// newSelection accepts standard and custom fields; nil means all standard ones and
// custom. The mandatory ones are added where they are missing.
func newSelection(fields, custom []string) (*selection, error) {
	if fields == nil {
		fields = slices.Concat(StandardFields(), custom)
	}
	asked := make(map[string]bool, len(fields))
	for _, f := range fields {
		asked[f] = true
	}
	s := &selection{}
	for i := range columns {
		col := &columns[i]
		if asked[col.name] || col.mandatory {
			s.names = append(s.names, col.name)
			s.nodes = insert(s.nodes, strings.Split(col.name, "."), col)
			delete(asked, col.name)
		}
	}
	for _, f := range fields {
		if !asked[f] {
			continue
		}
		if !customForm.MatchString(f) {
			return nil, fmt.Errorf("field %q: %w", f, ErrField)
		}
		delete(asked, f)
		s.names = append(s.names, f)
		s.nodes = append(s.nodes, node{name: f})
	}
	if len(s.names) > maxFields {
		return nil, fmt.Errorf("select %d fields: more than %d", len(s.names), maxFields)
	}
	s.list = strings.Join(s.names, ", ")
	if len(s.list) > maxSelect {
		return nil, hinted("the list of fields is too long for a query", "read fewer custom fields")
	}
	return s, nil
}

func insert(nodes []node, path []string, col *column) []node {
	if len(path) == 1 {
		return append(nodes, node{name: path[0], column: col})
	}
	i := slices.IndexFunc(nodes, func(n node) bool { return n.name == path[0] })
	if i < 0 {
		nodes, i = append(nodes, node{name: path[0]}), len(nodes)
	}
	nodes[i].children = insert(nodes[i].children, path[1:], col)
	return nodes
}
