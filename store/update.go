package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Read runs fn in a transaction that cannot write and that sees one state of
// the database throughout. fn is run again when the connection was lost.
func (db *DB) Read(ctx context.Context, fn func(tx *Tx) error) error {
	return db.retried(ctx, func() ([]func(), error) { return db.attempt(ctx, false, fn) })
}

// Update runs fn in a transaction and commits it. fn is run again, for a
// bounded time, when another transaction was in the way or when the connection
// was lost before the commit was sent: it must therefore have no effect beside
// what it writes through tx; see Tx.AfterCommit. A connection lost during the
// commit gives ErrCommitUnknown, and the caller looks again. When fn panics,
// nothing is written. Update inside Update waits for itself.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	return db.retried(ctx, func() ([]func(), error) { return db.attempt(ctx, true, fn) })
}

func (db *DB) retried(ctx context.Context, attempt func() (after []func(), err error)) error {
	b := backoff.NewExponentialBackOff(backoff.WithInitialInterval(5*time.Millisecond),
		backoff.WithMaxInterval(time.Second), backoff.WithMaxElapsedTime(db.retry))
	return backoff.Retry(func() error {
		after, err := attempt()
		if err == nil {
			for _, f := range after {
				f()
			}
			return nil
		}
		if ctx.Err() == nil && !errors.Is(err, ErrCommitUnknown) &&
			(errors.Is(err, ErrBusy) || errors.Is(err, ErrUnavailable)) {
			return err
		}
		return backoff.Permanent(err)
	}, backoff.WithContext(b, ctx))
}

// attempt runs one transaction to its end.
func (db *DB) attempt(ctx context.Context, write bool, fn func(tx *Tx) error) (after []func(), err error) {
	c, err := db.take(ctx, write)
	if err != nil {
		return nil, classify(err)
	}
	open, broken := false, false
	defer func() {
		if open { // fn failed, or panicked
			broken = db.rollback(ctx, c) != nil
		}
		db.give(c, write, broken)
	}()
	if _, err := c.ExecContext(ctx, db.begin(write)); err != nil {
		// SQLite's driver reports a cancellation even of a BEGIN that took effect,
		// so that whether a transaction is open is not known.
		broken = true
		return nil, classify(err)
	}
	open = true
	if write && db.Postgres() {
		if _, err := c.ExecContext(ctx, "SELECT pg_advisory_xact_lock_shared($1)", fence); err != nil {
			return nil, classify(err)
		}
	}
	tx := &Tx{c: c, pg: db.Postgres(), write: write}
	if err := fn(tx); err != nil {
		return nil, classify(err)
	}
	if tx.err != nil {
		return nil, fmt.Errorf("an earlier statement failed: %w", tx.err)
	}
	if !write {
		return tx.after, nil // the rollback ends it
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := db.commit(ctx, c); err != nil {
		return nil, err
	}
	open = false
	db.grew(context.WithoutCancel(ctx), tx.loaded)
	return tx.after, nil
}

// fence is the lock that every transaction that writes shares on Postgres.
const fence = 0x726f737465726466

// Settle waits until every transaction that was writing has ended. On Postgres
// one can outlive the program that began it: the server still carries out what
// it had received. On SQLite it dies with its program.
func (db *DB) Settle(ctx context.Context) error {
	if !db.Postgres() {
		return nil
	}
	return db.Read(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", fence)
		return err
	})
}

func (db *DB) begin(write bool) string {
	switch {
	case !db.Postgres() && write:
		return "BEGIN IMMEDIATE"
	case !db.Postgres():
		return "BEGIN"
	case write:
		return "BEGIN"
	}
	return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
}

// commit is not interrupted: a commit that was sent is waited for.
func (db *DB) commit(ctx context.Context, c *conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if !db.Postgres() {
		_, err := c.ExecContext(ctx, "COMMIT")
		return classify(err)
	}
	return c.pgx(func(p *pgx.Conn) error {
		tag, err := p.Exec(ctx, "COMMIT")
		pe, refused := errors.AsType[*pgconn.PgError](err)
		switch {
		case err == nil && tag.String() == "COMMIT":
			return nil
		case err == nil:
			return errors.New("commit: an earlier statement failed, and everything was rolled back")
		case refused && !unreachable(pe):
			return classify(err) // a deferred constraint, a serialization failure: rolled back for certain
		case pgconn.SafeToRetry(err):
			return classify(err) // not one byte was sent
		}
		return &kindError{ErrCommitUnknown, fmt.Errorf("%w: %w", ErrCommitUnknown, err)}
	})
}

func (db *DB) rollback(ctx context.Context, c *conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := c.ExecContext(ctx, "ROLLBACK")
	return err
}
