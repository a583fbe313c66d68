package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/sync"
)

// slow is an engine whose database does not answer.
type slow struct{ *controltest.Engine }

func (slow) Status(ctx context.Context) (sync.Status, error) {
	<-ctx.Done()
	return sync.Status{}, ctx.Err()
}

// Whoever asks for the status because something is wrong gets an answer soon.
func TestStatusWithoutDatabase(t *testing.T) {
	for _, tc := range []struct {
		name string
		ping func(context.Context) error
		took time.Duration
	}{
		{"gone", func(context.Context) error { return errors.New("dial tcp 10.0.0.7:5432: connection refused") }, 0},
		{"silent", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, pingTime},
		{"silent after the ping", nil, statusTime},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := controltest.NewEngine("acme")
				s := newTestServer(t, func(o *Options) {
					o.Orgs, o.Ping = map[string]Org{"acme": {Engine: slow{e}, Directory: e.Users}}, tc.ping
				})
				began := time.Now()
				p := refused(t, ask(t, s, Viewer, "GET", "/v1/status", ""), 503, CodeUnavailable)
				if p.Message != "the database does not answer" || !strings.Contains(p.Hint, "running?") {
					t.Errorf("says %q, hint %q", p.Message, p.Hint)
				}
				if took := time.Since(began); took != tc.took {
					t.Errorf("took %s, want %s", took, tc.took)
				}
			})
		})
	}
}
