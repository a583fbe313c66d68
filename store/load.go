package store

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	// batchRows is how many rows one SQLite insert carries: beyond some dozens
	// binding is all that is left of the cost, and 32 rows of 100 columns stay
	// a tenth of SQLite's 32,766 parameters.
	batchRows = 32
	// fewRows is up to how many rows plain statements are cheaper for Postgres
	// than COPY, which first asks for the column types.
	fewRows = 16
)

// Load inserts rows, each with a value for every one of columns, as fast as
// the database can: by COPY on Postgres, by prepared inserts of many rows on
// SQLite. It returns how many rows it inserted. A yielded row may be reused.
func (tx *Tx) Load(ctx context.Context, table string, columns []string, rows iter.Seq[[]any]) (int64, error) {
	if tx.err != nil {
		return 0, tx.err
	}
	n, err := tx.load(ctx, table, columns, rows)
	if err != nil {
		return n, fmt.Errorf("load %s: %w", table, err)
	}
	return n, nil
}

func (tx *Tx) load(ctx context.Context, table string, columns []string, rows iter.Seq[[]any]) (int64, error) {
	if !tx.pg {
		return tx.insert(ctx, table, columns, "", rows)
	}
	first, rest, stop := peek(rows)
	defer stop()
	if rest == nil {
		return tx.batch(ctx, insertSQL(table, columns, 1, ""), first)
	}
	var n int64
	err := tx.c.pgx(func(p *pgx.Conn) (err error) {
		n, err = p.CopyFrom(ctx, pgx.Identifier{table}, columns, &source{tx: tx, ctx: ctx, first: first, rest: rest})
		return err
	})
	if err != nil {
		return n, tx.spoil(err)
	}
	tx.grow(table, n)
	return n, nil
}

// grow notes that a table grew.
func (tx *Tx) grow(table string, n int64) {
	if tx.loaded == nil {
		tx.loaded = make(map[string]int64)
	}
	tx.loaded[table] += n
}

// insert runs prepared inserts of many rows, then of one for what remains.
func (tx *Tx) insert(ctx context.Context, table string, columns []string, tail string, rows iter.Seq[[]any]) (int64, error) {
	// Unnamed parameters: the driver looks each name up in a list of them all.
	many, one := anonymous(insertSQL(table, columns, batchRows, tail)), insertSQL(table, columns, 1, tail)
	// A statement that can be canceled costs a goroutine: look between them.
	quiet := context.WithoutCancel(ctx)
	args := make([]any, 0, batchRows*len(columns))
	var total int64
	for row := range rows {
		if len(row) != len(columns) {
			return total, fmt.Errorf("a row has %d values for %d columns", len(row), len(columns))
		}
		args = append(args, row...)
		if len(args) < cap(args) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return total, tx.spoil(err)
		}
		if _, err := tx.Exec(quiet, many, args...); err != nil {
			return total, err
		}
		total += batchRows
		args = args[:0]
	}
	for row := range slices.Chunk(args, len(columns)) {
		if _, err := tx.Exec(quiet, one, row...); err != nil {
			return total, err
		}
		total++
	}
	return total, nil
}

// batch sends one statement a row to Postgres, all in one round trip.
func (tx *Tx) batch(ctx context.Context, query string, rows [][]any) (int64, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	b := &pgx.Batch{}
	for _, row := range rows {
		b.Queue(query, tx.args(row)...)
	}
	err := tx.c.pgx(func(p *pgx.Conn) error { return p.SendBatch(ctx, b).Close() })
	if err != nil {
		return 0, tx.spoil(err)
	}
	return int64(len(rows)), nil
}

func insertSQL(table string, columns []string, rows int, tail string) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES ")
	for n := range rows * len(columns) {
		switch {
		case n == 0:
			b.WriteString("($")
		case n%len(columns) == 0:
			b.WriteString("), ($")
		default:
			b.WriteString(", $")
		}
		b.WriteString(strconv.Itoa(n + 1))
	}
	return b.String() + ")" + tail
}

// anonymous turns $1, $2, ... into as many question marks.
func anonymous(query string) string {
	var b strings.Builder
	for i := 0; i < len(query); i++ {
		b.WriteByte(query[i])
		if query[i] != '$' {
			continue
		}
		for i+1 < len(query) && query[i+1] >= '0' && query[i+1] <= '9' {
			i++
		}
	}
	return strings.ReplaceAll(b.String(), "$", "?")
}

// peek takes up to fewRows rows. If there are no more, next is nil.
func peek(rows iter.Seq[[]any]) (first [][]any, next func() ([]any, bool), stop func()) {
	pull, stop := iter.Pull(rows)
	for range fewRows {
		row, ok := pull()
		if !ok {
			return first, nil, stop
		}
		first = append(first, slices.Clone(row))
	}
	return first, pull, stop
}

// source feeds COPY: the rows that were looked at, then the rest.
type source struct {
	tx    *Tx
	ctx   context.Context
	first [][]any
	rest  func() ([]any, bool)
	row   []any
}

func (s *source) Next() bool {
	if s.ctx.Err() != nil {
		return false
	}
	if len(s.first) > 0 {
		s.row, s.first = s.first[0], s.first[1:]
		return true
	}
	var ok bool
	s.row, ok = s.rest()
	return ok
}

func (s *source) Values() ([]any, error) { return s.tx.args(s.row), nil }

func (s *source) Err() error { return s.ctx.Err() }
