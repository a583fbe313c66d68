package control

import (
	"context"
	"io"
	"iter"
	"net/url"
	"strconv"

	"github.com/rosterd/rosterd/dialer"
)

// Leaver is someone who lost access.
type Leaver = dialer.Leaver

// FromNow has Tail begin with what comes next.
const FromNow int64 = -1

// Tail yields each entry of the activity log that f selects, in their order,
// from after the entry after, of which 0 is before the first, or FromNow. It
// ends when ctx does; a stream that is cut off is opened again where it was.
func (c *Client) Tail(ctx context.Context, f ActivityFilter, after int64) iter.Seq2[Activity, error] {
	f.Since, f.Until, f.Before, f.Limit = "", "", 0, 0
	return rewatch(ctx, func(yield func(Activity, error) bool) (bool, bool, error) {
		q := f.values()
		q.Set("after", strconv.FormatInt(after, 10))
		return followEvents(ctx, c, "/v1/activity:tail", q, func(a Activity, err error) bool {
			after = max(after, a.Seq)
			return a.Verb == "" || yield(a, err) // without a verb it only says from where on
		})
	})
}

// LeaverFilter selects leavers. The zero value selects all of them.
type LeaverFilter struct {
	Month string // of the org's time zone, such as 2026-10
	Since string // a time (RFC 3339) or an age such as 720h
	Until string // the same
	After int64  // only those beyond this proof
	Limit int    // of a page; 0 means 100
}

func (f LeaverFilter) values() url.Values {
	q := url.Values{}
	for k, v := range map[string]string{"month": f.Month, "since": f.Since, "until": f.Until} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if f.After != 0 {
		q.Set("after", strconv.FormatInt(f.After, 10))
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return q
}

// Leavers returns a page of those who lost access, the latest first.
func (c *Client) Leavers(ctx context.Context, f LeaverFilter) (LeaverPage, error) {
	return get[LeaverPage](ctx, c, "/v1/reports/leavers", f.values())
}

// LeaversCSV writes all those who lost access as CSV.
func (c *Client) LeaversCSV(ctx context.Context, w io.Writer, f LeaverFilter) error {
	q := f.values()
	q.Set("format", "csv")
	return c.save(ctx, w, "/v1/reports/leavers", q)
}
