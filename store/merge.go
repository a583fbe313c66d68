package store

import (
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Merge inserts rows, or where a row with the same key stands already, updates
// the given columns of it and leaves the others alone. There must be a unique
// constraint on key, and key must be among columns. Of two rows with one key
// the later wins. It returns how many rows it was given. A yielded row may be
// reused.
func (tx *Tx) Merge(ctx context.Context, table string, columns, key []string, rows iter.Seq[[]any]) (int64, error) {
	if tx.err != nil {
		return 0, tx.err
	}
	n, err := tx.merge(ctx, table, columns, key, rows)
	if err != nil {
		return n, fmt.Errorf("merge into %s: %w", table, err)
	}
	return n, nil
}

func (tx *Tx) merge(ctx context.Context, table string, columns, key []string, rows iter.Seq[[]any]) (int64, error) {
	tail := conflictSQL(columns, key)
	if !tx.pg {
		return tx.insert(ctx, table, columns, tail, rows)
	}
	first, rest, stop := peek(rows)
	defer stop()
	if rest == nil {
		return tx.batch(ctx, insertSQL(table, columns, 1, tail), first)
	}
	stage, n, err := tx.stage(ctx, table, columns, first, rest)
	if err != nil {
		return n, err
	}
	list, keys := strings.Join(columns, ", "), strings.Join(key, ", ")
	_, err = tx.Exec(ctx, "INSERT INTO "+table+" ("+list+") SELECT DISTINCT ON ("+keys+") "+list+
		" FROM "+stage+" ORDER BY "+keys+", ctid DESC"+tail)
	tx.grow(table, n)
	return n, err
}

// Rewrite gives rows that stand already new values: each of rows holds the
// values of columns, among which is the key of the row that it is for. No key
// may come twice. Rows that do not exist are passed over; it returns how many
// it was given. A yielded row may be reused.
func (tx *Tx) Rewrite(ctx context.Context, table string, columns, key []string, rows iter.Seq[[]any]) (int64, error) {
	if tx.err != nil {
		return 0, tx.err
	}
	n, err := tx.rewrite(ctx, table, columns, key, rows)
	if err != nil {
		return n, fmt.Errorf("rewrite %s: %w", table, err)
	}
	return n, nil
}

func (tx *Tx) rewrite(ctx context.Context, table string, columns, key []string, rows iter.Seq[[]any]) (int64, error) {
	query := updateSQL(table, columns, key, func(i int) string { return "$" + strconv.Itoa(i+1) })
	if !tx.pg {
		quiet, n := context.WithoutCancel(ctx), int64(0) // see insert
		for row := range rows {
			if err := ctx.Err(); err != nil {
				return n, tx.spoil(err)
			}
			if _, err := tx.Exec(quiet, query, slices.Clone(row)...); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	first, rest, stop := peek(rows)
	defer stop()
	if rest == nil {
		return tx.batch(ctx, query, first)
	}
	stage, n, err := tx.stage(ctx, table, columns, first, rest)
	if err != nil {
		return n, err
	}
	_, err = tx.Exec(ctx, updateSQL(table, columns, key, func(i int) string { return "s." + columns[i] }, stage))
	return n, err
}

// stage copies rows into a temporary table. That lives as long as the session:
// making one for each merge would bloat the system catalog.
func (tx *Tx) stage(ctx context.Context, table string, columns []string, first [][]any, rest func() ([]any, bool)) (string, int64, error) {
	stage := stageName(table, columns)
	if _, err := tx.Exec(ctx, "CREATE TEMPORARY TABLE IF NOT EXISTS "+stage+
		" ON COMMIT DELETE ROWS AS SELECT "+strings.Join(columns, ", ")+" FROM "+table+" WITH NO DATA"); err != nil {
		return stage, 0, err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM "+stage); err != nil {
		return stage, 0, err
	}
	var n int64
	err := tx.c.pgx(func(p *pgx.Conn) (err error) {
		n, err = p.CopyFrom(ctx, pgx.Identifier{stage}, columns, &source{tx: tx, ctx: ctx, first: first, rest: rest})
		return err
	})
	if err != nil {
		return stage, n, tx.spoil(err)
	}
	return stage, n, nil
}

// updateSQL updates the columns that are no key, from values or from a table.
func updateSQL(table string, columns, key []string, value func(int) string, from ...string) string {
	var sets, where []string
	for i, c := range columns {
		if slices.Contains(key, c) {
			where = append(where, "t."+c+" = "+value(i))
		} else {
			sets = append(sets, c+" = "+value(i))
		}
	}
	q := "UPDATE " + table + " AS t SET " + strings.Join(sets, ", ")
	if len(from) > 0 {
		q += " FROM " + from[0] + " AS s"
	}
	return q + " WHERE " + strings.Join(where, " AND ")
}

// conflictSQL is the end of an upsert.
func conflictSQL(columns, key []string) string {
	var sets []string
	for _, c := range columns {
		if !slices.Contains(key, c) {
			sets = append(sets, c+" = excluded."+c)
		}
	}
	if len(sets) == 0 {
		return " ON CONFLICT (" + strings.Join(key, ", ") + ") DO NOTHING"
	}
	return " ON CONFLICT (" + strings.Join(key, ", ") + ") DO UPDATE SET " + strings.Join(sets, ", ")
}

func stageName(table string, columns []string) string {
	h := fnv.New64a()
	for _, c := range columns {
		_, _ = h.Write([]byte(c + ","))
	}
	return fmt.Sprintf("stage_%s_%x", table, h.Sum64())
}
