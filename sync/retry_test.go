package sync_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
	rostersync "github.com/rosterd/rosterd/sync"
)

// due makes everything that is to be tried again due now.
func (x *world) due() {
	x.exec(`UPDATE pending SET next_at = $1 WHERE kind = 'retry' AND next_at <> 0`, store.Micros(time.Now().Add(-time.Second)))
}

// pending returns what waits for a user.
func (x *world) pending(id string) []store.PendingRow {
	x.t.Helper()
	rows, err := x.db.Journal(x.orgID).PendingOf(x.t.Context(), []string{id})
	must(x.t, err)
	return rows
}

func TestRetryThenParkThenMend(t *testing.T) {
	onBoth(t, wish{users: 10}, func(t *testing.T, x *world) {
		bad := x.hire("bad", func(u *simorg.User) { u.Email = "not an address" })
		want(t, x.changes(), rostersync.SucceededIssues, map[string]int{"failed": 1, "created": 0})
		waits := []time.Duration{}
		for i := range 7 {
			p := x.pending(bad)
			if len(p) != 1 || p[0].Attempts != int64(i+1) || !strings.Contains(p[0].Detail, "email must be") || strings.Contains(p[0].Detail, "not an address") {
				t.Fatalf("after %d tries: %+v", i+1, p)
			}
			waits = append(waits, time.Until(store.Time(p[0].Next)).Round(10*time.Second))
			x.engine.Poll() // its time has not come
			if got := x.pending(bad)[0].Attempts; got != int64(i+1) {
				t.Fatalf("tried before its time: %d", got)
			}
			x.due()
			x.engine.Poll()
		}
		for i := 1; i < len(waits); i++ {
			if waits[i] < waits[i-1]*3/2 {
				t.Errorf("waits do not grow: %s", waits)
			}
		}
		if p := x.pending(bad); p[0].Next != 0 || p[0].Attempts != 8 {
			t.Errorf("not parked: %+v", p)
		}
		a := x.attention(rostersync.AttentionParked)
		if len(a) != 1 || a[0].User != bad || !strings.Contains(a[0].Detail, "email must be an e-mail address") {
			t.Fatalf("items: %+v", a)
		}
		x.due()
		x.engine.Poll()
		if got := x.pending(bad)[0].Attempts; got != 8 {
			t.Errorf("a parked change was tried: %d", got)
		}

		// A person asks: it is tried once more.
		must(t, x.engine.ResolveAttention(t.Context(), a[0].ID, rostersync.Decision{}, dana))
		x.engine.Poll()
		if p := x.pending(bad); len(p) != 1 || p[0].Attempts != 1 {
			t.Errorf("after it was resolved: %+v", p)
		}
		// The source changes: it is tried at once, and all is well.
		must(t, x.org.Update(bad, func(u *simorg.User) { u.Email = "good@acme.example" }))
		x.engine.Poll()
		if p := x.pending(bad); len(p) != 0 || x.person(bad).Status != dialer.StatusActive || len(x.attention(rostersync.AttentionParked)) != 0 {
			t.Errorf("then: %+v", p)
		}
	})
}

// A value that the dialer refuses neither keeps a joiner out nor a leaver in,
// nor what else changed of somebody.
func TestRefusedValues(t *testing.T) {
	rules := []rostersync.Rule{
		{Set: "country", To: "user.Country"}, // two letters, says the dialer
		{Set: "caller_id_name", To: "user.Name", Own: rostersync.OwnSeeded},
	}
	onBoth(t, wish{users: 10, rules: rules, cfg: noGuard, idle: true}, func(t *testing.T, x *world) {
		must(t, x.org.MassUpdate(x.ids(), func(u *simorg.User) { u.Country = "US" }))
		x.firstRun()
		ids := x.ids()
		long := x.hire("long", func(u *simorg.User) { u.LastName, u.Country = strings.Repeat("Verylong", 8), "US" })
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"created": 1, "failed": 0})
		if u := x.person(long); u.Settings.CallerIDName != "" || u.Settings.Country != "US" {
			t.Errorf("joiner with a long name: %+v", u.Settings)
		}
		if a := x.activity(dialer.ActivityQuery{UserID: x.person(long).ID}); len(a) != 1 || a[0].Note != "caller_id_name left out: the dialer refuses it" {
			t.Errorf("activity: %+v", a)
		}

		must(t, x.org.Update(ids[0], func(u *simorg.User) { u.Country, u.Title = "Switzerland", "Still written" }))
		must(t, x.org.Update(ids[1], func(u *simorg.User) { u.Country, u.IsActive = "Switzerland", false }))
		joiner := x.hire("swiss", func(u *simorg.User) { u.Country = "Switzerland" })
		r := x.changes()
		want(t, r, rostersync.SucceededIssues, map[string]int{"created": 1, "updated": 1, "deactivated": 1, "failed": 3})
		if u := x.person(ids[0]); u.Title != "Still written" || u.Settings.Country != "US" {
			t.Errorf("update: %+v", u)
		}
		if u := x.person(ids[1]); u.Status != dialer.StatusInactive {
			t.Errorf("leaver: %+v", u)
		}
		if u := x.person(joiner); u.Status != dialer.StatusActive || u.Settings.Country != "" {
			t.Errorf("joiner: %+v", u)
		}

		// Better rules are a reason to try again.
		mended, err := rostersync.CompilePolicy(rostersync.DefaultScope, []rostersync.Rule{
			{Set: "country", To: `user.Country == "Switzerland" ? "CH" : user.Country`}, rules[1],
		})
		must(t, err)
		x.reload(func(c *rostersync.Config) { c.Policy = mended })
		x.until(func(r rostersync.Run) bool { return r.Trigger == "policy" })
		if u := x.person(joiner); u.Settings.Country != "CH" || len(x.pending(joiner)) != 0 {
			t.Errorf("after the rules were mended: %+v, %+v", u.Settings, x.pending(joiner))
		}
	})
}

// User names that are swapped in one run, and cross the pages of a pass.
func TestSwapsAcrossPages(t *testing.T) {
	rules := []rostersync.Rule{{Set: "username", To: "user.EmployeeNumber", Own: rostersync.OwnSalesforce}}
	onBoth(t, wish{users: 1100, rules: rules, cfg: noGuard}, func(t *testing.T, x *world) {
		ids := x.ids()
		first, last := x.person(ids[0]), x.person(ids[1099])
		must(t, x.org.Update(ids[0], func(u *simorg.User) { u.EmployeeNumber, u.Email = last.EmployeeNumber, last.Email }))
		must(t, x.org.Update(ids[1099], func(u *simorg.User) { u.EmployeeNumber, u.Email = first.EmployeeNumber, first.Email }))
		must(t, x.org.MassUpdate(ids[1:1099], func(u *simorg.User) { u.Title = "Between them" }))
		r := x.changes()
		want(t, r, rostersync.Succeeded, map[string]int{"failed": 0})
		a, b := x.person(ids[0]), x.person(ids[1099])
		if a.Username != last.Username || b.Username != first.Username || a.Email != last.Email || b.Email != first.Email {
			t.Errorf("%s %s, %s %s", a.Username, a.Email, b.Username, b.Email)
		}
		if n := len(x.attention(rostersync.AttentionTaken)); n != 0 {
			t.Errorf("%d items", n)
		}
	})
}
