package sync_test

import (
	"fmt"
	"testing"

	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// At the cap each policy writes something else, and all give the seats that
// free in the order in which people came.
func TestSeatsAtTheCap(t *testing.T) {
	for _, policy := range []dialer.OnNoSeat{dialer.NoSeatReject, dialer.NoSeatCreateInactive, dialer.NoSeatWaitlist} {
		t.Run(string(policy), func(t *testing.T) {
			cfg := func(c *rostersync.Config) { c.OnNoSeat, c.Guard = policy, rostersync.Guard{} }
			onBoth(t, wish{users: 5, seats: 6, cfg: cfg}, func(t *testing.T, x *world) {
				old := x.ids()
				var ids []string
				for i := range 3 { // one a run, so that each came at another time
					ids = append(ids, x.hire(fmt.Sprintf("joiner%d", i)))
					r := x.changes()
					if i == 1 && (r.Outcome != rostersync.SucceededIssues || r.Attention != 1) {
						t.Errorf("the first who gets none: %+v", r)
					}
				}
				for i, id := range ids {
					u, in := x.users()[id]
					switch {
					case i == 0 && u.Status != dialer.StatusActive:
						t.Errorf("the sixth seat is not used: %+v", u)
					case i > 0 && policy == dialer.NoSeatCreateInactive:
						if !in || u.Status != dialer.StatusInactive || u.StatusReason != dialer.ReasonNoSeat || len(u.LicenseTypes) != 0 {
							t.Errorf("joiner %d: %+v", i, u)
						}
					case i > 0 && in:
						t.Errorf("joiner %d is in the dialer: %+v", i, u)
					}
				}
				if st := x.status(); st.Waiting != 2 || len(x.attention(rostersync.AttentionNoSeat)) != 1 {
					t.Errorf("%d wait, items %+v", st.Waiting, x.attention(rostersync.AttentionNoSeat))
				}
				want(t, x.full(), rostersync.Succeeded, map[string]int{"created": 0, "reactivated": 0, "updated": 0})

				// A seat frees: who came first gets it, in the run that frees it, before someone new.
				x.deactivate(old[0])
				late := x.hire("latecomer")
				r := x.changes()
				if r.Deactivated != 1 || r.Created+r.Reactivated != 1 && policy != dialer.NoSeatCreateInactive {
					t.Errorf("the run that frees a seat: %+v", r)
				}
				if u := x.person(ids[1]); u.Status != dialer.StatusActive || len(u.LicenseTypes) != 1 {
					t.Errorf("the first in the queue: %+v", u)
				}
				if u := x.users()[ids[2]]; u.Status == dialer.StatusActive || x.users()[late].Status == dialer.StatusActive {
					t.Error("someone else got a seat")
				}
				// Who leaves Salesforce leaves the queue.
				x.deactivate(ids[2])
				x.changes()
				if st := x.status(); st.Waiting != 1 {
					t.Errorf("%d wait", st.Waiting)
				}
				// More seats are bought: a full sync gives them too.
				must(t, x.dir.SetPurchased(t.Context(), "powerdialer", 9, dana))
				want(t, x.full(), rostersync.Succeeded, nil)
				if u := x.person(late); u.Status != dialer.StatusActive {
					t.Errorf("the last: %+v", u)
				}
				if st := x.status(); st.Waiting != 0 || len(x.attention(rostersync.AttentionNoSeat)) != 0 || st.State != "ok" {
					t.Errorf("%d wait, %s, %q", st.Waiting, st.State, st.Reasons)
				}
			})
		})
	}
}

// A type without seats at all lets nobody in at the first sync, and everyone
// who fits once there are some.
func TestSeatsBoughtLater(t *testing.T) {
	none := func(c *rostersync.Config) { c.Licenses[0].Purchased = 0 }
	onBoth(t, wish{users: 8, cfg: none}, func(t *testing.T, x *world) {
		if n := len(x.users()); n != 0 || x.status().Waiting != 8 {
			t.Fatalf("%d users, %d wait", n, x.status().Waiting)
		}
		must(t, x.dir.SetPurchased(t.Context(), "powerdialer", 5, dana))
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"created": 5})
		if l, err := x.dir.Licenses(t.Context()); err != nil || l[0].Assigned != 5 || x.status().Waiting != 3 {
			t.Errorf("%+v, %v, %d wait", l, err, x.status().Waiting)
		}
	})
}
