package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onPostgres is for what only a server can do.
func onPostgres(t *testing.T) (db, other *store.DB) {
	t.Helper()
	url := storetest.Postgres(t)
	for _, p := range []**store.DB{&db, &other} {
		var err error
		if *p, err = store.Open(t.Context(), url, store.Options{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = (*p).Close() })
	}
	return db, other
}

func exec(ctx context.Context, db *store.DB, query string, args ...any) error {
	return db.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
}

func TestFullDisk(t *testing.T) {
	db, err := store.Open(t.Context(), storetest.SQLite(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := t.Context()
	var pages int
	err = db.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ('before', 1)"); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "PRAGMA page_count").Scan(&pages)
	})
	if err != nil {
		t.Fatal(err)
	}
	limit := func(n int) error { return exec(ctx, db, fmt.Sprintf("PRAGMA max_page_count = %d", n)) }
	if err := limit(pages + 2); err != nil {
		t.Fatal(err)
	}
	fill := func() error {
		return db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Load(ctx, "orgs", orgColumns, func(yield func([]any) bool) {
				for i := range 1000 {
					if !yield([]any{int64(i + 10), strings.Repeat("x", 500) + fmt.Sprint(i), 1}) {
						return
					}
				}
			})
			if err != nil {
				// Whoever goes on regardless must not write outside the transaction.
				_, _ = tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ('stray', 1)")
			}
			return nil
		})
	}
	if err := fill(); !errors.Is(err, store.ErrDiskFull) || !strings.Contains(err.Error(), "free some space") {
		t.Fatalf("got %v, want ErrDiskFull with a hint", err)
	}
	if got := names(t, db); len(got) != 1 || got[0] != "before" {
		t.Errorf("got %d rows, want the one from before", len(got))
	}
	if err := limit(pages + 2000); err != nil {
		t.Fatal(err)
	}
	if err := fill(); err != nil {
		t.Errorf("after space was freed: %v", err)
	}
	var check string
	err = db.Read(ctx, func(tx *store.Tx) error { return tx.QueryRow(ctx, "PRAGMA integrity_check").Scan(&check) })
	if err != nil || check != "ok" {
		t.Errorf("integrity: %s (%v)", check, err)
	}
}

func TestReadOnlyFile(t *testing.T) {
	url := storetest.SQLite(t)
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := exec(t.Context(), db, "PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
	if err := exec(t.Context(), db, "INSERT INTO orgs (name, created_at) VALUES ('a', 1)"); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("got %v, want ErrReadOnly", err)
	}
}

// Another program holds the database for longer than SQLite waits.
func TestBusyFile(t *testing.T) {
	url := storetest.SQLite(t)
	a, err := store.Open(t.Context(), url, store.Options{Retry: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := exec(t.Context(), a, "PRAGMA busy_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	err = b.Update(t.Context(), func(*store.Tx) error {
		err := exec(t.Context(), a, "INSERT INTO orgs (name, created_at) VALUES ('a', 1)")
		if !errors.Is(err, store.ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := exec(t.Context(), a, "INSERT INTO orgs (name, created_at) VALUES ('a', 1)"); err != nil {
		t.Errorf("when it is free again: %v", err)
	}
}

// SQLite does not interrupt a BEGIN that waits for the lock, but its driver says
// that it did: the transaction is open all the same, and must not stay open.
func TestCanceledWhileItWaitsToBegin(t *testing.T) {
	url := storetest.SQLite(t)
	var dbs [2]*store.DB
	for i := range dbs {
		var err error
		if dbs[i], err = store.Open(t.Context(), url, store.Options{}); err != nil {
			t.Fatal(err)
		}
		defer dbs[i].Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	canceled := make(chan error, 1)
	err := dbs[0].Update(t.Context(), func(*store.Tx) error {
		go func() { canceled <- exec(ctx, dbs[1], "INSERT INTO orgs (name, created_at) VALUES ('canceled', 1)") }()
		<-ctx.Done()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-canceled; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
	for i, db := range dbs {
		if err := exec(t.Context(), db, fmt.Sprintf("INSERT INTO orgs (name, created_at) VALUES ('%d', 1)", i)); err != nil {
			t.Errorf("then: %v", err)
		}
	}
	if got := names(t, dbs[0]); len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

func TestConnectionLostBeforeCommit(t *testing.T) {
	db, other := onPostgres(t)
	ctx := t.Context()
	attempts, committed := 0, 0
	err := db.Update(ctx, func(tx *store.Tx) error {
		attempts++
		var pid int
		if err := tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ('a', 1)"); err != nil {
			return err
		}
		tx.AfterCommit(func() { committed++ })
		if attempts < 3 {
			return exec(ctx, other, "SELECT pg_terminate_backend($1)", pid)
		}
		return nil
	})
	// Whether the lost connection shows in the commit depends on who is faster:
	// the commit of a dead session is unknown, unless not a byte could be sent.
	if err != nil && !errors.Is(err, store.ErrCommitUnknown) {
		t.Fatalf("after %d attempts: %v", attempts, err)
	}
	want := 1
	if err != nil {
		want = 0
	}
	if got := names(t, other); len(got) != want || committed != want {
		t.Errorf("%d rows, %d callbacks, want %d", len(got), committed, want)
	}
}

func TestConnectionLostInStatement(t *testing.T) {
	db, _ := onPostgres(t)
	ctx := t.Context()
	attempts := 0
	err := db.Update(ctx, func(tx *store.Tx) error {
		attempts++
		if _, err := tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ('a', 1)"); err != nil {
			return err
		}
		if attempts < 3 {
			_, err := tx.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
			return err
		}
		return nil
	})
	if err != nil || attempts != 3 || len(names(t, db)) != 1 {
		t.Errorf("%d attempts, %d rows (%v), want 3 and 1", attempts, len(names(t, db)), err)
	}
}

func TestConnectionLostDuringCommit(t *testing.T) {
	db, other := onPostgres(t)
	ctx := t.Context()
	for _, q := range []string{
		`CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL; END $$`,
		`CREATE CONSTRAINT TRIGGER die AFTER INSERT ON orgs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()`,
	} {
		if err := exec(ctx, other, q); err != nil {
			t.Fatal(err)
		}
	}
	attempts := 0
	err := db.Update(ctx, func(tx *store.Tx) error {
		attempts++
		_, err := tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ('a', 1)")
		return err
	})
	if !errors.Is(err, store.ErrCommitUnknown) || attempts != 1 {
		t.Errorf("after %d attempts: got %v, want ErrCommitUnknown", attempts, err)
	}
	if got := names(t, other); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

// A constraint that is looked at in the commit fails it for certain.
func TestCommitRefused(t *testing.T) {
	db, _ := onPostgres(t)
	ctx := t.Context()
	if err := exec(ctx, db, `ALTER TABLE orgs ADD CONSTRAINT late UNIQUE (created_at) DEFERRABLE INITIALLY DEFERRED`); err != nil {
		t.Fatal(err)
	}
	err := exec(ctx, db, "INSERT INTO orgs (name, created_at) VALUES ('a', 1), ('b', 1)")
	if kind, what := store.Violated(err); kind != store.Unique || what != "late" || errors.Is(err, store.ErrCommitUnknown) {
		t.Errorf("got %v", err)
	}
}

// Two transactions that lock each other out: one is told to try again, and
// both are done in the end.
func TestDeadlockIsRetried(t *testing.T) {
	db, other := onPostgres(t)
	ctx := t.Context()
	if err := exec(ctx, db, "INSERT INTO orgs (id, name, created_at) VALUES (1, 'a', 0), (2, 'b', 0)"); err != nil {
		t.Fatal(err)
	}
	both := func(db *store.DB, first, second int, ready chan<- bool, other <-chan bool) error {
		attempts := 0
		return db.Update(ctx, func(tx *store.Tx) error {
			attempts++
			if _, err := tx.Exec(ctx, "UPDATE orgs SET created_at = created_at + 1 WHERE id = $1", first); err != nil {
				return err
			}
			if attempts == 1 {
				ready <- true
				<-other
			}
			_, err := tx.Exec(ctx, "UPDATE orgs SET created_at = created_at + 1 WHERE id = $1", second)
			return err
		})
	}
	a, b, done := make(chan bool, 1), make(chan bool, 1), make(chan error)
	go func() { done <- both(db, 1, 2, a, b) }()
	err := errors.Join(both(other, 2, 1, b, a), <-done)
	var sum int
	err = errors.Join(err, db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, "SELECT sum(created_at) FROM orgs").Scan(&sum)
	}))
	if err != nil || sum != 4 {
		t.Errorf("got %d, want 4 (%v)", sum, err)
	}
}

func TestCloseTwoHandlesKeepsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	for range 3 {
		db, err := store.Open(t.Context(), "sqlite://"+path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Migrate(t.Context()), db.Ping(t.Context()), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the last to close leaves a -wal file: %v", err)
	}
}

// A transaction that outlives its program ends before a successor goes on.
func TestSettleWaitsForWriters(t *testing.T) {
	before, after := onPostgres(t)
	ctx := t.Context()
	if err := before.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	wrote, settled := make(chan struct{}), make(chan error, 1)
	go func() {
		<-wrote
		settled <- after.Settle(ctx)
	}()
	err := before.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ('late', 1)"); err != nil {
			return err
		}
		close(wrote)
		for { // until the successor waits for us
			var n int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&n); err != nil || n > 0 {
				return err
			}
			select {
			case err := <-settled:
				return fmt.Errorf("settled before the commit: %w", err)
			case <-time.After(time.Millisecond):
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-settled; err != nil {
		t.Fatal(err)
	}
	var n int
	if err := after.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM orgs WHERE name = 'late'").Scan(&n)
	}); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
}
