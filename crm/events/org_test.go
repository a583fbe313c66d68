package events

import (
	"context"
	"encoding/json"
	"net"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/simorg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// followed is a simulated org, and a bus that hears of it over gRPC.
type followed struct {
	*bus
	org *simorg.Org
	ids []string
}

// logins logs in to an org for each session, and counts the tokens that were renewed.
type logins struct {
	*bus
	org *simorg.Org
}

func (l logins) Session(context.Context) (crm.Session, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"secret"}}
	r := httptest.NewRequest("POST", "http://acme.example/services/oauth2/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	l.org.Handler().ServeHTTP(w, r)
	var token struct {
		AccessToken string `json:"access_token"`
		InstanceURL string `json:"instance_url"`
	}
	err := json.Unmarshal(w.Body.Bytes(), &token)
	return crm.Session{Token: crm.Secret(token.AccessToken), InstanceURL: token.InstanceURL, OrgID: l.org.ID()}, err
}

// onOrg runs a client against a simulated org in a bubble of its own time.
func onOrg(t *testing.T, o Options, story func(t *testing.T, f *followed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &followed{bus: newBus(t), org: simorg.New(simorg.Options{Users: 400, Seed: 1, Plain: true, ClientID: "app", ClientSecret: "secret"})}
		for u := range f.org.Users() {
			f.ids = append(f.ids, u.ID)
		}
		lis := bufconn.Listen(1 << 16) // a bubble of time has no network
		p, err := f.org.PubSub(simorg.PubSubOptions{Listener: lis})
		if err != nil {
			t.Fatal(err)
		}
		c, err := New("http://127.0.0.1:1", "", o)
		if err != nil {
			t.Fatal(err)
		}
		dial := func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }
		c.dial = func(s crm.Session) (conn, error) { return c.target.dial(s, grpc.WithContextDialer(dial)) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Follow(ctx, logins{f.bus, f.org}, f.bus)
		}()
		defer func() {
			cancel()
			<-done
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		story(t, f)
	})
}

func (f *followed) title(title string, ids ...string) {
	f.t.Helper()
	if err := f.org.MassUpdate(ids, func(u *simorg.User) { u.Title = title }); err != nil {
		f.t.Fatal(err)
	}
	synctest.Wait()
}

// lives waits until the stream stands, and returns how long that took.
func (f *followed) lives() time.Duration {
	f.t.Helper()
	began := time.Now()
	for f.last().Phase != PhaseLive {
		if time.Since(began) > time.Hour {
			f.t.Fatalf("state %+v", f.last())
		}
		time.Sleep(time.Second)
		synctest.Wait()
	}
	return time.Since(began)
}

// reasons are why streams ended.
func (f *followed) reasons() (list []Reason) {
	f.set(func() {
		for _, s := range f.states {
			if s.Phase == PhaseDown {
				list = append(list, s.Reason)
			}
		}
	})
	return list
}

// ids that events named, in their order.
func (f *followed) named() (ids []string) {
	f.set(func() {
		for _, b := range f.got {
			for _, c := range b.Changes {
				for _, id := range c.IDs {
					ids = append(ids, string(id))
				}
			}
		}
	})
	return ids
}

func TestFlowControlIsExactOverTheWire(t *testing.T) {
	onOrg(t, Options{Queue: 130}, func(t *testing.T, f *followed) {
		f.lives()
		for i, id := range f.ids[1:301] {
			f.title(strings.Repeat("x", 1+i%50), id)
		}
		if got := f.named(); !slices.Equal(got, f.ids[1:301]) {
			t.Errorf("%d of 300 came, or in another order", len(got))
		}
		if s := f.org.Streams(); s.Overasked > 0 || s.Opened != 1 {
			t.Errorf("got %+v", s)
		}
	})
}

// A stream whose events cannot be stored runs out of credit, and is ended by
// Salesforce; nothing of it is lost.
func TestStreamWithoutCreditIsEnded(t *testing.T) {
	onOrg(t, Options{Queue: 60}, func(t *testing.T, f *followed) {
		f.lives()
		gate := make(chan struct{})
		f.set(func() { f.gate = gate })
		for _, id := range f.ids[1:101] {
			f.title("New", id)
		}
		time.Sleep(10 * time.Minute)
		f.set(func() { f.gate = nil })
		close(gate)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		f.lives()
		if got := f.named(); !slices.Equal(slices.Compact(got), f.ids[1:101]) {
			t.Errorf("%d came", len(got))
		}
		if s := f.org.Streams(); s.Overasked > 0 || s.Peak != 1 || s.Opened != 2 || !slices.Equal(f.reasons(), []Reason{ReasonClosed}) {
			t.Errorf("got %+v, ended for %v", s, f.reasons())
		}
	})
}

// What befalls a stream over the wire, why it ends, and how soon another stands.
func TestFaultsOverTheWire(t *testing.T) {
	const second, minute = time.Second, time.Minute
	subscribe := func(k simorg.EffectKind) func(f *followed) {
		return func(f *followed) {
			f.org.Faults().On(simorg.Subscribe, 1, simorg.Effect{Kind: k})
			f.org.Faults().BreakStreams(simorg.Effect{Kind: simorg.EndStream})
		}
	}
	broken := func(k simorg.EffectKind) func(f *followed) {
		return func(f *followed) { f.org.Faults().BreakStreams(simorg.Effect{Kind: k}) }
	}
	for _, tt := range []struct {
		name    string
		fault   func(f *followed)
		reasons []Reason // of the first streams that end
		most    time.Duration
	}{
		{"unavailable", broken(simorg.Unavailable), []Reason{ReasonService}, 10 * second},
		{"internal", broken(simorg.ServerError), []Reason{ReasonService}, 10 * second},
		{"bare", broken(simorg.UnavailableBare), []Reason{ReasonNetwork}, 5 * second},
		{"reset", broken(simorg.ResetStream), []Reason{ReasonService}, 10 * second},
		{"ended", broken(simorg.EndStream), []Reason{ReasonClosed}, 5 * second},
		{"half open is found by pings", broken(simorg.HalfOpen), []Reason{ReasonNetwork}, 2 * minute},
		{"silent", broken(simorg.Hang), []Reason{ReasonSilent}, 6 * minute},
		{"no answer", subscribe(simorg.Hang), []Reason{ReasonClosed, ReasonSilent}, 6 * minute},
		{"late answer", subscribe(simorg.LateAnswer), []Reason{ReasonClosed}, 5 * minute},
		{"token", subscribe(simorg.Unauthorized), []Reason{ReasonClosed, ReasonAuth}, 5 * second},
		{"allocation", subscribe(simorg.DeliveryLimit), []Reason{ReasonClosed, ReasonLimit}, 16 * minute},
		{"permission", subscribe(simorg.PermissionRevoked), []Reason{ReasonClosed, ReasonPermission}, 6 * minute},
		{"position", subscribe(simorg.ReplayCorrupted), []Reason{ReasonClosed, ReasonReplay}, 5 * second},
		{"other space of positions", func(f *followed) { f.org.Faults().ResetReplayIDs() }, []Reason{ReasonService, ReasonReplay}, 15 * second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onOrg(t, Options{}, func(t *testing.T, f *followed) {
				f.lives()
				f.title("First", f.ids[1])
				f.title("Second", f.ids[2])
				tt.fault(f)
				synctest.Wait()
				for began := time.Now(); len(f.reasons()) < len(tt.reasons); time.Sleep(second) {
					if time.Since(began) > time.Hour {
						t.Fatalf("ended for %v", f.reasons())
					}
				}
				if took := f.lives(); took > tt.most {
					t.Errorf("another stream stood after %s", took)
				}
				if got := f.reasons(); !slices.Equal(got, tt.reasons) {
					t.Errorf("ended for %v, want %v", got, tt.reasons)
				}
				f.title("Third", f.ids[3])
				if got := slices.Compact(f.named()); !slices.Equal(got, f.ids[1:4]) { // the second comes twice where its position was not sure
					t.Errorf("told of %v, want %v", got, f.ids[1:4])
				}
				// The other end of a half-open connection does not know that it is.
				if s := f.org.Streams(); s.Peak != 1 && !strings.HasPrefix(tt.name, "half open") || s.Overasked > 0 {
					t.Errorf("got %+v", s)
				}
			})
		})
	}
}
