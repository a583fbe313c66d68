package store_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// proxy stands before Postgres and can go away and come back.
type proxy struct {
	addr, target string

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
	group    sync.WaitGroup
}

// proxied returns a proxy that is down, and the database's URL through it.
func proxied(t *testing.T) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(storetest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), target: u.Host}
	_ = l.Close()
	u.Host = p.addr
	t.Cleanup(p.down)
	return p, u.String()
}

func (p *proxy) up(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		t.Error(err)
		return
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.group.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", p.target)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				p.group.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					_ = pair[0].Close()
				})
			}
		}
	})
}

// down closes every connection, and refuses new ones.
func (p *proxy) down() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
	}
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.listener, p.conns = nil, nil
	p.mu.Unlock()
	p.group.Wait()
}

func TestOpenWaitsForPostgres(t *testing.T) {
	p, url := proxied(t)
	opened := make(chan error, 1)
	go func() {
		db, err := store.Open(t.Context(), url, store.Options{})
		if err == nil {
			err = errors.Join(db.Ping(t.Context()), db.Close())
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	p.up(t)
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// Connections break before a statement and before the commit: each transaction
// is done once, or not at all and says that it cannot know.
func TestPostgresRestarts(t *testing.T) {
	p, url := proxied(t)
	p.up(t)
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := t.Context()
	restart := func() {
		p.down()
		p.up(t)
	}
	var want []string
	for i, name := range numbered(20) {
		attempts := 0
		err := db.Update(ctx, func(tx *store.Tx) error {
			attempts++
			if i%3 == 1 && attempts == 1 {
				restart()
			}
			if _, err := tx.Exec(ctx, "INSERT INTO orgs (name, created_at) VALUES ($1, 1)", name); err != nil {
				return err
			}
			if i%3 == 2 && attempts == 1 {
				restart()
			}
			return nil
		})
		if err == nil {
			want = append(want, name)
		} else if !errors.Is(err, store.ErrCommitUnknown) || i%3 != 2 {
			t.Fatalf("transaction %d: %v", i, err)
		}
	}
	if got := names(t, db); !slices.Equal(got, want) || len(want) < 13 {
		t.Errorf("got %d rows, want %d", len(got), len(want))
	}
}
