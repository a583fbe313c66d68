package simorg

import (
	"strings"
	"time"
)

// Positions of the small tables in view.small.
const (
	profiles = iota
	roles
	licenses
	organizations
	psLicenses
	callCenters
	usageMetrics
	smallTables
)

var licenseNames = [...]struct {
	name, key string
	total     int
}{
	{"Salesforce", "SFDC", 0},
	{"Salesforce Platform", "AUL", 0},
	{"Salesforce Integration", "PID_Salesforce_Integration", 5},
	{"Chatter Free", "CSN_User", 5000},
	{"Partner Community", "PID_Partner_Community", 0},
	{"Customer Community", "PID_Customer_Community", 0},
	{"Guest User License", "PID_Guest_User", 25},
	{"Cloud Integration User", "PID_CloudIntegrationUser", 1},
	{"Analytics Cloud Integration User", "PID_INSIGHTS_INTEGRATION", 1},
}

var profileNames = [...]struct{ name, license, userType string }{
	{"System Administrator", "Salesforce", "Standard"},
	{"Standard User", "Salesforce", "Standard"},
	{"Sales Manager", "Salesforce", "Standard"},
	{"Sales Rep", "Salesforce", "Standard"},
	{"Support Rep", "Salesforce", "Standard"},
	{"Read Only", "Salesforce", "Standard"},
	{"Standard Platform User", "Salesforce Platform", "Standard"},
	{"Minimum Access - API Only Integrations", "Salesforce Integration", "Standard"},
	{"Chatter Free User", "Chatter Free", "CsnOnly"},
	{"Partner Community User", "Partner Community", "PowerPartner"},
	{"Customer Community User", "Customer Community", "CspLitePortal"},
	{"Acme Site Profile", "Guest User License", "Guest"},
	{"Cloud Integration User", "Cloud Integration User", "CloudIntegrationUser"},
	{"Analytics Cloud Integration User", "Analytics Cloud Integration User", "Standard"},
}

func profileOfLicense(license string) string {
	for _, p := range profileNames {
		if p.license == license {
			return p.name
		}
	}
	return ""
}

// roleNames are listed parents first: parent/name.
var roleNames = [...][2]string{
	{"", "CEO"},
	{"CEO", "VP Sales"},
	{"VP Sales", "Director West"},
	{"VP Sales", "Director East"},
	{"VP Sales", "Directeur EMEA"},
	{"Director West", "Inside Sales West"},
	{"Director West", "Field Sales West"},
	{"Director East", "Inside Sales East"},
	{"Director East", "Field Sales East"},
	{"Directeur EMEA", "Vente France"},
	{"Directeur EMEA", "Vertrieb Süd"},
	{"CEO", "VP Support"},
	{"VP Support", "Support Tier 1"},
	{"VP Support", "Support Tier 2"},
}

func smallFields(name string) []*field {
	stamp := []*field{column("CreatedDate", "datetime", 0), column("LastModifiedDate", "datetime", 0), column("SystemModstamp", "datetime", 0)}
	switch name {
	case "Profile":
		return append([]*field{
			column("Id", "id", 18), column("Name", "string", 255),
			reference("UserLicenseId", "UserLicense", "UserLicense"), column("UserType", "picklist", 40),
		}, stamp...)
	case "UserRole":
		return append([]*field{
			column("Id", "id", 18), column("Name", "string", 80), column("DeveloperName", "string", 80),
			reference("ParentRoleId", "", "UserRole"), column("RollupDescription", "string", 80),
		}, stamp...)
	case "UserLicense":
		return append([]*field{
			column("Id", "id", 18), column("Name", "string", 255), column("MasterLabel", "string", 255),
			column("LicenseDefinitionKey", "string", 80), column("Status", "picklist", 40), column("TotalLicenses", "int", 0),
			column("UsedLicenses", "int", 0), column("UsedLicensesLastUpdated", "datetime", 0),
		}, stamp...)
	case "PermissionSetLicense":
		return append([]*field{
			column("Id", "id", 18), column("DeveloperName", "string", 80), column("MasterLabel", "string", 80),
			column("PermissionSetLicenseKey", "string", 81), column("Language", "picklist", 40), column("Status", "picklist", 40),
			column("TotalLicenses", "int", 0), column("UsedLicenses", "int", 0), column("ExpirationDate", "date", 0),
		}, stamp...)
	case "CallCenter":
		return append([]*field{
			column("Id", "id", 18), column("Name", "string", 80), column("InternalName", "string", 80),
			column("Version", "double", 0), column("AdapterUrl", "string", 2000),
		}, stamp...)
	case "PlatformEventUsageMetric":
		return []*field{
			column("Id", "id", 18), column("Name", "picklist", 255).picks(metricName), column("StartDate", "datetime", 0),
			column("EndDate", "datetime", 0), column("Value", "int", 0),
		}
	default: // Organization
		return append([]*field{
			column("Id", "id", 18), column("Name", "string", 80), column("InstanceName", "string", 5),
			column("IsSandbox", "boolean", 0), column("OrganizationType", "picklist", 40), column("TimeZoneSidKey", "picklist", 40),
			column("DefaultLocaleSidKey", "picklist", 40), column("LanguageLocaleKey", "picklist", 40), column("Country", "string", 80),
		}, stamp...)
	}
}

func loginFields() []*field {
	return []*field{
		column("Id", "id", 18), reference("UserId", "User", "User").required(), column("IsFrozen", "boolean", 0),
		column("IsPasswordLocked", "boolean", 0), column("LastModifiedDate", "datetime", 0),
		reference("LastModifiedById", "LastModifiedBy", "User"),
	}
}

// buildTables makes the schema and the rows of the small tables.
func (o *Org) buildTables(opt Options) {
	o.users = newTable("User", "User", "005", -1, userFields(opt)...)
	o.logins = newTable("UserLogin", "User Login", "0Yw", -1, loginFields()...)
	o.tables = map[string]*table{"user": o.users, "userlogin": o.logins}
	for i, t := range [smallTables]struct{ name, label, prefix string }{
		profiles:      {"Profile", "Profile", "00e"},
		roles:         {"UserRole", "Role", "00E"},
		licenses:      {"UserLicense", "User License", "100"},
		organizations: {"Organization", "Organization", "00D"},
		psLicenses:    {"PermissionSetLicense", "Permission Set License", "0PL"},
		callCenters:   {"CallCenter", "Call Center", "04v"},
		usageMetrics:  {"PlatformEventUsageMetric", "Platform Event Usage Metric", "000"},
	} {
		o.tables[strings.ToLower(t.name)] = newTable(t.name, t.label, t.prefix, i, smallFields(t.name)...)
		o.rowOf[i] = map[string]int{}
	}

	at := timeValue(unix(o.gen.epoch - history).Truncate(time.Second))
	stamps := []value{at, at, at}
	str := func(s string) value { return textValue(s) }
	for i, l := range licenseNames {
		o.addSmall(licenses, makeID("100", uint64(100+i)), str(l.name), str(l.name), str(l.key), str("Active"),
			intValue(l.total), intValue(0), value{}, at, at, at)
	}
	for i, p := range profileNames {
		id := makeID("00e", uint64(200+i*3))
		o.gen.profil[p.name] = id
		o.addSmall(profiles, id, append([]value{str(p.name), o.cell(licenses, "Name", p.license, "Id"), str(p.userType)}, stamps...)...)
	}
	for i, r := range roleNames {
		id := makeID("00E", uint64(300+i*2))
		o.gen.roles = append(o.gen.roles, id)
		o.addSmall(roles, id, append([]value{
			str(r[1]), str(strings.ReplaceAll(r[1], " ", "_")),
			o.cell(roles, "Name", r[0], "Id"), str(r[1]),
		}, stamps...)...)
	}
	o.addSmall(organizations, opt.OrgID, str(opt.Name), str(opt.InstanceName), boolValue(opt.IsSandbox), str("Enterprise Edition"),
		str("America/Denver"), str("en_US"), str("en_US"), str("United States"), at, at, at)
	o.addSmall(psLicenses, makeID("0PL", 10), str("SalesforceCRM_Dialer"), str("Sales Dialer"), str("SalesforceCRM_Dialer"), str("en_US"),
		str("Active"), intValue(500), intValue(412), value{}, at, at, at)
	o.gen.center = makeID("04v", 12)
	o.addSmall(callCenters, o.gen.center, str("Acme Dialer"), str("AcmeDialer"), doubleValue(4), str("https://dialer.acme.example/cti"), at, at, at)
}

func (o *Org) addSmall(t int, id string, rest ...value) {
	o.rowOf[t][id] = len(o.live.small[t])
	o.live.small[t] = append(o.live.small[t], append([]value{{k: text, s: id}}, rest...))
}

// cell is column get of the row of which column key has the text.
func (o *Org) cell(t int, key, is, get string) value {
	tab := o.smallTable(t)
	k, g := tab.byName[strings.ToLower(key)].col, tab.byName[strings.ToLower(get)].col
	for _, row := range o.live.small[t] {
		if row[k].s == is {
			return row[g]
		}
	}
	return value{}
}

func (o *Org) smallTable(t int) *table {
	for _, tab := range o.tables {
		if tab.small == t {
			return tab
		}
	}
	return nil
}
