package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
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

// Marks looks up the marks of ids into have, which it clears first. Ids that
// the mirror does not know are absent.
func (m *Mirror) Marks(ctx context.Context, ids []string, have map[string]MirrorMark) error {
	return m.db.Read(ctx, func(tx *Tx) error {
		clear(have)
		rows, err := tx.Query(ctx, `SELECT id, seq, hash, modstamp, is_frozen, listed, visible FROM crm_users
			WHERE org_id = $1 AND `+tx.In("id", 2), m.org, Strings(ids))
		if err != nil {
			return fmt.Errorf("look up the mirror: %w", err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var id string
			var k MirrorMark
			if err := rows.Scan(&id, &k.Seq, &k.Hash, &k.Modstamp, &k.Frozen, &k.Listed, &k.Visible); err != nil {
				return fmt.Errorf("look up the mirror: %w", err)
			}
			have[id] = k
		}
		return rows.Err()
	})
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
	var next int64
	if tx.Postgres() { // one writer of an org's numbers at a time
		if _, err := tx.Exec(ctx, `SELECT id FROM orgs WHERE id = $1 FOR UPDATE`, m.org); err != nil {
			return fmt.Errorf("lock the org: %w", err)
		}
	}
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(seq), 0) FROM crm_users WHERE org_id = $1`, m.org).Scan(&next); err != nil {
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
	_, err := tx.Merge(ctx, "crm_users", cols, []string{"org_id", "id"}, func(yield func([]any) bool) {
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

// Rows yields the rows with these ids, in the order of their ids; ids that the
// mirror does not know are left out.
func (m *Mirror) Rows(ctx context.Context, ids []string) ([]MirrorRow, error) {
	return m.query(ctx, func(tx *Tx) (string, []any) {
		return `WHERE m.org_id = $1 AND ` + tx.In("m.id", 2) + ` ORDER BY m.id`, []any{m.org, Strings(ids)}
	})
}

// ByKey returns the rows whose e-mail address (email) or user name folds to
// one of keys, ordered by key and id.
func (m *Mirror) ByKey(ctx context.Context, email bool, keys []string) ([]MirrorRow, error) {
	col := "m.username_key"
	if email {
		col = "m.email_key"
	}
	return m.query(ctx, func(tx *Tx) (string, []any) {
		return `WHERE m.org_id = $1 AND ` + tx.In(col, 2) + ` ORDER BY ` + col + `, m.id`, []any{m.org, Strings(keys)}
	})
}

// pageRows is how many rows a stream reads at a time: no read lasts long, so
// that writers and checkpoints are never held up.
const pageRows = 2000

// Unsettled yields, by id, the rows that reconcile must look at under policy:
// those whose content is not what the dialer user was last settled on, and
// those without a dialer user that were not judged under this policy. With all
// it yields every row.
func (m *Mirror) Unsettled(ctx context.Context, policy int64, all bool) iter.Seq2[MirrorRow, error] {
	return m.paged(ctx, func(tx *Tx, after string) (string, []any) {
		if all {
			return `WHERE m.org_id = $1 AND m.id > $2 ORDER BY m.id LIMIT ` + fmt.Sprint(pageRows), []any{m.org, after}
		}
		return `LEFT JOIN dialer_users d ON d.org_id = m.org_id AND d.salesforce_id = m.id AND d.salesforce_id <> '' AND d.status <> 'deleted'
			WHERE m.org_id = $1 AND m.id > $2 AND
				CASE WHEN d.id IS NULL THEN m.settled_policy <> $3
				ELSE d.settled_hash <> m.hash OR d.settled_policy <> $3 END
			ORDER BY m.id LIMIT ` + fmt.Sprint(pageRows), []any{m.org, after, policy}
	})
}

func (m *Mirror) paged(ctx context.Context, where func(tx *Tx, after string) (string, []any)) iter.Seq2[MirrorRow, error] {
	return func(yield func(MirrorRow, error) bool) {
		for after := ""; ; {
			page, err := m.query(ctx, func(tx *Tx) (string, []any) { return where(tx, after) })
			if err != nil {
				yield(MirrorRow{}, err)
				return
			}
			for _, r := range page {
				after = r.ID
				if !yield(r, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
		}
	}
}

func (m *Mirror) query(ctx context.Context, where func(tx *Tx) (string, []any)) ([]MirrorRow, error) {
	var page []MirrorRow
	err := m.db.Read(ctx, func(tx *Tx) error {
		page = page[:0]
		w, args := where(tx)
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
