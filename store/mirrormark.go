package store

import (
	"context"
	"fmt"
)

// Settle notes that under policy there is nothing to do for these users, who
// are not in the dialer.
func (m *Mirror) Settle(ctx context.Context, policy int64, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return m.db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `UPDATE crm_users SET settled_policy = $2 WHERE org_id = $1 AND `+tx.In("id", 3), m.org, policy, Strings(ids))
		return err
	})
}

// Unsettle has reconcile look at these users again.
func (m *Mirror) Unsettle(ctx context.Context, ids []string) error {
	return m.Settle(ctx, 0, ids)
}

// Unlisted yields the ids that no snapshot page carried and whose copy must
// therefore be read by id: rows that were listed before, and rows of enrolled
// users. seen answers for the Seq of a row whether a page carried it.
func (m *Mirror) Unlisted(ctx context.Context, seen func(seq int64) bool) ([]string, error) {
	var ids []string
	for after := ""; ; {
		n := 0
		err := m.db.Read(ctx, func(tx *Tx) error {
			n = 0
			rows, err := tx.Query(ctx, `SELECT m.id, m.seq, m.listed, d.id IS NOT NULL FROM crm_users m
				LEFT JOIN dialer_users d ON d.org_id = m.org_id AND d.salesforce_id = m.id AND d.salesforce_id <> '' AND d.status <> 'deleted'
				WHERE m.org_id = $1 AND m.id > $2 ORDER BY m.id LIMIT 20000`, m.org, after)
			if err != nil {
				return err
			}
			defer func() { _ = rows.Close() }()
			for rows.Next() {
				var id string
				var seq int64
				var listed, enrolled bool
				if err := rows.Scan(&id, &seq, &listed, &enrolled); err != nil {
					return err
				}
				n++
				after = id
				if !seen(seq) && (listed || enrolled) {
					ids = append(ids, id)
				}
			}
			return rows.Err()
		})
		if err != nil {
			return nil, fmt.Errorf("find users that the snapshot did not list: %w", err)
		}
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
	return m.ids(ctx, `SELECT id FROM crm_users WHERE org_id = $1 AND is_frozen ORDER BY id`)
}

// Unknown returns those of the enrolled users' Salesforce ids that the mirror
// has never seen.
func (m *Mirror) Unknown(ctx context.Context) ([]string, error) {
	return m.ids(ctx, `SELECT d.salesforce_id FROM dialer_users d WHERE d.org_id = $1 AND d.status <> 'deleted' AND d.salesforce_id <> ''
		AND NOT EXISTS (SELECT 1 FROM crm_users m WHERE m.org_id = d.org_id AND m.id = d.salesforce_id) ORDER BY d.salesforce_id`)
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
	err = m.db.Read(ctx, func(tx *Tx) error {
		only, args := "", []any{m.org}
		if ids != nil {
			only, args = " AND "+tx.In("m.id", 2), append(args, Strings(ids))
		}
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM crm_users m JOIN dialer_users d
			ON d.org_id = m.org_id AND d.salesforce_id = m.id AND d.salesforce_id <> '' AND d.status <> 'deleted' AND d.settled_hash <> m.hash
			WHERE m.org_id = $1 AND m.email_key LIKE '%.invalid' AND d.email_key NOT LIKE '%.invalid'`+only, args...).Scan(&n)
	})
	return n, err
}

// Count returns how many rows the mirror has, and how many the last snapshot
// listed.
func (m *Mirror) Count(ctx context.Context) (all, listed int, err error) {
	err = m.db.Read(ctx, func(tx *Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN listed THEN 1 ELSE 0 END), 0) FROM crm_users WHERE org_id = $1`, m.org).Scan(&all, &listed)
	})
	return all, listed, err
}

func (m *Mirror) ids(ctx context.Context, query string) ([]string, error) {
	var ids []string
	err := m.db.Read(ctx, func(tx *Tx) error {
		ids = ids[:0]
		rows, err := tx.Query(ctx, query, m.org)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	return ids, err
}
