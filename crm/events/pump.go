package events

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rosterd/rosterd/crm/events/eventbus"
)

// maxCredit is the most events that Salesforce lets one ask for ahead.
const maxCredit = 100

// pump is the life of one stream:
//
//	receive ──► queue, bounded ──► take: decode, hand over
//	   ▲                              │
//	   └── credit, asked for before ──┘
//
// One goroutine receives, one takes; the pump itself counts credit, asks for
// more when half is left, and watches the time.
type pump struct {
	c      *Client
	conn   conn
	h      Handler
	start  Start
	credit int

	wire        wire
	asked       bool      // the first request was sent
	outstanding int       // asked for and not received
	queue       []arrival // received and not given to the taker
	queued      int       // events in queue, and with the taker
	live        time.Time // since when it stands; zero while it does not
	begun       bool      // the handler knows that it stands
	held        []byte    // the position of the last event: more may come that share it
}

// arrival is one response.
type arrival struct {
	events []*eventbus.ConsumerEvent
	latest []byte // of a sign of life: all that came before is all there is
}

type received struct {
	resp *eventbus.FetchResponse
	err  error
}

type taken struct {
	events int
	err    error
}

func (p *pump) stood() time.Duration {
	if p.live.IsZero() {
		return 0
	}
	return time.Since(p.live)
}

func (p *pump) run(ctx context.Context) error {
	streamCtx, end := context.WithCancel(ctx)
	var running sync.WaitGroup
	work, done := make(chan []arrival), make(chan taken, 1)
	running.Go(func() { p.take(ctx, work, done) })
	err := p.stream(streamCtx, &running, work, done)
	end()
	close(work)
	running.Wait() // only now may another stream begin
	return err
}

func (p *pump) stream(ctx context.Context, running *sync.WaitGroup, work chan<- []arrival, done <-chan taken) error {
	var err error
	if p.wire, err = p.conn.subscribe(ctx); err != nil {
		return err
	}
	if err := p.ask(); err != nil {
		return err
	}
	in, answered := make(chan received), make(chan struct{})
	running.Go(func() {
		if p.wire.answered() {
			select {
			case answered <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
		for {
			resp, err := p.wire.receive()
			select {
			case in <- received{resp, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	})
	var settled <-chan time.Time
	watchdog := time.NewTimer(p.c.o.Watchdog)
	defer watchdog.Stop()
	busy := false
	for {
		var to chan<- []arrival
		if !busy && !p.live.IsZero() && len(p.queue) > 0 {
			to = work
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-watchdog.C:
			return fail(ReasonSilent, paceSoon, "nothing arrived for %s", p.c.o.Watchdog)
		case <-answered: // it may be followed by a refusal
			settled = time.After(p.c.o.Settle)
		case <-settled:
			p.stands()
		case r := <-in:
			if r.err != nil {
				return p.rest(ctx, r.err, work, done, busy)
			}
			watchdog.Reset(p.c.o.Watchdog)
			p.stands()
			if err := p.arrived(r.resp); err != nil {
				return err
			}
		case to <- p.queue:
			p.queue, busy = nil, true
		case t := <-done:
			busy = false
			if t.err != nil {
				return t.err
			}
			p.queued -= t.events
			if err := p.ask(); err != nil {
				return err
			}
		}
	}
}

// rest has what was received before the stream ended stored all the same: it
// would only have to be delivered again.
func (p *pump) rest(ctx context.Context, err error, work chan<- []arrival, done <-chan taken, busy bool) error {
	if p.live.IsZero() {
		return err
	}
	for busy || len(p.queue) > 0 {
		if !busy {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case work <- p.queue:
				p.queue, busy = nil, true
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case t := <-done:
			if busy = false; t.err != nil {
				return t.err
			}
		}
	}
	return err
}

// stands notes that the stream has come to stand, and has the handler told so
// before anything else.
func (p *pump) stands() {
	if p.live.IsZero() {
		p.live = time.Now()
		p.queue = append([]arrival{{}}, p.queue...)
		p.h.State(State{Phase: PhaseLive})
	}
}

// arrived takes in a response: credit first, since asking for more may not wait
// for what is done with it.
func (p *pump) arrived(resp *eventbus.FetchResponse) error {
	n := len(resp.GetEvents())
	p.outstanding = max(p.outstanding-n, 0)
	p.queued += n
	a := arrival{events: resp.GetEvents()}
	if n == 0 {
		a.latest = resp.GetLatestReplayId()
	}
	p.queue = append(p.queue, a)
	return p.ask()
}

// ask asks for events when half of the credit is left, as many as make it whole
// again and as the queue has room for.
func (p *pump) ask() error {
	n := min(p.credit-p.outstanding, p.c.o.Queue-p.queued-p.outstanding)
	if p.outstanding > p.credit/2 || n < 1 {
		return nil
	}
	r := &eventbus.FetchRequest{TopicName: Topic, NumRequested: int32(n)}
	if p.start.After != nil {
		r.ReplayPreset, r.ReplayId = eventbus.ReplayPreset_CUSTOM, p.start.After
	}
	if p.asked {
		r.ReplayPreset, r.ReplayId = eventbus.ReplayPreset_LATEST, nil // only the first request may say
	}
	p.outstanding += n
	p.asked = true
	return p.wire.send(r)
}

// take decodes and hands over what it is given, until work is closed.
func (p *pump) take(ctx context.Context, work <-chan []arrival, done chan<- taken) {
	for list := range work {
		n, err := p.hand(ctx, list)
		done <- taken{n, err}
	}
}

func (p *pump) hand(ctx context.Context, list []arrival) (n int, err error) {
	if !p.begun {
		if err := p.h.Begun(ctx, p.start); err != nil {
			return 0, storeFailure(err)
		}
		p.begun = true
	}
	var b Batch
	for _, a := range list {
		for _, e := range a.events {
			if err := p.read(ctx, e, &b); err != nil {
				return n, err
			}
			n++
		}
		if a.latest != nil {
			b.Position, p.held = a.latest, nil
		}
	}
	if n == 0 && b.Position == nil {
		return n, nil
	}
	if err := p.h.Take(ctx, b); err != nil {
		return n, storeFailure(err)
	}
	return n, nil
}

// read adds an event to a batch. Several events can share a position, and only
// what follows shows that the last of them has come: until then the position is
// that of the event before.
func (p *pump) read(ctx context.Context, e *eventbus.ConsumerEvent, b *Batch) error {
	if p.held != nil && string(p.held) != string(e.GetReplayId()) {
		b.Position = p.held
	}
	p.held = e.GetReplayId()
	s, err := p.c.schemaOf(ctx, p.conn, e.GetEvent().GetSchemaId())
	if err != nil {
		return err
	}
	change, ours, err := s.change(e.GetEvent().GetPayload())
	switch {
	case err != nil:
		b.Unreadable++
		p.c.o.Log.Warn("an event cannot be read", "err", err)
	case ours:
		b.Changes = append(b.Changes, change)
	}
	return nil
}

// schemaOf returns the schema that an event was written with. Only the taker
// asks, one id at a time.
func (c *Client) schemaOf(ctx context.Context, conn conn, id string) (*schema, error) {
	if s := c.schemas[id]; s != nil {
		return s, nil
	}
	text, err := conn.schema(ctx, id)
	if err != nil {
		return nil, err
	}
	s, err := parseSchema(text)
	if err != nil {
		return nil, fail(ReasonProtocol, paceSlow, "schema of an event: %w", err)
	}
	c.schemas[id] = s
	return s, nil
}

func storeFailure(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fail(ReasonStore, paceSoon, "%w", fmt.Errorf("store what arrived: %w", err))
}
