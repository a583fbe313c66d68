package dialer

import (
	"encoding/json"
	"time"
)

// Activity is one entry of the audit trail: who changed what of whom, and why.
type Activity struct {
	Seq          int64     `json:"seq"`
	At           time.Time `json:"at"`
	Actor        Actor     `json:"actor"`
	UserID       string    `json:"user_id"`
	SalesforceID string    `json:"salesforce_id,omitempty"`
	Verb         Verb      `json:"verb"`
	Reason       Reason    `json:"reason,omitempty"`
	Note         string    `json:"note,omitempty"`
	// Before and After are JSON objects that hold the attributes which changed.
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
	RunID  string          `json:"run_id,omitempty"`
}

// The verbs of entries that are no changes of a user's attributes.
const (
	VerbPurchase      Verb = "purchase"       // the number of seats of a license type was set
	VerbSignIn        Verb = "sign_in"        // a session began
	VerbLockOut       Verb = "lock_out"       // too many wrong passwords or codes
	VerbEndSession    Verb = "end_session"    // a person ended one session or several
	VerbSetPassword   Verb = "set_password"   // the user set a password
	VerbResetPassword Verb = "reset_password" // an administrator had one made
	VerbEnroll        Verb = "enroll_2fa"     // the second factor is in use from now on
	VerbResetFactor   Verb = "reset_2fa"      // the second factor and its backup codes are gone
	VerbRequireFactor Verb = "require_2fa"    // a second factor must be enrolled, or need not be
	VerbInvite        Verb = "invite"         // an invitation was queued
	VerbRetry         Verb = "retry_message"  // a message is to be sent again at once
	VerbMass          Verb = "mass"           // a mass action was started, canceled or undone
	VerbExport        Verb = "export"         // users were exported
	VerbAskSuperuser  Verb = "ask_superuser"  // an administrator wants somebody to be a superuser, or no longer does
)

// ActivityQuery selects entries of the audit trail. The zero value selects all
// of them, oldest first.
type ActivityQuery struct {
	UserID    string
	RunID     string
	Verb      Verb
	Since     time.Time // only entries of this time or later
	Until     time.Time // only entries before this time
	Actor     string    // only by the actor of this name
	ActorKind string    // only by actors of this kind
	Text      string    // only entries with this text in the note, the actor's name or the values before and after
	After     int64     // keyset: only entries beyond this Seq, in the order asked for
	From      int64     // only entries from this Seq on
	To        int64     // only entries up to this Seq; 0 means no such limit
	Newest    bool      // newest first
	Limit     int       // 0 means 1,000
}

// Leaver is someone who lost access: the evidence an auditor asks for.
type Leaver struct {
	UserID       string `json:"user_id"`
	SalesforceID string `json:"salesforce_id,omitempty"`
	Username     string `json:"username"`
	DisplayName  string `json:"display_name"`
	Reason       Reason `json:"reason"`
	Actor        Actor  `json:"actor"`
	// LeftSource is when Salesforce said that the person leaves; zero where an
	// administrator took the access without it.
	LeftSource time.Time `json:"left_salesforce,omitzero"`
	// Scheduled is when rosterd saw it and set a time; zero when it acted at once.
	Scheduled time.Time `json:"scheduled,omitzero"`
	// Due is the time that was set for it.
	Due time.Time `json:"due,omitzero"`
	// LeftDialer is when access ended, and every session with it.
	LeftDialer    time.Time `json:"left_dialer"`
	DelaySeconds  int64     `json:"delay_seconds"` // from LeftSource to LeftDialer; 0 without LeftSource
	SessionsEnded int64     `json:"sessions_ended"`
	// Redirects is how many active users still send their calls to the leaver.
	Redirects int64 `json:"redirects"`
	// Proof is the Seq of the entry in the audit trail that ended the access.
	Proof int64 `json:"proof"`
}

// LeaverQuery selects leavers, the latest first. The zero value selects all.
type LeaverQuery struct {
	Since time.Time // only those who lost access at this time or later
	Until time.Time // only those who lost it before this time
	After int64     // keyset: only those beyond this Proof
	Limit int       // 0 means 1,000
}
