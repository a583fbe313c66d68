package sync_test

import (
	"testing"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// Who gets another license in Salesforce than the one that the dialer is for
// leaves, and is listed with the reason why they cannot be added.
func TestOtherLicenseLeaves(t *testing.T) {
	onBoth(t, wish{users: 10, cfg: noGuard}, func(t *testing.T, x *world) {
		id := x.ids()[3]
		other, err := x.engine.Explain(t.Context(), "rosterd@acme.example") // whose license is for integrations
		must(t, err)
		profile := profileOf(x, other.Source.ID)
		must(t, x.org.Update(id, func(u *simorg.User) { u.ProfileID = profile }))
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 1})
		if u := x.person(id); u.Status != dialer.StatusInactive || u.StatusReason != dialer.ReasonOutOfScope || len(u.LicenseTypes) != 0 {
			t.Errorf("got %+v", u)
		}
		page, err := x.engine.People(t.Context(), rostersync.PeopleQuery{Search: id, Order: "name", Limit: 5})
		must(t, err)
		if len(page.People) != 1 || page.People[0].CanAdd || page.People[0].Why == "" || page.People[0].License == "Salesforce" {
			t.Errorf("listed as %+v", page.People)
		}
	})
}
