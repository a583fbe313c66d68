package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/events/eventbus"
)

// line is a connection whose other end is the test.
type line struct {
	t       *testing.T
	ctx     context.Context
	sent    chan *eventbus.FetchRequest
	head    chan struct{} // closed when the answer begins
	in      chan received
	schemas map[string]string
}

func (l *line) subscribe(ctx context.Context) (wire, error) {
	l.ctx = ctx
	return l, nil
}

func (l *line) schema(_ context.Context, id string) (string, error) {
	text, ok := l.schemas[id]
	if !ok {
		return "", &Error{Code: "schema.validation.failed", GRPC: codes.InvalidArgument}
	}
	return text, nil
}

func (l *line) close() {}

func (l *line) send(r *eventbus.FetchRequest) error {
	l.sent <- r
	return nil
}

func (l *line) answered() bool {
	select {
	case <-l.head:
		return true
	case <-l.ctx.Done():
		return false
	}
}

func (l *line) receive() (*eventbus.FetchResponse, error) {
	select {
	case r := <-l.in:
		return r.resp, r.err
	case <-l.ctx.Done():
		return nil, l.ctx.Err()
	}
}

// bus hands out lines, and is the handler too.
type bus struct {
	t     *testing.T
	lines chan *line

	mu       sync.Mutex // guards what follows
	position []byte
	got      []Batch
	begun    []Start
	states   []State
	times    []time.Time // of states
	renewed  int
	mute     bool          // the other end says nothing unless told to
	gate     chan struct{} // if not nil, Take waits for it
	fail     error         // of the next Take
	schemas  map[string]string
}

func newBus(t *testing.T) *bus {
	_, text := userSchema(t)
	_, wider := userSchema(t, "Region__c")
	return &bus{t: t, lines: make(chan *line, 100), schemas: map[string]string{"one": text, "two": wider}}
}

func (b *bus) Session(context.Context) (crm.Session, error) { return crm.Session{Token: "t"}, nil }

func (b *bus) Renew(_ context.Context, s crm.Session) (crm.Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.renewed++
	return s, nil
}

func (b *bus) Position(context.Context) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.position, nil
}

func (b *bus) Begun(_ context.Context, s Start) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = append(b.begun, s)
	return nil
}

func (b *bus) Take(ctx context.Context, batch Batch) error {
	b.mu.Lock()
	gate := b.gate
	b.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.fail; err != nil {
		b.fail = nil
		return err
	}
	b.got = append(b.got, batch)
	if batch.Position != nil {
		b.position = batch.Position
	}
	return nil
}

func (b *bus) State(s State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.states, b.times = append(b.states, s), append(b.times, time.Now())
}

// at is the position that was stored last.
func (b *bus) at() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.position)
}

// starts are how the streams began.
func (b *bus) starts() []Start {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.begun)
}

// set changes what the bus does.
func (b *bus) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *bus) last() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.states[len(b.states)-1]
}

func (b *bus) changes() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, batch := range b.got {
		n += len(batch.Changes)
	}
	return n
}

// follow runs a client against the bus in a bubble of its own time.
func follow(t *testing.T, o Options, story func(t *testing.T, b *bus), before ...func(b *bus)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		for _, f := range before {
			f(b)
		}
		c, err := New("http://127.0.0.1:1", "", o)
		if err != nil {
			t.Fatal(err)
		}
		c.dial = func(crm.Session) (conn, error) {
			l := &line{
				t: t, sent: make(chan *eventbus.FetchRequest, 1000), head: make(chan struct{}), in: make(chan received), schemas: b.schemas,
			}
			b.set(func() {
				if !b.mute {
					close(l.head)
				}
			})
			b.lines <- l
			return l, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Follow(ctx, b, b)
		}()
		story(t, b)
		cancel()
		<-done
	})
}

// next is the line opened next, and what was asked of it first.
func (b *bus) next() (*line, *eventbus.FetchRequest) {
	l := <-b.lines
	return l, <-l.sent
}

func replay(i int) []byte { return []byte(fmt.Sprintf("%08d", i)) }

func (b *bus) event(i int, schemaID string) *eventbus.ConsumerEvent {
	b.t.Helper()
	s, err := parseSchema(b.schemas[schemaID])
	if err != nil {
		b.t.Fatal(err)
	}
	return &eventbus.ConsumerEvent{ReplayId: replay(i), Event: &eventbus.ProducerEvent{SchemaId: schemaID, Payload: encode(b.t, s, nil)}}
}

func (b *bus) events(from, n int) []*eventbus.ConsumerEvent {
	one := b.event(from, "one")
	var list []*eventbus.ConsumerEvent
	for i := range n {
		list = append(list, &eventbus.ConsumerEvent{ReplayId: replay(from + i), Event: one.GetEvent()})
	}
	return list
}

func (l *line) say(events ...*eventbus.ConsumerEvent) {
	l.in <- received{resp: &eventbus.FetchResponse{Events: events, LatestReplayId: replay(99_999)}}
	synctest.Wait()
}

func (l *line) end(err error) {
	l.in <- received{err: err}
	synctest.Wait()
}

func ended(code string, c codes.Code) error { return &Error{Code: code, GRPC: c} }

// Outstanding credit never passes 100, and is filled up at half.
func TestCreditIsExact(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		l, first := b.next()
		if first.GetNumRequested() != 100 || first.GetTopicName() != Topic || first.GetReplayPreset() != eventbus.ReplayPreset_LATEST {
			t.Fatalf("the first request is %v", first)
		}
		outstanding, at := 100, 0
		for _, n := range []int{1, 49, 1, 30, 70, 20, 100, 3, 60} {
			n = min(n, outstanding)
			l.say(b.events(at, n)...)
			at += n
			outstanding -= n
			for len(l.sent) > 0 {
				r := <-l.sent
				if outstanding > 50 {
					t.Errorf("asked for more with %d outstanding", outstanding)
				}
				outstanding += int(r.GetNumRequested())
				if r.GetReplayId() != nil || r.GetReplayPreset() != eventbus.ReplayPreset_LATEST {
					t.Errorf("a later request names a position: %v", r)
				}
			}
			if outstanding > 100 || outstanding <= 50 {
				t.Errorf("%d outstanding after %d events", outstanding, at)
			}
		}
		if got := b.changes(); got != at {
			t.Errorf("took %d changes of %d", got, at)
		}
	})
}

// While what arrived cannot be stored, more is asked for first, until the queue
// is full, and again when it drains.
func TestQueueIsBounded(t *testing.T) {
	follow(t, Options{Queue: 150}, func(t *testing.T, b *bus) {
		b.set(func() { b.gate = make(chan struct{}) })
		l, _ := b.next()
		l.say(b.events(0, 100)...)
		if r := <-l.sent; r.GetNumRequested() != 50 {
			t.Fatalf("asked for %d with 100 of 150 waiting", r.GetNumRequested())
		}
		l.say(b.events(100, 50)...)
		if len(l.sent) > 0 {
			t.Fatal("asked for more than the queue holds")
		}
		close(b.gate)
		synctest.Wait()
		total := 0
		for len(l.sent) > 0 {
			r := <-l.sent
			total += int(r.GetNumRequested())
		}
		if total != 100 || b.changes() != 150 {
			t.Errorf("asked for %d more, took %d", total, b.changes())
		}
	})
}

// The position is that of what is stored, and never that of an event that may
// share it with the next.
func TestPositionFollowsWhatIsStored(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		l, _ := b.next()
		l.say(b.event(7, "one"), b.event(9, "one"))
		if got := b.at(); got != string(replay(7)) {
			t.Errorf("after events 7 and 9: position %q", got)
		}
		l.say(b.event(9, "two"))
		if got := b.at(); got != string(replay(7)) {
			t.Errorf("after another event 9: position %q", got)
		}
		l.in <- received{resp: &eventbus.FetchResponse{LatestReplayId: replay(50)}}
		synctest.Wait()
		if got := b.at(); got != string(replay(50)) {
			t.Errorf("after a sign of life: position %q", got)
		}
		l.end(io.EOF)
		_, again := b.next()
		if again.GetReplayPreset() != eventbus.ReplayPreset_CUSTOM || string(again.GetReplayId()) != string(replay(50)) {
			t.Errorf("went on with %v", again)
		}
		if want := []Start{{}}; !cmp.Equal(b.starts(), want) {
			t.Errorf("begun %v, want %v", b.starts(), want)
		}
	})
}

// What cannot be stored ends the stream and comes again.
func TestNothingIsLostWhenStoringFails(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		b.set(func() { b.position = replay(3) })
		l, _ := b.next()
		b.set(func() { b.fail = errors.New("disk full") })
		l.say(b.events(4, 5)...)
		if s := b.last(); s.Phase != PhaseDown || s.Reason != ReasonStore {
			t.Fatalf("state %+v", s)
		}
		_, again := b.next()
		if string(again.GetReplayId()) != string(replay(3)) {
			t.Errorf("went on after %q", again.GetReplayId())
		}
	})
}

// An event that cannot be read is told of, and does not stop the others.
func TestUnreadable(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		l, _ := b.next()
		bad := b.event(2, "one")
		bad.Event.Payload = bad.Event.Payload[:5]
		l.say(b.event(1, "one"), bad, b.event(3, "two"))
		b.mu.Lock()
		defer b.mu.Unlock()
		if last := b.got[len(b.got)-1]; last.Unreadable != 1 || len(last.Changes) != 2 {
			t.Errorf("got %+v", last)
		}
	})
}

func TestSilenceEndsTheStream(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		l, _ := b.next()
		time.Sleep(2 * time.Second)
		if s := b.last(); s.Phase != PhaseLive {
			t.Fatalf("state %+v", s)
		}
		time.Sleep(290 * time.Second)
		l.say() // a sign of life
		time.Sleep(299 * time.Second)
		synctest.Wait()
		if s := b.last(); s.Phase != PhaseLive {
			t.Fatalf("given up too early: %+v", s)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := b.last(); s.Reason != ReasonSilent && s.Phase != PhaseConnecting {
			t.Errorf("state %+v", s)
		}
		if l.ctx.Err() == nil {
			t.Error("the silent stream goes on")
		}
		b.next()
	})
}

// A stream to which nobody answers does not count as live.
func TestNoAnswer(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		l, _ := b.next()
		time.Sleep(299 * time.Second)
		synctest.Wait()
		if s := b.last(); s.Phase != PhaseConnecting || len(b.starts()) > 0 {
			t.Errorf("state %+v, begun %v", s, b.starts())
		}
		began := time.Now()
		again, r := b.next()
		if took := time.Since(began); took < time.Second || took > 3*time.Second || l.ctx.Err() == nil {
			t.Errorf("another stream after %s more", took)
		}
		if string(r.GetReplayId()) != string(replay(3)) {
			t.Errorf("went on with %v", r)
		}
		b.set(func() {
			for _, s := range b.states {
				if s.Phase == PhaseLive || s.Phase == PhaseDown && s.Reason != ReasonSilent {
					t.Errorf("state %+v", s)
				}
			}
		})
		// The head of the answer may come as late as its first message.
		time.Sleep(250 * time.Second)
		close(again.head)
		again.say(b.event(4, "one"))
		if s := b.last(); s.Phase != PhaseLive || b.changes() != 1 {
			t.Errorf("state %+v, %d changes", s, b.changes())
		}
	}, func(b *bus) { b.mute, b.position = true, replay(3) })
}

// An answer that turns out to be a refusal is none.
func TestRefusalAfterTheHead(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		l, _ := b.next()
		time.Sleep(900 * time.Millisecond)
		l.end(ended("topic.meta.permission", codes.PermissionDenied))
		if len(b.starts()) > 0 || b.last().Phase != PhaseDown {
			t.Errorf("begun %v, state %+v", b.starts(), b.last())
		}
	})
}

func TestTokenIsRenewedOnce(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		for i, want := range []time.Duration{0, 5 * time.Minute, 10 * time.Minute} {
			l, _ := b.next()
			began := time.Now()
			l.end(ended("service.auth.error", codes.Unauthenticated))
			next, _ := b.next()
			if took := time.Since(began); took != want {
				t.Errorf("try %d: waited %s, want %s", i, took, want)
			}
			b.lines <- next
			next.sent <- &eventbus.FetchRequest{}
		}
		b.set(func() {
			if b.renewed != 1 {
				t.Errorf("asked for %d tokens", b.renewed)
			}
		})
	})
}

// A token that served a stream and is refused later is out of date, though the
// streams since the one before was refused were all short.
func TestTokenIsRenewedAgainWhereStreamsAreShort(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		l, _ := b.next()
		l.end(ended("service.auth.error", codes.Unauthenticated))
		for range 3 {
			l, _ = b.next()
			time.Sleep(40 * time.Second)
			l.end(ended("", codes.Unavailable))
		}
		l, _ = b.next()
		time.Sleep(40 * time.Second)
		began := time.Now()
		l.end(ended("service.auth.error", codes.Unauthenticated))
		b.next()
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %s for another token", took)
		}
		b.set(func() {
			if b.renewed != 2 {
				t.Errorf("asked for %d tokens", b.renewed)
			}
		})
	})
}

// A position that Salesforce does not know is given up only when a stream from
// now on stands, and before anything of that is taken.
func TestLostPosition(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		b.set(func() { b.position = replay(3) })
		l, _ := b.next()
		l.end(ended("subscription.fetch.replayid.corrupted", codes.InvalidArgument))
		l, r := b.next()
		if r.GetReplayPreset() != eventbus.ReplayPreset_LATEST || r.GetReplayId() != nil {
			t.Errorf("went on with %v", r)
		}
		if len(b.starts()) > 0 {
			t.Error("told of before it stood")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if want := []Start{{Lost: true}}; !cmp.Equal(b.starts(), want) {
			t.Errorf("begun %v, want %v", b.starts(), want)
		}
		l.say(b.events(70, 2)...)
		l.end(io.EOF)
		if _, r := b.next(); string(r.GetReplayId()) != string(replay(70)) {
			t.Errorf("went on with %v", r)
		}
	})
}

// Waits grow up to five minutes, and begin anew after a healthy minute.
func TestBackoff(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		longest := time.Duration(0)
		for range 30 {
			l, _ := b.next()
			began := time.Now()
			l.end(ended("", codes.Unavailable))
			next := <-b.lines
			longest = max(longest, time.Since(began))
			b.lines <- next
		}
		if longest > 5*time.Minute || longest < 10*time.Second {
			t.Errorf("waited up to %s", longest)
		}
		l, _ := b.next()
		l.say()
		time.Sleep(61 * time.Second)
		began := time.Now()
		l.end(ended("", codes.Unavailable))
		b.next()
		if took := time.Since(began); took > time.Second {
			t.Errorf("waited %s after a healthy minute", took)
		}
	})
}

func TestTooMuchOutstanding(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		l, _ := b.next()
		l.end(ended(codeOverflow, codes.InvalidArgument))
		if _, r := b.next(); r.GetNumRequested() != 50 {
			t.Errorf("asked for %d, want 50", r.GetNumRequested())
		}
	})
}
