package web

import (
	"bufio"
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	adminToken  = "admin-token-0123456789"
	secondToken = "second-token-0123456789"
	viewerToken = "viewer-token-0123456789"
)

// house is a console of two orgs in memory, served over HTTP.
type house struct {
	*Console
	t       *testing.T
	engines map[string]*controltest.Engine
	api     *control.Server
	url     string
	http    *http.Client
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, engines: map[string]*controltest.Engine{}}
	orgs := map[string]control.Org{}
	for _, name := range []string{"acme", "beta"} {
		h.engines[name] = controltest.NewEngine(name)
		orgs[name] = control.Org{Engine: h.engines[name], Directory: h.engines[name].Users}
	}
	var err error
	if h.api, err = control.New(control.Options{Orgs: orgs, Tokens: tokens(t, "admin dana "+adminToken+"\nviewer vera "+viewerToken+"\n")}); err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("America/Denver")
	if err != nil {
		t.Fatal(err)
	}
	if h.Console, err = New(h.api.Handler(false), Options{Zones: map[string]*time.Location{"acme": zone}}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h.Console)
	t.Cleanup(server.Close)
	t.Cleanup(h.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.url, h.http = server.URL, &http.Client{Jar: jar, Transport: &http.Transport{}}
	t.Cleanup(h.http.CloseIdleConnections)
	return h
}

func tokens(t *testing.T, lines string) control.Tokens {
	t.Helper()
	list, err := control.ReadTokens(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (h *house) answer(resp *http.Response, err error) (status int, at, page string) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, resp.Request.URL.RequestURI(), string(text)
}

func (h *house) get(path string) (status int, at, page string) {
	h.t.Helper()
	return h.answer(h.http.Get(h.url + path))
}

func (h *house) send(path string, form url.Values) (status int, at, page string) {
	h.t.Helper()
	return h.answer(h.http.PostForm(h.url+path, form))
}

func (h *house) login(token string) {
	h.t.Helper()
	if status, at, _ := h.send("/login", url.Values{"token": {token}}); status != http.StatusOK || at != "/o/acme/users" {
		h.t.Fatalf("log in: %d at %s", status, at)
	}
}

func TestOrgsAreApart(t *testing.T) {
	h := newHouse(t)
	h.login(adminToken)
	person := controltest.Person(1)
	h.engines["beta"].Users.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbDeactivate, UserID: person.ID, Actor: dialer.Actor{Kind: "admin", Name: "x"}}})
	if _, _, page := h.get("/o/acme/users?status=inactive"); strings.Contains(page, person.Username) {
		t.Error("who is inactive in one org is so in the other")
	}
	if _, _, page := h.get("/o/beta/users?status=inactive"); !strings.Contains(page, person.Username) {
		t.Error("who is inactive is not listed")
	}
	h.send("/o/acme/users/select", url.Values{"go": {"/o/acme/users"}, "shown": {person.ID}, "pick": {person.ID}})
	if _, _, page := h.get("/o/beta/users?status=all"); !strings.Contains(page, `data-count="0"`) {
		t.Error("who is ticked in one org is ticked in the other")
	}
	if _, _, page := h.get("/o/acme/users"); !strings.Contains(page, `data-count="1"`) {
		t.Error("a tick is lost")
	}
	if status, _, _ := h.get("/o/gamma/users"); status != http.StatusNotFound {
		t.Errorf("an org that does not exist: %d", status)
	}
}

// A person's time is that of the org, and a message is shown once.
func TestActOnUser(t *testing.T) {
	h := newHouse(t)
	h.login(adminToken)
	at := "/o/acme/users/" + controltest.Person(1).ID
	_, _, ask := h.get(at + "/do/deactivate")
	for _, want := range []string{"Deactivate Rep Number1", "Access ends now", `name="version" value="1"`} {
		if !strings.Contains(ask, want) {
			t.Errorf("the question lacks %q", want)
		}
	}
	_, _, page := h.send(at+"/do/deactivate", url.Values{"version": {"9"}})
	if u, err := h.engines["acme"].Users.User(t.Context(), controltest.Person(1).ID); err != nil || u.Status != dialer.StatusActive || !strings.Contains(page, "note bad") {
		t.Errorf("a decision on another version is carried out: %v, %v", u.Status, err)
	}
	if _, _, page := h.send(at+"/do/deactivate", url.Values{"version": {"1"}, "reason": {"<b>CASE-1</b>"}}); !strings.Contains(page, "is deactivated") {
		t.Errorf("told %.600s", page)
	}
	if _, _, page := h.get(at + "?tab=activity"); strings.Contains(page, "is deactivated") || !strings.Contains(page, "&lt;b&gt;CASE-1") || !strings.Contains(page, "20 Nov 00:00 MST") {
		t.Errorf("the activity is %.3000s", page)
	}
	if status, _, _ := h.send(at+"/do/explode", nil); status != http.StatusNotFound {
		t.Errorf("an act that there is not: %d", status)
	}
}

func TestRoles(t *testing.T) {
	h := newHouse(t)
	h.login(viewerToken)
	for _, c := range []struct {
		path string
		form url.Values
	}{
		{"/o/acme/sync", url.Values{"kind": {"full"}}},
		{"/o/acme/health", url.Values{"act": {"pause"}}},
		{"/o/acme/licenses", url.Values{"type": {"powerdialer"}, "purchased": {"99"}}},
		{"/o/acme/attention/7", nil},
		{"/o/acme/users/" + controltest.Person(1).ID + "/do/delete", nil},
		{"/o/acme/users/" + controltest.Person(1).ID + "/edit/contact", url.Values{"was.sales_role": {"x"}, "sales_role": {"y"}}},
	} {
		if _, _, page := h.send(c.path, c.form); !strings.Contains(page, "needs the role") && !strings.Contains(page, "Needs the role") {
			t.Errorf("%s: a viewer is told %.600s", c.path, page)
		}
	}
}

// A token that is taken away ends its session, whatever its cookie says.
func TestTokenTakenAway(t *testing.T) {
	h := newHouse(t)
	h.login(viewerToken)
	h.api.Reload(tokens(t, "admin dana "+adminToken+"\n"))
	if _, at, _ := h.get("/o/acme/users"); at != "/login?to=%2Fo%2Facme%2Fusers" {
		t.Errorf("one is at %s", at)
	}
}

// A run moves the page that shows it, and its end is told.
func TestRunIsLive(t *testing.T) {
	h := newHouse(t)
	h.login(adminToken)
	e := h.engines["acme"]
	e.Manual = true
	_, at, page := h.send("/o/acme/sync", url.Values{"kind": {"full"}, "reason": {"CASE-1"}})
	if at != "/o/acme/runs/1" || !strings.Contains(page, `data-live="/o/acme/runs/1/live"`) || !strings.Contains(page, `http-equiv="refresh"`) {
		t.Fatalf("at %s: %.500s", at, page)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/o/acme/runs/1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := h.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the stream ends without %q", want)
	}
	until("0 of about 10")
	e.Progress(1, "reconcile", 7)
	until("7 of about 10")
	e.Next = sync.Run{Counts: sync.Counts{Updated: 3}}
	e.Finish(1)
	until("event: end")
	until("3 changed")
	if _, _, page := h.get("/o/acme/runs/1"); strings.Contains(page, "data-live=") || strings.Contains(page, "refresh") {
		t.Error("the page of a run that ended moves")
	}
}

// The log goes on where the page ends, and after an interruption where that was.
func TestActivityGoesOn(t *testing.T) {
	h := newHouse(t)
	h.login(adminToken)
	act := func(verb dialer.Verb) {
		t.Helper()
		r := h.engines["acme"].Users.Apply(t.Context(), []dialer.Change{{Verb: verb, UserID: controltest.Person(1).ID, Actor: dialer.Actor{Kind: "admin", Name: "x"}}})
		if r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
	}
	live := func(page string) string {
		t.Helper()
		_, rest, _ := strings.Cut(page, `data-live="`)
		at, _, ok := strings.Cut(rest, `"`)
		if !ok {
			t.Fatalf("the page does not move: %.300s", page)
		}
		return html.UnescapeString(at)
	}
	first := func(at, last string) (id, row string) { // of what comes
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+at, nil)
		if err != nil {
			t.Fatal(err)
		}
		if last != "" {
			req.Header.Set("Last-Event-ID", last)
		}
		resp, err := h.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				id = text
			}
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				row += text
			}
			if lines.Text() == "" && row != "" {
				return id, row
			}
		}
		t.Fatalf("%s ends", at)
		return "", ""
	}
	_, _, none := h.get("/o/acme/activity?since=1h")
	act(dialer.VerbDeactivate)
	if _, row := first(live(none), ""); !strings.Contains(row, "deactivated") {
		t.Errorf("after an empty page comes %s", row)
	}
	_, _, page := h.get("/o/acme/activity")
	act(dialer.VerbActivate)
	act(dialer.VerbDeactivate)
	id, row := first(live(page), "")
	if id != "2" || !strings.Contains(row, "activated") || strings.Contains(row, "deactivated") {
		t.Errorf("after the page comes %s: %s", id, row)
	}
	if id, row = first(live(page), id); id != "3" || !strings.Contains(row, "deactivated") {
		t.Errorf("after the interruption comes %s: %s", id, row)
	}
}

// Streams end when the console closes, or a server could not stop.
func TestCloseEndsStreams(t *testing.T) {
	h := newHouse(t)
	h.login(adminToken)
	h.engines["acme"].Manual = true
	h.send("/o/acme/sync", url.Values{"kind": {"full"}})
	var bodies []io.ReadCloser
	for _, path := range []string{"/o/acme/runs/1/live", "/o/acme/health/live", "/o/acme/activity/live?after=0"} {
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, h.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		h.engines["acme"].Users.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbDeactivate, UserID: controltest.Person(1).ID, Actor: dialer.Actor{Kind: "admin", Name: "x"}}})
		resp, err := h.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, resp.Body)
	}
	h.Close()
	for _, b := range bodies {
		if _, err := io.Copy(io.Discard, b); err != nil {
			t.Errorf("a stream is cut off: %v", err)
		}
		b.Close()
	}
}

// When the API fails, the page says so without its words.
func TestFailure(t *testing.T) {
	h := newHouse(t)
	h.login(adminToken)
	h.engines["acme"].Set(func(e *controltest.Engine) { e.Broken = os.ErrDeadlineExceeded })
	if status, _, page := h.get("/o/acme/health"); status != http.StatusInternalServerError || !strings.Contains(page, "<h1") {
		t.Errorf("%d: %.500s", status, page)
	}
	if status, _, page := h.get("/o/acme/users"); status != http.StatusOK || !strings.Contains(page, "cannot be read at the moment") {
		t.Errorf("the users page goes down with the status: %d", status)
	}
}
