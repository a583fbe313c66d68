package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
)

// PendingRow is someone who waits for their time (retry) or turn (no_seat), or
// who is to be looked at (dirty) or added (enroll).
type PendingRow struct {
	SalesforceID string
	Kind         string
	Since        int64
	Next         int64
	Attempts     int64
	SourceHash   int64 // what was tried; of who is dirty, what names this note of it
	Detail       string
}

// The kinds of pending row.
const (
	PendingDirty  = "dirty"   // changed, and not reconciled yet
	PendingRetry  = "retry"   // failed, and tried again at Next
	PendingNoSeat = "no_seat" // gets a seat in order of Since
	PendingEnroll = "enroll"  // an administrator asked for them
)

// Pending returns the rows of a kind in order of since and id, up to limit; 0
// means all.
func (j *Journal) Pending(ctx context.Context, kind string, limit int) ([]PendingRow, error) {
	q := `WHERE org_id = $1 AND kind = $2 ORDER BY since, salesforce_id`
	if limit > 0 {
		q += fmt.Sprintf(" LIMIT %d", limit)
	}
	return j.pending(ctx, func(*Tx) (string, []any) { return q, []any{j.org, kind} })
}

// RetryDue reports whether somebody's next attempt is due at a time, in
// microseconds. Those who are parked have none.
func (j *Journal) RetryDue(ctx context.Context, at int64) (due bool, err error) {
	err = j.db.Ask(ctx, func(tx *Tx) error {
		return tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pending WHERE org_id = $1 AND kind = $2 AND next_at > 0 AND next_at <= $3)`,
			j.org, PendingRetry, at).Scan(&due)
	})
	if err != nil {
		return false, fmt.Errorf("ask whether a retry is due: %w", err)
	}
	return due, nil
}

// PendingOf returns everything that is pending for users.
func (j *Journal) PendingOf(ctx context.Context, ids []string) ([]PendingRow, error) {
	return j.pending(ctx, func(tx *Tx) (string, []any) {
		return `WHERE org_id = $1 AND ` + tx.In("salesforce_id", 2) + ` ORDER BY since`, []any{j.org, Strings(ids)}
	})
}

// PendingCount returns how many rows of a kind there are.
func (j *Journal) PendingCount(ctx context.Context, kind string) (n int, err error) {
	err = j.db.Ask(ctx, func(tx *Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM pending WHERE org_id = $1 AND kind = $2`, j.org, kind).Scan(&n)
	})
	return n, err
}

func (j *Journal) pending(ctx context.Context, where func(*Tx) (string, []any)) ([]PendingRow, error) {
	var list []PendingRow
	err := j.db.Ask(ctx, func(tx *Tx) error {
		list = list[:0]
		w, args := where(tx)
		rows, err := tx.Query(ctx, `SELECT salesforce_id, kind, since, next_at, attempts, source_hash, detail FROM pending `+w, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var p PendingRow
			if err := rows.Scan(&p.SalesforceID, &p.Kind, &p.Since, &p.Next, &p.Attempts, &p.SourceHash, &p.Detail); err != nil {
				return err
			}
			list = append(list, p)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read what is pending: %w", err)
	}
	return list, nil
}

// PutPending writes rows. The since of a row that stands already is kept, so
// that nobody loses their turn.
func (j *Journal) PutPending(ctx context.Context, rows []PendingRow) error {
	if len(rows) == 0 {
		return nil
	}
	return j.db.Update(ctx, func(tx *Tx) error { return j.PutPendingTx(ctx, tx, rows) })
}

// PutPendingTx is PutPending within a transaction.
func (j *Journal) PutPendingTx(ctx context.Context, tx *Tx, rows []PendingRow) error {
	for _, p := range rows {
		if _, err := tx.Exec(ctx, `INSERT INTO pending (org_id, salesforce_id, kind, since, next_at, attempts, source_hash, detail)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (org_id, kind, salesforce_id) DO UPDATE SET
			next_at = excluded.next_at, attempts = excluded.attempts, source_hash = excluded.source_hash, detail = excluded.detail`,
			j.org, p.SalesforceID, p.Kind, p.Since, p.Next, p.Attempts, p.SourceHash, p.Detail); err != nil {
			return fmt.Errorf("note what is pending: %w", err)
		}
	}
	return nil
}

// DropPending removes the rows of a kind for users.
func (j *Journal) DropPending(ctx context.Context, kind string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return j.db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM pending WHERE org_id = $1 AND kind = $2 AND `+tx.In("salesforce_id", 3), j.org, kind, Strings(ids))
		return err
	})
}

// DropRead removes rows that are what they were when they were read: who was
// noted anew since then stays.
func (j *Journal) DropRead(ctx context.Context, rows []PendingRow) error {
	type note struct {
		kind string
		hash int64
	}
	same := map[note][]string{}
	for _, p := range rows {
		n := note{p.Kind, p.SourceHash}
		same[n] = append(same[n], p.SalesforceID)
	}
	for n, all := range same {
		for ids := range slices.Chunk(all, dropMost) {
			err := j.db.Update(ctx, func(tx *Tx) error {
				_, err := tx.Exec(ctx, `DELETE FROM pending WHERE org_id = $1 AND kind = $2 AND source_hash = $3 AND `+tx.In("salesforce_id", 4),
					j.org, n.kind, n.hash, Strings(ids))
				return err
			})
			if err != nil {
				return fmt.Errorf("drop what was pending: %w", err)
			}
		}
	}
	return nil
}

// dropMost is how many rows are dropped in one transaction, so that others get
// their turn.
const dropMost = 2000

// HeldRow is one destructive change that waits for approval.
type HeldRow struct {
	SalesforceID  string
	Part          string // leave or email
	UserID        string
	Key           string // names the change exactly
	Verb          string
	Reason        string
	Why           string
	Since         int64
	ApprovedUntil int64
	ApprovedBy    string
}

// Held yields what is held, by user.
func (j *Journal) Held(ctx context.Context) iter.Seq2[HeldRow, error] {
	return func(yield func(HeldRow, error) bool) {
		var page []HeldRow
		for after := ""; ; {
			err := j.db.Read(ctx, func(tx *Tx) (err error) {
				page, err = j.heldPage(ctx, tx, page[:0], after)
				return err
			})
			if err != nil {
				yield(HeldRow{}, fmt.Errorf("read what is held: %w", err))
				return
			}
			for _, h := range page {
				after = h.SalesforceID + "\x00" + h.Part
				if !yield(h, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
		}
	}
}

func (j *Journal) heldPage(ctx context.Context, tx *Tx, page []HeldRow, after string) ([]HeldRow, error) {
	id, part := after, ""
	for i := range after {
		if after[i] == 0 {
			id, part = after[:i], after[i+1:]
		}
	}
	rows, err := tx.Query(ctx, `SELECT salesforce_id, part, user_id, change_key, verb, reason, why, since, approved_until, approved_by
		FROM held WHERE org_id = $1 AND (salesforce_id > $2 OR (salesforce_id = $2 AND part > $3)) ORDER BY salesforce_id, part LIMIT $4`,
		j.org, id, part, pageRows)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	return scanHeld(rows, page)
}

func scanHeld(rows *sql.Rows, page []HeldRow) ([]HeldRow, error) {
	for rows.Next() {
		var h HeldRow
		if err := rows.Scan(&h.SalesforceID, &h.Part, &h.UserID, &h.Key, &h.Verb, &h.Reason, &h.Why, &h.Since, &h.ApprovedUntil, &h.ApprovedBy); err != nil {
			return nil, err
		}
		page = append(page, h)
	}
	return page, rows.Err()
}

// PutHeld writes changes that wait. What stands already with the same key
// keeps its age and its approval.
func (j *Journal) PutHeld(ctx context.Context, rows []HeldRow) error {
	if len(rows) == 0 {
		return nil
	}
	return j.db.Update(ctx, func(tx *Tx) error {
		for _, h := range rows {
			if _, err := tx.Exec(ctx, `INSERT INTO held (org_id, salesforce_id, part, user_id, change_key, verb, reason, why, since)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (org_id, salesforce_id, part) DO UPDATE SET
				user_id = excluded.user_id, change_key = excluded.change_key, verb = excluded.verb, reason = excluded.reason, why = excluded.why,
				since = excluded.since, approved_until = 0, approved_by = '' WHERE held.change_key <> excluded.change_key`,
				j.org, h.SalesforceID, h.Part, h.UserID, h.Key, h.Verb, h.Reason, h.Why, h.Since); err != nil {
				return fmt.Errorf("note what is held: %w", err)
			}
		}
		return nil
	})
}

// DropHeld removes what is held with one of these keys.
func (j *Journal) DropHeld(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	return j.db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM held WHERE org_id = $1 AND `+tx.In("change_key", 2), j.org, Strings(keys))
		return err
	})
}

// ApproveHeld approves everything that is held now, until a time, if check
// accepts it. It returns how many changes were approved.
func (j *Journal) ApproveHeld(ctx context.Context, until int64, by string, check func(keys []string) error) (n int64, err error) {
	err = j.db.Update(ctx, func(tx *Tx) error {
		rows, err := tx.Query(ctx, `SELECT change_key FROM held WHERE org_id = $1 ORDER BY change_key`+tx.ForUpdate(), j.org)
		if err != nil {
			return err
		}
		var keys []string
		for rows.Next() {
			var k string
			if err := rows.Scan(&k); err != nil {
				_ = rows.Close()
				return err
			}
			keys = append(keys, k)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if err := check(keys); err != nil {
			return err
		}
		n, err = tx.Exec(ctx, `UPDATE held SET approved_until = $2, approved_by = $3 WHERE org_id = $1`, j.org, until, by)
		return err
	})
	return n, err
}

// Leavings counts the people who left, or whose address changed, by a routine
// act of the sync since a time: what the guard sets against its limits.
func (j *Journal) Leavings(ctx context.Context, since int64) (n int, err error) {
	err = j.db.Ask(ctx, func(tx *Tx) error {
		// The || keeps SQLite from reading the whole log in the order of users.
		return tx.QueryRow(ctx, `SELECT COUNT(DISTINCT user_id || '') FROM activity WHERE org_id = $1 AND verb IN ('schedule', 'deactivate', 'update')
			AND at >= $2 AND actor_kind = 'sync' AND note NOT LIKE 'approved%' AND (verb <> 'update' OR note LIKE '%address changed%')`,
			j.org, since).Scan(&n)
	})
	return n, err
}

// HeldOf returns what is held of one user.
func (j *Journal) HeldOf(ctx context.Context, id string) (page []HeldRow, err error) {
	err = j.db.Ask(ctx, func(tx *Tx) error {
		rows, err := tx.Query(ctx, `SELECT salesforce_id, part, user_id, change_key, verb, reason, why, since, approved_until, approved_by
			FROM held WHERE org_id = $1 AND salesforce_id = $2 ORDER BY part`, j.org, id)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		page, err = scanHeld(rows, nil)
		return err
	})
	return page, err
}
