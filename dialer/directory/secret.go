package directory

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// secret is one that a change carries, until it is written.
type secret struct {
	field dialer.Field
	mark  string
	plain dialer.Secret
}

// hideSecrets takes the secrets out of the user and leaves marks, so that they
// reach neither the user's row nor the audit trail. A mark that is not the
// user's own is no secret.
func (b *batch) hideSecrets(c *cand) error {
	for _, m := range c.next.Secrets() {
		s := secret{field: m.Field, mark: dialer.Seal(rand.Text()), plain: dialer.Secret(m.Text)}
		c.secrets = append(c.secrets, s)
		c.next.SetSealed(s.field, s.mark)
	}
	for _, f := range [...]dialer.Field{dialer.FieldSIPPassword, dialer.FieldCalDAVToken} {
		fresh := false
		for _, s := range c.secrets {
			fresh = fresh || s.field == f
		}
		if !fresh && f.Text(&c.next) != "" && !f.Equal(&c.e.is, &c.next) {
			return &dialer.InvalidError{Field: f, Rule: "must be a secret, not the mark of one"}
		}
	}
	return nil
}

// writeSecrets keeps the new secrets, and forgets those that are gone.
func (b *batch) writeSecrets(ctx context.Context, entries []*entry) error {
	for _, e := range entries {
		for _, s := range e.secrets {
			sealed, err := b.d.seal(ctx, b.tx, secretPlace(e.is.ID, s.field), string(s.plain))
			if err != nil {
				return err
			}
			if _, err := b.tx.Exec(ctx, `INSERT INTO user_secrets (org_id, user_id, field, mark, sealed) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (org_id, user_id, field) DO UPDATE SET mark = excluded.mark, sealed = excluded.sealed`,
				b.d.org, e.is.ID, string(s.field), s.mark, sealed); err != nil {
				return err
			}
		}
		if len(e.was.Settings.More) == 0 && len(e.secrets) == 0 {
			continue
		}
		for _, f := range [...]dialer.Field{dialer.FieldSIPPassword, dialer.FieldCalDAVToken} {
			if (f.Text(&e.was) != "" || len(e.secrets) > 0) && f.Text(&e.is) == "" {
				if _, err := b.tx.Exec(ctx, "DELETE FROM user_secrets WHERE org_id = $1 AND user_id = $2 AND field = $3",
					b.d.org, e.is.ID, string(f)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func secretPlace(id string, f dialer.Field) string { return "user/" + id + "/" + string(f) }

// Secret returns a secret of a user, for what has to sign in with it; never for
// showing it. It is "" where none is set.
func (d *Directory) Secret(ctx context.Context, userID string, f dialer.Field) (dialer.Secret, error) {
	var plain string
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		plain = ""
		var sealed string
		err := tx.QueryRow(ctx, "SELECT sealed FROM user_secrets WHERE org_id = $1 AND user_id = $2 AND field = $3",
			d.org, userID, string(f)).Scan(&sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			plain, err = d.open(ctx, tx, secretPlace(userID, f), sealed)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read %s: %w", f, err)
	}
	return dialer.Secret(plain), nil
}
