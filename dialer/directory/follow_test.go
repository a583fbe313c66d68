package directory_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// lateEntry writes an entry whose transaction ends when the function that it
// returns is called.
func lateEntry(t *testing.T, db *store.DB, org, note string) (commit func()) {
	t.Helper()
	written, end, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- db.Update(context.Background(), func(tx *store.Tx) error {
			_, err := tx.Exec(context.Background(), `INSERT INTO activity (org_id, at, actor_kind, verb, note)
				SELECT id, 1, 'system', 'export', $2 FROM orgs WHERE name = $1`, org, note)
			close(written)
			<-end
			return err
		})
	}()
	<-written
	commit = sync.OnceFunc(func() {
		close(end)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(commit)
	return commit
}

// Who follows the activity gets each entry once and in the order of its number,
// whichever is committed first.
func TestFollowMissesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		orgs := map[string]*directory.Directory{}
		for _, name := range []string{"acme", "beta"} {
			org, err := directory.EnsureOrg(t.Context(), db, name)
			if err != nil {
				t.Fatal(err)
			}
			orgs[name] = directory.New(db, org, directory.Options{})
		}
		d, other := orgs["acme"], orgs["beta"]
		entry := func(d *directory.Directory, note string) {
			t.Helper()
			if _, err := d.Export(t.Context(), io.Discard, dialer.ExportRequest{Format: "csv", Reason: note, Actor: dialer.Actor{Kind: "admin", Name: "dana"}}); err != nil {
				t.Fatal(err)
			}
		}
		follow := func(after int64, limit int) (int64, func() []string) {
			t.Helper()
			from, next, err := d.Follow(t.Context(), dialer.ActivityQuery{After: after, Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			return from, func() (notes []string) {
				t.Helper()
				list, err := next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range list {
					notes = append(notes, a.Note)
				}
				return notes
			}
		}
		want := func(got []string, notes ...string) {
			t.Helper()
			if !slices.Equal(got, notes) {
				t.Errorf("there is %q, want %q", got, notes)
			}
		}
		entry(d, "one")
		entry(other, "of others")
		entry(d, "two")
		_, all := follow(0, 1)
		want(all(), "one")
		want(all(), "two")
		want(all())
		from, fresh := follow(-1, 9)
		want(fresh())
		if !db.Postgres() { // there is one writer at a time
			entry(d, "three")
			want(all(), "three")
			want(fresh(), "three")
			return
		}

		commit := lateEntry(t, db, "acme", "late")
		entry(d, "early")
		_, later := follow(-1, 9) // from before the late one is there
		want(all())
		want(fresh())
		second := lateEntry(t, db, "beta", "of others, late") // who comes later holds nobody up
		commit()
		want(all(), "late")
		want(all(), "early")
		want(fresh(), "late", "early")
		_, back := follow(from, 9)
		want(back())
		entry(d, "last")
		second()
		want(back(), "late", "early", "last")
		want(later(), "late", "last")
		want(fresh(), "last")
		want(fresh())
	})
}
