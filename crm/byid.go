package crm

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	// maxIDs is the users one call of ByID reads at most.
	maxIDs = 2000
	// maxQueries is the queries that one composite call may hold.
	maxQueries = 5
	// idBytes is an id in a query, encoded: its 18 characters, two quotes and a comma.
	idBytes = 18 + 3*3
	// maxURI leaves room for path and headers in Salesforce's 16,384 bytes.
	maxURI = 14_000
)

// ByID reads users by id, whatever the prefilter says. An id that Salesforce does not
// return is yielded as a User with only that ID and a *NotVisibleError, and the stream
// goes on; any other error ends it. Each id is answered once, however often it is
// given. Up to 2,000 users cost one call, or more where their rows are so wide that
// Salesforce sends fewer on a page.
//
// A few ids go as one query, more as several in one composite call. The collections
// resource, which also takes 2,000 ids, cannot read fields of parents such as
// Profile.Name.
func (c *Client) ByID(ctx context.Context, fields []string, ids []ID) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		if err := c.byID(ctx, fields, ids, yield); err != nil {
			c.learn(err)
			yield(User{}, fmt.Errorf("read users by id: %w", err))
		}
	}
}

func (c *Client) byID(ctx context.Context, fields []string, ids []ID, yield func(User, error) bool) error {
	sel, err := newSelection(fields, c.cfg.CustomFields)
	if err != nil {
		return err
	}
	ids, err = distinct(ids)
	if err != nil {
		return err
	}
	dec := newDecoder(sel)
	each := min(maxIDs/maxQueries, max(1, (maxURI-len(url.QueryEscape(byIDQuery(sel, nil))))/idBytes))
	var buf []User
	for len(ids) > 0 {
		n := min(len(ids), each*maxQueries)
		chunk, more := ids[:n], false
		ids = ids[n:]
		if len(chunk) <= each {
			buf, more, err = c.someByID(ctx, dec, chunk, buf)
		} else {
			buf, more, err = c.manyByID(ctx, dec, chunk, each, buf)
		}
		if err != nil {
			return err
		}
		if more { // the rows are so wide that a page has fewer of them
			queries := (n + each - 1) / each
			each = max(1, min(each, len(buf)/queries))
			var rest []ID
			chunk, rest = parted(chunk, buf)
			ids = append(rest, ids...)
		}
		if !yieldByID(chunk, buf, yield) {
			return nil
		}
	}
	return nil
}

func distinct(ids []ID) ([]ID, error) {
	seen, out := make(map[ID]bool, len(ids)), make([]ID, 0, len(ids))
	for i, raw := range ids {
		id, err := ParseID(raw)
		if err != nil {
			return nil, fmt.Errorf("id %d of %d: %w", i+1, len(ids), err)
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out, nil
}

// parted tells those who came from those who did not.
func parted(asked []ID, users []User) (came, rest []ID) {
	found := make(map[ID]bool, len(users))
	for i := range users {
		found[users[i].ID] = true
	}
	for _, id := range asked {
		if found[id] {
			came = append(came, id)
		} else {
			rest = append(rest, id)
		}
	}
	return came, rest
}

func yieldByID(asked []ID, users []User, yield func(User, error) bool) bool {
	found := make(map[ID]bool, len(users))
	for i := range users {
		found[users[i].ID] = true
		if !yield(users[i], nil) {
			return false
		}
	}
	for _, id := range asked {
		if !found[id] && !yield(User{ID: id}, &NotVisibleError{ID: id}) {
			return false
		}
	}
	return true
}

func byIDQuery(sel *selection, ids []ID) string {
	return "SELECT " + sel.list + " FROM User WHERE Id IN ('" + strings.Join(ids, "','") + "')"
}

// someByID reads users by one query; more says that there are more of them.
func (c *Client) someByID(ctx context.Context, d *decoder, ids []ID, buf []User) (users []User, more bool, err error) {
	users = buf
	_, err = c.call(ctx, c.queryRequest(opByID, byIDQuery(d.sel, ids), maxPage), func(resp *http.Response) error {
		var head pageHead
		var err error
		users, head, err = d.page(resp.Body, buf[:0], len(ids))
		if err != nil {
			return err
		}
		more = !head.done
		return checkAsked(ids, users, more)
	})
	return users, more, err
}

// checkAsked makes sure that an answer holds nobody but those asked for, each once,
// and somebody where it says that there are more.
func checkAsked(ids []ID, users []User, more bool) error {
	if more && len(users) == 0 {
		return shape("nobody, yet not done with %d ids", len(ids))
	}
	asked := make(map[ID]bool, len(ids))
	for _, id := range ids {
		asked[id] = true
	}
	for i := range users {
		if !asked[users[i].ID] {
			return shape("a user that was not asked for")
		}
		delete(asked, users[i].ID) // a second time it is not asked for
	}
	return nil
}

// composite is the body of a call that reads several resources at once.
type composite struct {
	AllOrNone bool         `json:"allOrNone"`
	Requests  []subrequest `json:"compositeRequest"`
}

type subrequest struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Ref    string `json:"referenceId"`
}

func (b *composite) get(ref, path string) {
	b.Requests = append(b.Requests, subrequest{http.MethodGet, path, ref})
}

// manyByID is someByID by several queries in one call.
func (c *Client) manyByID(ctx context.Context, d *decoder, ids []ID, each int, buf []User) (users []User, more bool, err error) {
	var body composite
	for i := 0; i < len(ids); i += each {
		q := url.QueryEscape(byIDQuery(d.sel, ids[i:min(i+each, len(ids))]))
		body.get("q"+strconv.Itoa(len(body.Requests)), c.data("/query?q=")+q)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return buf, false, fmt.Errorf("encode composite request: %w", err)
	}
	users = buf
	_, err = c.call(ctx, request{op: opByID, path: c.data("/composite"), body: raw}, func(resp *http.Response) error {
		var pages int
		var err error
		users, pages, more, err = d.composite(resp.Body, buf[:0], opByID, each)
		if err != nil {
			return err
		}
		if pages != len(body.Requests) {
			return shape("%d answers to %d queries", pages, len(body.Requests))
		}
		return checkAsked(ids, users, more)
	})
	return users, more, err
}
