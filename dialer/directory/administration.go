package directory

import (
	"context"
	"errors"
	"io"

	"github.com/rosterd/rosterd/dialer"
)

var errLater = errors.New("not served yet")

// PreviewMass fixes whom a mass action is for, and finds out what would come of
// each of them. Nothing is written to any user until StartMass.
func (d *Directory) PreviewMass(ctx context.Context, r dialer.MassRequest) (dialer.MassAction, error) {
	return dialer.MassAction{}, errLater
}

// PreviewImport reads users from a file and finds out what would come of each:
// a mass action that StartMass starts. A file that cannot be read at all is an
// *dialer.ImportError; a row that is wrong is refused by itself.
func (d *Directory) PreviewImport(ctx context.Context, r dialer.ImportRequest, file io.Reader) (dialer.MassAction, error) {
	return dialer.MassAction{}, errLater
}

// StartMass starts a mass action that was previewed. confirm must be its Total.
func (d *Directory) StartMass(ctx context.Context, id, confirm int64, by dialer.Actor) (dialer.MassAction, error) {
	return dialer.MassAction{}, errLater
}

// CancelMass stops a mass action. Nobody after the users under way is touched,
// and what was done stays.
func (d *Directory) CancelMass(ctx context.Context, id int64, by dialer.Actor) (dialer.MassAction, error) {
	return dialer.MassAction{}, errLater
}

// UndoMass starts a mass action that gives back what another one changed, but
// for users in whom the attribute was changed again since.
func (d *Directory) UndoMass(ctx context.Context, id int64, by dialer.Actor) (dialer.MassAction, error) {
	return dialer.MassAction{}, errLater
}

// MassAction returns a mass action.
func (d *Directory) MassAction(ctx context.Context, id int64) (dialer.MassAction, error) {
	return dialer.MassAction{}, errLater
}

// MassActions returns at most limit mass actions, the latest first, older than
// before unless that is 0.
func (d *Directory) MassActions(ctx context.Context, before int64, limit int) ([]dialer.MassAction, error) {
	return nil, errLater
}

// MassItems returns what came of the users of a mass action, in their order.
func (d *Directory) MassItems(ctx context.Context, id int64, q dialer.MassItemQuery) ([]dialer.MassItem, error) {
	return nil, errLater
}

// RunMass carries out mass actions as they are started, until ctx ends. Any
// number of programs may do so at once: each user is dealt with once.
func (d *Directory) RunMass(ctx context.Context) error { return errLater }

// Export writes the users that q selects as csv or json, a user a row, and says
// how many. columns nil means every attribute that can be exported. What it
// writes can be imported.
func (d *Directory) Export(ctx context.Context, w io.Writer, format string, q dialer.Query, columns []dialer.Field) (int64, error) {
	return 0, errLater
}

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
