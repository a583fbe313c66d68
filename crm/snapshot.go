package crm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"
)

// Cursor is how far a snapshot has come. Stored with the rows of its page it lets a
// snapshot go on after a crash. The zero Cursor is the beginning.
type Cursor struct {
	After   ID        `json:"after,omitzero"`   // the last id read
	Seen    int       `json:"seen,omitzero"`    // rows read so far
	Total   int       `json:"total,omitzero"`   // COUNT() at the beginning
	Started time.Time `json:"started,omitzero"` // Salesforce's clock at the beginning: the watermark for ChangedSince once done
	Query   string    `json:"query,omitzero"`   // fingerprint of org, fields and prefilter

	// Of a snapshot in bulk.
	Job     string `json:"job,omitzero"`     // the query job at Salesforce
	Records int    `json:"records,omitzero"` // rows of its results, once complete
	Locator string `json:"locator,omitzero"` // of the page of results under way; empty for the first
	Skip    int    `json:"skip,omitzero"`    // rows of that page read so far
}

// Page is a part of a snapshot.
type Page struct {
	Users  []User // of this page only: the next one overwrites it, so copy what you keep; may be none
	Cursor Cursor // store it once Users are stored
	Last   bool   // the snapshot is complete and proven so
}

// Snapshot reads every user that meets the prefilter, in an order of Salesforce's own.
// It is complete, or its last element is an error; then nothing may be concluded from
// anyone's absence. Fields are as Describe gives them; nil means all.
func (c *Client) Snapshot(ctx context.Context, fields []string) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		for page, err := range c.SnapshotPages(ctx, fields) {
			if err != nil {
				yield(User{}, err)
				return
			}
			for i := range page.Users {
				if !yield(page.Users[i], nil) {
					return
				}
			}
		}
	}
}

// SnapshotPages is Snapshot by pages, each with its cursor. The next page is fetched
// while one is being worked on.
func (c *Client) SnapshotPages(ctx context.Context, fields []string) iter.Seq2[Page, error] {
	return c.SnapshotFrom(ctx, fields, Cursor{})
}

// SnapshotFrom goes on with a snapshot after the page that from came with. A cursor
// of another org, field list or prefilter is ErrCursor.
//
// Proof of completeness: each page is a query of its own that Salesforce calls done,
// or goes on from its last id; every page agrees with its own totalSize; every token
// was of the same org; and the rows seen are no fewer than COUNT() gave before, or
// than it gives after where a few users left the prefilter meanwhile. Users who join while
// it runs may or may not be seen: ChangedSince from Cursor.Started has them. No user
// at all is an error too, since the integration user is one.
func (c *Client) SnapshotFrom(ctx context.Context, fields []string, from Cursor) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		if err := c.snapshot(ctx, fields, from, yield); err != nil {
			c.learn(err)
			yield(Page{}, fmt.Errorf("read all users: %w", err))
		}
	}
}

// Begin counts the users that a snapshot will read, which costs a call. SnapshotFrom
// and BulkSnapshotFrom begin with what it returns without counting again, so that the
// number can decide between them.
func (c *Client) Begin(ctx context.Context, fields []string) (Cursor, error) {
	sel, err := newSelection(fields, c.cfg.CustomFields)
	if err == nil {
		var cur Cursor
		if cur, err = c.begin(ctx, sel, Cursor{}); err == nil {
			return cur, nil
		}
	}
	return Cursor{}, fmt.Errorf("read all users: %w", err)
}

// SnapshotCalls is how many API calls a snapshot of n users takes.
func (c *Client) SnapshotCalls(n int) int {
	return 1 + max(1, (n+c.opts.PageSize-1)/c.opts.PageSize)
}

// CountUsers is how many users meet the prefilter now.
func (c *Client) CountUsers(ctx context.Context) (int, error) {
	n, _, err := c.count(ctx, opCount, "User", c.prefilter())
	if err != nil {
		return 0, fmt.Errorf("count users: %w", err)
	}
	return n, nil
}

// prefilter is the condition, safe to be joined with AND.
func (c *Client) prefilter() string {
	if c.cfg.Prefilter == "" {
		return ""
	}
	return "(" + c.cfg.Prefilter + ")"
}

func and(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " AND " + b
}

// learn drops what is known of the fields when a query shows that it is wrong.
func (c *Client) learn(err error) {
	if errors.Is(err, ErrField) {
		c.forget()
	}
}

func (c *Client) snapshot(ctx context.Context, fields []string, from Cursor, yield func(Page, error) bool) error {
	sel, err := newSelection(fields, c.cfg.CustomFields)
	if err != nil {
		return err
	}
	if from.Job != "" {
		return ErrCursor
	}
	cur, err := c.begin(ctx, sel, from)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ahead := &readAhead{c: c, dec: newDecoder(sel), size: c.opts.PageSize, page: make(chan ahead, 1)}
	defer ahead.wg.Wait()
	defer cancel()
	ahead.start(ctx, cur.After)
	for {
		p, err := ahead.take()
		if err != nil {
			return err
		}
		if n := len(p.users); n > 0 {
			if p.users[n-1].ID == cur.After {
				return &AnswerError{Op: opSnapshot, Reason: "the page before came again"}
			}
			cur.After, cur.Seen = p.users[n-1].ID, cur.Seen+n
		}
		if p.more {
			ahead.start(ctx, cur.After)
			if !yield(Page{Users: p.users, Cursor: cur}, nil) {
				return nil
			}
			continue
		}
		unproven := c.prove(ctx, cur)
		if !yield(Page{Users: p.users, Cursor: cur, Last: unproven == nil}, nil) {
			return nil
		}
		return unproven
	}
}

// begin counts, or checks that a cursor is for this very snapshot.
func (c *Client) begin(ctx context.Context, sel *selection, from Cursor) (Cursor, error) {
	s, err := c.Session(ctx)
	if err != nil {
		return from, err
	}
	sum := sha256.Sum256([]byte(s.OrgID + "\n" + sel.list + "\n" + c.cfg.Prefilter))
	query := hex.EncodeToString(sum[:8])
	if from != (Cursor{}) {
		id, err := ParseID(from.After)
		read := err == nil && id == from.After && from.Seen > 0
		if from.Query != query || from.Started.IsZero() || !read && (from.After != "" || from.Seen != 0) {
			return from, ErrCursor
		}
		return from, nil
	}
	n, date, err := c.count(ctx, opCount, "User", c.prefilter())
	if err != nil {
		return from, err
	}
	if date.IsZero() {
		return from, &AnswerError{Op: opCount, Reason: "no Date header"}
	}
	return Cursor{Total: n, Started: date.UTC(), Query: query}, nil
}

// prove compares what was seen with the count before and, only where that falls
// short, with the count now.
func (c *Client) prove(ctx context.Context, cur Cursor) error {
	if cur.Seen == 0 {
		return &IncompleteError{Seen: 0, Before: cur.Total, After: -1, Reason: "not a single user"}
	}
	if cur.Seen >= cur.Total {
		return nil
	}
	after, _, err := c.count(ctx, opCount, "User", c.prefilter())
	if err != nil {
		return err
	}
	switch {
	case cur.Seen < after:
		return &IncompleteError{Seen: cur.Seen, Before: cur.Total, After: after, Reason: "fewer rows than counted"}
	case cur.Total-after > shrinkage(cur.Total):
		return &IncompleteError{Seen: cur.Seen, Before: cur.Total, After: after, Reason: "the count fell while it was read"}
	}
	return nil
}

// shrinkage is how many users may leave the prefilter during a snapshot before that
// looks like a permission lost half way: 10 and 1 percent.
func shrinkage(total int) int { return 10 + total/100 }

// readAhead fetches one page while the one before is being worked on, into the other
// of two buffers.
type readAhead struct {
	c    *Client
	dec  *decoder
	size int
	bufs [2][]User
	turn int
	page chan ahead
	wg   sync.WaitGroup
}

type ahead struct {
	fetched
	err error
}

// start begins to fetch the page after the id. The page before must have been taken.
func (r *readAhead) start(ctx context.Context, after ID) {
	turn := r.turn
	r.turn = 1 - turn
	r.wg.Go(func() {
		p, err := r.fetch(ctx, after, r.bufs[turn])
		r.bufs[turn] = p.users
		r.page <- ahead{p, err}
	})
}

// fetch asks for half as much as long as Salesforce says that a query takes too long.
func (r *readAhead) fetch(ctx context.Context, after ID, buf []User) (fetched, error) {
	where := r.c.prefilter()
	if after != "" {
		where = and(where, "Id > "+Quote(after))
	}
	for {
		p, err := r.c.fetch(ctx, r.dec, opSnapshot, where, "Id", r.size, buf)
		buf = p.users
		if e, ok := errors.AsType[*APIError](err); !ok || e.Code != "QUERY_TIMEOUT" || r.size <= minPage {
			return p, err
		}
		r.size = max(minPage, r.size/2)
	}
}

func (r *readAhead) take() (fetched, error) {
	a := <-r.page
	return a.fetched, a.err
}
