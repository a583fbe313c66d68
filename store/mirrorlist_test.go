package store_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

func TestMirrorList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, m := mirrored(t, open)
		rows := mirrorRows(upTo(12)...)
		for i := range rows {
			rows[i].Name = fmt.Sprintf("Person %c", 'A'+i/2) // two of each name
		}
		rows[3].Active = false
		rows[5].Name, rows[5].EmailKey = `50% \ "off"_`, "odd@example.com"
		ok(t, m.Put(t.Context(), rows))
		link(t, db, 4, 1)
		list := func(q store.MirrorQuery) (ids []string) {
			t.Helper()
			got, err := m.List(t.Context(), q)
			ok(t, err)
			for _, r := range got {
				ids = append(ids, r.ID)
			}
			return ids
		}
		check := func(what string, q store.MirrorQuery, want ...int) {
			t.Helper()
			var ids []string
			for _, n := range want {
				ids = append(ids, mirrorID(n))
			}
			if diff := cmp.Diff(ids, list(q)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		check("part of a name", store.MirrorQuery{Search: "person c", Order: store.MirrorByName, Limit: 10}, 4)
		check("part of a user name", store.MirrorQuery{Search: "u11@", Order: store.MirrorByName, Limit: 10}, 11)
		check("part of an address", store.MirrorQuery{Search: "odd@", Order: store.MirrorByEmail, Limit: 10}, 5)
		check("an id", store.MirrorQuery{Search: "005000000000007aaa", Order: store.MirrorByID, Limit: 10}, 7)
		for _, text := range []string{"50%", `\`, `"off"_`} {
			check(text, store.MirrorQuery{Search: text, Order: store.MirrorByName, Limit: 10}, 5)
		}
		check("wildcards are text", store.MirrorQuery{Search: "p%n", Order: store.MirrorByName, Limit: 10})
		check("active", store.MirrorQuery{Search: "person b", Active: true, Order: store.MirrorByID, Limit: 10}, 2)
		check("not linked", store.MirrorQuery{Search: "person", NotLinked: true, Order: store.MirrorByID, Limit: 4}, 0, 1, 2, 3)
		check("linked ones left out", store.MirrorQuery{NotLinked: true, Order: store.MirrorByID, AfterKey: mirrorID(2), AfterID: mirrorID(2), Limit: 2}, 3, 5)
		if got, err := db.Mirror(2).List(t.Context(), store.MirrorQuery{Order: store.MirrorByID, Limit: 10}); len(got) != 0 || err != nil {
			t.Errorf("another org sees %d rows, %v", len(got), err)
		}
		if _, err := m.List(t.Context(), store.MirrorQuery{Order: "doc; DROP TABLE", Limit: 1}); err == nil {
			t.Error("an order that there is not is taken")
		}

		// In every order, page by page, each row comes once.
		for _, order := range []store.MirrorOrder{store.MirrorByName, store.MirrorByUsername, store.MirrorByEmail, store.MirrorByID} {
			seen, last := map[string]bool{}, ""
			q := store.MirrorQuery{Order: order, Limit: 5}
			for {
				page, err := m.List(t.Context(), q)
				ok(t, err)
				for _, r := range page {
					if key := r.OrderKey(order); key < last || seen[r.ID] {
						t.Errorf("by %s: %s comes after %s", order, key, last)
					}
					seen[r.ID], last = true, r.OrderKey(order)
					q.AfterKey, q.AfterID = r.OrderKey(order), r.ID
				}
				if len(page) < q.Limit {
					break
				}
			}
			if len(seen) != len(rows) {
				t.Errorf("by %s: %d rows on all pages, want %d", order, len(seen), len(rows))
			}
		}
	})
}

func TestHistory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, _ := mirrored(t, open)
		const hour = 3_600_000_000
		ok(t, db.Update(t.Context(), func(tx *store.Tx) error {
			for _, q := range []string{
				`INSERT INTO license_types (org_id, type, purchased) VALUES (1, 'office', 9)`,
				fmt.Sprintf(`INSERT INTO activity (org_id, at, actor_kind, verb) VALUES (1, %d, 'sync', 'create'), (1, %d, 'sync', 'create'), (1, %d, 'sync', 'update'),
					(1, %d, 'sync', 'create'), (2, %d, 'sync', 'create')`, 100*hour, 100*hour+5, 101*hour, 10*hour, 100*hour),
				`INSERT INTO api_calls (org_id, hour, calls) VALUES (1, 100, 7), (2, 100, 9)`,
				fmt.Sprintf(`INSERT INTO seat_history (org_id, user_id, type, assigned_at, released_at) VALUES (1, 'a', 'office', %d, %d), (1, 'b', 'office', %d, %d)`,
					10*hour, 100*hour, 101*hour, 102*hour),
			} {
				if _, err := tx.Exec(t.Context(), q); err != nil {
					return err
				}
			}
			return nil
		}))
		got, err := db.Journal(1).History(t.Context(), 50*hour)
		ok(t, err)
		sorted := func(list []store.Hourly) map[string]int64 {
			m := map[string]int64{}
			for _, h := range list {
				m[fmt.Sprintf("%d %s", h.Hour, h.What)] = h.N
			}
			return m
		}
		for what, pair := range map[string][2]map[string]int64{
			"changes": {sorted(got.Changes), {"100 create": 2, "101 update": 1}},
			"calls":   {sorted(got.Calls), {"100 calls": 7}},
			"taken":   {sorted(got.Taken), {"101 office": 1}},
			"freed":   {sorted(got.Freed), {"100 office": 1, "102 office": 1}},
		} {
			if diff := cmp.Diff(pair[1], pair[0]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
	})
}
