package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
)

// Settle notes that under policy nothing is to be done any more for these
// users, as far as their rows still hold what hashes says, in the order of ids.
func (m *Mirror) Settle(ctx context.Context, policy int64, ids []string, hashes []int64) error {
	if len(ids) == 0 {
		return nil
	}
	return m.db.Update(ctx, func(tx *Tx) error {
		// A row that changed meanwhile has a hash that is in no list.
		_, err := tx.Exec(ctx, `UPDATE crm_users SET settled_policy = $2 WHERE org_id = $1 AND settled_policy <> $2 AND `+
			tx.In("id", 3)+` AND `+tx.In("hash", 4), m.org, policy, Strings(ids), Ints(hashes))
		return err
	})
}

// Unlisted yields the ids that no snapshot page carried and whose copy must
// therefore be read by id: rows that were listed before, and rows of enrolled
// users. seen answers for the Seq of a row whether a page carried it, and count
// is how many rows pages carried.
func (m *Mirror) Unlisted(ctx context.Context, seen func(seq int64) bool, count int) ([]string, error) {
	all, listed, err := m.Count(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	if listed != count { // every row that a page carried is listed
		if ids, err = m.unseen(ctx, seen, `SELECT id, seq FROM crm_users WHERE org_id = $1 AND listed AND id > $2 ORDER BY id LIMIT 20000`); err != nil {
			return nil, err
		}
	}
	if listed == all {
		return ids, nil
	}
	more, err := m.unseen(ctx, seen, `SELECT m.id, m.seq FROM crm_users m JOIN dialer_users d
		ON d.org_id = m.org_id AND d.salesforce_id = m.id AND d.salesforce_id <> '' AND d.status <> 'deleted'
		WHERE m.org_id = $1 AND m.listed = FALSE AND m.id > $2 ORDER BY m.id LIMIT 20000`)
	return append(ids, more...), err
}

// unseen reads ids and numbers, a page after the other, and keeps the ids whose
// numbers were not seen.
func (m *Mirror) unseen(ctx context.Context, seen func(seq int64) bool, query string) ([]string, error) {
	var ids []string
	for after := ""; ; {
		var page []string
		n := 0
		err := m.db.Ask(ctx, func(tx *Tx) error {
			page, n = page[:0], 0
			rows, err := tx.Query(ctx, query, m.org, after)
			if err != nil {
				return err
			}
			defer func() { _ = rows.Close() }()
			for rows.Next() {
				var id string
				var seq int64
				if err := rows.Scan(&id, &seq); err != nil {
					return err
				}
				n++
				after = id
				if !seen(seq) {
					page = append(page, id)
				}
			}
			return rows.Err()
		})
		if err != nil {
			return nil, fmt.Errorf("find users that the snapshot did not list: %w", err)
		}
		ids = append(ids, page...)
		if n == 0 {
			return ids, nil
		}
	}
}

// Unlist marks rows as no longer returned by snapshots.
func (m *Mirror) Unlist(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return m.db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `UPDATE crm_users SET listed = FALSE WHERE org_id = $1 AND listed AND `+tx.In("id", 2), m.org, Strings(ids))
		return err
	})
}

// SetVisible notes whether rows could be read. It returns how many changed.
func (m *Mirror) SetVisible(ctx context.Context, ids []string, visible bool) (int64, error) {
	var n int64
	err := m.db.Update(ctx, func(tx *Tx) (err error) {
		n, err = tx.Exec(ctx, `UPDATE crm_users SET visible = $2, settled_policy = 0 WHERE org_id = $1 AND visible <> $2 AND `+tx.In("id", 3),
			m.org, visible, Strings(ids))
		return err
	})
	return n, err
}

// Frozen returns the ids of the rows marked frozen.
func (m *Mirror) Frozen(ctx context.Context) ([]string, error) {
	return m.ids(ctx, `SELECT id FROM crm_users WHERE org_id = $1 AND is_frozen = TRUE ORDER BY id`)
}

// Unknown returns those of the enrolled users' Salesforce ids that the mirror
// has never seen. None of them can have been settled.
func (m *Mirror) Unknown(ctx context.Context) ([]string, error) {
	return m.ids(ctx, `SELECT d.salesforce_id FROM dialer_users d WHERE d.org_id = $1 AND d.settled_policy = 0 AND d.status <> 'deleted'
		AND d.salesforce_id <> '' AND NOT EXISTS (SELECT 1 FROM crm_users m WHERE m.org_id = d.org_id AND m.id = d.salesforce_id)
		ORDER BY d.salesforce_id`)
}

// SharedKeys returns the folded addresses (email) or user names that several
// visible, active rows carry.
func (m *Mirror) SharedKeys(ctx context.Context, email bool) ([]string, error) {
	col := "username_key"
	if email {
		col = "email_key"
	}
	return m.ids(ctx, `SELECT `+col+` FROM crm_users WHERE org_id = $1 AND visible AND is_active AND `+col+` <> ''
		GROUP BY `+col+` HAVING COUNT(*) > 1`)
}

// Invalidated counts the dialer users whose Salesforce address now ends in
// .invalid while their own does not, as happens to all when a sandbox is
// refreshed. With ids only those are looked at.
func (m *Mirror) Invalidated(ctx context.Context, ids []string) (n int, err error) {
	err = m.db.Ask(ctx, func(tx *Tx) error {
		only, args := "", []any{m.org}
		if ids != nil {
			only, args = " AND "+tx.In("m.id", 2), append(args, Strings(ids))
		}
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM crm_users m JOIN dialer_users d
			ON d.org_id = m.org_id AND d.salesforce_id = m.id AND d.salesforce_id <> '' AND d.status <> 'deleted' AND d.settled_hash <> m.hash
			WHERE m.org_id = $1 AND m.settled_policy = 0 AND m.email_key LIKE '%.invalid' AND d.email_key NOT LIKE '%.invalid'`+only, args...).Scan(&n)
	})
	return n, err
}

// Count returns how many rows the mirror has, and how many the last snapshot
// listed. Rows are never deleted: there are as many as were numbered.
func (m *Mirror) Count(ctx context.Context) (all, listed int, err error) {
	err = m.db.Ask(ctx, func(tx *Tx) error {
		var not int
		var last sql.NullString
		err := tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM crm_users WHERE org_id = $1 AND listed = FALSE),
			(SELECT value FROM sync_state WHERE org_id = $1 AND name = $2)`, m.org, lastNumber).Scan(&not, &last)
		if err != nil || !last.Valid {
			return err
		}
		all, err = strconv.Atoi(last.String)
		listed = all - not
		return err
	})
	return all, listed, err
}

func (m *Mirror) ids(ctx context.Context, query string) (ids []string, err error) {
	err = m.db.Ask(ctx, func(tx *Tx) error {
		ids, err = m.idsTx(ctx, tx, ids[:0], query, m.org)
		return err
	})
	return ids, err
}

// idsTx adds what a query gives to ids.
func (m *Mirror) idsTx(ctx context.Context, tx *Tx, ids []string, query string, args ...any) ([]string, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return ids, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
