package directory

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

var errLater = errors.New("not served yet")

// ListSessions returns one page of sessions, the latest first, and what to ask
// for After to get the next; "" when there are no more.
func (d *Directory) ListSessions(ctx context.Context, q dialer.SessionQuery) (page []dialer.Session, next string, err error) {
	return nil, "", errLater
}

// CountSessions returns how many sessions q selects; After and Limit play no
// part.
func (d *Directory) CountSessions(ctx context.Context, q dialer.SessionQuery) (int64, error) {
	return 0, errLater
}

// EndSessions ends the sessions that scope names, and says how many. To end one
// that has ended is no error; one that never was is dialer.ErrNoSession.
func (d *Directory) EndSessions(ctx context.Context, scope dialer.SessionScope, reason dialer.EndReason, note string, by dialer.Actor) (int64, error) {
	return 0, errLater
}

// ExpireSessions ends sessions that nobody has used for as long as idle.
func (d *Directory) ExpireSessions(ctx context.Context, idle time.Duration) (int64, error) {
	return 0, errLater
}

// Authenticate returns the session that a token of SignIn proves, and notes
// that it is in use. From an address that the user's list does not allow it
// ends the session: dialer.ErrAddress.
func (d *Directory) Authenticate(ctx context.Context, token dialer.Secret, ip string) (dialer.SignedIn, error) {
	return dialer.SignedIn{}, errLater
}

// Credential returns what is known of how a user signs in.
func (d *Directory) Credential(ctx context.Context, userID string) (dialer.Credential, error) {
	return dialer.Credential{}, errLater
}

// ResetPassword makes a new password for a user, which is returned this once,
// and ends every session of theirs in the same transaction.
func (d *Directory) ResetPassword(ctx context.Context, userID string, mustChange bool, by dialer.Actor) (dialer.NewPassword, error) {
	return dialer.NewPassword{}, errLater
}

// SignIn opens a session for who knows the password, and the code where a
// second factor is enrolled. It fails with dialer.ErrSignIn, ErrLocked,
// ErrCodeNeeded, ErrMustChange, ErrAddress, ErrNoAccess, or an InvalidError of
// the new password.
func (d *Directory) SignIn(ctx context.Context, in dialer.SignIn) (dialer.SignedIn, error) {
	return dialer.SignedIn{}, errLater
}

// ChangePassword sets the password of a user who knows the old one, and ends
// every session but keep.
func (d *Directory) ChangePassword(ctx context.Context, userID string, old, password dialer.Secret, keep string) error {
	return errLater
}

// EnrollFactor makes a second factor and backup codes for a user, which are
// returned this once. It is in use once VerifyFactor has seen a code of it. A
// user who has one already is dialer.ErrEnrolled.
func (d *Directory) EnrollFactor(ctx context.Context, userID string) (dialer.Enrollment, error) {
	return dialer.Enrollment{}, errLater
}

// VerifyFactor takes a second factor into use.
func (d *Directory) VerifyFactor(ctx context.Context, userID string, code dialer.Secret) error {
	return errLater
}

// RequireFactor says whether a user must enroll a second factor.
func (d *Directory) RequireFactor(ctx context.Context, userID string, must bool, by dialer.Actor) error {
	return errLater
}

// ResetFactor deletes the second factor of a user and its backup codes, has
// them enroll a new one, and ends their sessions. Where there is none it is
// dialer.ErrNotEnrolled.
func (d *Directory) ResetFactor(ctx context.Context, userID string, by dialer.Actor) (sessionsEnded int64, err error) {
	return 0, errLater
}

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
