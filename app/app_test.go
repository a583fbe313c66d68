package app

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/config"
	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
	rostersync "github.com/rosterd/rosterd/sync"
)

const people = 40

// world is a simulated org, and a folder with a configuration that names it.
type world struct {
	t        *testing.T
	dir      string
	database string
	url      string
	org      *simorg.Org
	seats    int
	listen   string
	extra    string // further orgs, in YAML
	more     string // keys of the first org's salesforce
}

func newWorld(t *testing.T, database string, change func(*simorg.Options)) *world {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	o := simorg.Options{Users: people, Seed: 1, Plain: true, PublicKey: &key.PublicKey, ClientID: "app", Username: "rosterd@acme.example"}
	if change != nil {
		change(&o)
	}
	w := &world{t: t, dir: t.TempDir(), database: database, org: simorg.New(o), seats: 100, listen: "127.0.0.1:0"}
	server := httptest.NewServer(w.org.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	w.url = server.URL
	w.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	w.write("tokens", "admin ops 0123456789abcdef0123\n")
	return w
}

func (w *world) write(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// orgYAML is an org that logs in as the given client.
func (w *world) orgYAML(name, client string) string {
	return fmt.Sprintf(`  - name: %s
    salesforce:
      login_url: %s
      client_id: %s
      username: rosterd@acme.example
      private_key_file: %s/key.pem
%s    licenses: [{type: powerdialer, seats: %d, default: true}]
`, name, w.url, client, w.dir, w.more, w.seats)
}

func (w *world) load() (*config.Config, error) {
	text := fmt.Sprintf("database: %s\ncontrol: {socket: %s/c.sock, listen: %q, tokens_file: %s/tokens}\norgs:\n%s%s",
		w.database, w.dir, w.listen, w.dir, w.orgYAML("acme", "app"), w.extra)
	return config.Load(w.write("config.yaml", text))
}

func (w *world) config() *config.Config {
	w.t.Helper()
	c, err := w.load()
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// notes keeps what the service manager is told.
type notes struct {
	mu   sync.Mutex // guards said
	said []string
}

func (n *notes) add(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, s)
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.said)
}

// boot starts a daemon; it is stopped when the test ends, if not before.
func (w *world) boot(o Options) *App {
	w.t.Helper()
	a, err := New(w.config(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := a.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(w.t.Context())); err != nil {
			w.t.Errorf("stop: %v", err)
		}
	})
	return a
}

func (w *world) client() *control.Client {
	w.t.Helper()
	c, err := control.NewClient(control.ClientOptions{Socket: w.dir + "/c.sock"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// await polls until ok, or fails with what was last seen.
func await(t *testing.T, what string, ok func() (string, bool)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		seen, done := ok()
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not yet, last %s", what, seen)
		}
	}
}

func (w *world) status(c *control.Client, org string) rostersync.Status {
	w.t.Helper()
	s, err := c.Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	i := slices.IndexFunc(s.Orgs, func(o rostersync.Status) bool { return o.Name == org })
	if i < 0 {
		w.t.Fatalf("no org %s in %+v", org, s)
	}
	return s.Orgs[i]
}

func (w *world) awaitEnrolled(c *control.Client) {
	w.t.Helper()
	await(w.t, fmt.Sprintf("%d enrolled", people), func() (string, bool) {
		s := w.status(c, "acme")
		return fmt.Sprintf("%+v", s), s.Enrolled == people && s.State == "ok"
	})
}

func fetch(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func onBoth(t *testing.T, fn func(t *testing.T, database string)) {
	t.Run("sqlite", func(t *testing.T) { fn(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { fn(t, storetest.Postgres(t)) })
}

// The whole daemon, with an org that cannot log in beside one that can.
func TestDaemon(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		w.extra = w.orgYAML("broken", "nobody")
		said := &notes{}
		a := w.boot(Options{Version: "1.2.3", Notify: said.add, Watchdog: 30 * time.Millisecond})
		c := w.client()
		w.awaitEnrolled(c) // the integration user is out of scope
		await(t, "the broken org", func() (string, bool) {
			s := w.status(c, "broken")
			return fmt.Sprintf("%+v", s), s.State != "ok" && strings.Contains(strings.Join(s.Reasons, " "), "invalid_client_id")
		})

		base := "http://" + a.Addr()
		if code, body := fetch(t, base+"/healthz", ""); code != 200 {
			t.Errorf("healthz: %d %s", code, body)
		}
		code, body := fetch(t, base+"/readyz", "")
		var ready control.Readiness
		if err := json.Unmarshal([]byte(body), &ready); err != nil {
			t.Fatal(err)
		}
		if code != 503 || len(ready.Reasons) != 1 || !strings.HasPrefix(ready.Reasons[0], "org broken: ") {
			t.Errorf("readyz: %d %s", code, body)
		}
		if code, body = fetch(t, base+"/metrics", ""); code != 200 || !strings.Contains(body, `version="1.2.3"`) ||
			!strings.Contains(body, `rosterd_crm_requests_total{code="200",op="snapshot",org="acme"} 1`) ||
			!strings.Contains(body, `rosterd_sync_changes_total{org="acme",outcome="applied",verb="create"} 40`) {
			t.Errorf("metrics: %d\n%s", code, body)
		}
		if strings.Contains(body, "@") || strings.Contains(body, `"other"`) {
			t.Error("the metrics name a person, or something unforeseen")
		}
		for token, want := range map[string]int{"": 401, "wrong": 401, "0123456789abcdef0123": 200} {
			if code, _ := fetch(t, base+"/v1/status", token); code != want {
				t.Errorf("status with token %q: %d, want %d", token, code, want)
			}
		}
		if code, _ = fetch(t, base+"/debug/pprof/", "0123456789abcdef0123"); code != 404 {
			t.Errorf("pprof answers %d", code)
		}

		if err := a.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		all := said.all()
		if !strings.HasPrefix(all[0], "READY=1\nSTATUS=acme: ") || !strings.HasPrefix(all[len(all)-1], "STOPPING=1\n") || !slices.Contains(all, "WATCHDOG=1") {
			t.Errorf("the service manager heard %q", all)
		}
		if _, err := os.Stat(w.dir + "/c.sock"); err == nil {
			t.Error("the socket is still there")
		}
	})
}

// A restarted daemon knows what it did before.
func TestRestart(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), nil)
	a := w.boot(Options{})
	c := w.client()
	w.awaitEnrolled(c)
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	snapshots := w.org.Calls()["query"]
	w.boot(Options{})
	w.awaitEnrolled(c)
	if s := w.status(c, "acme"); s.LastFull.IsZero() || s.Salesforce != w.org.ID() {
		t.Errorf("after the restart: %+v", s)
	}
	if now := w.org.Calls()["query"]; now > snapshots+5 {
		t.Errorf("%d queries before and %d after the restart", snapshots, now)
	}
}

// As soon as it serves, who asks for work is not told that another one is in charge.
func TestInChargeOnceItServes(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		c := w.client()
		for range 5 {
			a := w.boot(Options{})
			if s := w.status(c, "acme"); s.State == "standby" {
				t.Errorf("after the start: %+v", s)
			}
			if err := a.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestReload(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), nil)
	level := new(slog.LevelVar)
	said := &notes{}
	a := w.boot(Options{Level: level, Notify: said.add})
	c := w.client()
	w.awaitEnrolled(c)
	gauge := func() string {
		_, body := fetch(t, "http://"+a.Addr()+"/metrics", "")
		_, rest, _ := strings.Cut(body, "\nrosterd_config_last_reload_successful ")
		return rest[:1]
	}
	seats := func() int64 {
		t.Helper()
		page, err := c.Licenses(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return page.Licenses[0].Purchased
	}

	w.seats = 77
	w.write("tokens", "viewer eve 9876543210abcdef9876\n")
	if err := a.Reload(t.Context(), w.load); err != nil {
		t.Fatal(err)
	}
	if got := seats(); got != 77 || gauge() != "1" {
		t.Errorf("%d seats, gauge %s", got, gauge())
	}
	for token, want := range map[string]int{"0123456789abcdef0123": 401, "9876543210abcdef9876": 200} {
		if code, _ := fetch(t, "http://"+a.Addr()+"/v1/status", token); code != want {
			t.Errorf("token %q: %d, want %d", token, code, want)
		}
	}
	all := said.all()
	i := slices.IndexFunc(all, func(s string) bool { return strings.HasPrefix(s, "RELOADING=1\nMONOTONIC_USEC=") })
	if i < 0 || !slices.Contains(all[i:], "READY=1") {
		t.Errorf("the service manager heard %q", all)
	}

	for name, tc := range map[string]struct {
		change func()
		want   string
	}{
		"a mistake":      {func() { w.seats = -1 }, "licenses[0].seats"},
		"another port":   {func() { w.listen = "127.0.0.1:1" }, "control.listen needs a restart"},
		"another org":    {func() { w.extra = w.orgYAML("globex", "app") }, "new: globex"},
		"another store":  {func() { w.database = "sqlite://" + w.dir + "/other.db" }, "database needs a restart"},
		"several things": {func() { w.listen, w.database = "", "sqlite://"+w.dir+"/other.db" }, "database, control.listen"},
	} {
		t.Run(name, func(t *testing.T) {
			before := *w
			defer func() { *w = before }()
			w.seats = 55 // must not come into force
			tc.change()
			if err := a.Reload(t.Context(), w.load); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if got := seats(); got != 77 || gauge() != "0" {
				t.Errorf("%d seats, gauge %s", got, gauge())
			}
		})
	}
	if err := a.Reload(t.Context(), w.load); err != nil || gauge() != "1" {
		t.Errorf("reload after refusals: %v, gauge %s", err, gauge())
	}
}

func TestStartFailsWhole(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*world)
		want   error
		text   string
	}{
		"no folder for the database": {func(w *world) { w.database = "sqlite:///nonexistent/rosterd/x.db" }, os.ErrNotExist, "create the directory"},
		"no Postgres":                {func(w *world) { w.database = "postgres://nobody@127.0.0.1:1/rosterd?connect_timeout=1" }, store.ErrUnavailable, "is Postgres running"},
		"socket is a file":           {func(w *world) { w.write("c.sock", "x") }, nil, "is not a socket"},
		"port in use":                {func(w *world) { w.listen = strings.TrimPrefix(w.url, "http://") }, nil, "address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, storetest.SQLite(t), nil)
			tc.change(w)
			said := &notes{}
			a, err := New(w.config(), Options{Notify: said.add, StartWait: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			err = a.Run(t.Context())
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error()+Hint(err), tc.text) {
				t.Errorf("got %v, want %q", err, tc.text)
			}
			if len(said.all()) > 0 {
				t.Errorf("the service manager heard %q", said.all())
			}
			if calls := w.org.Calls(); len(calls) > 0 {
				t.Errorf("Salesforce was asked: %v", calls)
			}
		})
	}
}
