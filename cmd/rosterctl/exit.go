package main

import (
	"context"
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

// report writes an error for a person and returns the exit code for a program.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	if code, ok := errors.AsType[codeError](err); ok {
		return int(code)
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "error: interrupted")
		return exitError
	}
	hint := ""
	if h, ok := errors.AsType[hinter](err); ok {
		hint = h.Hint()
	}
	p, refused := errors.AsType[*control.Problem](err)
	if refused {
		hint = p.Hint
	}
	fmt.Fprintln(w, "error:", err)
	if hint != "" {
		fmt.Fprintln(w, "hint:", hint)
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if refused {
		return codeOf(p.Code)
	}
	return exitError
}

// codeOf is the exit code of a refusal.
func codeOf(c control.Code) int {
	switch c {
	case control.CodeInvalid:
		return exitUsage
	case control.CodeHeld, control.CodeQuota:
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
