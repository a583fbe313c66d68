package sync_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// mark returns the stored watermark.
func (x *world) mark() string {
	x.t.Helper()
	s, err := x.db.Journal(x.orgID).State(x.t.Context())
	must(x.t, err)
	return s["watermark"]
}

// leave deactivates people in Salesforce.
func (x *world) leave(ids ...string) {
	x.t.Helper()
	for _, id := range ids {
		must(x.t, x.org.Deactivate(id))
	}
}

func TestStory01HalfReadDirectory(t *testing.T) {
	onBoth(t, wish{users: 900, pageSize: 200}, func(t *testing.T, x *world) {
		ids, was := x.ids(), x.users()
		for name, e := range map[string]simorg.Effect{
			"reset":     {Kind: simorg.Drop},
			"truncated": {Kind: simorg.CutBody},
			"torn":      {Kind: simorg.Truncate},
			"empty":     {Kind: simorg.EmptyBody},
			"locator":   {Kind: simorg.Status, Status: 400, Code: "INVALID_QUERY_LOCATOR", Message: "invalid query locator"},
			"gateway":   {Kind: simorg.BadGateway},
			"nothing":   {Kind: simorg.EmptyResult},
		} {
			mark := x.mark()
			must(t, x.org.Update(ids[0], func(u *simorg.User) { u.Title = "Read before " + name }))
			x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "LastModifiedDate", From: 2, Effect: e})
			r := x.full()
			x.org.Faults().Clear()
			if r.Outcome != rostersync.Failed || r.Error == "" || r.Hint == "" {
				t.Errorf("%s: the run: %+v", name, r)
			}
			if r.Deactivated+r.Scheduled+r.Created != 0 || x.mark() != mark {
				t.Errorf("%s: something was concluded from half a directory: %+v", name, r)
			}
			x.same(was)
			if got := x.users()[ids[0]].Title; got != "Read before "+name {
				t.Errorf("%s: what was read was not used: title is %q", name, got)
			}
			if r := x.full(); r.Outcome != rostersync.Succeeded {
				t.Errorf("%s: the next cycle did not finish the job: %+v", name, r)
			}
			x.same(was)
		}
	})
}

func TestStory02PoliteEmptyAnswer(t *testing.T) {
	onBoth(t, wish{users: 300}, func(t *testing.T, x *world) {
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
		if len(st.Reasons) == 0 || st.State == "ok" {
			t.Errorf("status does not say why: %+v", st)
		}
		x.org.Faults().Clear()
		// Lost visibility: most of the org is gone from what we are shown.
		keep := map[string]bool{}
		for _, id := range x.ids()[:100] {
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
	onBoth(t, wish{users: 500, pageSize: 200}, func(t *testing.T, x *world) {
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

func TestStory05GuardThatStopsTheHiring(t *testing.T) {
	onBoth(t, wish{users: 400}, func(t *testing.T, x *world) {
		ids := x.ids()
		x.leave(ids[:40]...)
		for i := range 12 {
			x.joiner(fmt.Sprintf("hire%02d", i))
		}
		for _, id := range ids[100:130] {
			must(t, x.org.Update(id, func(u *simorg.User) { u.Title = "Promoted" }))
		}
		r := x.changes()
		if r.Outcome != rostersync.Held || r.Created != 12 || r.Held != 40 || r.Deactivated != 0 {
			t.Fatalf("the run: %+v", r)
		}
		if r.Updated < 30 {
			t.Errorf("%d edits went on, want at least 30", r.Updated)
		}
		again := x.full()
		if again.HeldFingerprint != r.HeldFingerprint || again.Held != 40 {
			t.Errorf("the held set changed by itself: %+v", again)
		}
		if n := x.active(); n != 412 {
			t.Errorf("%d active, want 412", n)
		}
		// One of them comes back: the set is one smaller, and another one.
		must(t, x.org.Activate(ids[0]))
		if r = x.changes(); r.Held != 39 || r.HeldFingerprint == again.HeldFingerprint {
			t.Errorf("after a return: %+v", r)
		}
	})
}

func TestStory06ApprovalThatApprovedTooMuch(t *testing.T) {
	onBoth(t, wish{users: 400}, func(t *testing.T, x *world) {
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

func TestStory07SlowLeak(t *testing.T) {
	only := func(c *rostersync.Config) { c.Guard = rostersync.Guard{Percent: 2, Window: 24 * time.Hour} }
	onBoth(t, wish{users: 1000, cfg: only}, func(t *testing.T, x *world) {
		ids := x.ids()
		for i := range 10 {
			x.leave(ids[i*15 : i*15+15]...)
			r := x.changes()
			if want := i == 0; (r.Deactivated == 15) != want {
				t.Errorf("cycle %d: %+v", i, r)
			}
		}
		if n := x.active(); n < 980 {
			t.Errorf("%d leaked within the window, the limit is 20", 1000-n)
		}
	})
}

func TestStory08InnocentFilterEdit(t *testing.T) {
	sales := func(x *world) {
		must(x.t, x.org.MassUpdate(x.ids(), func(u *simorg.User) { u.Department = "Sales" }))
	}
	onBoth(t, wish{users: 100, scope: `user.Department == "Sales"`, prefill: sales}, func(t *testing.T, x *world) {
		was := x.users()
		if len(was) != 100 {
			t.Fatalf("%d users at first", len(was))
		}
		cfg := x.cfg
		var err error
		cfg.Policy, err = rostersync.CompilePolicy(`user.Department == "sales "`, nil)
		must(t, err)
		cfg.Guard = rostersync.Guard{} // no limit: the edit alone must hold them
		must(t, x.engine.Reload(cfg, x.sf))
		r := x.until(func(r rostersync.Run) bool { return r.Outcome == rostersync.Held })
		if r.Held != 100 || r.Deactivated+r.Scheduled != 0 {
			t.Errorf("the run: %+v", r)
		}
		x.same(was)
		shown, err := x.engine.RunByID(t.Context(), r.ID)
		must(t, err)
		if len(shown.HeldItems) != 100 {
			t.Errorf("%d removals are listed, want 100", len(shown.HeldItems))
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
