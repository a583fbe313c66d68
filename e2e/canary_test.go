package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Nothing personal and nothing secret leaves the daemon but where it belongs:
// not in the log at its most talkative, not in a metric, an error, a run or a
// status. Users and the activity log hold people, of course.
func TestNothingLeaks(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		const secret, client, password = "canary-token-0123456789abcdef", "canary-client-secret-0123456789", "canary-database-password"
		s := newSim(t, 200, "--client-secret", client)
		if strings.HasPrefix(database, "postgres:") {
			database += map[bool]string{true: "&", false: "?"}[strings.Contains(database, "?")] + "passfile={DIR}/pgpass"
		}
		config := "control: {socket: {DIR}/s, listen: \"127.0.0.1:0\", tokens_file: {DIR}/tokens}\nlog: {level: debug, format: json}\n" +
			s.config(database, "guard: {users: 2, percent: 1}", "licenses: [{type: powerdialer, seats: 250, default: true}]",
				`mapping: [{set: title, to: 'user.LastName == "Zzcanary" ? user.EmployeeNumber + user.Phone : user.Title'}]`)
		d := prepare(t, config)
		for name, text := range map[string]string{
			"tokens": "admin boss " + secret + "\n", "swapped": "admin " + secret + " boss\n", "pgpass": "*:*:*:*:" + password + "\n",
			"client": client + "\n", "wrong-client": "wrong-" + client + "\n",
		} {
			write(t, filepath.Join(d.dir, name), text)
		}
		d.run(t)
		d.serves(t)
		until(t, 30*time.Second, "the first sync is done", func() bool { st := d.status(t); return !st.LastFull.IsZero() && st.Running == 0 })
		profile := profileOf(t, s, d.users(t)[0].SalesforceID) // of someone in scope
		canary := addPerson(t, s, "canary-one", fields{
			"ProfileId": profile,
			"LastName":  "Zzcanary", "FirstName": "Qqcanary", "Phone": "+1 555 010 7788", "MobilePhone": "+1 555 010 7799",
			"EmployeeNumber": "canary-4711", "Email": "canary-mail@example.com",
		})
		addPerson(t, s, "canary-two", fields{"ProfileId": profile, "LastName": "Zzcanary", "Email": "canary-mail@example.com", "EmployeeNumber": "canary-4711"})
		d.sync(t, []string{"--full"}, 3)
		if d.user(t, canary).Status != "active" || d.status(t).Attention == 0 {
			t.Error("the canaries are not in the mine")
		}

		said := &spoken{}
		ctl := func(args ...string) { said.add(d.ctl(t, args...)) }
		// All that can go wrong with one person, and with many.
		s.edit(t, canary, fields{"Email": "canary-moved@example.com", "LastName": "Zzcanary-Moved", "TimeZoneSidKey": "Europe/Berlin"})
		s.churn(t, 60)
		for _, kind := range []string{"", "server_error", "cut_body", "insufficient_access", "unauthorized"} {
			if kind != "" {
				s.fault(t, fields{"contains": "SELECT Id, Username", "times": 5, "effect": fields{"kind": kind}})
			}
			ctl("sync", "--full", "--wait")
			ctl("sync", "--wait", "--reason", "a ticket")
			ctl("sync", "--user", canary, "--wait")
			s.clear(t)
		}
		for _, args := range []string{
			"status", "status -o json", "runs list", "runs list -o json", "doctor", "doctor -o json", "quota", "licenses list", "attention list",
			"attention list -o json", "users show nobody@example.com", "users add " + canary, "runs approve 1", "sync --dry-run",
			"sync --user canary-one@acme.example --dry-run -o json", "sync --full --wait -o json", "runs show 1 -o json", "metrics",
		} {
			ctl(strings.Fields(args)...)
		}
		for _, r := range d.runs(t) {
			ctl("runs", "show", jsonText(r.ID), "-o", "json")
		}
		// The other way to log in, with the right secret and with a wrong one.
		for _, file := range []string{"client", "wrong-client"} {
			keys := fmt.Sprintf("username: %s, private_key_file: %s", s.Username, s.Key)
			if !strings.Contains(config, keys) {
				t.Fatalf("the configuration does not hold %s", keys)
			}
			d.configure(t, strings.Replace(config, keys, "client_secret_file: {DIR}/"+file, 1))
			d.reload(t)
			ctl("doctor")
			r := d.ctl(t, "sync", "--full", "--wait")
			if said.add(r); (r.code == 1) != (file == "wrong-client") {
				t.Errorf("with the secret in %s: %v", file, r)
			}
			ctl("status")
		}
		// What is wrong with a configuration, and with a database that is not there.
		for old, other := range map[string]string{
			"/tokens}": "/swapped}", "database: ": "database: postgres://canary@127.0.0.1:1/none?passfile={DIR}/pgpass #",
			"{DIR}/s,": "/canary-none/s,",
		} {
			wrong := prepare(t, strings.ReplaceAll(strings.ReplaceAll(config, old, other), "{DIR}", d.dir))
			said.add(command(t, "rosterd", "check", "--online", "--config", wrong.config))
		}
		web := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
		defer web.CloseIdleConnections()
		url := d.url(t)
		for _, path := range []string{"/metrics", "/readyz", "/healthz", "/v1/status", "/v1/runs", "/v1/users/canary-nobody", "/v1/nothing?email=canary-mail@example.com"} {
			for _, token := range []string{secret, "wrong-" + secret} {
				_, body := fetch(t, web, http.MethodGet, url+path, nil, token)
				said.text = append(said.text, body)
			}
		}
		text := strings.Join(said.text, "\n") + "\n" + read(t, d.log)
		if n := strings.Count(text, `"level":"DEBUG"`); n < 50 {
			t.Errorf("only %d lines of debugging in the log: it shows nothing", n)
		}
		people, there := d.ctl(t, "users", "list", "-o", "json").must(t).out, 0
		for _, word := range forbidden(t, s, secret, client, password) {
			if strings.Contains(people, word) {
				there++
			}
			if i := strings.Index(text, word); i >= 0 {
				t.Errorf("%q leaks: ...%s...", word, text[max(0, i-200):min(len(text), i+100)])
			}
		}
		if there < 300 {
			t.Errorf("only %d of the words are in the list of users: they would not be found elsewhere", there)
		}
		for name, shape := range map[string]string{
			"an e-mail address": `[A-Za-z0-9._+-]+@[A-Za-z0-9-]+\.(com|net|org)\b`,
			"a session":         `00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]+`,
			"an assertion":      `eyJ[A-Za-z0-9_-]{10,}\.`,
		} {
			for _, found := range regexp.MustCompile(shape).FindAllString(text, -1) {
				if found != "nobody@example.com" { // the caller's own words
					t.Errorf("%s leaks: %s", name, found)
				}
			}
		}
	})
}

func profileOf(t testing.TB, s *sim, id string) string {
	t.Helper()
	var p person
	s.ask(t, "GET", "users/"+id, nil, &p)
	return p.ProfileID
}

// spoken is all that commands said.
type spoken struct{ text []string }

func (s *spoken) add(r result) { s.text = append(s.text, r.out, r.err) }

// forbidden lists what must not be found: what is personal of everybody in the
// org, and the secrets.
func forbidden(t testing.TB, s *sim, secrets ...string) []string {
	t.Helper()
	words := append(secrets, "Zzcanary", "Qqcanary", "canary-4711", "555 010 7788", "555 010 7799", "5550107788", "BEGIN PRIVATE KEY")
	key, err := os.ReadFile(s.Key)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(key)) {
		if line = strings.TrimSpace(line); len(line) > 40 {
			words = append(words, line)
		}
	}
	for _, p := range s.people(t) {
		if p.Username == s.Username {
			continue // the integration user is configured, not a person
		}
		for _, w := range []string{p.Email, p.Username, p.Phone, p.MobilePhone, p.FirstName + " " + p.LastName} {
			if len(w) > 7 {
				words = append(words, w)
			}
		}
	}
	return words
}
