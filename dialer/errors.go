package dialer

import (
	"errors"
	"fmt"
)

// What callers branch on.
var (
	ErrNotFound        = errors.New("no such user")
	ErrConflict        = errors.New("the user was changed by someone else meanwhile")
	ErrNoSeat          = errors.New("no seat is left")
	ErrProtected       = errors.New("the user is protected")
	ErrSalesforceOwned = errors.New("the attribute is owned by Salesforce")
	ErrLocal           = errors.New("the user is not linked to Salesforce, and so not the sync's")
	ErrHold            = errors.New("the user was deactivated by hand")
	ErrAmbiguous       = errors.New("several users match")
	ErrLastAdmin       = errors.New("the last active administrator stays one")
	ErrInUse           = errors.New("it is in use")
	ErrTwoPersons      = errors.New("to make somebody a superuser takes two administrators")
	ErrNoRequest       = errors.New("nobody has asked for that")
	ErrSamePerson      = errors.New("whoever asked cannot confirm it, nor the user themselves")
)

// TakenError says that another user has the value that must be unique.
type TakenError struct {
	Field  Field
	UserID string // who has it
}

// Error names the attribute and the other user's id, never the value.
func (e *TakenError) Error() string {
	return fmt.Sprintf("%s is taken by user %s", e.Field, e.UserID)
}

// InvalidError says that a value breaks a rule of the dialer.
type InvalidError struct {
	Field Field
	Rule  string // what the value must be
}

// Error names the attribute and the rule, never the value.
func (e *InvalidError) Error() string { return fmt.Sprintf("%s %s", e.Field, e.Rule) }
