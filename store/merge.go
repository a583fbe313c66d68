package store

import (
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"slices"
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
	first, rest, stop := peek(rows, len(columns))
	defer stop()
	if rest == nil {
		return tx.batch(ctx, insertSQL(table, columns, 1, tail), first)
	}
	// The staging table lives as long as the session: making one for each merge
	// would bloat the system catalog.
	stage, list := stageName(table, columns), strings.Join(columns, ", ")
	if _, err := tx.Exec(ctx, "CREATE TEMPORARY TABLE IF NOT EXISTS "+stage+
		" ON COMMIT DELETE ROWS AS SELECT "+list+" FROM "+table+" WITH NO DATA"); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM "+stage); err != nil {
		return 0, err
	}
	var n int64
	err := tx.c.pgx(func(p *pgx.Conn) (err error) {
		n, err = p.CopyFrom(ctx, pgx.Identifier{stage}, columns, &source{tx: tx, ctx: ctx, first: first, rest: rest})
		return err
	})
	if err != nil {
		return n, tx.spoil(err)
	}
	keys := strings.Join(key, ", ")
	_, err = tx.Exec(ctx, "INSERT INTO "+table+" ("+list+") SELECT DISTINCT ON ("+keys+") "+list+
		" FROM "+stage+" ORDER BY "+keys+", ctid DESC"+tail)
	return n, err
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
