package sync_test

import (
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
	rostersync "github.com/rosterd/rosterd/sync"
)

// atMidnight is the policy that is the default: access ends at 00:00 of the
// next local date.
func atMidnight(c *rostersync.Config) { c.Leaving.Midnight, c.Guard = true, rostersync.Guard{} }

func TestLeavingAtMidnight(t *testing.T) {
	onBoth(t, wish{users: 12, cfg: atMidnight}, func(t *testing.T, x *world) {
		ids := x.ids()
		x.deactivate(ids[0], ids[1])
		must(t, x.org.Freeze(ids[2]))
		before := time.Now()
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"scheduled": 3, "deactivated": 0, "held": 0})
		for _, id := range ids[:3] {
			u := x.person(id)
			midnight := rostersync.NextMidnight(before, x.cfg.Zone)
			if u.Status != dialer.StatusActive || len(u.LicenseTypes) != 1 || !u.DeactivateAt.Equal(midnight) && !u.DeactivateAt.Equal(rostersync.NextMidnight(time.Now(), x.cfg.Zone)) {
				t.Errorf("%s leaves at %s, want %s: %+v", id, u.DeactivateAt, midnight, u)
			}
		}
		n := len(x.activity(dialer.ActivityQuery{}))
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"scheduled": 0})
		want(t, x.full(), rostersync.Succeeded, map[string]int{"scheduled": 0})
		if len(x.activity(dialer.ActivityQuery{})) != n {
			t.Error("looking again wrote something")
		}

		// Who comes back before stays, and keeps the seat.
		must(t, x.org.Activate(ids[0]))
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"unscheduled": 1})
		if u := x.person(ids[0]); !u.DeactivateAt.IsZero() || u.Status != dialer.StatusActive || len(u.LicenseTypes) != 1 {
			t.Errorf("came back: %+v", u)
		}

		// Midnight comes while Salesforce is down, and while the daemon is: it fires all the same.
		x.org.Faults().Add(simorg.Rule{Effect: simorg.Effect{Kind: simorg.Unavailable}})
		x.stop()
		x.exec(`UPDATE dialer_users SET deactivate_at = $1 WHERE deactivate_at <> 0`, store.Micros(time.Now().Add(-8*time.Hour)))
		x.restart(nil)
		x.eventually("the leavers lose access", func() bool { return x.active() == 10 && x.status().Overdue == 0 })
		for _, id := range ids[1:3] {
			if u := x.person(id); u.Status != dialer.StatusInactive || len(u.LicenseTypes) != 0 || !u.StatusReason.BySync() {
				t.Errorf("%s: %+v", id, u)
			}
		}
		for _, a := range x.activity(dialer.ActivityQuery{Verb: dialer.VerbDeactivate}) {
			if a.Actor.Kind != dialer.ActorScheduler {
				t.Errorf("by %+v", a.Actor)
			}
		}
		x.org.Faults().Clear()
		want(t, x.full(), rostersync.Succeeded, map[string]int{"deactivated": 0, "updated": 0})
	})
}

// Access ends so long after Salesforce changed, not after it was noticed.
func TestLeavingAfter(t *testing.T) {
	after := func(c *rostersync.Config) { c.Leaving.After, c.Guard = 24*time.Hour, rostersync.Guard{} }
	onBoth(t, wish{users: 6, cfg: after}, func(t *testing.T, x *world) {
		ids := x.ids()
		x.later.Store(int64(-2 * time.Minute)) // the org's clock, when it happens
		x.deactivate(ids[0])
		x.later.Store(0)
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"scheduled": 1})
		s, err := x.org.User(ids[0])
		must(t, err)
		if got, want := x.person(ids[0]).DeactivateAt, s.LastModifiedDate.Add(24*time.Hour); !got.Equal(want) {
			t.Errorf("leaves at %s, want %s", got, want)
		}

		// A stricter policy brings it forward; nobody counts twice for it.
		x.reload(func(c *rostersync.Config) { c.Leaving.After, c.Guard = time.Hour, rostersync.Guard{Users: 1} })
		must(t, x.org.Update(ids[0], func(u *simorg.User) { u.Title = "Looked at again" }))
		x.changes()
		if got := time.Until(x.person(ids[0]).DeactivateAt); got > time.Hour {
			t.Errorf("leaves in %s", got)
		}

		// Changed longer ago than that, it ends at once.
		x.reload(func(c *rostersync.Config) { c.Leaving.After, c.Guard = time.Minute, rostersync.Guard{} })
		x.later.Store(int64(-2 * time.Minute))
		x.deactivate(ids[1])
		x.later.Store(0)
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 1})
	})
}

// What a person scheduled, the sync neither calls off nor puts off.
func TestLeavingByHand(t *testing.T) {
	onBoth(t, wish{users: 6, cfg: atMidnight}, func(t *testing.T, x *world) {
		id := x.ids()[0]
		at := time.Now().Add(time.Minute).UTC().Truncate(time.Microsecond)
		x.act(dialer.Change{Verb: dialer.VerbSchedule, UserID: x.person(id).ID, At: at, Reason: dialer.ReasonManual})
		want(t, x.full(), rostersync.Succeeded, map[string]int{"unscheduled": 0, "scheduled": 0})
		x.deactivate(id)
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"scheduled": 0})
		if u := x.person(id); !u.DeactivateAt.Equal(at) || u.DeactivateWhy != dialer.ReasonManual {
			t.Errorf("%+v", u)
		}
	})
}

// Who is frozen cannot always be read. Then nobody changes for it.
func TestFrozenCannotBeRead(t *testing.T) {
	onBoth(t, wish{users: 12, cfg: noGuard}, func(t *testing.T, x *world) {
		ids := x.ids()
		must(t, x.org.Freeze(ids[0]))
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 1})
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "UserLogin", Effect: simorg.Effect{Kind: simorg.NoAccess}})
		must(t, x.org.Freeze(ids[1]))
		must(t, x.org.Unfreeze(ids[0]))
		must(t, x.org.Update(ids[0], func(u *simorg.User) { u.Title = "Moved" }))
		x.deactivate(ids[2])
		want(t, x.changes(), rostersync.SucceededIssues, map[string]int{"deactivated": 1, "reactivated": 0, "attention": 1})
		want(t, x.full(), rostersync.Succeeded, map[string]int{"deactivated": 0, "reactivated": 0})
		if len(x.attention(rostersync.AttentionFrozen)) != 1 || x.person(ids[0]).Title != "Moved" {
			t.Errorf("items %+v", x.attention(rostersync.AttentionFrozen))
		}
		x.org.Faults().Clear()
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 1, "reactivated": 1})
		if len(x.attention(rostersync.AttentionFrozen)) != 0 {
			t.Error("the item is still open")
		}
	})
}

// A leaving date of the administrator's own is brought forward as a leave like
// any other, and stands again for who returns.
func TestOwnLeavingDate(t *testing.T) {
	for name, midnight := range map[string]bool{"at midnight": true, "at once": false} {
		t.Run(name, func(t *testing.T) {
			cfg := func(c *rostersync.Config) { c.Leaving.Midnight, c.Guard = midnight, rostersync.Guard{Users: 2} }
			onBoth(t, wish{users: 8, cfg: cfg}, func(t *testing.T, x *world) {
				ids := x.ids()
				own := time.Now().Add(240 * time.Hour).UTC().Truncate(time.Second)
				for _, id := range ids[:3] {
					x.act(dialer.Change{Verb: dialer.VerbSchedule, UserID: x.person(id).ID, At: own})
				}
				x.deactivate(ids[:3]...)
				r := x.changes()
				want(t, r, rostersync.Held, map[string]int{"held": 3, "scheduled": 0, "deactivated": 0})
				r = x.approve(r.ID)
				want(t, r, rostersync.Succeeded, nil)
				if r.Scheduled+r.Deactivated != 3 {
					t.Errorf("%d scheduled, %d deactivated", r.Scheduled, r.Deactivated)
				}
				must(t, x.org.Activate(ids[0]))
				want(t, x.changes(), rostersync.Succeeded, nil)
				if u := x.person(ids[0]); u.Status != dialer.StatusActive || !u.DeactivateAt.Equal(own) || u.DeactivateWhy != dialer.ReasonManual {
					t.Errorf("%s, leaves at %s (%s), want %s", u.Status, u.DeactivateAt, u.DeactivateWhy, own)
				}
				want(t, x.full(), rostersync.Succeeded, map[string]int{"updated": 0, "scheduled": 0, "unscheduled": 0})
			})
		})
	}
}

// While syncing is paused nothing is written: those who fall due leave when it
// goes on, and status says that they should have.
func TestDueWhilePaused(t *testing.T) {
	onBoth(t, wish{users: 5, cfg: atMidnight}, func(t *testing.T, x *world) {
		x.deactivate(x.ids()[0])
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"scheduled": 1})
		must(t, x.engine.Pause(t.Context(), dana, "migration"))
		x.exec(`UPDATE dialer_users SET deactivate_at = $1 WHERE deactivate_at <> 0`, store.Micros(time.Now().Add(-time.Hour)))
		for range 2 { // the loop turns, and turns again
			last := x.engine.Alive()
			x.eventually("the loop turns", func() bool { return x.engine.Alive().After(last) })
		}
		if u := x.person(x.ids()[0]); u.Status != dialer.StatusActive || x.status().Overdue != 1 {
			t.Errorf("%s, %d overdue", u.Status, x.status().Overdue)
		}
		must(t, x.engine.Resume(t.Context(), dana))
		x.eventually("the leaver loses access", func() bool { return x.person(x.ids()[0]).Status == dialer.StatusInactive })
	})
}
