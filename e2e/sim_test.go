package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sim is a rostersim, the Salesforce of these tests.
type sim struct {
	*process
	http *http.Client

	URL      string `json:"url"`
	OrgID    string `json:"org_id"`
	ClientID string `json:"client_id"`
	Username string `json:"username"`
	Key      string `json:"private_key_file"`
	PubSub   string `json:"pubsub_endpoint"`
}

// newSim starts an org of so many people, each an active user with an address
// of their own, in which nothing happens until it is told to.
func newSim(t testing.TB, users int, args ...string) *sim {
	t.Helper()
	dir := folder(t)
	errs, err := os.Create(filepath.Join(dir, "err"))
	if err != nil {
		t.Fatal(err)
	}
	defer errs.Close()
	args = append([]string{"--listen", "127.0.0.1:0", "--users", strconv.Itoa(users), "--write-key", filepath.Join(dir, "key.pem")}, args...)
	cmd := exec.Command(program(t, "rostersim"), args...)
	cmd.Stderr = errs
	r, w, err := os.Pipe() // not StdoutPipe: Wait would close it under the reader
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	s := &sim{http: &http.Client{Transport: &http.Transport{}}}
	s.process = start(t, cmd)
	_ = w.Close()
	t.Cleanup(s.http.CloseIdleConnections)
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, s)
	}
	if err != nil {
		t.Fatalf("start the simulated org: %v\n%s", err, read(t, errs.Name()))
	}
	return s
}

// ask calls the simulator's control and decodes the answer into v, if any.
func (s *sim) ask(t testing.TB, method, path string, body, v any) {
	t.Helper()
	code, text := fetch(t, s.http, method, s.URL+"/sim/"+path, body, "")
	if code != http.StatusOK {
		t.Fatalf("%s /sim/%s: %d %s", method, path, code, text)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%s /sim/%s: %v in %s", method, path, err, text)
	}
}

func (s *sim) do(t testing.TB, path string, body any) {
	t.Helper()
	s.ask(t, http.MethodPost, path, body, nil)
}

type fields map[string]any

// fault breaks the calls that a rule names until clear.
func (s *sim) fault(t testing.TB, rule fields) { t.Helper(); s.do(t, "faults", rule) }

func (s *sim) clear(t testing.TB) {
	t.Helper()
	s.ask(t, http.MethodDelete, "faults", nil, nil)
}

// churn lets n things happen to the people.
func (s *sim) churn(t testing.TB, n int) { t.Helper(); s.do(t, "churn/step", fields{"n": n}) }

// settle ends the churn, and waits until an event that was under way is over.
func (s *sim) settle(t testing.TB) {
	t.Helper()
	s.do(t, "churn/pause", nil)
	before, quiet := -1, 0
	until(t, 20*time.Second, "nothing happens in the org any more", func() bool {
		n := 0
		for _, c := range s.stats(t).Churn.Counts {
			n += c
		}
		if quiet++; n != before {
			before, quiet = n, 0
		}
		return quiet == 5
	})
}

// edit sets fields of a person.
func (s *sim) edit(t testing.TB, id string, f fields) { t.Helper(); s.do(t, "users/"+id, f) }

// person is a user as the org has it.
type person struct {
	ID                        string `json:"Id"`
	Username, Email, UserType string
	FirstName, LastName       string
	ProfileID                 string `json:"ProfileId"`
	Phone, MobilePhone        string
	IsActive, IsFrozen        bool
}

// inScope says whether the default scope takes the person. Integration users
// have another license, which the profile decides.
func (p *person) inScope(s *sim) bool {
	return p.IsActive && !p.IsFrozen && p.UserType == "Standard" && p.Username != s.Username
}

type stats struct {
	Users   int            `json:"users"`
	InScope int            `json:"in_scope"`
	Frozen  int            `json:"frozen"`
	Calls   map[string]int `json:"calls"`
	Churn   struct{ Counts map[string]int }
}

func (s *sim) stats(t testing.TB) (st stats) {
	t.Helper()
	s.ask(t, http.MethodGet, "stats", nil, &st)
	return st
}

// people are all users of the org.
func (s *sim) people(t testing.TB) []person {
	t.Helper()
	var list []person
	s.ask(t, http.MethodGet, "users?limit=1000000", nil, &list)
	return list
}

// staff are the users in scope.
func (s *sim) staff(t testing.TB) []person {
	t.Helper()
	var in []person
	for _, p := range s.people(t) {
		if p.inScope(s) {
			in = append(in, p)
		}
	}
	return in
}

// org is the configuration of one org. Keys of the defaults are replaced, all
// others added.
func (s *sim) org(name string, keys ...string) string {
	lines := map[string]string{
		"schedule":   `{full: "0 3 1 1 *", poll: 10s}`,
		"deactivate": "immediate",
		"guard":      "{users: 1000000, percent: 100}",
		"licenses":   "[{type: powerdialer, seats: 1000000, default: true}]",
	}
	order := []string{"schedule", "deactivate", "guard", "licenses"}
	for _, k := range keys {
		key, value, _ := strings.Cut(k, ": ")
		if _, there := lines[key]; !there {
			order = append(order, key)
		}
		lines[key] = value
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  - name: %s\n    salesforce: {login_url: %q, client_id: %s, username: %s, private_key_file: %s, budget: {calls_per_day: 0, reserve_percent: 0}}\n",
		name, s.URL, s.ClientID, s.Username, s.Key)
	for _, k := range order {
		fmt.Fprintf(&b, "    %s: %s\n", k, lines[k])
	}
	return b.String()
}

// config is a configuration with this org alone.
func (s *sim) config(database string, keys ...string) string {
	return "database: " + database + "\norgs:\n" + s.org("acme", keys...)
}
