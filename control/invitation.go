package control

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	"github.com/rosterd/rosterd/dialer"
)

// Accepting an invitation needs no token of the API: the invitation is one. What
// anybody may call is throttled: an invitation cannot be guessed, but looking
// one up costs the database something. Who succeeds is not counted, so that the
// new people of an office, who have one address, do not wait for each other.
const (
	acceptEach  = 10                     // attempts that fail at once from one address
	acceptEvery = 6 * time.Second        // one more each
	acceptAll   = 100                    // attempts that fail at once in all
	acceptRate  = 100 * time.Millisecond // one more each
	acceptKnown = 10_000                 // addresses remembered
)

// Accepted says that an invitation was accepted.
type Accepted struct {
	Accepted bool `json:"accepted"`
}

func (s *Server) routeInvitation() {
	handle(s, anyone, huma.Operation{
		OperationID: "accept-invitation", Method: http.MethodPost, Path: pathAccept, Tags: []string{"sign-in"},
		Summary: "Set one's password by an invitation", Description: "An invitation that is wrong, was used or has expired gives the same answer, of the code invitation.",
	}, func(ctx context.Context, _ call, in *struct {
		Body struct {
			Token    dialer.Secret `json:"token" minLength:"1" maxLength:"500" doc:"of the link of the invitation"`
			Password dialer.Secret `json:"password" minLength:"1" maxLength:"1000"`
		}
	},
	) (*answer[Accepted], error) {
		from := addressOf(ctx)
		if wait := s.accepts.wait(from, time.Now()); wait > 0 {
			p := newProblem(http.StatusTooManyRequests, CodeLocked, "too many attempts", "try again later")
			p.header = http.Header{"Retry-After": {strconv.Itoa(int(math.Ceil(wait.Seconds())))}}
			return nil, p
		}
		for _, name := range s.orgs { // the invitation says which, to the one that gave it
			_, err := s.o.Orgs[name].Directory.AcceptInvitation(ctx, in.Body.Token, in.Body.Password)
			if err == nil {
				s.accepts.succeeded(from, time.Now())
			}
			if !errors.Is(err, dialer.ErrInvitation) {
				return &answer[Accepted]{Accepted{err == nil}}, err
			}
		}
		return nil, newProblem(http.StatusNotFound, CodeInvitation, dialer.ErrInvitation.Error(), "ask your administrator for a new invitation")
	})
}

// pathAccept is the one path under /v1/ that needs no caller.
const pathAccept = "/v1/invitations:accept"

// addressOf is where a request comes from: the network of the address, "" for
// one from this machine's socket or this process.
func addressOf(ctx context.Context) string {
	remote, _ := ctx.Value(remoteKey).(string)
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return ""
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil { // one customer's, as a rule
			return p.String()
		}
	}
	return ip.String()
}

// throttle limits attempts, of each address and of all together.
type throttle struct {
	mu   sync.Mutex // guards what follows
	all  *rate.Limiter
	each map[string]*rate.Limiter
}

func newThrottle() *throttle {
	return &throttle{all: rate.NewLimiter(rate.Every(acceptRate), acceptAll), each: map[string]*rate.Limiter{}}
}

// wait counts an attempt, and says how long to wait for the next one instead,
// if at all. From no address only all together are limited.
func (t *throttle) wait(from string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if from != "" {
		l := t.each[from]
		if l == nil {
			t.forgetLocked(now)
			l = rate.NewLimiter(rate.Every(acceptEvery), acceptEach)
			t.each[from] = l
		}
		if !l.AllowN(now, 1) {
			return acceptEvery
		}
	}
	if !t.all.AllowN(now, 1) {
		return time.Second
	}
	return 0
}

// succeeded takes back that an attempt was counted.
func (t *throttle) succeeded(from string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range []*rate.Limiter{t.all, t.each[from]} {
		if l != nil {
			l.AllowN(now, -1)
		}
	}
}

// forgetLocked makes room: for who has not tried for long nothing is to be
// remembered.
func (t *throttle) forgetLocked(now time.Time) {
	if len(t.each) < acceptKnown {
		return
	}
	for from, l := range t.each {
		if l.TokensAt(now) >= acceptEach {
			delete(t.each, from)
		}
	}
	if len(t.each) >= acceptKnown {
		clear(t.each) // all are busy: the limit of all together is in force
	}
}
