package crm

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The chain that every call goes through, outermost first:
//
//	retried ─► authorized ─► metered ─► throttled ─► observed ─► base
//	  │            │            │            │            └ timeout, metrics, log
//	  │            │            │            └ concurrency and rate
//	  │            │            └ asks the governor before, reads quota and clock after
//	  │            └ token and instance; a new one once on 401
//	  └ errorCode decides; backoff, Retry-After
//
// A retry and a renewal each pass the layers below again, so each is counted, paced
// and observed for itself. Each layer leaves the request it is given as it was.

// link builds the layers for one operation.
type link struct {
	c  *Client
	op string
}

func (c *Client) link(op string) link { return link{c, op} }

func (l link) observed() http.RoundTripper {
	return &observed{
		next: l.c.base, op: l.op, timeout: l.c.opts.RequestTimeout, streams: l.op == opBulkRows,
		observer: l.c.opts.Observer, log: l.c.opts.Log,
	}
}

// open is the chain for what needs no token and counts against nothing.
func (l link) open() http.RoundTripper {
	next := &throttled{next: l.observed(), slots: l.c.slots, limiter: l.c.limiter}
	return &retried{next: next, op: l.op, wait: l.c.opts.RetryWait, max: l.c.opts.MaxRetries}
}

func (l link) chain() http.RoundTripper {
	throttle := &throttled{next: l.observed(), slots: l.c.slots, limiter: l.c.limiter}
	meter := &metered{next: throttle, op: l.op, ask: l.c.opts.Meter, c: l.c}
	auth := &authorized{next: meter, op: l.op, tokens: l.c.tokens}
	return &retried{next: auth, op: l.op, wait: l.c.opts.RetryWait, max: l.c.opts.MaxRetries}
}

// throttled bounds the requests under way, bodies included, and those begun a second.
type throttled struct {
	next    http.RoundTripper
	slots   chan struct{}
	limiter *rate.Limiter
}

func (t *throttled) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release := func() { <-t.slots }
	if err := t.limiter.Wait(ctx); err != nil {
		release()
		return nil, err
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		release()
		return nil, err
	}
	resp.Body = onClose(resp.Body, release)
	return resp, nil
}

// metered asks the governor before a call and reads quota and clock off the answer.
type metered struct {
	next http.RoundTripper
	op   string
	ask  func(ctx context.Context, op string) error
	c    *Client
}

// refusedError carries the governor's no through the chain: it is not to be retried.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

func (m *metered) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := m.ask(r.Context(), m.op); err != nil {
		return nil, &refusedError{err}
	}
	resp, err := m.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if info, ok := limitInfoOf(resp.Header); ok {
		m.c.usage.store(info)
		m.c.opts.Observer.Quota(info)
	}
	if resp.StatusCode < 400 { // an error page may be a proxy's, with a proxy's clock
		m.c.clock.set(resp.Header.Get("Date"))
	}
	return resp, nil
}

// observed gives each request its time limit and reports how it went.
type observed struct {
	next     http.RoundTripper
	op       string
	timeout  time.Duration
	streams  bool // the limit is for the head, and for each wait for more of the body
	observer Observer
	log      *slog.Logger
}

func (o *observed) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, limit, stop := o.limited(r.Context())
	begin := time.Now()
	resp, err := o.next.RoundTrip(r.WithContext(ctx))
	took := time.Since(begin)
	if err != nil && r.Context().Err() == nil && ctx.Err() != nil {
		err = context.DeadlineExceeded // not every transport says which it was
	}
	code := outcome(r.Context(), resp, err)
	o.observer.Request(o.op, code, took)
	o.log.DebugContext(ctx, "salesforce request", "verb", o.op, "reason", code, "took", took)
	if err != nil {
		stop()
		return nil, err
	}
	if limit != nil {
		limit.Stop()
		resp.Body = &patient{ReadCloser: resp.Body, limit: limit, timeout: o.timeout}
	}
	resp.Body = onClose(resp.Body, stop)
	return resp, nil
}

// limited is a context that ends when the time for a request is over. Where there is a
// timer, stopping that takes the limit away.
func (o *observed) limited(ctx context.Context) (context.Context, *time.Timer, func()) {
	if !o.streams {
		ctx, cancel := context.WithTimeout(ctx, o.timeout)
		return ctx, nil, cancel
	}
	ctx, cancel := context.WithCancel(ctx)
	limit := time.AfterFunc(o.timeout, cancel)
	return ctx, limit, func() {
		limit.Stop()
		cancel()
	}
}

// patient is a body that is read for as long as its reader likes: the limit runs only
// while more of it is waited for.
type patient struct {
	io.ReadCloser
	limit   *time.Timer
	timeout time.Duration
}

func (p *patient) Read(b []byte) (int, error) {
	p.limit.Reset(p.timeout)
	defer p.limit.Stop()
	return p.ReadCloser.Read(b)
}

func outcome(ctx context.Context, resp *http.Response, err error) string {
	switch {
	case err == nil:
		return strconv.Itoa(resp.StatusCode)
	case ctx.Err() != nil:
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "error"
}

// onClose runs f once when the body is closed.
func onClose(body io.ReadCloser, f func()) io.ReadCloser {
	return &closer{ReadCloser: body, f: f}
}

type closer struct {
	io.ReadCloser
	once sync.Once
	f    func()
}

func (c *closer) Close() error {
	err := c.ReadCloser.Close()
	c.once.Do(c.f)
	return err
}
