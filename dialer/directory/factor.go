package directory

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what authenticator apps speak; see RFC 6238
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// A code of the second factor is six digits of HMAC-SHA-1 over the half minute
// (RFC 6238), which is all that common apps can do. The half minutes before and
// after count too, for clocks differ.
const (
	codeStep   = 30 * time.Second
	codeDigits = 6
	codeDrift  = 1
	// secretBytes is what RFC 4226 recommends.
	secretBytes = 20
	backupCodes = 10
	// backupCode is how many characters of five bits a backup code has: too
	// many to guess from its digest.
	backupCode = 16
)

var base32text = base32.StdEncoding.WithPadding(base32.NoPadding)

// EnrollFactor makes a second factor and backup codes for a user, which are
// returned this once. It is in use once VerifyFactor has seen a code of it. A
// user who has one already is dialer.ErrEnrolled.
func (d *Directory) EnrollFactor(ctx context.Context, userID string) (dialer.Enrollment, error) {
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw)
	secret := base32text.EncodeToString(raw)
	e := dialer.Enrollment{UserID: userID, Secret: dialer.Secret(secret)}
	for range backupCodes {
		e.BackupCodes = append(e.BackupCodes, generate(backupCode))
	}
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		c, status, err := d.locked(ctx, tx, userID)
		switch {
		case err != nil:
			return err
		case status != dialer.StatusActive:
			return ErrNoAccess
		case c.SecondFactor != dialer.FactorNone:
			return dialer.ErrEnrolled
		}
		u, err := d.byID(ctx, tx, userID)
		if err != nil {
			return err
		}
		e.URI = otpauth(u.Username, secret)
		sealed, err := d.seal(ctx, tx, "totp/"+userID, secret)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE credentials SET pending_secret = $3 WHERE org_id = $1 AND user_id = $2", d.org, userID, sealed); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM backup_codes WHERE org_id = $1 AND user_id = $2", d.org, userID); err != nil {
			return err
		}
		_, err = tx.Load(ctx, "backup_codes", []string{"org_id", "user_id", "hash", "pending"}, func(yield func([]any) bool) {
			for _, code := range e.BackupCodes {
				if !yield([]any{d.org, userID, digest(code), true}) {
					return
				}
			}
		})
		return err
	})
	if err != nil {
		return dialer.Enrollment{}, fmt.Errorf("enroll a second factor: %w", err)
	}
	return e, nil
}

// VerifyFactor takes a second factor into use.
func (d *Directory) VerifyFactor(ctx context.Context, userID string, code dialer.Secret) error {
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		c, status, err := d.locked(ctx, tx, userID)
		switch {
		case err != nil:
			return err
		case status != dialer.StatusActive:
			return ErrNoAccess
		case c.SecondFactor != dialer.FactorNone:
			return dialer.ErrEnrolled
		case c.pending == "":
			return dialer.ErrNotEnrolled
		}
		step, err := d.step(ctx, tx, userID, c.pending, 0, code)
		if err != nil {
			return err
		}
		if step == 0 {
			return dialer.ErrSignIn
		}
		if _, err := tx.Exec(ctx, `UPDATE credentials SET factor = 'totp', factor_secret = pending_secret, pending_secret = '',
			factor_at = $3, factor_step = $4 WHERE org_id = $1 AND user_id = $2`, d.org, userID, d.now(), step); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE backup_codes SET pending = false WHERE org_id = $1 AND user_id = $2", d.org, userID); err != nil {
			return err
		}
		return d.record(ctx, tx, record{
			user: userID, verb: dialer.VerbEnroll, by: dialer.Actor{Kind: "rep", Name: userID},
			before: `{"second_factor":"none"}`, after: `{"second_factor":"totp"}`,
		})
	})
	if err != nil {
		return fmt.Errorf("verify a second factor: %w", err)
	}
	return nil
}

// ResetFactor deletes the second factor of a user and its backup codes, has
// them enroll a new one, and ends their sessions. Where there is none it is
// dialer.ErrNotEnrolled.
func (d *Directory) ResetFactor(ctx context.Context, userID, note string, by dialer.Actor) (sessionsEnded int64, err error) {
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		c, _, err := d.locked(ctx, tx, userID)
		switch {
		case err != nil:
			return err
		case c.SecondFactor == dialer.FactorNone:
			return dialer.ErrNotEnrolled
		}
		if _, err := tx.Exec(ctx, `UPDATE credentials SET factor = 'none', factor_secret = '', pending_secret = '', factor_at = 0,
			factor_step = 0, must_enroll = true WHERE org_id = $1 AND user_id = $2`, d.org, userID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM backup_codes WHERE org_id = $1 AND user_id = $2", d.org, userID); err != nil {
			return err
		}
		if sessionsEnded, err = d.endWhere(ctx, tx, dialer.EndFactorReset, " AND user_id = $4", userID); err != nil {
			return err
		}
		return d.record(ctx, tx, record{
			user: userID, verb: dialer.VerbResetFactor, note: tidy(note), by: by,
			before: fmt.Sprintf(`{"second_factor":%q,"backup_codes_left":%d,"open_sessions":%d}`, c.SecondFactor, c.BackupCodes, sessionsEnded),
			after:  `{"second_factor":"none","must_enroll":true,"backup_codes_left":0,"open_sessions":0}`,
		})
	})
	if err != nil {
		return 0, fmt.Errorf("reset the second factor: %w", err)
	}
	return sessionsEnded, nil
}

// spendCode takes the code of a second factor, or a backup code, which then
// cannot be used again.
func (d *Directory) spendCode(ctx context.Context, tx *store.Tx, c *credential, code dialer.Secret) error {
	if c.SecondFactor == dialer.FactorNone {
		return nil
	}
	step, err := d.step(ctx, tx, c.UserID, c.secret, c.step, code)
	if err != nil {
		return err
	}
	if step > 0 {
		_, err := tx.Exec(ctx, "UPDATE credentials SET factor_step = $3 WHERE org_id = $1 AND user_id = $2", d.org, c.UserID, step)
		return err
	}
	folded := dialer.Secret(strings.ToLower(strings.TrimSpace(string(code))))
	n, err := tx.Exec(ctx, "DELETE FROM backup_codes WHERE org_id = $1 AND user_id = $2 AND hash = $3 AND NOT pending",
		d.org, c.UserID, digest(folded))
	if err == nil && n == 0 {
		return errCode
	}
	return err
}

// step returns the half minute of which code is, which is later than after; 0
// if it is none's.
func (d *Directory) step(ctx context.Context, tx *store.Tx, userID, sealed string, after int64, code dialer.Secret) (int64, error) {
	given := strings.ReplaceAll(strings.TrimSpace(string(code)), " ", "")
	if len(given) != codeDigits {
		return 0, nil
	}
	text, err := d.open(ctx, tx, "totp/"+userID, sealed)
	if err != nil {
		return 0, err
	}
	secret, err := base32text.DecodeString(text)
	if err != nil {
		return 0, errSealed
	}
	now := d.now().Unix() / int64(codeStep/time.Second)
	for step := now - codeDrift; step <= now+codeDrift; step++ {
		if subtle.ConstantTimeCompare([]byte(totp(secret, step)), []byte(given)) == 1 && step > after {
			return step, nil
		}
	}
	return 0, nil
}

// totp returns the code of a half minute.
func totp(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", codeDigits, n%1_000_000)
}

// otpauth is what an app reads from a QR code.
func otpauth(username, secret string) dialer.Secret {
	q := url.Values{"secret": {secret}, "issuer": {"rosterd"}}
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/rosterd:" + username, RawQuery: q.Encode()}
	return dialer.Secret(u.String())
}
