package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
)

// MirrorRow is the mirror's copy of one Salesforce user. Doc is the user as
// read, in JSON; Hash its content. Times are microseconds since 1970.
type MirrorRow struct {
	ID            string
	Seq           int64 // small and dense, for sets of rows; 0 before the row is stored
	UsernameKey   string
	EmailKey      string
	Name          string
	Active        bool
	Frozen        bool
	Listed        bool // the last full snapshot returned it
	Visible       bool // the last read of it succeeded
	Modstamp      int64
	Created       int64
	ReadAt        int64
	Hash          int64
	SettledPolicy int64
	Doc           []byte
}

// MirrorMark is what comparing a page with the mirror needs of a row.
type MirrorMark struct {
	Seq             int64
	Hash            int64
	Modstamp        int64
	Frozen          bool
	Listed, Visible bool
}

// Mirror is the copy of one org's Salesforce users. It is safe for concurrent
// use.
type Mirror struct {
	db  *DB
	org int64
}

// Mirror returns the mirror of an org.
func (db *DB) Mirror(org int64) *Mirror { return &Mirror{db, org} }

const mirrorColumns = `m.id, m.seq, m.username_key, m.email_key, m.name, m.is_active, m.is_frozen, m.listed, m.visible,
	m.modstamp, m.created, m.read_at, m.hash, m.settled_policy, m.doc`

func (r *MirrorRow) scan(rows *sql.Rows, more ...any) error {
	to := []any{
		&r.ID, &r.Seq, &r.UsernameKey, &r.EmailKey, &r.Name, &r.Active, &r.Frozen, &r.Listed, &r.Visible,
		&r.Modstamp, &r.Created, &r.ReadAt, &r.Hash, &r.SettledPolicy, &r.Doc,
	}
	return rows.Scan(append(to, more...)...)
}

// Marks looks up the marks of ids, in the order of ids, into have, which may be
// reused. Of an id that the mirror does not know the Seq is 0.
func (m *Mirror) Marks(ctx context.Context, ids []string, have []MirrorMark) ([]MirrorMark, error) {
	have = slices.Grow(have[:0], len(ids))[:len(ids)]
	err := m.db.Read(ctx, func(tx *Tx) error {
		clear(have)
		if slices.IsSorted(ids) && len(ids) > 1 {
			if whole, err := m.marksBetween(ctx, tx, ids, have); err != nil || whole {
				return err
			}
			clear(have)
		}
		place := make(map[string]int, len(ids))
		for i, id := range ids {
			place[id] = i
		}
		_, err := m.marks(ctx, tx, func(id string, k MirrorMark) { have[place[id]] = k },
			`org_id = $1 AND `+tx.In("id", 2), m.org, Strings(ids))
		return err
	})
	if err != nil {
		return have, fmt.Errorf("look up the mirror: %w", err)
	}
	return have, nil
}

// marksBetween reads all marks from the first to the last of ids, which are
// sorted: where Salesforce's order is ours, that is one short stretch of an
// index. It reports false if too much else lies between.
func (m *Mirror) marksBetween(ctx context.Context, tx *Tx, ids []string, have []MirrorMark) (bool, error) {
	most, next := 2*len(ids), 0
	n, err := m.marks(ctx, tx, func(id string, k MirrorMark) {
		for next < len(ids) && ids[next] < id {
			next++
		}
		for ; next < len(ids) && ids[next] == id; next++ {
			have[next] = k
		}
	}, `org_id = $1 AND id >= $2 AND id <= $3 ORDER BY id LIMIT $4`, m.org, ids[0], ids[len(ids)-1], most)
	return n < most, err
}

func (m *Mirror) marks(ctx context.Context, tx *Tx, each func(id string, k MirrorMark), where string, args ...any) (n int, err error) {
	rows, err := tx.Query(ctx, `SELECT id, seq, hash, modstamp, is_frozen, listed, visible FROM crm_users WHERE `+where, args...)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		var k MirrorMark
		if err := rows.Scan(&id, &k.Seq, &k.Hash, &k.Modstamp, &k.Frozen, &k.Listed, &k.Visible); err != nil {
			return n, err
		}
		n++
		each(id, k)
	}
	return n, rows.Err()
}

// Put writes rows, and the numbers of new ones into their Seq. The settled
// mark of each is cleared, so that reconcile looks at it again.
func (m *Mirror) Put(ctx context.Context, rows []MirrorRow) error {
	if len(rows) == 0 {
		return nil
	}
	return m.db.Update(ctx, func(tx *Tx) error { return m.PutTx(ctx, tx, rows) })
}

// PutTx is Put within a transaction.
func (m *Mirror) PutTx(ctx context.Context, tx *Tx, rows []MirrorRow) error {
	fresh := 0
	for i := range rows {
		if rows[i].Seq == 0 {
			fresh++
		}
	}
	next, err := m.numbers(ctx, tx, fresh)
	if err != nil {
		return fmt.Errorf("number the mirror: %w", err)
	}
	for i := range rows {
		if rows[i].Seq == 0 {
			next++
			rows[i].Seq = next
		}
	}
	cols := []string{
		"org_id", "id", "seq", "username_key", "email_key", "name", "is_active", "is_frozen", "listed", "visible",
		"modstamp", "created", "read_at", "hash", "settled_policy", "doc",
	}
	_, err = tx.Merge(ctx, "crm_users", cols, []string{"org_id", "id"}, func(yield func([]any) bool) {
		row := make([]any, len(cols))
		for i := range rows {
			r := &rows[i]
			row[0], row[1], row[2], row[3], row[4], row[5] = m.org, r.ID, r.Seq, r.UsernameKey, r.EmailKey, r.Name
			row[6], row[7], row[8], row[9] = r.Active, r.Frozen, r.Listed, r.Visible
			row[10], row[11], row[12], row[13], row[14], row[15] = r.Modstamp, r.Created, r.ReadAt, r.Hash, int64(0), string(r.Doc)
			if !yield(row) {
				return
			}
		}
	})
	if err != nil {
		return fmt.Errorf("write the mirror: %w", err)
	}
	return nil
}

// lastNumber is the sync_state row with the last number given to a row.
const lastNumber = "mirror_seq"

// numbers sets n numbers aside for new rows, and returns the one before them.
func (m *Mirror) numbers(ctx context.Context, tx *Tx, n int) (before int64, err error) {
	if n == 0 {
		return 0, nil
	}
	if _, err := tx.Exec(ctx, `INSERT INTO sync_state (org_id, name, value) VALUES ($1, $2, '0') ON CONFLICT (org_id, name) DO NOTHING`, m.org, lastNumber); err != nil {
		return 0, err
	}
	var text string
	if err := tx.QueryRow(ctx, `SELECT value FROM sync_state WHERE org_id = $1 AND name = $2`+tx.ForUpdate(), m.org, lastNumber).Scan(&text); err != nil {
		return 0, err
	}
	if before, err = strconv.ParseInt(text, 10, 64); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `UPDATE sync_state SET value = $3 WHERE org_id = $1 AND name = $2`, m.org, lastNumber, strconv.FormatInt(before+int64(n), 10))
	return before, err
}

// Rows yields the rows with these ids, in the order of their ids; ids that the
// mirror does not know are left out.
func (m *Mirror) Rows(ctx context.Context, ids []string) ([]MirrorRow, error) {
	return m.query(ctx, func(tx *Tx) (string, []any, error) {
		return `WHERE m.org_id = $1 AND ` + tx.In("m.id", 2) + ` ORDER BY m.id`, []any{m.org, Strings(ids)}, nil
	})
}

// ByKey returns the rows whose e-mail address (email) or user name folds to
// one of keys, ordered by key and id.
func (m *Mirror) ByKey(ctx context.Context, email bool, keys []string) ([]MirrorRow, error) {
	col, some := "m.username_key", ""
	if email {
		col, some = "m.email_key", ` AND m.email_key <> ''` // in the words of the index
	}
	return m.query(ctx, func(tx *Tx) (string, []any, error) {
		return `WHERE m.org_id = $1 AND ` + tx.In(col, 2) + some + ` ORDER BY ` + col + `, m.id`, []any{m.org, Strings(keys)}, nil
	})
}

// pageRows is how many rows a stream reads at a time: no read lasts long, so
// that writers and checkpoints are never held up.
const pageRows = 1000

// Unsettled yields, by id, the rows that reconcile must look at under policy:
// those that were not found in order under it since their content changed, and
// those whose dialer user was written by somebody else since. With all it
// yields every row.
func (m *Mirror) Unsettled(ctx context.Context, policy int64, all bool) iter.Seq2[MirrorRow, error] {
	return func(yield func(MirrorRow, error) bool) {
		for after := ""; ; {
			var ids []string
			page, err := m.query(ctx, func(tx *Tx) (where string, args []any, err error) {
				ids, err = m.unsettledIDs(ctx, tx, policy, all, after)
				return `WHERE m.org_id = $1 AND ` + tx.In("m.id", 2) + ` ORDER BY m.id`, []any{m.org, Strings(ids)}, err
			})
			if err != nil {
				yield(MirrorRow{}, err)
				return
			}
			for i := range page {
				r := page[i]
				page[i] = MirrorRow{} // its document may go when the caller is done with it
				if !yield(r, nil) {
					return
				}
			}
			if len(ids) < pageRows {
				return
			}
			after = ids[len(ids)-1]
		}
	}
}

// unsettledIDs returns the next page of ids. Each query reads a stretch of an
// index, in order; in the steady state there is nothing in any of them.
func (m *Mirror) unsettledIDs(ctx context.Context, tx *Tx, policy int64, all bool, after string) (ids []string, err error) {
	if all {
		return m.idsTx(ctx, tx, nil, `SELECT id FROM crm_users WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3`, m.org, after, pageRows)
	}
	for _, side := range []struct{ id, from string }{
		{"id", "crm_users WHERE"},
		{"salesforce_id", "dialer_users WHERE status <> 'deleted' AND salesforce_id <> '' AND"},
	} {
		for mark := int64(math.MinInt64); ; mark++ { // each that rows were settled under
			var next sql.NullInt64
			if err := tx.QueryRow(ctx, `SELECT MIN(settled_policy) FROM `+side.from+` org_id = $1 AND settled_policy >= $2`, m.org, mark).Scan(&next); err != nil {
				return nil, err
			}
			if !next.Valid {
				break
			}
			if mark = next.Int64; mark != policy {
				if ids, err = m.idsTx(ctx, tx, ids, `SELECT `+side.id+` FROM `+side.from+` org_id = $1 AND settled_policy = $2 AND `+side.id+
					` > $3 ORDER BY `+side.id+` LIMIT $4`, m.org, mark, after, pageRows); err != nil {
					return nil, err
				}
			}
			if mark == math.MaxInt64 {
				break
			}
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(len(ids), pageRows)], nil
}

func (m *Mirror) query(ctx context.Context, where func(tx *Tx) (string, []any, error)) ([]MirrorRow, error) {
	var page []MirrorRow
	err := m.db.Read(ctx, func(tx *Tx) error {
		page = page[:0]
		w, args, err := where(tx)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT `+mirrorColumns+` FROM crm_users m `+w, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var r MirrorRow
			if err := r.scan(rows); err != nil {
				return err
			}
			page = append(page, r)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read the mirror: %w", err)
	}
	return page, nil
}
