package store_test

import (
	"testing"

	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

func TestAskTakesOneQuery(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		one := func(tx *store.Tx) (n int, err error) {
			err = tx.QueryRow(t.Context(), "SELECT 1").Scan(&n)
			return n, err
		}
		err := db.Ask(t.Context(), func(tx *store.Tx) error {
			if n, err := one(tx); n != 1 || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("one query: %v", err)
		}
		err = db.Ask(t.Context(), func(tx *store.Tx) error {
			_, _ = one(tx)
			_, _ = one(tx)
			return nil
		})
		if err == nil {
			t.Error("a second query is no error")
		}
		err = db.Ask(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM orgs")
			return err
		})
		if err == nil {
			t.Error("a statement is no error")
		}
		err = db.Ask(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Query(t.Context(), "SELECT nothing FROM nowhere")
			return err
		})
		if err == nil {
			t.Error("a bad query is no error")
		}
		if names(t, db) != nil {
			t.Error("something was written")
		}
	})
}
