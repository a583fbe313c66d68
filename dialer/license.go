package dialer

import (
	"encoding/json"
	"time"
)

// License is a license type of an org, with its seats.
type License struct {
	Type      string `json:"type"`
	Purchased int64  `json:"purchased"`
	Assigned  int64  `json:"assigned"`
	Left      int64  `json:"left"` // negative after Purchased was lowered beneath Assigned
	// Default says that a user who is added gets a seat of this type.
	Default bool `json:"default"`
	// RequiresSalesforce says that only users linked to Salesforce can hold it.
	RequiresSalesforce bool `json:"requires_salesforce"`
}

// Session is a user's sign-in to the dialer.
type Session struct {
	ID         string    `json:"id"`
	UserID     string    `json:"user_id"`
	Client     string    `json:"client"` // web, desktop, mobile, cti or sip
	IP         string    `json:"ip"`
	StartedAt  time.Time `json:"started_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	EndReason  string    `json:"end_reason,omitempty"`
}

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

// ActivityQuery selects entries of the audit trail. The zero value selects all
// of them, oldest first.
type ActivityQuery struct {
	UserID string
	RunID  string
	Verb   Verb
	Since  time.Time // only entries of this time or later
	After  int64     // keyset: only entries beyond this Seq, in the order asked for
	Newest bool      // newest first
	Limit  int       // 0 means 1,000
}
