package sync

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// maxResume is for how long an interrupted snapshot may go on where it was.
const maxResume = 6 * time.Hour

// Directory is what the engine asks of the built-in directory.
type Directory interface {
	dialer.Directory
	// User finds one by id, Salesforce id, user name or e-mail address.
	User(ctx context.Context, ref string) (dialer.User, error)
	// FindByKey finds everyone, deleted users too, whose user name or e-mail
	// address folds to one of keys, by that key.
	FindByKey(ctx context.Context, field dialer.Field, keys []string) (map[string][]dialer.User, error)
	Count(ctx context.Context, q dialer.Query) (int64, error)
	Licenses(ctx context.Context) ([]dialer.License, error)
	Activity(ctx context.Context, q dialer.ActivityQuery) ([]dialer.Activity, error)
}

// Deps is what an engine cannot live without.
type Deps struct {
	OrgID      int64
	DB         *store.DB
	Directory  Directory
	Salesforce crm.Config // without the pinned org: the engine remembers that
	Stream     Stream     // brings change events; nil for none
}

// Options are the optional settings of New.
type Options struct {
	Log      *slog.Logger
	Observer Observer    // nil for nobody
	CRM      crm.Options // Meter is the engine's own
}

// Observer is told what the engine does; metrics implement it. Its methods
// must be quick and safe for concurrent use.
type Observer interface {
	RunFinished(org, kind, outcome string, took time.Duration)
	Changes(org, verb, outcome string, n int)
	Skipped(org, reason string, n int)
	StatusGauges(org string, mirror, enrolled, held, attention, waiting, overdue int)
	LastSuccess(org, kind string, at time.Time)
	QuotaGauges(org string, used, most, ours, budgetLeft int)
	Lag(org string, d time.Duration)
	Seats(org, license string, purchased, assigned int)
}

type nobody struct{}

func (nobody) RunFinished(string, string, string, time.Duration) {}
func (nobody) Changes(string, string, string, int)               {}
func (nobody) Skipped(string, string, int)                       {}
func (nobody) StatusGauges(string, int, int, int, int, int, int) {}
func (nobody) LastSuccess(string, string, time.Time)             {}
func (nobody) QuotaGauges(string, int, int, int, int)            {}
func (nobody) Lag(string, time.Duration)                         {}
func (nobody) Seats(string, string, int, int)                    {}
func (nobodyCRM) Request(string, string, time.Duration)          {}
func (nobodyCRM) Quota(crm.LimitInfo)                            {}

type nobodyCRM struct{}

// Engine keeps one org's directory true. Run does the work; the other methods
// are safe to call at any time, from any goroutine.
type Engine struct {
	name     string
	org      int64
	db       *store.DB
	dir      Directory
	mirror   *store.Mirror
	journal  *store.Journal
	log      *slog.Logger
	observer Observer
	watch    StreamObserver
	stream   Stream
	flow     flow
	quota    *governor
	crmOpts  crm.Options

	destroy sync.Mutex // one destructive part at a time
	mirrors sync.Mutex // one writer of the mirror at a time: what it compares with stays true

	notes atomic.Int64 // names the notes that users were changed; never twice the same, whoever was in charge before

	slots chan struct{} // held by the runs beside the queue that work

	placed chan struct{} // closed by place
	place  func()

	wg sync.WaitGroup // of the runs beside the queue; added to under mu while base is set

	mu         sync.Mutex      // guards what follows
	base       context.Context // in which those runs run; nil while not in charge
	cfg        *Config
	sf         crm.Config
	client     *crm.Client
	state      state
	loaded     bool
	current    *running   // the full or changes run that works
	ended      int        // how many of those have ended
	queue      []*running // those that wait for it
	side       []*running // user runs, which wait for nobody
	dry        []*running // the last dry runs, ended ones too
	lastDry    int64
	beat       time.Time
	failures   map[Kind]int // in a row
	notBefore  map[Kind]time.Time
	everyoneAt time.Time // when a full sync began because events did not tell whom they are about
	troubles   map[string]trouble
	wake       chan struct{}
	policySeen string // mark of the rules under which everyone was looked at last
	nextFull   time.Time
	nextPoll   time.Time
	deferred   string // why a full sync that is due does not begin
	skew       time.Duration
	counted    counted
	skipped    map[string]int // what the gauges say
}

// dryMost is how many dry runs are remembered.
const dryMost = 20

// New returns an engine. It does no I/O.
func New(cfg Config, d Deps, o Options) (*Engine, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.CRM.Observer == nil {
		o.CRM.Observer = nobodyCRM{}
	}
	e := &Engine{
		name: cfg.Org, org: d.OrgID, db: d.DB, dir: d.Directory, mirror: d.DB.Mirror(d.OrgID), journal: d.DB.Journal(d.OrgID),
		log: o.Log.With("org", cfg.Org), observer: o.Observer, crmOpts: o.CRM,
		cfg: &cfg, sf: d.Salesforce, state: state{}, stream: d.Stream, flow: newFlow(), watch: nobodyStream{},
		failures: map[Kind]int{}, notBefore: map[Kind]time.Time{}, troubles: map[string]trouble{}, skipped: map[string]int{},
		wake: make(chan struct{}, 1), slots: make(chan struct{}, sideMost), beat: time.Now(), placed: make(chan struct{}),
	}
	e.notes.Store(time.Now().UnixMicro())
	e.place = sync.OnceFunc(func() { close(e.placed) })
	if w, ok := o.Observer.(StreamObserver); ok {
		e.watch = w
	}
	e.sf.CustomFields = cfg.Policy.Custom()
	e.quota = newGovernor(cfg.Budget, evenly())
	e.crmOpts.Observer, e.crmOpts.Meter = watcher{o.CRM.Observer, e}, e.meter
	client, err := crm.New(e.sf, e.crmOpts)
	if err != nil {
		return nil, err
	}
	e.client = client
	return e, nil
}

// Reload puts another configuration in force, whole or not at all. It takes
// effect with the next run.
func (e *Engine) Reload(cfg Config, sf crm.Config) error {
	sf.CustomFields = cfg.Policy.Custom()
	e.mu.Lock()
	sf.OrgID, sf.Sandbox = pinned(e.state)
	e.mu.Unlock()
	client, err := crm.New(sf, e.crmOpts)
	if err != nil {
		return err
	}
	e.quota.rebudget(cfg.Budget)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cfg.policyMark() != cfg.policyMark() {
		e.policySeen = ""
	}
	e.client.Close() // a run that uses it goes on
	e.cfg, e.sf, e.client = &cfg, sf, client
	clear(e.notBefore) // what was wrong may be right now
	e.restartStream()
	e.kickLocked()
	return nil
}

func pinned(s state) (crm.ID, *bool) {
	if s[stateOrgID] == "" {
		return "", nil
	}
	sandbox, err := strconv.ParseBool(s[stateSandbox])
	if err != nil {
		return s[stateOrgID], nil
	}
	return s[stateOrgID], &sandbox
}

func (e *Engine) config() *Config {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cfg
}

func (e *Engine) crm() *crm.Client {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.client
}

// now is the time by this host's clock.
func (e *Engine) now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Alive returns when the engine's loop last turned, for a watchdog.
func (e *Engine) Alive() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.beat
}

// load reads what the engine remembers, once the database answers.
func (e *Engine) load(ctx context.Context) error {
	s, err := e.journal.State(ctx)
	if err != nil {
		return err
	}
	hours, err := e.journal.Calls(ctx)
	if err != nil {
		return fmt.Errorf("read the count of calls: %w", err)
	}
	e.quota.load(hours, s[stateQuota])
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state, e.policySeen = s, s[stateLooked]
	e.sf.OrgID, e.sf.Sandbox = pinned(e.state)
	client, err := crm.New(e.sf, e.crmOpts)
	if err != nil {
		return err
	}
	e.client.Close()
	e.client, e.loaded = client, true
	return nil
}

// recall takes into memory what a transaction has just stored.
func (e *Engine) recall(values map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.Copy(e.state, values)
}

// pinOrg makes sure that the org is the one that was seen first, and pins it
// the first time.
func (e *Engine) pinOrg(ctx context.Context, run *running, c *crm.Client) error {
	org, err := c.Org(ctx)
	if err != nil {
		return err
	}
	e.noteClock(c)
	if e.quota.untold() {
		_ = e.askLimits(ctx, c) // what follows tells what is wrong
	}
	if run.DryRun {
		return nil
	}
	if err := e.remember(ctx, stateOrgID, org.ID, stateSandbox, strconv.FormatBool(org.IsSandbox)); err != nil {
		return err
	}
	return e.unattend(ctx, AttentionOrg, "")
}

// maxSkew is how far this host's clock may be off before that is said.
const maxSkew = 5 * time.Minute

// noteClock compares this host's clock with Salesforce's.
func (e *Engine) noteClock(c *crm.Client) {
	now, ok := c.Now()
	if !ok {
		return
	}
	e.quota.correct(now)
	skew := time.Since(now).Round(time.Minute)
	if skew.Abs() < maxSkew {
		skew = 0
	}
	e.mu.Lock()
	was := e.skew
	e.skew = skew
	e.mu.Unlock()
	if was != skew {
		e.log.Warn("this host's clock differs from Salesforce's", "took", skew)
	}
}

// noteHidden remembers which Salesforce fields cannot be read, and keeps an
// item for each. What can be read again counts as unread until everyone was
// read with it.
func (e *Engine) noteHidden(ctx context.Context, run *running, hidden []string) error {
	s := e.remembered()
	was := s.list(stateHidden)
	shown := slices.DeleteFunc(s.list(stateShown), func(f string) bool { return slices.Contains(hidden, f) })
	for _, f := range hidden {
		if err := e.attend(ctx, run, AttentionField, f, "Salesforce field "+f+" cannot be read: what depends on it stays as it is; give the integration user read access to it"); err != nil {
			return err
		}
	}
	for _, f := range was {
		if !slices.Contains(hidden, f) {
			if err := e.unattend(ctx, AttentionField, f); err != nil {
				return err
			}
			shown = append(shown, f)
		}
	}
	return e.remember(ctx, stateHidden, encodeList(hidden), stateShown, encodeList(shown))
}

// hiddenFields names what nothing may be concluded from under a configuration.
func (e *Engine) hiddenFields(c *Config) []string {
	s := e.remembered()
	return append(s.list(stateHidden), s.unread(c)...)
}

// attend opens an attention item, or refreshes it, and counts it to the run.
func (e *Engine) attend(ctx context.Context, run *running, kind, subject, detail string) error {
	n, err := e.journal.OpenAttention(ctx, []store.AttentionRow{{Kind: kind, Subject: subject, Detail: detail, Since: store.Micros(e.now())}})
	run.count(func(c *Counts) { c.Attention += n })
	return err
}

// unattend closes an attention item if it is open.
func (e *Engine) unattend(ctx context.Context, kind, subject string) error {
	items, err := e.journal.Attention(ctx, "")
	if err != nil {
		return err
	}
	for _, a := range items {
		if a.Kind == kind && a.Subject == subject {
			return e.journal.CloseAttention(ctx, []string{kind}, []string{subject}, "sync", store.Micros(e.now()))
		}
	}
	return nil
}

func (e *Engine) lastListed() int {
	n, err := strconv.Atoi(e.get(stateListed))
	if err != nil {
		return 0
	}
	return n
}

// counted is how many dialer users are linked to Salesforce, as last counted.
type counted struct {
	n     int
	until time.Time // status goes by it, unless a run has ended
}

// countedFor is for how long status goes by a count that took so long: a large
// org is not counted all the time.
func countedFor(took time.Duration) time.Duration {
	return min(max(500*took, time.Second), 30*time.Second)
}

// enrolled counts the dialer users who are linked to Salesforce.
func (e *Engine) enrolled(ctx context.Context) (int, error) {
	began := time.Now()
	n, err := e.dir.Count(ctx, dialer.Query{Linked: true})
	if err != nil {
		return 0, err
	}
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counted = counted{int(n), now.Add(countedFor(now.Sub(began)))}
	return int(n), nil
}

// enrolledLately is enrolled, but for who joined or went in the last seconds.
func (e *Engine) enrolledLately(ctx context.Context) (int, error) {
	e.mu.Lock()
	c := e.counted
	e.mu.Unlock()
	if time.Now().Before(c.until) {
		return c.n, nil
	}
	return e.enrolled(ctx)
}

// recount has status go by a count of now, so that nobody who asks for it has
// to wait for one that takes long.
func (e *Engine) recount(ctx context.Context) {
	if _, err := e.enrolled(ctx); err != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.counted = counted{}
	}
}

// anyone reports whether a query finds a single user.
func (e *Engine) anyone(ctx context.Context, q dialer.Query) (bool, error) {
	q.Limit = 1
	for _, err := range e.dir.Users(ctx, q) {
		return err == nil, err
	}
	return false, nil
}

// enrolledOf returns those of ids that belong to dialer users.
func (e *Engine) enrolledOf(ctx context.Context, ids []string) ([]string, error) {
	var out []string
	for u, err := range e.dir.Users(ctx, dialer.Query{SalesforceIDs: ids, Linked: true, Order: dialer.OrderSalesforceID}) {
		if err != nil {
			return nil, err
		}
		out = append(out, u.SalesforceID)
	}
	return out, nil
}

// newRule reports whether the rules by which someone leaves are others than
// those by which the last complete pass found nothing to hold.
func (e *Engine) newRule(cfg *Config, why dialer.Reason) bool {
	switch why {
	case dialer.ReasonSalesforceInactive:
		return false
	case dialer.ReasonSalesforceFrozen:
		if e.get(stateFrozen) != string(FrozenDeactivate) {
			return true
		}
	}
	return e.get(statePolicy) != cfg.policyText()
}

// skippedGauges tells how many were left alone in a look at everyone.
func (e *Engine) skippedGauges(skips map[string]int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for reason := range e.skipped {
		e.skipped[reason] = 0
	}
	maps.Copy(e.skipped, skips)
	for reason, n := range e.skipped {
		e.observer.Skipped(e.name, reason, n)
	}
}

// lag reports how long a change took from Salesforce to the directory.
func (e *Engine) lag(d *Desired) {
	if d.Modified.IsZero() {
		return
	}
	now := e.now()
	if t, ok := e.crm().Now(); ok {
		now = t
	}
	e.observer.Lag(e.name, max(now.Sub(d.Modified), 0))
}
