package directory

import (
	"context"
	"errors"

	"github.com/rosterd/rosterd/dialer"
)

var errLater = errors.New("not served yet")

// Leavers returns those who lost access, the latest first.
func (d *Directory) Leavers(ctx context.Context, q dialer.LeaverQuery) ([]dialer.Leaver, error) {
	return nil, errLater
}

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
	Invitations LetterSender
}

// RunOutbox delivers the messages of the outbox until ctx ends. Any number of
// programs may do so at once.
func (d *Directory) RunOutbox(ctx context.Context, s Senders) error { return errLater }

// Messages returns messages of the outbox, the latest first.
func (d *Directory) Messages(ctx context.Context, q dialer.MessageQuery) ([]dialer.Message, error) {
	return nil, errLater
}

// MessageCounts returns how much waits in the outbox, by kind.
func (d *Directory) MessageCounts(ctx context.Context) ([]dialer.MessageCount, error) {
	return nil, errLater
}

// RetryMessage has a message that failed, or waits, sent again at once.
func (d *Directory) RetryMessage(ctx context.Context, id int64, by dialer.Actor) error {
	return errLater
}

// Invite queues an invitation for a user who was never sent one; again queues
// another, which makes the earlier ones void.
func (d *Directory) Invite(ctx context.Context, userID string, again bool, by dialer.Actor) (dialer.Invitation, error) {
	return dialer.Invitation{}, errLater
}

// Invitations returns the latest invitation of each of users; who has none is
// not among them.
func (d *Directory) Invitations(ctx context.Context, userIDs []string) (map[string]dialer.Invitation, error) {
	return nil, errLater
}

// AcceptInvitation sets the password of the user who was invited, once.
func (d *Directory) AcceptInvitation(ctx context.Context, token, password dialer.Secret) (userID string, err error) {
	return "", errLater
}
