package store_test

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

func TestMigrateIsRepeatable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		before, needed, err := db.SchemaVersion(t.Context())
		if err != nil || before != needed || needed == 0 {
			t.Errorf("got version %d of %d (%v)", before, needed, err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestMigrateTogether(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { migrateTogether(t, "sqlite://"+filepath.Join(t.TempDir(), "test.db")) })
	t.Run("postgres", func(t *testing.T) {
		url := storetest.Postgres(t)
		db, err := store.Open(t.Context(), url, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(exec(t.Context(), db, "DROP SCHEMA public CASCADE"),
			exec(t.Context(), db, "CREATE SCHEMA public"), db.Close()); err != nil {
			t.Fatal(err)
		}
		migrateTogether(t, url)
	})
}

func migrateTogether(t *testing.T, url string) {
	t.Helper()
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			db, err := store.Open(t.Context(), url, store.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if err := db.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestMigrateRefusesNewerSchema(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := open(), t.Context()
		err := db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(ctx); !errors.Is(err, store.ErrNewerSchema) {
			t.Errorf("got %v, want ErrNewerSchema", err)
		}
	})
}
