package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/danielgtaylor/huma/v2"
)

// Options are what a Server serves and where.
type Options struct {
	Orgs   map[string]Org // by name; at least one
	Tokens Tokens         // who may call over TCP; the zero value admits nobody

	Socket string   // path of the Unix socket; empty for none
	Listen string   // TCP address; empty for none
	Hosts  []string // further host names by which a loopback address may be called

	Metrics http.Handler                        // serves /metrics; nil for none
	Ready   func(ctx context.Context) Readiness // how the daemon stands; nil means ready
	Ping    func(ctx context.Context) error     // asks the database for a sign of life; nil for none
	Pages   http.Handler                        // serves what no route here claims; nil answers 404

	Log     *slog.Logger // nil discards
	Version string       // of the daemon
}

// Server answers the control API. It is safe for concurrent use.
type Server struct {
	o       Options
	orgs    []string // names, sorted
	log     *slog.Logger
	tokens  atomic.Pointer[Tokens]
	mux     *http.ServeMux
	api     huma.API
	needs   map[string]Role // operation id to least role
	binds   bindings
	accepts *throttle
	closing chan struct{} // closed when the server stops, to end event streams
}

// New makes a server. It opens nothing: see Listen and Run.
func New(o Options) (*Server, error) {
	if len(o.Orgs) == 0 {
		return nil, errors.New("control needs at least one org")
	}
	for name, org := range o.Orgs {
		if org.Engine == nil || org.Directory == nil {
			return nil, fmt.Errorf("org %s lacks its engine or its directory", name)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		o:       o,
		orgs:    slices.Sorted(maps.Keys(o.Orgs)),
		log:     o.Log,
		needs:   map[string]Role{},
		closing: make(chan struct{}),
		accepts: newThrottle(),
	}
	s.Reload(o.Tokens)
	s.routes()
	return s, nil
}

// Reload puts other tokens in force. Requests under way go on.
func (s *Server) Reload(t Tokens) { s.tokens.Store(&t) }

// Handler answers requests. Over a trusted transport, which is the Unix socket,
// every caller is an administrator: who may open the socket is decided by its
// file permissions. Otherwise callers show a bearer token.
func (s *Server) Handler(trusted bool) http.Handler {
	var h http.Handler = s.mux
	h = s.authenticate(h, trusted)
	h = wellFormed(h)
	h = http.MaxBytesHandler(h, maxUpload) // an operation says what it takes itself
	h = sameOrigin(h)
	if !trusted {
		h = s.checkHost(h)
	}
	return secure(h)
}

// sameOrigin refuses requests that a browser makes for a page of another site.
func sameOrigin(h http.Handler) http.Handler {
	c := http.NewCrossOriginProtection()
	c.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		newProblem(http.StatusForbidden, CodeForbidden, "a page of another site made this request", "").write(w)
	}))
	return c.Handler(h)
}

// secure sets the headers that keep browsers from guessing and caching.
func secure(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}
