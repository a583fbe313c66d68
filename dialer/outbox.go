package dialer

import (
	"encoding/json"
	"errors"
	"time"
)

// MessageKind is what a message to another system is about.
type MessageKind string

// The kinds of message.
const (
	// MessageUnassignLeads asks the owner of leads to take those of a deleted
	// user away. It is sent until it is acknowledged.
	MessageUnassignLeads MessageKind = "leads_unassign"
	// MessageInvitation asks a new user to set a password.
	MessageInvitation MessageKind = "invitation"
	// MessageAuthorization asks a user to let the dialer act for them in
	// Salesforce.
	MessageAuthorization MessageKind = "authorization"
)

// Message is something that another system must hear of. It is sent at least
// once; Key is the same each time, so that the other can tell.
type Message struct {
	ID       int64           `json:"id"`
	Kind     MessageKind     `json:"kind"`
	Key      string          `json:"key"` // idempotency key, unique
	UserID   string          `json:"user_id"`
	Payload  json.RawMessage `json:"payload"`
	Attempts int64           `json:"attempts"`
	Created  time.Time       `json:"created_at"`
	NextAt   time.Time       `json:"next_at,omitzero"` // when it is sent next; zero once it is settled
	Settled  time.Time       `json:"settled_at,omitzero"`
	State    string          `json:"state"` // pending, sent or failed
	LastErr  string          `json:"last_error,omitempty"`
}

// The states of a message.
const (
	MessagePending = "pending"
	MessageSent    = "sent"
	MessageFailed  = "failed"
)

// MessageQuery selects messages, the latest first. The zero value selects all.
type MessageQuery struct {
	Kind   MessageKind
	State  string
	UserID string
	After  int64 // keyset: only those beyond this ID
	Limit  int   // 0 means 100
}

// MessageCount is how many messages of a kind wait, and since when.
type MessageCount struct {
	Kind    MessageKind `json:"kind"`
	Pending int64       `json:"pending"`
	Failed  int64       `json:"failed"`
	Oldest  time.Time   `json:"oldest,omitzero"` // of those pending
}

// Letter is a message to a user as its sender gets it. It never rests in a
// database: Link of an invitation holds the token that lets the receiver set a
// password.
type Letter struct {
	Kind      MessageKind `json:"-"` // invitation or authorization; "" is an invitation
	Key       string      `json:"key"`
	To        string      `json:"to"`
	Name      string      `json:"name"`
	Username  string      `json:"username"`
	Link      Secret      `json:"link"`
	Text      string      `json:"text,omitempty"`      // of an authorization: what the org has to say
	ExpiresAt time.Time   `json:"expires_at,omitzero"` // of an invitation
}

// ErrUndeliverable is wrapped by a sender that knows that trying again is of no
// use.
var ErrUndeliverable = errors.New("it cannot be delivered")

// ErrNoMessage says that there is no such message, ErrMessageSent that it needs
// no second attempt.
var (
	ErrNoMessage   = errors.New("no such message")
	ErrMessageSent = errors.New("the message was delivered")
)

// InviteState is how far an invitation has come.
type InviteState string

// The states of an invitation.
const (
	InviteNone     InviteState = "none"
	InviteQueued   InviteState = "queued"
	InviteSent     InviteState = "sent"
	InviteAccepted InviteState = "accepted"
	InviteExpired  InviteState = "expired"
	InviteFailed   InviteState = "failed"
)

// Invitation is the latest invitation of a user.
type Invitation struct {
	UserID     string      `json:"user_id"`
	Epoch      int64       `json:"epoch"` // counts the invitations of the user
	State      InviteState `json:"state"`
	CreatedAt  time.Time   `json:"created_at,omitzero"`
	SentAt     time.Time   `json:"sent_at,omitzero"`
	ExpiresAt  time.Time   `json:"expires_at,omitzero"`
	AcceptedAt time.Time   `json:"accepted_at,omitzero"`
}

// InvitePolicy says who is invited without being asked for.
type InvitePolicy string

// The policies. An invitation is queued when a user first gets access.
const (
	InviteNobody InvitePolicy = ""      // only by Directory.Invite
	InviteAdded  InvitePolicy = "added" // those whom a person adds
	InviteAll    InvitePolicy = "all"   // those whom the sync adds too
)
