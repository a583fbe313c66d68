package sync_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// same fails the test unless the directory is as it was, but for versions.
func (x *world) same(was map[string]dialer.User) {
	x.t.Helper()
	now := x.users()
	if len(now) != len(was) {
		x.t.Errorf("%d users, there were %d", len(now), len(was))
	}
	for id, u := range was {
		if n := now[id]; n.Status != u.Status || !n.DeactivateAt.Equal(u.DeactivateAt) || n.Email != u.Email || n.Phone != u.Phone {
			x.t.Errorf("user %s changed: %s %s, was %s %s", id, n.Status, n.DeactivateAt, u.Status, u.DeactivateAt)
		}
	}
}

// joiner is a new Salesforce user who looks like one that is there.
func (x *world) joiner(name string) string {
	x.t.Helper()
	id, err := x.org.AddUser(simorg.User{
		Username: name + "@acme.example", Email: name + "@acme.example", FirstName: "Joiner", LastName: name, IsActive: true, UserType: "Standard",
		ProfileID: profileOf(x, x.ids()[0]), TimeZoneSidKey: "America/Denver", LocaleSidKey: "en_US", LanguageLocaleKey: "en_US",
	})
	must(x.t, err)
	return id
}

// clocked makes the org's clock one that a test can set ahead.
func clocked(ahead *atomic.Int64) func(*simorg.Options) {
	return func(o *simorg.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}
}

func TestStory14AdminsOwnLock(t *testing.T) {
	onBoth(t, wish{users: 30}, func(t *testing.T, x *world) {
		id := x.ids()[3]
		u := x.users()[id]
		by := dialer.Actor{Kind: "support", Name: "tester"}
		r := x.dir.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbDeactivate, UserID: u.ID, Actor: by}})[0]
		must(t, r.Err)
		for i := range 10 {
			must(t, x.org.Update(id, func(u *simorg.User) { u.Title = fmt.Sprint("Title ", i) }))
			x.changes()
			x.full()
			u = x.users()[id]
			if u.Status != dialer.StatusInactive || !u.AdminHold {
				t.Fatalf("cycle %d undid the administrator's lock: %+v", i, u)
			}
		}
		e, err := x.engine.Explain(t.Context(), id)
		must(t, err)
		if !strings.Contains(e.Conclusion, "administrator") {
			t.Errorf("explain says %q", e.Conclusion)
		}
		// Salesforce says that they left, and later that they are back: the lock stands.
		must(t, x.org.Deactivate(id))
		x.changes()
		must(t, x.org.Activate(id))
		x.changes()
		if u = x.users()[id]; u.Status != dialer.StatusInactive {
			t.Errorf("a return in Salesforce undid the lock")
		}
		r = x.dir.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbActivate, UserID: u.ID, Seats: []string{"powerdialer"}, Actor: by}})[0]
		must(t, r.Err)
		x.full()
		if u = x.users()[id]; u.Status != dialer.StatusActive {
			t.Errorf("the administrator's own override was undone")
		}
	})
}

func TestStory16EveryoneChangedAtNoon(t *testing.T) {
	const n = 900 // beyond several pages, with one stamp
	var ahead atomic.Int64
	onBoth(t, wish{users: n, org: clocked(&ahead), pageSize: 200}, func(t *testing.T, x *world) {
		defer ahead.Store(0) // for the other store
		ids := x.ids()
		must(t, x.org.MassUpdate(ids, func(u *simorg.User) { u.Division = "Noon" }))
		ahead.Add(int64(5 * time.Second))
		first, err := x.org.User(ids[0])
		must(t, err)
		last, err := x.org.User(ids[n-1])
		must(t, err)
		if !first.SystemModstamp.Equal(last.SystemModstamp) {
			t.Fatal("the stamps are no ties")
		}
		// The window is cut off in the middle, then read on.
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "SystemModstamp", From: 3, Effect: simorg.Effect{Kind: simorg.BadGateway}})
		cut := x.changes()
		x.org.Faults().Clear()
		if cut.Outcome != rostersync.Failed || cut.Read == 0 || cut.Read >= n {
			t.Fatalf("the cut run: %+v", cut)
		}
		r := x.changes()
		if r.Outcome != rostersync.Succeeded {
			t.Fatalf("the run: %+v", r)
		}
		if got := cut.Mirrored + r.Mirrored; got != n {
			t.Errorf("%d rows written in all, want each of %d once", got, n)
		}
		if got := cut.Read + r.Read; got > n+2*201 {
			t.Errorf("%d rows read in all for %d users", got, n)
		}
		if again := x.changes(); again.Mirrored != 0 {
			t.Errorf("the next look wrote %d rows", again.Mirrored)
		}
	})
}

func TestStory17LateRow(t *testing.T) {
	var ahead atomic.Int64
	onBoth(t, wish{users: 300, org: clocked(&ahead)}, func(t *testing.T, x *world) {
		defer ahead.Store(0) // for the other store
		id := x.ids()[7]
		must(t, x.org.LateCommit(90*time.Second, []string{id}, func(u *simorg.User) { u.Title = "Late" }))
		ahead.Add(int64(60 * time.Second))
		x.changes() // the watermark passes the stamp of a row that nobody can see yet
		if x.users()[id].Title == "Late" {
			t.Fatal("the row is visible too early")
		}
		ahead.Add(int64(60 * time.Second))
		r := x.changes()
		if got := x.users()[id].Title; got != "Late" {
			t.Errorf("the late row was lost: title is %q", got)
		}
		if r.Updated != 1 || r.Mirrored != 1 {
			t.Errorf("the overlap wrote more than the late row: %+v", r)
		}
	})
}

// A watermark that makes no sense is noticed, and everything read.
func TestStory18WatermarkOf1970OrTomorrow(t *testing.T) {
	at := func(d time.Duration) string {
		return `{"upper":"` + time.Now().Add(d).UTC().Format(time.RFC3339) + `"}`
	}
	onBoth(t, wish{users: 60, cfg: noGuard}, func(t *testing.T, x *world) {
		for _, tc := range []struct{ name, mark, says string }{
			{"none", `{}`, ""},
			{"zero", `{"upper":"0001-01-01T00:00:00Z"}`, ""},
			{"1970", `{"upper":"1970-01-01T00:00:00Z"}`, "zero"},
			{"truncated", `{"upper":"20`, ""},
			{"another shape", `"12:00"`, ""},
			{"ancient", at(-60 * 24 * time.Hour), "ancient"},
			{"tomorrow", at(24 * time.Hour), "future"},
			{"next century", at(800_000 * time.Hour), "future"},
		} {
			x.stop()
			x.setState("watermark", tc.mark)
			x.setState("last_change", "") // a look for changes is due
			must(t, x.org.Update(x.ids()[3], func(u *simorg.User) { u.Title = tc.name }))
			last := x.state("last_full")
			x.engine = x.another(x.db)
			x.start()
			x.eventually(tc.name+": a full sync", func() bool { return x.state("last_full") != last && x.status().Running == 0 })
			if got := x.person(x.ids()[3]).Title; got != tc.name || x.active() != 60 {
				t.Errorf("%s: title %q, %d active", tc.name, got, x.active())
			}
			if tc.says != "" && !strings.Contains(x.log.String(), "unusable watermark: "+tc.says) {
				t.Errorf("%s: the log does not say %q:\n%s", tc.name, tc.says, x.log)
			}
			want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 0})
		}
	})
}

func TestStory21OneBadApple(t *testing.T) {
	bad := func(x *world) {
		for i, id := range x.ids() {
			must(x.t, x.org.Update(id, func(u *simorg.User) {
				u.EmployeeNumber = fmt.Sprint(1000 + i)
				if i%20 == 15 {
					u.EmployeeNumber = "not a number"
				}
			}))
		}
	}
	rules := []rostersync.Rule{{Set: "title", To: `"No. " + string(int(user.EmployeeNumber))`}}
	onBoth(t, wish{users: 100, prefill: bad, rules: rules}, func(t *testing.T, x *world) {
		ids := x.ids()
		first := x.until(func(r rostersync.Run) bool { return r.Kind == rostersync.KindFull })
		if first.Outcome != rostersync.SucceededIssues || first.Created != 95 || first.Failed != 5 {
			t.Fatalf("the first run: %+v", first)
		}
		must(t, x.org.Deactivate(ids[10]))
		x.changes()
		if x.users()[ids[10]].Status != dialer.StatusInactive {
			t.Error("a leaver waited for the bad ones")
		}
		e, err := x.engine.Explain(t.Context(), ids[55])
		must(t, err)
		if len(e.Pending) == 0 || e.Pending[0].Kind != "retry" {
			t.Errorf("explain does not show the retry: %+v", e.Pending)
		}
		must(t, x.org.Update(ids[55], func(u *simorg.User) { u.EmployeeNumber = "4711" }))
		x.changes()
		if got := x.users()[ids[55]].Title; got != "No. 4711" {
			t.Errorf("the mended one has title %q", got)
		}
	})
}

func TestStory22NoSeatsLeft(t *testing.T) {
	unguarded := func(c *rostersync.Config) { c.Guard = rostersync.Guard{} }
	onBoth(t, wish{users: 20, seats: 23, cfg: unguarded}, func(t *testing.T, x *world) {
		old := x.ids()
		for _, id := range old[:5] {
			must(t, x.org.Deactivate(id))
		}
		var joiners []string
		for i := range 12 {
			joiners = append(joiners, x.joiner(fmt.Sprintf("joiner%02d", i)))
		}
		r := x.changes()
		if r.Deactivated != 5 || r.Created != 8 {
			t.Fatalf("the run: %+v", r)
		}
		users := x.users()
		for _, id := range old[5:] {
			if users[id].Status != dialer.StatusActive {
				t.Errorf("user %s was evicted", id)
			}
		}
		for i, id := range joiners {
			if _, in := users[id]; in != (i < 8) {
				t.Errorf("joiner %d in the dialer: %t", i, in)
			}
		}
		if items := x.attention(rostersync.AttentionNoSeat); len(items) != 1 {
			t.Errorf("%d alerts, want one", len(items))
		}
		st, err := x.engine.Status(t.Context())
		must(t, err)
		if st.Waiting != 4 {
			t.Errorf("%d wait for a seat, want 4", st.Waiting)
		}
		must(t, x.org.Deactivate(old[6]))
		x.changes()
		if _, in := x.users()[joiners[8]]; !in {
			t.Error("the first who waited did not get the seat that was freed")
		}
		must(t, x.dir.SetPurchased(t.Context(), "powerdialer", 40, dialer.Actor{Kind: "admin", Name: "tester"}))
		x.changes()
		if n := x.active(); n != 14+12 {
			t.Errorf("%d active after seats were bought, want 26", n)
		}
		if items := x.attention(rostersync.AttentionNoSeat); len(items) != 0 {
			t.Errorf("the alert stays open: %+v", items)
		}
	})
}

func TestStory23QuotaGuardThatLooksAway(t *testing.T) {
	headers := map[string]struct {
		rewrite func(string) string
		known   bool
	}{
		"bare":     {nil, true},
		"bursts":   {simorg.LimitInfoBursts, true},
		"per app":  {simorg.LimitInfoPerApp, true},
		"reorders": {func(usual string) string { return "api-bursts=1/750; " + usual }, true},
		"missing":  {simorg.LimitInfoMissing, false},
		"garbage":  {simorg.LimitInfoGarbage, false},
	}
	budget := func(c *rostersync.Config) { c.Budget = rostersync.Budget{CallsPerDay: 40, ReservePercent: 20} }
	onBoth(t, wish{users: 50, cfg: budget}, func(t *testing.T, x *world) {
		for _, name := range slices.Sorted(maps.Keys(headers)) {
			h := headers[name]
			before, err := x.engine.Quota(t.Context())
			must(t, err)
			x.org.Faults().SetLimitInfo(h.rewrite)
			x.changes()
			got, err := x.engine.Quota(t.Context())
			must(t, err)
			used, limit := x.org.Usage()
			if h.known && (got.Used != used || got.Max != limit) {
				t.Errorf("%s: used %d of %d, the org says %d of %d", name, got.Used, got.Max, used, limit)
			}
			if !h.known && got.Used < before.Used {
				t.Errorf("%s: used fell from %d to %d", name, before.Used, got.Used)
			}
		}
		x.org.Faults().SetLimitInfo(nil)
		usual, err := x.engine.Quota(t.Context())
		must(t, err)
		var refused error
		for range 60 {
			q, err := x.engine.Quota(t.Context())
			must(t, err)
			if q.Ours > 40 {
				t.Fatalf("%d calls were made with a budget of 40", q.Ours)
			}
			run, _, err := x.engine.Request(t.Context(), rostersync.Request{Kind: rostersync.KindChanges, Actor: dialer.Actor{Kind: "support", Name: "t"}})
			if refused = err; err != nil {
				break
			}
			x.wait(run.ID)
		}
		if !errors.Is(refused, rostersync.ErrQuota) {
			t.Fatalf("routine work was not refused at the budget: %v", refused)
		}
		q, err := x.engine.Quota(t.Context())
		must(t, err)
		if q.Ours > 40 || q.PollEvery == usual.PollEvery || q.Level == "normal" {
			t.Errorf("at the budget: %+v", q)
		}
		// The count survives a restart, and a person may go beyond it.
		x.restart(nil)
		r := x.sync(rostersync.Request{Kind: rostersync.KindChanges, Override: true, Reason: "CASE-1"})
		if r.Outcome != rostersync.Succeeded {
			t.Errorf("the override: %+v", r)
		}
		after, err := x.engine.Quota(t.Context())
		must(t, err)
		if after.Ours < q.Ours {
			t.Errorf("the restart forgot calls: %d, were %d", after.Ours, q.Ours)
		}
	})
}

func TestStory24RanRecentlyAndTwoAtOnce(t *testing.T) {
	onBoth(t, wish{users: 50}, func(t *testing.T, x *world) {
		id := x.ids()[0]
		standby, err := rostersync.New(x.cfg, rostersync.Deps{OrgID: x.orgID, DB: x.db, Directory: x.dir, Salesforce: x.sf}, rostersync.Options{})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- standby.Run(ctx) }()
		defer func() { cancel(); must(t, <-done) }()

		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Effect: simorg.Effect{Kind: simorg.Slow, Delay: 200 * time.Millisecond}})
		full, _, err := x.engine.Request(t.Context(), rostersync.Request{Kind: rostersync.KindFull, Actor: dialer.Actor{Kind: "sync", Name: "clock"}})
		must(t, err)
		ids := map[int64]bool{}
		for range 5 {
			r, _, err := x.engine.Request(t.Context(), rostersync.Request{Kind: rostersync.KindUser, Users: []string{id}, Actor: dialer.Actor{Kind: "support", Name: "t"}})
			must(t, err)
			ids[r.ID] = true
		}
		if len(ids) != 1 {
			t.Errorf("five presses made %d runs", len(ids))
		}
		again, joined, err := x.engine.Request(t.Context(), rostersync.Request{Kind: rostersync.KindFull, Actor: dialer.Actor{Kind: "support", Name: "t"}})
		must(t, err)
		if !joined || again.ID != full.ID {
			t.Errorf("a second full sync was begun: %d beside %d", again.ID, full.ID)
		}
		if _, _, err := standby.Request(t.Context(), rostersync.Request{Kind: rostersync.KindFull}); !errors.Is(err, rostersync.ErrStandby) {
			t.Errorf("the second instance did not stand by: %v", err)
		}
		x.org.Faults().Clear()
		for run := range ids {
			if r := x.wait(run); r.Outcome != rostersync.Succeeded {
				t.Errorf("the press for one user: %+v", r)
			}
		}
		if r := x.wait(full.ID); r.Outcome != rostersync.Succeeded {
			t.Errorf("the full sync: %+v", r)
		}
		x.stop()
		x.engine = standby
		if r := x.full(); r.Outcome != rostersync.Succeeded {
			t.Errorf("the second instance did not take over: %+v", r)
		}
	})
}

func TestStory25SandboxRefreshAndBlindField(t *testing.T) {
	onBoth(t, wish{users: 200}, func(t *testing.T, x *world) {
		ids, was := x.ids(), x.users()

		x.org.Faults().HideField("User", "Phone")
		must(t, x.org.Update(ids[0], func(u *simorg.User) { u.Title = "Still Synced" }))
		r := x.full()
		if r.Outcome != rostersync.SucceededIssues || r.Updated != 1 {
			t.Errorf("with a hidden field: %+v", r)
		}
		x.same(was)
		if got := x.users()[ids[0]].Title; got != "Still Synced" {
			t.Errorf("other fields stopped: title is %q", got)
		}
		if items := x.attention(rostersync.AttentionField); len(items) != 1 || items[0].User != "Phone" {
			t.Errorf("the field is not named: %+v", items)
		}
		x.org.Faults().ShowField("User", "Phone")
		x.full()
		if items := x.attention(rostersync.AttentionField); len(items) != 0 {
			t.Errorf("the item stays: %+v", items)
		}

		must(t, x.org.MassUpdate(ids, func(u *simorg.User) { u.Email += ".invalid"; u.Title = "Copy" }))
		if r = x.full(); r.Outcome != rostersync.Failed || r.Updated != 0 || r.Hint == "" {
			t.Errorf("with addresses of a refreshed sandbox: %+v", r)
		}
		x.same(was)
		if r = x.changes(); r.Updated != 0 {
			t.Errorf("the next look wrote: %+v", r)
		}
		must(t, x.org.MassUpdate(ids, func(u *simorg.User) { u.Email = strings.TrimSuffix(u.Email, ".invalid") }))
		if r = x.full(); r.Outcome != rostersync.Succeeded {
			t.Errorf("after it was mended: %+v", r)
		}

		other := simorg.New(simorg.Options{OrgID: "00D5f0000000002", Users: 5, Plain: true, PublicKey: &testKey.PublicKey, IsSandbox: true})
		srv := httptest.NewServer(other.Handler())
		t.Cleanup(srv.Close)
		x.restart(func(_ *rostersync.Config, sf *crm.Config) {
			sf.LoginURL, sf.Audience = srv.URL, "https://test.salesforce.com"
		})
		if r = x.full(); r.Outcome != rostersync.Failed || r.Mirrored != 0 || !strings.Contains(r.Error, "org") {
			t.Errorf("another org was not refused: %+v", r)
		}
		x.same(was)
		if len(x.attention(rostersync.AttentionOrg)) != 1 {
			t.Error("nobody is told of the other org")
		}
	})
}
