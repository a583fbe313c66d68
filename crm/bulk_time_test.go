package crm

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"github.com/rosterd/rosterd/crm/simorg"
)

// inBubble tells a story of an org and a client of it in a time of their own.
func inBubble(t *testing.T, so simorg.Options, opts Options, story func(t *testing.T, w *world)) {
	t.Helper()
	so.PublicKey, so.ClientID, so.Username = testPublicKey(t), "key", "sync@example.com"
	synctest.Test(t, func(t *testing.T) {
		w := &world{org: simorg.New(so)}
		w.Client = inMemory(t, w.org.Handler(), opts)
		story(t, w)
	})
}

// inMemory is a client of a server without a network, both for one bubble.
func inMemory(t *testing.T, h http.Handler, opts Options) *Client {
	t.Helper()
	lis := bufconn.Listen(1 << 16) // a bubble of time has no network
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Hour}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(lis) }) // until it is closed
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return lis.DialContext(ctx) }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close() // of a listener in memory
		running.Wait()
	})
	opts.Transport = transport
	c, err := New(Config{LoginURL: "http://127.0.0.1:1", ClientID: "key", Username: "sync@example.com", PrivateKey: testKey()}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A job that comes no further is given up while a snapshot by REST is worth more,
// and costs few calls until then; one that goes on is waited for.
func TestBulkJobWithoutProgress(t *testing.T) {
	inBubble(t, simorg.Options{Users: 1000, Plain: true}, Options{}, func(t *testing.T, w *world) {
		fields := w.fields(t)
		w.org.Faults().On(simorg.BulkCreate, 1, simorg.Effect{Kind: simorg.BulkStuck})
		began := time.Now()
		if got, err := collect(w.BulkSnapshot(t.Context(), fields)); !errors.Is(err, ErrBulk) {
			t.Errorf("got %d users, %v", len(got), err)
		}
		if took := time.Since(began); took < 10*time.Minute || took > 12*time.Minute {
			t.Errorf("given up after %s", took)
		}
		if n := w.org.Calls()["bulk_poll"]; n > 25 {
			t.Errorf("asked %d times", n)
		}
		w.clean(t)
		w.org.SetBulkDelay(90 * time.Minute)
		if got, err := collect(w.BulkSnapshot(t.Context(), fields)); err != nil || len(got) != 1001 {
			t.Errorf("a slow job: got %d users, %v", len(got), err)
		}
	})
}

func TestBulkStreamMayBeReadSlowly(t *testing.T) {
	inBubble(t, simorg.Options{Users: 20_000, Plain: true}, Options{MaxRetries: -1}, func(t *testing.T, w *world) {
		fields := w.fields(t)
		w.org.ResetCalls()
		n := 0
		for page, err := range w.BulkSnapshotFrom(t.Context(), fields, Cursor{}) {
			if err != nil {
				t.Fatal(err)
			}
			if n += len(page.Users); n == 2000 {
				time.Sleep(time.Hour) // longer than a request may take; the time of a reader is not Salesforce's
			}
		}
		if calls := w.org.Calls(); n != 20_001 || calls["bulk_results"] != 1 {
			t.Errorf("got %d users by %v", n, calls)
		}
	})
}

func TestBulkStalledStreamIsGivenUp(t *testing.T) {
	inBubble(t, simorg.Options{Users: 100, Plain: true}, Options{MaxRetries: -1}, func(t *testing.T, w *world) {
		fields := w.fields(t)
		w.org.Faults().On(simorg.BulkResults, 1, simorg.Effect{Kind: simorg.Hang})
		if _, err := collect(w.BulkSnapshot(t.Context(), fields)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		w.org.Faults().Clear()
	})
}
