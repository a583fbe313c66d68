package crm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// loginProof is for how long it is believed that UserLogin holds rows we can see.
const loginProof = time.Hour

// FrozenError says why it cannot be known who is frozen.
type FrozenError struct{ Err error }

func (e *FrozenError) Error() string { return ErrFrozenUnreadable.Error() + ": " + e.Err.Error() }

func (e *FrozenError) Unwrap() error { return e.Err }

// Is makes errors.Is(err, ErrFrozenUnreadable) work.
func (*FrozenError) Is(target error) bool { return target == ErrFrozenUnreadable }

// Hint says what an operator can do.
func (*FrozenError) Hint() string {
	return "give the integration user \"Manage Users\", or set frozen: ignore"
}

// Retryable is false: a permission does not come by itself.
func (*FrozenError) Retryable() bool { return false }

// Frozen reads the ids of all frozen users, complete or with an error as its last
// element. Where UserLogin cannot be read, or shows no row at all, that is a
// *FrozenError: it does not mean that nobody is frozen. It costs a call for every
// 2,000 frozen users, at least one, and now and then one more where nobody is.
func (c *Client) Frozen(ctx context.Context) iter.Seq2[ID, error] {
	return func(yield func(ID, error) bool) {
		if err := c.frozen(ctx, yield); err != nil {
			yield("", fmt.Errorf("read frozen users: %w", err))
		}
	}
}

func (c *Client) frozen(ctx context.Context, yield func(ID, error) bool) error {
	type login struct {
		ID     string `json:"Id"`
		UserID string `json:"UserId"`
	}
	after, seen := "", 0
	for more := true; more; {
		where := "IsFrozen = true"
		if after != "" {
			where += " AND Id > " + Quote(after)
		}
		limit := limitOf(c.opts.PageSize)
		soql := "SELECT Id, UserId FROM UserLogin WHERE " + where + " ORDER BY Id LIMIT " + strconv.Itoa(limit)
		rows, undone, err := records[login](ctx, c, opFrozen, soql, c.opts.PageSize)
		if err != nil {
			return unreadable(err)
		}
		more = undone || len(rows) == limit
		for _, r := range rows {
			id, err := ParseID(r.UserID)
			if err != nil || r.ID == "" || r.ID == after {
				return &AnswerError{Op: opFrozen, Reason: "a row without a user, or twice"}
			}
			after = r.ID
			seen++
			if !yield(id, nil) {
				return nil
			}
		}
	}
	return c.proveLogins(ctx, seen)
}

// proveLogins makes sure that "nobody is frozen" was said by someone who can see.
func (c *Client) proveLogins(ctx context.Context, seen int) error {
	now := time.Now()
	c.mu.Lock()
	proven := seen > 0 || !c.logins.IsZero() && now.Sub(c.logins) < loginProof
	if seen > 0 {
		c.logins = now
	}
	c.mu.Unlock()
	if proven {
		return nil
	}
	n, _, err := c.count(ctx, opFrozen, "UserLogin", "")
	if err != nil {
		return unreadable(err)
	}
	if n == 0 {
		return &FrozenError{Err: errors.New("not a single row of UserLogin is visible")}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logins = now
	return nil
}

// unreadable tells a permission that is lacking from what passes.
func unreadable(err error) error {
	if e, ok := errors.AsType[*APIError](err); ok {
		switch e.Code {
		case "INVALID_TYPE", "INVALID_FIELD", "INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS_OR_READONLY", "FUNCTIONALITY_NOT_ENABLED":
			return &FrozenError{Err: err}
		}
	}
	return err
}
