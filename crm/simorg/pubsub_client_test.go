package simorg

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/avro"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protowire"
)

// The client of these tests is grpc-go with a codec that hands bytes through, and an Avro library of others. It runs
// with the server in one bubble of synctest.

type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), b...)
	return nil
}

// pubsub is an org with its Pub/Sub API and a connection to it.
type pubsub struct {
	*testing.T
	org  *Org
	p    *PubSub
	conn *grpc.ClientConn
	meta metadata.MD
}

const testInstance = "https://acme.example"

// withPubSub runs a test in a bubble.
func withPubSub(t *testing.T, opt Options, po PubSubOptions, test func(c *pubsub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if opt.Users == 0 {
			opt.Users, opt.Seed, opt.Plain = 60, 1, true
		}
		opt.SessionTTL = 1000 * time.Hour
		c := &pubsub{T: t, org: New(opt)}
		lis := bufconn.Listen(1 << 16) // a bubble of time has no network
		dial := func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }
		po.Listener = lis
		var err error
		if c.p, err = c.org.PubSub(po); err != nil {
			t.Fatal(err)
		}
		c.conn, err = grpc.NewClient("passthrough:///org", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dial),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{})), grpc.WithIdleTimeout(0), grpc.WithDisableServiceConfig(),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 20 * time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		c.meta = metadata.Pairs("accesstoken", c.session(), "instanceurl", testInstance, "tenantid", c.org.ID())
		defer func() {
			if err := c.conn.Close(); err != nil {
				t.Error(err)
			}
			if err := c.p.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(c)
	})
}

// session opens a session without a login.
func (c *pubsub) session() string {
	c.org.mu.Lock()
	defer c.org.mu.Unlock()
	s := c.org.openLocked(0, c.org.now())
	s.instance = testInstance
	return s.token
}

func (c *pubsub) ctx() context.Context {
	return metadata.NewOutgoingContext(c.Context(), c.meta.Copy())
}

func (c *pubsub) person(i int) string { return c.org.gen.id(c.org.gen.system() + i) }

func (c *pubsub) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// call makes a call of one string and returns the answer, or the error and its code.
func (c *pubsub) call(method, arg string) (m message, code string, err error) {
	req, res := appendText(nil, 1, arg), []byte(nil)
	var trailer metadata.MD
	err = c.conn.Invoke(c.ctx(), "/eventbus.v1.PubSub/"+method, &req, &res, grpc.Trailer(&trailer))
	m, _ = parseMessage(res)
	return m, errorCode(trailer), err
}

func errorCode(trailer metadata.MD) string {
	return strings.TrimPrefix(strings.Join(trailer.Get("error-code"), ","), errorPrefix)
}

// request is a FetchRequest.
type request struct {
	topic, replay string
	preset, num   int
	auth          string
}

// sub is a stream.
type sub struct {
	c *pubsub
	grpc.ClientStream
	end context.CancelFunc
}

func (c *pubsub) subscribe(r request) *sub {
	c.Helper()
	ctx, cancel := context.WithCancel(c.ctx())
	s, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/eventbus.v1.PubSub/Subscribe")
	c.must(err)
	x := &sub{c, s, cancel}
	x.ask(r)
	synctest.Wait()
	return x
}

// users subscribes to the newest events of users.
func (c *pubsub) users(num int) *sub {
	c.Helper()
	return c.subscribe(request{topic: UserTopic, num: num})
}

// from subscribes to the events of users after an id.
func (c *pubsub) from(replay string, num int) *sub {
	c.Helper()
	return c.subscribe(request{topic: UserTopic, preset: presetCustom, replay: replay, num: num})
}

func (s *sub) ask(r request) {
	s.c.Helper()
	b := appendText(nil, 1, r.topic)
	b = appendNumber(b, 2, uint64(r.preset))
	b = appendText(b, 3, r.replay)
	b = appendNumber(b, 4, uint64(int64(r.num)))
	b = appendText(b, 5, r.auth)
	if err := s.SendMsg(&b); !errors.Is(err, io.EOF) { // that says that it has ended, and recv says why
		s.c.must(err)
	}
}

// told is an event as a client sees it.
type told struct {
	replay, schema, id string
	body               map[string]any
}

func (e told) head(name string) any { return e.body["ChangeEventHeader"].(map[string]any)[name] }

func (e told) list(name string) string {
	var l []string
	for _, x := range e.head(name).([]any) {
		l = append(l, x.(string))
	}
	return strings.Join(l, " ")
}

// brief is the type of an event and its records.
func (e told) brief() string { return e.head("changeType").(string) + " " + e.list("recordIds") }

// response is a FetchResponse.
type response struct {
	events  []told
	latest  string
	pending int
}

func (s *sub) recv() (r response, err error) {
	var b []byte
	if err := s.RecvMsg(&b); err != nil {
		return r, err
	}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		b = b[n:]
		n = protowire.ConsumeFieldValue(num, typ, b)
		v := b[:n]
		b = b[n:]
		if typ == protowire.BytesType {
			v, _ = protowire.ConsumeBytes(v)
		}
		switch num {
		case 1:
			consumer, _ := parseMessage(v)
			producer, _ := parseMessage([]byte(consumer.text[1]))
			r.events = append(r.events, told{consumer.text[2], producer.text[2], producer.text[1], s.c.decode(producer.text[2], producer.text[3])})
		case 2:
			r.latest = string(v)
		case 4:
			x, _ := protowire.ConsumeVarint(v)
			r.pending = int(x)
		}
	}
	return r, nil
}

// decode reads a payload by the schema that the server gives out for it.
func (c *pubsub) decode(schema, payload string) map[string]any {
	c.Helper()
	m, _, err := c.call("GetSchema", schema)
	c.must(err)
	s, err := avro.Parse(m.text[1])
	c.must(err)
	var v any
	rest, err := s.Decode([]byte(payload), &v)
	if err != nil || len(rest) > 0 {
		c.Fatalf("decode: %v, %d bytes left", err, len(rest))
	}
	return v.(map[string]any)
}

// next is the next response, which must come.
func (s *sub) next() response {
	s.c.Helper()
	r, err := s.recv()
	if err != nil {
		s.c.Fatalf("the stream ended: %v %v", err, s.Trailer())
	}
	return r
}

// event is the only event of the next response that is no keepalive.
func (s *sub) event() told {
	s.c.Helper()
	r := s.next()
	for len(r.events) == 0 {
		r = s.next()
	}
	if len(r.events) != 1 {
		s.c.Fatalf("got %d events, want 1", len(r.events))
	}
	return r.events[0]
}

// ends checks how the stream ends, and that nothing comes before.
func (s *sub) ends(want codes.Code, code string) {
	s.c.Helper()
	r, err := s.recv()
	if err == nil {
		s.c.Fatalf("got a response with %d events, want the end with %v %s", len(r.events), want, code)
	}
	if got := errorCode(s.Trailer()); status.Code(err) != want || got != code {
		s.c.Fatalf("got %v and code %q, want %v and %q", err, got, want, code)
	}
	if code != "" && (len(s.Trailer().Get("rpc-id")) != 1 || !strings.HasSuffix(err.Error(), "rpcId: "+s.Trailer().Get("rpc-id")[0])) {
		s.c.Errorf("got %v with rpc-id %v", err, s.Trailer().Get("rpc-id"))
	}
}

// silent checks that nothing comes for a time.
func (s *sub) silent(d time.Duration) {
	s.c.Helper()
	before := s.c.org.bus.number
	got := make(chan struct{})
	go func() {
		defer close(got)
		_, _ = s.recv()
	}()
	select {
	case <-got:
		s.c.Fatalf("something came within %v (commit number %d)", d, before)
	case <-time.After(d):
	}
	s.end()
	<-got
}
