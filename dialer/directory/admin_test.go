package directory_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// root is an administrator.
var root = dialer.Actor{Kind: "admin", Name: "root"}

// office is a directory with a clock that the test moves.
type office struct {
	*testing.T
	*directory.Directory
	db  *store.DB
	org int64

	mu  sync.Mutex
	now time.Time // guarded by mu
}

// offices runs a test on each database. What o sets beside the clock is kept.
func offices(t *testing.T, o directory.Options, fn func(t *testing.T, d *office)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, open func() *store.DB) { fn(t, newOffice(t, open(), "acme", o)) })
}

func newOffice(t *testing.T, db *store.DB, name string, o directory.Options) *office {
	t.Helper()
	org, err := directory.EnsureOrg(t.Context(), db, name)
	if err != nil {
		t.Fatal(err)
	}
	d := &office{T: t, db: db, org: org, now: time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)}
	o.Now = d.clock
	d.Directory = directory.New(db, org, o)
	return d
}

func (d *office) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// wait moves the clock.
func (d *office) wait(t time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(t)
}

// person is a user who breaks no rule; odd ones have no Salesforce id.
func person(n int) dialer.User {
	u := dialer.User{
		Username: fmt.Sprintf("user%d@acme.example.com", n), Email: fmt.Sprintf("user%d@example.com", n),
		FirstName: "Testa", LastName: fmt.Sprintf("Person%d", n),
	}
	if n%2 == 0 {
		u.SalesforceID = fmt.Sprintf("005%012dAAA", n)
	}
	return u
}

// hire adds n people and returns their ids.
func (d *office) hire(n int, seats ...string) []string {
	d.Helper()
	changes := make([]dialer.Change, n)
	for i := range changes {
		changes[i] = dialer.Change{Verb: dialer.VerbCreate, User: person(i + 1), Seats: seats, Actor: root}
	}
	ids := make([]string, n)
	for i, r := range d.Apply(d.Context(), changes) {
		if r.Outcome != dialer.Applied {
			d.Fatalf("hire %d: %s: %v", i+1, r.Outcome, r.Err)
		}
		ids[i] = r.UserID
	}
	return ids
}

func (d *office) user(id string) dialer.User {
	d.Helper()
	u, err := d.User(d.Context(), id)
	d.must(err)
	return u
}

func (d *office) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// apply applies one change.
func (d *office) apply(c dialer.Change) {
	d.Helper()
	if c.Actor == (dialer.Actor{}) {
		c.Actor = root
	}
	if r := d.Apply(d.Context(), []dialer.Change{c})[0]; r.Outcome != dialer.Applied {
		d.Fatalf("%s: %s: %v", c.Verb, r.Outcome, r.Err)
	}
}

// entries returns the audit trail of a verb.
func (d *office) entries(v dialer.Verb) []dialer.Activity {
	d.Helper()
	list, err := d.Activity(d.Context(), dialer.ActivityQuery{Verb: v})
	d.must(err)
	return list
}
