package simorg

import (
	"strconv"
	"strings"
	"time"
)

// generator makes the user of a row number out of the seed. It holds no rows.
type generator struct {
	seed   uint64
	plain  bool
	n      int   // rows: the system users, then the people
	epoch  int64 // Unix seconds before which every generated stamp lies
	admin  string
	login  string // user name of the integration user
	pools  []*pool
	profil map[string]string // id of a profile by name
	roles  []string          // ids
	center string            // id of the call center
}

const (
	idBase   = 16 * 62 * 62 * 62 * 62 // ids begin at …0000G0000
	idStride = 7                      // numbers a row may have: ids of a real table have holes
	history  = 5 * 365 * 24 * 3600    // seconds over which the people joined
)

// plainSystem and fullSystem count the rows before the first person.
const (
	plainSystem = 1
	fullSystem  = 5
)

func (g *generator) system() int {
	if g.plain {
		return plainSystem
	}
	return fullSystem
}

// hash is a random number of row i; each salt gives another.
func (g *generator) hash(i int, salt uint64) uint64 {
	z := g.seed + uint64(i)*0x9e3779b97f4a7c15 + salt*0xd1b54a32d192ed03
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// oneIn is true for one in n rows; plain orgs have no oddities.
func (g *generator) oneIn(i int, salt, n uint64) bool { return !g.plain && g.hash(i, salt)%n == 0 }

func (g *generator) number(i int) uint64 {
	return idBase + uint64(i)*idStride + g.hash(i, 1)%idStride
}

func (g *generator) id(i int) string { return makeID("005", g.number(i)) }

// index is the row of a user id; the row may not exist yet.
func (g *generator) index(id string) (int, bool) {
	n, ok := idCounter("005", id)
	if !ok || n < idBase {
		return 0, false
	}
	i := int((n - idBase) / idStride)
	return i, g.number(i) == n
}

// class is what decides whether a user is anybody's business: cheap, so that a count can scan a million.
type class struct {
	userType string
	license  string
	active   bool
	portal   bool
}

var systemClasses = [fullSystem]class{
	{userType: "Standard", license: "Salesforce Integration", active: true},
	{userType: "AutomatedProcess", active: true},
	{userType: "Guest", license: "Guest User License", active: true},
	{userType: "CloudIntegrationUser", license: "Cloud Integration User", active: true},
	{userType: "Standard", license: "Analytics Cloud Integration User", active: true},
}

// classes share the people out, in permille, each up to its bound.
var classes = [...]struct {
	bound uint64
	class
}{
	{800, class{"Standard", "Salesforce", true, false}},
	{880, class{"Standard", "Salesforce", false, false}},
	{905, class{"Standard", "Salesforce Platform", true, false}},
	{915, class{"Standard", "Salesforce Platform", false, false}},
	{925, class{"CsnOnly", "Chatter Free", true, false}},
	{955, class{"PowerPartner", "Partner Community", true, true}},
	{965, class{"PowerPartner", "Partner Community", false, true}},
	{995, class{"CspLitePortal", "Customer Community", true, true}},
	{1000, class{"CspLitePortal", "Customer Community", false, true}},
}

func (g *generator) class(i int) class {
	if i < g.system() {
		return systemClasses[i]
	}
	if !g.plain {
		h := g.hash(i, 2) % 1000
		for k := range classes {
			if h < classes[k].bound {
				return classes[k].class
			}
		}
	}
	return classes[0].class
}

func (g *generator) profile(i int) string {
	switch c := g.class(i); c.license {
	case "":
		return ""
	case "Salesforce":
		name := "Sales Rep"
		switch h := g.hash(i, 3) % 100; {
		case h < 2:
			name = "System Administrator"
		case h < 12:
			name = "Sales Manager"
		case h < 30:
			name = "Standard User"
		case h < 40:
			name = "Support Rep"
		case h < 43:
			name = "Read Only"
		}
		return g.profil[name]
	default:
		return g.profil[profileOfLicense(c.license)]
	}
}

func (g *generator) role(i int) string {
	c := g.class(i)
	h := g.hash(i, 4)
	if i < g.system() || c.portal || c.license != "Salesforce" || g.oneIn(i, 5, 8) {
		return ""
	}
	return g.roles[h%uint64(len(g.roles))]
}

func (g *generator) created(i int) int64 {
	return g.epoch - history + int64(min(i, g.n))*(history-40*86400)/int64(max(g.n, 1))
}

// stamp is the SystemModstamp. One row in ten carries the stamp of the same mass update.
func (g *generator) stamp(i int) int64 {
	c := g.created(i)
	if mass := g.epoch - 90*86400; g.hash(i, 6)%10 == 0 && c < mass {
		return mass
	}
	return c + int64(g.hash(i, 7)%uint64(g.epoch-c))
}

// modified is the LastModifiedDate: background changes move the stamp alone.
func (g *generator) modified(i int) int64 {
	s := g.stamp(i)
	if g.hash(i, 8)%8 == 0 {
		return max(g.created(i), s-int64(g.hash(i, 9)%7200))
	}
	return s
}

func (g *generator) frozen(i int) bool { return i >= g.system() && g.oneIn(i, 10, 100) }

// lastLogin is zero for those who never logged in, of whom there is no UserLogin row.
func (g *generator) lastLogin(i int) int64 {
	if i > 0 && i < g.system() || g.oneIn(i, 11, 14) && !g.frozen(i) {
		return 0
	}
	c := g.created(i)
	return c + int64(g.hash(i, 12)%uint64(g.epoch-c))
}

// user builds the whole row.
func (g *generator) user(i int) *User {
	c := g.class(i)
	u := &User{
		ID: g.id(i), IsActive: c.active, UserType: c.userType, ProfileID: g.profile(i), UserRoleID: g.role(i),
		CreatedDate: unix(g.created(i)), LastModifiedDate: unix(g.modified(i)), SystemModstamp: unix(g.stamp(i)),
		LastLoginDate: unix(g.lastLogin(i)), CreatedByID: g.admin, LastModifiedByID: g.admin, EmailEncodingKey: "UTF-8",
		TimeZoneSidKey: "America/Los_Angeles", LocaleSidKey: "en_US", LanguageLocaleKey: "en_US",
	}
	if i < g.system() {
		g.fillSystem(i, u)
	} else {
		g.fillPerson(i, c, u)
	}
	return u
}

func unix(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

func (g *generator) fillSystem(i int, u *User) {
	names := [fullSystem]struct{ last, alias, login string }{
		{"Integration", "rosterd", g.login},
		{"Automated Process", "autoproc", "autoproc@00d5f0000000001.example"},
		{"Site Guest User", "guest", "acme@guest.acme.example"},
		{"Platform Integration User", "cloud", "cloud@00d5f0000000001.example"},
		{"Insights Integration", "insights", "insightsintegration@00d5f0000000001.example"},
	}[i]
	u.LastName, u.Alias, u.Username, u.CommunityNickname = names.last, names.alias, names.login, names.alias
	u.Email = names.alias + "@example.com"
	if i == 0 {
		u.FirstName = "rosterd"
	}
}

var (
	departments = [...]string{"Sales", "Sales Development", "Customer Success", "Support", "Marketing", "Finance", "IT", "Verkauf & Beratung", "営業部"}
	divisions   = [...]string{"Enterprise", "Mid-Market", "SMB", "EMEA", "APAC"}
	titles      = [...]string{"Account Executive", "Sales Development Rep", "Account Manager", "VP, Sales", "Team Lead \"West\"", "Support Engineer", "Directrice régionale", "課長"}
	teams       = [...]string{"Red", "Blue", "Hunters", "Farmers"}
	oddPhones   = [...]string{"ask reception", "n/a", "see intranet", "555-0100 or 555-0101", "ext 204", "TBD", "+"}
	domains     = [...]string{"example.com", "eu.example.com", "apac.example.com", "acme.example"}
)

func (g *generator) fillPerson(i int, c class, u *User) {
	p := i - g.system()
	h := func(salt uint64) uint64 { return g.hash(i, salt) }
	pl := g.pools[h(20)%uint64(len(g.pools))]
	given, family := pl.given[h(21)%uint64(len(pl.given))], pl.family[h(22)%uint64(len(pl.family))]
	tag := strconv.FormatInt(int64(p), 36)
	handle := given.ascii + "." + family.ascii

	u.FirstName, u.LastName = given.native, family.native
	if g.oneIn(i, 23, 60) {
		u.FirstName = ""
	}
	u.Username = handle + "." + tag + "@acme.example"
	u.CommunityNickname = given.ascii + tag
	u.Alias = given.ascii[:1] + family.ascii[:min(4, len(family.ascii))]
	u.Email = handle + tag + "@" + domains[h(24)%uint64(len(domains))]
	switch {
	case g.oneIn(i, 25, 50):
		u.Email = "desk-" + strconv.Itoa(p/100) + "@example.com"
	case g.oneIn(i, 26, 40):
		u.Email += ".invalid"
	}

	zone := h(27) % uint64(len(pl.zones))
	u.TimeZoneSidKey, u.LocaleSidKey, u.LanguageLocaleKey = pl.zones[zone], pl.locale, pl.language
	at := pl.places[zone%uint64(len(pl.places))]
	u.Country, u.CountryCode = pl.country, pl.code
	u.City, u.State, u.StateCode, u.PostalCode = at.city, at.state, at.stateCode, at.postal
	u.Street = strconv.Itoa(int(h(28)%900)+1) + " Example Street"
	if g.oneIn(i, 29, 5) {
		u.Street += "\nSuite " + strconv.Itoa(int(h(30)%90)+1)
	}
	if g.oneIn(i, 31, 6) {
		u.Street, u.City, u.State, u.StateCode, u.PostalCode, u.Country, u.CountryCode = "", "", "", "", "", "", ""
	}
	g.fillJob(i, p, u)
	g.fillPhones(i, pl, u)
	if c.portal {
		u.ContactID, u.AccountID = makeID("003", uint64(i)), makeID("001", uint64(i/5))
		u.CompanyName, u.Department, u.Division, u.ManagerID, u.EmployeeNumber = "Partner "+strconv.Itoa(i/5)+" Example Ltd", "", "", "", ""
	}
}

func (g *generator) fillJob(i, p int, u *User) {
	h := func(salt uint64) uint64 { return g.hash(i, salt) }
	u.Department = departments[h(40)%uint64(len(departments))]
	u.Division = divisions[h(41)%uint64(len(divisions))]
	u.Title = titles[h(42)%uint64(len(titles))]
	u.CompanyName = "Acme Example Inc."
	u.EmployeeNumber = "E" + strconv.Itoa(100000+p)
	u.FederationIdentifier = u.Username
	u.Team = teams[h(43)%uint64(len(teams))]
	u.DialerEnabled = h(44)%3 > 0
	u.HireDate = unix(g.created(i)).Truncate(24 * time.Hour)
	u.Quota = float64(h(45)%40) * 12500.5
	u.CallCenterAutoLogin, u.MobileUser, u.MarketingUser, u.ForecastEnabled = h(46)%4 == 0, h(46)%2 == 0, h(46)%9 == 0, h(46)%5 == 0
	if h(47)%3 > 0 {
		u.CallCenterID = g.center
	}
	if t := h(48); t%5 > 0 {
		u.LastPasswordChangeDate = unix(g.created(i) + int64(t%uint64(g.epoch-g.created(i))))
	}
	switch {
	case p > 0:
		u.ManagerID = g.id(g.system() + p/9)
	case !g.plain && g.n > g.system()+1:
		u.ManagerID = g.id(g.system() + 1) // the first two manage each other
	}
	nullable := []*string{&u.Department, &u.Division, &u.Title, &u.CompanyName, &u.EmployeeNumber, &u.FederationIdentifier, &u.Team, &u.ManagerID}
	for k, s := range nullable {
		if g.oneIn(i, 50+uint64(k), 12) {
			*s = ""
		}
	}
	if g.oneIn(i, 60, 15) {
		u.HireDate = time.Time{}
	}
	if g.oneIn(i, 61, 25) {
		u.SenderEmail, u.SenderName, u.AboutMe, u.Signature = u.Email, u.Name(), "Likes \"quotes\", \\ and\ttabs", "--\n"+u.Name()
	}
	if g.oneIn(i, 62, 30) {
		u.DelegatedApproverID, u.IndividualID = u.ManagerID, makeID("0PK", uint64(i))
	}
	u.SFContentUser, u.SupportUser, u.KnowledgeUser = h(63)%6 == 0, h(63)%7 == 0, h(63)%11 == 0
	u.InteractionUser, u.OfflineUser = h(63)%13 == 0, h(63)%17 == 0
}

func (g *generator) fillPhones(i int, pl *pool, u *User) {
	h := g.hash(i, 70)
	u.Phone = digits(pl.phones[h%uint64(len(pl.phones))], h)
	u.MobilePhone = digits(pl.mobiles[h>>8%uint64(len(pl.mobiles))], h>>12)
	u.Fax = digits(pl.phones[0], h>>20)
	u.Extension = strconv.Itoa(1000 + int(h%9000))
	switch {
	case g.oneIn(i, 71, 30):
		u.Phone = oddPhones[h%uint64(len(oddPhones))]
	case g.oneIn(i, 72, 8):
		u.Phone = ""
	}
	if g.oneIn(i, 73, 3) {
		u.MobilePhone = ""
	}
	if !g.plain && !g.oneIn(i, 74, 9) {
		u.Fax = ""
	}
	switch {
	case g.oneIn(i, 75, 2):
		u.Extension = ""
	case g.oneIn(i, 76, 40):
		u.Extension = "x" + u.Extension
	}
}

// digits replaces each # of the pattern.
func digits(pattern string, h uint64) string {
	if !strings.Contains(pattern, "#") {
		return pattern
	}
	b := []byte(pattern)
	for i, c := range b {
		if c == '#' {
			b[i] = byte('0' + h%10)
			h /= 10
		}
	}
	return string(b)
}
