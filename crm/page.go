package crm

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	maxPage = 2000
	// minPage is how small a page gets when Salesforce says QUERY_TIMEOUT.
	minPage = 200
)

// queryRequest is a GET of one SOQL query, batch rows a page.
func (c *Client) queryRequest(op, soql string, batch int) request {
	r := request{op: op, path: c.data("/query"), query: "q=" + url.QueryEscape(soql)}
	if batch > 0 {
		// A smaller number than 200 is refused; LIMIT then does it alone.
		r.header = map[string]string{"Sforce-Query-Options": "batchSize=" + strconv.Itoa(max(batch, minPage))}
	}
	return r
}

// fetched is one page as it came.
type fetched struct {
	users []User
	more  bool
	date  time.Time
}

// fetch reads one page of at most size rows, and a sign whether there are more, from
// one query without a locator: where says what, and order how. It appends to buf.
//
// The query asks for one row more than a page holds. Salesforce then sends a full
// page and says "not done" when there is more, so that a read whose last page is just
// full needs no empty page after it. The locator that comes with it is let go.
func (c *Client) fetch(ctx context.Context, d *decoder, op, where, order string, size int, buf []User) (fetched, error) {
	limit := limitOf(size)
	soql := "SELECT " + d.sel.list + " FROM User"
	if where != "" {
		soql += " WHERE " + where
	}
	soql += " ORDER BY " + order + " LIMIT " + strconv.Itoa(limit)
	p := fetched{users: buf}
	date, err := c.call(ctx, c.queryRequest(op, soql, size), func(resp *http.Response) error {
		users, head, err := d.page(resp.Body, buf[:0], limit)
		p.users = users
		p.more = !head.done || len(users) == limit
		return err
	})
	p.date = date
	return p, err
}

// limitOf is what to ask for to get a page of size rows and a sign of more. Below the
// smallest batch that Salesforce sends, the sign is a full page.
func limitOf(size int) int {
	if size < minPage {
		return size
	}
	return size + 1
}

// count asks for the number of rows of object that meet where.
func (c *Client) count(ctx context.Context, op, object, where string) (int, time.Time, error) {
	soql := "SELECT COUNT() FROM " + object
	if where != "" {
		soql += " WHERE " + where
	}
	var n int
	date, err := c.call(ctx, c.queryRequest(op, soql, 0), func(resp *http.Response) error {
		var page recordPage[struct{}]
		if err := json.UnmarshalRead(resp.Body, &page); err != nil {
			return err
		}
		if page.Total == nil || page.Done == nil || !*page.Done || *page.Total < 0 {
			return shape("a count without totalSize")
		}
		n = *page.Total
		return nil
	})
	return n, date, err
}

// recordPage is a page of anything but users.
type recordPage[T any] struct {
	Total   *int  `json:"totalSize"`
	Done    *bool `json:"done"`
	Records []T   `json:"records"`
}

// records reads one page of a query that is not for users.
func records[T any](ctx context.Context, c *Client, op, soql string, batch int) ([]T, bool, error) {
	var page recordPage[T]
	_, err := c.call(ctx, c.queryRequest(op, soql, batch), func(resp *http.Response) error {
		page = recordPage[T]{}
		if err := json.UnmarshalRead(resp.Body, &page); err != nil {
			return err
		}
		switch n := len(page.Records); {
		case page.Total == nil || page.Done == nil || n > *page.Total:
			return shape("totalSize or done is absent or wrong")
		case *page.Done && n != *page.Total:
			return shape("%d rows of %d, yet done", n, *page.Total)
		case !*page.Done && n == 0:
			return shape("no rows, yet not done")
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return page.Records, !*page.Done, nil
}
