package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// DefaultSocket is where the daemon's socket is unless its configuration says
// otherwise.
const DefaultSocket = "/run/rosterd/control.sock"

const (
	answerTime = requestTime + 10*time.Second // for one request: a little more than the server takes
	maxAnswer  = 64 << 20                     // bytes of an answer: 2,000 users are about 4 MiB
)

// ClientOptions say where the daemon is. Either Socket or Server is set.
type ClientOptions struct {
	Socket string // path of the Unix socket
	Server string // base URL of the TCP address
	Token  string // bearer token, for Server
	Org    string // may be empty when the daemon has one org
}

// Client calls the control API. It is safe for concurrent use. Refusals are of
// type *Problem, a daemon that cannot be reached is a *ConnectError.
type Client struct {
	http  *http.Client
	base  string
	where string // for messages
	token string
	org   string
}

// NewClient makes a client. It opens nothing.
func NewClient(o ClientOptions) (*Client, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
	c := &Client{http: &http.Client{Transport: transport}, token: o.Token, org: o.Org}
	if o.Server == "" {
		var d net.Dialer
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", o.Socket)
		}
		c.base, c.where = "http://localhost", o.Socket
		return c, nil
	}
	u, err := url.Parse(o.Server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, invalid(fmt.Sprintf("%q is not the address of a server", o.Server), "for example http://127.0.0.1:8470")
	}
	transport.Proxy = http.ProxyFromEnvironment
	c.base, c.where = strings.TrimRight(o.Server, "/"), o.Server
	return c, nil
}

// ConnectError says that the daemon could not be reached.
type ConnectError struct {
	Where string // socket or URL
	Err   error
}

// Error says where and why.
func (e *ConnectError) Error() string {
	err := e.Err
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // its own text repeats the whole request
	}
	if n, ok := errors.AsType[syscall.Errno](err); ok {
		err = n // what wraps it repeats where
	}
	return fmt.Sprintf("reach rosterd at %s: %v", e.Where, err)
}

// Unwrap returns the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *ConnectError) Hint() string {
	socket := strings.HasPrefix(e.Where, "/")
	switch {
	case errors.Is(e.Err, os.ErrPermission):
		return "your user may not open the socket: join the group rosterd (sudo usermod -aG rosterd $USER, then log in again), or use sudo"
	case errors.Is(e.Err, os.ErrNotExist):
		return "rosterd does not run, or its socket is elsewhere: systemctl status rosterd, or say where with --socket or --server"
	case socket:
		return "rosterd does not run: systemctl status rosterd"
	default:
		return "check the address, and that rosterd runs with control.listen set to it"
	}
}

// request is one call of the API.
type request struct {
	method string
	path   string // with its parts escaped
	query  url.Values
	body   any
	file   io.Reader // in place of body; header says what it is
	header http.Header
}

func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	q := r.query
	if q == nil {
		q = url.Values{}
	}
	if c.org != "" {
		q.Set("org", c.org)
	}
	target := c.base + r.path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	body := r.file
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	maps.Copy(req.Header, r.header)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &ConnectError{c.where, err}
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		return nil, readProblem(resp)
	}
	return resp, nil
}

// readProblem reads a refusal, whoever sent it: a proxy in between may.
func readProblem(resp *http.Response) *Problem {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var p Problem
	if json.Unmarshal(text, &p) == nil && p.Message != "" {
		p.Status = resp.StatusCode
		return &p
	}
	return newProblem(resp.StatusCode, CodeInternal, "the server answered "+resp.Status, "is that address really rosterd's?")
}

// call makes a request and reads its answer into a T.
func doJSON[T any](ctx context.Context, c *Client, r request) (T, error) {
	var out T
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	resp, err := c.send(ctx, r)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&out); err != nil {
		return out, fmt.Errorf("read the answer of %s: %w", c.where, err)
	}
	return out, nil
}

func get[T any](ctx context.Context, c *Client, path string, q url.Values) (T, error) {
	return doJSON[T](ctx, c, request{method: http.MethodGet, path: path, query: q})
}

func post[T any](ctx context.Context, c *Client, path string, body any) (T, error) {
	return doJSON[T](ctx, c, request{method: http.MethodPost, path: path, body: body})
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status says how the daemon and its orgs stand.
func (c *Client) Status(ctx context.Context) (DaemonStatus, error) {
	return get[DaemonStatus](ctx, c, "/v1/status", nil)
}

// Me says who the caller is to the daemon.
func (c *Client) Me(ctx context.Context) (Me, error) { return get[Me](ctx, c, "/v1/me", nil) }

// Quota says how the org's API quota stands.
func (c *Client) Quota(ctx context.Context) (QuotaStatus, error) {
	return get[QuotaStatus](ctx, c, "/v1/quota", nil)
}

// Pause stops the org's sync.
func (c *Client) Pause(ctx context.Context, reason string) (Paused, error) {
	return post[Paused](ctx, c, "/v1/pause", Why{reason})
}

// Resume lets the org's sync go on.
func (c *Client) Resume(ctx context.Context) (Paused, error) {
	return post[Paused](ctx, c, "/v1/resume", nil)
}

// Doctor checks that everything the sync needs is there.
func (c *Client) Doctor(ctx context.Context) (Checks, error) {
	return get[Checks](ctx, c, "/v1/doctor", nil)
}
