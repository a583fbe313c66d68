package simorg

import (
	"cmp"
	"crypto/rsa"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options describe the org. The zero value is an Enterprise org without people.
type Options struct {
	// OrgID is the 15- or 18-character id of the org; default 00D5f0000000001EAA.
	OrgID string
	// Name and InstanceName are what the Organization object says; defaults "Acme Example" and "NA99" or "CS99".
	Name, InstanceName string
	// IsSandbox makes https://test.salesforce.com the audience of the JWT flow.
	IsSandbox bool

	// Users is the number of people. System users stand beside them: one in a Plain org (the integration user), five in others.
	Users int
	// Seed chooses the people.
	Seed uint64
	// Plain makes every person an active standard user on the Salesforce license with an address of their own, nothing
	// missing and nobody frozen.
	Plain bool
	// CustomFields stand on User beside the built-in Team__c, Dialer_Enabled__c, Hire_Date__c and Quota__c.
	CustomFields []CustomField
	// StateCountryPicklists adds StateCode and CountryCode to User.
	StateCountryPicklists bool

	// Quota is the number of API calls allowed in any 24 hours; default 100,000.
	Quota int
	// SessionTTL is how long a session lives after its last use; default two hours.
	SessionTTL time.Duration
	// APIVersions lists what the org offers, oldest first; default 31.0 to 68.0.
	APIVersions []string
	// Now is the clock; default time.Now.
	Now func() time.Time

	// ClientID is the consumer key of the connected app; default "simulated-consumer-key".
	ClientID string
	// ClientSecret opens the client credentials flow; without it the flow has no user and is refused.
	ClientSecret string
	// Username is the integration user, who runs both flows; default "rosterd@acme.example".
	Username string
	// PublicKey verifies JWT assertions; without it every assertion is invalid.
	PublicKey *rsa.PublicKey
	// AssertionLife is how far ahead the exp of an assertion may lie; default five minutes, as known clients use.
	AssertionLife time.Duration
	// LoginHost is a Host (with port) that is the generic login host: it issues tokens for assertions, but serves no
	// data and refuses client credentials. Empty means that every host is the org's own.
	LoginHost string
	// InstanceURL is returned with tokens; default is the scheme and host of the token request.
	InstanceURL string
	// Deliveries is the number of change events that may be delivered in any 24 hours; default 25,000.
	Deliveries int
	// EventLog is about how many change events are kept, however young they are; default 50,000.
	EventLog int
	// OverflowAt is how many changes of one transaction are told before GAP_OVERFLOW; default 100,000.
	OverflowAt int
	// LoginEvents makes logins change events of LastLoginDate alone.
	LoginEvents bool
	// FlatRetrieve refuses parent fields in collection and single-record retrieves, of which Salesforce's
	// documentation says neither that they work nor that they fail.
	FlatRetrieve bool
}

func (o Options) withDefaults() Options {
	o.OrgID = cmp.Or(o.OrgID, "00D5f0000000001EAA")
	if id, ok := normalID(o.OrgID); ok {
		o.OrgID = id
	}
	o.Name = cmp.Or(o.Name, "Acme Example")
	o.InstanceName = cmp.Or(o.InstanceName, map[bool]string{false: "NA99", true: "CS99"}[o.IsSandbox])
	o.Quota = cmp.Or(o.Quota, 100_000)
	o.SessionTTL = cmp.Or(o.SessionTTL, 2*time.Hour)
	o.Deliveries = cmp.Or(o.Deliveries, 25_000)
	o.EventLog = cmp.Or(o.EventLog, 50_000)
	o.OverflowAt = cmp.Or(o.OverflowAt, 100_000)
	o.ClientID = cmp.Or(o.ClientID, "simulated-consumer-key")
	o.Username = cmp.Or(o.Username, "rosterd@acme.example")
	o.AssertionLife = cmp.Or(o.AssertionLife, 5*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(o.APIVersions) == 0 {
		for v := 31; v <= 68; v++ {
			o.APIVersions = append(o.APIVersions, fmt.Sprintf("%d.0", v))
		}
	}
	return o
}

// Org is one simulated org. New makes it; it is safe for concurrent use.
type Org struct {
	opt    Options
	gen    generator
	users  *table
	logins *table
	tables map[string]*table // lower case name
	rowOf  [smallTables]map[string]int
	faults *Faults
	routes []*route
	gzips  sync.Pool // of *gzip.Writer
	bodies sync.Pool // of *buffer: pages are megabytes

	// mu guards all below.
	mu       sync.RWMutex
	live     view
	bus      *bus
	log      []stamped      // edits by SystemModstamp, ascending
	names    map[string]int // user names in lower case of edited and added users
	open     []*Tx
	sessions map[string]*session
	locators map[string]*locator
	serial   uint64 // of sessions and locators
	usage    usage
	calls    map[Endpoint]int
	logins1h []time.Time
	seatsAt  time.Time // when the used licenses were last counted
	schemaAt time.Time // when describe last changed
	bulk     bulkQueue // of Bulk API 2.0
}

// stamped is one entry of the edit log: user row i got SystemModstamp sec.
type stamped struct {
	sec int64
	i   int32
}

// New makes an org. It does no I/O and starts nothing.
func New(opt Options) *Org {
	opt = opt.withDefaults()
	o := &Org{
		opt: opt, names: map[string]int{}, sessions: map[string]*session{}, locators: map[string]*locator{},
		calls: map[Endpoint]int{}, routes: routes(), gzips: sync.Pool{New: newGzip}, bodies: sync.Pool{New: func() any { return &buffer{} }},
		bulk: newBulkQueue(),
	}
	now := opt.Now()
	o.gen = generator{
		seed: opt.Seed, plain: opt.Plain, epoch: now.Unix() - 3600, login: opt.Username, pools: newPools(),
		profil: map[string]string{},
	}
	o.gen.n = o.gen.system() + opt.Users
	o.gen.admin = o.gen.id(0)
	o.live = view{o: o, n: o.gen.n, over: map[int32]*User{}, frozen: map[int32]*login{}}
	o.buildTables(opt)
	o.schemaAt = now.Add(-time.Hour)
	o.usage.max = opt.Quota
	o.faults = newFaults(o)
	o.bus = newBus(o)
	return o
}

// ID is the org id.
func (o *Org) ID() string { return o.opt.OrgID }

// Faults are the org's fault switches.
func (o *Org) Faults() *Faults { return o.faults }

// Handler serves the login host and the instance host.
func (o *Org) Handler() http.Handler { return http.HandlerFunc(o.serve) }

func (o *Org) now() time.Time { return o.opt.Now() }

// settleLocked publishes the late transactions whose time has come.
func (o *Org) settleLocked(now time.Time) {
	for _, tx := range slices.Clone(o.open) {
		if !tx.due.IsZero() && !tx.due.After(now) {
			tx.commitLocked()
		}
	}
}
