package directory

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// inviteTTL is how long an invitation is good for, unless an option says
// otherwise.
const inviteTTL = 7 * 24 * time.Hour

// invitation is a row of invitations.
type invitation struct {
	dialer.Invitation
	nonce string
}

// invites reports whether who gets access by a change is invited without being
// asked for.
func (d *Directory) invites(c *dialer.Change) bool {
	return !c.NoInvite && (d.o.Invite == dialer.InviteAll || d.o.Invite == dialer.InviteAdded && !bySync(c.Actor))
}

func invitationKey(user string, epoch int64) string {
	return string(dialer.MessageInvitation) + "/" + user + "/" + strconv.FormatInt(epoch, 10)
}

// inviteAll invites who gets access, unless they were invited before or have a
// password.
func (b *batch) inviteAll(ctx context.Context, in []*cand) error {
	ids := make(store.Strings, len(in))
	for i, c := range in {
		ids[i] = c.next.ID
	}
	known := make(map[string]bool)
	err := pairs(ctx, b.tx, `SELECT user_id, '', '' FROM invitations WHERE org_id = $1 AND `+b.tx.In("user_id", 2)+
		` UNION SELECT user_id, '', '' FROM credentials WHERE org_id = $1 AND password_hash <> '' AND `+b.tx.In("user_id", 2),
		b.d.org, ids, func(id, _, _ string) { known[id] = true })
	if err != nil {
		return err
	}
	var fresh []string
	for _, id := range ids {
		if !known[id] {
			known[id] = true
			fresh = append(fresh, id)
		}
	}
	return b.d.invite(ctx, b.tx, 1, fresh)
}

// invite writes invitations and their messages.
func (d *Directory) invite(ctx context.Context, tx *store.Tx, epoch int64, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := d.orgKey(ctx, tx, true); err != nil { // which the sender will need
		return err
	}
	now := d.now()
	ttl := d.o.InviteTTL
	if ttl <= 0 {
		ttl = inviteTTL
	}
	_, err := tx.Load(ctx, "invitations", []string{"org_id", "user_id", "epoch", "nonce", "created_at", "expires_at"}, func(yield func([]any) bool) {
		for _, id := range ids {
			if !yield([]any{d.org, id, epoch, rand.Text(), store.Micros(now), store.Micros(now.Add(ttl))}) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return d.queue(ctx, tx, dialer.MessageInvitation, func(yield func(outgoing) bool) {
		for _, id := range ids {
			if !yield(outgoing{invitationKey(id, epoch), id, fmt.Sprintf(`{"epoch":%d}`, epoch)}) {
				return
			}
		}
	})
}

// Invite queues an invitation for a user who was never sent one; again queues
// another, which makes the earlier ones void. note is why, in a person's words.
func (d *Directory) Invite(ctx context.Context, userID string, again bool, note string, by dialer.Actor) (dialer.Invitation, error) {
	var latest invitation
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		u, err := d.byID(ctx, tx, userID)
		switch {
		case err != nil:
			return err
		case u.Status == dialer.StatusDeleted:
			return dialer.ErrNotFound
		case u.Status != dialer.StatusActive:
			return ErrNoAccess
		case u.Email == "":
			return dialer.ErrNoAddress
		}
		list, err := d.readInvitations(ctx, tx, []string{userID})
		if err != nil {
			return err
		}
		epoch := int64(1)
		if len(list) > 0 {
			latest = list[len(list)-1]
			if !again {
				return nil
			}
			epoch = latest.Epoch + 1
		}
		if err := d.invite(ctx, tx, epoch, []string{userID}); err != nil {
			return err
		}
		if list, err = d.readInvitations(ctx, tx, []string{userID}); err != nil {
			return err
		}
		latest = list[len(list)-1]
		return d.record(ctx, tx, record{user: userID, verb: dialer.VerbInvite, note: tidy(note), by: by, after: fmt.Sprintf(`{"epoch":%d}`, epoch)})
	})
	if err != nil {
		return dialer.Invitation{}, fmt.Errorf("invite: %w", err)
	}
	kick(d.mailDue)
	return latest.Invitation, nil
}

// Invitations returns the latest invitation of each of users; who has none is
// not among them.
func (d *Directory) Invitations(ctx context.Context, userIDs []string) (map[string]dialer.Invitation, error) {
	found := make(map[string]dialer.Invitation)
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		list, err := d.readInvitations(ctx, tx, userIDs)
		for _, i := range list { // the later ones last
			found[i.UserID] = i.Invitation
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	return found, nil
}

// readInvitations reads every invitation of users, the latest of each last.
func (d *Directory) readInvitations(ctx context.Context, tx *store.Tx, ids store.Strings) ([]invitation, error) {
	rows, err := tx.Query(ctx, `SELECT user_id, epoch, nonce, created_at, expires_at, sent_at, accepted_at, failed FROM invitations
		WHERE org_id = $1 AND `+tx.In("user_id", 2)+" ORDER BY user_id, epoch", d.org, ids)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []invitation
	for rows.Next() {
		var i invitation
		var created, expires, sent, accepted int64
		var failed bool
		if err := rows.Scan(&i.UserID, &i.Epoch, &i.nonce, &created, &expires, &sent, &accepted, &failed); err != nil {
			return nil, err
		}
		i.CreatedAt, i.ExpiresAt, i.SentAt, i.AcceptedAt = store.Time(created), store.Time(expires), store.Time(sent), store.Time(accepted)
		switch {
		case accepted != 0:
			i.State = dialer.InviteAccepted
		case failed:
			i.State = dialer.InviteFailed
		case !i.ExpiresAt.After(d.now()):
			i.State = dialer.InviteExpired
		case sent != 0:
			i.State = dialer.InviteSent
		default:
			i.State = dialer.InviteQueued
		}
		list = append(list, i)
	}
	return list, rows.Err()
}

// settleInvitation notes what came of sending an invitation.
func (d *Directory) settleInvitation(ctx context.Context, tx *store.Tx, m *dialer.Message, state string, now time.Time) error {
	epoch, err := strconv.ParseInt(m.Key[strings.LastIndexByte(m.Key, '/')+1:], 10, 64)
	if err != nil {
		return fmt.Errorf("read the key of message %d: %w", m.ID, err)
	}
	where, args := " WHERE org_id = $1 AND user_id = $2 AND epoch = $3", []any{d.org, m.UserID, epoch}
	switch state {
	case dialer.MessageSent:
		_, err = tx.Exec(ctx, "UPDATE invitations SET sent_at = $4, failed = false"+where, append(args, now)...)
	case dialer.MessageFailed:
		_, err = tx.Exec(ctx, "UPDATE invitations SET failed = true"+where, args...)
	}
	return err
}

// link leads to the page that sets a password. The token stands in the
// fragment, which browsers do not send on.
func (d *Directory) link(k orgKey, i *invitation) string {
	return d.o.InviteURL + "#" + d.inviteToken(k, i)
}

// inviteToken is made of the invitation and the key, so that it need not be
// stored: however often it is sent, it is the same.
func (d *Directory) inviteToken(k orgKey, i *invitation) string {
	mac := hmac.New(sha256.New, k.key[:])
	_, _ = fmt.Fprintf(mac, "invitation/%d/%s/%d/%s", d.org, i.UserID, i.Epoch, i.nonce)
	return i.UserID + "." + strconv.FormatInt(i.Epoch, 10) + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// AcceptInvitation sets the password of the user who was invited, once.
func (d *Directory) AcceptInvitation(ctx context.Context, token, password dialer.Secret) (userID string, err error) {
	if userID, err = d.accept(ctx, token, password); err != nil {
		return "", fmt.Errorf("accept an invitation: %w", err)
	}
	return userID, nil
}

func (d *Directory) accept(ctx context.Context, token, password dialer.Secret) (string, error) {
	id, _, _ := strings.Cut(string(token), ".")
	var u dialer.User
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		if _, err = d.invited(ctx, tx, id, token); err == nil {
			u, err = d.byID(ctx, tx, id)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if err := acceptable(&u, password); err != nil {
		return "", err
	}
	hash, err := d.hash(ctx, password)
	if err != nil {
		return "", err
	}
	return id, d.db.Update(ctx, func(tx *store.Tx) error {
		c, status, err := d.locked(ctx, tx, id)
		if errors.Is(err, dialer.ErrNotFound) {
			return dialer.ErrInvitation
		}
		if err != nil {
			return err
		}
		if status != dialer.StatusActive {
			return ErrNoAccess
		}
		i, err := d.invited(ctx, tx, id, token) // again: whoever was first has used it
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE invitations SET accepted_at = $4 WHERE org_id = $1 AND user_id = $2 AND epoch = $3",
			d.org, id, i.Epoch, d.now()); err != nil {
			return err
		}
		if err := d.setPassword(ctx, tx, &c, hash, false); err != nil {
			return err
		}
		if _, err := d.endWhere(ctx, tx, dialer.EndPasswordReset, " AND user_id = $4", id); err != nil {
			return err
		}
		return d.record(ctx, tx, record{user: id, verb: dialer.VerbSetPassword, note: "by invitation", by: self(&u)})
	})
}

// invited returns the invitation of a token, if it is good.
func (d *Directory) invited(ctx context.Context, tx *store.Tx, id string, token dialer.Secret) (invitation, error) {
	if !legible(id) {
		return invitation{}, dialer.ErrInvitation
	}
	list, err := d.readInvitations(ctx, tx, []string{id})
	if err != nil {
		return invitation{}, err
	}
	if len(list) == 0 {
		return invitation{}, dialer.ErrInvitation
	}
	i := list[len(list)-1]
	if i.State == dialer.InviteAccepted || i.State == dialer.InviteExpired {
		return invitation{}, dialer.ErrInvitation
	}
	for _, key := range []func() (orgKey, error){ // a key file may have been added since
		func() (orgKey, error) { return d.orgKey(ctx, tx, false) },
		func() (orgKey, error) { return d.databaseKey(ctx, tx, false) },
	} {
		k, err := key()
		if err == nil && hmac.Equal([]byte(d.inviteToken(k, &i)), []byte(token)) {
			return i, nil
		}
		if err != nil && !errors.Is(err, errSealed) {
			return invitation{}, err
		}
	}
	return invitation{}, dialer.ErrInvitation
}
