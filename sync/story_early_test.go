package sync_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// leave deactivates people in Salesforce.
func (x *world) leave(ids ...string) {
	x.t.Helper()
	for _, id := range ids {
		must(x.t, x.org.Deactivate(id))
	}
}

// Half of a directory is no directory.
func TestStory01HalfReadDirectory(t *testing.T) {
	onBoth(t, wish{users: 300, pageSize: 100, cfg: noGuard}, func(t *testing.T, x *world) {
		for _, tc := range []simorg.Effect{
			{Kind: simorg.Drop},
			{Kind: simorg.Truncate},
			{Kind: simorg.CutBody},
			{Kind: simorg.EmptyBody},
			{Kind: simorg.ServerError},
			{Kind: simorg.BadGateway},
			{Kind: simorg.Unavailable},
			{Kind: simorg.EmptyResult},
			{Kind: simorg.Status, Status: 400, Code: "INVALID_QUERY_LOCATOR", Message: "invalid query locator"},
			{Kind: simorg.Status, Status: 400, Code: "QUERY_TIMEOUT", Message: "Your query request was running for too long."},
		} {
			mark, last := x.state("watermark"), x.state("last_full")
			ids := x.ids()
			must(t, x.org.Update(ids[1], func(u *simorg.User) { u.Title = "Read before it broke " + string(tc.Kind) }))
			remove := x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "Id >", Effect: tc})
			r := x.full()
			remove()
			if r.Outcome != rostersync.Failed || r.Error == "" || r.Hint == "" {
				t.Fatalf("%s: run is %s", tc, r.Outcome)
			}
			if r.Deactivated+r.Scheduled+r.Held != 0 || x.active() != 300 {
				t.Fatalf("%s: somebody left: %+v", tc, r.Counts)
			}
			if x.state("watermark") != mark || x.state("last_full") != last {
				t.Errorf("%s: the watermark moved", tc)
			}
			if got := x.person(ids[1]).Title; got != "Read before it broke "+string(tc.Kind) {
				t.Errorf("%s: what was read is lost: %q", tc, got)
			}
			if st := x.status(); st.State != "degraded" && st.State != "blocked" || len(st.Reasons) == 0 {
				t.Errorf("%s: status is %s, %q", tc, st.State, st.Reasons)
			}
			if r := x.full(); r.Outcome != rostersync.Succeeded {
				t.Fatalf("%s: the next run is %s: %s", tc, r.Outcome, r.Error)
			}
			if st := x.status(); st.State != "ok" {
				t.Errorf("%s: then status is %s, %q", tc, st.State, st.Reasons)
			}
		}
		x.agree()
	})
}

func TestStory02PoliteEmptyAnswer(t *testing.T) {
	onBoth(t, wish{users: 100}, func(t *testing.T, x *world) {
		was := x.users()
		x.joiner("invisible")
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "FROM User ", Effect: simorg.Effect{Kind: simorg.EmptyResult}})
		r := x.full()
		if r.Outcome != rostersync.Failed || r.Created+r.Deactivated+r.Scheduled != 0 {
			t.Errorf("the run: %+v", r)
		}
		x.same(was)
		st, err := x.engine.Status(t.Context())
		must(t, err)
		if st.State != "blocked" || !strings.Contains(strings.Join(st.Reasons, " "), "View All Users") || len(x.attention(rostersync.AttentionShrink)) != 1 {
			t.Errorf("status does not say why: %+v", st)
		}
		x.org.Faults().Clear()
		// Lost visibility: most of the org is gone from what we are shown.
		keep := map[string]bool{}
		for _, id := range x.ids()[:35] {
			keep[id] = true
		}
		x.org.Faults().HideUsers(func(u simorg.User) bool { return !keep[u.ID] && u.Username != "rosterd@acme.example" })
		r = x.full()
		if r.Outcome != rostersync.Failed || r.Hint == "" || len(x.attention(rostersync.AttentionShrink)) != 1 {
			t.Errorf("a shrunken source: %+v", r)
		}
		x.same(was)
		x.org.Faults().HideUsers(nil)
		if r = x.full(); r.Outcome != rostersync.Succeeded || len(x.attention(rostersync.AttentionShrink)) != 0 {
			t.Errorf("after the permission is back: %+v", r)
		}
	})
}

func TestStory03One503OneDeadAccount(t *testing.T) {
	onBoth(t, wish{users: 100}, func(t *testing.T, x *world) {
		id, was := x.ids()[5], x.users()
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "Id IN", Effect: simorg.Effect{Kind: simorg.Unavailable}})
		if r := x.sync(rostersync.Request{Kind: rostersync.KindUser, Users: []string{id}}); r.Outcome != rostersync.Failed {
			t.Errorf("the look-up: %+v", r)
		}
		x.same(was)
		// The same within a full sync, of someone whom the snapshot did not list.
		x.org.Faults().HideUsers(func(u simorg.User) bool { return u.ID == id })
		if r := x.full(); r.Outcome != rostersync.Failed {
			t.Errorf("the full sync: %+v", r)
		}
		x.same(was)
		x.org.Faults().Clear()
		x.org.Faults().HideUsers(func(u simorg.User) bool { return u.ID == id })
		if r := x.full(); r.Outcome != rostersync.SucceededIssues {
			t.Errorf("with someone invisible: %+v", r)
		}
		x.same(was)
		if items := x.attention(rostersync.AttentionInvisible); len(items) != 1 || items[0].User != id {
			t.Errorf("nobody is told: %+v", items)
		}
		x.org.Faults().HideUsers(nil)
		x.full()
		if items := x.attention(rostersync.AttentionInvisible); len(items) != 0 {
			t.Errorf("the item stays: %+v", items)
		}
	})
}

func TestStory04RateLimitedMeansGone(t *testing.T) {
	onBoth(t, wish{users: 120, pageSize: 50}, func(t *testing.T, x *world) {
		was := x.users()
		for _, kind := range []simorg.EffectKind{simorg.QuotaExceeded, simorg.TooManyConcurrent, simorg.Throttled} {
			x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, From: 2, Effect: simorg.Effect{Kind: kind}})
			r := x.full()
			x.org.Faults().Clear()
			if r.Outcome == rostersync.Succeeded || kind == simorg.QuotaExceeded && r.Outcome != rostersync.PausedQuota {
				t.Errorf("%s: the run: %+v", kind, r)
			}
			x.same(was)
		}
		if r := x.full(); r.Outcome != rostersync.Succeeded {
			t.Errorf("after the limit: %+v", r)
		}
	})
}

// What takes nothing from anybody never waits for the guard.
func TestStory05GuardThatStopsTheHiring(t *testing.T) {
	onBoth(t, wish{users: 120}, func(t *testing.T, x *world) {
		ids := x.ids()
		x.deactivate(ids[:40]...)
		for _, id := range ids[40:70] {
			must(t, x.org.Update(id, func(u *simorg.User) { u.Title = "Promoted" }))
		}
		for i := range 12 {
			x.hire("joiner" + string(rune('a'+i)))
		}
		r := x.changes()
		want(t, r, rostersync.Held, map[string]int{"created": 12, "held": 40, "deactivated": 0, "scheduled": 0})
		for _, id := range ids[40:70] {
			if x.person(id).Title != "Promoted" {
				t.Fatal("an edit waited")
			}
		}
		run, err := x.engine.RunByID(t.Context(), r.ID)
		must(t, err)
		if len(run.HeldItems) != 40 || run.HeldFingerprint == "" || !strings.Contains(run.HeldWhy, "10 people and 2 %") {
			t.Errorf("%d items, fingerprint %q, why %q", len(run.HeldItems), run.HeldFingerprint, run.HeldWhy)
		}
		if st := x.status(); st.Held != 40 || st.State != "degraded" {
			t.Errorf("status %s, %d held", st.State, st.Held)
		}
		for _, again := range []rostersync.Run{x.changes(), x.full()} { // later cycles leave it as it is
			want(t, again, rostersync.Held, map[string]int{"created": 0, "held": 40, "deactivated": 0})
			if again.HeldFingerprint != r.HeldFingerprint {
				t.Error("the held set changed by itself")
			}
		}
		// Whoever asks for someone hears of that one only, and asking for one by one is no way around.
		one := x.sync(rostersync.Request{Kind: rostersync.KindUser, Users: []string{ids[50]}})
		want(t, one, rostersync.Succeeded, map[string]int{"held": 0})
		one = x.sync(rostersync.Request{Kind: rostersync.KindUser, Users: []string{ids[1]}})
		want(t, one, rostersync.Held, map[string]int{"held": 40})
		must(t, x.org.Activate(ids[0])) // the source does change it
		if again := x.changes(); again.Held != 39 || again.HeldFingerprint == r.HeldFingerprint {
			t.Errorf("then %d held", again.Held)
		}
	})
}

func TestStory06ApprovalThatApprovedTooMuch(t *testing.T) {
	onBoth(t, wish{users: 120}, func(t *testing.T, x *world) {
		ids, boss := x.ids(), dialer.Actor{Kind: "admin", Name: "boss"}
		x.leave(ids[:40]...)
		held := x.changes()
		x.leave(ids[40:65]...)
		more := x.changes()
		if more.Held != 65 {
			t.Fatalf("the second run: %+v", more)
		}
		if _, err := x.engine.Approve(t.Context(), held.ID, boss, ""); !errors.Is(err, rostersync.ErrHeldChanged) {
			t.Errorf("an approval was spent on another plan: %v", err)
		}
		for _, id := range ids[40:65] {
			must(t, x.org.Activate(id))
		}
		held = x.changes()
		if held.Held != 40 {
			t.Fatalf("the third run: %+v", held)
		}
		// Twenty-five more leave in Salesforce after the approval was given.
		x.leave(ids[40:65]...)
		r, err := x.engine.Approve(t.Context(), held.ID, boss, "CASE-7")
		must(t, err)
		if r = x.wait(r.ID); r.Deactivated != 40 {
			t.Errorf("the approved run: %+v", r)
		}
		if r = x.changes(); r.Held != 25 || r.Deactivated != 0 {
			t.Errorf("the twenty-five: %+v", r)
		}
		for _, id := range ids[:40] {
			must(t, x.org.Activate(id))
		}
		x.changes()
		x.leave(ids[:40]...)
		if r = x.changes(); r.Deactivated != 0 || r.Held != 65 {
			t.Errorf("the approval was spent again: %+v", r)
		}
		if _, err := x.engine.Approve(t.Context(), held.ID, boss, ""); err == nil {
			t.Error("an old run was approved again")
		}
	})
}

// A leak that is slow enough for every cycle is not slow enough for a day.
func TestStory07SlowLeak(t *testing.T) {
	guard := leavers(rostersync.Guard{Percent: 2, Window: 24 * time.Hour})
	onBoth(t, wish{users: 400, cfg: guard}, func(t *testing.T, x *world) {
		ids := x.ids()
		gone := 0
		for i := range 10 {
			x.deactivate(ids[6*i : 6*i+6]...)
			r := x.changes()
			gone += r.Deactivated
			if i == 0 && r.Deactivated != 6 || i > 0 && r.Outcome != rostersync.Held {
				t.Fatalf("cycle %d: %s, %d deactivated", i, r.Outcome, r.Deactivated)
			}
		}
		if gone > 8 {
			t.Errorf("%d left within the window, the limit is 8", gone)
		}
	})
}

func TestStory08InnocentFilterEdit(t *testing.T) {
	sales := func(x *world) {
		must(x.t, x.org.MassUpdate(x.ids(), func(u *simorg.User) { u.Department = "Sales" }))
	}
	onBoth(t, wish{users: 40, scope: `user.Department == "Sales"`, prefill: sales}, func(t *testing.T, x *world) {
		was := x.users()
		if len(was) != 40 {
			t.Fatalf("%d users at first", len(was))
		}
		cfg := x.cfg
		var err error
		cfg.Policy, err = rostersync.CompilePolicy(`user.Department == "sales "`, nil)
		must(t, err)
		cfg.Guard = rostersync.Guard{} // no limit: the edit alone must hold them
		must(t, x.engine.Reload(cfg, x.sf))
		r := x.until(func(r rostersync.Run) bool { return r.Outcome == rostersync.Held })
		if r.Held != 40 || r.Deactivated+r.Scheduled != 0 {
			t.Errorf("the run: %+v", r)
		}
		x.same(was)
		shown, err := x.engine.RunByID(t.Context(), r.ID)
		must(t, err)
		if len(shown.HeldItems) != 40 {
			t.Errorf("%d removals are listed, want 40", len(shown.HeldItems))
		}
		if _, err := rostersync.CompilePolicy("  ", nil); err == nil {
			t.Error("an emptied scope was accepted")
		}
		must(t, x.engine.Reload(x.cfg, x.sf)) // corrected
		x.until(func(r rostersync.Run) bool { return r.ID > shown.ID && r.Outcome == rostersync.Succeeded })
		x.same(was)
		if st, err := x.engine.Status(t.Context()); err != nil || st.Held != 0 {
			t.Errorf("still held after the correction: %+v %v", st, err)
		}
	})
}

func TestStory09CapitalLetters(t *testing.T) {
	first := func(x *world) {
		must(x.t, x.org.Update(x.ids()[0], func(u *simorg.User) { u.Email = "ann.işik@x.example" }))
		must(x.t, x.org.Update(x.ids()[1], func(u *simorg.User) { u.Email = "jose\u0301@x.example" }))
		must(x.t, x.org.Update(x.ids()[2], func(u *simorg.User) { u.Email = "ann@x.example" }))
	}
	onBoth(t, wish{users: 60, prefill: first}, func(t *testing.T, x *world) {
		ids, was := x.ids(), x.users()
		for i, email := range []string{"ANN.İşik@X.example", "JOSE\u0301@x.example", "Ann@X.EXAMPLE"} {
			must(t, x.org.Update(ids[i], func(u *simorg.User) { u.Email = email }))
		}
		r := x.changes()
		if r.Created+r.Deactivated+r.Scheduled+r.Failed != 0 || r.Updated > 3 {
			t.Errorf("the run: %+v", r)
		}
		for _, id := range ids[:3] {
			if n := x.users()[id]; n.ID != was[id].ID || n.Status != dialer.StatusActive {
				t.Errorf("user %s is another person now", id)
			}
		}
		if r = x.full(); r.Updated+r.Linked+r.Created != 0 {
			t.Errorf("the second cycle wrote: %+v", r)
		}
		// A local user who is spelled otherwise is the same person.
		local := dialer.User{Username: "desk@acme.example", Email: "DESK@Acme.Example", LastName: "Desk", Origin: dialer.OriginLocal}
		res := x.dir.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbCreate, User: local, Actor: dialer.Actor{Kind: "admin", Name: "t"}}})[0]
		must(t, res.Err)
		id := x.joiner("desk")
		if r = x.changes(); r.Created != 0 || r.Linked != 1 || x.users()[id].ID != res.UserID {
			t.Errorf("the first link: %+v", r)
		}
	})
}

func TestStory10Marriage(t *testing.T) {
	ext := func(x *world) {
		must(x.t, x.org.Update(x.ids()[0], func(u *simorg.User) { u.Extension = "4711" }))
	}
	onBoth(t, wish{users: 60, prefill: ext}, func(t *testing.T, x *world) {
		id := x.ids()[0]
		was := x.users()[id]
		if was.Extension != "4711" {
			t.Fatalf("extension is %q", was.Extension)
		}
		must(t, x.org.Update(id, func(u *simorg.User) {
			u.Username, u.Email, u.LastName = "married@acme.example", "married@acme.example", "Married"
		}))
		r := x.changes()
		now := x.users()[id]
		if r.Created+r.Deactivated != 0 || now.ID != was.ID || now.LastName != "Married" || now.Email != "married@acme.example" {
			t.Errorf("the run: %+v", r)
		}
		if now.Extension != "4711" || now.Username != was.Username || now.Status != dialer.StatusActive || len(now.LicenseTypes) != 1 {
			t.Errorf("what is the dialer's own was lost: extension %q, %s", now.Extension, now.Status)
		}
	})
}

func TestStory11HandMeDownAddress(t *testing.T) {
	midnight := func(c *rostersync.Config) { c.Leaving.Midnight = true }
	for name, cfg := range map[string]func(*rostersync.Config){"at once": nil, "at midnight": midnight} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, wish{users: 80, cfg: cfg}, func(t *testing.T, x *world) {
				ids, was := x.ids(), x.users()
				for _, pair := range [][2]int{{3, 70}, {71, 4}} { // either order of ids
					a, b := ids[pair[0]], ids[pair[1]]
					x.leave(a)
					must(t, x.org.Update(b, func(u *simorg.User) { u.Email = was[a].Email }))
				}
				joined := x.joinerWith("heir", was[ids[5]].Email)
				x.leave(ids[5])
				must(t, x.org.Update(ids[10], func(u *simorg.User) { u.Email = was[ids[11]].Email }))
				must(t, x.org.Update(ids[11], func(u *simorg.User) { u.Email = was[ids[10]].Email }))
				r := x.changes()
				if r.Outcome != rostersync.Succeeded || r.Failed != 0 {
					t.Errorf("the run: %+v", r)
				}
				now := x.users()
				for who, of := range map[string]string{ids[70]: ids[3], ids[4]: ids[71], joined: ids[5], ids[10]: ids[11], ids[11]: ids[10]} {
					if dialer.Key(now[who].Email) != dialer.Key(was[of].Email) || now[who].Status != dialer.StatusActive {
						t.Errorf("%s did not get the address of %s after one cycle", who, of)
					}
				}
				if again := x.full(); again.Updated+again.Created+again.Failed != 0 {
					t.Errorf("the next cycle still had work: %+v", again)
				}
			})
		})
	}
}

// joinerWith is a joiner with a given address.
func (x *world) joinerWith(name, email string) string {
	x.t.Helper()
	id := x.joiner(name)
	must(x.t, x.org.Update(id, func(u *simorg.User) { u.Email = email }))
	return id
}

func TestStory12TwoPeopleOneMailbox(t *testing.T) {
	onBoth(t, wish{users: 40}, func(t *testing.T, x *world) {
		older := x.joinerWith("older", "shared@acme.example")
		younger := x.joinerWith("younger", "Shared@acme.example")
		r := x.changes()
		users := x.users()
		if _, in := users[older]; !in {
			t.Errorf("the older one was not added: %+v", r)
		}
		if _, in := users[younger]; in {
			t.Error("both were added with one address")
		}
		if items := x.attention(rostersync.AttentionDuplicate); len(items) != 1 || items[0].User != younger {
			t.Errorf("nobody is told: %+v", items)
		}
		x.full()
		if n := len(x.users()); n != 41 {
			t.Errorf("%d users, want 41", n)
		}
		must(t, x.org.Update(younger, func(u *simorg.User) { u.Email = "own@acme.example" }))
		x.changes()
		if _, in := x.users()[younger]; !in || len(x.attention(rostersync.AttentionDuplicate)) != 0 {
			t.Error("the younger one was not added with an address of their own")
		}
	})
}
