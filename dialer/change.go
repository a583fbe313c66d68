package dialer

import "time"

// Verb is what a change does to a user.
type Verb string

// The verbs. Every verb may carry Fields, written in the same act.
const (
	VerbCreate     Verb = "create"     // a new user; User is what they shall be
	VerbLink       Verb = "link"       // an existing user gets its Salesforce id
	VerbUpdate     Verb = "update"     // Fields of User are written
	VerbSchedule   Verb = "schedule"   // access ends at DeactivateAt
	VerbUnschedule Verb = "unschedule" // access no longer ends
	VerbDeactivate Verb = "deactivate" // access ends now: seats released, sessions ended
	VerbActivate   Verb = "activate"   // access begins again; needs seats
	VerbDelete     Verb = "delete"     // a tombstone; people only, never the sync
	VerbAsk        Verb = "ask"        // the user is asked to authorize the dialer in Salesforce, once
	VerbSettle     Verb = "settle"     // only SettledHash and SettledPolicy; no audit row
)

// OnNoSeat says what becomes of someone for whom no seat is left.
type OnNoSeat string

// The policies at the cap. Under each the person gets a seat in turn when one
// frees; they differ in what stands in the directory until then.
const (
	NoSeatReject         OnNoSeat = "reject"
	NoSeatCreateInactive OnNoSeat = "create_inactive"
	NoSeatWaitlist       OnNoSeat = "waitlist"
)

// Actor is who made a change.
type Actor struct {
	Kind string `json:"kind"` // sync, scheduler, admin, support, manager, api, system
	Name string `json:"name"`
}

// Change is one intended act on one user, with its reason.
type Change struct {
	Verb    Verb
	UserID  string  // empty for VerbCreate
	User    User    // for VerbCreate the whole user; else the values of Fields
	Fields  []Field // which attributes of User to write; nil for VerbCreate
	Reason  Reason  // for schedule and deactivate, the new StatusReason
	Note    string  // why, in words: a rule that fired, a person's reason
	At      time.Time
	Version int64 // the version it was decided on; 0 means whichever
	Seats   []string
	NoSeat  OnNoSeat
	Actor   Actor
	RunID   string

	NoInvite bool      // a user who gets access is not invited
	Agreed   bool      // for is_superuser: two administrators want it, where the org asks for two
	Again    bool      // for ask: though they were asked, or have authorized
	Source   time.Time // when the system that it comes from changed, if that is known
}

// Outcome is how a change ended.
type Outcome string

// The outcomes of a change.
const (
	Applied   Outcome = "applied"
	Unchanged Outcome = "unchanged" // the user already was as the change wants
	Refused   Outcome = "refused"   // Err says why; nothing was written
)

// Result is the end of one change.
type Result struct {
	UserID  string
	Outcome Outcome
	Err     error // nil unless Refused
	NoSeat  bool  // created or kept inactive because no seat is left
	Version int64 // of the user after the change
}
