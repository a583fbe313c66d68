package directory

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// system is who acts where nobody asked for it.
var system = dialer.Actor{Kind: "system", Name: "rosterd"}

// record is an entry of the audit trail about something that is no change of a
// user's attributes.
type record struct {
	user          string // "" for an act on many
	verb          dialer.Verb
	reason        dialer.Reason
	note          string
	by            dialer.Actor
	before, after string // JSON objects; "" is {}
	run           string
}

// record writes an entry in the transaction of what it is about.
func (d *Directory) record(ctx context.Context, tx *store.Tx, r record) error {
	_, err := tx.Exec(ctx, `INSERT INTO activity
		(org_id, at, actor_kind, actor, user_id, salesforce_id, verb, reason, note, before, after, run_id)
		VALUES ($1, $2, $3, $4, $5, COALESCE((SELECT salesforce_id FROM dialer_users WHERE org_id = $1 AND id = $5), ''),
		$6, $7, $8, $9, $10, $11)`,
		d.org, d.now(), r.by.Kind, r.by.Name, r.user, string(r.verb), string(r.reason), r.note,
		first(r.before, "{}"), first(r.after, "{}"), r.run)
	return err
}

// legible reports whether s can be the key of anything: Postgres refuses other
// text.
func legible(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// tidy makes text that anybody may have written such that it can be stored, or
// looked for.
func tidy(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// byID returns a user, who may be deleted.
func (d *Directory) byID(ctx context.Context, tx *store.Tx, id string) (dialer.User, error) {
	if !legible(id) {
		return dialer.User{}, dialer.ErrNotFound
	}
	users, err := readUsers(ctx, tx, d.org, "SELECT "+selected+" FROM dialer_users u WHERE u.org_id = $1 AND u.id = $2", d.org, id)
	if err == nil && len(users) == 0 {
		err = dialer.ErrNotFound
	}
	if err != nil {
		return dialer.User{}, err
	}
	return users[0], nil
}

// status returns the status of a user, whose row no one else writes to until
// the transaction ends: a deactivation under way is waited for, and one that
// comes later sees what is written now. Someone who was deleted is not found.
func (d *Directory) status(ctx context.Context, tx *store.Tx, id string) (status dialer.Status, err error) {
	if !legible(id) {
		return "", dialer.ErrNotFound
	}
	err = tx.QueryRow(ctx, "SELECT status FROM dialer_users WHERE org_id = $1 AND id = $2 AND status <> 'deleted'"+tx.ForUpdate(),
		d.org, id).Scan((*string)(&status))
	if errors.Is(err, sql.ErrNoRows) {
		err = dialer.ErrNotFound
	}
	return status, err
}
