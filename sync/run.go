package sync

import (
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// Kind is what a run reads from Salesforce.
type Kind string

// The kinds of run.
const (
	KindFull    Kind = "full"    // a complete snapshot
	KindChanges Kind = "changes" // what changed since the watermark
	KindUser    Kind = "user"    // named users, by id
)

// RunOutcome is how a run ended.
type RunOutcome string

// The outcomes of a run.
const (
	Running         RunOutcome = "running"
	Succeeded       RunOutcome = "succeeded"
	SucceededIssues RunOutcome = "succeeded_with_issues" // some users could not be brought true
	Held            RunOutcome = "held"                  // a part waits for a person; the rest is done
	PausedQuota     RunOutcome = "paused_quota"          // stopped for lack of API calls; goes on by itself
	Failed          RunOutcome = "failed"
	Cancelled       RunOutcome = "cancelled"
)

// The stages of a run, and what begins one.
const (
	stageQueued    = "queued"
	stageReplicate = "replicate"
	stageReconcile = "reconcile"
	stageDone      = "done"

	triggerStart    = "start"
	triggerSchedule = "schedule"
	triggerPoll     = "poll"
	triggerRequest  = "request"
	triggerPolicy   = "policy"
	triggerApproval = "approval"
	triggerEvent    = "event"
)

// Run is one pass, as the journal keeps it. Counts are of users.
type Run struct {
	ID       int64        `json:"id"` // negative for dry runs, which are kept in memory only
	Org      string       `json:"org"`
	Kind     Kind         `json:"kind"`
	Trigger  string       `json:"trigger"` // start, schedule, poll, policy, request, approval or event
	DryRun   bool         `json:"dry_run,omitempty"`
	Override bool         `json:"override,omitempty"` // may cross the quota budget
	Reason   string       `json:"reason,omitempty"`
	Actor    dialer.Actor `json:"actor"`
	Users    []string     `json:"users,omitempty"` // Salesforce ids, for KindUser

	Outcome  RunOutcome `json:"outcome"`
	Stage    string     `json:"stage,omitempty"` // queued, replicate, reconcile or done
	Paused   bool       `json:"paused,omitempty"`
	Error    string     `json:"error,omitempty"`
	Hint     string     `json:"hint,omitempty"`
	Started  time.Time  `json:"started_at"`
	Finished time.Time  `json:"finished_at,omitzero"`
	TookMS   int64      `json:"took_ms"`

	Counts
	Progress Progress `json:"progress"`

	Snapshot    Snapshot `json:"snapshot,omitempty"`     // how a full sync read everyone: rest or bulk
	SnapshotWhy string   `json:"snapshot_why,omitempty"` // and why so

	SkippedBy map[string]int `json:"skipped_by,omitempty"` // Skipped, by reason; known at the end

	HeldFingerprint string        `json:"held_fingerprint,omitempty"`
	HeldWhy         string        `json:"held_why,omitempty"` // which limit, or a changed scope
	HeldItems       []HeldItem    `json:"held_items,omitempty"`
	ApprovedBy      string        `json:"approved_by,omitempty"` // who approved what it held, and why
	ApprovedAt      time.Time     `json:"approved_at,omitzero"`
	Changes         []PlannedItem `json:"changes,omitempty"` // the first of what a dry run would do
}

// Counts are what a run read, did and left.
type Counts struct {
	Read            int `json:"read"`     // rows received from Salesforce
	Mirrored        int `json:"mirrored"` // mirror rows written
	Created         int `json:"created"`
	Linked          int `json:"linked"`
	Updated         int `json:"updated"`
	Deactivated     int `json:"deactivated"`
	Reactivated     int `json:"reactivated"`
	Scheduled       int `json:"scheduled"`   // deactivations set for later
	Unscheduled     int `json:"unscheduled"` // deactivations called off
	Skipped         int `json:"skipped"`     // left alone on purpose: protected, held by an administrator, no seat
	Failed          int `json:"failed"`
	Held            int `json:"held"`
	Attention       int `json:"attention"` // attention items opened
	SalesforceCalls int `json:"salesforce_calls"`
	TargetCalls     int `json:"target_calls"`
}

// Progress says how far a run is. Total is an estimate, 0 when unknown.
type Progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// HeldItem is one change that waits for approval.
type HeldItem struct {
	SalesforceID  string        `json:"salesforce_id"`
	UserID        string        `json:"user_id"`
	Verb          dialer.Verb   `json:"verb"`
	Reason        dialer.Reason `json:"reason,omitempty"`
	Why           string        `json:"why"`
	Since         time.Time     `json:"since"`
	ApprovedUntil time.Time     `json:"approved_until,omitzero"`
	ApprovedBy    string        `json:"approved_by,omitempty"`
}

// PlannedItem is one change that a dry run would make.
type PlannedItem struct {
	SalesforceID string         `json:"salesforce_id"`
	UserID       string         `json:"user_id,omitempty"`
	Verb         dialer.Verb    `json:"verb"`
	Fields       []dialer.Field `json:"fields,omitempty"`
	Reason       dialer.Reason  `json:"reason,omitempty"`
	Held         bool           `json:"held,omitempty"`
}

// Request asks for a run.
type Request struct {
	Kind     Kind
	Users    []string // for KindUser: Salesforce id, dialer id, user name or e-mail
	DryRun   bool
	Override bool // may cross the quota budget; needs a Reason
	Reason   string
	Actor    dialer.Actor
}

// Cost is what a run would cost, for a person to see before it starts.
type Cost struct {
	Kind       Kind    `json:"kind"`
	Users      int     `json:"users"` // estimated from the mirror
	Calls      int     `json:"calls"`
	BudgetLeft int     `json:"budget_left"` // -1 when there is no budget
	OrgLeft    int     `json:"org_left"`    // of the org's daily limit; -1 when unknown
	Percent    float64 `json:"percent"`     // Calls of OrgLeft
	Allowed    bool    `json:"allowed"`     // within budget and reserve
	Running    int64   `json:"running"`     // a run that a request would join; 0 for none
}

// AttentionItem is something only a person can decide.
type AttentionItem struct {
	ID     int64     `json:"id"`
	Kind   string    `json:"kind"`
	User   string    `json:"user"` // Salesforce id, or the dialer user's id; empty when it concerns the org
	Detail string    `json:"detail"`
	Since  time.Time `json:"since"`

	Ignored *Ignored `json:"ignored,omitempty"` // who decided to leave it as it is
}

// Ignored is who decided to leave an item as it is, and why.
type Ignored struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// Kinds of attention item.
const (
	AttentionDuplicate  = "duplicate_source"  // several Salesforce users claim one address
	AttentionAmbiguous  = "ambiguous_match"   // several dialer users could be the person
	AttentionTaken      = "value_taken"       // an address or user name belongs to someone else
	AttentionInvisible  = "lost_visibility"   // Salesforce no longer shows the user
	AttentionNoSeat     = "no_seat"           // nobody can be added until a seat frees
	AttentionParked     = "parked"            // a change fails again and again
	AttentionField      = "field_not_visible" // a Salesforce field vanished
	AttentionShrink     = "source_shrink"     // the org shows far fewer users than before
	AttentionFrozen     = "frozen_unreadable" // UserLogin cannot be read
	AttentionRefreshed  = "sandbox_refreshed" // addresses end in .invalid
	AttentionOrg        = "wrong_org"         // another org answers
	AttentionPermission = "permission"        // the integration user lacks a permission
	AttentionStream     = "no_events"         // change events do not come, and a person must mend that
)

// Status is how one org stands.
type Status struct {
	Name        string        `json:"name"`
	State       string        `json:"state"` // ok, running, standby, paused, degraded, blocked
	Reasons     []string      `json:"reasons,omitempty"`
	Salesforce  string        `json:"salesforce_org,omitempty"` // pinned org id
	LastFull    time.Time     `json:"last_full,omitzero"`
	LastChange  time.Time     `json:"last_change,omitzero"` // last successful look for changes
	NextFull    time.Time     `json:"next_full,omitzero"`
	NextPoll    time.Time     `json:"next_poll,omitzero"`
	Mirror      int           `json:"mirror_users"`
	Enrolled    int           `json:"enrolled"`
	Held        int           `json:"held"`
	Attention   int           `json:"attention"`
	Waiting     int           `json:"waiting"` // for a seat
	Overdue     int           `json:"overdue"` // deactivations whose time has passed
	Running     int64         `json:"running,omitempty"`
	Quota       QuotaStatus   `json:"quota"`
	Changes     ChangesStatus `json:"changes"` // how they are found
	LastError   string        `json:"last_error,omitempty"`
	LastErrorAt time.Time     `json:"last_error_at,omitzero"`
}

// Explanation says why a person is in the state that they are in, from local
// state only.
type Explanation struct {
	Asked      string            `json:"asked"`
	Source     *Source           `json:"source"`                     // null when Salesforce never showed such a user
	Unseen     string            `json:"unseen_prefilter,omitempty"` // the prefilter in force, when no sync has shown the user yet
	Scope      *ScopeVerdict     `json:"scope,omitempty"`
	Match      string            `json:"match"`
	User       *UserView         `json:"user"` // null when not in the dialer
	Mapping    []MappedField     `json:"mapping,omitempty"`
	Diff       []FieldDiff       `json:"diff,omitempty"`
	Seat       string            `json:"seat"`
	Pending    []PendingView     `json:"pending,omitempty"`
	Attention  []AttentionItem   `json:"attention,omitempty"`
	Actions    []dialer.Activity `json:"actions,omitempty"`
	Conclusion string            `json:"conclusion"` // one plain sentence
}

// Source is the mirror's copy of a Salesforce user.
type Source struct {
	ID       string         `json:"id"`
	Fields   map[string]any `json:"fields"`
	Frozen   bool           `json:"frozen"`
	Visible  bool           `json:"visible"`
	Modified time.Time      `json:"modified"`
	ReadAt   time.Time      `json:"read_at"`
}

// ScopeVerdict is what the scope says of a Salesforce user, clause by clause.
type ScopeVerdict struct {
	Expression string   `json:"expression"`
	In         bool     `json:"in"`
	Clauses    []Clause `json:"clauses"`
	Error      string   `json:"error,omitempty"`
}

// Clause is one operand of the scope's conjunction.
type Clause struct {
	Expression string `json:"expression"`
	True       bool   `json:"true"`
}

// MappedField is what a rule gives for an attribute.
type MappedField struct {
	Field string `json:"field"`
	Rule  string `json:"rule"`
	Own   Own    `json:"own"`
	Value any    `json:"value"`
	Held  bool   `json:"held,omitempty"` // a Salesforce field it uses is not visible
}

// FieldDiff is an attribute that differs from what it shall be.
type FieldDiff struct {
	Field string `json:"field"`
	Have  any    `json:"have"`
	Want  any    `json:"want"`
}

// PendingView is something that waits for its time or turn.
type PendingView struct {
	Kind     string    `json:"kind"` // retry, no_seat, held, deactivation
	Since    time.Time `json:"since,omitzero"`
	Next     time.Time `json:"next,omitzero"`
	Attempts int       `json:"attempts,omitempty"`
	Detail   string    `json:"detail,omitempty"`
}

// UserView is a dialer user as explain shows it.
type UserView struct {
	ID           string        `json:"id"`
	Username     string        `json:"username"`
	Status       dialer.Status `json:"status"`
	StatusReason dialer.Reason `json:"status_reason,omitempty"`
	DeactivateAt time.Time     `json:"deactivate_at,omitzero"`
	Licenses     []string      `json:"license_types"`
	AdminHold    bool          `json:"admin_hold,omitempty"`
	Protected    bool          `json:"protected,omitempty"`
}

// CheckResult is one line of doctor.
type CheckResult struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}
