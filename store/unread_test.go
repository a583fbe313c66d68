package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

func TestUnread(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, _ := mirrored(t, open)
		j, ctx := db.Journal(1), t.Context()
		put := func(since int64, ids ...string) {
			ok(t, db.Update(ctx, func(tx *store.Tx) error { return j.PutUnreadTx(ctx, tx, ids, since) }))
		}
		check := func(want ...string) {
			t.Helper()
			got, err := j.Unread(ctx)
			ok(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("unread (-want +got):\n%s", diff)
			}
		}
		put(20, mirrorID(2), mirrorID(1))
		put(10, mirrorID(3))
		put(5, mirrorID(2)) // noted already
		check(mirrorID(3), mirrorID(1), mirrorID(2))
		ok(t, j.DropUnread(ctx, []string{mirrorID(3), mirrorID(9)}))
		ok(t, j.DropUnread(ctx, nil))
		check(mirrorID(1), mirrorID(2))
	})
}
