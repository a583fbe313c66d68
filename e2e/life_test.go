package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A configuration that cannot be used ends the daemon with 78, with the place
// and the remedy, before anything is touched.
func TestConfigurationRefused(t *testing.T) {
	t.Parallel()
	s := newSim(t, 5, "--plain")
	good := s.config("sqlite://{DIR}/db")
	for _, c := range []struct{ name, was, is, says string }{
		{"unknown key", "schedule:", "shedule:", "did you mean schedule?"},
		{"no YAML", "orgs:", "orgs: [", ""},
		{"zone", "    deactivate: immediate", "    time_zone: America/Denvers", "IANA"},
		{"cron", "0 3 1 1 *", "0 3 31 2 *", "never fires"},
		{"key file", "private_key_file: /", "private_key_file: /nowhere/", "nowhere"},
		{"plain http", "http://127.0.0.1", "http://salesforce.example", "https"},
		{"seats", "seats: 1000000", "seats: many", "seats"},
		{"poll", "poll: 10s", "poll: 1s", "10s to 24h"},
		{"scope", "    deactivate: immediate", "    scope: user.Nonsense", "no field"},
		{"database", "sqlite://{DIR}/db", "mysql://nowhere/db", "sqlite"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(good, c.was) {
				t.Fatalf("the configuration has no %q", c.was)
			}
			d := prepare(t, strings.Replace(good, c.was, c.is, 1))
			d.run(t)
			if code := d.wait(t, 20*time.Second); code != 78 {
				t.Errorf("exit code %d, want 78", code)
			}
			text := read(t, d.log)
			if !strings.Contains(text, d.config) || !strings.Contains(text, c.says) {
				t.Errorf("it says %s\nwant the place, and %q", text, c.says)
			}
			r := command(t, "rosterd", "check", "--config", d.config)
			if r.code == 0 || !strings.Contains(r.out+r.err, c.says) {
				t.Errorf("%v\nwant it refused", r)
			}
			files, err := os.ReadDir(d.dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				if f.Name() != "config.yaml" && f.Name() != "log" {
					t.Errorf("%s was made", f.Name())
				}
			}
		})
	}
}

// Who may do what: on the socket by file permission, on TCP by token and role.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	s := newSim(t, 10, "--plain")
	tokens := map[string]string{"viewer": "viewer-0123456789abcdef", "support": "support-0123456789abcdef", "manager": "manager-0123456789abcdef", "admin": "admin-0123456789abcdef"}
	d := prepare(t, "control: {socket: {DIR}/s, listen: \"127.0.0.1:0\", tokens_file: {DIR}/tokens}\n"+s.config("sqlite://{DIR}/db", quiet))
	lines := ""
	for role, token := range tokens {
		lines += role + " the-" + role + " " + token + "\n"
		write(t, filepath.Join(d.dir, role), token+"\n")
	}
	write(t, filepath.Join(d.dir, "tokens"), lines)
	d.run(t)
	d.serves(t)
	d.mended(t, 30*time.Second)

	for name, want := range map[string]os.FileMode{"s": 0o660, "db": 0o600} {
		info, err := os.Stat(filepath.Join(d.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	url, who := d.url(t), s.staff(t)[0].ID
	client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	type row struct {
		method, path string
		body         fields
		open         bool   // needs no token
		least        string // the least role
	}
	for _, r := range []row{
		{method: "GET", path: "/healthz", open: true},
		{method: "GET", path: "/readyz", open: true},
		{method: "GET", path: "/metrics", open: true},
		{method: "GET", path: "/openapi.json", open: true},
		{method: "GET", path: "/v1/status", least: "viewer"},
		{method: "GET", path: "/v1/users", least: "viewer"},
		{method: "GET", path: "/v1/activity", least: "viewer"},
		{method: "POST", path: "/v1/sync", body: fields{"kind": "changes", "reason": "a ticket"}, least: "support"},
		{method: "GET", path: "/v1/doctor", least: "support"},
		{method: "POST", path: "/v1/users/" + who + ":deactivate", body: fields{"reason": "a test"}, least: "manager"},
		{method: "POST", path: "/v1/users/" + who + ":activate", least: "manager"},
		{method: "POST", path: "/v1/pause", least: "admin"},
		{method: "POST", path: "/v1/resume", least: "admin"},
	} {
		roles, may := []string{"", "wrong", "viewer", "support", "manager", "admin"}, false
		for _, role := range roles {
			token := tokens[role]
			if role == "wrong" {
				token = "0123456789abcdef0123"
			}
			may = may || role == r.least || r.open
			var body any
			if r.body != nil {
				body = r.body
			}
			code, answer := fetch(t, client, r.method, url+r.path, body, token)
			want := map[bool]int{true: 403, false: 401}[tokens[role] != ""]
			if ok := code/100 == 2; ok != may || !may && code != want {
				t.Errorf("%s %s as %q: %d %.200s", r.method, r.path, role, code, answer)
			}
			if !may && !strings.Contains(answer, `"hint"`) {
				t.Errorf("%s %s as %q: no hint in %s", r.method, r.path, role, answer)
			}
		}
	}
	remote := func(role string, args ...string) result {
		return command(t, "rosterctl", append([]string{"--server", url, "--token-file", filepath.Join(d.dir, role)}, args...)...)
	}
	remote("viewer", "status").must(t)
	remote("viewer", "sync").must(t, 1)
	remote("support", "sync", "--full").must(t, 2) // without a reason
	remote("support", "sync", "--full", "--wait", "--reason", "a ticket").must(t)
	if got := d.runs(t)[0]; got.Actor.Name != "the-support" {
		t.Errorf("the run was asked for by %q", got.Actor.Name)
	}
	remote("manager", "pause").must(t, 1)
	remote("admin", "pause", "--reason", "a test").must(t)
	if st := d.status(t); st.State != "paused" {
		t.Errorf("status %q, want paused", st.State)
	}
	d.ctl(t, "sync").must(t, 1)
	remote("admin", "resume").must(t)
	d.full(t)
}

// SIGHUP puts a good configuration in force, and leaves all as it was for a bad
// one.
func TestReload(t *testing.T) {
	t.Parallel()
	s := newSim(t, 10, "--plain")
	text := s.config("sqlite://{DIR}/db", quiet, "licenses: [{type: powerdialer, seats: 50, default: true}]")
	d := boot(t, text)
	d.mended(t, 30*time.Second)
	reload := func(text, says string) {
		t.Helper()
		before := len(read(t, d.log))
		d.configure(t, text)
		d.signal(t, syscall.SIGHUP)
		until(t, 20*time.Second, "the log says "+says, func() bool { return strings.Contains(read(t, d.log)[before:], says) })
	}
	holds := func(seats int, good string) {
		t.Helper()
		if l := d.licenses(t)[0]; l.Purchased != seats {
			t.Errorf("%d seats, want %d", l.Purchased, seats)
		}
		if _, m := d.get(t, "/metrics"); !strings.Contains(m, "\nrosterd_config_last_reload_successful "+good) {
			t.Errorf("rosterd_config_last_reload_successful is not %s", good)
		}
	}
	holds(50, "1")
	more := strings.Replace(text, "seats: 50", "seats: 60", 1)
	reload(more, "configuration reloaded")
	holds(60, "1")
	reload(strings.Replace(more, "seats: 60", "seats: lots", 1), "reload refused")
	holds(60, "0")
	reload(strings.Replace(more, "seats: 60", "seats: 70", 1)+"nonsense: true\n", "reload refused")
	holds(60, "0")
	reload(strings.Replace(strings.Replace(more, "seats: 60", "seats: 70", 1), "{DIR}/db", "{DIR}/other", 1), "needs a restart")
	holds(60, "0")
	reload(strings.Replace(more, "level: info", "level: debug", 1), "configuration reloaded")
	holds(60, "1")
	d.full(t)
}

// SIGTERM in mid-sync: the daemon ends in order and soon, and what it was at is
// done by the next one.
func TestStoppedInMidSync(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 1500, "--plain")
		d := boot(t, s.config(database))
		d.mended(t, 30*time.Second)
		for _, slow := range []string{"SELECT Id, Username", "FROM UserLogin"} {
			s.churn(t, 300)
			s.fault(t, fields{"contains": slow, "effect": fields{"kind": "slow", "delay": 20 * time.Second}})
			d.ctl(t, "sync", "--full", "--yes").must(t)
			until(t, 20*time.Second, "the run is under way", func() bool { return d.status(t).Running != 0 })
			d.signal(t, syscall.SIGTERM)
			if code := d.wait(t, 15*time.Second); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if _, err := os.Stat(d.socket); err == nil {
				t.Error("the socket is left behind")
			}
			s.clear(t)
			d.run(t)
			d.serves(t)
			d.leads(t)
			for _, r := range d.runs(t) {
				if r.Trigger == "request" && r.Outcome == "running" {
					t.Errorf("run %d is left running", r.ID)
				}
			}
			d.mended(t, time.Minute)
		}
		d.full(t)
		staysTrue(t, d, s)
	})
}

// Two daemons on one database: one works, the other takes over within seconds
// when the first is killed.
func TestTakeover(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 1000, "--plain")
		if database == "sqlite://{DIR}/db" {
			database = "sqlite://" + folder(t) + "/db"
		}
		first := boot(t, s.config(database))
		first.mended(t, 30*time.Second)
		second := boot(t, s.config(database))
		if st := second.status(t); st.State != "standby" {
			t.Errorf("the second one is %s, want standby", st.State)
		}
		if code, body := second.get(t, "/readyz"); code != 200 {
			t.Errorf("a stand-by is not ready: %s", body)
		}
		if r := second.ctl(t, "sync").must(t, 1); !strings.Contains(r.err, "stands by") || !strings.Contains(r.err, "hint: ") {
			t.Errorf("%v\ndoes not say that it stands by", r)
		}
		if n := len(second.users(t, "--limit", "5")); n != 5 {
			t.Errorf("the stand-by lists %d users, want 5", n)
		}
		for range 3 {
			s.churn(t, 200)
			first.ctl(t, "sync", "--full", "--yes").must(t)
			first.kill()
			began := time.Now()
			until(t, 20*time.Second, "the second one takes over", func() bool { return second.status(t).State != "standby" })
			t.Logf("taken over after %s", time.Since(began).Round(100*time.Millisecond))
			second.full(t)
			first, second = second, first
			second.run(t)
			second.serves(t)
		}
		staysTrue(t, first, s)
	})
}
