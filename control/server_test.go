package control

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/sync"
)

var (
	_ Engine    = (*sync.Engine)(nil)
	_ Directory = (*directory.Directory)(nil)
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTestServer makes a server of one org, acme.
func newTestServer(t *testing.T, change ...func(*Options)) *Server {
	t.Helper()
	s, _ := newTestWorld(t, change...)
	return s
}

func newTestWorld(t *testing.T, change ...func(*Options)) (*Server, *controltest.Engine) {
	t.Helper()
	e := controltest.NewEngine("acme")
	o := Options{Orgs: map[string]Org{"acme": {Engine: e, Directory: e.Users}}, Version: "1.2.3", Tokens: testTokens(t)}
	for _, f := range change {
		f(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, e
}

// secret is the token of the role in tests.
func secret(r Role) string { return string(r) + "-token-for-tests-only" }

func testTokens(t *testing.T) Tokens {
	t.Helper()
	text := "# for tests\n\n"
	for _, r := range append(Roles(), Dialer) {
		text += string(r) + " the-" + string(r) + " " + secret(r) + "\n"
	}
	tokens, err := ReadTokens(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

// decode reads the reply as JSON into a T.
func decode[T any](t *testing.T, r reply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("answer %d is not the JSON expected: %v\n%s", r.status, err, r.body)
	}
	return v
}

// ask sends a request as a caller with a role; without a role, without a token.
func ask(t *testing.T, s *Server, role Role, method, path, body string, header ...string) reply {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, in)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if role != "" {
		r.Header.Set("Authorization", "Bearer "+secret(role))
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler(false).ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.Bytes()}
}

// refused checks a refusal and returns it.
func refused(t *testing.T, r reply, status int, code Code) Problem {
	t.Helper()
	p := decode[Problem](t, r)
	if r.status != status || p.Status != status || p.Code != code {
		t.Errorf("got %d %s, want %d %s: %s", r.status, p.Code, status, code, r.body)
	}
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type of a problem is %q", got)
	}
	if p.Message == "" || p.Detail != p.Message {
		t.Errorf("a problem must say what is wrong, as error and detail: %s", r.body)
	}
	return p
}

func TestNewRefuses(t *testing.T) {
	e := controltest.NewEngine("acme")
	for name, o := range map[string]Options{
		"no org":       {},
		"no engine":    {Orgs: map[string]Org{"acme": {Directory: e.Users}}},
		"no directory": {Orgs: map[string]Org{"acme": {Engine: e}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: New took it", name)
		}
	}
}

func TestAuthentication(t *testing.T) {
	s := newTestServer(t)
	for _, tc := range []struct {
		name, header string
		want         int
	}{
		{"none", "", 401},
		{"unknown", "Bearer nobody-has-this-token", 401},
		{"other scheme", "Basic " + secret(Admin), 401},
		{"empty", "Bearer ", 401},
		{"part of one", "Bearer " + secret(Admin)[:20], 401},
		{"good", "Bearer " + secret(Viewer), 200},
		{"good, scheme in lower case", "bearer " + secret(Viewer), 200},
	} {
		r := ask(t, s, "", "GET", "/v1/me", "", "Authorization", tc.header)
		if r.status != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, r.status, tc.want)
		}
		if tc.want == 401 {
			refused(t, r, 401, CodeUnauthorized)
			if !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s: no challenge", tc.name)
			}
		}
	}
	me := decode[Me](t, ask(t, s, Support, "GET", "/v1/me", ""))
	if me.Name != "the-support" || me.Role != Support || me.Via != "token" || len(me.Orgs) != 1 {
		t.Errorf("me is %+v", me)
	}
}

func TestReloadedTokensCountAtOnce(t *testing.T) {
	s := newTestServer(t)
	tokens, err := ReadTokens(strings.NewReader("viewer other a-token-of-someone-else\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.Reload(tokens)
	refused(t, ask(t, s, Admin, "GET", "/v1/me", ""), 401, CodeUnauthorized)
	if r := ask(t, s, "", "GET", "/v1/me", "", "Authorization", "Bearer a-token-of-someone-else"); r.status != 200 {
		t.Errorf("the new token is answered %d", r.status)
	}
	s.Reload(Tokens{})
	refused(t, ask(t, s, "", "GET", "/v1/me", "", "Authorization", "Bearer a-token-of-someone-else"), 401, CodeUnauthorized)
}

func TestTokensAreNeverLogged(t *testing.T) {
	var log bytes.Buffer
	e := controltest.NewEngine("acme")
	e.Broken = io.ErrUnexpectedEOF
	s := newTestServer(t, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.Orgs = map[string]Org{"acme": {Engine: e, Directory: e.Users}}
	})
	s.log.Info("tokens read", "count", *s.tokens.Load())
	refused(t, ask(t, s, Admin, "GET", "/v1/quota", ""), 500, CodeInternal)
	refused(t, ask(t, s, "", "GET", "/v1/quota", "", "Authorization", "Bearer a-wrong-token-sent-here"), 401, CodeUnauthorized)
	if !strings.Contains(log.String(), "control request not answered") || !strings.Contains(log.String(), "verb=quota") {
		t.Errorf("the failure is not in the log:\n%s", log.String())
	}
	for _, word := range []string{secret(Admin), "a-wrong-token-sent-here"} {
		if strings.Contains(log.String(), word) {
			t.Errorf("the log holds a token:\n%s", log.String())
		}
	}
}

func TestOpenToAll(t *testing.T) {
	now := Readiness{Ready: true}
	s := newTestServer(t, func(o *Options) {
		o.Ready = func(context.Context) Readiness { return now }
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("metrics are here")) })
		o.Pages = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a page")) })
	})
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": `{"ready":true,"reasons":[]}` + "\n", "/metrics": "metrics are here", "/openapi.json": `"openapi": "3.1.0"`, "/": "a page", "/users": "a page",
	} {
		if r := ask(t, s, "", "GET", path, ""); r.status != 200 || !strings.Contains(string(r.body), want) {
			t.Errorf("%s: got %d %.80s, want %s", path, r.status, r.body, want)
		}
	}
	for status, ready := range map[int]bool{200: true, 503: false} {
		now = Readiness{Ready: ready, Reasons: []string{"acme: 8 held"}}
		if r := ask(t, s, "", "GET", "/readyz", ""); r.status != status || !cmp.Equal(decode[Readiness](t, r), now) {
			t.Errorf("ready is %t: got %d %s", ready, r.status, r.body)
		}
	}
}

func TestWhatIsNotThere(t *testing.T) {
	s := newTestServer(t)
	refused(t, ask(t, s, "", "GET", "/nothing", ""), 404, CodeNotFound)
	refused(t, ask(t, s, "", "GET", "/docs", ""), 404, CodeNotFound)
	refused(t, ask(t, s, "", "GET", "/v1/nothing", ""), 401, CodeUnauthorized)
	refused(t, ask(t, s, Viewer, "GET", "/v1/nothing", ""), 404, CodeNotFound)
	refused(t, ask(t, s, Admin, "POST", "/v1/runs/1:frob", ""), 404, CodeNotFound)
	refused(t, ask(t, s, Admin, "POST", "/v1/runs/1", ""), 404, CodeNotFound)
	refused(t, ask(t, s, Admin, "DELETE", "/v1/status", ""), 405, CodeMethod)
	r := ask(t, s, Admin, "PUT", "/v1/licenses/powerdialer", "{}")
	refused(t, r, 405, CodeMethod)
	if got := r.header.Get("Allow"); got != "PATCH" {
		t.Errorf("Allow is %q, want PATCH", got)
	}
}

func TestBrowsersOfOtherSites(t *testing.T) {
	s := newTestServer(t)
	r := ask(t, s, Admin, "POST", "/v1/pause", "{}", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.com")
	refused(t, r, 403, CodeForbidden)
	if r := ask(t, s, Admin, "POST", "/v1/pause", "{}", "Sec-Fetch-Site", "same-origin"); r.status != 200 {
		t.Errorf("our own page is answered %d", r.status)
	}
	if got := r.header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options is %q", got)
	}
}

func TestWrongRequests(t *testing.T) {
	s := newTestServer(t)
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		code                     Code
		says                     string
	}{
		{"no JSON", "POST", "/v1/sync", "{", 400, CodeInvalid, ""},
		{"unknown field", "POST", "/v1/sync", `{"ful":true}`, 422, CodeInvalid, "body"},
		{"unknown kind", "POST", "/v1/sync", `{"kind":"all"}`, 422, CodeInvalid, "body.kind"},
		{"user without users", "POST", "/v1/sync", `{"kind":"user"}`, 422, CodeInvalid, "needs users"},
		{"users without user", "POST", "/v1/sync", `{"users":["x"]}`, 422, CodeInvalid, "kind user"},
		{"override without reason", "POST", "/v1/sync", `{"override":true}`, 422, CodeInvalid, "reason"},
		{"no body", "POST", "/v1/sync", "", 400, CodeInvalid, ""},
		{"huge body", "POST", "/v1/sync", `{"reason":"` + strings.Repeat("x", maxBody) + `"}`, 413, CodeTooLarge, ""},
		{"long reason", "POST", "/v1/sync", `{"reason":"` + strings.Repeat("x", 501) + `"}`, 422, CodeInvalid, "body.reason"},
		{"id of a run", "GET", "/v1/runs/x", "", 422, CodeInvalid, "path.id"},
		{"limit", "GET", "/v1/runs?limit=0", "", 422, CodeInvalid, "query.limit"},
		{"status", "GET", "/v1/users?status=gone", "", 422, CodeInvalid, "gone"},
		{"order", "GET", "/v1/users?order=shoe", "", 422, CodeInvalid, "query.order"},
		{"cursor", "GET", "/v1/users?cursor=zzz", "", 422, CodeInvalid, "cursor"},
		{"cursor of nothing", "GET", "/v1/users?cursor=" + base64.RawURLEncoding.EncodeToString([]byte("id:")), "", 422, CodeInvalid, "cursor"},
		{"cursor of another order", "GET", "/v1/users?order=username&cursor=" + sealCursor("id", "x"), "", 422, CodeInvalid, "cursor"},
		{"filter", "GET", "/v1/users?filter=shoe%3D42", "", 422, CodeInvalid, "shoe=42"},
		{"since", "GET", "/v1/activity?since=yesterday", "", 422, CodeInvalid, "since"},
		{"seats", "PATCH", "/v1/licenses/powerdialer", `{"purchased":-1}`, 422, CodeInvalid, "purchased"},
		{"nobody to add", "POST", "/v1/users:add", `{"users":[]}`, 422, CodeInvalid, "users"},
		{"org", "GET", "/v1/users?org=beta", "", 404, CodeNotFound, "beta"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := refused(t, ask(t, s, Admin, tc.method, tc.path, tc.body), tc.status, tc.code)
			if !strings.Contains(p.Message, tc.says) {
				t.Errorf("error is %q, want it to mention %q", p.Message, tc.says)
			}
		})
	}
}
