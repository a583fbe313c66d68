// Package directory is the built-in directory of dialer users, on SQL: users,
// their groups, license types with seats, sessions and the audit trail. It
// holds the rules that must not break whoever writes: seats never exceed what
// was purchased, addresses are unique among those who work, a change and its
// audit row commit together. It does not know where changes come from: neither
// Salesforce nor the sync.
package directory

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Options are the optional settings of New. The zero value is usable.
type Options struct {
	Log *slog.Logger     // nil discards
	Now func() time.Time // nil means time.Now

	// What a new user gets when the change names none. DefaultPermissionGroup
	// and DefaultRole fall back to Reps and Agent, DefaultTimezone to UTC,
	// DefaultLanguage to en-US.
	DefaultPermissionGroup string
	DefaultRole            string
	DefaultTimezone        string
	DefaultLanguage        string

	// Owners says who decides on attributes now, where it is not whom the table
	// of attributes names; nil where it is. It is asked for every user.
	Owners func() map[dialer.Field]dialer.Owner

	// SessionIdle is after how long unused a session ends; 0 is never.
	SessionIdle time.Duration

	// SecretKey encrypts the secrets that must be read again. It is the content
	// of a key file; without one, the database keeps a key.
	SecretKey []byte
	// Invite says who is invited without being asked for. InviteURL is the page
	// to which an invitation leads; the token is added to it as a fragment's
	// value. InviteTTL is how long it is good for; 0 means 7 days.
	Invite    dialer.InvitePolicy
	InviteURL string
	InviteTTL time.Duration
}

// Directory is the directory of one org. It is safe for concurrent use, by
// several programs on one database too.
type Directory struct {
	db    *store.DB
	org   int64
	o     Options
	rules dialer.Validator

	hashing chan struct{} // as many as may hash a password at once
	massDue chan struct{} // a mass action was started
	mailDue chan struct{} // a message was queued
}

var _ dialer.Directory = (*Directory)(nil)

// New returns the directory of an org; see EnsureOrg.
func New(db *store.DB, org int64, o Options) *Directory {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, d := range []struct {
		option   *string
		fallback string
	}{
		{&o.DefaultPermissionGroup, dialer.DefaultPermissionGroup},
		{&o.DefaultRole, dialer.DefaultRole},
		{&o.DefaultTimezone, "UTC"},
		{&o.DefaultLanguage, "en-US"},
	} {
		if *d.option == "" {
			*d.option = d.fallback
		}
	}
	return &Directory{
		db: db, org: org, o: o, hashing: make(chan struct{}, hashesAtOnce),
		massDue: make(chan struct{}, 1), mailDue: make(chan struct{}, 1),
	}
}

// EnsureOrg returns the number of the org of that name, which is added if there
// is none.
func EnsureOrg(ctx context.Context, db *store.DB, name string) (int64, error) {
	var id int64
	err := db.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
			name, time.Now())
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT id FROM orgs WHERE name = $1", name).Scan(&id)
	})
	if err != nil {
		return 0, fmt.Errorf("add org %s: %w", name, err)
	}
	return id, nil
}

// now is the time as it is stored.
func (d *Directory) now() time.Time { return d.o.Now().UTC().Truncate(time.Microsecond) }
