package sync_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	gosync "sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	rostersync "github.com/rosterd/rosterd/sync"
)

// hose is a stream that brings what the test sends.
type hose struct {
	in    chan rostersync.StreamBatch
	say   chan rostersync.StreamState
	start rostersync.StreamStart

	mu    gosync.Mutex // guards what follows
	after [][]byte     // where each stream began
}

func newHose() *hose {
	return &hose{in: make(chan rostersync.StreamBatch), say: make(chan rostersync.StreamState)}
}

func (h *hose) Follow(ctx context.Context, _ rostersync.StreamSessions, to rostersync.StreamHandler) {
	to.State(rostersync.StreamState{Phase: "connecting"})
	after, err := to.Position(ctx)
	if err != nil {
		panic(err)
	}
	h.mu.Lock()
	h.after = append(h.after, after)
	start := h.start
	h.mu.Unlock()
	if start.After = after; to.Begun(ctx, start) != nil {
		return
	}
	to.State(rostersync.StreamState{Phase: "live"})
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-h.say:
			to.State(s)
		case b := <-h.in:
			if err := to.Take(ctx, b); err != nil && ctx.Err() == nil {
				panic(err)
			}
		}
	}
}

func (*hose) Kick() {}

// named is a batch of updates of people.
func (h *hose) named(position string, fields []string, ids ...string) {
	b := rostersync.StreamBatch{Position: []byte(position)}
	for _, id := range ids {
		b.Changes = append(b.Changes, rostersync.StreamChange{Kind: "update", IDs: []string{id}, Fields: fields, Committed: time.Now()})
	}
	h.in <- b
}

// direct is a transport to an org without a network, which a bubble has none of.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	d.handler.ServeHTTP(w, in)
	return w.Result(), nil
}

// inBubble tells a story of an engine that follows a stream, in a time of its own.
func inBubble(t *testing.T, w wish, story func(t *testing.T, x *world, h *hose)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := &world{t: t, ahead: new(atomic.Int64), later: new(atomic.Int64), log: &book{}, seen: newWitness()}
		path := "sqlite://" + t.TempDir() + "/bubble.db"
		x.open = func() *store.DB {
			db, err := store.Open(t.Context(), path, store.Options{})
			must(t, err)
			return db
		}
		x.db = x.open()
		defer func() { _ = x.db.Close() }()
		must(t, x.db.Migrate(t.Context()))
		if w.users == 0 {
			w.users = 30
		}
		x.org = simorg.New(simorg.Options{Users: w.users, Seed: 1, Plain: true, PublicKey: &testKey.PublicKey, Quota: 1_000_000})
		var err error
		x.orgID, err = directory.EnsureOrg(t.Context(), x.db, "acme")
		must(t, err)
		x.dir = x.directory(x.db)
		inner := w.cfg
		w.cfg = func(c *rostersync.Config) {
			c.Poll, c.Changes = time.Minute, rostersync.ChangesAuto
			if inner != nil {
				inner(c)
			}
		}
		x.configure(w)
		must(t, x.dir.SetLicenses(t.Context(), x.cfg.Licenses))
		x.sf = simulated("http://127.0.0.1:1")
		h := newHose()
		boot := func() (stop func()) {
			x.engine, err = rostersync.New(x.cfg, rostersync.Deps{OrgID: x.orgID, DB: x.db, Directory: x.dir, Salesforce: x.sf, Stream: h}, rostersync.Options{
				Observer: x.seen, CRM: crm.Options{Transport: direct{x.org.Handler()}, RatePerSecond: -1, RetryWait: time.Millisecond, MaxRetries: 1},
			})
			must(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				if err := x.engine.Run(ctx); err != nil {
					t.Errorf("run: %v", err)
				}
			}()
			return func() { cancel(); <-done }
		}
		x.stop = boot()
		x.restarted = func() { x.stop(); x.stop = boot() }
		defer func() { x.stop() }()
		time.Sleep(time.Minute)
		if st := x.stand(); st.LastFull.IsZero() || st.Changes.Mode != "stream" || st.Changes.State != "live" {
			t.Fatalf("not live: %+v", st)
		}
		story(t, x, h)
	})
}

func (x *world) stand() rostersync.Status {
	x.t.Helper()
	st, err := x.engine.Status(x.t.Context())
	must(x.t, err)
	return st
}

func (x *world) retitle(id, title string) {
	x.t.Helper()
	must(x.t, x.org.Update(id, func(u *simorg.User) { u.Title = title }))
}

// spent sums up the org's API calls since ResetCalls.
func (x *world) spent() (n int) {
	for endpoint, c := range x.org.Calls() {
		if endpoint != "token" {
			n += c
		}
	}
	return n
}

// The benchmarks show what this hour costs.
func TestIdleHourCostsTenCalls(t *testing.T) {
	inBubble(t, wish{}, func(t *testing.T, x *world, _ *hose) {
		time.Sleep(20 * time.Minute)
		for hour := range 2 {
			x.org.ResetCalls()
			time.Sleep(time.Hour)
			n := x.spent()
			t.Attr("calls", fmt.Sprint(n))
			if n > 10 || n < 6 {
				t.Errorf("hour %d: %d calls: %v", hour, n, x.org.Calls())
			}
		}
	})
}

// What emits no event is found all the same.
func TestLookFindsWhatEmitsNoEvent(t *testing.T) {
	rules := []rostersync.Rule{{Set: "permission_group", To: "user.Profile.Name"}}
	inBubble(t, wish{rules: rules}, func(t *testing.T, x *world, _ *hose) {
		time.Sleep(10 * time.Minute)
		ids := x.ids()
		var id string
		for _, u := range x.users() {
			if u.Status == dialer.StatusActive && slices.Contains(ids, u.SalesforceID) {
				id = u.SalesforceID
			}
		}
		source, err := x.org.User(id)
		must(t, err)
		must(t, x.org.RenameProfile(source.ProfileID, "Renamed Profile"))
		x.retitle(ids[3], "Lost event")
		must(t, x.org.Freeze(ids[5]))
		x.org.ResetCalls()
		time.Sleep(8*time.Minute + 2*time.Second)
		users := x.users()
		if got := func() string { u := users[id]; return u.One(dialer.KindPermissionGroup) }(); got != "Renamed Profile" {
			t.Errorf("the group is %q", got)
		}
		if got := users[ids[3]].Title; got != "Lost event" {
			t.Errorf("the title is %q", got)
		}
		if u := users[ids[5]]; u.DeactivateAt.IsZero() && u.Status == dialer.StatusActive {
			t.Errorf("the frozen user is %v", u.Status)
		}
		if n := x.spent(); n > 3 {
			t.Errorf("it cost %d calls: %v", n, x.org.Calls())
		}
	})
}

// A rename since the full sync is found though no look came between.
func TestFirstLookFindsRename(t *testing.T) {
	rules := []rostersync.Rule{{Set: "permission_group", To: "user.Profile.Name"}}
	inBubble(t, wish{rules: rules}, func(t *testing.T, x *world, _ *hose) {
		id := x.ids()[3]
		source, err := x.org.User(id)
		must(t, err)
		x.stop()
		x.setState("stream_names", "")
		must(t, x.org.RenameProfile(source.ProfileID, "Renamed Profile"))
		x.restarted()
		time.Sleep(8*time.Minute + 2*time.Second)
		u := x.users()[id]
		if got := u.One(dialer.KindPermissionGroup); got != "Renamed Profile" {
			t.Errorf("the group is %q", got)
		}
	})
}

// People are read back at once, each time in one call, and a burst is one run.
func TestEventsAreReadBack(t *testing.T) {
	inBubble(t, wish{}, func(t *testing.T, x *world, h *hose) {
		ids := x.ids()
		x.org.ResetCalls()
		for i := range 20 {
			id := ids[i%4]
			x.retitle(id, fmt.Sprint("Title ", i))
			h.named(fmt.Sprint(i), []string{"LastModifiedDate", "Title"}, id)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(400 * time.Millisecond)
		if got := x.users()[ids[3]].Title; got != "Title 19" {
			t.Errorf("the title is %q", got)
		}
		if n := x.spent(); n > 10 {
			t.Errorf("it cost %d calls: %v", n, x.org.Calls())
		}
		runs, err := x.engine.Runs(t.Context(), 0, 10)
		must(t, err)
		if runs[0].Trigger != "event" || runs[0].Updated < 10 || runs[1].Trigger == "event" {
			t.Errorf("the runs are %+v and %+v", runs[0], runs[1])
		}
		x.org.ResetCalls()
		h.named("30", []string{"LastLoginDate", "LastModifiedDate"}, ids...)
		time.Sleep(time.Second)
		if n := x.spent(); n > 0 {
			t.Errorf("logins cost %d calls", n)
		}
	})
}

// Whom an event named is read back though rosterd ends before that, and the
// stream goes on after what is stored.
func TestEventsSurviveARestart(t *testing.T) {
	inBubble(t, wish{}, func(t *testing.T, x *world, h *hose) {
		ids := x.ids()
		must(t, x.engine.Pause(t.Context(), dialer.Actor{Name: "tester"}, "test"))
		x.retitle(ids[1], "Named before")
		h.named("seven", nil, ids[1])
		synctest.Wait()
		time.Sleep(2 * time.Second)
		x.restarted()
		time.Sleep(3 * time.Second)
		if got := x.users()[ids[1]].Title; got == "Named before" {
			t.Fatal("read back though paused")
		}
		x.org.ResetCalls()
		must(t, x.engine.Resume(t.Context(), dialer.Actor{Name: "tester"}))
		time.Sleep(3 * time.Second)
		if got := x.users()[ids[1]].Title; got != "Named before" {
			t.Errorf("the title is %q", got)
		}
		if last := h.after[len(h.after)-1]; string(last) != "seven" {
			t.Errorf("went on after %q", last)
		}
		if st := x.stand().Changes; st.Waiting != 0 {
			t.Errorf("status says %+v", st)
		}
	})
}

// Nobody is forgotten whom events named just when rosterd ends.
func TestNobodyIsForgottenAtTheEnd(t *testing.T) {
	onBoth(t, wish{users: 5, idle: true}, func(t *testing.T, x *world) {
		j := x.db.Journal(x.orgID)
		id := x.ids()[0]
		must(t, x.db.Update(t.Context(), func(tx *store.Tx) error { return j.PutUnreadTx(t.Context(), tx, []string{id}, 1) }))
		ended, end := context.WithCancel(t.Context())
		end()
		if err := x.engine.ReadBack(ended, id); err == nil {
			t.Error("it counts as read")
		}
		if left, err := j.Unread(t.Context()); err != nil || len(left) != 1 {
			t.Errorf("noted as unread: %v, %v", left, err)
		}
	})
}

// advice is what doctor says of a thing.
func (x *world) advice(name string) rostersync.CheckResult {
	x.t.Helper()
	checks, err := x.engine.Doctor(x.t.Context())
	must(x.t, err)
	i := slices.IndexFunc(checks, func(c rostersync.CheckResult) bool { return c.Name == name })
	if i < 0 {
		x.t.Fatalf("no word of %s: %+v", name, checks)
	}
	return checks[i]
}

// What passes by itself is no fault, and is not said as if events came. How the
// quota stands is said as everywhere else.
func TestDoctorOfStream(t *testing.T) {
	inBubble(t, wish{cfg: func(c *rostersync.Config) { c.Poll, c.Budget.CallsPerDay = 10*time.Second, 5000 }}, func(t *testing.T, x *world, h *hose) {
		if c := x.advice("quota"); x.stand().Quota.Level != "normal" || !strings.HasPrefix(c.Detail, "normal") {
			t.Errorf("doctor says %+v, status %+v", c, x.stand().Quota)
		}
		h.say <- rostersync.StreamState{Phase: "down", Code: "network", Text: "no connection", Hint: "check the firewall"}
		synctest.Wait()
		if c := x.advice("change events"); !c.OK || c.Detail != "they do not come for now, and changes are polled for: no connection (check the firewall)" {
			t.Errorf("doctor says %+v", c)
		}
	})
}

// Without events, polls come as configured; with them again, they do not.
func TestPollsStepIn(t *testing.T) {
	inBubble(t, wish{}, func(t *testing.T, x *world, h *hose) {
		h.say <- rostersync.StreamState{Phase: "down", Code: "permission", Text: "no", Hint: "give it", Person: true}
		time.Sleep(30 * time.Second)
		if st := x.stand(); st.Changes.Mode != "poll" || st.Changes.Code != "permission" || st.Changes.Reason != "no" {
			t.Errorf("status says %+v", st.Changes)
		}
		if c := x.advice("change events"); c.OK || c.Detail != "no" || c.Hint != "give it" {
			t.Errorf("doctor says %+v", c)
		}
		if items := x.attention(rostersync.AttentionStream); len(items) != 1 {
			t.Errorf("%d items", len(items))
		}
		x.retitle(x.ids()[2], "Polled")
		time.Sleep(70 * time.Second)
		if got := x.users()[x.ids()[2]].Title; got != "Polled" {
			t.Errorf("the title is %q", got)
		}
		h.say <- rostersync.StreamState{Phase: "live"}
		time.Sleep(2 * time.Minute)
		if items := x.attention(rostersync.AttentionStream); len(items) != 0 {
			t.Errorf("%d items are left", len(items))
		}
		x.org.ResetCalls()
		time.Sleep(5 * time.Minute)
		if n := x.spent(); n > 2 {
			t.Errorf("%d calls in five minutes: %v", n, x.org.Calls())
		}
	})
}

// How many events may still be delivered is told, and said when it gets short.
func TestDeliveriesAreWatched(t *testing.T) {
	inBubble(t, wish{}, func(t *testing.T, x *world, _ *hose) {
		x.org.SetDeliveries(95, 100)
		time.Sleep(9 * time.Minute)
		st := x.stand()
		if d := st.Changes.Deliveries; d == nil || d.Used != 95 || d.Max != 100 {
			t.Errorf("deliveries %+v", d)
		}
		if !slices.ContainsFunc(st.Reasons, func(r string) bool { return strings.Contains(r, "95 of the 100 events") }) {
			t.Errorf("reasons %q", st.Reasons)
		}
	})
}

// What is configured to have no stand-in says so when events do not come.
func TestStreamAloneSaysThatItIsAway(t *testing.T) {
	inBubble(t, wish{cfg: func(c *rostersync.Config) { c.Changes = rostersync.ChangesStream }}, func(t *testing.T, x *world, h *hose) {
		h.say <- rostersync.StreamState{Phase: "down", Code: "network", Text: "no answer"}
		x.org.ResetCalls()
		time.Sleep(5 * time.Minute)
		if st := x.stand(); st.State != "degraded" || !slices.ContainsFunc(st.Reasons, func(r string) bool { return strings.Contains(r, "no answer") }) {
			t.Errorf("%s, %q", st.State, st.Reasons)
		}
		if n := x.spent(); n > 2 {
			t.Errorf("%d calls in five minutes: %v", n, x.org.Calls())
		}
	})
}

// An event that may concern anyone has everyone looked at, and the stream goes on.
func TestEverybodyMayHaveChanged(t *testing.T) {
	inBubble(t, wish{}, func(t *testing.T, x *world, h *hose) {
		before := x.stand().LastFull
		x.retitle(x.ids()[4], "Overflown")
		h.in <- rostersync.StreamBatch{Changes: []rostersync.StreamChange{{Kind: "overflow", Everyone: true}}, Position: []byte("nine")}
		time.Sleep(5 * time.Second)
		if got := x.users()[x.ids()[4]].Title; got != "Overflown" || !x.stand().LastFull.After(before) {
			t.Errorf("the title is %q", got)
		}
		full := x.stand().LastFull
		time.Sleep(30 * time.Second)
		if !x.stand().LastFull.Equal(full) {
			t.Error("another full run followed")
		}
	})
}

// Someone who leaves does so by the guard and at the time that polls would have
// found for them.
func TestLeaversByEventPassTheGuard(t *testing.T) {
	cfg := func(c *rostersync.Config) { c.Guard = rostersync.Guard{Users: 2, Window: 24 * time.Hour} }
	inBubble(t, wish{cfg: cfg}, func(t *testing.T, x *world, h *hose) {
		var people []string
		for id, u := range x.users() {
			if u.Status == dialer.StatusActive {
				people = append(people, id)
			}
		}
		slices.Sort(people)
		for _, id := range people[:5] {
			must(t, x.org.Deactivate(id))
		}
		h.named("1", []string{"IsActive"}, people[:5]...)
		time.Sleep(2 * time.Second)
		if st := x.stand(); st.Held != 5 {
			t.Errorf("%d are held", st.Held)
		}
		must(t, x.org.Activate(people[0]))
		h.named("2", []string{"IsActive"}, people[0])
		time.Sleep(2 * time.Second)
		if st := x.stand(); st.Held != 4 {
			t.Errorf("%d are held after one came back", st.Held)
		}
	})
}
