package sync_test

import (
	"testing"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

func TestFirstFullSyncThenNothing(t *testing.T) {
	onBoth(t, wish{users: 2050}, func(t *testing.T, x *world) {
		runs, err := x.engine.Runs(t.Context(), 0, 10)
		if err != nil || len(runs) != 1 {
			t.Fatalf("got %d runs, %v", len(runs), err)
		}
		if r := runs[0]; r.Outcome != rostersync.Succeeded || r.Created != 2050 {
			t.Fatalf("first run: %+v", r)
		}
		r := x.full()
		if r.Outcome != rostersync.Succeeded || r.Mirrored+r.Created+r.Updated+r.Failed != 0 {
			t.Errorf("second run wrote: %+v", r)
		}
		if most := (2051+1999)/2000 + 3; r.SalesforceCalls > most {
			t.Errorf("second run made %d calls, want at most %d", r.SalesforceCalls, most)
		}
	})
}

func TestChangesFlow(t *testing.T) {
	onBoth(t, wish{users: 40}, func(t *testing.T, x *world) {
		ids := x.ids()
		must(t, x.org.Update(ids[0], func(u *simorg.User) { u.Title = "Chief of Tests" }))
		must(t, x.org.Deactivate(ids[1]))
		must(t, x.org.Freeze(ids[2]))
		id, err := x.org.AddUser(simorg.User{
			Username: "new@acme.example", Email: "new@acme.example", FirstName: "New", LastName: "Joiner", IsActive: true, UserType: "Standard",
			ProfileID: profileOf(x, ids[0]), TimeZoneSidKey: "America/Denver", LocaleSidKey: "en_US", LanguageLocaleKey: "en_US",
		})
		must(t, err)
		r := x.changes()
		if r.Outcome != rostersync.Succeeded {
			t.Fatalf("run: %+v", r)
		}
		users := x.users()
		if got := users[ids[0]].Title; got != "Chief of Tests" {
			t.Errorf("title is %q", got)
		}
		if u := users[ids[1]]; u.Status != dialer.StatusInactive || u.StatusReason != dialer.ReasonSalesforceInactive || len(u.LicenseTypes) != 0 {
			t.Errorf("leaver: %+v", u)
		}
		if u := users[ids[2]]; u.Status != dialer.StatusInactive || u.StatusReason != dialer.ReasonSalesforceFrozen {
			t.Errorf("frozen: %+v", u)
		}
		if u := users[id]; u.Status != dialer.StatusActive || len(u.LicenseTypes) != 1 || u.One(dialer.KindPermissionGroup) != "Reps" {
			t.Errorf("joiner: %+v", u)
		}
		must(t, x.org.Activate(ids[1]))
		must(t, x.org.Unfreeze(ids[2]))
		x.changes()
		if n := x.active(); n != 41 {
			t.Errorf("%d active, want 41", n)
		}
	})
}
