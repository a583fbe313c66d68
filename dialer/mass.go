package dialer

import (
	"encoding/json"
	"errors"
	"time"
)

// What a mass action can be refused for.
var (
	ErrNoMass      = errors.New("no such mass action")
	ErrMassState   = errors.New("the mass action is not in a state for that")
	ErrMassConfirm = errors.New("the confirmed number of users is not that of the mass action")
	ErrMassScope   = errors.New("a mass action needs a scope: ids, a filter, or all")
	ErrMassUndo    = errors.New("the mass action cannot be undone")
	ErrMassSince   = errors.New("changed since by someone else")
	ErrOutside     = errors.New("the user is in none of the groups that the caller manages")
)

// MassState is how far a mass action has come.
type MassState string

// The states, in order. Only MassRunning goes on by itself.
const (
	MassPreviewed MassState = "previewed" // its users are fixed and counted; nothing is written
	MassRunning   MassState = "running"
	MassDone      MassState = "done"     // Refused says with what success
	MassCanceled  MassState = "canceled" // what was done until then stays
)

// MassVerb is what a mass action does to each of its users.
type MassVerb string

// The verbs. Set writes one attribute; add, remove and replace are for those
// that hold a set of groups. Import and undo are made from a file and from
// another mass action.
const (
	MassSet        MassVerb = "set"
	MassAdd        MassVerb = "add"
	MassRemove     MassVerb = "remove"
	MassReplace    MassVerb = "replace"
	MassActivate   MassVerb = "activate"
	MassDeactivate MassVerb = "deactivate"
	MassDelete     MassVerb = "delete"
	MassAsk        MassVerb = "ask" // to authorize the dialer in Salesforce
	MassImport     MassVerb = "import"
	MassUndo       MassVerb = "undo"
)

// MassScope says whom a mass action is for. Exactly one of IDs, Filter and All
// is set.
type MassScope struct {
	IDs    []string `json:"ids,omitempty"`
	Filter *Query   `json:"-"` // After and Limit play no part
	// FilterText is the filter as it was written, for people who look at it later.
	FilterText string `json:"filter,omitempty"`
	// All is everyone but protected users and the caller.
	All bool `json:"all,omitempty"`
	// Within limits every scope to members of one of these groups; nil is no
	// limit. Of IDs, the others are refused.
	Within []Group `json:"within,omitempty"`
}

// MassRequest asks for a mass action.
type MassRequest struct {
	Scope  MassScope
	Action MassVerb
	Field  Field           // for set, add, remove and replace
	Value  json.RawMessage // for the same: text, number, true or false, or a list of group names
	Seats  []string        // for activate: license types; nil means those that are the default
	Reason string          // why, in a person's words
	Actor  Actor
	Caller string // user id of the actor, "" if they are no dialer user
}

// MassAction is one act on many users, whose scope was fixed when it was asked
// for.
type MassAction struct {
	ID     int64           `json:"id"`
	State  MassState       `json:"state"`
	Action MassVerb        `json:"action"`
	Field  Field           `json:"field,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	Seats  []string        `json:"seats,omitempty"`
	Scope  string          `json:"scope"` // in words: 3 users, a filter, all
	Reason string          `json:"reason,omitempty"`
	Actor  Actor           `json:"actor"`

	Total int64 `json:"total"`
	// Preview is what the dry run foretold, Done what has come of it.
	Preview MassCounts `json:"preview"`
	Done    MassCounts `json:"done"`

	CreatedAt  time.Time `json:"created_at"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// UndoUntil is until when it can be undone; zero if it cannot.
	UndoUntil time.Time `json:"undo_until,omitzero"`
	UndoOf    int64     `json:"undo_of,omitempty"`   // the mass action that this one undoes
	UndoneBy  int64     `json:"undone_by,omitempty"` // the mass action that undoes this one
}

// MassCounts are numbers of users. Created is part of Changed.
type MassCounts struct {
	Changed   int64 `json:"changed"`
	Created   int64 `json:"created,omitempty"`
	Unchanged int64 `json:"unchanged"`
	Refused   int64 `json:"refused"`
	// Reasons says why users were refused, the most frequent first.
	Reasons []MassReason `json:"reasons,omitempty"`
}

// MassReason is why some users were refused.
type MassReason struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// MassItem is what came of one user.
type MassItem struct {
	Seq      int64  `json:"seq"`
	Line     int64  `json:"line,omitempty"` // of the imported file
	UserID   string `json:"user_id,omitempty"`
	Username string `json:"username,omitempty"`
	// Outcome is changed, created, unchanged or refused; pending until it is
	// its turn.
	Outcome string `json:"outcome"`
	Detail  string `json:"detail,omitempty"`
	// Expected is why the dry run foretells that it will be refused.
	Expected string `json:"expected,omitempty"`
}

// The outcomes of an item.
const (
	ItemPending   = "pending"
	ItemCreated   = "created"
	ItemChanged   = "changed"
	ItemUnchanged = "unchanged"
	ItemRefused   = "refused"
)

// MassItemQuery selects items of a mass action in their order. The zero value
// selects all of them.
type MassItemQuery struct {
	Outcome  string
	Expected bool  // only those that the dry run foretells to be refused
	After    int64 // keyset: only those beyond this Seq
	Limit    int   // 0 means 1,000
}

// ImportRequest asks for users to be read from a file, a row a user.
type ImportRequest struct {
	Format   string   // csv or json
	Seats    []string // of users who are created; nil means the default license types
	NoInvite bool     // users who are created get no invitation
	Reason   string
	Actor    Actor
	Within   []Group // see MassScope
}

// ImportError says what is wrong with a file that cannot be read at all.
type ImportError struct {
	Line int64
	Text string
}

// Error says what is wrong, and in which line.
func (e *ImportError) Error() string { return e.Text }
