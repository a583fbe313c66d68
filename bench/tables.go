package main

import (
	"context"
	"database/sql"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// tables reads the tables of a database, whichever it is.
type tables struct {
	pg *pgx.Conn
	db *sql.DB
}

func openTables(ctx context.Context, url string) (*tables, error) {
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=query_only(1)")
		return &tables{db: db}, err
	}
	c, err := pgx.Connect(ctx, url)
	return &tables{pg: c}, err
}

func (t *tables) close() {
	if t.pg != nil {
		_ = t.pg.Close(context.Background())
		return
	}
	_ = t.db.Close()
}

// each calls fn with every row of a table. With versions Postgres's rows come
// with the transaction that wrote them, so that a row written anew with its old
// values is seen.
func (t *tables) each(ctx context.Context, table string, versions bool, fn func(columns []string, row []any) error) ([]string, error) {
	if t.pg != nil {
		return t.eachPostgres(ctx, table, versions, fn)
	}
	rows, err := t.db.QueryContext(ctx, "SELECT * FROM "+table+" ORDER BY 1, 2, 3")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		if err := fn(columns, row); err != nil {
			return nil, err
		}
	}
	return columns, rows.Err()
}

func (t *tables) eachPostgres(ctx context.Context, table string, versions bool, fn func(columns []string, row []any) error) ([]string, error) {
	what := "*"
	if versions {
		what = "xmin::text, *"
	}
	rows, err := t.pg.Query(ctx, "SELECT "+what+" FROM "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var columns []string
	for _, f := range rows.FieldDescriptions() {
		columns = append(columns, f.Name)
	}
	for rows.Next() {
		row, err := rows.Values()
		if err != nil {
			return nil, err
		}
		if err := fn(columns, row); err != nil {
			return nil, err
		}
	}
	return columns, rows.Err()
}

// contents are the sums of tables.
type contents map[string]uint64

var seed = maphash.MakeSeed()

// fingerprint sums up every table that holds what a sync is for. The order of
// rows plays no part.
func fingerprint(ctx context.Context, url string) (contents, error) {
	t, err := openTables(ctx, url)
	if err != nil {
		return nil, err
	}
	defer t.close()
	sums := contents{}
	for _, table := range slices.Concat(stored, []string{"seat_history", "sessions", "pending", "held", "attention"}) {
		var sum uint64
		_, err := t.each(ctx, table, true, func(_ []string, row []any) error {
			var h maphash.Hash
			h.SetSeed(seed)
			for _, v := range row {
				_, _ = fmt.Fprintf(&h, "%v\x00", v)
			}
			sum += h.Sum64()
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("sum up %s: %w", table, err)
		}
		sums[table] = sum
	}
	return sums, nil
}

// differing lists the tables that are not the same in both.
func (c contents) differing(d contents) []string {
	var names []string
	for name, sum := range c {
		if d[name] != sum {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
