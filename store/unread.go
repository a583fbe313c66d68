package store

import (
	"context"
	"fmt"
)

// PutUnreadTx notes within a transaction that users were named by change events
// and are to be read back. Whoever is noted already keeps the time since when.
func (j *Journal) PutUnreadTx(ctx context.Context, tx *Tx, ids []string, since int64) error {
	for _, id := range ids {
		if _, err := tx.Exec(ctx, `INSERT INTO unread (org_id, salesforce_id, since) VALUES ($1, $2, $3)
			ON CONFLICT (org_id, salesforce_id) DO NOTHING`, j.org, id, since); err != nil {
			return fmt.Errorf("note who is to be read: %w", err)
		}
	}
	return nil
}

// Unread returns who is to be read back, the oldest first.
func (j *Journal) Unread(ctx context.Context) (ids []string, err error) {
	err = j.db.Ask(ctx, func(tx *Tx) error {
		ids = ids[:0]
		rows, err := tx.Query(ctx, `SELECT salesforce_id FROM unread WHERE org_id = $1 ORDER BY since, salesforce_id`, j.org)
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
	if err != nil {
		return nil, fmt.Errorf("read who is to be read: %w", err)
	}
	return ids, nil
}

// DropUnread forgets users who were read back.
func (j *Journal) DropUnread(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return j.db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM unread WHERE org_id = $1 AND `+tx.In("salesforce_id", 2), j.org, Strings(ids))
		return err
	})
}
