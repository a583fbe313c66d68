package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// mirrored opens the mirror of a fresh org.
func mirrored(t *testing.T, open func() *store.DB) (*store.DB, *store.Mirror) {
	t.Helper()
	db := open()
	if err := db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Load(t.Context(), "orgs", orgColumns, orgs("acme", "other"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return db, db.Mirror(1)
}

func mirrorID(i int) string { return fmt.Sprintf("005%012dAAA", i) }

func mirrorRows(numbers ...int) []store.MirrorRow {
	rows := make([]store.MirrorRow, len(numbers))
	for i, n := range numbers {
		rows[i] = store.MirrorRow{
			ID: mirrorID(n), UsernameKey: fmt.Sprintf("u%d@example.com", n), EmailKey: fmt.Sprintf("e%d@example.com", n),
			Name: "Testa Person", Active: true, Visible: true, Listed: true, Modstamp: int64(n), Hash: int64(1000 + n), Doc: []byte("{}"),
		}
	}
	return rows
}

// link adds a dialer user of a Salesforce user who was settled under policy.
func link(t *testing.T, db *store.DB, n int, policy int64) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO dialer_users (org_id, id, salesforce_id, username, username_key, system_role, status, origin,
			version, created_at, updated_at, settled_hash, settled_policy) VALUES (1, $1, $2, $1, $1, 'user', 'active', 'salesforce', 1, 1, 1, 1, $3)
			ON CONFLICT (org_id, id) DO UPDATE SET settled_policy = excluded.settled_policy`, fmt.Sprintf("user-%d", n), mirrorID(n), policy)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// ok is for calls of which only the error matters.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMarks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		_, m := mirrored(t, open)
		rows := mirrorRows(upTo(300)...)
		ok(t, m.Put(t.Context(), rows))
		for i, r := range rows {
			if r.Seq != int64(i+1) {
				t.Fatalf("row %d has number %d", i, r.Seq)
			}
		}
		shuffled := rand.New(rand.NewPCG(1, 1)).Perm(300)
		for name, numbers := range map[string][]int{
			"in order": upTo(300), "in another order": shuffled, "far apart": {1, 299}, "with unknown ones": {3, 5, 900, 901},
			"all unknown": {900, 901}, "one": {7}, "none": nil, "one twice": {4, 4, 5},
		} {
			var ids []string
			var want []store.MirrorMark
			for _, n := range numbers {
				ids = append(ids, mirrorID(n))
				mark := store.MirrorMark{}
				if n < 300 {
					mark = store.MirrorMark{Seq: int64(n + 1), Hash: int64(1000 + n), Modstamp: int64(n), Listed: true, Visible: true}
				}
				want = append(want, mark)
			}
			reused := []store.MirrorMark{{Seq: 77}, {Seq: 78}, {Seq: 79}} // must not shine through
			got, err := m.Marks(t.Context(), ids, reused)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
				t.Errorf("%s: marks differ (-want +got):\n%s", name, diff)
			}
		}
	})
}

// Unsettled rows are those that changed, those judged by other rules, and
// those whose dialer user somebody else wrote; each once, in order.
func TestUnsettled(t *testing.T) {
	const rules, before = 42, -7
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, m := mirrored(t, open)
		unsettled := func(all bool) (numbers []string) {
			t.Helper()
			for r, err := range m.Unsettled(t.Context(), rules, all) {
				if err != nil {
					t.Fatal(err)
				}
				numbers = append(numbers, r.ID)
			}
			return numbers
		}
		settle := func(policy int64, numbers ...int) {
			t.Helper()
			var ids []string
			var hashes []int64
			for _, r := range mirrorRows(numbers...) {
				ids, hashes = append(ids, r.ID), append(hashes, r.Hash)
			}
			ok(t, m.Settle(t.Context(), policy, ids, hashes))
		}
		want := func(numbers ...int) (ids []string) {
			for _, n := range numbers {
				ids = append(ids, mirrorID(n))
			}
			return ids
		}
		check := func(when string, want []string) {
			t.Helper()
			if diff := cmp.Diff(want, unsettled(false)); diff != "" {
				t.Errorf("%s: unsettled differ (-want +got):\n%s", when, diff)
			}
		}
		const n = 4500 // more than two pages
		ok(t, m.Put(t.Context(), mirrorRows(upTo(n)...)))
		check("at first", want(upTo(n)...))
		settle(rules, upTo(n)...)
		check("when all is settled", nil)
		if got := len(unsettled(true)); got != n {
			t.Errorf("all yields %d rows of %d", got, n)
		}
		changed := mirrorRows(17)
		changed[0].Hash = 5
		changed[0].Seq = 18
		ok(t, m.Put(t.Context(), changed))
		settle(rules, 17) // as it was before: means nothing any more
		settle(before, 3, 4400)
		link(t, db, 9, rules)
		link(t, db, 10, 0)
		link(t, db, 17, 0)
		link(t, db, 9000, 0) // unknown to the mirror
		check("when some changed", want(3, 10, 17, 4400))
		if _, err := m.SetVisible(t.Context(), want(11), false); err != nil {
			t.Fatal(err)
		}
		link(t, db, 10, rules)
		check("when one is lost from sight", want(3, 11, 17, 4400))
		unknown, err := m.Unknown(t.Context())
		if diff := cmp.Diff(want(9000), unknown); diff != "" || err != nil {
			t.Errorf("unknown differ (-want +got):\n%s%v", diff, err)
		}
		for _, err := range db.Mirror(2).Unsettled(t.Context(), rules, false) {
			t.Errorf("another org has unsettled rows, %v", err)
		}
	})
}

// Whom a snapshot should have carried and did not: who was listed, and who is
// enrolled though not listed.
func TestUnlisted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, m := mirrored(t, open)
		rows := mirrorRows(upTo(10)...)
		for i := 6; i < 10; i++ {
			rows[i].Listed = false
		}
		ok(t, m.Put(t.Context(), rows))
		link(t, db, 2, 1)
		link(t, db, 8, 1)
		for _, tc := range []struct {
			name string
			seen []int
			want []string
		}{
			{"all listed were seen", []int{0, 1, 2, 3, 4, 5}, []string{mirrorID(8)}},
			{"one listed was not", []int{0, 1, 2, 3, 5}, []string{mirrorID(4), mirrorID(8)}},
			{"nobody was", nil, []string{mirrorID(0), mirrorID(1), mirrorID(2), mirrorID(3), mirrorID(4), mirrorID(5), mirrorID(8)}},
		} {
			seen := func(seq int64) bool { return slices.Contains(tc.seen, int(seq-1)) }
			got, err := m.Unlisted(t.Context(), seen, len(tc.seen))
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%s: unlisted differ (-want +got):\n%s%v", tc.name, diff, err)
			}
		}
		if all, listed, err := m.Count(t.Context()); all != 10 || listed != 6 || err != nil {
			t.Errorf("the mirror has %d rows and %d listed, want 10 and 6; %v", all, listed, err)
		}
	})
}

// Numbers come from a counter that a transaction which fails gives back.
func TestMirrorNumbersHaveNoHoles(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, m := mirrored(t, open)
		ok(t, m.Put(t.Context(), mirrorRows(1, 2)))
		failed := db.Update(t.Context(), func(tx *store.Tx) error {
			if err := m.PutTx(t.Context(), tx, mirrorRows(3)); err != nil {
				return err
			}
			return context.Canceled
		})
		if failed == nil {
			t.Fatal("the transaction did not fail")
		}
		rows := mirrorRows(4)
		ok(t, m.Put(t.Context(), rows))
		if rows[0].Seq != 3 {
			t.Errorf("the third row has number %d", rows[0].Seq)
		}
		if all, _, err := m.Count(t.Context()); all != 3 || err != nil {
			t.Errorf("the mirror has %d rows, want 3; %v", all, err)
		}
	})
}
