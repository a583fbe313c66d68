package directory_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// A list is the same whether it goes by an index or passes over the table: each
// user once, page after page, in either direction, by every order and filter.
func TestListWays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		org, err := directory.EnsureOrg(t.Context(), db, "org of lists")
		if err != nil {
			t.Fatal(err)
		}
		d := directory.New(db, org, directory.Options{})
		admin := dialer.Actor{Kind: "admin", Name: "dana"}
		var ids []string
		for i := range 40 {
			u := dialer.User{
				Username: fmt.Sprintf("rep%02d@example.com", (i*7)%40), Email: fmt.Sprintf("mail%02d@example.com", (i*11)%40),
				FirstName: fmt.Sprintf("First%d", i%3), LastName: fmt.Sprintf("Last%d", i%5), Title: fmt.Sprintf("Title %d", i%2),
			}
			if err := dialer.Field("ring_timeout_seconds").Set(&u, float64(20+i%2)); err != nil {
				t.Fatal(err)
			}
			r := d.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbCreate, User: u, Actor: admin}})
			if r[0].Err != nil {
				t.Fatal(r[0].Err)
			}
			ids = append(ids, r[0].UserID)
			if i%4 == 0 {
				d.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbDeactivate, UserID: ids[i], Reason: dialer.ReasonManual, Actor: admin}})
			}
		}
		odd := []dialer.Term{{Field: dialer.FieldTitle, Op: dialer.OpIs, Value: "title 1"}}
		filters := map[string]struct {
			q    dialer.Query
			want int
		}{
			"all": {dialer.Query{}, 40}, "inactive": {dialer.Query{Status: dialer.StatusInactive}, 10}, "found": {dialer.Query{Search: "rep1"}, 10},
			"of a title": {dialer.Query{Terms: odd}, 20}, "ids": {dialer.Query{IDs: ids[3:9]}, 6},
			"of a setting":       {dialer.Query{Terms: []dialer.Term{{Field: "ring_timeout_seconds", Op: dialer.OpIs, Value: "21"}}}, 20},
			"of another setting": {dialer.Query{Terms: []dialer.Term{{Field: "ring_timeout_seconds", Op: dialer.OpIsNot, Value: "21"}}}, 20},
		}
		orders := map[dialer.Order]func(dialer.User) string{
			dialer.OrderID: func(u dialer.User) string { return u.ID }, dialer.OrderUsername: func(u dialer.User) string { return u.Username },
			dialer.OrderLastName: func(u dialer.User) string { return u.LastName }, dialer.OrderFirstName: func(u dialer.User) string { return u.FirstName },
			dialer.OrderEmail: func(u dialer.User) string { return u.Email }, dialer.OrderExtension: func(u dialer.User) string { return u.Extension },
			dialer.OrderUpdated: func(u dialer.User) string { return u.UpdatedAt.Format("150405.000000") }, dialer.OrderCreated: func(u dialer.User) string { return u.CreatedAt.Format("150405.000000") },
		}
		for name, f := range filters {
			for order, key := range orders {
				for _, desc := range []bool{false, true} {
					q := f.q
					q.Order, q.Desc, q.Limit = order, desc, 7
					var got []string
					for {
						page, next, err := d.List(t.Context(), q)
						if err != nil {
							t.Fatalf("%s by %s: %v", name, order, err)
						}
						for _, u := range page {
							got = append(got, key(u)+" "+u.ID)
						}
						if q.After = next; next == "" {
							break
						}
					}
					want := slices.Sorted(slices.Values(got))
					if desc {
						slices.Reverse(want)
					}
					if diff := cmp.Diff(want, got); diff != "" || len(slices.Compact(want)) != f.want {
						t.Errorf("%s by %s, descending %t: %d users, want %d, in order (-want +got)\n%s", name, order, desc, len(got), f.want, diff)
					}
				}
			}
		}
	})
}
