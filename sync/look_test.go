package sync_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
	rostersync "github.com/rosterd/rosterd/sync"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// leavers is a policy that takes access at once.
func leavers(guard rostersync.Guard) func(*rostersync.Config) {
	return func(c *rostersync.Config) { c.Guard = guard }
}

// noGuard holds nothing.
var noGuard = leavers(rostersync.Guard{})

// profileOf is the profile of someone who is in scope.
func profileOf(x *world, id string) string {
	u, err := x.org.User(id)
	must(x.t, err)
	return u.ProfileID
}

// hire adds someone to the org who is in scope.
func (x *world) hire(name string, edit ...func(*simorg.User)) string {
	x.t.Helper()
	u := simorg.User{
		Username: name + "@acme.example", Email: name + "@acme.example", FirstName: "New", LastName: strings.ToUpper(name[:1]) + name[1:],
		IsActive: true, UserType: "Standard", ProfileID: profileOf(x, x.ids()[0]), TimeZoneSidKey: "America/Denver", LocaleSidKey: "en_US",
		LanguageLocaleKey: "en_US",
	}
	for _, e := range edit {
		e(&u)
	}
	id, err := x.org.AddUser(u)
	must(x.t, err)
	return id
}

// person is the dialer user of a Salesforce id, deleted ones too.
func (x *world) person(id string) dialer.User {
	x.t.Helper()
	u, err := x.dir.User(x.t.Context(), id)
	must(x.t, err)
	return u
}

// act has a person change a dialer user.
func (x *world) act(c dialer.Change) dialer.Result {
	x.t.Helper()
	if c.Actor.Kind == "" {
		c.Actor = dialer.Actor{Kind: "admin", Name: "dana"}
	}
	r := x.dir.Apply(x.t.Context(), []dialer.Change{c})[0]
	if r.Outcome == dialer.Refused {
		x.t.Fatalf("%s: %v", c.Verb, r.Err)
	}
	return r
}

// local adds a dialer user who is not linked to Salesforce.
func (x *world) local(username, email string, edit ...func(*dialer.User)) string {
	x.t.Helper()
	u := dialer.User{Username: username, Email: email, LastName: "Local", Origin: dialer.OriginLocal}
	for _, e := range edit {
		e(&u)
	}
	return x.act(dialer.Change{Verb: dialer.VerbCreate, User: u}).UserID
}

// exec changes the database by hand: time that has passed, a state left behind.
func (x *world) exec(query string, args ...any) {
	x.t.Helper()
	must(x.t, x.db.Update(x.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(x.t.Context(), query, args...)
		return err
	}))
}

// state is what the engine remembers under a name.
func (x *world) state(name string) string {
	x.t.Helper()
	s, err := x.db.Journal(x.orgID).State(x.t.Context())
	must(x.t, err)
	return s[name]
}

func (x *world) setState(name, value string) {
	x.t.Helper()
	must(x.t, x.db.Journal(x.orgID).SetState(x.t.Context(), map[string]string{name: value}))
}

func (x *world) status() rostersync.Status {
	x.t.Helper()
	st, err := x.engine.Status(x.t.Context())
	must(x.t, err)
	return st
}

// activity returns what happened to dialer users, oldest first.
func (x *world) activity(q dialer.ActivityQuery) []dialer.Activity {
	x.t.Helper()
	q.Limit = 100_000
	list, err := x.dir.Activity(x.t.Context(), q)
	must(x.t, err)
	return list
}

// eventually waits until another goroutine has made something true.
func (x *world) eventually(what string, is func() bool) {
	x.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !is() {
		if time.Now().After(deadline) {
			x.t.Fatalf("never: %s\n%s", what, x.log)
		}
		time.Sleep(10 * time.Millisecond) // another goroutine's work is waited for, nothing is measured
	}
}

// agree fails the test unless the directory says what the org says: everyone
// in scope works and is true, nobody else works.
func (x *world) agree() {
	x.t.Helper()
	users := x.users()
	for s := range x.org.Users() {
		if s.Username == "rosterd@acme.example" {
			continue
		}
		u, in := users[s.ID]
		frozen, err := x.org.Frozen(s.ID)
		must(x.t, err)
		should := s.IsActive && !frozen && s.UserType == "Standard"
		works := in && u.Status == dialer.StatusActive && u.DeactivateAt.IsZero()
		if works != should {
			x.t.Errorf("user %s works: %v, want %v", s.ID, works, should)
		}
		if should && in && (u.Title != s.Title || dialer.Key(u.Email) != dialer.Key(s.Email) || u.LastName != s.LastName) {
			x.t.Errorf("user %s is not true: %q, want %q", s.ID, u.Title, s.Title)
		}
	}
}

// want fails the test unless the run ended like that; counts are compared
// where they are given.
func want(t *testing.T, r rostersync.Run, outcome rostersync.RunOutcome, counts map[string]int) {
	t.Helper()
	got := map[string]int{
		"read": r.Read, "mirrored": r.Mirrored, "created": r.Created, "linked": r.Linked, "updated": r.Updated, "deactivated": r.Deactivated,
		"reactivated": r.Reactivated, "scheduled": r.Scheduled, "unscheduled": r.Unscheduled, "failed": r.Failed, "held": r.Held, "attention": r.Attention,
	}
	var wrong []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		if got[k] != counts[k] {
			wrong = append(wrong, fmt.Sprintf("%s %d, want %d", k, got[k], counts[k]))
		}
	}
	if r.Outcome != outcome || len(wrong) > 0 {
		t.Errorf("run is %s, want %s; %s\nerror: %s", r.Outcome, outcome, strings.Join(wrong, "; "), r.Error)
	}
}

// witness is an observer that remembers.
type witness struct {
	mu      gosync.Mutex // guards what follows
	skipped map[string]int
	changes map[string]int
	runs    map[string]int
}

func newWitness() *witness {
	return &witness{skipped: map[string]int{}, changes: map[string]int{}, runs: map[string]int{}}
}

func (w *witness) note(m map[string]int, k string, n int, add bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if add {
		n += m[k]
	}
	m[k] = n
}

func (w *witness) of(m map[string]int, k string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return m[k]
}

func (w *witness) RunFinished(_, kind, outcome string, _ time.Duration) {
	w.note(w.runs, kind+" "+outcome, 1, true)
}

func (w *witness) Changes(_, verb, outcome string, n int) {
	w.note(w.changes, verb+" "+outcome, n, true)
}

func (w *witness) Skipped(_, reason string, n int)                   { w.note(w.skipped, reason, n, false) }
func (w *witness) StatusGauges(string, int, int, int, int, int, int) {}
func (w *witness) LastSuccess(string, string, time.Time)             {}
func (w *witness) QuotaGauges(string, int, int, int, int)            {}
func (w *witness) Lag(string, time.Duration)                         {}
func (w *witness) Seats(string, string, int, int)                    {}
