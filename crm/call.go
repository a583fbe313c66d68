package crm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// anyHost stands in a request until the token says where the org is.
	anyHost = "instance.invalid"
	// maxBody bounds an answer, unpacked: a page of 2,000 users of 200 fields of 4 kB
	// each would be larger, but Salesforce shrinks such pages itself.
	maxBody = 256 << 20
	// brokenTries is how often an answer that broke off is asked for again.
	brokenTries = 3
)

var oauthCode = regexp.MustCompile(`^[a-z_]{1,64}$`)

// request is one call, before it has a host or a token.
type request struct {
	op     string
	path   string
	query  string // encoded
	method string // empty for a GET, or a POST where there is a body
	body   []byte // JSON
	header map[string]string
	open   bool   // needs no token and is not counted
	host   string // scheme and host of an open one
}

// data is a path under the configured API version.
func (c *Client) data(rest string) string { return "/services/data/v" + c.cfg.APIVersion + rest }

// most is how long an answer may be, unpacked. What is read as a stream is bounded
// by its longest value instead.
func most(op string) int64 {
	if op == opBulkRows {
		return 1 << 40
	}
	return maxBody
}

// call sends r and hands the answer, a success or a 304, to read. Where the answer
// breaks off or makes no sense the call is made again, so read must begin afresh each
// time it is called. The answer's Date is returned, zero where it has none.
func (c *Client) call(ctx context.Context, r request, read func(*http.Response) error) (time.Time, error) {
	waits := newBackoff(c.opts.RetryWait)
	for try := 1; ; try++ {
		date, err := c.once(ctx, r, read)
		if err == nil || ctx.Err() != nil {
			return date, err
		}
		if !c.worthAnother(err) || try >= min(brokenTries, c.opts.MaxRetries+1) {
			return date, err
		}
		if err := sleep(ctx, waits.NextBackOff()); err != nil {
			return date, err
		}
	}
}

func (*Client) worthAnother(err error) bool {
	if _, ok := errors.AsType[*AnswerError](err); ok {
		return true
	}
	inner, ok := errors.AsType[*innerError](err)
	return ok && inner.Retryable() && inner.Code != codeRequestLimit && inner.Code != "QUERY_TIMEOUT"
}

// innerError is an error inside an answer that is itself a success: the retry layer
// has not seen it.
type innerError struct{ *APIError }

func (e *innerError) Unwrap() error { return e.APIError }

func (c *Client) once(ctx context.Context, r request, read func(*http.Response) error) (time.Time, error) {
	req, err := r.build(ctx)
	if err != nil {
		return time.Time{}, err
	}
	chain := c.link(r.op).chain()
	if r.open {
		chain = c.link(r.op).open()
	}
	hc := &http.Client{Transport: chain, CheckRedirect: noRedirect}
	resp, err := hc.Do(req)
	if err != nil {
		return time.Time{}, scrubNetwork(err)
	}
	defer drain(resp.Body)
	if resp.StatusCode == http.StatusNotModified || resp.StatusCode/100 == 2 {
		date, _ := http.ParseTime(resp.Header.Get("Date"))
		resp.Body = http.MaxBytesReader(nil, resp.Body, most(r.op))
		if err := read(resp); err != nil {
			return date, answerError(ctx, r.op, err)
		}
		return date, nil
	}
	if resp.StatusCode/100 == 3 {
		return time.Time{}, &APIError{Op: r.op, Status: resp.StatusCode}
	}
	return time.Time{}, readAPIError(r.op, resp)
}

func (r request) build(ctx context.Context) (*http.Request, error) {
	host := r.host
	if !r.open {
		host = "https://" + anyHost
	}
	target := host + r.path
	if r.query != "" {
		target += "?" + r.query
	}
	method, body := http.MethodGet, io.Reader(nil)
	if r.body != nil {
		method, body = http.MethodPost, bytes.NewReader(r.body)
	}
	method = cmp.Or(r.method, method)
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "rosterd")
	if !r.open {
		req.Header.Set("Sforce-Call-Options", "client=rosterd")
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json; charset=UTF-8")
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	return req, nil
}

// drain reads a little more, so that the connection can be used again, and closes.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 32<<10) // whatever it says, it is only closed
	_ = body.Close()
}

// answerError turns what went wrong in reading a body into an error without any of
// the body in it.
func answerError(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, ok := errors.AsType[*APIError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*AnswerError](err); ok {
		return err
	}
	switch syntax, ok := errors.AsType[*jsontext.SyntacticError](err); {
	case errors.Is(err, errShape):
		return &AnswerError{Op: op, Reason: err.Error()}
	case errors.As(err, new(*json.SemanticError)):
		return &AnswerError{Op: op, Reason: errShape.Error()}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &AnswerError{Op: op, Reason: "cut short", Err: io.ErrUnexpectedEOF}
	case ok:
		return &AnswerError{Op: op, Reason: fmt.Sprintf("broken JSON at byte %d", syntax.ByteOffset)}
	case errors.Is(err, context.DeadlineExceeded):
		return &AnswerError{Op: op, Reason: "too slow", Err: context.DeadlineExceeded}
	}
	return &AnswerError{Op: op, Reason: "broken off", Err: scrubNetwork(err)}
}

// scrubNetwork takes the URL out of a network error: it holds the query.
func scrubNetwork(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.Is(err, syscall.ECONNREFUSED):
		return &networkError{"connection refused", "check login_url, the network and the proxy"}
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return &networkError{"no such host " + dns.Name, "check login_url and this host's name servers"}
	}
	return err
}

// networkError is a fault on the way, which may end by itself, and what to look
// at if it does not.
type networkError struct{ text, hint string }

func (e *networkError) Error() string { return e.text }

// Hint says what an operator can do.
func (e *networkError) Hint() string { return e.hint }

// Retryable is true: an outage passes.
func (*networkError) Retryable() bool { return true }
