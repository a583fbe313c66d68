package crm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Options are what a Client can do without. The zero value is fit for production.
type Options struct {
	// Log gets each request at debug; nil discards.
	Log *slog.Logger
	// Transport carries the requests in the end; nil means one of our own, which
	// trusts Config.CAFile. Where it is given, CAFile has no effect.
	Transport http.RoundTripper
	// Observer is told of every request; nil means nobody.
	Observer Observer
	// Meter is asked before each call that counts against the org's allocation, each
	// retry included. Its error stops the call and is passed up. Nil means yes.
	Meter func(ctx context.Context, op string) error
	// RatePerSecond is the most requests begun a second, with as many at once. 0 means
	// 100: Salesforce documents no such limit, so this only bounds a runaway.
	// Negative means no limit.
	RatePerSecond float64
	// MaxConcurrent is the most requests under way. 0 means 4: an org allows 25 that
	// take over 20 s, a developer org 5, for all apps together.
	MaxConcurrent int
	// RequestTimeout is for one attempt, its body included. 0 means 150 s: Salesforce
	// itself gives up a query after 120 s.
	RequestTimeout time.Duration
	// MaxRetries is how often a request that failed in passing is sent again. 0 means
	// 4; negative means never.
	MaxRetries int
	// RetryWait is the first wait before a retry; it doubles, with jitter, up to 30 s.
	// 0 means 500 ms.
	RetryWait time.Duration
	// PageSize is the rows of a page, 1 to 2000. 0 means 2000.
	PageSize int
	// BulkPageSize is the rows that one call of a snapshot in bulk asks for. 0 means
	// 50,000.
	BulkPageSize int
	// BulkPoll is the first wait for a bulk job to complete; it doubles, up to a minute.
	// 0 means 200 ms.
	BulkPoll time.Duration
	// BulkWait is how long the state and the count of a bulk job may stay the same
	// before it is given up. 0 means 10 minutes, as long as Salesforce gives a single
	// attempt at the results of a query (Bulk API guide, "How Bulk Queries Are
	// Processed"): REST needs less for as many users.
	BulkWait time.Duration
	// Overlap is how far ChangedSince reads back behind its watermark, for rows whose
	// transaction committed long after their stamp. 0 means 10 minutes.
	Overlap time.Duration
	// TokenAge is after how long a token is renewed though it still works, so that a
	// moved instance is noticed. 0 means 1 h; negative means never.
	TokenAge time.Duration
	// TokenHold is how long a refusal that only a person can mend is remembered before
	// the token endpoint is asked again; the login limit holds an hour. 0 means 5 minutes.
	TokenHold time.Duration
}

// Observer is told what happens; metrics implement it. Its methods must be quick and
// safe for concurrent use.
type Observer interface {
	// Request reports one HTTP request: op is one of Ops, code the HTTP status, or
	// "error", "timeout" or "canceled" where no answer came.
	Request(op, code string, took time.Duration)
	// Quota reports what an answer said of the org's allocation.
	Quota(LimitInfo)
}

// The operations, as they appear in metrics and errors.
const (
	opToken    = "token"
	opVersions = "versions"
	opOrg      = "org"
	opDescribe = "describe"
	opCount    = "count"
	opSnapshot = "snapshot"
	opChanges  = "changes"
	opByID     = "by_id"
	opFrozen   = "frozen"
	opLimits   = "limits"

	opBulkCreate = "bulk_create"
	opBulkPoll   = "bulk_poll"
	opBulkRows   = "bulk_rows"
	opBulkDrop   = "bulk_drop"
)

// Ops returns every value of op that an Observer can see.
func Ops() []string {
	return []string{opToken, opVersions, opOrg, opDescribe, opCount, opSnapshot, opChanges, opByID, opFrozen, opLimits, opGlance, opBulkCreate, opBulkPoll, opBulkRows, opBulkDrop}
}

func (o Options) withDefaults() (Options, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Meter == nil {
		o.Meter = func(context.Context, string) error { return nil }
	}
	setDefault(&o.RatePerSecond, 100)
	setDefault(&o.MaxConcurrent, 4)
	setDefault(&o.RequestTimeout, 150*time.Second)
	setDefault(&o.MaxRetries, 4)
	setDefault(&o.RetryWait, 500*time.Millisecond)
	setDefault(&o.PageSize, maxPage)
	setDefault(&o.BulkPageSize, bulkPage)
	setDefault(&o.BulkPoll, 200*time.Millisecond)
	setDefault(&o.BulkWait, 10*time.Minute)
	setDefault(&o.Overlap, 10*time.Minute)
	setDefault(&o.TokenAge, time.Hour)
	setDefault(&o.TokenHold, 5*time.Minute)
	switch {
	case o.PageSize < 1 || o.PageSize > maxPage:
		return o, fmt.Errorf("page size %d: want 1 to %d", o.PageSize, maxPage)
	case o.BulkPageSize < 1:
		return o, fmt.Errorf("bulk page size %d: want at least 1", o.BulkPageSize)
	case o.MaxConcurrent < 1:
		return o, fmt.Errorf("max concurrent %d: want at least 1", o.MaxConcurrent)
	case o.RequestTimeout < 0 || o.RetryWait < 0 || o.Overlap < 0 || o.TokenHold < 0 || o.BulkPoll < 0 || o.BulkWait < 0:
		return o, fmt.Errorf("a duration is negative")
	}
	return o, nil
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

type nobody struct{}

func (nobody) Request(string, string, time.Duration) {}
func (nobody) Quota(LimitInfo)                       {}

// Client reads one Salesforce org. It is safe for concurrent use and starts nothing
// of its own: Close only lets go of idle connections.
type Client struct {
	cfg    Config
	opts   Options
	base   http.RoundTripper
	ownsIt bool // base was made here

	tokens  *tokens
	slots   chan struct{}
	limiter *rate.Limiter
	clock   clock
	usage   usage

	mu        sync.Mutex // guards what follows
	org       Org        // without an ID until it was read
	described describeCache
	logins    time.Time // when UserLogin was last seen to hold rows
}

// New checks cfg and opts and returns a Client. It sends nothing.
func New(cfg Config, opts Options) (*Client, error) {
	cfg, err := cfg.normalize()
	if err != nil {
		return nil, fmt.Errorf("salesforce: %w", err)
	}
	if opts, err = opts.withDefaults(); err != nil {
		return nil, fmt.Errorf("salesforce: %w", err)
	}
	c := &Client{cfg: cfg, opts: opts, base: opts.Transport}
	if c.base == nil {
		if c.base, err = newTransport(cfg.CAFile); err != nil {
			return nil, fmt.Errorf("salesforce: %w", err)
		}
		c.ownsIt = true
	}
	limit := rate.Limit(opts.RatePerSecond)
	if opts.RatePerSecond < 0 {
		limit = rate.Inf
	}
	c.slots = make(chan struct{}, opts.MaxConcurrent)
	c.limiter = rate.NewLimiter(limit, max(1, int(opts.RatePerSecond)))
	c.tokens = newTokens(cfg, opts, c.link(opToken).observed())
	return c, nil
}

// Close lets go of idle connections. The Client can still be used afterwards.
func (c *Client) Close() {
	if t, ok := c.base.(*http.Transport); ok && c.ownsIt {
		t.CloseIdleConnections()
	}
}

func newTransport(caFile string) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ForceAttemptHTTP2:     true,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		ReadBufferSize:        64 << 10,
	}
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, hinted("ca_file holds no certificate", "give a file of PEM certificates")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}
