package control

import (
	"context"
	"iter"
	"strconv"
)

// UserPage returns one page of the users that f selects: f.Limit of them, from
// where cursor says, which is Next of the page before.
func (c *Client) UserPage(ctx context.Context, f UserFilter, cursor string) (UserPage, error) {
	q := f.values()
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return get[UserPage](ctx, c, "/v1/users", q)
}

// Follow yields a run as Watch does, but ends with an error where the stream is
// cut off: for a caller that would open it again itself.
func (c *Client) Follow(ctx context.Context, id int64) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		if done, _, err := c.follow(ctx, id, yield); !done {
			yield(Run{}, err)
		}
	}
}
