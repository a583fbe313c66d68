package crm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
)

func hintOf(err error) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	return ""
}

// expiring serves a count to the tokens that are valid.
func expiring(valid func(token string) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !valid(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) {
			fail(w, 401, "INVALID_SESSION_ID", "Session expired or invalid")
			return
		}
		io.WriteString(w, goodCount)
	}
}

func TestAssertion(t *testing.T) {
	f := newFake(t, answer(200, goodCount))
	var form map[string][]string
	f.token = func(n int64, w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form = r.PostForm
		f.grant(w, n, testOrg)
	}
	if _, err := f.client(t, Options{}).Session(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := form["grant_type"][0]; got != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		t.Errorf("grant_type %q", got)
	}
	parts := strings.Split(form["assertion"][0], ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Iss, Sub, Aud string
		Exp           int64
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != "key" || claims.Sub != "sync@example.com" || claims.Aud != f.URL {
		t.Errorf("got %+v", claims)
	}
	if left := time.Until(time.Unix(claims.Exp, 0)); left <= 0 || left > 3*time.Minute {
		t.Errorf("the assertion expires in %v, want at most 3m", left)
	}
}

func TestAudience(t *testing.T) {
	tests := []struct{ login, want string }{
		{"https://login.salesforce.com", "https://login.salesforce.com"},
		{"https://test.salesforce.com", "https://test.salesforce.com"},
		{"https://acme.my.salesforce.com", "https://login.salesforce.com"},
		{"https://acme--dev.sandbox.my.salesforce.com", "https://test.salesforce.com"},
		{"https://people.acme.example.com", "https://people.acme.example.com"},
	}
	for _, tt := range tests {
		if got := audience(Config{LoginURL: tt.login}); got != tt.want {
			t.Errorf("audience(%s) = %s, want %s", tt.login, got, tt.want)
		}
	}
	if got := audience(Config{LoginURL: "https://acme.my.salesforce.com", Audience: "https://x.example"}); got != "https://x.example" {
		t.Errorf("got %s, want what was configured", got)
	}
}

func TestClientCredentials(t *testing.T) {
	f := newFake(t, answer(200, goodCount))
	var form map[string][]string
	f.token = func(n int64, w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form = r.PostForm
		f.grant(w, n, testOrg)
	}
	c := f.client(t, Options{}, func(cfg *Config) { cfg.PrivateKey, cfg.Username, cfg.ClientSecret = nil, "", "s3cret" })
	if _, err := c.CountUsers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if form["grant_type"][0] != "client_credentials" || form["client_id"][0] != "key" || form["client_secret"][0] != "s3cret" {
		t.Errorf("got %v", form)
	}
}

func TestExpiredSessionIsRenewedOnce(t *testing.T) {
	f := newFake(t, expiring(func(token string) bool { return token == "t2" }))
	c := f.client(t, Options{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if n, err := c.CountUsers(t.Context()); err != nil || n != 7 {
				t.Errorf("got %d, %v", n, err)
			}
		})
	}
	wg.Wait()
	if got := f.logins.Load(); got != 2 {
		t.Errorf("got %d logins for 20 calls, want 2", got)
	}
}

func TestRefusedFreshTokenStops(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		fail(w, 401, "INVALID_SESSION_ID", "Session expired or invalid")
	})
	c := f.client(t, Options{})
	for i := range 5 {
		_, err := c.CountUsers(t.Context())
		e, ok := errors.AsType[*APIError](err)
		if !ok || e.Code != "INVALID_SESSION_ID" || hintOf(err) == "" {
			t.Errorf("call %d: got %v; want INVALID_SESSION_ID with a hint", i, err)
		}
	}
	if got := f.logins.Load(); got != 2 {
		t.Errorf("got %d logins in 5 calls, want 2", got)
	}
}

func TestUselessSessionIsNotRenewed(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		fail(w, 401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
	})
	c := f.client(t, Options{})
	for range 3 {
		if _, err := c.CountUsers(t.Context()); err == nil {
			t.Error("got no error")
		}
	}
	if got := f.logins.Load(); got != 1 {
		t.Errorf("got %d logins, want 1", got)
	}
}

func TestForbiddenNeverLogsIn(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		fail(w, 403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	})
	c := f.client(t, Options{})
	for range 3 {
		if _, err := c.CountUsers(t.Context()); !errors.Is(err, ErrQuota) {
			t.Errorf("got %v, want ErrQuota", err)
		}
	}
	if got := f.logins.Load(); got != 1 {
		t.Errorf("got %d logins, want 1", got)
	}
}

func TestMovedInstance(t *testing.T) {
	moved := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t2" {
			t.Errorf("the new instance got %q", r.Header.Get("Authorization"))
		}
		io.WriteString(w, goodCount)
	})
	old := 0
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { old++; fail(w, 401, "INVALID_SESSION_ID", "x") })
	f.token = func(n int64, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			f.grant(w, n, testOrg)
			return
		}
		moved.grant(w, n, testOrg)
	}
	if n, err := f.client(t, Options{}).CountUsers(t.Context()); err != nil || n != 7 || old != 1 {
		t.Errorf("got %d, %v after %d calls to the old instance; want 7 after 1", n, err, old)
	}
}

func TestInstanceURL(t *testing.T) {
	tests := []struct {
		login, instance string
		ok              bool
	}{
		{"https://login.salesforce.com", "https://acme.my.salesforce.com", true},
		{"https://login.salesforce.com", "https://acme.my.salesforce.mil", true},
		{"https://login.salesforce.com", "https://acme--x.sandbox.my.salesforce.com/", true},
		{"https://login.salesforce.com", "https://ACME.my.salesforce.com", true},
		{"https://proxy.example.com", "https://proxy.example.com", true},
		{"http://127.0.0.1:8080", "http://127.0.0.1:9090", true},
		{"http://localhost:1", "http://[::1]:2", true},
		{"https://login.salesforce.com", "http://acme.my.salesforce.com", false},
		{"https://login.salesforce.com", "http://127.0.0.1:80", false},
		{"https://login.salesforce.com", "https://evil.example.com", false},
		{"https://login.salesforce.com", "https://salesforce.com.evil.example", false},
		{"https://login.salesforce.com", "https://evilsalesforce.com", false},
		{"https://login.salesforce.com", "https://a.salesforce.com@evil.example", false},
		{"https://login.salesforce.com", "", false},
	}
	for _, tt := range tests {
		ts := &tokens{cfg: Config{LoginURL: tt.login}}
		if _, err := ts.instance(tt.instance); (err == nil) != tt.ok {
			t.Errorf("login %s, instance %q: got %v, want ok %v", tt.login, tt.instance, err, tt.ok)
		}
	}
}

// TestTokenErrors goes through Salesforce's catalog: what is transient is asked again
// at once, the rest is remembered, with a hint.
func TestTokenErrors(t *testing.T) {
	tests := []struct {
		status       int
		code, detail string
		logins       int64 // after three calls
		hint         string
	}{
		{400, "invalid_grant", "user hasn't approved this consumer", 1, "pre-authorized"},
		{400, "invalid_grant", "audience is invalid", 1, "test.salesforce.com"},
		{400, "invalid_grant", "invalid assertion", 1, "certificate"},
		{400, "invalid_grant", "authentication failure", 1, "certificate"},
		{400, "invalid_grant", "request not supported on this domain", 1, "My Domain"},
		{400, "invalid_grant", "no client credentials user enabled", 1, "Run As"},
		{400, "invalid_grant", "ip restricted", 1, "IP ranges"},
		{400, "invalid_grant", "invalid login hours", 1, "login hours"},
		{400, "invalid_grant", "user is frozen", 1, "unfreeze"},
		{400, "invalid_grant", "inactive user", 1, "activate"},
		{400, "invalid_grant", "login rate exceeded", 1, "too many logins"},
		{400, "invalid_grant", "", 1, "username"},
		{400, "inactive_user", "", 1, "activate"},
		{400, "invalid_client_id", "client identifier invalid", 1, "10 minutes"},
		{400, "invalid_client", "invalid client credentials", 1, "secret"},
		{400, "invalid_app_access", "user is not admin approved to access this app", 1, "assign"},
		{400, "unsupported_grant_type", "grant type not supported", 1, "login_url"},
		{400, "app_not_found", "External client app is not installed in this org", 1, "install"},
		{400, "rate_limit_exceeded", "", 1, "too many logins"},
		{400, "unknown_error", "retry your request", 15, ""},
		{500, "server_error", "", 15, ""},
		{503, "", "", 15, ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s", tt.code, tt.detail), func(t *testing.T) {
			f := newFake(t, answer(200, goodCount))
			f.token = func(_ int64, w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				fmt.Fprintf(w, `{"error":%q,"error_description":%q}`, tt.code, tt.detail)
			}
			c := f.client(t, Options{})
			for range 3 {
				_, err := c.CountUsers(t.Context())
				e, ok := errors.AsType[*TokenError](err)
				if !ok || e.Code != tt.code || !strings.Contains(hintOf(err), tt.hint) {
					t.Fatalf("got %v, hint %q; want %s with a hint on %q", err, hintOf(err), tt.code, tt.hint)
				}
			}
			if got := f.logins.Load(); got != tt.logins {
				t.Errorf("got %d token requests in 3 calls, want %d", got, tt.logins)
			}
		})
	}
}

func TestTokenPageRecovers(t *testing.T) {
	f := newFake(t, answer(200, goodCount))
	f.token = func(n int64, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.WriteHeader(502)
			io.WriteString(w, "<html>jane@example.com")
			return
		}
		f.grant(w, n, testOrg)
	}
	if n, err := f.client(t, Options{}).CountUsers(t.Context()); err != nil || n != 7 {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestTokenErrorTellsOfTheClock(t *testing.T) {
	f := newFake(t, answer(200, goodCount))
	f.token = func(_ int64, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-3*time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(400)
		io.WriteString(w, `{"error":"invalid_grant","error_description":"invalid assertion"}`)
	}
	_, err := f.client(t, Options{}).Session(t.Context())
	if got := hintOf(err); !strings.Contains(got, "ahead of") || !strings.Contains(got, "clock") {
		t.Errorf("got hint %q, want one on the clock", got)
	}
}

func TestTokenErrorHidesPeople(t *testing.T) {
	f := newFake(t, answer(200, goodCount))
	f.token = func(_ int64, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		io.WriteString(w, `{"error":"invalid_grant","error_description":"user jane@example.com is odd"}`)
	}
	if _, err := f.client(t, Options{}).Session(t.Context()); err == nil || strings.Contains(err.Error(), "jane") {
		t.Errorf("got %v", err)
	}
}

func TestRefusalExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logins := 0
		ts := &tokens{cfg: Config{LoginURL: "https://login.salesforce.com"}, hold: 5 * time.Minute, age: time.Hour}
		ts.fetch = func(context.Context) (*oauth2.Token, error) {
			logins++
			return nil, &oauth2.RetrieveError{Response: reply(400, nil, ""), Body: []byte(`{"error":"invalid_grant"}`)}
		}
		for range 10 {
			if _, err := ts.session(t.Context()); err == nil {
				t.Fatal("got a session")
			}
			time.Sleep(time.Minute)
		}
		if logins != 2 {
			t.Errorf("got %d logins in ten minutes, want 2", logins)
		}
	})
}

// Who asks in person is not kept waiting for a refusal of a moment ago, but for
// a limit on logins.
func TestUnhold(t *testing.T) {
	answers := map[string]int{`{"error":"invalid_grant"}`: 2, `{"error":"invalid_grant","error_description":"login rate exceeded"}`: 1}
	for body, want := range answers {
		logins := 0
		ts := &tokens{cfg: Config{LoginURL: "https://login.salesforce.com"}, hold: 5 * time.Minute, age: time.Hour}
		ts.fetch = func(context.Context) (*oauth2.Token, error) {
			logins++
			return nil, &oauth2.RetrieveError{Response: reply(400, nil, ""), Body: []byte(body)}
		}
		c := &Client{tokens: ts}
		for range 2 {
			c.Unhold()
			for range 2 {
				if _, err := c.Session(t.Context()); err == nil {
					t.Fatal("got a session")
				}
			}
		}
		if logins != want {
			t.Errorf("%s: %d logins, want %d", body, logins, want)
		}
	}
}

func TestTokenIsRenewedByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, broken := 0, false
		ts := &tokens{cfg: Config{LoginURL: "https://login.salesforce.com"}, hold: 5 * time.Minute, age: time.Hour}
		ts.fetch = func(context.Context) (*oauth2.Token, error) {
			n++
			if broken {
				return nil, errors.New("no route")
			}
			return (&oauth2.Token{AccessToken: fmt.Sprint("t", n)}).WithExtra(map[string]any{
				"instance_url": "https://acme.my.salesforce.com", "id": "https://login.salesforce.com/id/" + testOrg + "/" + testUser,
			}), nil
		}
		want := func(token Secret, logins int) {
			t.Helper()
			s, err := ts.session(t.Context())
			if err != nil || s.Token != token || n != logins {
				t.Errorf("got %q, %v after %d logins; want %q after %d", string(s.Token), err, n, string(token), logins)
			}
		}
		want("t1", 1)
		time.Sleep(59 * time.Minute)
		want("t1", 1)
		time.Sleep(time.Minute)
		want("t2", 2)
		broken = true
		time.Sleep(time.Hour)
		want("t2", 3) // the old one still works, as far as anyone knows
		want("t2", 3)
		time.Sleep(5 * time.Minute)
		broken = false
		want("t4", 4)
	})
}

// TestOrgPinned is the first half of story 25: the URL leads to another org.
func TestOrgPinned(t *testing.T) {
	f := newFake(t, answer(200, goodCount))
	f.token = func(n int64, w http.ResponseWriter, _ *http.Request) { f.grant(w, n, "00D5f0000000002EAA") }
	c := f.client(t, Options{}, func(cfg *Config) { cfg.OrgID = testOrg })
	for range 3 {
		_, err := c.CountUsers(t.Context())
		e, ok := errors.AsType[*OrgMismatchError](err)
		if !ok || e.Want != testOrg || e.Got != "00D5f0000000002EAA" || e.Hint() == "" {
			t.Errorf("got %v, want an OrgMismatchError", err)
		}
	}
	if got := f.logins.Load(); got != 1 {
		t.Errorf("got %d logins, want 1", got)
	}
}

func TestOrgChangesMeanwhile(t *testing.T) {
	var f *fake
	f = newFake(t, func(w http.ResponseWriter, r *http.Request) {
		expiring(func(token string) bool { return token != "t1" || f.logins.Load() == 1 })(w, r)
		f.logins.CompareAndSwap(1, 2) // from now on t1 is expired
	})
	f.token = func(n int64, w http.ResponseWriter, _ *http.Request) {
		org := testOrg
		if n > 1 {
			org = "00D5f0000000002EAA"
		}
		f.grant(w, n, org)
	}
	c := f.client(t, Options{})
	if _, err := c.CountUsers(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := c.CountUsers(t.Context())
	if _, ok := errors.AsType[*OrgMismatchError](err); !ok {
		t.Errorf("got %v: the first org seen is not pinned", err)
	}
}

func TestOrg(t *testing.T) {
	sandbox := false
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Organization"},"Id":%q,"Name":"Acme","IsSandbox":%v,"InstanceName":"NA1","OrganizationType":"Enterprise Edition"}]}`, testOrg, sandbox)
	})
	production := false
	c := f.client(t, Options{}, func(cfg *Config) { cfg.Sandbox = &production })
	want := Org{ID: testOrg, Name: "Acme", Type: "Enterprise Edition", Instance: "NA1", InstanceURL: f.URL, UserID: testUser}
	for range 2 {
		if got, err := c.Org(t.Context()); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	sandbox = true
	_, err := f.client(t, Options{}, func(cfg *Config) { cfg.Sandbox = &production }).Org(t.Context())
	if e, ok := errors.AsType[*OrgMismatchError](err); !ok || !e.Kind {
		t.Errorf("got %v, want a mismatch of kind", err)
	}
}
