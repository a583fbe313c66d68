package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
	rostersync "github.com/rosterd/rosterd/sync"
)

// pipes is a listener without a network, of which a simulated clock would never
// know that nothing happens.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	mine, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return mine, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// still is a stream that stands and brings nothing, as in an org in which
// nothing changes. Following events costs no API calls.
type still struct{}

func (still) Kick() {}

func (still) Follow(ctx context.Context, _ rostersync.StreamSessions, h rostersync.StreamHandler) {
	h.State(rostersync.StreamState{Phase: "live"})
	if h.Begun(ctx, rostersync.StreamStart{}) == nil {
		<-ctx.Done()
	}
}

// TestIdleHour has an hour pass in which nothing changes, by a simulated clock:
// the engine whole, its waits as in production, and the calls that the simulated
// org counts.
func TestIdleHour(t *testing.T) {
	const most = 10
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	at := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		org := simorg.New(simorg.Options{Users: 200, Seed: 1, Plain: true, PublicKey: &key.PublicKey, Quota: 100_000, SessionTTL: 2 * time.Hour})
		lis := newPipes()
		srv := &http.Server{Handler: org.Handler(), ReadHeaderTimeout: time.Minute}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(lis) }()
		transport := &http.Transport{DialContext: lis.dial}
		db, err := store.Open(t.Context(), at, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		engine := idleEngine(t, db, key, transport)
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- engine.Run(ctx) }()

		time.Sleep(10 * time.Minute) // the first sync, and the look that begins with the stream
		if s, err := engine.Status(ctx); err != nil || s.Changes.State != "live" || s.Enrolled != 200 {
			t.Fatalf("after ten minutes: %+v (%v)", s, err)
		}
		org.ResetCalls()
		time.Sleep(time.Hour)
		calls := 0
		for endpoint, n := range org.Calls() {
			if !slices.Contains([]string{string(simorg.Token), string(simorg.Versions)}, endpoint) {
				calls += n
			}
		}
		t.Attr("calls", fmt.Sprint(calls))
		if calls > most || calls == 0 {
			t.Errorf("an idle hour cost %d calls, want 1 to %d: %v", calls, most, org.Calls())
		}

		stop()
		if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		if err := errors.Join(srv.Close(), db.Close()); err != nil {
			t.Error(err)
		}
		<-served
	})
}

func idleEngine(t *testing.T, db *store.DB, key *rsa.PrivateKey, transport http.RoundTripper) *rostersync.Engine {
	t.Helper()
	id, err := directory.EnsureOrg(t.Context(), db, "acme")
	if err != nil {
		t.Fatal(err)
	}
	dir := directory.New(db, id, directory.Options{})
	licenses := []dialer.License{{Type: "powerdialer", Purchased: 1000, Default: true}}
	if err := dir.SetLicenses(t.Context(), licenses); err != nil {
		t.Fatal(err)
	}
	policy, err := rostersync.CompilePolicy(rostersync.DefaultScope, nil)
	if err != nil {
		t.Fatal(err)
	}
	full, err := rostersync.ParseSchedule("0 0 * * *", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := rostersync.New(rostersync.Config{
		Org: "acme", Zone: time.UTC, Full: full, Poll: time.Minute, Changes: rostersync.ChangesAuto, Snapshot: rostersync.SnapshotAuto,
		Enrollment: rostersync.EnrollAutomatic, Match: dialer.FieldEmail, Frozen: rostersync.FrozenDeactivate,
		Leaving: rostersync.Leaving{Zone: time.UTC}, OnNoSeat: dialer.NoSeatReject, Licenses: licenses, Policy: policy,
		Guard: rostersync.Guard{Users: 10, Percent: 2, Window: 24 * time.Hour},
	}, rostersync.Deps{
		OrgID: id, DB: db, Directory: dir, Stream: still{},
		Salesforce: crm.Config{
			LoginURL: "http://127.0.0.1", ClientID: "simulated-consumer-key", Username: "rosterd@acme.example", Prefilter: "UserType = 'Standard'",
			PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
			Audience:   "https://login.salesforce.com",
		},
	}, rostersync.Options{CRM: crm.Options{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}
