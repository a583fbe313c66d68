package web

import (
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Failed logins: each address may fail ten times and then once in six seconds,
// all addresses together ten times a second. Tokens have 96 bits and more, so
// this is about noise in the log and the daemon's time, not about guessing.
const (
	loginBurst = 10
	loginEvery = 6 * time.Second
	allBurst   = 100
	allEvery   = 100 * time.Millisecond
	maxKnown   = 10_000 // addresses remembered
)

type throttle struct {
	all   *rate.Limiter
	mu    sync.Mutex // guards known
	known map[string]*rate.Limiter
}

func newThrottle() *throttle {
	return &throttle{all: rate.NewLimiter(rate.Every(allEvery), allBurst), known: map[string]*rate.Limiter{}}
}

func (t *throttle) of(r *http.Request) *rate.Limiter {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.known[host]
	if l == nil {
		if len(t.known) >= maxKnown {
			clear(t.known)
		}
		l = rate.NewLimiter(rate.Every(loginEvery), loginBurst)
		t.known[host] = l
	}
	return l
}

// open reports whether a login may be tried.
func (t *throttle) open(r *http.Request) bool { return t.of(r).Tokens() >= 1 && t.all.Tokens() >= 1 }

// failed counts a login that was refused.
func (t *throttle) failed(r *http.Request) {
	t.of(r).Allow()
	t.all.Allow()
}
