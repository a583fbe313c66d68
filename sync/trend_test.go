package sync_test

import (
	"errors"
	"testing"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// Whoever adds people sees everybody, and why some cannot be added; what the
// list says of them is what adding them does.
func TestPeopleAndTrend(t *testing.T) {
	cfg := func(c *rostersync.Config) { c.Enrollment = rostersync.EnrollSelected }
	onBoth(t, wish{users: 30, cfg: cfg}, func(t *testing.T, x *world) {
		ids := x.ids()
		gone := x.hire("gone", func(u *simorg.User) { u.IsActive = false })
		x.full()
		actor := dialer.Actor{Kind: "admin", Name: "ann"}
		_, err := x.engine.Add(t.Context(), ids[:3], nil, actor, "")
		must(t, err)

		list := func(q rostersync.PeopleQuery) map[string]rostersync.Person {
			t.Helper()
			found := map[string]rostersync.Person{}
			q.Order = "name"
			for {
				page, err := x.engine.People(t.Context(), q)
				must(t, err)
				if len(page.People) > q.Limit {
					t.Fatalf("a page of %d, want at most %d", len(page.People), q.Limit)
				}
				for _, p := range page.People {
					if _, twice := found[p.SalesforceID]; twice {
						t.Errorf("%s comes twice", p.SalesforceID)
					}
					found[p.SalesforceID] = p
				}
				if q.Cursor = page.Next; q.Cursor == "" {
					return found
				}
			}
		}
		all := list(rostersync.PeopleQuery{Limit: 7})
		if p := all[ids[0]]; p.CanAdd || p.Why != "already in the dialer" || p.UserID == "" || p.Status != dialer.StatusActive {
			t.Errorf("who is in the dialer: %+v", p)
		}
		if p := all[gone]; p.CanAdd || p.Why != "inactive in Salesforce" || p.Active {
			t.Errorf("who left Salesforce: %+v", p)
		}
		fit := list(rostersync.PeopleQuery{Limit: 4, Eligible: true, NotAdded: true})
		n := 0
		for id, p := range all {
			if _, in := fit[id]; in != p.CanAdd {
				t.Errorf("%s can be added: %t, and is listed so: %t", id, p.CanAdd, in)
			}
			results, err := x.engine.Add(t.Context(), []string{id}, nil, actor, "")
			must(t, err)
			if added := results[0].Outcome == "added"; added != p.CanAdd {
				t.Errorf("%s: the list says %t (%s), adding says %+v", id, p.CanAdd, p.Why, results[0])
			} else if added {
				n++
			}
		}
		if n == 0 || n != len(fit) {
			t.Errorf("%d were added, %d could be", n, len(fit))
		}
		if got := list(rostersync.PeopleQuery{Limit: 50, Profile: "no such profile"}); len(got) != 0 {
			t.Errorf("%d have a profile that there is not", len(got))
		}
		if _, err := x.engine.People(t.Context(), rostersync.PeopleQuery{Order: "name", Limit: 1, Cursor: "{"}); !errors.Is(err, rostersync.ErrPeopleCursor) {
			t.Errorf("a made-up cursor: %v", err)
		}

		trend, err := x.engine.Trend(t.Context(), 2)
		must(t, err)
		created, seats := int64(0), int64(0)
		for _, r := range trend.Changes {
			if r.What == "create" {
				created += r.N
			}
		}
		for _, r := range trend.Seats {
			seats = r.N
		}
		if int(created) != x.active() || int(seats) != x.active() || trend.Seats[0].N != 0 || len(trend.Calls) == 0 {
			t.Errorf("%d are active; the trend says %d were created and %d seats are in use: %+v", x.active(), created, seats, trend.Seats)
		}
	})
}

// The trend tells how long changes took; what is older than a day when it is
// first seen does not count.
func TestLag(t *testing.T) {
	onBoth(t, wish{users: 20}, func(t *testing.T, x *world) {
		x.full()
		before, err := x.engine.Trend(t.Context(), 1)
		must(t, err)
		x.hire("fresh")
		x.changes()
		after, err := x.engine.Trend(t.Context(), 1)
		must(t, err)
		count := func(tr rostersync.Trend) (n int64) {
			for _, l := range tr.Lag {
				n += l.N
				if l.MeanMS < 0 || l.MostMS < l.MeanMS || l.MostMS >= 24*3600*1000 {
					t.Errorf("a lag of %d ms on average, %d at most", l.MeanMS, l.MostMS)
				}
			}
			return n
		}
		if count(after) != count(before)+1 {
			t.Errorf("one change more, and lags of %d before, %d after", count(before), count(after))
		}
	})
}
