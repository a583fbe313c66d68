package directory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// After maxFailures wrong attempts in a row nobody gets in for lockTime.
const (
	maxFailures = 10
	lockTime    = 15 * time.Minute
)

// door is what stood in the directory when somebody came to sign in. The slow
// part, hashing, holds no transaction: what was seen is looked at again before
// anything is written.
type door struct {
	user dialer.User // empty if there is no such user
	cred credential
	now  time.Time
}

// look reads a user and their credential.
func (d *Directory) look(ctx context.Context, find func(tx *store.Tx) (dialer.User, error)) (door, error) {
	at := door{now: d.now()}
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		if at.user, err = find(tx); err == nil && at.user.ID != "" {
			at.cred, err = d.credential(ctx, tx, at.user.ID)
		}
		return err
	})
	return at, err
}

// SignIn opens a session for who knows the password, and the code where a
// second factor is enrolled. It fails with dialer.ErrSignIn, ErrLocked,
// ErrCodeNeeded, ErrMustChange, ErrAddress, ErrNoAccess, or an InvalidError of
// the new password.
func (d *Directory) SignIn(ctx context.Context, in dialer.SignIn) (dialer.SignedIn, error) {
	if !slices.Contains(clients, in.Client) {
		return dialer.SignedIn{}, fmt.Errorf("sign in: %w",
			&dialer.InvalidError{Field: "client", Rule: "must be web, desktop, mobile, cti or sip"})
	}
	at, err := d.look(ctx, func(tx *store.Tx) (dialer.User, error) {
		if !legible(in.Username) {
			return dialer.User{}, nil
		}
		users, err := readUsers(ctx, tx, d.org, "SELECT "+selected+
			" FROM dialer_users u WHERE u.org_id = $1 AND u.username_key = $2 AND u.status <> 'deleted'", d.org, dialer.Key(in.Username))
		if err != nil || len(users) == 0 {
			return dialer.User{}, err
		}
		return users[0], nil
	})
	if err == nil {
		err = d.verifyPassword(ctx, at, in.Password)
	}
	var out dialer.SignedIn
	if err == nil {
		out, err = d.enter(ctx, at, in)
	}
	if err != nil {
		return dialer.SignedIn{}, fmt.Errorf("sign in: %w", err)
	}
	return out, nil
}

// verifyPassword compares a password, and counts wrong ones.
func (d *Directory) verifyPassword(ctx context.Context, at door, password dialer.Secret) error {
	if !at.cred.LockedUntil.IsZero() {
		return dialer.ErrLocked
	}
	ok, err := d.matches(ctx, at.cred.hash, password)
	if err != nil || ok {
		return err
	}
	return d.fail(ctx, at)
}

// fail counts a wrong attempt. What it returns is the same for a user who does
// not exist.
func (d *Directory) fail(ctx context.Context, at door) error {
	if !at.cred.there {
		return dialer.ErrSignIn
	}
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		c, _, err := d.locked(ctx, tx, at.user.ID)
		if err != nil || !c.LockedUntil.IsZero() {
			return err
		}
		failures, until := c.failures+1, time.Time{}
		if failures >= maxFailures {
			failures, until = 0, d.now().Add(lockTime)
			err := d.record(ctx, tx, record{
				user: at.user.ID, verb: dialer.VerbLockOut, by: system,
				after: fmt.Sprintf(`{"locked_until":%q}`, until.Format(time.RFC3339)),
			})
			if err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, "UPDATE credentials SET failures = $3, locked_until = $4 WHERE org_id = $1 AND user_id = $2",
			d.org, at.user.ID, failures, until)
		return err
	})
	if err != nil && !errors.Is(err, dialer.ErrNotFound) {
		return err
	}
	return dialer.ErrSignIn
}

// errCode says that a code is wrong, within a transaction.
var errCode = errors.New("the code is wrong")

// enter opens the session of someone whose password was right.
func (d *Directory) enter(ctx context.Context, at door, in dialer.SignIn) (dialer.SignedIn, error) {
	if !legible(in.IP) || len(in.IP) > 64 {
		in.IP = ""
	}
	switch {
	case at.user.Status != dialer.StatusActive:
		return dialer.SignedIn{}, ErrNoAccess
	case !allows(&at.user, in.IP):
		return dialer.SignedIn{}, dialer.ErrAddress
	case at.cred.SecondFactor != dialer.FactorNone && in.Code == "":
		return dialer.SignedIn{}, dialer.ErrCodeNeeded
	}
	var hash string
	if in.NewPassword != "" {
		err := acceptable(&at.user, in.NewPassword)
		if err == nil && in.NewPassword == in.Password {
			err = &dialer.InvalidError{Field: "password", Rule: "must be another one"}
		}
		if err == nil {
			hash, err = d.hash(ctx, in.NewPassword)
		}
		if err != nil {
			return dialer.SignedIn{}, err
		}
	}
	out := dialer.SignedIn{User: at.user, Session: d.session(at.user.ID, in.Client, in.IP), Token: token()}
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		c, status, err := d.locked(ctx, tx, at.user.ID)
		switch {
		case err != nil:
			return err
		case status != dialer.StatusActive:
			return ErrNoAccess
		case c.hash != at.cred.hash || c.SecondFactor != at.cred.SecondFactor:
			return dialer.ErrSignIn // changed meanwhile
		}
		if err := d.spendCode(ctx, tx, &c, in.Code); err != nil {
			return err
		}
		if c.MustChange && hash == "" {
			return dialer.ErrMustChange
		}
		out.MustEnroll = c.MustEnroll && c.SecondFactor == dialer.FactorNone
		return d.admit(ctx, tx, &c, &out, hash)
	})
	if errors.Is(err, errCode) {
		err = d.fail(ctx, at)
	}
	if err != nil {
		return dialer.SignedIn{}, err
	}
	return out, nil
}

// admit writes what comes of a sign-in.
func (d *Directory) admit(ctx context.Context, tx *store.Tx, c *credential, out *dialer.SignedIn, hash string) error {
	if hash != "" {
		if err := d.setPassword(ctx, tx, c, hash, false); err != nil {
			return err
		}
		if _, err := d.endWhere(ctx, tx, dialer.EndPasswordReset, " AND user_id = $4", c.UserID); err != nil {
			return err
		}
		if err := d.record(ctx, tx, record{user: c.UserID, verb: dialer.VerbSetPassword, by: self(&out.User)}); err != nil {
			return err
		}
	} else if c.failures > 0 {
		if _, err := tx.Exec(ctx, "UPDATE credentials SET failures = 0 WHERE org_id = $1 AND user_id = $2", d.org, c.UserID); err != nil {
			return err
		}
	}
	if err := d.addSession(ctx, tx, &out.Session, digest(out.Token)); err != nil {
		return err
	}
	return d.record(ctx, tx, record{
		user: c.UserID, verb: dialer.VerbSignIn, by: self(&out.User),
		after: fmt.Sprintf(`{"client":%q,"session":%q}`, out.Session.Client, out.Session.ID),
	})
}

// allows reports whether a user may come from an address: from any, unless
// their list is in force.
func allows(u *dialer.User, ip string) bool {
	if !dialer.FieldIPACLEnabled.Flag(u) {
		return true
	}
	from, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	entries, _ := dialer.FieldIPACLEntries.Value(u).([]map[string]any)
	return slices.ContainsFunc(entries, func(e map[string]any) bool {
		text, _ := e["cidr"].(string)
		if p, err := netip.ParsePrefix(text); err == nil {
			return p.Contains(from.Unmap())
		}
		a, err := netip.ParseAddr(text)
		return err == nil && a.Unmap() == from.Unmap()
	})
}
