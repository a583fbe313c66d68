package web

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/rosterd/rosterd/control"
)

//go:embed static all:templates
var files embed.FS

// Options are what a Console can do without.
type Options struct {
	Log   *slog.Logger              // nil discards
	Zones map[string]*time.Location // by org: in which zone its times are shown; UTC when missing
}

// Console serves the pages. It is safe for concurrent use.
type Console struct {
	api      http.Handler
	o        Options
	log      *slog.Logger
	pages    pages
	sessions *sessions
	throttle *throttle
	handler  http.Handler
	version  string        // of the static files
	lookFor  time.Duration // how long a page goes on to look for people

	once    sync.Once
	closing chan struct{} // closed by Close, to end event streams
}

// New makes a console of the control API that api answers. It opens nothing.
func New(api http.Handler, o Options) (*Console, error) {
	if api == nil {
		return nil, errors.New("the console needs the control API")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Console{api: api, o: o, log: o.Log, sessions: newSessions(), throttle: newThrottle(), lookFor: lookFor, closing: make(chan struct{})}
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, fmt.Errorf("open the static files: %w", err)
	}
	if c.version, err = fingerprint(static); err != nil {
		return nil, err
	}
	if c.pages, err = parse(files); err != nil {
		return nil, err
	}
	c.handler = c.routes(static)
	return c, nil
}

// Close ends the event streams, so that a server can stop without waiting for
// them. Pages are still answered.
func (c *Console) Close() { c.once.Do(func() { close(c.closing) }) }

// ServeHTTP answers a page.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

func (c *Console) client(token, org string) *control.Client {
	return control.NewLocalClient(c.api, token, org)
}

// policy lets a page load nothing but this console's own files, and be framed
// by nobody.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(h http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	guarded := cross.Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		head.Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}
