package directory

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// followBack is how many entries before the newest are watched for others that
// are committed late between them, by who follows from now on.
const followBack = 500

// Follow follows the audit trail: each call of next returns what was added
// since the one before, at most q.Limit entries in the order of their numbers,
// and none twice. It waits for nothing. No entry is left out: one is held back
// as long as another of a lower number may still be committed, so whoever goes
// on after the last entry that they got misses none.
//
// With q.After below 0 it begins with what is committed from now on; from says
// after which number that is.
func (d *Directory) Follow(ctx context.Context, q dialer.ActivityQuery) (from int64, next func(ctx context.Context) ([]dialer.Activity, error), err error) {
	if q.Limit <= 0 {
		q.Limit = 1000
	}
	f := follower{d: d, q: q}
	if from = q.After; from < 0 {
		if from, err = f.fromNow(ctx); err != nil {
			return 0, nil, err
		}
	}
	return from, f.next, nil
}

// follower is how far somebody has followed the audit trail. It belongs to one
// goroutine.
type follower struct {
	d *Directory
	q dialer.ActivityQuery // After is how far

	known   map[int64]bool // that were there when it began, of those beyond q.After
	settled int64          // all up to here are there
	mark    int64          // all up to here are, once writers are gone; 0 is none
	writers []string       // transactions that may have had lower numbers than mark
}

// fromNow begins a little back: what is not there yet comes from now on, though
// its number may be lower than the newest.
func (f *follower) fromNow(ctx context.Context) (newest int64, err error) {
	list, err := f.d.Activity(ctx, dialer.ActivityQuery{Newest: true, Limit: followBack})
	if err != nil {
		return 0, err
	}
	f.q.After, f.known = 0, make(map[int64]bool, len(list))
	for _, a := range list {
		f.known[a.Seq] = true
	}
	if len(list) == followBack {
		f.q.After = list[len(list)-1].Seq
	}
	if len(list) > 0 {
		newest = list[0].Seq
	}
	return newest, nil
}

func (f *follower) next(ctx context.Context) ([]dialer.Activity, error) {
	for {
		if err := f.settle(ctx); err != nil {
			return nil, fmt.Errorf("follow the activity: %w", err)
		}
		if f.settled <= f.q.After {
			return nil, nil
		}
		q := f.q
		q.To = f.settled
		list, err := f.d.Activity(ctx, q)
		if err != nil {
			return nil, err
		}
		whole := len(list) == q.Limit
		if f.q.After = f.settled; whole {
			f.q.After = list[len(list)-1].Seq
		}
		list = slices.DeleteFunc(list, func(a dialer.Activity) bool { return f.known[a.Seq] })
		if len(list) > 0 || !whole {
			return list, nil
		}
	}
}

// settle finds out up to which number all entries are there that ever will be.
// SQLite has one writer at a time, who commits in the order of the numbers.
// Postgres gives them out before the commit; but who has one holds a lock on
// the table until then. So all entries below the newest are there once the
// transactions are gone that held that lock when it was looked at.
func (f *follower) settle(ctx context.Context) error {
	return f.d.db.Read(ctx, func(tx *store.Tx) error {
		var newest int64
		if err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(seq), 0) FROM activity").Scan(&newest); err != nil {
			return err
		}
		if newest == f.settled {
			return nil
		}
		if !tx.Postgres() {
			f.settled = newest
			return nil
		}
		var writers []string // only now: whoever began to write later has higher numbers
		if err := each(ctx, tx, func(rows *sql.Rows) error {
			var w string
			err := rows.Scan(&w)
			writers = append(writers, w)
			return err
		}, `SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
			AND relation = 'activity'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`); err != nil {
			return err
		}
		if f.mark != 0 && !slices.ContainsFunc(f.writers, func(w string) bool { return slices.Contains(writers, w) }) {
			f.settled, f.mark = f.mark, 0
		}
		switch {
		case len(writers) == 0:
			f.settled, f.mark = newest, 0
		case f.mark == 0:
			f.mark, f.writers = newest, writers
		}
		return nil
	})
}
