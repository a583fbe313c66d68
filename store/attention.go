package store

import (
	"context"
	"fmt"
)

// AttentionRow is something only a person can decide.
type AttentionRow struct {
	ID      int64
	Kind    string
	Subject string
	Detail  string
	Since   int64
}

// Attention returns the open items, oldest first. With a subject only its own.
func (j *Journal) Attention(ctx context.Context, subject string) ([]AttentionRow, error) {
	var list []AttentionRow
	err := j.db.Ask(ctx, func(tx *Tx) error {
		list = list[:0]
		rows, err := tx.Query(ctx, `SELECT id, kind, subject, detail, since FROM attention
			WHERE org_id = $1 AND resolved = 0 AND ($2 = '' OR subject = $2) ORDER BY id`, j.org, subject)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var a AttentionRow
			if err := rows.Scan(&a.ID, &a.Kind, &a.Subject, &a.Detail, &a.Since); err != nil {
				return err
			}
			list = append(list, a)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list attention items: %w", err)
	}
	return list, nil
}

// OpenAttention opens items, at most one a kind and subject: one that is open
// already only gets the new detail. It returns how many were opened.
func (j *Journal) OpenAttention(ctx context.Context, rows []AttentionRow) (opened int, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	err = j.db.Update(ctx, func(tx *Tx) error {
		opened = 0
		for _, a := range rows {
			n, err := tx.Exec(ctx, `INSERT INTO attention (org_id, kind, subject, detail, since) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (org_id, kind, subject) WHERE resolved = 0 DO NOTHING`, j.org, a.Kind, a.Subject, a.Detail, a.Since)
			if err != nil {
				return fmt.Errorf("open attention item: %w", err)
			}
			opened += int(n)
			if n == 0 {
				if _, err := tx.Exec(ctx, `UPDATE attention SET detail = $4 WHERE org_id = $1 AND kind = $2 AND subject = $3 AND resolved = 0 AND detail <> $4`,
					j.org, a.Kind, a.Subject, a.Detail); err != nil {
					return fmt.Errorf("refresh attention item: %w", err)
				}
			}
		}
		return nil
	})
	return opened, err
}

// CloseAttention closes the open items of a kind for subjects; who says who or
// what settled them.
func (j *Journal) CloseAttention(ctx context.Context, kinds, subjects []string, who string, at int64) error {
	if len(subjects) == 0 || len(kinds) == 0 {
		return nil
	}
	return j.db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `UPDATE attention SET resolved = $4, resolver = $5 WHERE org_id = $1 AND resolved = 0 AND `+
			tx.In("kind", 2)+` AND `+tx.In("subject", 3), j.org, Strings(kinds), Strings(subjects), at, who)
		return err
	})
}

// ResolveAttention closes one item. It reports whether it was open.
func (j *Journal) ResolveAttention(ctx context.Context, id int64, who string, at int64) (subject string, ok bool, err error) {
	err = j.db.Update(ctx, func(tx *Tx) error {
		n, err := tx.Exec(ctx, `UPDATE attention SET resolved = $3, resolver = $4 WHERE org_id = $1 AND id = $2 AND resolved = 0`, j.org, id, at, who)
		ok = n > 0
		if err != nil || !ok {
			return err
		}
		return tx.QueryRow(ctx, `SELECT subject FROM attention WHERE id = $1`, id).Scan(&subject)
	})
	return subject, ok, err
}
