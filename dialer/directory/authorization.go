package directory

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// asking is the payload of dialer.MessageAuthorization: of which asking it is.
type asking struct {
	AskedAt string `json:"asked_at"`
}

// ask has a user asked to authorize the dialer, unless they were, or did.
func (b *batch) ask(ch *dialer.Change, u *dialer.User) error {
	switch link, words := b.settings.Authorization(); {
	case link == "" && words == "":
		return dialer.ErrNoAsking
	case u.Status != dialer.StatusActive:
		return ErrNoAccess
	case u.SalesforceID == "":
		return &dialer.InvalidError{Field: dialer.FieldSalesforceID, Rule: "must be set: the user is not of Salesforce"}
	case u.Email == "":
		return dialer.ErrNoAddress
	}
	if state := dialer.FieldSFAuthorization.Text(u); (state == dialer.Asked || state == dialer.Authorized) && !ch.Again {
		return nil
	}
	dialer.SetAuthorization(u, dialer.Asked, b.now)
	return nil
}

// writeAsked queues a message for each who is asked.
func (b *batch) writeAsked(ctx context.Context, asked []*cand) error {
	return b.d.queue(ctx, b.tx, dialer.MessageAuthorization, func(yield func(outgoing) bool) {
		for _, c := range asked {
			u := &c.next
			key := string(dialer.MessageAuthorization) + "/" + u.ID + "/" + strconv.FormatInt(u.Version, 10)
			if !yield(outgoing{key, u.ID, jsonText(asking{dialer.FieldSFAuthAskedAt.Text(u)})}) {
				return
			}
		}
	})
}

// appeal makes the letter that asks a user to authorize the dialer. Who has
// authorized it meanwhile, has no access any more or was asked again, is not
// told.
func (d *Directory) appeal(ctx context.Context, m *dialer.Message) (dialer.Letter, error) {
	var l dialer.Letter
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		u, err := d.byID(ctx, tx, m.UserID)
		if errors.Is(err, dialer.ErrNotFound) {
			return fmt.Errorf("%w: %w", dialer.ErrUndeliverable, err)
		}
		if err != nil {
			return err
		}
		settings, err := d.readOrgSettings(ctx, tx)
		if err != nil {
			return err
		}
		link, words := settings.Authorization()
		switch {
		case dialer.FieldSFAuthorization.Text(&u) != dialer.Asked || jsonText(asking{dialer.FieldSFAuthAskedAt.Text(&u)}) != string(m.Payload):
			return fmt.Errorf("%w: the user is not asked any more", dialer.ErrUndeliverable)
		case u.Status != dialer.StatusActive:
			return fmt.Errorf("%w: %w", dialer.ErrUndeliverable, ErrNoAccess)
		case u.Email == "":
			return fmt.Errorf("%w: %w", dialer.ErrUndeliverable, dialer.ErrNoAddress)
		case link == "" && words == "":
			return dialer.ErrNoAsking // until it is set
		}
		l = dialer.Letter{
			Kind: m.Kind, Key: m.Key, To: u.Email, Name: nameOf(&u), Username: u.Username, Link: dialer.Secret(link), Text: words,
		}
		return nil
	})
	return l, err
}

// nameOf is what a user is called in a letter.
func nameOf(u *dialer.User) string {
	return first(u.DisplayName, strings.TrimSpace(u.FirstName+" "+u.LastName), u.Username)
}

// Authorize notes what became of a user's authorization, as of now: the
// dialer's programs know, or an administrator.
func (d *Directory) Authorize(ctx context.Context, userID, state, note string, by dialer.Actor) (dialer.Result, error) {
	var u dialer.User
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		u, err = d.byID(ctx, tx, userID)
		return err
	})
	if err != nil {
		return dialer.Result{}, err
	}
	fields := dialer.SetAuthorization(&u, state, d.now().Truncate(time.Microsecond))
	r := d.Apply(ctx, []dialer.Change{{Verb: dialer.VerbUpdate, UserID: userID, User: u, Fields: fields, Note: note, Actor: by}})[0]
	return r, r.Err
}
