package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rosterd/rosterd/crm/simorg"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("os/signal.loop"))
}

// buffer is a bytes.Buffer that a daemon may write to while a test reads.
type buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// setup starts a simulated org and writes a configuration for it.
func setup(t *testing.T) (dir, path string, rewrite func(old, replacement string)) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	org := simorg.New(simorg.Options{Users: 5, Seed: 1, Plain: true, PublicKey: &key.PublicKey, ClientID: "app"})
	server := httptest.NewServer(org.Handler())
	t.Cleanup(server.Close)
	dir = t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	text := fmt.Sprintf(`database: sqlite://%[1]s/r.db
control: {socket: %[1]s/c.sock, listen: ""}
orgs:
  - name: acme
    salesforce: {login_url: "%[2]s", client_id: app, username: rosterd@acme.example, private_key_file: %[1]s/key.pem}
    licenses: [{type: powerdialer, seats: 5, default: true}]
`, dir, server.URL)
	write("config.yaml", text)
	return dir, filepath.Join(dir, "config.yaml"), func(old, replacement string) {
		t.Helper()
		text = strings.Replace(text, old, replacement, 1)
		write("config.yaml", text)
	}
}

func TestCommands(t *testing.T) {
	dir, path, _ := setup(t)
	broken := filepath.Join(dir, "broken.yaml")
	if err := os.WriteFile(broken, []byte("databse: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args     string
		code     int
		out, err string
	}{
		{"version", 0, "rosterd dev\n", ""},
		{"", 2, "Available Commands", ""},
		{"--help", 0, "Available Commands", ""},
		{"frob", 2, "", `unknown command "frob"`},
		{"check extra", 2, "", `check takes no argument, but got "extra"`},
		{"check --nope", 2, "", "unknown flag: --nope"},
		{"check --config " + path, 0, "ok    configuration: 1 org(s)", ""},
		{"--config " + path + " check", 0, "ok    configuration: 1 org(s)", ""},
		{"check --config " + broken, 1, "", "broken.yaml:1:1: databse: unknown key — did you mean database?"},
		{"run --config " + broken, 78, "", "databse: unknown key"},
		{"run --config " + dir + "/nothere.yaml", 78, "", "no such file"},
		{"migrate --config " + broken, 78, "", "databse: unknown key"},
		{"check --online --config " + path, 0, "ok    org acme: login", ""},
		{"migrate --config " + path, 0, "the schema went from version 0 to ", ""},
		{"migrate --config " + path, 0, "the schema is current: version ", ""},
	} {
		t.Run(tc.args, func(t *testing.T) {
			var out, errOut bytes.Buffer
			if code := run(t.Context(), strings.Fields(tc.args), &out, &errOut); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if !strings.Contains(out.String(), tc.out) || !strings.Contains(errOut.String(), tc.err) {
				t.Errorf("out %q, err %q; want %q and %q", out.String(), errOut.String(), tc.out, tc.err)
			}
		})
	}
}

// A failing check says what to do, and exits 1.
func TestCheckFails(t *testing.T) {
	_, path, rewrite := setup(t)
	rewrite("client_id: app", "client_id: other")
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"check", "--online", "-c", path}, &out, &errOut); code != 1 || errOut.Len() > 0 {
		t.Errorf("exit code %d, err %q", code, errOut.String())
	}
	if !strings.Contains(out.String(), "FAIL  org acme: login: ") || !strings.Contains(out.String(), "\n      check client_id") {
		t.Errorf("out:\n%s", out.String())
	}
}

// The daemon under a service manager: start, reload, refused reload, stop.
func TestRun(t *testing.T) {
	dir, path, rewrite := setup(t)
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "notify"))
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	hears := func(prefix string) {
		t.Helper()
		if err := manager.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 4096)
		for {
			n, err := manager.Read(text)
			if err != nil {
				t.Fatalf("waiting for %q: %v", prefix, err)
			}
			if strings.HasPrefix(string(text[:n]), prefix) {
				return
			}
		}
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, errOut buffer
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"run", "--config", path}, &out, &errOut) }()
	hears("READY=1\nSTATUS=acme: ")
	hears("WATCHDOG=1")
	hangUp := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		hears("RELOADING=1\nMONOTONIC_USEC=")
		hears("READY=1")
	}
	rewrite("seats: 5", "seats: 6")
	hangUp()
	rewrite("seats: 6", "seats: six")
	hangUp()
	stop()
	hears("STOPPING=1")
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d\n%s", code, errOut.String())
	}

	var messages []string
	for line := range strings.Lines(errOut.String()) {
		var entry struct{ Level, Msg, Err string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("not a JSON log line: %q", line)
		}
		messages = append(messages, entry.Level+" "+entry.Msg+" "+entry.Err)
	}
	log := strings.Join(messages, "\n")
	for _, want := range []string{
		"INFO ready", "INFO configuration reloaded", "INFO stopping",
		"ERROR reload refused, the configuration before stays in force " + path + ":6:", "seats: wants a whole number",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the log:\n%s", want, log)
		}
	}
}

// A verdict that nobody could read is none.
func TestOutputThatCannotBeWritten(t *testing.T) {
	_, path, _ := setup(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range [][]string{{"check", "--config", path}, {"version"}, {"--help"}} {
		var said bytes.Buffer
		if code := run(t.Context(), args, full, &said); code != exitError || !strings.Contains(said.String(), "no space left on device") {
			t.Errorf("%v: exit code %d, says %q", args, code, said.String())
		}
	}
}
