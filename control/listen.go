package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	stopTime   = 5 * time.Second // for requests under way when the server stops
)

// bindings are the open listeners. They are closed from where the daemon stops
// and served from where it runs.
type bindings struct {
	mu          sync.Mutex // guards what follows
	socket, tcp net.Listener
}

// Listen opens the socket and the port, so that a daemon can say that it is
// ready before Run serves them. Run calls it when nobody did.
func (s *Server) Listen() error {
	b := &s.binds
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.o.Socket != "" && b.socket == nil {
		l, err := listenUnix(s.o.Socket)
		if err != nil {
			return &listenError{
				fmt.Errorf("open the control socket: %w", err),
				"is another rosterd running, and may this user create " + s.o.Socket + "? control.socket says where it is",
			}
		}
		b.socket = l
	}
	if s.o.Listen != "" && b.tcp == nil {
		l, err := net.Listen("tcp", s.o.Listen)
		if err != nil {
			b.closeLocked()
			return &listenError{fmt.Errorf("open the control port: %w", err), portHint(s.o.Listen, err)}
		}
		b.tcp = l
	}
	return nil
}

// listenError is why the server cannot listen, and what to do about it.
type listenError struct {
	error
	hint string
}

// Hint says what to do.
func (e *listenError) Hint() string { return e.hint }

// Unwrap returns the cause.
func (e *listenError) Unwrap() error { return e.error }

// portHint says what to do about a TCP address that cannot be listened on.
func portHint(address string, err error) string {
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("another process listens on %s: see which with ss -ltnp 'sport = :%s'; stop it, or set control.listen to a free port", address, port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("no network interface of this machine has the address of %s: ip address lists them; correct control.listen", address)
	case errors.Is(err, os.ErrPermission):
		return fmt.Sprintf("this user may not listen on port %s: ports below 1024 need CAP_NET_BIND_SERVICE; set control.listen to a higher one", port)
	}
	return "check control.listen, which is " + address
}

// Addr is the TCP address in use, "" when there is none. It differs from the
// one asked for when that had port 0.
func (s *Server) Addr() string {
	s.binds.mu.Lock()
	defer s.binds.mu.Unlock()
	if s.binds.tcp == nil {
		return ""
	}
	return s.binds.tcp.Addr().String()
}

// Close closes what Listen opened, for a server that is not to run after all.
// Run does it too.
func (s *Server) Close() {
	s.binds.mu.Lock()
	defer s.binds.mu.Unlock()
	s.binds.closeLocked()
}

func (b *bindings) closeLocked() {
	for _, l := range []net.Listener{b.socket, b.tcp} {
		if l != nil {
			_ = l.Close()
		}
	}
	b.socket, b.tcp = nil, nil
}

// Run serves until ctx is done, then lets requests under way finish for a few
// seconds. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, func() { close(s.closing) })
	s.binds.mu.Lock()
	socket, tcp := s.binds.socket, s.binds.tcp
	s.binds.mu.Unlock()
	if socket != nil {
		g.Go(func() error { return s.serve(ctx, socket, true) })
	}
	if tcp != nil {
		g.Go(func() error { return s.serve(ctx, tcp, false) })
	}
	g.Go(func() error { <-ctx.Done(); return nil })
	return g.Wait()
}

func (s *Server) serve(ctx context.Context, l net.Listener, trusted bool) error {
	server := &http.Server{
		Handler:           s.Handler(trusted),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      requestTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if trusted {
				ctx = context.WithValue(ctx, peerKey, peerName(c))
			}
			return ctx
		},
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve control: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	err := server.Shutdown(stop)
	if err != nil {
		_ = server.Close()
	}
	<-ended
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("control requests were cut off")
		return nil
	}
	return err
}

// listenUnix listens on a socket file that its owner and group may open. A
// file that a dead daemon left is replaced; one that a living daemon serves is
// not.
func listenUnix(path string) (net.Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode()&os.ModeSocket == 0:
		return nil, fmt.Errorf("%s is there and is not a socket", path)
	default:
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%s is served by another process: is rosterd running already?", path)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the socket of a dead process: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}
