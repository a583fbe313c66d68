package simorg

import (
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ended is how a stream ends for an effect.
type ended struct {
	code  codes.Code // OK stands for a clean end
	error string
}

var endings = map[EffectKind]ended{
	Unavailable:       {codes.Unavailable, "service.unavailable"},
	UnavailableBare:   {codes.Unavailable, ""},
	ServerError:       {codes.Internal, "service.unavailable"},
	Unauthorized:      {codes.Unauthenticated, "service.auth.error"},
	DeliveryLimit:     {codes.ResourceExhausted, "subscription.limit.exceeded"},
	PermissionRevoked: {codes.PermissionDenied, "topic.meta.permission"},
	ReplayCorrupted:   {codes.InvalidArgument, "subscription.fetch.replayid.corrupted"},
	StreamError:       {codes.Aborted, "concurrent.client.limit.exceeded"},
	ResetStream:       {codes.Internal, ""},
	Drop:              {codes.Unavailable, ""},
	EndStream:         {},
}

func effect(k EffectKind) Effect {
	return Effect{Kind: k, Status: int(codes.Aborted), Code: "concurrent.client.limit.exceeded"}
}

func (s *sub) endsAs(want ended) {
	s.c.Helper()
	if want.code != codes.OK {
		s.ends(want.code, want.error)
		return
	}
	if _, err := s.recv(); !errors.Is(err, io.EOF) {
		s.c.Errorf("got %v, want a clean end", err)
	}
}

func TestStreamsBreak(t *testing.T) {
	for kind, want := range endings {
		t.Run(string(kind), func(t *testing.T) {
			withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
				f := c.org.Faults()
				// A stream that runs.
				s := c.users(10)
				if n := f.BreakStreams(effect(kind)); n != 1 {
					t.Errorf("%d streams", n)
				}
				s.endsAs(want)
				// Before the events of a response; they come after the last one that was seen.
				last, err := c.org.LastReplayID(UserTopic)
				c.must(err)
				if kind != ReplayCorrupted {
					f.On(Delivery, 1, effect(kind))
					s = c.users(10)
					c.must(c.org.Deactivate(c.person(0)))
					s.endsAs(want)
				}
				// At the request.
				f.On(Subscribe, 1, effect(kind))
				c.from(string(last), 1).endsAs(want)
				f.Clear()
				s = c.users(10)
				c.must(c.org.Deactivate(c.person(1)))
				if got := s.event().brief(); got != "UPDATE "+c.person(1) {
					t.Errorf("got %s", got)
				}
				s.end()
			})
		})
	}
}

func TestUnaryCallsFail(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		for at, arg := range map[Endpoint]string{GetTopic: UserTopic, GetSchema: c.org.SchemaID()} {
			method := map[Endpoint]string{GetTopic: "GetTopic", GetSchema: "GetSchema"}[at]
			c.org.Faults().On(at, 1, Effect{Kind: Unavailable})
			if _, code, err := c.call(method, arg); status.Code(err) != codes.Unavailable || code != "service.unavailable" {
				t.Errorf("%s: got %v %s", method, err, code)
			}
			if _, _, err := c.call(method, arg); err != nil {
				t.Errorf("%s: %v", method, err)
			}
		}
		// A rule of every endpoint is one of the calls over HTTP.
		c.org.Faults().Add(Rule{Effect: Effect{Kind: Unavailable}})
		if _, _, err := c.call("GetTopic", UserTopic); err != nil {
			t.Error(err)
		}
	})
}

// A corrupted replay id is one that was named: the rule leaves others alone.
func TestCorruptedReplayID(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		last, err := c.org.LastReplayID(UserTopic)
		c.must(err)
		c.org.Faults().On(Subscribe, 0, Effect{Kind: ReplayCorrupted})
		c.from(string(last), 1).ends(codes.InvalidArgument, "subscription.fetch.replayid.corrupted")
		s := c.users(1)
		c.must(c.org.Deactivate(c.person(0)))
		s.event()
		s.end()
	})
}

// The head of the answer shows that a stream is taken, unless it comes no sooner than its first message.
func TestLateAnswer(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		for _, want := range []time.Duration{0, 270 * time.Second} {
			began := time.Now()
			s := c.users(1)
			if head, err := s.Header(); err != nil || head == nil || time.Since(began) != want {
				t.Errorf("the head came after %v: %v", time.Since(began), err)
			}
			s.end()
			c.org.Faults().On(Subscribe, 1, Effect{Kind: LateAnswer})
		}
	})
}

func TestSessionsExpireAtSubscribe(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		c.org.Faults().On(Subscribe, 1, Effect{Kind: ExpireSessions})
		c.users(1).ends(codes.Unauthenticated, "service.auth.error")
	})
}

// A silent stream says nothing though the connection lives, until the fault is cleared.
func TestSilentStream(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(1)
		c.org.Faults().BreakStreams(Effect{Kind: Hang})
		c.must(c.org.Deactivate(c.person(0)))
		s.silent(24 * time.Hour)
		s = c.users(1)
		c.org.Faults().BreakStreams(Effect{Kind: Hang})
		synctest.Wait()
		c.org.Faults().Clear()
		s.ends(codes.Internal, "")
	})
}

// A half-open connection does not even answer pings, which is how a client finds out.
func TestHalfOpenConnection(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		began := time.Now()
		s := c.users(1)
		c.org.Faults().BreakStreams(Effect{Kind: HalfOpen})
		c.must(c.org.Deactivate(c.person(0)))
		s.ends(codes.Unavailable, "")
		if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
			t.Errorf("noticed after %v", took)
		}
		s = c.subscribe(request{topic: UserTopic, preset: presetEarliest, num: 1})
		s.event() // another connection
		c.org.Faults().BreakStreams(Effect{Kind: HalfOpen})
		synctest.Wait()
		c.org.Faults().Clear()
		s.ends(codes.Unavailable, "")
	})
}

func TestSlowDelivery(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(1)
		c.org.Faults().On(Delivery, 1, Effect{Kind: Slow, Delay: 7 * time.Second})
		began := time.Now()
		c.must(c.org.Deactivate(c.person(0)))
		s.event()
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("came after %v", took)
		}
		s.end()
	})
}

func TestEventsThatGoWrong(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		f := c.org.Faults()
		s := c.users(100)
		tell := func(want ...string) []told {
			t.Helper()
			synctest.Wait()
			var got []string
			events := s.next().events
			for _, e := range events {
				got = append(got, e.brief())
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			return events
		}
		one, two, three := c.person(1), c.person(2), c.person(3)
		title := func(title string) func(u *User) { return func(u *User) { u.Title = title } }

		f.Add(Rule{Endpoint: Event, Contains: "UPDATE " + one, Times: 1, Effect: Effect{Kind: LoseEvent}})
		c.must(c.org.Update(one, title("lost")))
		c.must(c.org.Update(two, title("kept")))
		tell("UPDATE " + two)

		f.On(Event, 2, Effect{Kind: GapEvent})
		c.must(c.org.Update(one, title("gap")))
		if e := tell("GAP_UPDATE " + one)[0]; e.list("changedFields") != "" || e.body["Title"] != nil {
			t.Errorf("a gap tells %v", e.body)
		}
		id, err := c.org.AddUser(User{Username: "n@acme.example", LastName: "New"})
		c.must(err)
		if e := tell("GAP_CREATE " + id)[0]; e.body["Username"] != nil {
			t.Errorf("a gap tells %v", e.body)
		}

		f.On(Event, 1, Effect{Kind: Duplicate})
		c.must(c.org.Update(one, title("twice")))
		if e := tell("UPDATE "+one, "UPDATE "+one); e[0].replay != e[1].replay || e[0].id != e[1].id {
			t.Errorf("the copies are %+v", e)
		}

		f.On(Event, 1, Effect{Kind: SharedReplayID})
		tx := c.org.Begin()
		c.must(tx.Update(one, title("same")))
		c.must(tx.Update(two, title("same")))
		c.must(tx.Update(three, title("other")))
		tx.Commit()
		e := tell("UPDATE "+one, "UPDATE "+two, "UPDATE "+three)
		if e[0].replay != e[1].replay || e[1].replay != e[2].replay || e[0].id == e[1].id {
			t.Errorf("the ids are %x %x %x", e[0].replay, e[1].replay, e[2].replay)
		}
		c.must(c.org.Update(one, title("after")))
		if n := tell("UPDATE " + one)[0]; n.replay <= e[2].replay {
			t.Errorf("got %x after %x", n.replay, e[2].replay)
		}
		s.end()
		// Whoever names a shared id gets what follows all of its events.
		s = c.from(e[0].replay, 10)
		tell("UPDATE " + one)
		s.end()
	})
}

func TestReplayIDsReset(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(10)
		c.must(c.org.Deactivate(c.person(0)))
		old := s.event().replay
		c.org.Faults().ResetReplayIDs()
		s.ends(codes.Unavailable, "service.unavailable")
		c.from(old, 1).ends(codes.InvalidArgument, "subscription.fetch.replayid.corrupted")
		s = c.users(10)
		c.must(c.org.Deactivate(c.person(1)))
		s.event()
		s.end()
	})
}
