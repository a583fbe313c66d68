package sync_test

import (
	"testing"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

func TestFirstLinkByEmail(t *testing.T) {
	onBoth(t, wish{users: 20, idle: true}, func(t *testing.T, x *world) {
		exact := x.local("keeps.this.name", "ANN@acme.example", func(u *dialer.User) { u.Extension, u.Title = "4711", "Old" })
		two := []string{x.local("two.a", "", func(u *dialer.User) { u.Email = "two@acme.example" }), ""}
		x.act(dialer.Change{Verb: dialer.VerbDeactivate, UserID: two[0]})
		two[1] = x.local("two.b", "two@acme.example")
		guarded := x.local("guarded", "guarded@acme.example", func(u *dialer.User) { u.Protected = true })
		alone := x.local("nobody", "nobody@example.com")
		untouched := map[string]int64{guarded: x.person(guarded).Version, alone: x.person(alone).Version}

		ann := x.hire("ann", func(u *simorg.User) { u.Title = "New" })
		both, held := x.hire("two"), x.hire("guarded")
		x.start()
		r := x.settle()
		want(t, r, rostersync.SucceededIssues, map[string]int{"created": 20, "linked": 1, "attention": 2})
		u := x.person(exact)
		if u.SalesforceID != ann || u.Username != "keeps.this.name" || u.Extension != "4711" || u.Title != "New" || u.MatchMethod != "email" ||
			u.Email != "ann@acme.example" || u.IntegrationInfo != dialer.IntegrationOK {
			t.Errorf("linked: %+v", u)
		}
		for _, id := range []string{both, held} {
			if _, in := x.users()[id]; in {
				t.Errorf("%s was linked or created", id)
			}
		}
		if a := x.attention(rostersync.AttentionAmbiguous); len(a) != 2 {
			t.Errorf("items: %+v", a)
		}
		for id, v := range untouched {
			if x.person(id).Version != v {
				t.Errorf("user %s was touched", id)
			}
		}
		if r.SkippedBy[rostersync.SkipAmbiguous] != 1 || r.SkippedBy[rostersync.SkipProtected] != 1 {
			t.Errorf("skipped: %v", r.SkippedBy)
		}
		x.eventually("the gauges say it", func() bool { return x.seen.of(x.seen.skipped, rostersync.SkipAmbiguous) == 1 })

		// A person settles it: one of the two is deleted.
		x.act(dialer.Change{Verb: dialer.VerbDelete, UserID: two[0]})
		want(t, x.full(), rostersync.Succeeded, map[string]int{"linked": 1})
		if u := x.person(both); u.ID != two[1] {
			t.Errorf("linked to %s, want %s", u.ID, two[1])
		}
		if a := x.attention(rostersync.AttentionAmbiguous); len(a) != 1 || a[0].User != held {
			t.Errorf("items: %+v", a)
		}
		x.eventually("the gauges say it", func() bool { return x.seen.of(x.seen.skipped, rostersync.SkipAmbiguous) == 0 })
	})
}

func TestFirstLinkByUsername(t *testing.T) {
	byName := func(c *rostersync.Config) { c.Match = dialer.FieldUsername }
	onBoth(t, wish{users: 10, cfg: byName, idle: true}, func(t *testing.T, x *world) {
		id := x.local("Ann@acme.example", "old@example.com")
		other := x.local("bob", "bob@acme.example")
		ann, bob := x.hire("ann"), x.hire("bob")
		x.start()
		r := x.settle()
		want(t, r, rostersync.SucceededIssues, map[string]int{"created": 10, "linked": 1, "failed": 1})
		if u := x.person(id); u.SalesforceID != ann || u.MatchMethod != "username" || u.Email != "ann@acme.example" || u.Username != "Ann@acme.example" {
			t.Errorf("linked: %+v", u)
		}
		// Bob's address is taken by a local user whose name is another.
		if _, in := x.users()[bob]; in || x.person(other).SalesforceID != "" {
			t.Error("bob was linked by his address, or created beside it")
		}
		if a := x.attention(rostersync.AttentionTaken); len(a) != 1 || a[0].User != bob {
			t.Errorf("items: %+v", a)
		}
	})
}

// Who has the better claim to an address that two carry.
func TestSharedAddress(t *testing.T) {
	onBoth(t, wish{users: 10, idle: true}, func(t *testing.T, x *world) {
		first := x.hire("first", func(u *simorg.User) { u.Email = "desk@acme.example" })
		second := x.hire("second", func(u *simorg.User) { u.Email = "Desk@acme.example" })
		r := x.firstRun()
		want(t, r, rostersync.SucceededIssues, map[string]int{"created": 11, "attention": 1})
		if _, in := x.users()[first]; !in {
			t.Error("who came first is not in the dialer")
		}
		if a := x.attention(rostersync.AttentionDuplicate); len(a) != 1 || a[0].User != second {
			t.Fatalf("items: %+v", a)
		}
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"created": 0, "failed": 0})

		// The address goes to the second when the first has left.
		x.deactivate(first)
		x.changes()
		want(t, x.full(), rostersync.Succeeded, map[string]int{"created": 1})
		if u := x.person(second); u.Status != dialer.StatusActive || len(x.attention(rostersync.AttentionDuplicate)) != 0 {
			t.Errorf("second: %+v", u)
		}
		// And stays with them when the first comes back.
		must(t, x.org.Activate(first))
		r = x.changes()
		if u := x.person(second); u.Status != dialer.StatusActive || r.Outcome != rostersync.SucceededIssues {
			t.Errorf("second: %+v, run %s", u, r.Outcome)
		}
	})
}

// firstRun starts the engine and returns its first run.
func (x *world) firstRun() rostersync.Run {
	x.start()
	return x.settle()
}

// Whom a person deletes, only a person adds again.
func TestDeletedByAdministrator(t *testing.T) {
	onBoth(t, wish{users: 10}, func(t *testing.T, x *world) {
		id := x.ids()[4]
		old := x.person(id).ID
		x.act(dialer.Change{Verb: dialer.VerbDelete, UserID: old})
		must(t, x.org.Update(id, func(u *simorg.User) { u.Title = "Changed since" }))
		r := x.changes()
		want(t, r, rostersync.Succeeded, map[string]int{"created": 0})
		if r.SkippedBy[rostersync.SkipDeleted] != 1 {
			t.Errorf("skipped: %v", r.SkippedBy)
		}
		want(t, x.full(), rostersync.Succeeded, map[string]int{"created": 0})
		e, err := x.engine.Explain(t.Context(), id)
		must(t, err)
		if e.Conclusion != "Deleted from the dialer by an administrator; the sync does not add them again, a person can." {
			t.Errorf("explain: %s", e.Conclusion)
		}
		out, err := x.engine.Add(t.Context(), []string{id}, nil, dana, "came back")
		must(t, err)
		if out[0].Outcome != "added" || out[0].UserID == old {
			t.Errorf("added: %+v", out)
		}
		a := x.activity(dialer.ActivityQuery{UserID: out[0].UserID})
		if len(a) != 1 || a[0].Note != "added by dana" {
			t.Errorf("activity: %+v", a)
		}
		want(t, x.full(), rostersync.Succeeded, map[string]int{"created": 0, "updated": 0})
	})
}

// What a person decided about someone outweighs what Salesforce says, but for
// one thing: who has left Salesforce has left.
func TestAdministratorsDecisions(t *testing.T) {
	onBoth(t, wish{users: 12, cfg: noGuard}, func(t *testing.T, x *world) {
		ids := x.ids()
		locked, kept, back := ids[0], ids[1], ids[2]
		x.act(dialer.Change{Verb: dialer.VerbDeactivate, UserID: x.person(locked).ID, Note: "security"})
		x.act(dialer.Change{
			Verb: dialer.VerbUpdate, UserID: x.person(kept).ID, User: dialer.User{Protected: true}, Fields: []dialer.Field{dialer.FieldProtected},
		})
		version := x.person(kept).Version
		x.deactivate(kept, back)
		must(t, x.org.Update(locked, func(u *simorg.User) { u.Title = "Still true" }))
		r := x.changes()
		want(t, r, rostersync.Succeeded, map[string]int{"deactivated": 1, "updated": 1, "reactivated": 0})
		if r.SkippedBy[rostersync.SkipAdminHold] != 1 || r.SkippedBy[rostersync.SkipProtected] != 1 {
			t.Errorf("skipped: %v", r.SkippedBy)
		}
		if u := x.person(kept); u.Version != version || u.Status != dialer.StatusActive {
			t.Errorf("protected: %+v", u)
		}
		// An administrator gives access to someone who is inactive in Salesforce.
		x.act(dialer.Change{Verb: dialer.VerbActivate, UserID: x.person(back).ID, Seats: []string{"powerdialer"}})
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 1})
		if u := x.person(back); u.Status != dialer.StatusInactive || u.StatusReason != dialer.ReasonSalesforceInactive {
			t.Errorf("inactive in Salesforce: %+v", u)
		}
		// And to the one who was locked.
		x.act(dialer.Change{Verb: dialer.VerbActivate, UserID: x.person(locked).ID, Seats: []string{"powerdialer"}})
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 0})
		if u := x.person(locked); u.Status != dialer.StatusActive || u.Title != "Still true" {
			t.Errorf("unlocked: %+v", u)
		}
	})
}

// Selected enrollment: nobody joins by themselves, and who was added is kept
// true.
// Who is added with seats of other types gets those, and none of the default.
func TestAddedWithOtherSeats(t *testing.T) {
	two := func(c *rostersync.Config) {
		c.Enrollment, c.Guard = rostersync.EnrollSelected, rostersync.Guard{}
		c.Licenses = append(c.Licenses, dialer.License{Type: "office", Purchased: 5})
	}
	onBoth(t, wish{users: 4, cfg: two, seats: 3}, func(t *testing.T, x *world) {
		ids := x.ids()
		x.changes()
		if _, err := x.engine.Add(t.Context(), ids[:1], []string{"office"}, dana, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := x.engine.Add(t.Context(), ids[1:2], nil, dana, ""); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"office", "powerdialer"} {
			if u := x.person(ids[i]); !equal(u.LicenseTypes, []string{want}) {
				t.Errorf("user %d has %v, want %s", i, u.LicenseTypes, want)
			}
		}
	})
}

func TestSelectedEnrollment(t *testing.T) {
	selected := func(c *rostersync.Config) { c.Enrollment, c.Guard = rostersync.EnrollSelected, rostersync.Guard{} }
	onBoth(t, wish{users: 12, cfg: selected, seats: 3}, func(t *testing.T, x *world) {
		ids := x.ids()
		if n := len(x.users()); n != 0 {
			t.Fatalf("%d joined by themselves", n)
		}
		x.deactivate(ids[9])
		local := x.local("had.it.before", dialerEmail(x, ids[1]))
		x.changes()
		out, err := x.engine.Add(t.Context(), []string{ids[0], ids[1], ids[9], "nobody@example.com", ids[0]}, nil, dana, "starters")
		must(t, err)
		got := make([]string, len(out))
		for i, r := range out {
			got[i] = r.Outcome
		}
		if want := []string{"added", "linked", "refused", "refused", "added"}; !equal(got, want) {
			t.Fatalf("outcomes %q, want %q: %+v", got, want, out)
		}
		if x.person(ids[1]).ID != local || len(x.users()) != 2 {
			t.Errorf("users: %+v", x.users())
		}
		if out, err = x.engine.Add(t.Context(), []string{ids[0]}, nil, dana, ""); err != nil || out[0].Outcome != "already" {
			t.Errorf("again: %+v, %v", out, err)
		}
		// The local user had no seat: two more fit, then it is full.
		out, err = x.engine.Add(t.Context(), ids[2:5], nil, dana, "")
		must(t, err)
		if got := []string{out[0].Outcome, out[1].Outcome, out[2].Outcome}; !equal(got, []string{"added", "added", "no_seat"}) {
			t.Errorf("at the cap: %q", got)
		}
		must(t, x.org.Update(ids[0], func(u *simorg.User) { u.Title = "Kept true" }))
		x.hire("stranger")
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"created": 0, "updated": 1})
		x.deactivate(ids[0]) // frees a seat for the one who waits
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"created": 1, "deactivated": 1})
		if u := x.person(ids[4]); u.Status != dialer.StatusActive {
			t.Errorf("who waited: %+v", u)
		}
		must(t, x.org.Activate(ids[0])) // enrolled they stay
		r := x.changes()
		if r.SkippedBy[rostersync.SkipNoSeat] != 1 || x.person(ids[0]).Status != dialer.StatusInactive {
			t.Errorf("who came back: %v", r.SkippedBy)
		}
	})
}

func dialerEmail(x *world, id string) string {
	u, err := x.org.User(id)
	must(x.t, err)
	return u.Email
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
