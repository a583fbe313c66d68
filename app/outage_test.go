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

	"github.com/rosterd/rosterd/control"
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
