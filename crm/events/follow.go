package events

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/rosterd/rosterd/crm"
)

// Topic is that of the changes of users.
const Topic = "/data/UserChangeEvent"

// Sessions gives tokens. Renew asks for another one than a session's.
type Sessions interface {
	Session(ctx context.Context) (crm.Session, error)
	Renew(ctx context.Context, stale crm.Session) (crm.Session, error)
}

// Handler takes what a stream brings. Begun and Take are called one after the
// other; State may come between.
type Handler interface {
	// Position returns after which event to go on; nil means from now on.
	Position(ctx context.Context) ([]byte, error)
	// Begun says that a stream stands, before anything of it is taken.
	Begun(ctx context.Context, s Start) error
	// Take stores what a batch tells, and its position with it. Its error ends the
	// stream, and what it was given comes again.
	Take(ctx context.Context, b Batch) error
	// State tells how it stands now. It must not block.
	State(s State)
}

// Start is how a stream began.
type Start struct {
	After []byte // the position that it goes on from; nil for from now on
	Lost  bool   // there was a position, and Salesforce does not know it any more
}

// Phase is a stage of a stream's life.
type Phase string

// The phases.
const (
	PhaseConnecting Phase = "connecting" // also while Salesforce says nothing at all
	PhaseLive       Phase = "live"       // it has answered
	PhaseDown       Phase = "down"
)

// State is how the stream stands.
type State struct {
	Phase  Phase
	Reason Reason // why it is down
	Err    error  // likewise, in words
	Hint   string // what a person can do
	Person bool   // only a person can mend it
	Retry  time.Time
}

// Options are what a Client can do without. The zero value is fit for production.
type Options struct {
	Log *slog.Logger // nil discards
	// Watchdog is after how long without any message a stream is given up. 0 means
	// 300 s: Salesforce sends a sign of life at least every 270 s.
	Watchdog time.Duration
	// Credit is the most events asked for and not yet received, 1 to 100. 0 means
	// 100, which is the most that Salesforce grants.
	Credit int
	// Queue bounds the events that were received and are not stored. 0 means 1,000.
	Queue int
	// Settle is after how long without an error a stream is taken to stand whose
	// answer has begun, but brought no message. 0 means a second. Where the head of the
	// answer comes with its first message, the stream stands from then on.
	Settle time.Duration
	// First and Most bound the wait after a failure in passing, which doubles, with
	// full jitter. 0 means 1 s and 5 min.
	First, Most time.Duration
	// Service is the shortest wait after an outage of Salesforce. 0 means 5 s.
	Service time.Duration
	// Throttle is the shortest wait after too many requests. 0 means 1 min.
	Throttle time.Duration
	// Slow is the first wait where only a person can mend it; it doubles up to six
	// times as long. 0 means 5 min.
	Slow time.Duration
	// Limit is the first wait when the delivery allocation is spent; it doubles up to
	// four times as long. 0 means 15 min.
	Limit time.Duration
	// Healthy is how long a stream must stand for its failures to be forgotten. 0
	// means 60 s.
	Healthy time.Duration
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.Watchdog, 300*time.Second)
	set(&o.Settle, time.Second)
	set(&o.First, time.Second)
	set(&o.Most, 5*time.Minute)
	set(&o.Service, 5*time.Second)
	set(&o.Throttle, time.Minute)
	set(&o.Slow, 5*time.Minute)
	set(&o.Limit, 15*time.Minute)
	set(&o.Healthy, time.Minute)
	if o.Credit <= 0 || o.Credit > maxCredit {
		o.Credit = maxCredit
	}
	if o.Queue <= 0 {
		o.Queue = 1000
	}
	return o
}

// Client follows one topic of one org. Follow must not run twice at a time:
// Salesforce delivers, and counts, each event for each stream.
type Client struct {
	o       Options
	dial    func(crm.Session) (conn, error)
	target  target
	wake    chan struct{}
	schemas map[string]*schema // for ever: an id stands for its content
}

// New returns a client for an endpoint: host:port, or http://host:port without
// TLS for loopback addresses. caFile holds certificates trusted beside the
// system's; empty means none. It connects to nothing.
func New(endpoint, caFile string, o Options) (*Client, error) {
	t, err := newTarget(endpoint, caFile)
	if err != nil {
		return nil, err
	}
	return &Client{
		o: o.withDefaults(), target: t, wake: make(chan struct{}, 1), schemas: map[string]*schema{},
		dial: func(s crm.Session) (conn, error) { return t.dial(s) },
	}, nil
}

// Kick has the next try be now, for a person who has perhaps just mended
// something.
func (c *Client) Kick() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// attempts is what was tried in a row.
type attempts struct {
	soon, slow, limit int
	renew             bool      // the token was refused: get another one
	renewed           bool      // and that was done
	fresh             time.Time // when
	lost              bool      // go on from now
	credit            int
}

// Follow keeps a stream alive until ctx ends: one at a time, each begun where
// the one before had come to.
func (c *Client) Follow(ctx context.Context, sessions Sessions, h Handler) {
	tries := attempts{credit: c.o.Credit}
	for ctx.Err() == nil {
		h.State(State{Phase: PhaseConnecting})
		stood, err := c.once(ctx, sessions, h, &tries)
		if ctx.Err() != nil {
			return
		}
		if stood >= c.o.Healthy {
			tries = attempts{credit: c.o.Credit, lost: tries.lost}
		}
		if stood > 0 && time.Since(tries.fresh) >= c.o.Healthy { // the token was good, and need not be any more
			tries.renewed = false
		}
		v := judge(err)
		wait := c.wait(v, err, &tries)
		h.State(State{
			Phase: PhaseDown, Reason: v.reason, Err: err, Hint: v.hint, Person: v.pace == paceSlow || v.pace == paceAuth && wait > 0,
			Retry: time.Now().Add(wait),
		})
		c.o.Log.Debug("stream ended", "reason", string(v.reason), "err", err, "took", stood)
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-time.After(wait):
		}
	}
}

// wait says how long to wait after a failure, and notes it.
func (c *Client) wait(v verdict, err error, t *attempts) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok && e.Code == codeOverflow {
		t.credit = max(t.credit/2, 1)
	}
	double := func(first time.Duration, n, most int) time.Duration { return first << min(n, most) }
	switch v.pace {
	case paceReplay:
		if !t.lost {
			t.lost = true
			return 0
		}
	case paceAuth:
		if !t.renewed {
			t.renew, t.renewed, t.fresh = true, true, time.Now()
			return 0
		}
		t.slow++
		return double(c.o.Slow, t.slow-1, 2)
	case paceSlow:
		t.slow++
		return double(c.o.Slow, t.slow-1, 2)
	case paceLimit:
		t.limit++
		return double(c.o.Limit, t.limit-1, 2)
	}
	t.soon++
	most := min(double(c.o.First, t.soon-1, 20), c.o.Most)
	if most <= 0 {
		most = c.o.Most
	}
	wait := rand.N(most) + 1
	switch v.pace {
	case paceService:
		wait = max(wait, c.o.Service)
	case paceThrottle:
		wait = max(wait, c.o.Throttle)
	}
	return wait
}

// once is the life of one stream. Nothing of it runs any more when it returns.
func (c *Client) once(ctx context.Context, sessions Sessions, h Handler, t *attempts) (stood time.Duration, err error) {
	s, err := sessions.Session(ctx)
	if err == nil && t.renew {
		t.renew = false
		s, err = sessions.Renew(ctx, s)
	}
	if err != nil {
		return 0, loginFailure(err)
	}
	start := Start{Lost: t.lost}
	if !t.lost {
		if start.After, err = h.Position(ctx); err != nil {
			return 0, fail(ReasonStore, paceSoon, "read the position: %w", err)
		}
	}
	conn, err := c.dial(s)
	if err != nil {
		return 0, fail(ReasonNetwork, paceSlow, "%w", err)
	}
	defer conn.close()
	p := &pump{c: c, conn: conn, h: h, start: start, credit: t.credit}
	if err = p.run(ctx); errors.Is(err, io.EOF) {
		err = fail(ReasonClosed, paceSoon, "Salesforce ended the stream")
	}
	if p.begun {
		t.lost = false
	}
	return p.stood(), err
}

// loginFailure tells a login that a person must mend from one that fails in
// passing.
func loginFailure(err error) error {
	v := verdict{reason: ReasonLogin}
	if r, ok := errors.AsType[interface {
		error
		Retryable() bool
	}](err); ok && !r.Retryable() {
		v.pace = paceSlow
	}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		v.hint = h.Hint()
	}
	return &failure{v, err}
}

// Check asks whether the topic can be followed with a session.
func (c *Client) Check(ctx context.Context, s crm.Session) error {
	d, err := c.target.dial(s)
	if err != nil {
		return err
	}
	defer d.close()
	info, err := d.topic(ctx, Topic)
	if err != nil {
		return err
	}
	if !info.GetCanSubscribe() {
		return &Error{Code: "subscription.topic.cannot.subscribe", Text: "the integration user may not follow " + Topic}
	}
	return nil
}
