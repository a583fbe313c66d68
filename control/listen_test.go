package control

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/control/controltest"
)

// serve runs a server until the test ends, or until stop is called.
func serve(t *testing.T, s *Server) (stop func()) {
	t.Helper()
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func newTestClient(t *testing.T, o ClientOptions) *Client {
	t.Helper()
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	s := newTestServer(t, func(o *Options) { o.Socket = path })
	stop := serve(t, s)

	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o660 {
		t.Errorf("the socket's mode is %o, want 660", got)
	}
	c := newTestClient(t, ClientOptions{Socket: path})
	got, err := c.Me(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != me.Username || got.Role != Admin || got.Via != "socket" {
		t.Errorf("over the socket one is %+v, want %s as admin", got, me.Username)
	}

	// A second daemon must not take a socket that is in use.
	second := newTestServer(t, func(o *Options) { o.Socket = path })
	if err := second.Listen(); err == nil || !strings.Contains(err.Error(), "is rosterd running already?") {
		t.Errorf("a second daemon: %v", err)
	}
	stop()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestSocketOfADeadDaemonIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false) // as after kill -9
	_ = l.Close()
	serve(t, newTestServer(t, func(o *Options) { o.Socket = path }))
	if _, err := newTestClient(t, ClientOptions{Socket: path}).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestListenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	busy := other.Addr().String()
	_, port, _ := net.SplitHostPort(busy)
	for _, tc := range []struct{ name, socket, listen, want, hint string }{
		{"a file that is no socket", file, "", "not a socket", "create " + file},
		{"a folder that is not there", filepath.Join(dir, "none", "s"), "", "no such file", "control.socket"},
		{"a wrong address", "", "127.0.0.1:99999", "control port", "control.listen"},
		{"a wrong address beside a good socket", filepath.Join(dir, "s"), "nonsense", "control port", "control.listen"},
		{"a busy port", filepath.Join(dir, "s"), busy, "address already in use", "another process listens on " + busy + ": see which with ss -ltnp 'sport = :" + port + "'; stop it, or set control.listen"},
		{"an address of another machine", "", "192.0.2.1:8470", "control port", "no network interface of this machine has the address of 192.0.2.1:8470"},
	} {
		s := newTestServer(t, func(o *Options) { o.Socket, o.Listen = tc.socket, tc.listen })
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		} else if h, ok := errors.AsType[hinter](err); !ok || !strings.Contains(h.Hint(), tc.hint) {
			t.Errorf("%s: the hint of %v is not %q", tc.name, err, tc.hint)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file is %q now: %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "s")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestTCP(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.Listen = "127.0.0.1:0" })
	serve(t, s)
	url := "http://" + s.Addr()
	if _, err := newTestClient(t, ClientOptions{Server: url, Token: secret(Viewer)}).Status(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := newTestClient(t, ClientOptions{Server: url}).Status(t.Context())
	if p, ok := errors.AsType[*Problem](err); !ok || p.Code != CodeUnauthorized || p.Status != 401 {
		t.Errorf("without a token: %v", err)
	}
}

// A page whose host name was made to resolve to 127.0.0.1 sends that name.
func TestLoopbackAnswersToItsOwnNamesOnly(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.Listen, o.Hosts = "127.0.0.1:0", []string{"rosterd.example.com"} })
	serve(t, s)
	for host, want := range map[string]int{
		s.Addr(): 200, "localhost": 200, "LOCALHOST:8470": 200, "[::1]:8470": 200, "127.0.0.1": 200, "rosterd.example.com": 200,
		"evil.example.com": 421, "evil.example.com:8470": 421, "127.0.0.1.example.com": 421, "10.0.0.1": 421,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.Close = true
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("host %s: got %d, want %d", host, resp.StatusCode, want)
		}
	}
}

func TestWatchFollowsARun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	s, e := newTestWorld(t, func(o *Options) { o.Socket = path })
	e.Manual = true
	serve(t, s)
	c := newTestClient(t, ClientOptions{Socket: path})
	started, err := c.Sync(t.Context(), SyncRequest{Kind: "full"})
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []RunOutcome
	var done []int
	for run, err := range c.Watch(t.Context(), started.Run.ID) {
		if err != nil {
			t.Fatal(err)
		}
		outcomes, done = append(outcomes, run.Outcome), append(done, run.Progress.Done)
		switch len(outcomes) { // each step is taken only when the one before was seen
		case 1:
			e.Progress(run.ID, "reconcile", 5)
		case 2:
			e.Finish(run.ID)
		}
	}
	if len(outcomes) != 3 || outcomes[2] != "succeeded" || done[0] != 0 || done[1] != 5 || done[2] != 10 {
		t.Errorf("saw %v at %v", outcomes, done)
	}
	for _, err := range c.Watch(t.Context(), 99) {
		if p, ok := errors.AsType[*Problem](err); !ok || p.Code != CodeNotFound {
			t.Errorf("a run that there is not: %v", err)
		}
	}
}

// A server that stops ends its streams at once, and a client that still waits
// finds the run again when the server is back.
func TestWatchOutlivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	e := controltest.NewEngine("acme")
	e.Manual = true
	newServer := func() *Server {
		return newTestServer(t, func(o *Options) { o.Socket, o.Orgs = path, map[string]Org{"acme": {Engine: e, Directory: e.Users}} })
	}
	stop := serve(t, newServer())
	c := newTestClient(t, ClientOptions{Socket: path})
	started, err := c.Sync(t.Context(), SyncRequest{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var last Run
	for run, err := range c.Watch(t.Context(), started.Run.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			stop()
			e.Finish(run.ID)
			serve(t, newServer())
		}
		last = run
	}
	if n != 2 || last.Outcome != "succeeded" {
		t.Errorf("%d steps, the last %s", n, last.Outcome)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	s, e := newTestWorld(t, func(o *Options) { o.Socket = path })
	e.Manual = true
	serve(t, s)
	c := newTestClient(t, ClientOptions{Socket: path})
	started, err := c.Sync(t.Context(), SyncRequest{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range c.Watch(ctx, started.Run.ID) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("ended with %v", last)
	}
}

func TestEventsOnTheWire(t *testing.T) {
	s, _ := newTestWorld(t, func(o *Options) { o.Listen = "127.0.0.1:0" })
	serve(t, s)
	ask(t, s, Admin, "POST", "/v1/sync", "{}")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/v1/runs/1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret(Viewer))
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type is %q", got)
	}
	var lines []string
	for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
		lines = append(lines, scan.Text())
	}
	if len(lines) < 4 || lines[2] != "event: end" || !strings.HasPrefix(lines[3], `data: {"id":1,`) {
		t.Errorf("got %q", lines)
	}
}
