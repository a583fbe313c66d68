// Package storetest gives tests a fresh, migrated database: SQLite always, and
// Postgres where ROSTERD_TEST_POSTGRES names a server. It knows nothing of what
// the tables hold.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/rosterd/rosterd/store"
)

// Each runs fn as a subtest on SQLite and as one on Postgres. Every call of
// open gives another handle on the subtest's own database, which is migrated
// and empty; it is closed when the test ends. Without ROSTERD_TEST_POSTGRES the
// second is skipped, or fails if ROSTERD_TEST_REQUIRE_POSTGRES is 1.
func Each(t *testing.T, fn func(t *testing.T, open func() *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, opener(t, SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { fn(t, opener(t, Postgres(t))) })
}

// Bench is Each for benchmarks.
func Bench(b *testing.B, fn func(b *testing.B, open func() *store.DB)) {
	b.Helper()
	b.Run("sqlite", func(b *testing.B) { fn(b, opener(b, SQLite(b))) })
	b.Run("postgres", func(b *testing.B) { fn(b, opener(b, Postgres(b))) })
}

func opener(t testing.TB, databaseURL string) func() *store.DB {
	return func() *store.DB {
		t.Helper()
		db, err := store.Open(t.Context(), databaseURL, store.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Errorf("close database: %v", err)
			}
		})
		return db
	}
}

// SQLite returns the URL of a fresh, migrated SQLite database.
func SQLite(t testing.TB) string {
	t.Helper()
	image, err := sqliteImage()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "test.db")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite://" + path
}

// sqliteImage is a migrated file: copying it is faster than migrating anew.
var sqliteImage = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "rosterd-storetest")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "image.db")
	if err := migrated(context.Background(), "sqlite://"+path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// Postgres returns the URL of a fresh, migrated Postgres database, which is
// dropped when the test ends. The test is skipped where there is no server.
func Postgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("ROSTERD_TEST_POSTGRES")
	if server == "" {
		if os.Getenv("ROSTERD_TEST_REQUIRE_POSTGRES") == "1" {
			t.Fatal("ROSTERD_TEST_POSTGRES is not set, and ROSTERD_TEST_REQUIRE_POSTGRES is 1")
		}
		t.Skip("set ROSTERD_TEST_POSTGRES=postgres://user@host:port/database to run this on Postgres too")
	}
	template, err := postgresTemplate()
	if err != nil {
		t.Fatal(err)
	}
	name := "rosterd_test_" + strings.ToLower(rand.Text())
	if err := command(t.Context(), server, `CREATE DATABASE "`+name+`" TEMPLATE "`+template+`"`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command(context.Background(), server, `DROP DATABASE "`+name+`" WITH (FORCE)`); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return within(server, name)
}

// postgresTemplate names a migrated database to copy. It is made once for each
// text of the migrations, by whichever process comes first, and stays.
var postgresTemplate = sync.OnceValues(func() (string, error) {
	ctx, server := context.Background(), os.Getenv("ROSTERD_TEST_POSTGRES")
	hash, err := fingerprint(store.Migrations(true))
	if err != nil {
		return "", err
	}
	name := "rosterd_template_" + hash
	db, err := sql.Open("pgx", server)
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	c, err := db.Conn(ctx)
	if err != nil {
		return "", fmt.Errorf("reach ROSTERD_TEST_POSTGRES: %w", err)
	}
	defer func() { _ = c.Close() }() // and with it the lock
	if _, err := c.ExecContext(ctx, "SELECT pg_advisory_lock(7316405)"); err != nil {
		return "", err
	}
	var there bool
	err = c.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&there)
	if err != nil || there {
		return name, err
	}
	draft := name + "_draft"
	for _, q := range []string{
		`DROP DATABASE IF EXISTS "` + draft + `" WITH (FORCE)`,
		`CREATE DATABASE "` + draft + `" TEMPLATE template0 ENCODING 'UTF8'`,
	} {
		if _, err := c.ExecContext(ctx, q); err != nil {
			return "", err
		}
	}
	if err := migrated(ctx, within(server, draft)); err != nil {
		return "", err
	}
	_, err = c.ExecContext(ctx, `ALTER DATABASE "`+draft+`" RENAME TO "`+name+`"`)
	return name, err
})

func migrated(ctx context.Context, databaseURL string) error {
	db, err := store.Open(ctx, databaseURL, store.Options{})
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx); err != nil {
		_ = db.Close()
		return err
	}
	return db.Close()
}

func command(ctx context.Context, server, query string) error {
	db, err := sql.Open("pgx", server)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, query)
	return err
}

// within is server's URL with another database.
func within(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	u.Path = "/" + name
	return u.String()
}

func fingerprint(files fs.FS) (string, error) {
	h := fnv.New64a()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		_, _ = h.Write(append([]byte(path), text...))
		return err
	})
	return fmt.Sprintf("%x", h.Sum64()), err
}
