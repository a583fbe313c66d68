package store_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pressly/goose/v3"

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

// What the last release wrote is there after an upgrade, also what stands in a
// table that is made anew.
func TestMigrateKeepsWhatWasReleased(t *testing.T) {
	const released = 6 // the last migration of the release before
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		old, err := sql.Open("sqlite", "file:"+path)
		ok(t, err)
		defer old.Close()
		upgrade(t, old, goose.DialectSQLite3, released, "sqlite://"+path)
	})
	t.Run("postgres", func(t *testing.T) {
		url := storetest.Postgres(t)
		old, err := sql.Open("pgx", url)
		ok(t, err)
		defer old.Close()
		for _, q := range []string{"DROP SCHEMA public CASCADE", "CREATE SCHEMA public"} {
			_, err := old.ExecContext(t.Context(), q)
			ok(t, err)
		}
		upgrade(t, old, goose.DialectPostgres, released, url)
	})
}

func upgrade(t *testing.T, old *sql.DB, d goose.Dialect, released int64, url string) {
	t.Helper()
	ctx := t.Context()
	p, err := goose.NewProvider(d, old, store.Migrations(d == goose.DialectPostgres), goose.WithDisableGlobalRegistry(true))
	ok(t, err)
	_, err = p.UpTo(ctx, released)
	ok(t, err)
	for _, q := range []string{
		`INSERT INTO orgs (id, name, created_at) VALUES (1, 'acme', 1)`,
		`INSERT INTO outbox (org_id, kind, key, user_id, payload, created_at) VALUES (1, 'invitation', 'k', 'u1', 'text', 7)`,
		`INSERT INTO license_types (org_id, type, purchased) VALUES (1, 'office', 3)`,
		`INSERT INTO attention (org_id, kind, subject, detail, since) VALUES (1, 'match', 's', 'two', 5)`,
	} {
		_, err := old.ExecContext(ctx, q)
		ok(t, err)
	}
	ok(t, old.Close())

	db, err := store.Open(ctx, url, store.Options{})
	ok(t, err)
	defer db.Close()
	ok(t, db.Migrate(ctx))
	var id, created int64
	var payload, state, detail string
	var cti bool
	ok(t, db.Read(ctx, func(tx *store.Tx) error {
		return errors.Join(
			tx.QueryRow(ctx, `SELECT id, payload, state, created_at FROM outbox WHERE org_id = 1 AND key = 'k'`).Scan(&id, &payload, &state, &created),
			tx.QueryRow(ctx, `SELECT salesforce_cti FROM license_types WHERE type = 'office'`).Scan(&cti))
	}))
	if payload != "text" || state != "pending" || created != 7 || id != 1 || !cti {
		t.Errorf("got message %d %q %q of %d, and seats with the CTI: %v", id, payload, state, created, cti)
	}
	items, err := db.Journal(1).Attention(ctx, "")
	ok(t, err)
	if len(items) == 1 {
		detail = items[0].Detail
	}
	if detail != "two" {
		t.Errorf("got items %v", items)
	}
	ok(t, db.Update(ctx, func(tx *store.Tx) error { // a kind that the release did not know
		_, err := tx.Exec(ctx, `INSERT INTO outbox (org_id, kind, key, user_id, payload, created_at) VALUES (1, 'authorization', 'l', 'u1', '', 8)`)
		return err
	}))
}
