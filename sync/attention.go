package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Attention lists what only a person can decide; of ignored items, those that
// somebody decided to leave as they are.
func (e *Engine) Attention(ctx context.Context, ignored bool) ([]AttentionItem, error) {
	read := e.journal.Ignored
	if !ignored {
		read = func(ctx context.Context) ([]store.AttentionRow, error) { return e.journal.Attention(ctx, "") }
	}
	rows, err := read(ctx)
	return items(rows), err
}

func items(rows []store.AttentionRow) []AttentionItem {
	list := make([]AttentionItem, len(rows))
	for i, r := range rows {
		list[i] = AttentionItem{ID: r.ID, Kind: r.Kind, User: r.Subject, Detail: r.Detail, Since: store.Time(r.Since)}
		if r.Resolved != 0 {
			list[i].Ignored = &Ignored{At: store.Time(r.Resolved), By: r.Resolver, Reason: r.Note}
		}
	}
	return list
}

// Decision is how a person settles an attention item.
type Decision struct {
	How    How
	User   string // for Accept: the dialer user who is the person; by id, user name or e-mail address
	Reason string // for Ignore it is needed
}

// How an item can be settled.
type How string

// The ways. What is retried comes back if nothing changed; what is ignored comes
// back when its Salesforce user or what is wrong with them changes.
const (
	Retry  How = "retry"
	Accept How = "accept"
	Ignore How = "ignore"
)

// What a decision can be refused for.
var (
	ErrNoAttention = errors.New("no such open attention item")
	ErrNotAccepted = errors.New("there is nothing to accept about this item")
	ErrNotIgnored  = errors.New("this item cannot be ignored")
	ErrNoCandidate = errors.New("that user is none of those who could be the person")
)

// ResolveAttention settles an item. What it concerns is tried again: the user of
// the item, or for a shrunken source the smaller number of users. Of an
// ambiguous match the user who is accepted is linked.
func (e *Engine) ResolveAttention(ctx context.Context, id int64, d Decision, a dialer.Actor) error {
	item, err := e.item(ctx, id)
	if err != nil {
		return err
	}
	_, invalid := crm.ParseID(item.Subject)
	settled := store.Settled{How: "retried", Who: a.Name, Note: d.Reason, At: store.Micros(e.now())}
	switch {
	case d.How == Ignore && slices.Contains([]string{AttentionOrg, AttentionRefreshed, AttentionShrink, AttentionPermission}, item.Kind):
		return ErrNotIgnored
	case d.How == Ignore:
		settled.How = store.HowIgnored
	case d.How == Accept && item.Kind == AttentionAmbiguous:
		if err := e.accept(ctx, item.Subject, d, a); err != nil {
			return err
		}
		settled.How = "accepted"
	case d.How == Accept:
		return ErrNotAccepted
	case item.Kind == AttentionShrink:
		if err := e.remember(ctx, statePrefilter, "accepted by "+a.Name); err != nil {
			return err
		}
	}
	ok, err := e.journal.ResolveAttention(ctx, id, settled)
	switch {
	case err != nil:
		return err
	case !ok:
		return ErrNoAttention
	case d.How == Ignore || invalid != nil:
		return nil
	}
	if err := e.journal.DropPending(ctx, store.PendingRetry, []string{item.Subject}); err != nil {
		return err
	}
	return e.journal.PutPending(ctx, e.dirty(e.now(), item.Subject))
}

// item finds an item that is open or ignored.
func (e *Engine) item(ctx context.Context, id int64) (store.AttentionRow, error) {
	rows, err := e.journal.Attention(ctx, "")
	if err != nil {
		return store.AttentionRow{}, err
	}
	ignored, err := e.journal.Ignored(ctx)
	if err != nil {
		return store.AttentionRow{}, err
	}
	for _, r := range slices.Concat(rows, ignored) {
		if r.ID == id {
			return r, nil
		}
	}
	return store.AttentionRow{}, ErrNoAttention
}

// accept links the dialer user whom a person chose. Who could not be the person
// is refused: the choice is among the candidates, as they are now.
func (e *Engine) accept(ctx context.Context, salesforceID string, d Decision, a dialer.Actor) error {
	rows, err := e.mirror.Rows(ctx, []string{salesforceID})
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return ErrUnknownUser
	}
	u, err := e.dir.User(ctx, d.User)
	if err != nil {
		return err
	}
	cfg := e.config()
	key := rows[0].EmailKey
	if cfg.Match == dialer.FieldUsername {
		key = rows[0].UsernameKey
	}
	found, err := e.dir.FindByKey(ctx, cfg.Match, []string{key})
	if err != nil {
		return err
	}
	if u.SalesforceID != "" || u.Status == dialer.StatusDeleted ||
		!slices.ContainsFunc(found[key], func(c dialer.User) bool { return c.ID == u.ID }) {
		return ErrNoCandidate
	}
	link := dialer.Change{
		Verb: dialer.VerbLink, UserID: u.ID, Version: u.Version, Actor: a, Note: d.Reason,
		User: dialer.User{SalesforceID: salesforceID, MatchMethod: "person"}, Fields: []dialer.Field{dialer.FieldSalesforceID, dialer.FieldMatchMethod},
	}
	if r := e.dir.Apply(ctx, []dialer.Change{link})[0]; r.Err != nil {
		return fmt.Errorf("link the user who was chosen: %w", r.Err)
	}
	return nil
}
