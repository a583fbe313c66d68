package control

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rosterd/rosterd/dialer"
)

// More words of the answers.
type (
	// MassAction is one act on many users.
	MassAction = dialer.MassAction
	// MassVerb is what a mass action does to each of its users.
	MassVerb = dialer.MassVerb
	// MassState is how far a mass action has come.
	MassState = dialer.MassState
	// MassCounts are numbers of users.
	MassCounts = dialer.MassCounts
	// MassItem is what came of one user.
	MassItem = dialer.MassItem
	// Field is an attribute of a user.
	Field = dialer.Field
)

// PreviewMass prepares a mass action: a dry run.
func (c *Client) PreviewMass(ctx context.Context, r MassActionRequest) (MassAction, error) {
	return post[MassAction](ctx, c, "/v1/mass-actions", r)
}

// MassActions returns a page of mass actions older than before, the latest
// first.
func (c *Client) MassActions(ctx context.Context, before int64, limit int) (MassPage, error) {
	return get[MassPage](ctx, c, "/v1/mass-actions", older(before, limit))
}

func massPath(id int64, rest string) string { return fmt.Sprintf("/v1/mass-actions/%d%s", id, rest) }

// MassAction returns one mass action.
func (c *Client) MassAction(ctx context.Context, id int64) (MassAction, error) {
	return get[MassAction](ctx, c, massPath(id, ""), nil)
}

// StartMass carries out a mass action; confirm is its Total.
func (c *Client) StartMass(ctx context.Context, id, confirm int64) (MassAction, error) {
	return post[MassAction](ctx, c, massPath(id, ":start"), map[string]int64{"confirm_count": confirm})
}

// CancelMass stops a mass action.
func (c *Client) CancelMass(ctx context.Context, id int64) (MassAction, error) {
	return post[MassAction](ctx, c, massPath(id, ":cancel"), nil)
}

// UndoMass gives back what a mass action changed, and returns the mass action
// that does.
func (c *Client) UndoMass(ctx context.Context, id int64) (MassAction, error) {
	return post[MassAction](ctx, c, massPath(id, ":undo"), nil)
}

// MassResultFilter selects results of a mass action.
type MassResultFilter struct {
	Outcome  string // pending, created, changed, unchanged or refused
	Expected bool   // only those whom the dry run foretells to be refused
	After    int64  // only those beyond this seq
	Limit    int    // 0 means 500
}

func (f MassResultFilter) values() url.Values {
	q := url.Values{}
	if f.Outcome != "" {
		q.Set("outcome", f.Outcome)
	}
	if f.Expected {
		q.Set("expected", "true")
	}
	if f.After != 0 {
		q.Set("after", strconv.FormatInt(f.After, 10))
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return q
}

// MassResults returns a page of what came of the users of a mass action.
func (c *Client) MassResults(ctx context.Context, id int64, f MassResultFilter) (MassResultPage, error) {
	return get[MassResultPage](ctx, c, massPath(id, "/results"), f.values())
}

// MassResultsCSV writes what came of all users of a mass action as CSV.
func (c *Client) MassResultsCSV(ctx context.Context, w io.Writer, id int64, f MassResultFilter) error {
	q := f.values()
	q.Set("format", "csv")
	return c.save(ctx, w, massPath(id, "/results"), q)
}

// save writes an answer as it comes.
func (c *Client) save(ctx context.Context, w io.Writer, path string, q url.Values) error {
	resp, err := c.send(ctx, request{method: http.MethodGet, path: path, query: q})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.where, err)
	}
	return nil
}

// WatchMass yields a mass action whenever it moved, and last how it ended. A
// stream that is cut off is opened again.
func (c *Client) WatchMass(ctx context.Context, id int64) iter.Seq2[MassAction, error] {
	return rewatch(ctx, func(yield func(MassAction, error) bool) (bool, bool, error) {
		return followEvents(ctx, c, massPath(id, "/events"), nil, yield)
	})
}
