package store_test

import (
	"testing"

	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// Times are microseconds, far beyond what 32 bits hold.
func TestRetryDue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, _ := mirrored(t, open)
		const now = 1_795_324_454_712_993
		j := db.Journal(1)
		due := func(want bool) {
			t.Helper()
			if got, err := j.RetryDue(t.Context(), now); err != nil || got != want {
				t.Errorf("a retry is due: %v, %v; want %v", got, err, want)
			}
		}
		put := func(kind, id string, next int64) {
			t.Helper()
			row := store.PendingRow{SalesforceID: id, Kind: kind, Since: now - 10, Next: next}
			if err := j.PutPending(t.Context(), []store.PendingRow{row}); err != nil {
				t.Fatal(err)
			}
		}
		due(false)
		put(store.PendingRetry, "parked", 0)
		put(store.PendingRetry, "later", now+1)
		put(store.PendingNoSeat, "no seat", now-1)
		due(false)
		put(store.PendingRetry, "now", now)
		due(true)
	})
}

func TestRunsBefore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, _ := mirrored(t, open)
		if _, err := db.Journal(1).Runs(t.Context(), 1<<40, 10, false); err != nil {
			t.Error(err)
		}
	})
}

func TestDropRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, _ := mirrored(t, open)
		j, ctx := db.Journal(1), t.Context()
		note := func(name int64, ids ...string) {
			t.Helper()
			var rows []store.PendingRow
			for _, id := range ids {
				rows = append(rows, store.PendingRow{SalesforceID: id, Kind: store.PendingDirty, Since: 1, SourceHash: name})
			}
			ok(t, j.PutPending(ctx, rows))
		}
		note(1, "a", "b")
		note(2, "c")
		read, err := j.Pending(ctx, store.PendingDirty, 0)
		ok(t, err)
		note(3, "b")
		ok(t, j.DropRead(ctx, read))
		left, err := j.Pending(ctx, store.PendingDirty, 0)
		ok(t, err)
		if len(left) != 1 || left[0].SalesforceID != "b" {
			t.Errorf("left: %v", left)
		}
	})
}
