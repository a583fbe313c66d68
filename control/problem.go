package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/sync"
)

// Code says what kind of problem it is, for programs.
type Code string

// The codes of problems.
const (
	CodeInvalid       Code = "invalid"      // the request is wrong
	CodeUnauthorized  Code = "unauthorized" // no or an unknown token
	CodeForbidden     Code = "forbidden"    // the caller's role does not suffice
	CodeNotFound      Code = "not_found"
	CodeMethod        Code = "method"
	CodeAmbiguous     Code = "ambiguous" // several users fit
	CodeConflict      Code = "conflict"  // changed by someone else meanwhile
	CodeTaken         Code = "taken"     // another user has that value
	CodeProtected     Code = "protected"
	CodeSalesforce    Code = "salesforce_owned"
	CodeNotSalesforce Code = "not_a_salesforce_user"
	CodeInUse         Code = "in_use" // something depends on it
	CodeNoSeat        Code = "no_seat"
	CodeHeld          Code = "held"    // what is held is not what was to be approved
	CodeQuota         Code = "quota"   // the API quota does not allow it
	CodeConfirm       Code = "confirm" // the number confirmed is not the number of users
	CodePaused        Code = "paused"
	CodeStandby       Code = "standby" // another instance works on this database
	CodeTooLarge      Code = "too_large"
	CodeUnavailable   Code = "unavailable" // the database does not answer
	CodeInternal      Code = "internal"

	// Why a user is not let into the dialer.
	CodeSignIn     Code = "sign_in"     // the user name, the password or the code is wrong
	CodeLocked     Code = "locked"      // too many attempts
	CodeMustChange Code = "must_change" // the password must be changed in the same act
	CodeCodeNeeded Code = "code_needed" // of the second factor
	CodeAddress    Code = "address"     // not from there
	CodeInactive   Code = "inactive"    // the user has no access
	CodeInvitation Code = "invitation"  // wrong, used or expired
)

// Problem is the answer to a request that was refused or failed. It follows
// RFC 9457, with the message as "error" and what to do about it as "hint".
type Problem struct {
	Title   string         `json:"title" doc:"the HTTP status in words"`
	Status  int            `json:"status" doc:"the HTTP status"`
	Detail  string         `json:"detail" doc:"the same as error"`
	Message string         `json:"error" doc:"what is wrong"`
	Hint    string         `json:"hint,omitempty" doc:"what to do about it"`
	Code    Code           `json:"code" doc:"what kind of problem it is, for programs"`
	Fields  []FieldProblem `json:"fields,omitempty" doc:"which parts of the request are wrong"`

	// Changes are there when somebody else changed a user meanwhile.
	Changes []dialer.Activity `json:"changes,omitempty" doc:"with code conflict: what others changed meanwhile, newest first"`

	header http.Header
}

// FieldProblem is one wrong part of a request.
type FieldProblem struct {
	Location string `json:"location" doc:"where, for example body.reason"`
	Message  string `json:"message"`
}

// Error is the message.
func (p *Problem) Error() string { return p.Message }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are headers to send along.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType is that of RFC 9457.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func newProblem(status int, code Code, message, hint string) *Problem {
	return &Problem{
		Title: http.StatusText(status), Status: status, Detail: message, Message: message, Hint: hint, Code: code,
	}
}

// databaseHint says what to do when the database does not answer.
const databaseHint = "is the database running? rosterd goes on by itself once it is back"

func unavailable() *Problem {
	return newProblem(http.StatusServiceUnavailable, CodeUnavailable, "the database does not answer", databaseHint)
}

func invalid(message, hint string) *Problem {
	return newProblem(http.StatusUnprocessableEntity, CodeInvalid, message, hint)
}

// known pairs the errors that callers branch on with their answers.
var known = []struct {
	err    error
	status int
	code   Code
	hint   string
}{
	{dialer.ErrNotFound, http.StatusNotFound, CodeNotFound, "users are named by id, Salesforce id, user name or e-mail address"},
	{sync.ErrUnknownUser, http.StatusNotFound, CodeNotFound, "if the person is new in Salesforce, ask for a sync first"},
	{sync.ErrNoRun, http.StatusNotFound, CodeNotFound, "list the runs to see their ids; dry runs are kept in memory only"},
	{sync.ErrNoAttention, http.StatusNotFound, CodeNotFound, "list the attention items to see their ids"},
	{sync.ErrNotAccepted, http.StatusConflict, CodeConflict, "accept goes with ambiguous_match; retry or ignore this one"},
	{sync.ErrNotIgnored, http.StatusConflict, CodeConflict, "it concerns the whole org: mend the cause, then resolve it"},
	{sync.ErrNoCandidate, http.StatusConflict, CodeConflict, "the detail of the item names who could be the person"},
	{sync.ErrAmbiguous, http.StatusConflict, CodeAmbiguous, "name the user by id"},
	{sync.ErrRunEnded, http.StatusConflict, CodeConflict, ""},
	{sync.ErrNothingHeld, http.StatusConflict, CodeConflict, "show the run to see how it ended"},
	{sync.ErrHeldChanged, http.StatusConflict, CodeHeld, "look at the latest held run and approve that one"},
	{sync.ErrQuota, http.StatusTooManyRequests, CodeQuota, ""},
	{sync.ErrPaused, http.StatusConflict, CodePaused, "resume the sync first"},
	{sync.ErrStandby, http.StatusServiceUnavailable, CodeStandby, "ask the instance that is in charge"},
	{dialer.ErrConflict, http.StatusConflict, CodeConflict, "read the user again and repeat"},
	{dialer.ErrNoSeat, http.StatusConflict, CodeNoSeat, "raise the seats purchased, or deactivate someone first"},
	{dialer.ErrProtected, http.StatusConflict, CodeProtected, ""},
	{dialer.ErrAmbiguous, http.StatusConflict, CodeAmbiguous, "name the user by id"},
	{dialer.ErrHold, http.StatusConflict, CodeProtected, "activate the user to end the hold"},
	{dialer.ErrLocal, http.StatusConflict, CodeProtected, ""},
	{dialer.ErrLastAdmin, http.StatusConflict, CodeProtected, "make somebody else an administrator first"},
	{dialer.ErrInUse, http.StatusConflict, CodeInUse, ""},
	{dialer.ErrTwoPersons, http.StatusConflict, CodeConfirm, "ask for it on the page of the user or with users superuser ID, and have another administrator confirm it"},
	{dialer.ErrSamePerson, http.StatusForbidden, CodeForbidden, "have another administrator confirm it"},
	{dialer.ErrNoRequest, http.StatusConflict, CodeConflict, "an administrator asks first, and the request waits for a day"},
	{dialer.ErrSalesforceOwned, http.StatusConflict, CodeSalesforce, "change it in Salesforce"},
	{dialer.ErrNoMass, http.StatusNotFound, CodeNotFound, "list the mass actions to see their ids"},
	{dialer.ErrMassState, http.StatusConflict, CodeConflict, "show the mass action to see how far it has come"},
	{dialer.ErrMassConfirm, http.StatusConflict, CodeConfirm, "look at the mass action again and confirm its total"},
	{dialer.ErrMassScope, http.StatusUnprocessableEntity, CodeInvalid, "give ids, a filter, or all"},
	{dialer.ErrMassUndo, http.StatusConflict, CodeConflict, "only what was set can be given back, for seven days"},
	{dialer.ErrSignIn, http.StatusForbidden, CodeSignIn, ""},
	{dialer.ErrLocked, http.StatusTooManyRequests, CodeLocked, "wait a quarter of an hour, or have an administrator reset the password"},
	{dialer.ErrMustChange, http.StatusForbidden, CodeMustChange, "send new_password along"},
	{dialer.ErrCodeNeeded, http.StatusForbidden, CodeCodeNeeded, "send code along"},
	{dialer.ErrAddress, http.StatusForbidden, CodeAddress, ""},
	{directory.ErrNoAccess, http.StatusForbidden, CodeInactive, ""},
	{dialer.ErrNoSession, http.StatusNotFound, CodeNotFound, "list the sessions to see their ids"},
	{dialer.ErrNotEnrolled, http.StatusConflict, CodeConflict, "there is nothing to reset; to have them enroll one, require it"},
	{dialer.ErrEnrolled, http.StatusConflict, CodeConflict, "reset the second factor first"},
	{dialer.ErrNoAsking, http.StatusConflict, CodeConflict, "set authorization_link or authorization_text of the org first"},
	{dialer.ErrNoAddress, http.StatusConflict, CodeConflict, "give the user an e-mail address first"},
	{store.ErrUnavailable, http.StatusServiceUnavailable, CodeUnavailable, databaseHint},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, CodeInternal, "it took too long; try again"},
}

type hinter interface {
	error
	Hint() string
}

// problemOf turns any error into the answer that it deserves.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	p := newProblem(http.StatusInternalServerError, CodeInternal, err.Error(), "")
	if e, ok := errors.AsType[*dialer.TakenError](err); ok {
		p = newProblem(http.StatusConflict, CodeTaken, err.Error(), "the attribute "+string(e.Field)+" must be unique")
		p.Fields = []FieldProblem{{"body.attributes." + string(e.Field), "is taken by somebody else"}}
	}
	if len(invalids(err)) > 0 {
		p = invalidProblem(err)
	}
	if e, ok := errors.AsType[*dialer.ImportError](err); ok {
		p = invalid(err.Error(), "a file has a line of names of attributes, as rosterctl users export writes it, or is a JSON array of objects")
		p.Fields = []FieldProblem{{fmt.Sprintf("body.line %d", e.Line), e.Text}}
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			p = newProblem(k.status, k.code, err.Error(), k.hint)
			break
		}
	}
	if h, ok := errors.AsType[hinter](err); ok && h.Hint() != "" {
		p.Hint = h.Hint()
	}
	return p
}

// ours replaces the framework's own errors, which are about requests that do
// not fit the schema. Values are left out: they may be personal.
func ours(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := newProblem(m.Status, CodeInvalid, m.Detail, "")
	switch m.Status {
	case http.StatusRequestEntityTooLarge:
		p.Code = CodeTooLarge
	case http.StatusInternalServerError:
		p.Code = CodeInternal
	}
	for _, e := range m.Errors {
		p.Fields = append(p.Fields, FieldProblem{e.Location, e.Message})
	}
	if len(p.Fields) > 0 {
		p.Message = p.Fields[0].Message
		if at := p.Fields[0].Location; at != "" {
			p.Message = at + ": " + p.Message
		}
		p.Detail = p.Message
	}
	return p, nil
}

// write sends the problem outside of the framework.
func (p *Problem) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.header)
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller is gone when this fails
}
