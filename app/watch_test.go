package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	rostersync "github.com/rosterd/rosterd/sync"
)

// heart is an engine's pulse that a test can stop.
type heart struct {
	mu      sync.Mutex // guards stopped
	stopped time.Time
	status  rostersync.Status
	err     error
}

func (h *heart) Alive() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped.IsZero() {
		return time.Now()
	}
	return h.stopped
}

func (h *heart) Status(context.Context) (rostersync.Status, error) { return h.status, h.err }

// stop lets the loop have turned last at a time; zero starts it again.
func (h *heart) stop(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = at
}

func watched(o Options, hearts map[string]*heart) (*App, *notes) {
	said := &notes{}

	a := &App{o: o, log: slog.New(slog.DiscardHandler), manager: manager{tell: said.add}}
	for _, name := range []string{"acme", "globex"} {
		if h, ok := hearts[name]; ok {
			a.orgs = append(a.orgs, &org{name: name, pulse: h})
		}
	}
	return a, said
}

func TestWatchdogIsFedOnlyWhileEveryLoopTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sick := &heart{}
		a, said := watched(Options{Watchdog: time.Minute}, map[string]*heart{"acme": {}, "globex": sick})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.watch(ctx) }()
		heard := 0
		fed := func(d time.Duration) int {
			time.Sleep(d) // of the bubble's clock
			synctest.Wait()
			all := said.all()
			n := 0
			for _, s := range all[heard:] {
				if s == "WATCHDOG=1" {
					n++
				}
			}
			heard = len(all)
			return n
		}
		if n := fed(time.Hour); n < 60 {
			t.Errorf("fed %d times in an hour, want at least once a minute", n)
		}
		sick.stop(time.Now())
		if n := fed(stallTime + time.Minute); n == 0 {
			t.Error("not fed while the loop is only a little late")
		}
		if n := fed(time.Hour); n != 0 {
			t.Errorf("fed %d times while a loop is stuck", n)
		}
		sick.stop(time.Time{})
		if n := fed(time.Minute); n == 0 {
			t.Error("not fed again after the loop turned")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestWatchSaysHowOrgsStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, said := watched(Options{}, map[string]*heart{
			"acme":   {status: rostersync.Status{State: "ok", Enrolled: 12, Held: 3}},
			"globex": {status: rostersync.Status{State: "blocked", Reasons: []string{"wrong\norg", "no quota"}}},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.watch(ctx) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := "STATUS=acme: ok, 12 enrolled, 3 held | globex: blocked: wrong org; no quota"
		if got := said.all(); len(got) != 1 || got[0] != want {
			t.Errorf("got %q, want once %q, and no sign of life that nobody asked for", said.all(), want)
		}
	})
}

func TestStand(t *testing.T) {
	for _, tc := range []struct {
		name  string
		heart *heart
		want  string
		how   health
	}{
		{"ok", &heart{status: rostersync.Status{State: "ok", Enrolled: 1}}, "ok, 1 enrolled", well},
		{"standby", &heart{status: rostersync.Status{State: "standby"}}, "standby", well},
		{"paused", &heart{status: rostersync.Status{State: "paused"}}, "paused", well},
		{"degraded", &heart{status: rostersync.Status{State: "degraded", Reasons: []string{"people whose change waits for approval: 8"}, Held: 8}}, "degraded: people whose change waits", odd},
		{"failing", &heart{status: rostersync.Status{State: "degraded", Reasons: []string{"why"}, LastError: "why"}}, "degraded: why", unable},
		{"blocked", &heart{status: rostersync.Status{State: "blocked", Reasons: []string{"no login"}}}, "blocked: no login", unable},
		{"unreadable", &heart{err: errors.New("secret detail")}, "cannot be read", unable},
		{"stuck", &heart{stopped: time.Now().Add(-time.Hour)}, "stuck for 1h", unable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, how := stand(t.Context(), &org{pulse: tc.heart})
			if !strings.Contains(got, tc.want) || how != tc.how || strings.Contains(got, "secret") {
				t.Errorf("got %q, %d; want %q, %d", got, how, tc.want, tc.how)
			}
		})
	}
}

// Whoever still runs when the daemon stops does not call it back to life.
func TestNothingIsSaidAfterStopping(t *testing.T) {
	said := &notes{}
	m := manager{tell: said.add}
	m.notify("WATCHDOG=1")
	m.stop()
	m.notify("WATCHDOG=1")
	m.notify("READY=1\nSTATUS=ok")
	if got := said.all(); len(got) != 2 || got[1] != "STOPPING=1\nSTATUS=stopping" {
		t.Errorf("the service manager heard %q", got)
	}
}
