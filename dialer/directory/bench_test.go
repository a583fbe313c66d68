package directory_test

import (
	"fmt"
	"testing"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

func people(from, n int) []dialer.Change {
	changes := make([]dialer.Change, n)
	for i := range changes {
		k := from + i
		u := dialer.User{
			SalesforceID: fmt.Sprintf("005%012dAAA", k), Username: fmt.Sprintf("user%d@acme.example.com", k*7919%1000003),
			Email: fmt.Sprintf("u%d@example.com", k*104729%1000003), FirstName: "Testa", LastName: fmt.Sprintf("Person%d", k),
			Title: "Account Executive", Phone: "+1 202 555 0100", Timezone: "America/Denver", Language: "en-US", Origin: dialer.OriginSalesforce,
			MatchMethod: "email", IntegrationInfo: dialer.IntegrationOK, SettledHash: int64(k), SettledPolicy: 1,
		}
		u.SetGroups(dialer.KindPermissionGroup, "Reps")
		u.SetGroups(dialer.KindRole, "Agent")
		u.SetGroups(dialer.KindDepartment, fmt.Sprintf("Department %d", k%20))
		changes[i] = dialer.Change{
			Verb: dialer.VerbCreate, User: u, Seats: []string{"powerdialer"}, Actor: dialer.Actor{Kind: dialer.ActorSync}, RunID: "r1",
		}
	}
	return changes
}

func BenchmarkCreate(b *testing.B) {
	storetest.Bench(b, func(b *testing.B, open func() *store.DB) {
		db := open()
		org, err := directory.EnsureOrg(b.Context(), db, "acme")
		if err != nil {
			b.Fatal(err)
		}
		d := directory.New(db, org, directory.Options{})
		if err := d.SetLicenses(b.Context(), []dialer.License{{Type: "powerdialer", Purchased: 1e9}}); err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		for done := 0; done < b.N; {
			n := min(5000, b.N-done)
			for _, r := range d.Apply(b.Context(), people(done, n)) {
				if r.Outcome != dialer.Applied {
					b.Fatal(r.Err)
				}
			}
			done += n
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "users/s")
	})
}
