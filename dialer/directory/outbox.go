package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// unassign is the payload of dialer.MessageUnassignLeads.
type unassign struct {
	Event        string `json:"event"`
	Org          string `json:"org"`
	UserID       string `json:"user_id"`
	SalesforceID string `json:"salesforce_id,omitempty"`
	Username     string `json:"username"`
	DeletedAt    string `json:"deleted_at"`
}

// writeMessages queues what other systems must hear of a batch, in its
// transaction: there is no tombstone without its message.
func (b *batch) writeMessages(ctx context.Context) error {
	var gone, in, asked []*cand
	for _, a := range b.log {
		switch c := a.c; {
		case c.change.Verb == dialer.VerbDelete:
			gone = append(gone, c)
		case c.change.Verb == dialer.VerbAsk:
			asked = append(asked, c)
		case c.next.Status == dialer.StatusActive && b.d.invites(c.change) && c.next.Email != "" &&
			(c.change.Verb == dialer.VerbCreate || c.change.Verb == dialer.VerbActivate):
			in = append(in, c)
		}
	}
	if len(gone) > 0 {
		if err := b.writeGone(ctx, gone); err != nil {
			return err
		}
	}
	if len(in) > 0 {
		if err := b.inviteAll(ctx, in); err != nil {
			return err
		}
	}
	if len(asked) > 0 {
		if err := b.writeAsked(ctx, asked); err != nil {
			return err
		}
	}
	if len(gone)+len(in)+len(asked) > 0 {
		b.tx.AfterCommit(func() { kick(b.d.mailDue) })
	}
	return nil
}

func (b *batch) writeGone(ctx context.Context, gone []*cand) error {
	var org string
	if err := b.tx.QueryRow(ctx, "SELECT name FROM orgs WHERE id = $1", b.d.org).Scan(&org); err != nil {
		return err
	}
	return b.d.queue(ctx, b.tx, dialer.MessageUnassignLeads, func(yield func(outgoing) bool) {
		for _, c := range gone {
			u := &c.next
			payload := jsonText(unassign{
				Event: "leads.unassign", Org: org, UserID: u.ID, SalesforceID: u.SalesforceID, Username: u.Username,
				DeletedAt: b.now.Format("2006-01-02T15:04:05.000000Z"),
			})
			if !yield(outgoing{string(dialer.MessageUnassignLeads) + "/" + u.ID, u.ID, payload}) {
				return
			}
		}
	})
}

// outgoing is a message to be queued.
type outgoing struct{ key, user, payload string }

// queue adds messages that are due at once.
func (d *Directory) queue(ctx context.Context, tx *store.Tx, kind dialer.MessageKind, messages iter.Seq[outgoing]) error {
	now := store.Micros(d.now())
	_, err := tx.Load(ctx, "outbox", []string{"org_id", "kind", "key", "user_id", "payload", "created_at", "next_at"},
		func(yield func([]any) bool) {
			for m := range messages {
				if !yield([]any{d.org, string(kind), m.key, m.user, m.payload, now, now}) {
					return
				}
			}
		})
	return err
}

const messageColumns = "id, kind, key, user_id, payload, attempts, created_at, next_at, settled_at, state, last_error"

func readMessages(ctx context.Context, tx *store.Tx, query string, args ...any) ([]dialer.Message, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []dialer.Message
	for rows.Next() {
		var m dialer.Message
		var payload string
		var created, next, settled int64
		if err := rows.Scan(&m.ID, (*string)(&m.Kind), &m.Key, &m.UserID, &payload, &m.Attempts, &created, &next, &settled,
			&m.State, &m.LastErr); err != nil {
			return nil, err
		}
		m.Payload = json.RawMessage(payload)
		m.Created, m.NextAt, m.Settled = store.Time(created), store.Time(next), store.Time(settled)
		list = append(list, m)
	}
	return list, rows.Err()
}

// Messages returns messages of the outbox, the latest first.
func (d *Directory) Messages(ctx context.Context, q dialer.MessageQuery) ([]dialer.Message, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	var list []dialer.Message
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		w := &where{tx: tx}
		w.add("org_id = ?", d.org)
		if q.Kind != "" {
			w.add("kind = ?", tidy(string(q.Kind)))
		}
		if q.State != "" {
			w.add("state = ?", tidy(q.State))
		}
		if q.UserID != "" {
			w.add("user_id = ?", tidy(q.UserID))
		}
		if q.After > 0 {
			w.add("id < ?", q.After)
		}
		list, err = readMessages(ctx, tx, "SELECT "+messageColumns+" FROM outbox WHERE "+w.sql()+
			" ORDER BY id DESC LIMIT "+strconv.Itoa(limit), w.args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	return list, nil
}

// MessageCounts returns how much waits in the outbox, by kind.
func (d *Directory) MessageCounts(ctx context.Context) ([]dialer.MessageCount, error) {
	counts := []dialer.MessageCount{{Kind: dialer.MessageUnassignLeads}, {Kind: dialer.MessageInvitation}, {Kind: dialer.MessageAuthorization}}
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT kind, state, count(*), min(created_at) FROM outbox
			WHERE org_id = $1 AND state <> 'sent' GROUP BY kind, state`, d.org)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var kind, state string
			var n, oldest int64
			if err := rows.Scan(&kind, &state, &n, &oldest); err != nil {
				return err
			}
			i := slices.IndexFunc(counts, func(c dialer.MessageCount) bool { return string(c.Kind) == kind })
			switch {
			case i < 0:
			case state == dialer.MessageFailed:
				counts[i].Failed = n
			default:
				counts[i].Pending, counts[i].Oldest = n, store.Time(oldest)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("count messages: %w", err)
	}
	return counts, nil
}

// RetryMessage has a message that failed, or waits, sent again at once.
func (d *Directory) RetryMessage(ctx context.Context, id int64, by dialer.Actor) error {
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		list, err := readMessages(ctx, tx, "SELECT "+messageColumns+" FROM outbox WHERE org_id = $1 AND id = $2"+tx.ForUpdate(), d.org, id)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return dialer.ErrNoMessage
		}
		m := &list[0]
		if m.State == dialer.MessageSent {
			return dialer.ErrMessageSent
		}
		if _, err := tx.Exec(ctx, "UPDATE outbox SET state = 'pending', next_at = $3, settled_at = 0 WHERE org_id = $1 AND id = $2", d.org, id, d.now()); err != nil {
			return err
		}
		return d.record(ctx, tx, record{
			user: m.UserID, verb: dialer.VerbRetry, note: m.Key, by: by,
			before: fmt.Sprintf(`{"state":%q}`, m.State), after: `{"state":"pending"}`,
		})
	})
	if err != nil {
		return fmt.Errorf("send message %d again: %w", id, err)
	}
	kick(d.mailDue)
	return nil
}
