package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What callers branch on.
var (
	ErrURL           = errors.New("the database URL is not understood")
	ErrUnavailable   = errors.New("the database cannot be reached")
	ErrDiskFull      = errors.New("the disk of the database is full")
	ErrReadOnly      = errors.New("the database is read-only")
	ErrBusy          = errors.New("the database is busy")
	ErrCommitUnknown = errors.New("the connection broke during commit: whether it took effect is unknown")
	ErrNewerSchema   = errors.New("the database has a newer schema than this program")
)

// Error is what went wrong, and what an operator can do about it.
type Error struct {
	Op   string
	Err  error
	Hint string
}

// Error gives the path and the hint.
func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() + " (" + e.Hint + ")" }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func hinted(op string, err error, hint string) error { return &Error{op, err, hint} }

// hintedErr is hinted, but an error that carries its own hint keeps that.
func hintedErr(op string, err error, hint string) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return &Error{op, err, hint}
}

// Violation is a kind of constraint that a statement broke.
type Violation string

// The violations. Raised is one that a trigger of ours found.
const (
	Unique     Violation = "unique"
	Check      Violation = "check"
	ForeignKey Violation = "foreign_key"
	NotNull    Violation = "not_null"
	Raised     Violation = "raised"
)

// Violated tells which kind of constraint err is about, and what the database
// says of it: the name of the constraint on Postgres, its columns on SQLite,
// or the text that a trigger raised. It is "" for any other error.
func Violated(err error) (Violation, string) {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pe.Code {
		case "23505", "23P01":
			return Unique, pe.ConstraintName
		case "23514":
			return Check, pe.ConstraintName
		case "23503":
			return ForeignKey, pe.ConstraintName
		case "23502":
			return NotNull, pe.ColumnName
		case "P0001":
			return Raised, pe.Message
		}
		return "", ""
	}
	se, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return "", ""
	}
	_, what, _ := strings.Cut(se.Error(), "constraint failed: ")
	switch se.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return Unique, what
	case sqlite3.SQLITE_CONSTRAINT_CHECK:
		return Check, what
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return ForeignKey, what
	case sqlite3.SQLITE_CONSTRAINT_NOTNULL:
		return NotNull, what
	case sqlite3.SQLITE_CONSTRAINT_TRIGGER:
		return Raised, se.Error()
	}
	return "", ""
}

// classify adds what callers branch on to an error of the database.
func classify(err error) error {
	var kind error
	var hint string
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case diskFull(err):
		kind, hint = ErrDiskFull, "free some space; nothing was written"
	case readOnly(err):
		kind, hint = ErrReadOnly, "let rosterd write to the database file and its directory, or connect to the primary"
	case busy(err):
		kind, hint = ErrBusy, "does another program hold the database?"
	case unreachable(err):
		kind, hint = ErrUnavailable, "is the database running?"
	default:
		return err
	}
	if errors.Is(err, kind) {
		return err
	}
	return &Error{Op: kind.Error(), Err: &kindError{kind, err}, Hint: hint}
}

// kindError is err, and is kind too.
type kindError struct{ kind, err error }

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

func diskFull(err error) bool {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pe.Code == "53100"
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return true
	}
	code := sqliteCode(err)
	return code&0xff == sqlite3.SQLITE_FULL || code == sqlite3.SQLITE_IOERR_SHMSIZE
}

func readOnly(err error) bool {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pe.Code == "25006"
	}
	return sqliteCode(err)&0xff == sqlite3.SQLITE_READONLY
}

// busy reports a conflict with another transaction, which trying again solves.
func busy(err error) bool {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pe.Code == "40001" || pe.Code == "40P01" || pe.Code == "55P03"
	}
	code := sqliteCode(err) & 0xff
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}

// unreachable reports that Postgres is away, for now at least.
func unreachable(err error) bool {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pe.Code {
		case "57P01", "57P02", "57P03", "53300":
			return true
		}
		return strings.HasPrefix(pe.Code, "08")
	}
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return strings.Contains(err.Error(), "conn closed")
}

func sqliteCode(err error) int {
	if se, ok := errors.AsType[*sqlite.Error](err); ok {
		return se.Code()
	}
	return 0
}
