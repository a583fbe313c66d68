package directory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Sender delivers messages to another system. An error means again later,
// unless it wraps dialer.ErrUndeliverable.
type Sender interface {
	Send(ctx context.Context, m dialer.Message) error
}

// LetterSender delivers invitations. Its errors mean what those of Sender mean.
type LetterSender interface {
	SendLetter(ctx context.Context, l dialer.Letter) error
}

// Senders are who delivers what stands in the outbox. What nobody delivers
// waits.
type Senders struct {
	Leads       Sender
	Invitations LetterSender // and what else is written to users
}

const (
	// mailPoll is how often it is looked what is due again.
	mailPoll = 2 * time.Second
	// mailBatch messages are claimed at once for mailLease, of which mailAtOnce
	// are under way, each for sendTimeout at most: 64 / 8 * 20 s is less than
	// half of the lease, so that no other program takes up what is under way.
	mailBatch   = 64
	mailAtOnce  = 8
	sendTimeout = 20 * time.Second
	mailLease   = 6 * time.Minute
	// A message that fails waits firstWait, then twice as long each time, up to
	// lastWait.
	firstWait = 5 * time.Second
	lastWait  = time.Hour
)

// RunOutbox delivers the messages of the outbox until ctx ends. Any number of
// programs may do so at once.
func (d *Directory) RunOutbox(ctx context.Context, s Senders) error {
	tick := time.NewTicker(mailPoll)
	defer tick.Stop()
	var said string
	for {
		more, err := d.StepOutbox(ctx, s)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && err.Error() != said:
			said = err.Error()
			d.o.Log.Error("messages are held up", "err", err)
		case err == nil && said != "":
			said = ""
			d.o.Log.Info("messages are delivered again")
		}
		if err == nil && more {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.mailDue:
		case <-tick.C:
		}
	}
}

// StepOutbox delivers some of the messages that are due, and reports whether
// there may be more. Its error is about the first that could not be delivered,
// which waits longer each time.
func (d *Directory) StepOutbox(ctx context.Context, s Senders) (more bool, err error) {
	deliver := map[dialer.MessageKind]func(context.Context, *dialer.Message) error{}
	if s.Leads != nil {
		deliver[dialer.MessageUnassignLeads] = func(ctx context.Context, m *dialer.Message) error { return s.Leads.Send(ctx, *m) }
	}
	if s.Invitations != nil {
		for kind, write := range map[dialer.MessageKind]func(context.Context, *dialer.Message) (dialer.Letter, error){
			dialer.MessageInvitation: d.letter, dialer.MessageAuthorization: d.appeal,
		} {
			deliver[kind] = func(ctx context.Context, m *dialer.Message) error {
				l, err := write(ctx, m)
				if err != nil {
					return err
				}
				return s.Invitations.SendLetter(ctx, l)
			}
		}
	}
	var errs []error
	for kind, send := range deliver {
		list, err := d.claimMessages(ctx, kind)
		if err != nil {
			return false, fmt.Errorf("claim messages: %w", err)
		}
		more = more || len(list) == mailBatch
		errs = append(errs, d.deliver(ctx, list, send))
	}
	return more, errors.Join(errs...)
}

// deliver sends messages, several at once.
func (d *Directory) deliver(ctx context.Context, list []dialer.Message, send func(context.Context, *dialer.Message) error) error {
	var g errgroup.Group
	g.SetLimit(mailAtOnce)
	for i := range list {
		m := &list[i]
		g.Go(func() error {
			sctx, cancel := context.WithTimeout(ctx, sendTimeout)
			err := send(sctx, m)
			cancel()
			if err != nil && ctx.Err() != nil {
				return nil // nothing is known of it: its lease runs out
			}
			if serr := d.settleMessage(ctx, m, err); serr != nil {
				return fmt.Errorf("settle message %d: %w", m.ID, serr)
			}
			if err != nil {
				return fmt.Errorf("deliver %s: %w", m.Kind, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// claimMessages takes messages that are due. Whoever dies with them leaves them
// to be due again when the lease has run out.
func (d *Directory) claimMessages(ctx context.Context, kind dialer.MessageKind) ([]dialer.Message, error) {
	var list []dialer.Message
	due := false // a read costs nobody the writer's turn
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM outbox WHERE org_id = $1 AND kind = $2 AND state = 'pending' AND next_at <= $3)",
			d.org, string(kind), d.now()).Scan(&due)
	})
	if err != nil || !due {
		return nil, err
	}
	err = d.db.Update(ctx, func(tx *store.Tx) (err error) {
		now := d.now()
		if err := tx.Lock(ctx, "outbox", d.org); err != nil {
			return err
		}
		list, err = readMessages(ctx, tx, "SELECT "+messageColumns+` FROM outbox WHERE org_id = $1 AND kind = $2 AND state = 'pending'
			AND next_at <= $3 ORDER BY next_at, id LIMIT 64`, d.org, string(kind), now)
		if err != nil || len(list) == 0 {
			return err
		}
		ids := make(store.Ints, len(list))
		for i := range list {
			ids[i] = list[i].ID
			list[i].Attempts++
		}
		_, err = tx.Exec(ctx, "UPDATE outbox SET next_at = $3, attempts = attempts + 1 WHERE org_id = $1 AND "+tx.In("id", 2),
			d.org, ids, now.Add(mailLease))
		return err
	})
	return list, err
}

// settleMessage notes what came of sending a message. A request to unassign
// leads is sent until it is acknowledged, whatever the answer.
func (d *Directory) settleMessage(ctx context.Context, m *dialer.Message, sent error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	now := d.now()
	state, next, settled, text := dialer.MessageSent, time.Time{}, now, ""
	if sent != nil {
		text = clip(sent.Error())
		last := errors.Is(sent, dialer.ErrUndeliverable)
		if last && m.Kind != dialer.MessageUnassignLeads {
			state = dialer.MessageFailed
		} else {
			state, next, settled = dialer.MessagePending, now.Add(wait(m.Attempts, last)), time.Time{}
		}
	}
	return d.db.Update(ctx, func(tx *store.Tx) error {
		// Only of the attempt that this was: it may have been claimed again.
		n, err := tx.Exec(ctx, `UPDATE outbox SET state = $4, next_at = $5, settled_at = $6, last_error = $7
			WHERE org_id = $1 AND id = $2 AND state = 'pending' AND (attempts = $3 OR $4 = 'sent')`,
			d.org, m.ID, m.Attempts, state, next, settled, text)
		if err != nil || n == 0 || m.Kind != dialer.MessageInvitation {
			return err
		}
		return d.settleInvitation(ctx, tx, m, state, now)
	})
}

// wait is how long a message waits after so many attempts, give or take a
// fifth; hopeless is as long as ever.
func wait(attempts int64, hopeless bool) time.Duration {
	w := lastWait
	if !hopeless && attempts < 11 {
		w = min(firstWait<<max(attempts-1, 0), lastWait)
	}
	return w - w/5 + time.Duration(rand.Int64N(int64(w)*2/5)) //nolint:gosec // no secret
}

// letter makes the invitation that a message stands for.
func (d *Directory) letter(ctx context.Context, m *dialer.Message) (dialer.Letter, error) {
	var l dialer.Letter
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		u, err := d.byID(ctx, tx, m.UserID)
		if err != nil {
			return err
		}
		list, err := d.readInvitations(ctx, tx, []string{m.UserID})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(i invitation) bool { return invitationKey(m.UserID, i.Epoch) == m.Key })
		switch {
		case i < 0 || i != len(list)-1:
			return fmt.Errorf("%w: a later one takes its place", dialer.ErrUndeliverable)
		case u.Status != dialer.StatusActive:
			return fmt.Errorf("%w: %w", dialer.ErrUndeliverable, ErrNoAccess)
		case u.Email == "":
			return fmt.Errorf("%w: %w", dialer.ErrUndeliverable, dialer.ErrNoAddress)
		case !list[i].ExpiresAt.After(d.now()):
			return fmt.Errorf("%w: it has expired", dialer.ErrUndeliverable)
		}
		k, err := d.orgKey(ctx, tx, false)
		if err != nil {
			return err
		}
		l = dialer.Letter{
			Kind: m.Kind, Key: m.Key, To: u.Email, Name: nameOf(&u), Username: u.Username, Link: dialer.Secret(d.link(k, &list[i])), ExpiresAt: list[i].ExpiresAt,
		}
		return nil
	})
	return l, err
}
