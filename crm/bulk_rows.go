package crm

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"
)

// bulkAhead reads the results of a job as a stream, one batch of users ahead of
// whoever works on them, into the other of two buffers.
type bulkAhead struct {
	c       *Client
	dec     *csvDecoder
	cur     Cursor // of what has been handed over
	resumed bool   // no page was read yet of a job that was not created here
	free    chan []User
	out     chan bulkBatch
	wg      sync.WaitGroup
}

type bulkBatch struct {
	users []User
	cur   Cursor // with users read
	last  bool
	err   error
}

func newBulkAhead(c *Client, dec *csvDecoder, cur Cursor, resumed bool) *bulkAhead {
	a := &bulkAhead{c: c, dec: dec, cur: cur, resumed: resumed, free: make(chan []User, 2), out: make(chan bulkBatch, 1)}
	a.free <- nil
	a.free <- nil
	return a
}

func (a *bulkAhead) start(ctx context.Context) {
	a.wg.Go(func() {
		for more := true; more; {
			var err error
			if more, err = a.page(ctx); err != nil {
				a.send(ctx, bulkBatch{err: err})
				return
			}
		}
	})
}

func (a *bulkAhead) take(ctx context.Context) (bulkBatch, error) {
	select {
	case b := <-a.out:
		return b, b.err
	case <-ctx.Done():
		return bulkBatch{}, ctx.Err()
	}
}

func (a *bulkAhead) give(users []User) { a.free <- users }

func (a *bulkAhead) send(ctx context.Context, b bulkBatch) bool {
	select {
	case a.out <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

// page reads one page of results. Where it breaks off it is asked for again and goes
// on behind the last user that was handed over: a page is the same each time.
func (a *bulkAhead) page(ctx context.Context) (more bool, err error) {
	waits := newBackoff(a.c.opts.RetryWait)
	for try := 1; ; try++ {
		before := a.cur.Seen
		more, err := a.attempt(ctx)
		if err == nil || ctx.Err() != nil {
			return more, err
		}
		if a.cur.Seen > before {
			try = 1 // it came on
		}
		if a.resumed && refused(err) {
			return false, ErrCursor
		}
		if !a.c.worthAnother(err) || try >= min(brokenTries, a.c.opts.MaxRetries+1) {
			return false, bulkRefusal(a.cur.Job, "a page of results cannot be read", err)
		}
		if err := sleep(ctx, waits.NextBackOff()); err != nil {
			return false, err
		}
	}
}

func (a *bulkAhead) attempt(ctx context.Context) (more bool, err error) {
	q := url.Values{"maxRecords": {strconv.Itoa(a.c.opts.BulkPageSize)}}
	if a.cur.Locator != "" {
		q.Set("locator", a.cur.Locator)
	}
	r := request{
		op: opBulkRows, path: a.c.jobPath(a.cur.Job) + "/results", query: q.Encode(),
		header: map[string]string{"Accept": "text/csv"},
	}
	_, err = a.c.once(ctx, r, func(resp *http.Response) error {
		a.resumed = false
		var err error
		more, err = a.rows(ctx, resp)
		return err
	})
	return more, err
}

// rows hands over the users of a page that were not handed over before. The last of
// them go out only once the page has proved whole.
func (a *bulkAhead) rows(ctx context.Context, resp *http.Response) (more bool, err error) {
	said, err := strconv.Atoi(resp.Header.Get("Sforce-NumberOfRecords"))
	next := resp.Header.Get("Sforce-Locator")
	switch {
	case err != nil || said < 0:
		return false, shape("no Sforce-NumberOfRecords")
	case next == "":
		return false, shape("no Sforce-Locator")
	case next == "null":
		next = ""
	case next == a.cur.Locator:
		return false, shape("the page before came again")
	}
	if err := a.dec.begin(resp.Body); err != nil {
		return false, err
	}
	if err := a.skip(); err != nil {
		return false, err
	}
	for {
		users, end, err := a.batch(ctx)
		if err != nil {
			return false, err
		}
		cur := a.cur
		cur.Skip, cur.Seen = cur.Skip+len(users), cur.Seen+len(users)
		if len(users) > 0 {
			cur.After = users[len(users)-1].ID
		}
		switch {
		case cur.Seen > cur.Records:
			err = shape("more rows than the job has records")
		case end && cur.Skip != said:
			err = shape("a page of %d rows that says it has %d", cur.Skip, said)
		case end:
			cur.Locator, cur.Skip = next, 0
		}
		if err != nil {
			a.give(users)
			return false, err
		}
		if !a.send(ctx, bulkBatch{users: users, cur: cur, last: end && next == ""}) {
			return false, ctx.Err()
		}
		a.cur = cur
		if end {
			return next != "", nil
		}
	}
}

// skip passes over what was handed over before, and makes sure that it is the same.
func (a *bulkAhead) skip() error {
	var u User
	for range a.cur.Skip {
		more, err := a.dec.more()
		if err == nil {
			err = shapeIf(!more, "a page that was longer before")
		}
		if err != nil {
			return err
		}
		u = User{}
		if err := a.dec.row(&u); err != nil {
			return err
		}
	}
	return shapeIf(a.cur.Skip > 0 && u.ID != a.cur.After, "a page that was another before")
}

func shapeIf(wrong bool, reason string) error {
	if wrong {
		return shape("%s", reason)
	}
	return nil
}

// batch reads users until a buffer is full or the page ends.
func (a *bulkAhead) batch(ctx context.Context) (users []User, end bool, err error) {
	select {
	case users = <-a.free:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	defer func() {
		if err != nil {
			a.give(users)
		}
	}()
	users = users[:0]
	before := a.cur.After
	for {
		more, err := a.dec.more()
		if err != nil || !more {
			return users, true, err
		}
		if len(users) == a.c.opts.PageSize {
			return users, false, nil
		}
		users = append(users, User{})
		u := &users[len(users)-1]
		if err := a.dec.row(u); err != nil {
			return users, false, err
		}
		if u.ID == before {
			return users, false, shape("a row stands there twice")
		}
		before = u.ID
	}
}
