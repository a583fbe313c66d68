package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/store/storetest"
	rostersync "github.com/rosterd/rosterd/sync"
)

// wire carries connections to a server until it is cut.
type wire struct {
	listener net.Listener
	to       string

	mu    sync.Mutex // guards what follows
	cut   bool
	conns []net.Conn
	tasks sync.WaitGroup
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, to: to}
	w.tasks.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.set(true)
		w.tasks.Wait()
	})
	return w
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		w.mu.Lock()
		if err != nil || w.cut {
			_ = near.Close()
			if far != nil {
				_ = far.Close()
			}
		} else {
			w.conns = append(w.conns, near, far)
			for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
				w.tasks.Go(func() {
					_, _ = io.Copy(way[0], way[1])
					_ = way[0].Close()
				})
			}
		}
		w.mu.Unlock()
	}
}

// set cuts the wire, with all connections that it carries, or mends it.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for _, c := range w.conns {
			_ = c.Close()
		}
		w.conns = nil
	}
}

// The database goes away under a running daemon: it says so, stays up, takes
// nothing from anyone, and goes on when the database is back.
func TestDatabaseAwayAndBack(t *testing.T) {
	database := storetest.Postgres(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	line := newWire(t, u.Host)
	u.Host = line.listener.Addr().String()
	w := newWorld(t, u.String(), nil)
	a := w.boot(Options{})
	c := w.client()
	w.awaitEnrolled(c)
	ready := func() (int, string) { return fetch(t, "http://"+a.Addr()+"/readyz", "") }
	if code, body := ready(); code != 200 {
		t.Fatalf("readyz: %d %s", code, body)
	}
	line.set(true)
	await(t, "not ready", func() (string, bool) {
		code, body := ready()
		return body, code == 503 && strings.Contains(body, "the database does not answer")
	})
	if !a.alive() {
		t.Error("the loop is taken for stuck while the database is away")
	}
	line.set(false)
	// Until the lease is back the request is refused; the first run that
	// succeeds ends the trouble.
	await(t, "a run", func() (string, bool) {
		_, err := c.Sync(t.Context(), control.SyncRequest{Kind: rostersync.KindChanges})
		return fmt.Sprint(err), err == nil
	})
	await(t, "ready again", func() (string, bool) {
		code, body := ready()
		return body, code == 200
	})
	w.awaitEnrolled(c)
	if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// Salesforce takes a call and never answers: the sync gives up, says so, and
// nobody loses anything for it.
func TestSalesforceNeverAnswers(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), nil)
	a := w.boot(Options{CallWait: time.Second})
	c := w.client()
	w.awaitEnrolled(c)
	for _, contains := range []string{"COUNT() FROM User WHERE", "SELECT Id, Username"} {
		w.org.Faults().Add(simorg.Rule{Contains: contains, Effect: simorg.Effect{Kind: simorg.Hang}})
		run := w.full(c)
		if run.Outcome != rostersync.Failed || !strings.Contains(run.Error, "deadline exceeded") || run.Hint == "" {
			t.Errorf("%s: the run ends %s: %s (%s)", contains, run.Outcome, run.Error, run.Hint)
		}
		if code, body := fetch(t, "http://"+a.Addr()+"/readyz", ""); code != 503 || !strings.Contains(body, "org acme: ") {
			t.Errorf("%s: readyz: %d %s", contains, code, body)
		}
		w.org.Faults().Clear()
		for u, err := range c.Users(t.Context(), control.UserFilter{Status: "all"}) {
			if err != nil || u.Status != "active" || u.DeactivateAt != nil {
				t.Errorf("%s: a user is %s, %v", contains, u.Status, err)
			}
		}
		if run = w.full(c); run.Outcome != rostersync.Succeeded || run.Updated+run.Deactivated != 0 {
			t.Errorf("%s: the next run ends %s: %s", contains, run.Outcome, run.Error)
		}
	}
}

// full runs a full sync to its end.
func (w *world) full(c *control.Client) (last control.Run) {
	w.t.Helper()
	s, err := c.Sync(w.t.Context(), control.SyncRequest{Kind: rostersync.KindFull})
	if err != nil {
		w.t.Fatal(err)
	}
	for run, err := range c.Watch(w.t.Context(), s.Run.ID) {
		if err != nil {
			w.t.Fatal(err)
		}
		last = run
	}
	return last
}
