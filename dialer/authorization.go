package dialer

import (
	"errors"
	"time"
)

// The states of a user's authorization: whether they let the dialer act for
// them in Salesforce. Salesforce is not asked: the dialer's programs say what
// came of it, or an administrator does.
const (
	NotAsked   = "not_started"
	Asked      = "pending"
	Authorized = "authorized"
	Revoked    = "revoked" // taken back, or gone with the user's access
	Expired    = "expired"
	AuthFailed = "error"
)

// AuthorizationStates lists the states.
func AuthorizationStates() []string {
	return []string{NotAsked, Asked, Authorized, Revoked, Expired, AuthFailed}
}

// ErrNoAsking says that nothing is set which could be told to who is asked.
var ErrNoAsking = errors.New("nothing is set that asks users to authorize the dialer")

// SetAuthorization writes a state and when it came about, and returns the
// attributes that it wrote.
func SetAuthorization(u *User, state string, at time.Time) []Field {
	when := at.UTC().Format(time.RFC3339Nano)
	written := []Field{FieldSFAuthorization}
	if state == FieldSFAuthorization.Text(u) && state != Asked {
		return written
	}
	FieldSFAuthorization.SetText(u, state)
	switch state {
	case Asked:
		FieldSFAuthAskedAt.SetText(u, when)
		written = append(written, FieldSFAuthAskedAt)
	case Authorized:
		FieldSFAuthorizedAt.SetText(u, when)
		written = append(written, FieldSFAuthorizedAt)
	}
	return written
}
