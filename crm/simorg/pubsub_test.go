package simorg

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestTopicAndSchema(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		for _, row := range []struct {
			method, arg string
			want        codes.Code
			code        string
		}{
			{"GetTopic", UserTopic, codes.OK, ""},
			{"GetTopic", ChangeTopic, codes.OK, ""},
			{"GetTopic", "", codes.InvalidArgument, "topic.validation.empty"},
			{"GetTopic", "/data/userchangeevent", codes.NotFound, "topic.not.found"},
			{"GetTopic", "/data/AccountChangeEvent", codes.NotFound, "topic.not.found"},
			{"GetSchema", c.org.SchemaID(), codes.OK, ""},
			{"GetSchema", "", codes.InvalidArgument, "schema.validation.failed"},
			{"GetSchema", "KxC1P8xW4-iTJxZQ6PlZpw", codes.InvalidArgument, "schema.validation.failed"},
			{"Publish", UserTopic, codes.Unimplemented, ""},
			{"PublishStream", UserTopic, codes.Unimplemented, ""},
			{"ManagedSubscribe", UserTopic, codes.Unimplemented, ""},
		} {
			if _, code, err := c.call(row.method, row.arg); status.Code(err) != row.want || code != row.code {
				t.Errorf("%s %q: got %v %q, want %v %q", row.method, row.arg, err, code, row.want, row.code)
			}
		}
		m, _, _ := c.call("GetTopic", UserTopic)
		if m.text[1] != UserTopic || m.text[2] != c.org.ID() || m.number[3] != 0 || m.number[4] != 1 || m.text[5] != c.org.SchemaID() || m.text[6] == "" {
			t.Errorf("got %v", m)
		}
		if m, _, _ := c.call("GetTopic", ChangeTopic); m.text[5] != "" {
			t.Errorf("a topic of many schemas has the schema %s", m.text[5])
		}
		if n := len(c.org.SchemaID()); n != 22 {
			t.Errorf("a schema id of %d characters", n)
		}
		if got := c.org.PubSubCalls()[GetTopic]; got != 7 {
			t.Errorf("counted %d calls of GetTopic", got)
		}
		if used, _ := c.org.Usage(); used != 0 {
			t.Errorf("counted %d API calls", used)
		}
	})
}

func TestMetadataIsCheckedOnEveryCall(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		good := c.meta
		for name, row := range map[string]struct {
			key, value, code string
		}{
			"no token":          {"accesstoken", "", "service.auth.headers.invalid"},
			"no instance":       {"instanceurl", "", "service.auth.headers.invalid"},
			"no tenant":         {"tenantid", "", "service.auth.headers.invalid"},
			"wrong token":       {"accesstoken", "00D5f0000000001!nonsense", "service.auth.error"},
			"bearer":            {"accesstoken", "Bearer " + good.Get("accesstoken")[0], "service.auth.error"},
			"other instance":    {"instanceurl", "https://other.example", "service.auth.error"},
			"instance and path": {"instanceurl", testInstance + "/", "service.auth.error"},
			"other org":         {"tenantid", "00D5f0000000002EAA", "service.auth.error"},
		} {
			c.meta = good.Copy()
			c.meta.Set(row.key, row.value)
			if row.value == "" {
				c.meta.Delete(row.key)
			}
			for _, method := range []string{"GetTopic", "GetSchema"} {
				if _, code, err := c.call(method, UserTopic); status.Code(err) != codes.Unauthenticated || code != row.code {
					t.Errorf("%s: %s: got %v %q, want %q", name, method, err, code, row.code)
				}
			}
			c.users(1).ends(codes.Unauthenticated, row.code)
		}
		for _, tenant := range []string{c.org.ID()[:15], "core/prod/" + c.org.ID()} {
			c.meta = good.Copy()
			c.meta.Set("tenantid", tenant)
			if _, _, err := c.call("GetTopic", UserTopic); err != nil {
				t.Errorf("tenant %s: %v", tenant, err)
			}
		}
	})
}

// An established stream outlives its session; new calls need a new one.
func TestStreamOutlivesItsToken(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(5)
		c.org.Faults().ExpireSessions()
		c.must(c.org.Deactivate(c.person(1)))
		c.users(1).ends(codes.Unauthenticated, "service.auth.error")
		c.meta.Set("accesstoken", c.session())
		if got, want := s.event().brief(), "UPDATE "+c.person(1); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		s.end()
	})
}

func TestFirstRequestIsChecked(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		known, err := c.org.LastReplayID(UserTopic)
		c.must(err)
		other, err := c.org.LastReplayID(ChangeTopic)
		c.must(err)
		for name, row := range map[string]struct {
			r    request
			want codes.Code
			code string
		}{
			"no topic":        {request{num: 1}, codes.InvalidArgument, "topic.validation.empty"},
			"unknown topic":   {request{topic: "/data/LeadChangeEvent", num: 1}, codes.NotFound, "topic.not.found"},
			"no events":       {request{topic: UserTopic}, codes.InvalidArgument, "subscription.fetch.requested.events.invalid"},
			"negative":        {request{topic: UserTopic, num: -1}, codes.InvalidArgument, "subscription.fetch.requested.events.invalid"},
			"no id":           {request{topic: UserTopic, num: 1, preset: presetCustom}, codes.InvalidArgument, "subscription.fetch.replayid.validation.failed"},
			"id and earliest": {request{topic: UserTopic, num: 1, preset: presetEarliest, replay: string(known)}, codes.InvalidArgument, "subscription.fetch.replayid.validation.failed"},
			"id and latest":   {request{topic: UserTopic, num: 1, replay: string(known)}, codes.InvalidArgument, "subscription.fetch.replayid.validation.failed"},
			"unknown preset":  {request{topic: UserTopic, num: 1, preset: 7}, codes.InvalidArgument, "subscription.fetch.request.invalid"},
			"auth refresh":    {request{topic: UserTopic, num: 1, auth: "x"}, codes.InvalidArgument, "service.auth.refresh.invalid"},
			"short id":        {request{topic: UserTopic, num: 1, preset: presetCustom, replay: "1234"}, codes.InvalidArgument, "subscription.fetch.replayid.corrupted"},
			"unknown id":      {request{topic: UserTopic, num: 1, preset: presetCustom, replay: "12345678"}, codes.InvalidArgument, "subscription.fetch.replayid.corrupted"},
			"of another":      {request{topic: UserTopic, num: 1, preset: presetCustom, replay: string(other)}, codes.InvalidArgument, "subscription.fetch.replayid.corrupted"},
			"next":            {request{topic: UserTopic, num: 1, preset: presetCustom, replay: string(known[:7]) + string(known[7]+1)}, codes.InvalidArgument, "subscription.fetch.replayid.corrupted"},
		} {
			t.Log(name)
			c.subscribe(row.r).ends(row.want, row.code)
		}
		if got := c.org.Streams(); got.Opened != 0 {
			t.Errorf("refused streams count: %+v", got)
		}
	})
}

func TestFurtherRequestsAreChecked(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		for name, row := range map[string]struct {
			r    request
			code string
		}{
			"other topic": {request{topic: ChangeTopic, num: 1}, "subscription.fetch.topic.mismatch"},
			"no events":   {request{topic: UserTopic}, "subscription.fetch.requested.events.invalid"},
			"negative":    {request{num: -5}, "subscription.fetch.requested.events.invalid"},
			"replay":      {request{num: 1, preset: presetEarliest}, "subscription.fetch.replay.repeated"},
			"replay id":   {request{num: 1, replay: "12345678"}, "subscription.fetch.replay.repeated"},
		} {
			t.Log(name)
			s := c.users(1)
			s.ask(row.r)
			s.ends(codes.InvalidArgument, row.code)
		}
	})
}

func TestCreditIsCappedAndAdds(t *testing.T) {
	withPubSub(t, Options{Users: 300, Plain: true}, PubSubOptions{}, func(c *pubsub) {
		edit := func(n int) {
			for i := range n {
				c.must(c.org.Deactivate(c.person(i)))
			}
		}
		s := c.users(2)
		edit(5)
		synctest.Wait()
		var got, pending int
		for got < 2 {
			r := s.next()
			got, pending = got+len(r.events), r.pending
		}
		if pending != 0 {
			t.Errorf("%d pending, want 0", pending)
		}
		s.ask(request{num: 2})
		s.ask(request{topic: UserTopic, num: 1})
		for got < 5 {
			r := s.next()
			got, pending = got+len(r.events), r.pending
		}
		s.end()

		s = c.users(90)
		s.ask(request{num: 10})
		synctest.Wait()
		if got := c.org.Streams().Overasked; got != 0 {
			t.Errorf("%d asked for too much", got)
		}
		s.ask(request{num: 5000})
		synctest.Wait()
		edit(120)
		for got = 0; got < maxCredit; {
			r := s.next()
			got, pending = got+len(r.events), r.pending
		}
		if got != maxCredit || pending != 0 || c.org.Streams().Overasked != 1 {
			t.Errorf("got %d events and %d pending, want %d and 0; %+v", got, pending, maxCredit, c.org.Streams())
		}
		s.silent(59 * time.Second)
	})
}

func TestStreamWithoutCreditCloses(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(1)
		c.must(c.org.Deactivate(c.person(0)))
		s.event()
		began := time.Now()
		time.Sleep(59 * time.Second)
		s.ask(request{num: 1})
		c.must(c.org.Deactivate(c.person(1)))
		s.event() // the grace began anew
		if _, err := s.recv(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want the end", err)
		}
		if took := time.Since(began); took != 119*time.Second {
			t.Errorf("closed after %v", took)
		}
	})
}

func TestKeepalive(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		began := time.Now()
		s := c.users(3)
		r := s.next()
		if took := time.Since(began); took != 270*time.Second || len(r.events) != 0 || r.pending != 3 {
			t.Errorf("after %v got %+v", took, r)
		}
		c.org.Faults().SetKeepalive(time.Minute)
		began = time.Now()
		first := s.next()
		if took := time.Since(began); took != time.Minute {
			t.Errorf("came after %v", took)
		}
		// An id of a keepalive is one to come back with, and stays so in a quiet org.
		s.end()
		c.must(c.org.Deactivate(c.person(0)))
		s = c.from(first.latest, 1)
		if got := s.event().brief(); got != "UPDATE "+c.person(0) {
			t.Errorf("got %s", got)
		}
		s.end()
		c.org.Faults().SetKeepalive(-1)
		c.users(3).silent(time.Hour)
	})
}

func TestReplay(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{Keepalive: 12 * time.Hour}, func(c *pubsub) {
		var ids []string
		for i := range 5 {
			c.must(c.org.Deactivate(c.person(i)))
			time.Sleep(time.Hour)
		}
		s := c.subscribe(request{topic: UserTopic, preset: presetEarliest, num: 100})
		r := s.next()
		for _, e := range r.events {
			ids = append(ids, e.replay)
		}
		if len(ids) != 5 || r.latest != ids[4] {
			t.Fatalf("got %d events, the latest %x of %x", len(ids), r.latest, ids)
		}
		gap := false
		for i := 1; i < 5; i++ {
			if len(ids[i]) != 8 || ids[i] <= ids[i-1] {
				t.Errorf("id %x after %x", ids[i], ids[i-1])
			}
			gap = gap || ids[i][7] != ids[i-1][7]+1
		}
		if !gap {
			t.Error("no gap between ids")
		}
		s.end()
		s = c.from(ids[1], 100)
		if r := s.next(); len(r.events) != 3 || r.events[0].replay != ids[2] {
			t.Errorf("after the second: got %d events", len(r.events))
		}
		s.end()
		// An hour less than its time and the first is there; then it goes.
		time.Sleep(72*time.Hour - 6*time.Hour)
		c.from(ids[0], 100).end()
		time.Sleep(time.Hour)
		c.from(ids[0], 100).ends(codes.InvalidArgument, "subscription.fetch.replayid.corrupted")
		s = c.subscribe(request{topic: UserTopic, preset: presetEarliest, num: 100})
		if r := s.next(); len(r.events) != 4 {
			t.Errorf("%d events are left, want 4", len(r.events))
		}
		s.end()
	})
}

// Each topic has ids of its own, and both tell of users.
func TestBothTopics(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		one, all := c.users(1), c.subscribe(request{topic: ChangeTopic, num: 1})
		c.must(c.org.Deactivate(c.person(3)))
		a, b := one.event(), all.event()
		if a.brief() != b.brief() || a.id != b.id || a.replay == b.replay || a.schema != b.schema {
			t.Errorf("got %+v and %+v", a, b)
		}
		if got := c.org.Streams(); got.Open != 2 || got.Peak != 2 {
			t.Errorf("got %+v", got)
		}
		if used, _ := c.org.Deliveries(); used != 2 {
			t.Errorf("%d delivered", used)
		}
		one.end()
		all.end()
		synctest.Wait()
		if got := c.org.Streams(); got.Open != 0 || got.Opened != 2 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestDeliveryAllocation(t *testing.T) {
	withPubSub(t, Options{Deliveries: 3}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(100)
		for i := range 5 {
			c.must(c.org.Deactivate(c.person(i)))
		}
		for got := 0; got < 3; {
			got += len(s.next().events)
		}
		s.ends(codes.ResourceExhausted, "subscription.limit.exceeded")
		c.users(1).ends(codes.ResourceExhausted, "subscription.limit.exceeded")
		if used, most := c.org.Deliveries(); used != 3 || most != 3 {
			t.Errorf("got %d of %d", used, most)
		}
		time.Sleep(24*time.Hour + time.Minute)
		s = c.subscribe(request{topic: UserTopic, preset: presetEarliest, num: 100})
		if got := len(s.next().events); got != 3 {
			t.Errorf("a day later: got %d events", got)
		}
		s.end()
		c.org.SetDeliveries(0, 100)
		s = c.subscribe(request{topic: UserTopic, preset: presetEarliest, num: 100})
		if got := len(s.next().events); got != 5 {
			t.Errorf("got %d events", got)
		}
		s.end()
	})
}

func TestLimitsShowDeliveries(t *testing.T) {
	f := serve(t, Options{Users: 3, Deliveries: 50})
	f.org.SetDeliveries(8, 50)
	if body := f.get(v66 + "/limits").body; !strings.Contains(body, `"DailyDeliveredPlatformEvents":{"Max":50,"Remaining":42}`) {
		t.Errorf("got %s", body)
	}
}

func TestPermission(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{Keepalive: time.Minute}, func(c *pubsub) {
		s := c.users(10)
		c.org.Faults().SetViewAllUsers(false)
		c.must(c.org.Deactivate(c.person(0)))
		if r := s.next(); len(r.events) != 0 || r.pending != 10 {
			t.Errorf("a stream whose user may see nobody: got %+v", r)
		}
		c.users(1).ends(codes.PermissionDenied, "topic.meta.permission")
		if _, code, _ := c.call("GetTopic", UserTopic); code != "topic.meta.permission" {
			t.Errorf("got %q", code)
		}
		all := c.subscribe(request{topic: ChangeTopic, preset: presetEarliest, num: 10})
		if r := all.next(); len(r.events) != 0 {
			t.Errorf("the topic of all objects: got %+v", r)
		}
		all.end()
		c.org.Faults().SetViewAllUsers(true)
		c.must(c.org.Deactivate(c.person(1)))
		if got := s.event().brief(); got != "UPDATE "+c.person(1) { // the one before is lost
			t.Errorf("got %s", got)
		}
		s.end()
	})
}

func TestEndpointThatIsTaken(t *testing.T) {
	o := New(Options{})
	p, err := o.PubSub(PubSubOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if p.CA() != nil || !strings.HasPrefix(p.Endpoint(), "http://127.0.0.1:") {
		t.Errorf("got %s with the CA %s", p.Endpoint(), p.CA())
	}
	if _, err := o.PubSub(PubSubOptions{Addr: strings.TrimPrefix(p.Endpoint(), "http://")}); err == nil {
		t.Error("two on one port")
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(frame(appendNumber(appendText(nil, 1, UserTopic), 4, 100)))
	f.Add([]byte{0, 0, 0, 0, 2, 0x0a, 0xff})
	f.Add([]byte{1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		msg, err := readMessage(bytes.NewReader(b))
		if err != nil {
			return
		}
		if len(msg)+5 > len(b) {
			t.Fatalf("%d bytes out of %d", len(msg), len(b))
		}
		if m, err := parseMessage(msg); err == nil && len(msg) > 0 && len(m.text)+len(m.number) > len(msg) {
			t.Fatalf("%d fields out of %d bytes", len(m.text)+len(m.number), len(msg))
		}
	})
}
