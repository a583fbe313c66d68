package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// orgs adds rows to a small table that every test may use.
func orgs(names ...string) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		row := make([]any, 3) // reused: Load and Merge must not keep it
		for i, n := range names {
			row[0], row[1], row[2] = int64(i+1), n, int64(7)
			if !yield(row) {
				return
			}
		}
	}
}

func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("org %04d", i)
	}
	return names
}

func names(t *testing.T, db *store.DB) []string {
	t.Helper()
	var list []string
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(t.Context(), "SELECT name FROM orgs ORDER BY name")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			list = append(list, s)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var orgColumns = []string{"id", "name", "created_at"}

func TestLoadAndMerge(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := open(), t.Context()
		if err := exec(ctx, db, "ALTER TABLE orgs ADD COLUMN extra BOOLEAN NOT NULL DEFAULT false"); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 15, 16, 17, 33, 100} {
			err := db.Update(ctx, func(tx *store.Tx) error {
				if _, err := tx.Exec(ctx, "DELETE FROM orgs"); err != nil {
					return err
				}
				got, err := tx.Load(ctx, "orgs", orgColumns, orgs(numbered(n)...))
				if err == nil && got != int64(n) {
					t.Errorf("loaded %d rows, want %d", got, n)
				}
				return err
			})
			if err != nil {
				t.Fatalf("%d rows: %v", n, err)
			}
			if got := names(t, db); !slices.Equal(got, numbered(n)) && n > 0 {
				t.Errorf("%d rows: got %q", n, got)
			}
			// The same keys with other names, and one more, each key twice.
			err = db.Update(ctx, func(tx *store.Tx) error {
				if _, err := tx.Exec(ctx, "UPDATE orgs SET extra = true"); err != nil {
					return err
				}
				_, err := tx.Merge(ctx, "orgs", orgColumns, []string{"id"}, func(yield func([]any) bool) {
					for i := range n + 1 {
						_ = yield([]any{int64(i + 1), fmt.Sprintf("loses %d", i), 1}) &&
							yield([]any{int64(i + 1), fmt.Sprintf("wins %04d", i), int64(9)})
					}
				})
				return err
			})
			if err != nil {
				t.Fatalf("merge %d rows: %v", n, err)
			}
			got := names(t, db)
			if len(got) != n+1 || got[n] != fmt.Sprintf("wins %04d", n) {
				t.Errorf("merge %d rows: got %q", n, got)
			}
			var kept int
			err = db.Read(ctx, func(tx *store.Tx) error {
				return tx.QueryRow(ctx, "SELECT count(*) FROM orgs WHERE extra").Scan(&kept)
			})
			if err != nil || kept != n {
				t.Errorf("columns that were not given: %d kept, want %d (%v)", kept, n, err)
			}
		}
	})
}

func TestRewrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := open(), t.Context()
		for _, n := range []int{1, 16, 40} {
			err := db.Update(ctx, func(tx *store.Tx) error {
				if _, err := tx.Exec(ctx, "DELETE FROM orgs"); err != nil {
					return err
				}
				if _, err := tx.Load(ctx, "orgs", orgColumns, orgs(numbered(n)...)); err != nil {
					return err
				}
				_, err := tx.Rewrite(ctx, "orgs", []string{"created_at", "id"}, []string{"id"}, func(yield func([]any) bool) {
					row := make([]any, 2)
					for i := range n + 5 { // five of whom nobody knows
						if row[0], row[1] = int64(100+i), int64(i+1); !yield(row) {
							return
						}
					}
				})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			var count, sum int
			err = db.Read(ctx, func(tx *store.Tx) error {
				return tx.QueryRow(ctx, "SELECT count(*), sum(created_at - id) FROM orgs").Scan(&count, &sum)
			})
			if err != nil || count != n || sum != 99*n {
				t.Errorf("%d rows: got %d with %d, want %d (%v)", n, count, sum, 99*n, err)
			}
		}
	})
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := open(), t.Context()
		add := func(tx *store.Tx, name string) error {
			_, err := tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ($1, 1)", name)
			return err
		}
		boom := errors.New("boom")
		if err := db.Update(ctx, func(tx *store.Tx) error { return errors.Join(add(tx, "a"), boom) }); !errors.Is(err, boom) {
			t.Errorf("got %v, want boom", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = db.Update(ctx, func(tx *store.Tx) error {
				_ = add(tx, "b")
				panic("boom")
			})
		}()
		// An error that fn swallows spoils the transaction all the same.
		err := db.Update(ctx, func(tx *store.Tx) error {
			_ = add(tx, "c")
			_ = add(tx, "c")
			return nil
		})
		if kind, _ := store.Violated(err); kind != store.Unique {
			t.Errorf("got %v (%q), want a unique violation", err, kind)
		}
		var committed []string
		err = db.Update(ctx, func(tx *store.Tx) error {
			if err := add(tx, "d"); err != nil {
				return err
			}
			tx.AfterCommit(func() { committed = append(committed, "d") })
			err := tx.Savepoint(ctx, func() error {
				tx.AfterCommit(func() { committed = append(committed, "e") })
				return errors.Join(add(tx, "e"), add(tx, "d"))
			})
			if kind, _ := store.Violated(err); kind != store.Unique {
				t.Errorf("inside the savepoint: got %v, want a unique violation", err)
			}
			return add(tx, "f")
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := names(t, db), []string{"d", "f"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if !slices.Equal(committed, []string{"d"}) {
			t.Errorf("after commit: got %q, want only d", committed)
		}
	})
}

func TestReadCannotWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := open(), t.Context()
		err := db.Read(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ('a', 1)")
			return err
		})
		if !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("got %v, want ErrReadOnly", err)
		}
		if got := names(t, db); len(got) != 0 {
			t.Errorf("got %q, want nothing", got)
		}
	})
}

func TestReadSeesOneState(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := open(), t.Context()
		count := func(tx *store.Tx) (n int) {
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM orgs").Scan(&n); err != nil {
				t.Error(err)
			}
			return n
		}
		err := db.Read(ctx, func(tx *store.Tx) error {
			before := count(tx)
			if err := db.Update(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ('a', 1)")
				return err
			}); err != nil {
				return err
			}
			if after := count(tx); after != before {
				t.Errorf("a read saw %d rows, then %d", before, after)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// Counting up from a read value loses updates unless the row is locked or one
// of two writers is told to try again.
func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		a, b, ctx := open(), open(), t.Context()
		err := a.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO orgs (id, name, created_at) VALUES (1, 'a', 0)")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range 8 {
			db := []*store.DB{a, b}[i%2]
			group.Go(func() {
				for range 5 {
					err := db.Update(ctx, func(tx *store.Tx) error {
						var n int
						if err := tx.QueryRow(ctx, "SELECT created_at FROM orgs WHERE id = 1"+tx.ForUpdate()).Scan(&n); err != nil {
							return err
						}
						_, err := tx.Exec(ctx, "UPDATE orgs SET created_at = $1 WHERE id = 1", n+1)
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		var n int
		err = b.Read(ctx, func(tx *store.Tx) error {
			return tx.QueryRow(ctx, "SELECT created_at FROM orgs WHERE id = 1").Scan(&n)
		})
		if err != nil || n != 40 {
			t.Errorf("got %d, want 40 (%v)", n, err)
		}
	})
}

func TestListsAndByteOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := open(), t.Context()
		want := []string{"B", "Z", "_", "a", `q"\u<é`, "é", "日本"}
		err := db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Load(ctx, "orgs", orgColumns, orgs(want...))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := names(t, db); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		for _, c := range []struct {
			in   store.Strings
			want int
		}{{store.Strings(want), 7}, {nil, 0}, {store.Strings{`q"\u<é`, "none"}, 1}} {
			var n, m int
			err := db.Read(ctx, func(tx *store.Tx) error {
				return errors.Join(
					tx.QueryRow(ctx, "SELECT count(*) FROM orgs WHERE created_at = $1 AND "+tx.In("name", 2), 7, c.in).Scan(&n),
					tx.QueryRow(ctx, "SELECT count(*) FROM orgs WHERE "+tx.In("id", 1), store.Ints{1, 3, 99}).Scan(&m))
			})
			if err != nil || n != c.want || m != 2 {
				t.Errorf("%q: got %d and %d, want %d and 2 (%v)", c.in, n, m, c.want, err)
			}
		}
	})
}

func TestCanceledUpdateWritesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		ctx, cancel := context.WithCancel(t.Context())
		err := db.Update(ctx, func(tx *store.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ('a', 1)"); err != nil {
				return err
			}
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		if got := names(t, db); len(got) != 0 {
			t.Errorf("got %q, want nothing", got)
		}
	})
}

func TestOpenMistakes(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, url, want string }{
		{"empty", "", "sqlite:///absolute"},
		{"other scheme", "mysql://root@localhost/x", "postgres://user@host/name"},
		{"two slashes", "sqlite://rosterd.db", "three slashes"},
		{"relative", "sqlite:rosterd.db", "three slashes"},
		{"no such directory", "sqlite://" + dir + "/none/x.db", "create the directory"},
		{"directory is a file", "sqlite://" + garbage + "/x.db", "directory"},
		{"file is a directory", "sqlite://" + dir, "write"},
		{"not a database", "sqlite://" + garbage, "is it a SQLite database"},
		{"secret in a bad address", "postgres://u:s3cret/x@h:port/db", "percent-encode"},
		{"secret in a bad setting", "postgres://u:s3cret@h/db?sslmode=maybe", "sslmode"},
		{"nobody there", "postgres://u:s3cret@127.0.0.1:1/db", "is Postgres running"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, err := store.Open(t.Context(), c.url, store.Options{Wait: 1})
			if err == nil {
				_ = db.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want it to say %q", err, c.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows the password: %q", err)
			}
		})
	}
}

func TestSQLiteFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name?#%41.db")
	db, err := store.Open(t.Context(), "sqlite://"+strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(path), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{path, path + "-wal"} {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", filepath.Base(f), info.Mode())
		}
	}
}

// Closing twice is no fault, and waits for nobody.
func TestCloseTwice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		for range 2 {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
