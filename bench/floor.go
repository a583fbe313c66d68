package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/sync"
)

// download reads and decodes a whole org, and keeps nothing.
func download(ctx context.Context, args []string) (any, error) {
	if len(args) != 5 {
		return nil, fmt.Errorf("download takes url, client id, user name, key file, and rest or bulk")
	}
	pem, err := os.ReadFile(args[3])
	if err != nil {
		return nil, err
	}
	c, err := crm.New(crm.Config{
		LoginURL: args[0], ClientID: args[1], Username: args[2], PrivateKey: pem, Prefilter: "UserType = 'Standard'",
	}, crm.Options{})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return timed(func() (n int, err error) {
		fields, err := c.Describe(ctx)
		if err != nil {
			return 0, err
		}
		read := c.Snapshot
		if args[4] == string(sync.SnapshotBulk) {
			read = c.BulkSnapshot
		}
		for _, err := range read(ctx, fields.Select) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}

// stored are the tables that a first sync fills, what others point at first.
var stored = []string{"orgs", "license_types", "groups", "crm_users", "dialer_users", "memberships", "seats", "activity"}

// loadBatch is how many rows are read before they are loaded; only the loading
// is timed.
const loadBatch = 10_000

// load copies all that a sync stored into an empty database of the same
// schema, indexes and constraints, as fast as the driver can: COPY on Postgres,
// prepared inserts on SQLite.
func load(ctx context.Context, args []string) (any, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("load takes the URLs of two databases")
	}
	db, err := store.Open(ctx, args[1], store.Options{})
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx); err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	from, err := openTables(ctx, args[0])
	if err != nil {
		return nil, err
	}
	defer from.close()
	to, err := openLoader(ctx, args[1])
	if err != nil {
		return nil, err
	}
	defer to.close()
	var reading time.Duration
	return timedLess(&reading, func() (int, error) {
		total := 0
		for _, table := range stored {
			n, err := copyTable(ctx, from, to, table, &reading)
			if err != nil {
				return total, fmt.Errorf("load %s: %w", table, err)
			}
			total += n
		}
		return total, to.commit(ctx)
	})
}

// timedLess is timed, less what does not belong to it.
func timedLess(less *time.Duration, fn func() (int, error)) (cost, error) {
	c, err := timed(fn)
	c.Took -= *less
	return c, err
}

func copyTable(ctx context.Context, from *tables, to loader, table string, reading *time.Duration) (int, error) {
	began := time.Now()
	var batch [][]any
	total := 0
	flush := func(columns []string) error {
		*reading += time.Since(began)
		total += len(batch)
		err := to.load(ctx, table, columns, batch)
		batch, began = batch[:0], time.Now()
		return err
	}
	columns, err := from.each(ctx, table, false, func(columns []string, row []any) error {
		if table == "license_types" {
			for i, c := range columns {
				if c == "assigned" {
					row[i] = 0 // counted as seats are loaded
				}
			}
		}
		if batch = append(batch, row); len(batch) == loadBatch {
			return flush(columns)
		}
		return nil
	})
	if err != nil || len(batch) == 0 {
		return total, err
	}
	return total, flush(columns)
}

// loader loads rows into one database, in one transaction.
type loader interface {
	load(ctx context.Context, table string, columns []string, rows [][]any) error
	commit(ctx context.Context) error
	close()
}

func openLoader(ctx context.Context, url string) (loader, error) {
	path, isSQLite := strings.CutPrefix(url, "sqlite://")
	if !isSQLite {
		c, err := pgx.Connect(ctx, url)
		if err != nil {
			return nil, err
		}
		tx, err := c.Begin(ctx)
		if err != nil {
			return nil, err
		}
		return &copier{c, tx}, nil
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=foreign_keys(1)&_pragma=cache_size(-16000)")
	if err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &inserter{db, tx}, nil
}

type copier struct {
	conn *pgx.Conn
	tx   pgx.Tx
}

func (c *copier) load(ctx context.Context, table string, columns []string, rows [][]any) error {
	_, err := c.tx.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
	return err
}

func (c *copier) commit(ctx context.Context) error { return c.tx.Commit(ctx) }

func (c *copier) close() { _ = c.conn.Close(context.Background()) }

type inserter struct {
	db *sql.DB
	tx *sql.Tx
}

func (i *inserter) load(ctx context.Context, table string, columns []string, rows [][]any) error {
	const many = 32
	ctx = context.WithoutCancel(ctx) // a statement that can be canceled costs a goroutine
	one := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	head := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES "
	for len(rows) > 0 {
		n := many
		if len(rows) < many {
			n = 1
		}
		s, err := i.tx.PrepareContext(ctx, head+one+strings.Repeat(", "+one, n-1))
		if err != nil {
			return err
		}
		args := make([]any, 0, n*len(columns))
		for ; len(rows) >= n; rows = rows[n:] {
			args = args[:0]
			for _, row := range rows[:n] {
				args = append(args, row...)
			}
			if _, err := s.ExecContext(ctx, args...); err != nil {
				return err
			}
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (i *inserter) commit(context.Context) error { return i.tx.Commit() }

func (i *inserter) close() { _ = i.db.Close() }
