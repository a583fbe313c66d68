package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// credential is a row of credentials, secrets and all.
type credential struct {
	dialer.Credential
	there    bool // there is a row
	hash     string
	secret   string // sealed
	pending  string // sealed
	step     int64
	failures int64
}

// Credential returns what is known of how a user signs in.
func (d *Directory) Credential(ctx context.Context, userID string) (dialer.Credential, error) {
	var c credential
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		_, err := d.byID(ctx, tx, userID)
		if err == nil {
			c, err = d.credential(ctx, tx, userID)
		}
		return err
	})
	if err != nil {
		return dialer.Credential{}, fmt.Errorf("read credential: %w", err)
	}
	return c.Credential, nil
}

// credential reads the row of a user, and locks it where tx writes.
func (d *Directory) credential(ctx context.Context, tx *store.Tx, userID string) (credential, error) {
	c := credential{Credential: dialer.Credential{UserID: userID, SecondFactor: dialer.FactorNone}}
	var changed, enrolled, locked int64
	err := tx.QueryRow(ctx, `SELECT password_hash, must_change, changed_at, factor, factor_secret, factor_at, factor_step,
		pending_secret, must_enroll, failures, locked_until,
		(SELECT count(*) FROM backup_codes b WHERE b.org_id = c.org_id AND b.user_id = c.user_id AND NOT b.pending)
		FROM credentials c WHERE org_id = $1 AND user_id = $2`, d.org, userID).Scan(&c.hash, &c.MustChange, &changed,
		&c.SecondFactor, &c.secret, &enrolled, &c.step, &c.pending, &c.MustEnroll, &c.failures, &locked, &c.BackupCodes)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read credential: %w", err)
	}
	c.there, c.HasPassword = true, c.hash != ""
	c.ChangedAt, c.EnrolledAt = store.Time(changed), store.Time(enrolled)
	if t := store.Time(locked); t.After(d.now()) {
		c.LockedUntil = t
	}
	return c, nil
}

// locked reads the credential of a user, whom nobody else writes to until the
// transaction ends, and makes sure that there is a row.
func (d *Directory) locked(ctx context.Context, tx *store.Tx, userID string) (credential, dialer.Status, error) {
	status, err := d.status(ctx, tx, userID)
	if err != nil {
		return credential{}, "", err
	}
	if _, err := tx.Exec(ctx, "INSERT INTO credentials (org_id, user_id) VALUES ($1, $2) ON CONFLICT (org_id, user_id) DO NOTHING",
		d.org, userID); err != nil {
		return credential{}, "", err
	}
	c, err := d.credential(ctx, tx, userID)
	return c, status, err
}

// generatedPassword is how many characters of five bits a made password has.
const generatedPassword = 16

// ResetPassword makes a new password for a user, which is returned this once,
// and ends every session of theirs in the same transaction.
func (d *Directory) ResetPassword(ctx context.Context, userID string, mustChange bool, note string, by dialer.Actor) (dialer.NewPassword, error) {
	n := dialer.NewPassword{UserID: userID, Password: generate(generatedPassword), MustChange: mustChange}
	hash, err := d.hash(ctx, n.Password)
	if err == nil {
		err = d.db.Update(ctx, func(tx *store.Tx) error {
			c, _, err := d.locked(ctx, tx, userID)
			if err != nil {
				return err
			}
			if err := d.setPassword(ctx, tx, &c, hash, mustChange); err != nil {
				return err
			}
			if n.SessionsEnded, err = d.endWhere(ctx, tx, dialer.EndPasswordReset, " AND user_id = $4", userID); err != nil {
				return err
			}
			return d.record(ctx, tx, record{
				user: userID, verb: dialer.VerbResetPassword, note: tidy(note), by: by,
				before: fmt.Sprintf(`{"must_change_password":%t,"open_sessions":%d}`, c.MustChange, n.SessionsEnded),
				after:  fmt.Sprintf(`{"must_change_password":%t,"open_sessions":0}`, mustChange),
			})
		})
	}
	if err != nil {
		return dialer.NewPassword{}, fmt.Errorf("reset password: %w", err)
	}
	return n, nil
}

// setPassword writes a password; whoever was locked out is let in again.
func (d *Directory) setPassword(ctx context.Context, tx *store.Tx, c *credential, hash string, mustChange bool) error {
	_, err := tx.Exec(ctx, `UPDATE credentials SET password_hash = $3, must_change = $4, changed_at = $5, failures = 0, locked_until = 0
		WHERE org_id = $1 AND user_id = $2`, d.org, c.UserID, hash, mustChange, d.now())
	return err
}

// ChangePassword sets the password of a user who knows the old one, and ends
// every session but keep.
func (d *Directory) ChangePassword(ctx context.Context, userID string, old, password dialer.Secret, keep string) error {
	if err := d.changePassword(ctx, userID, old, password, keep); err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	return nil
}

func (d *Directory) changePassword(ctx context.Context, userID string, old, password dialer.Secret, keep string) error {
	at, err := d.look(ctx, func(tx *store.Tx) (dialer.User, error) { return d.byID(ctx, tx, userID) })
	if err != nil {
		return err
	}
	if err := d.verifyPassword(ctx, at, old); err != nil {
		return err
	}
	if err := acceptable(&at.user, password); err != nil {
		return err
	}
	hash, err := d.hash(ctx, password)
	if err != nil {
		return err
	}
	return d.db.Update(ctx, func(tx *store.Tx) error {
		c, status, err := d.locked(ctx, tx, userID)
		switch {
		case err != nil:
			return err
		case status != dialer.StatusActive:
			return ErrNoAccess
		case c.hash != at.cred.hash:
			return dialer.ErrSignIn // it was changed meanwhile
		}
		if err := d.setPassword(ctx, tx, &c, hash, false); err != nil {
			return err
		}
		if _, err := d.endWhere(ctx, tx, dialer.EndPasswordReset, " AND user_id = $4 AND id <> $5", userID, keep); err != nil {
			return err
		}
		return d.record(ctx, tx, record{user: userID, verb: dialer.VerbSetPassword, by: self(&at.user)})
	})
}

// RequireFactor says whether a user must enroll a second factor.
func (d *Directory) RequireFactor(ctx context.Context, userID string, must bool, by dialer.Actor) error {
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		c, _, err := d.locked(ctx, tx, userID)
		if err != nil || c.MustEnroll == must {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE credentials SET must_enroll = $3 WHERE org_id = $1 AND user_id = $2", d.org, userID, must); err != nil {
			return err
		}
		return d.record(ctx, tx, record{
			user: userID, verb: dialer.VerbRequireFactor, by: by,
			before: fmt.Sprintf(`{"must_enroll":%t}`, !must), after: fmt.Sprintf(`{"must_enroll":%t}`, must),
		})
	})
	if err != nil {
		return fmt.Errorf("require a second factor: %w", err)
	}
	return nil
}

// self is a user who acts upon themselves.
func self(u *dialer.User) dialer.Actor { return dialer.Actor{Kind: "rep", Name: u.ID} }
