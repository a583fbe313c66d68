package sync

import (
	"errors"
	"fmt"
)

// What callers branch on.
var (
	ErrNoRun       = errors.New("no such run")
	ErrRunEnded    = errors.New("the run has ended already")
	ErrNothingHeld = errors.New("the run holds nothing")
	ErrHeldChanged = errors.New("what is held has changed since that run")
	ErrUnknownUser = errors.New("no such user, neither in Salesforce as last read nor in the dialer")
	ErrAmbiguous   = errors.New("several users fit")
)

// hinted is an error that says what to do about it.
type hinted struct {
	error
	hint string
}

// Hint says what to do.
func (h *hinted) Hint() string { return h.hint }

// Unwrap returns the error itself.
func (h *hinted) Unwrap() error { return h.error }

// ErrStandby is the refusal of an instance that is not in charge.
func errStandby() error {
	return &hinted{ErrStandby, "another rosterd works on this database; ask that one, or stop it"}
}

// ErrStandby and ErrPaused are why a request is refused.
var (
	ErrStandby = errors.New("this instance stands by")
	ErrPaused  = errors.New("syncing is paused")
	ErrQuota   = errors.New("the API quota does not allow it")
)

// QuotaError says which limit a request would cross.
type QuotaError struct {
	Need, Left int
	What       string // budget or reserve
}

// Error gives the figures.
func (e *QuotaError) Error() string {
	if e.Need == 1 {
		return "it takes an API call, and the " + e.What + " leaves none"
	}
	return fmt.Sprintf("the run needs about %d calls and the %s leaves %d", e.Need, e.What, max(e.Left, 0))
}

// Hint says what to do.
func (e *QuotaError) Hint() string {
	return "wait until calls of the last 24 hours have aged, or repeat with --override and --reason"
}

// Is makes a QuotaError an ErrQuota.
func (e *QuotaError) Is(target error) bool { return target == ErrQuota }

// calls says how many calls, about.
func calls(n int) string {
	if n == 1 {
		return "1 call"
	}
	return fmt.Sprintf("%d calls", n)
}

// AddResult is how adding one Salesforce user to the dialer ended.
type AddResult struct {
	Ref          string `json:"ref"`
	SalesforceID string `json:"salesforce_id,omitempty"`
	UserID       string `json:"user_id,omitempty"`
	Outcome      string `json:"outcome"` // added, linked, already, refused, no_seat
	Detail       string `json:"detail,omitempty"`
}
