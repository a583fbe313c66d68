package directory_test

import (
	"fmt"
	"testing"
	"time"

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
			Title: "Account Executive", Phone: "+1 202 555 0100", Timezone: "America/Denver", Language: "en-US",
			Origin: dialer.OriginSalesforce, MatchMethod: "email", IntegrationInfo: dialer.IntegrationOK,
			SettledHash: int64(k), SettledPolicy: 1,
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

// BenchmarkCreate measures Apply of b.N new users, in calls of 5,000, beside a
// bare bulk load of the very rows that end up stored: run it with
// -benchtime 100000x.
func BenchmarkCreate(b *testing.B) {
	for kind, url := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(kind, func(b *testing.B) {
			from, to := openDB(b, url(b)), openDB(b, url(b))
			org, err := directory.EnsureOrg(b.Context(), from, "acme")
			if err != nil {
				b.Fatal(err)
			}
			d := directory.New(from, org, directory.Options{})
			if err := d.SetLicenses(b.Context(), []dialer.License{{Type: "powerdialer", Purchased: 1e9}}); err != nil {
				b.Fatal(err)
			}
			var apply time.Duration
			b.ResetTimer()
			for done := 0; done < b.N; {
				changes := people(done, min(5000, b.N-done))
				start := time.Now()
				for _, r := range d.Apply(b.Context(), changes) {
					if r.Outcome != dialer.Applied {
						b.Fatal(r.Err)
					}
				}
				apply += time.Since(start)
				done += len(changes)
			}
			b.StopTimer()
			bare := reload(b, from, to)
			b.ReportMetric(float64(b.N)/apply.Seconds(), "users/s")
			b.ReportMetric(float64(b.N)/bare.Seconds(), "bare-users/s")
			b.ReportMetric(apply.Seconds()/bare.Seconds(), "x-bare")
		})
	}
}

func openDB(b *testing.B, url string) *store.DB {
	b.Helper()
	db, err := store.Open(b.Context(), url, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// reload loads what stands in one database into another, and says how long the
// loading took.
func reload(b *testing.B, from, to *store.DB) (took time.Duration) {
	b.Helper()
	ctx := b.Context()
	for _, table := range []string{"orgs", "license_types", "groups", "dialer_users", "memberships", "seats", "activity"} {
		var columns []string
		var list [][]any
		err := from.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, "SELECT * FROM "+table)
			if err != nil {
				return err
			}
			defer rows.Close()
			if columns, err = rows.Columns(); err != nil {
				return err
			}
			for rows.Next() {
				row, dest := make([]any, len(columns)), make([]any, len(columns))
				for i := range row {
					dest[i] = &row[i]
				}
				if err := rows.Scan(dest...); err != nil {
					return err
				}
				for i, c := range columns {
					if c == "assigned" {
						row[i] = int64(0)
					}
				}
				list = append(list, row)
			}
			return rows.Err()
		})
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		for i := 0; i < len(list); i += 5000 {
			part := list[i:min(i+5000, len(list))]
			err := to.Update(ctx, func(tx *store.Tx) error {
				_, err := tx.Load(ctx, table, columns, func(yield func([]any) bool) {
					for _, row := range part {
						if !yield(row) {
							return
						}
					}
				})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		took += time.Since(start)
	}
	return took
}

// BenchmarkUsers measures reading the whole directory, b.N users.
func BenchmarkUsers(b *testing.B) {
	storetest.Bench(b, func(b *testing.B, open func() *store.DB) {
		db := open()
		org, err := directory.EnsureOrg(b.Context(), db, "acme")
		if err != nil {
			b.Fatal(err)
		}
		d := directory.New(db, org, directory.Options{})
		for done := 0; done < b.N; done += 5000 {
			changes := people(done, min(5000, b.N-done))
			for i := range changes {
				changes[i].Seats = nil
			}
			d.Apply(b.Context(), changes)
		}
		n := 0
		for b.ResetTimer(); n < b.N; {
			for _, err := range d.Users(b.Context(), dialer.Query{Linked: true, Order: dialer.OrderSalesforceID}) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
		}
	})
}
