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

	// Of an item that is ignored: since when, by whom, and why.
	Resolved int64
	Resolver string
	Note     string
}

// Attention returns the open items, oldest first. With a subject only its own.
func (j *Journal) Attention(ctx context.Context, subject string) ([]AttentionRow, error) {
	return j.readAttention(ctx, "resolved = 0", subject)
}

// Ignored returns the items that are ignored, oldest first.
func (j *Journal) Ignored(ctx context.Context) ([]AttentionRow, error) {
	return j.readAttention(ctx, "how = 'ignored'", "")
}

func (j *Journal) readAttention(ctx context.Context, which, subject string) ([]AttentionRow, error) {
	var list []AttentionRow
	err := j.db.Ask(ctx, func(tx *Tx) error {
		list = list[:0]
		rows, err := tx.Query(ctx, `SELECT id, kind, subject, detail, since, resolved, resolver, note FROM attention
			WHERE org_id = $1 AND `+which+` AND ($2 = '' OR subject = $2) ORDER BY id`, j.org, subject)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var a AttentionRow
			if err := rows.Scan(&a.ID, &a.Kind, &a.Subject, &a.Detail, &a.Since, &a.Resolved, &a.Resolver, &a.Note); err != nil {
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

// sourceNow is what the Salesforce user of an item looks like; $1 is the org, $3
// the subject.
const sourceNow = "COALESCE((SELECT hash FROM crm_users WHERE org_id = $1 AND id = $3), 0)"

// OpenAttention opens items, at most one a kind and subject: one that is open
// already only gets the new detail. What a person ignores stays closed until its
// detail or its Salesforce user changes; once it is opened again, nobody ignores
// it. It returns how many were opened.
func (j *Journal) OpenAttention(ctx context.Context, rows []AttentionRow) (opened int, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	err = j.db.Update(ctx, func(tx *Tx) error {
		opened = 0
		for _, a := range rows {
			n, err := tx.Exec(ctx, `INSERT INTO attention (org_id, kind, subject, detail, since)
				SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS BIGINT)
				WHERE NOT EXISTS (SELECT 1 FROM attention WHERE org_id = $1 AND kind = $2 AND subject = $3 AND how = 'ignored'
					AND detail = $4 AND source = `+sourceNow+`)
				ON CONFLICT (org_id, kind, subject) WHERE resolved = 0 DO NOTHING`, j.org, a.Kind, a.Subject, a.Detail, a.Since)
			if err != nil {
				return fmt.Errorf("open attention item: %w", err)
			}
			opened += int(n)
			settle, args := `UPDATE attention SET how = '' WHERE org_id = $1 AND kind = $2 AND subject = $3 AND how = 'ignored'`, []any{j.org, a.Kind, a.Subject}
			if n == 0 {
				settle, args = `UPDATE attention SET detail = $4 WHERE org_id = $1 AND kind = $2 AND subject = $3 AND resolved = 0 AND detail <> $4`, append(args, a.Detail)
			}
			if _, err := tx.Exec(ctx, settle, args...); err != nil {
				return fmt.Errorf("refresh attention item: %w", err)
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

// Settled is how a person settled an item.
type Settled struct {
	How  string // retried, accepted or ignored
	Who  string
	Note string
	At   int64
}

// HowIgnored is how an item is settled that shall not come back as it is.
const HowIgnored = "ignored"

// ResolveAttention settles one item that is open or ignored, and reports whether
// it was.
func (j *Journal) ResolveAttention(ctx context.Context, id int64, s Settled) (ok bool, err error) {
	err = j.db.Update(ctx, func(tx *Tx) error {
		n, err := tx.Exec(ctx, `UPDATE attention SET resolved = $2, resolver = $3, how = $4, note = $5,
			source = COALESCE((SELECT hash FROM crm_users c WHERE c.org_id = attention.org_id AND c.id = attention.subject), 0)
			WHERE org_id = $1 AND id = $6 AND (resolved = 0 OR how = 'ignored')`, j.org, s.At, s.Who, s.How, s.Note, id)
		ok = n > 0
		return err
	})
	return ok, err
}
