package sync_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	gosync "sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
	rostersync "github.com/rosterd/rosterd/sync"
)

// world is a simulated org, a real database and an engine between them.
type world struct {
	t        *testing.T
	org      *simorg.Org
	db       *store.DB
	open     func() *store.DB // another handle on the same database
	dir      *directory.Directory
	engine   *rostersync.Engine
	cfg      rostersync.Config
	sf       crm.Config
	orgID    int64
	stop     func()
	pageSize int
	ahead    *atomic.Int64 // how far the directory's clock is ahead, in nanoseconds
	later    *atomic.Int64 // how far the org's clock is ahead
	log      *book
	seen     *witness

	restarted func() // in a bubble: another engine in place of the one that worked
}

// wish is what a test wants otherwise than usual.
type wish struct {
	users    int
	org      func(*simorg.Options)
	cfg      func(*rostersync.Config)
	scope    string
	rules    []rostersync.Rule
	seats    int64
	idle     bool         // do not start the engine
	prefill  func(*world) // before the engine exists
	pageSize int
}

// book is a log that several goroutines write to.
type book struct {
	mu   gosync.Mutex // guards text
	text strings.Builder
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// onBoth runs a test on SQLite and on Postgres, beside other tests.
func onBoth(t *testing.T, w wish, fn func(t *testing.T, x *world)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		fn(t, newWorld(t, open, w))
	})
}

var testKey = func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}()

func newWorld(t *testing.T, open func() *store.DB, w wish) *world {
	t.Helper()
	x := &world{
		t: t, db: open(), open: open, pageSize: w.pageSize, ahead: new(atomic.Int64), later: new(atomic.Int64), log: &book{}, seen: newWitness(),
	}
	opt := simorg.Options{
		Users: w.users, Seed: 1, Plain: true, PublicKey: &testKey.PublicKey, Quota: 1_000_000,
		Now: func() time.Time { return time.Now().Add(time.Duration(x.later.Load())) },
	}
	if w.org != nil {
		w.org(&opt)
	}
	x.org = simorg.New(opt)
	url := serve(t, x.org)
	var err error
	if x.orgID, err = directory.EnsureOrg(t.Context(), x.db, "acme"); err != nil {
		t.Fatal(err)
	}
	x.dir = x.directory(x.db)
	x.configure(w)
	if err := x.dir.SetLicenses(t.Context(), x.cfg.Licenses); err != nil {
		t.Fatal(err)
	}
	x.sf = simulated(url)
	if w.prefill != nil {
		w.prefill(x)
	}
	x.engine = x.another(x.db)
	if !w.idle {
		x.start()
		x.settle()
	}
	return x
}

// simulated is how the org at a URL is logged in at.
func simulated(url string) crm.Config {
	return crm.Config{
		LoginURL: url, ClientID: "simulated-consumer-key", Username: "rosterd@acme.example",
		PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey)}),
		Audience:   "https://login.salesforce.com", Prefilter: "UserType = 'Standard'",
	}
}

// serve serves an org over HTTP until the test ends.
func serve(t *testing.T, org *simorg.Org) string {
	srv := httptest.NewServer(org.Handler())
	t.Cleanup(func() {
		org.Faults().Clear()
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL
}

func (x *world) configure(w wish) {
	if w.scope == "" {
		w.scope = rostersync.DefaultScope
	}
	policy, err := rostersync.CompilePolicy(w.scope, w.rules)
	must(x.t, err)
	zone, err := time.LoadLocation("America/Denver")
	must(x.t, err)
	full, err := rostersync.ParseSchedule("0 0 * * *", zone)
	must(x.t, err)
	if w.seats == 0 {
		w.seats = 1_000_000
	}
	x.cfg = rostersync.Config{
		Org: "acme", Zone: zone, Full: full, Poll: time.Hour, Enrollment: rostersync.EnrollAutomatic, Match: dialer.FieldEmail,
		Frozen: rostersync.FrozenDeactivate, Leaving: rostersync.Leaving{Zone: zone}, OnNoSeat: dialer.NoSeatReject,
		Guard:    rostersync.Guard{Users: 10, Percent: 2, Window: 24 * time.Hour},
		Licenses: []dialer.License{{Type: "powerdialer", Purchased: w.seats, Default: true}}, Policy: policy,
	}
	if w.cfg != nil {
		w.cfg(&x.cfg)
	}
}

// directory is the directory on a handle, by the test's clock.
func (x *world) directory(db *store.DB) *directory.Directory {
	return directory.New(db, x.orgID, directory.Options{
		Now: func() time.Time { return time.Now().Add(time.Duration(x.ahead.Load())) },
	})
}

// another is one more engine, on a handle of the same database.
func (x *world) another(db *store.DB) *rostersync.Engine {
	x.t.Helper()
	e, err := rostersync.New(x.cfg, rostersync.Deps{OrgID: x.orgID, DB: db, Directory: x.directory(db), Salesforce: x.sf}, rostersync.Options{
		Log: slog.New(slog.NewTextHandler(x.log, nil)), Observer: x.seen,
		CRM: crm.Options{
			RetryWait: time.Millisecond, MaxRetries: 1, PageSize: x.pageSize, RatePerSecond: -1, RequestTimeout: 10 * time.Second,
			BulkPoll: 10 * time.Millisecond, BulkWait: time.Second, BulkPageSize: 2 * x.pageSize,
		},
	})
	must(x.t, err)
	return e
}

// restart stops the engine and has a new one go on, told otherwise if change is
// not nil.
func (x *world) restart(change func(*rostersync.Config, *crm.Config)) {
	x.t.Helper()
	if x.stop != nil {
		x.stop()
	}
	if change != nil {
		change(&x.cfg, &x.sf)
	}
	x.engine = x.another(x.db)
	x.start()
}

// reload puts another configuration in force.
func (x *world) reload(change func(*rostersync.Config)) {
	x.t.Helper()
	change(&x.cfg)
	must(x.t, x.engine.Reload(x.cfg, x.sf))
}

// start has the engine work until the test ends, or stop is called.
func (x *world) start() { x.stop = x.run(x.engine) }

// run has an engine work until the test ends, or the function is called.
func (x *world) run(e *rostersync.Engine) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := e.Run(ctx); err != nil {
			x.t.Errorf("run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	x.t.Cleanup(stop)
	return stop
}

// settle waits for the first full sync.
func (x *world) settle() rostersync.Run {
	x.t.Helper()
	return x.until(func(r rostersync.Run) bool { return r.Kind == rostersync.KindFull })
}

// until waits for a run that fits to have ended.
func (x *world) until(fits func(rostersync.Run) bool) rostersync.Run {
	x.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		runs, err := x.engine.Runs(x.t.Context(), 0, 20)
		if err != nil {
			x.t.Fatal(err)
		}
		for _, r := range runs {
			if r.Outcome != rostersync.Running && fits(r) {
				return r
			}
		}
		time.Sleep(20 * time.Millisecond) // another goroutine's work is waited for, nothing is measured
	}
	st, err := x.engine.Status(x.t.Context())
	x.t.Fatalf("no such run came: %+v, %v", st, err)
	return rostersync.Run{}
}

// sync asks for a run as an operator would and waits for its end.
func (x *world) sync(q rostersync.Request) rostersync.Run {
	x.t.Helper()
	if q.Actor.Kind == "" {
		q.Actor = dialer.Actor{Kind: "support", Name: "tester"}
	}
	var run rostersync.Run
	var err error
	deadline := time.Now().Add(time.Minute)
	for {
		run, _, err = x.engine.Request(x.t.Context(), q)
		if !errors.Is(err, rostersync.ErrStandby) || time.Now().After(deadline) {
			break
		}
		time.Sleep(20 * time.Millisecond) // an engine that has just been started is not in charge yet
	}
	if err != nil {
		x.t.Fatalf("request: %v", err)
	}
	return x.wait(run.ID)
}

func (x *world) wait(id int64) rostersync.Run {
	x.t.Helper()
	var last rostersync.Run
	for r, err := range x.engine.Watch(x.t.Context(), id) {
		if err != nil {
			x.t.Fatalf("watch: %v", err)
		}
		last = r
	}
	return last
}

func (x *world) full() rostersync.Run {
	x.t.Helper()
	return x.sync(rostersync.Request{Kind: rostersync.KindFull, Reason: "test"})
}

func (x *world) changes() rostersync.Run {
	x.t.Helper()
	return x.sync(rostersync.Request{Kind: rostersync.KindChanges})
}

// users returns the directory's users by Salesforce id.
func (x *world) users() map[string]dialer.User {
	x.t.Helper()
	all := map[string]dialer.User{}
	for u, err := range x.dir.Users(x.t.Context(), dialer.Query{Linked: true}) {
		if err != nil {
			x.t.Fatal(err)
		}
		all[u.SalesforceID] = u
	}
	return all
}

func (x *world) active() int {
	n := 0
	for _, u := range x.users() {
		if u.Status == dialer.StatusActive && u.DeactivateAt.IsZero() {
			n++
		}
	}
	return n
}

// ids returns the Salesforce ids of people, without system users.
func (x *world) ids() []string {
	var ids []string
	for u := range x.org.Users() {
		if u.UserType == "Standard" && u.Username != "rosterd@acme.example" {
			ids = append(ids, u.ID)
		}
	}
	return ids
}

func (x *world) attention(kind string) []rostersync.AttentionItem {
	x.t.Helper()
	items, err := x.engine.Attention(x.t.Context(), false)
	if err != nil {
		x.t.Fatal(err)
	}
	var of []rostersync.AttentionItem
	for _, i := range items {
		if i.Kind == kind {
			of = append(of, i)
		}
	}
	return of
}
