package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/rosterd/rosterd/control"
)

// The exit codes, which are part of the contract.
const (
	exitOK       = 0
	exitError    = 1
	exitUsage    = 2
	exitIssues   = 3 // finished, but not for everybody
	exitHeld     = 4 // held by the guard, or refused for lack of quota
	exitNotFound = 5
	exitNoSeat   = 6
)

// usageError is a command line that makes no sense.
type usageError struct {
	text string
	hint string
}

// Error is the text.
func (e *usageError) Error() string { return e.text }

// Hint says what to do.
func (e *usageError) Hint() string { return e.hint }

// codeError is an exit code for something that was reported already.
type codeError int

// Error gives the code.
func (e codeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

type hinter interface {
	error
	Hint() string
}

// problem is an error as -o json shows it: the API's own problem where that
// refused, else one that looks the same.
type problem struct {
	Title   string                 `json:"title,omitempty"`
	Status  int                    `json:"status,omitempty"` // only where the API refused
	Detail  string                 `json:"detail"`
	Message string                 `json:"error"`
	Hint    string                 `json:"hint,omitempty"`
	Code    control.Code           `json:"code"`
	Fields  []control.FieldProblem `json:"fields,omitempty"`
	Exit    int                    `json:"exit_code"`
}

// The codes of problems that the API does not know.
const (
	codeInterrupted control.Code = "interrupted"
	codeUnreachable control.Code = "unreachable"
	codeFailed      control.Code = "failed"
)

// problemOf says what kind of problem an error is.
func problemOf(err error) problem {
	p := problem{Detail: err.Error(), Message: err.Error(), Code: codeFailed, Exit: exitError}
	if h, ok := errors.AsType[hinter](err); ok {
		p.Hint = h.Hint()
	}
	if errors.Is(err, context.Canceled) {
		p.Detail, p.Message, p.Hint, p.Code = "interrupted", "interrupted", "", codeInterrupted
		return p
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		p.Code, p.Exit = control.CodeInvalid, exitUsage
	}
	if _, ok := errors.AsType[*control.ConnectError](err); ok {
		p.Code = codeUnreachable
	}
	if r, ok := errors.AsType[*control.Problem](err); ok {
		p.Title, p.Status, p.Hint, p.Code, p.Fields, p.Exit = r.Title, r.Status, r.Hint, r.Code, r.Fields, codeOf(r.Code)
	}
	return p
}

// report writes an error, for a person or as a line of JSON, and returns the
// exit code.
func report(w io.Writer, err error, asJSON bool) int {
	if err == nil {
		return exitOK
	}
	if code, ok := errors.AsType[codeError](err); ok {
		return int(code)
	}
	p := problemOf(err)
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		_ = e.Encode(p) // where errors cannot be written, the exit code is left
		return p.Exit
	}
	fmt.Fprintln(w, "error:", p.Message)
	if p.Hint != "" {
		fmt.Fprintln(w, "hint:", p.Hint)
	}
	return p.Exit
}

// codeOf is the exit code of a refusal.
func codeOf(c control.Code) int {
	switch c {
	case control.CodeInvalid:
		return exitUsage
	case control.CodeHeld, control.CodeQuota, control.CodeConfirm:
		return exitHeld
	case control.CodeNotFound:
		return exitNotFound
	case control.CodeNoSeat:
		return exitNoSeat
	}
	return exitError
}

// outcomeCode is the exit code of a run that ended.
func outcomeCode(run *control.Run) error {
	switch run.Outcome {
	case "succeeded", "running":
		return nil
	case "succeeded_with_issues":
		return codeError(exitIssues)
	case "held", "paused_quota":
		return codeError(exitHeld)
	}
	return codeError(exitError)
}
