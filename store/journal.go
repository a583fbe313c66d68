package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// RunRow is a run as stored: Doc is the run itself, in JSON.
type RunRow struct {
	ID       int64
	Kind     string
	Outcome  string
	Started  int64
	Finished int64
	Doc      []byte
}

// Journal keeps what one org's engine must remember: its runs, what waits,
// what is held, what needs a person, and its watermarks. It is safe for
// concurrent use.
type Journal struct {
	db  *DB
	org int64
}

// Journal returns the journal of an org.
func (db *DB) Journal(org int64) *Journal { return &Journal{db, org} }

// AddRun stores a new run and returns its id.
func (j *Journal) AddRun(ctx context.Context, r RunRow) (id int64, err error) {
	err = j.db.Update(ctx, func(tx *Tx) error {
		return tx.QueryRow(ctx, `INSERT INTO runs (org_id, kind, outcome, started, finished, doc) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
			j.org, r.Kind, r.Outcome, r.Started, r.Finished, string(r.Doc)).Scan(&id)
	})
	if err != nil {
		return 0, fmt.Errorf("journal the run: %w", err)
	}
	return id, nil
}

// PutRun overwrites a run.
func (j *Journal) PutRun(ctx context.Context, r RunRow) error {
	err := j.db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `UPDATE runs SET outcome = $3, finished = $4, doc = $5 WHERE org_id = $1 AND id = $2`,
			j.org, r.ID, r.Outcome, r.Finished, string(r.Doc))
		return err
	})
	if err != nil {
		return fmt.Errorf("journal the run: %w", err)
	}
	return nil
}

// Run returns a run; ok is false when there is none with that id.
func (j *Journal) Run(ctx context.Context, id int64) (r RunRow, ok bool, err error) {
	err = j.db.Ask(ctx, func(tx *Tx) error {
		return tx.QueryRow(ctx, `SELECT id, kind, outcome, started, finished, doc FROM runs WHERE org_id = $1 AND id = $2`, j.org, id).
			Scan(&r.ID, &r.Kind, &r.Outcome, &r.Started, &r.Finished, &r.Doc)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	return r, err == nil, err
}

// Runs returns up to limit runs before an id, newest first; before 0 begins
// with the newest. With open only runs that have not ended.
func (j *Journal) Runs(ctx context.Context, before int64, limit int, open bool) ([]RunRow, error) {
	var list []RunRow
	err := j.db.Ask(ctx, func(tx *Tx) error {
		list = list[:0]
		q := `SELECT id, kind, outcome, started, finished, doc FROM runs WHERE org_id = $1 AND (CAST($2 AS BIGINT) = 0 OR id < $2)`
		if open {
			q += ` AND outcome = 'running'`
		}
		rows, err := tx.Query(ctx, q+` ORDER BY id DESC LIMIT $3`, j.org, before, limit)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var r RunRow
			if err := rows.Scan(&r.ID, &r.Kind, &r.Outcome, &r.Started, &r.Finished, &r.Doc); err != nil {
				return err
			}
			list = append(list, r)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	return list, nil
}

// PruneRuns removes ended runs that started before a time.
func (j *Journal) PruneRuns(ctx context.Context, before int64) error {
	return j.db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM runs WHERE org_id = $1 AND started < $2 AND outcome <> 'running'`, j.org, before)
		return err
	})
}

// State returns everything remembered under a name.
func (j *Journal) State(ctx context.Context) (map[string]string, error) {
	state := map[string]string{}
	err := j.db.Ask(ctx, func(tx *Tx) error {
		clear(state)
		rows, err := tx.Query(ctx, `SELECT name, value FROM sync_state WHERE org_id = $1`, j.org)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var k, v string
			if err := rows.Scan(&k, &v); err != nil {
				return err
			}
			state[k] = v
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read sync state: %w", err)
	}
	return state, nil
}

// SetState remembers values by name; an empty value forgets.
func (j *Journal) SetState(ctx context.Context, values map[string]string) error {
	return j.db.Update(ctx, func(tx *Tx) error { return j.SetStateTx(ctx, tx, values) })
}

// SetStateTx is SetState within a transaction.
func (j *Journal) SetStateTx(ctx context.Context, tx *Tx, values map[string]string) error {
	for k, v := range values {
		if v == "" {
			if _, err := tx.Exec(ctx, `DELETE FROM sync_state WHERE org_id = $1 AND name = $2`, j.org, k); err != nil {
				return fmt.Errorf("forget sync state: %w", err)
			}
			continue
		}
		if _, err := tx.Exec(ctx, `INSERT INTO sync_state (org_id, name, value) VALUES ($1, $2, $3)
			ON CONFLICT (org_id, name) DO UPDATE SET value = excluded.value`, j.org, k, v); err != nil {
			return fmt.Errorf("write sync state: %w", err)
		}
	}
	return nil
}

// AddCalls adds to the calls of an hour, given in hours since 1970, and forgets
// hours before oldest.
func (j *Journal) AddCalls(ctx context.Context, hour, calls, oldest int64) error {
	return j.db.Update(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO api_calls (org_id, hour, calls) VALUES ($1, $2, $3)
			ON CONFLICT (org_id, hour) DO UPDATE SET calls = api_calls.calls + excluded.calls`, j.org, hour, calls); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM api_calls WHERE org_id = $1 AND hour < $2`, j.org, oldest)
		return err
	})
}

// Calls returns the calls by hour.
func (j *Journal) Calls(ctx context.Context) (map[int64]int64, error) {
	calls := map[int64]int64{}
	err := j.db.Ask(ctx, func(tx *Tx) error {
		clear(calls)
		rows, err := tx.Query(ctx, `SELECT hour, calls FROM api_calls WHERE org_id = $1`, j.org)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var h, n int64
			if err := rows.Scan(&h, &n); err != nil {
				return err
			}
			calls[h] = n
		}
		return rows.Err()
	})
	return calls, err
}
