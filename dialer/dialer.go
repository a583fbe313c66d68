// Package dialer holds the words and rules of a phone dialer's users: what a
// user is, what may be changed and why, and what a directory of users must
// promise. It knows nothing of Salesforce, of SQL or of HTTP.
package dialer

import (
	"context"
	"iter"
)

// Directory is what reconcile writes to and what push reads from.
type Directory interface {
	// Users yields every user that q selects, ordered by q.Order, or an error
	// as its last element: a stream that ends without one was complete.
	Users(ctx context.Context, q Query) iter.Seq2[User, error]
	// Apply carries out changes in the given order and answers one Result a
	// change, in the same order. Each change commits together with its audit
	// row or not at all; applying one twice has the effect of once. Within one
	// call a user name, e-mail address or seat that one change releases can be
	// claimed by another, whatever their order: addresses can be swapped.
	Apply(ctx context.Context, changes []Change) []Result
}

// Status says whether a user has access.
type Status string

// The statuses of a user. StatusAll is for queries only.
const (
	StatusActive   Status = "active"
	StatusInactive Status = "inactive"
	StatusDeleted  Status = "deleted"
	StatusAll      Status = "all"
)

// Reason says why a user has the status that they have.
type Reason string

// The reasons of a status. ReasonNone goes with an active user.
const (
	ReasonNone               Reason = ""
	ReasonManual             Reason = "manual"
	ReasonSalesforceInactive Reason = "salesforce_inactive"
	ReasonSalesforceFrozen   Reason = "salesforce_frozen"
	ReasonOutOfScope         Reason = "out_of_scope"
	ReasonNoSeat             Reason = "no_seat"
	ReasonDeleted            Reason = "delete"
)

// BySync reports whether the sync gave the reason, and so may undo it.
func (r Reason) BySync() bool {
	switch r {
	case ReasonSalesforceInactive, ReasonSalesforceFrozen, ReasonOutOfScope, ReasonNoSeat:
		return true
	}
	return false
}

// Origin says how a user came into the directory.
type Origin string

// The origins of a user.
const (
	OriginSalesforce Origin = "salesforce"
	OriginLocal      Origin = "local"
	OriginImport     Origin = "import"
)

// Integration reasons: how a user stands with Salesforce.
const (
	IntegrationOK          = "ok"
	IntegrationNoMatch     = "no_match"
	IntegrationMultiple    = "multiple_matches"
	IntegrationMismatch    = "email_mismatch"
	IntegrationInactive    = "sf_inactive"
	IntegrationFrozen      = "sf_frozen"
	IntegrationOutOfScope  = "out_of_scope"
	IntegrationNotVisible  = "not_visible"
	IntegrationUnreachable = "sf_unreachable"
	StatusIntegrated       = "integrated"
	StatusNotIntegrated    = "not_integrated"
	DefaultPermissionGroup = "Reps"
	DefaultRole            = "Agent"
	SystemRoleUser         = "user"
	SystemRoleSupervisor   = "supervisor"
	SystemRoleAdmin        = "admin"
	ActorSync              = "sync"
	ActorScheduler         = "scheduler"
)
