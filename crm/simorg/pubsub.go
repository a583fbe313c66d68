package simorg

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// The topics of change events.
const (
	UserTopic   = "/data/UserChangeEvent" // of users alone
	ChangeTopic = "/data/ChangeEvents"    // of every selected object; here, too, only of users
)

// PubSubOptions say how the Pub/Sub API is served. The zero value is plain HTTP/2 on a free loopback port.
type PubSubOptions struct {
	// Addr is the loopback address to listen on; default 127.0.0.1:0.
	Addr string
	// Listener is used instead of Addr when it is set. PubSub closes it.
	Listener net.Listener
	// TLS serves with a certificate of a CA made for the purpose: see [PubSub.CA].
	TLS bool
	// Keepalive is how long a stream with credit may be silent before an empty response goes out; default 270 s.
	Keepalive time.Duration
	// Grace is how long a stream without credit lives; default 60 s.
	Grace time.Duration
}

// PubSub is the Pub/Sub API of an org on a port: GetTopic, GetSchema and Subscribe of the gRPC service
// eventbus.v1.PubSub. Close ends it.
type PubSub struct {
	o         *Org
	srv       *http.Server
	endpoint  string
	ca        []byte
	keepalive time.Duration
	grace     time.Duration
	ended     chan struct{}  // closed when nothing is accepted any more
	calls     sync.WaitGroup // running RPCs

	// mu guards closed, and that no call begins after it is set.
	mu     sync.Mutex
	closed bool
}

// PubSub serves the change events of the org. Several may serve one org at a time.
func (o *Org) PubSub(opt PubSubOptions) (*PubSub, error) {
	lis := opt.Listener
	if lis == nil {
		var err error
		if lis, err = new(net.ListenConfig).Listen(context.Background(), "tcp", cmp.Or(opt.Addr, "127.0.0.1:0")); err != nil {
			return nil, fmt.Errorf("serve change events: %w", err)
		}
	}
	p := &PubSub{
		o: o, endpoint: "http://" + lis.Addr().String(), ended: make(chan struct{}),
		keepalive: cmp.Or(opt.Keepalive, 270*time.Second), grace: cmp.Or(opt.Grace, time.Minute),
	}
	protocols := new(http.Protocols)
	p.srv = &http.Server{
		Handler: http.HandlerFunc(p.serve), Protocols: protocols, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 10 * time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // clients that go are no news here
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, wireKey{}, c) // net/http has no other way to a request's connection
		},
	}
	lis = wireListener{lis}
	serve := p.srv.Serve
	if opt.TLS {
		cert, ca, err := newCertificate()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("serve change events: %w", err), lis.Close())
		}
		p.ca, p.endpoint = ca, lis.Addr().String()
		p.srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		protocols.SetHTTP2(true)
		serve = func(l net.Listener) error { return p.srv.ServeTLS(l, "", "") }
	} else {
		protocols.SetUnencryptedHTTP2(true)
	}
	go func() {
		defer close(p.ended)
		_ = serve(lis) // it ends with Close, and with nothing else that a client does
	}()
	return p, nil
}

// begin counts a call, unless it is too late for any.
func (p *PubSub) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.calls.Add(1)
	}
	return !p.closed
}

// Endpoint is where to connect: http://HOST:PORT for plain HTTP/2, HOST:PORT for TLS.
func (p *PubSub) Endpoint() string { return p.endpoint }

// CA is the certificate authority of a TLS endpoint as PEM; nil for plain HTTP/2.
func (p *PubSub) CA() []byte { return p.ca }

// Close breaks every connection and waits until no call is running. A second Close does nothing.
func (p *PubSub) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.srv.Close()
	<-p.ended
	p.calls.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the change events: %w", err)
	}
	return nil
}
