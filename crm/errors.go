package crm

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// What callers branch on. Errors that an operator can mend also have a method
// Hint() string, which says how; errors that time may mend have
// Retryable() bool returning true.
var (
	// ErrQuota: the org's daily API allocation is spent. It is flow control and
	// says nothing about any user; wait for minutes to hours.
	ErrQuota = errors.New("the org's API quota is spent")
	// ErrWatermark: a watermark cannot be continued from; read everything instead.
	ErrWatermark = errors.New("unusable watermark")
	// ErrCursor: a snapshot cannot be resumed from that cursor; begin it anew.
	ErrCursor = errors.New("unusable snapshot cursor")
	// ErrFrozenUnreadable: who is frozen cannot be read. It never means nobody.
	ErrFrozenUnreadable = errors.New("frozen users cannot be read")
	// ErrIncomplete: a read ended without proof that it saw everyone.
	ErrIncomplete = errors.New("incomplete read")
	// ErrBulk: a snapshot cannot be taken by the Bulk API now; it may well be by REST.
	ErrBulk = errors.New("bulk read failed")
	// ErrField: a field that was asked for does not exist or is hidden from us.
	ErrField = errors.New("field missing or hidden")
)

// APIError is an answer of Salesforce that is an error. Message is Salesforce's own
// text where that cannot hold anything about a person, and empty elsewhere.
type APIError struct {
	Op         string        // what was asked: query, describe, limits, ...
	Status     int           // HTTP status
	Code       string        // errorCode, such as INVALID_FIELD; empty when the body named none
	Message    string        // scrubbed
	RetryAfter time.Duration // what Retry-After asked for; 0 when it was absent
}

func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "salesforce answered %d", e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	return b.String()
}

// Is makes errors.Is(err, ErrQuota) and errors.Is(err, ErrField) work.
func (e *APIError) Is(target error) bool {
	switch target {
	case ErrQuota:
		return e.Code == codeRequestLimit && !e.concurrent()
	case ErrField:
		return e.Code == "INVALID_FIELD"
	}
	return false
}

// Retryable reports whether the same call may succeed later without anyone
// changing anything. The errorCode decides; the status only where there is none
// that we know.
func (e *APIError) Retryable() bool {
	if known, ok := codeRetryable[e.Code]; ok {
		return known
	}
	return e.Status >= 500 || e.Status == 420 || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
}

// concurrent tells "too many long requests at once", which passes in seconds,
// from a spent daily allocation. Both carry the same code.
func (e *APIError) concurrent() bool {
	return e.Code == codeRequestLimit && strings.Contains(strings.ToLower(e.Message), "concurrent")
}

// Hint says what an operator can do.
func (e *APIError) Hint() string {
	if e.concurrent() {
		return "too many long API requests run in this org at once; it passes by itself"
	}
	if h, ok := codeHint[e.Code]; ok {
		return h
	}
	switch e.Status {
	case http.StatusUnauthorized:
		return "give the integration user \"API Enabled\" and the connected app the scope \"api\""
	case http.StatusGone:
		return codeHint["GONE"]
	case 420:
		return "the org is in maintenance, or the sandbox has expired"
	}
	return ""
}

const codeRequestLimit = "REQUEST_LIMIT_EXCEEDED"

// codeRetryable is by errorCode. REQUEST_LIMIT_EXCEEDED is retryable in that it
// needs only time; whether this process waits for it is decided elsewhere.
var codeRetryable = map[string]bool{
	codeRequestLimit:                true,
	"UNKNOWN_EXCEPTION":             true,
	"SERVER_UNAVAILABLE":            true,
	"QUERY_TIMEOUT":                 true,
	"UNABLE_TO_LOCK_ROW":            true,
	"API_CURRENTLY_DISABLED":        true,
	"INVALID_SESSION_ID":            false,
	"INVALID_FIELD":                 false,
	"INVALID_TYPE":                  false,
	"MALFORMED_QUERY":               false,
	"INVALID_QUERY_FILTER_OPERATOR": false,
	"INVALID_QUERY_LOCATOR":         false,
	"OPERATION_TOO_LARGE":           false,
	"QUERY_TOO_COMPLICATED":         false,
	"NUMBER_OUTSIDE_VALID_RANGE":    false,
	"INSUFFICIENT_ACCESS":           false,
	"API_DISABLED_FOR_ORG":          false,
	"FUNCTIONALITY_NOT_ENABLED":     false,
	"NOT_FOUND":                     false,
	"METHOD_NOT_ALLOWED":            false,
	"UNSUPPORTED_MEDIA_TYPE":        false,
	"URI_TOO_LONG":                  false,
	"GONE":                          false,
}

var codeHint = map[string]string{
	codeRequestLimit:            "raise the org's API allocation, lower what other apps use, or wait: the allocation rolls over 24 hours",
	"INVALID_FIELD":             "give the integration user Read on the field (on Profile and UserRole: \"View Setup and Configuration\"), or stop using it",
	"INVALID_TYPE":              "give the integration user a permission set that reads this object",
	"MALFORMED_QUERY":           "correct the prefilter: it must be a SOQL condition on User",
	"INVALID_SESSION_ID":        "give the integration user \"API Enabled\" and the connected app the scope \"api\"",
	"INSUFFICIENT_ACCESS":       "give the integration user \"View Setup and Configuration\" and \"View All Users\"",
	"API_DISABLED_FOR_ORG":      "this Salesforce edition, or this user's profile, has no API access",
	"API_CURRENTLY_DISABLED":    "Salesforce has switched the API off for now, usually for maintenance",
	"FUNCTIONALITY_NOT_ENABLED": "the org lacks the feature; ask its administrator",
	"GONE":                      "this API version is retired; set a newer api_version",
	"OPERATION_TOO_LARGE":       "give the integration user \"View All Users\"",
	"SERVER_UNAVAILABLE":        "Salesforce is overloaded or in maintenance; it is retried",
	"FEATURENOTENABLED":         "the Bulk API is not enabled for this org or user: set snapshot: rest, or ask the org's administrator",
	"EXCEEDEDQUOTA":             "the org's daily allocation of bulk jobs is spent: it rolls over 24 hours, and snapshot: rest does without",
}

// OrgMismatchError says that a token belongs to another org than the pinned one.
type OrgMismatchError struct {
	Want, Got ID
	Sandbox   bool // the org that answered is a sandbox, as far as known
	Kind      bool // the id is right, but a sandbox answered for production or the reverse
}

func (e *OrgMismatchError) Error() string {
	if e.Kind {
		return fmt.Sprintf("org %s changed between production and sandbox", e.Got)
	}
	return fmt.Sprintf("salesforce org is %s, want %s", e.Got, e.Want)
}

// Hint says what an operator can do.
func (e *OrgMismatchError) Hint() string {
	return "login_url, client_id or username lead to another org than the one first synced, or the sandbox was refreshed; " +
		"point them back, or configure the new org under a new name"
}

// Retryable is false: only a person can say which org is meant.
func (*OrgMismatchError) Retryable() bool { return false }

// NotVisibleError stands in a ByID stream for an id that Salesforce did not
// return. Users cannot be deleted, so the record is hidden from us, or the id is
// not a user's.
type NotVisibleError struct{ ID ID }

func (e *NotVisibleError) Error() string { return "user " + e.ID + " is not visible" }

// Hint says what an operator can do.
func (*NotVisibleError) Hint() string { return "give the integration user \"View All Users\"" }

// IncompleteError says why a read does not prove that it saw everyone.
type IncompleteError struct {
	Seen, Before, After int // rows read; COUNT() before and after, -1 when not asked
	Reason              string
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("incomplete read: %s (saw %d, counted %d before and %d after)", e.Reason, e.Seen, e.Before, e.After)
}

// Is makes errors.Is(err, ErrIncomplete) work.
func (*IncompleteError) Is(target error) bool { return target == ErrIncomplete }

// Retryable is true: the next read may well be whole.
func (*IncompleteError) Retryable() bool { return true }

// FieldsError says that a field without which nothing can be decided is missing.
type FieldsError struct{ Missing []string }

func (e *FieldsError) Error() string {
	return "fields of User missing or hidden: " + strings.Join(e.Missing, ", ")
}

// Is makes errors.Is(err, ErrField) work.
func (*FieldsError) Is(target error) bool { return target == ErrField }

// Hint says what an operator can do.
func (e *FieldsError) Hint() string {
	return "give the integration user Read on User." + strings.Join(e.Missing, ", User.")
}

// WatermarkError says what is wrong with a watermark.
type WatermarkError struct {
	Reason string // "zero", "ancient", "future"
	Upper  time.Time
	Now    time.Time // Salesforce's clock; zero when it was not needed
}

func (e *WatermarkError) Error() string {
	return fmt.Sprintf("unusable watermark: %s (%s)", e.Reason, e.Upper.UTC().Format(time.RFC3339))
}

// Is makes errors.Is(err, ErrWatermark) work.
func (*WatermarkError) Is(target error) bool { return target == ErrWatermark }

// VersionError says that the org does not serve the configured API version.
type VersionError struct {
	Want string
	Have []string
}

func (e *VersionError) Error() string {
	return "salesforce does not serve API version " + e.Want
}

// Hint says what an operator can do.
func (e *VersionError) Hint() string {
	if len(e.Have) == 0 {
		return "check login_url: no API version is offered there"
	}
	return fmt.Sprintf("set api_version to one of %s to %s", e.Have[0], e.Have[len(e.Have)-1])
}

// AnswerError says that an answer broke off or is not what the API promises: cut
// short, a web page, a page whose numbers do not add up.
type AnswerError struct {
	Op     string
	Reason string
	Err    error // never holds any of the body
}

func (e *AnswerError) Error() string {
	if e.Err == nil {
		return "salesforce's answer is unusable: " + e.Reason
	}
	return "salesforce's answer is unusable: " + e.Reason + ": " + e.Err.Error()
}

func (e *AnswerError) Unwrap() error { return e.Err }

// Retryable is true: proxies and networks recover.
func (*AnswerError) Retryable() bool { return true }
