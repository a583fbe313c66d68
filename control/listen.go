package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	stopTime   = 5 * time.Second // for requests under way when the server stops
)

// bindings are the open listeners.
type bindings struct {
	socket, tcp net.Listener
}

// Listen opens the socket and the port, so that a daemon can say that it is
// ready before Run serves them. Run calls it when nobody did.
func (s *Server) Listen() error {
	if s.o.Socket != "" && s.binds.socket == nil {
		l, err := listenUnix(s.o.Socket)
		if err != nil {
			return fmt.Errorf("open the control socket: %w", err)
		}
		s.binds.socket = l
	}
	if s.o.Listen != "" && s.binds.tcp == nil {
		l, err := net.Listen("tcp", s.o.Listen)
		if err != nil {
			s.Close()
			return fmt.Errorf("open the control port: %w", err)
		}
		s.binds.tcp = l
	}
	return nil
}

// Addr is the TCP address in use, "" when there is none. It differs from the
// one asked for when that had port 0.
func (s *Server) Addr() string {
	if s.binds.tcp == nil {
		return ""
	}
	return s.binds.tcp.Addr().String()
}

// Close closes what Listen opened. Run does it too.
func (s *Server) Close() {
	if s.binds.socket != nil {
		_ = s.binds.socket.Close()
	}
	if s.binds.tcp != nil {
		_ = s.binds.tcp.Close()
	}
	s.binds = bindings{}
}

// Run serves until ctx is done, then lets requests under way finish for a few
// seconds. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, func() { close(s.closing) })
	for _, b := range []struct {
		l       net.Listener
		trusted bool
	}{{s.binds.socket, true}, {s.binds.tcp, false}} {
		if b.l != nil {
			g.Go(func() error { return s.serve(ctx, b.l, b.trusted) })
		}
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
