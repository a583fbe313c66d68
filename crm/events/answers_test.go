package events

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/simorg"
)

// Each error of Salesforce has its own reason and its own pace: what time mends
// is tried again by itself, what only a person can mend slowly, and said so.
func TestEveryAnswer(t *testing.T) {
	const second, minute = time.Second, time.Minute
	for _, tt := range []struct {
		code        string
		grpc        codes.Code
		reason      Reason
		least, most time.Duration // until the next try, which is the second after the stream stood
		person      bool
	}{
		{"service.unavailable", codes.Internal, ReasonService, 5 * second, 5 * second, false},
		{"service.unavailable", codes.Unavailable, ReasonService, 5 * second, 5 * second, false},
		{"service.auth.error", codes.Unauthenticated, ReasonAuth, 0, 0, false},
		{"service.auth.headers.invalid", codes.Unauthenticated, ReasonAuth, 5 * minute, 5 * minute, true},
		{"service.auth.refresh.invalid", codes.InvalidArgument, ReasonAuth, 5 * minute, 5 * minute, true},
		{"service.protection.triggered", codes.ResourceExhausted, ReasonThrottled, minute, minute, false},
		{"service.protection.stream.limit.triggered", codes.ResourceExhausted, ReasonThrottled, minute, minute, false},
		{"service.tenant.license", codes.PermissionDenied, ReasonPermission, 5 * minute, 5 * minute, true},
		{"concurrent.client.limit.exceeded", codes.ResourceExhausted, ReasonThrottled, minute, minute, false},
		{"topic.not.found", codes.NotFound, ReasonTopic, 5 * minute, 5 * minute, true},
		{"topic.not.found", codes.PermissionDenied, ReasonTopic, 5 * minute, 5 * minute, true},
		{"topic.meta.permission", codes.PermissionDenied, ReasonPermission, 5 * minute, 5 * minute, true},
		{"schema.meta.permission", codes.PermissionDenied, ReasonPermission, 5 * minute, 5 * minute, true},
		{"topic.api.unavailable", codes.Unavailable, ReasonService, 5 * second, 5 * second, false},
		{"schema.api.unavailable", codes.Internal, ReasonService, 5 * second, 5 * second, false},
		{"topic.validation.empty", codes.InvalidArgument, ReasonProtocol, 5 * minute, 5 * minute, true},
		{"schema.validation.failed", codes.InvalidArgument, ReasonProtocol, 5 * minute, 5 * minute, true},
		{"subscription.fetch.replayid.corrupted", codes.InvalidArgument, ReasonReplay, 0, 0, false},
		{"subscription.fetch.replayid.validation.failed", codes.InvalidArgument, ReasonReplay, 0, 0, false},
		{"subscription.fetch.replay.repeated", codes.InvalidArgument, ReasonProtocol, 5 * minute, 5 * minute, true},
		{"subscription.fetch.requested.events.invalid", codes.InvalidArgument, ReasonProtocol, 5 * minute, 5 * minute, true},
		{"subscription.fetch.topic.mismatch", codes.InvalidArgument, ReasonProtocol, 5 * minute, 5 * minute, true},
		{"subscription.fetch.request.invalid", codes.InvalidArgument, ReasonProtocol, 5 * minute, 5 * minute, true},
		{"subscription.fetch.overflow", codes.ResourceExhausted, ReasonThrottled, 0, 2 * second, false},
		{"subscription.topic.cannot.subscribe", codes.PermissionDenied, ReasonTopic, 5 * minute, 5 * minute, true},
		{"subscription.limit.exceeded", codes.ResourceExhausted, ReasonLimit, 15 * minute, 15 * minute, false},
		{"subscription.internal.error", codes.Internal, ReasonService, 5 * second, 5 * second, false},
		// Without a code, and with one that is not known yet, the status decides.
		{"", codes.Unauthenticated, ReasonAuth, 0, 0, false},
		{"something.new", codes.PermissionDenied, ReasonPermission, 5 * minute, 5 * minute, true},
		{"something.new", codes.NotFound, ReasonTopic, 5 * minute, 5 * minute, true},
		{"something.new", codes.ResourceExhausted, ReasonThrottled, minute, minute, false},
		{"something.new", codes.InvalidArgument, ReasonProtocol, 5 * minute, 5 * minute, true},
		{"", codes.Unimplemented, ReasonProtocol, 5 * minute, 5 * minute, true},
		{"something.new", codes.Internal, ReasonService, 5 * second, 5 * second, false},
		{"", codes.Unavailable, ReasonNetwork, 0, 2 * second, false},
		{"", codes.DeadlineExceeded, ReasonNetwork, 0, 2 * second, false},
		{"", codes.Canceled, ReasonNetwork, 0, 2 * second, false},
	} {
		t.Run(tt.code+" "+tt.grpc.String(), func(t *testing.T) {
			onOrg(t, Options{}, func(t *testing.T, f *followed) {
				f.org.Faults().On(simorg.Subscribe, 1, simorg.Effect{Kind: simorg.StreamError, Status: int(tt.grpc), Code: tt.code, Message: "No."})
				f.lives()
				f.org.Faults().BreakStreams(simorg.Effect{Kind: simorg.EndStream})
				for len(f.reasons()) < 2 {
					time.Sleep(100 * time.Millisecond)
					synctest.Wait()
				}
				var s State
				var at time.Time
				f.set(func() {
					i := slices.IndexFunc(f.states, func(s State) bool { return s.Phase == PhaseDown && s.Reason != ReasonClosed })
					if i < 0 {
						t.Fatalf("states %+v", f.states)
					}
					s, at = f.states[i], f.times[i]
				})
				wait := s.Retry.Sub(at)
				if s.Reason != tt.reason || s.Person != tt.person || wait < tt.least || wait > tt.most {
					t.Errorf("got %+v, tried again after %s", s, wait)
				}
				if s.Person && s.Hint == "" {
					t.Error("nothing says what to do")
				}
				var told *Error
				if !errors.As(s.Err, &told) || told.Code != tt.code || told.GRPC != tt.grpc || !strings.HasPrefix(told.Text, "No.") || (told.RPCID == "") != (tt.code == "") {
					t.Errorf("got %+v", told)
				}
			})
		})
	}
}

// refused is a login that fails.
type refused struct{ lasting bool }

func (r refused) Error() string   { return "user is frozen" }
func (r refused) Hint() string    { return "thaw the user" }
func (r refused) Retryable() bool { return !r.lasting }

// TestNoLogin: a login that only a person can mend is tried slowly, and Kick has
// it tried now.
func TestNoLogin(t *testing.T) {
	for _, lasting := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBus(t)
			c, err := New("http://127.0.0.1:1", "", Options{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				c.Follow(ctx, noLogin{refused{lasting}}, b)
			}()
			synctest.Wait()
			s := b.last()
			if s.Reason != ReasonLogin || s.Person != lasting || s.Hint != "thaw the user" || lasting != (time.Until(s.Retry) == 5*time.Minute) {
				t.Errorf("got %+v", s)
			}
			if lasting {
				c.Kick()
				synctest.Wait()
				if got := time.Until(b.last().Retry); got != 10*time.Minute {
					t.Errorf("after a kick: the next try is in %s", got)
				}
			}
			cancel()
			<-done
		})
	}
}

type noLogin struct{ err error }

func (n noLogin) Session(context.Context) (crm.Session, error) { return crm.Session{}, n.err }

func (n noLogin) Renew(context.Context, crm.Session) (crm.Session, error) {
	return crm.Session{}, n.err
}

func TestEndpoints(t *testing.T) {
	for endpoint, good := range map[string]bool{
		"api.pubsub.salesforce.com:7443": true, "127.0.0.1:7443": true, "http://127.0.0.1:9": true, "http://localhost:9": true, "http://[::1]:9": true,
		"api.pubsub.salesforce.com": false, "": false, "host:": false, "http://127.0.0.1": false, "http://127.0.0.1:9/path": false,
		"http://api.pubsub.salesforce.com:7443": false, "http://10.0.0.1:9": false, "https://host:9/x": false,
	} {
		if _, err := New(endpoint, "", Options{}); (err == nil) != good {
			t.Errorf("%q: got %v", endpoint, err)
		}
	}
	if _, err := New("host:7443", t.TempDir()+"/none.pem", Options{}); err == nil {
		t.Error("a file that is not there")
	}
}
