package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
)

// Tx is a transaction. It belongs to one goroutine and ends with the function
// that received it. Rows must be closed before the next statement. A statement
// that fails spoils the transaction, whatever the function does about the
// error, unless it ran inside Savepoint: so it is on Postgres, and so it is
// here on both.
type Tx struct {
	c        *conn
	pg       bool
	write    bool
	saved    bool     // inside Savepoint
	question question // of Ask: there is no transaction
	err      error
	after    []func()

	loaded map[string]int64 // rows by table, on Postgres
}

// Postgres reports whether the database is Postgres; if not, it is SQLite.
func (tx *Tx) Postgres() bool { return tx.pg }

// Exec runs a statement and returns how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if tx.err == nil && tx.question != 0 {
		tx.err = errAsk
	}
	if tx.err != nil {
		return 0, tx.err
	}
	args = tx.args(args)
	var res sql.Result
	var err error
	if tx.c.stmts == nil {
		res, err = tx.c.ExecContext(ctx, query, args...)
	} else {
		var s *sql.Stmt
		if s, err = tx.c.stmt(ctx, query); err == nil {
			res, err = s.ExecContext(ctx, args...)
		}
	}
	if err != nil {
		return 0, tx.spoil(err)
	}
	return res.RowsAffected()
}

// Query runs a query. The caller closes the rows and looks at their Err.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if tx.asks(); tx.err != nil {
		return nil, tx.err
	}
	args = tx.args(args)
	var rows *sql.Rows
	var err error
	if tx.c.stmts == nil {
		rows, err = tx.c.QueryContext(ctx, query, args...)
	} else {
		var s *sql.Stmt
		if s, err = tx.c.stmt(ctx, query); err == nil {
			rows, err = s.QueryContext(ctx, args...)
		}
	}
	if err != nil {
		return nil, tx.spoil(err)
	}
	return rows, nil
}

// QueryRow runs a query for its first row.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	tx.asks()
	args = tx.args(args)
	if tx.c.stmts != nil && tx.err == nil {
		if s, err := tx.c.stmt(ctx, query); err == nil {
			return s.QueryRowContext(ctx, args...)
		}
	}
	return tx.c.QueryRowContext(ctx, query, args...)
}

// In is SQL that is true when col is in the list that argument n holds, which
// is a Strings or an Ints.
func (tx *Tx) In(col string, n int) string {
	if tx.pg {
		return col + " = ANY($" + strconv.Itoa(n) + ")"
	}
	return col + " IN (SELECT value FROM json_each($" + strconv.Itoa(n) + "))"
}

// ForUpdate is SQL that, at the end of a SELECT, locks the rows until the
// transaction ends. SQLite has one writer at a time and needs none.
func (tx *Tx) ForUpdate() string {
	if tx.pg {
		return " FOR UPDATE"
	}
	return ""
}

// Lock waits until no other transaction holds the lock of this name and number,
// and holds it until the transaction ends. On SQLite a writing transaction is
// the only one anyway.
func (tx *Tx) Lock(ctx context.Context, name string, number int64) error {
	if !tx.pg {
		return nil
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name + "/" + strconv.FormatInt(number, 10)))
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(h.Sum64())); err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return nil
}

// AfterCommit has fn called once the transaction has committed, in order. It
// is not called when the transaction fails; when it is retried, only what the
// last attempt asked for is called.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

// Savepoint runs fn; if that fails, what fn wrote is undone and the transaction
// goes on. An error after which no transaction can go on spoils it still.
func (tx *Tx) Savepoint(ctx context.Context, fn func() error) error {
	if tx.saved {
		return errors.New("savepoints do not nest")
	}
	if _, err := tx.Exec(ctx, "SAVEPOINT s"); err != nil {
		return err
	}
	n := len(tx.after)
	tx.saved = true
	err := fn()
	tx.saved = false
	if tx.err != nil {
		return tx.err
	}
	if err != nil {
		tx.after = tx.after[:n]
		if _, rerr := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT s"); rerr != nil {
			return fmt.Errorf("roll back to savepoint: %w", rerr)
		}
	}
	if _, rerr := tx.Exec(ctx, "RELEASE SAVEPOINT s"); rerr != nil {
		return fmt.Errorf("release savepoint: %w", rerr)
	}
	return err
}

// spoil classifies an error of a statement, and marks the transaction if it
// cannot go on.
func (tx *Tx) spoil(err error) error {
	err = classify(err)
	kind, _ := Violated(err)
	if !tx.saved || kind == "" {
		tx.err = err
	}
	return err
}
