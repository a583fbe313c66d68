package simorg

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestJWTBearer(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 20, Now: c.now, IsSandbox: true})
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	colleague := f.org.gen.user(9).Username
	good := map[string]any{
		"iss": testClient, "sub": "rosterd@acme.example", "aud": "https://test.salesforce.com", "exp": c.now().Add(3 * time.Minute).Unix(),
	}
	with := func(key string, v any) map[string]any {
		m := maps.Clone(good)
		m[key] = v
		return m
	}
	for _, tt := range []struct {
		name, assertion   string
		code, description string // empty when accepted
	}{
		{"good", assertion(t, testKey(), "RS256", good), "", ""},
		{"exp as a string", assertion(t, testKey(), "RS256", with("exp", "1772366700")), "", ""},
		{"own domain as audience", assertion(t, testKey(), "RS256", with("aud", f.srv.URL)), "", ""},
		{"token URL as audience", assertion(t, testKey(), "RS256", with("aud", f.srv.URL+"/services/oauth2/token")), "", ""},
		{"list of audiences", assertion(t, testKey(), "RS256", with("aud", []string{"x", f.srv.URL})), "", ""},
		{"user name in capitals", assertion(t, testKey(), "RS256", with("sub", "ROSTERD@acme.example")), "", ""},
		{"production audience", assertion(t, testKey(), "RS256", with("aud", "https://login.salesforce.com")), "invalid_grant", "audience is invalid"},
		{"no audience", assertion(t, testKey(), "RS256", with("aud", nil)), "invalid_grant", "audience is invalid"},
		{"unknown app", assertion(t, testKey(), "RS256", with("iss", "other")), "invalid_client_id", "client identifier invalid"},
		{"unknown user", assertion(t, testKey(), "RS256", with("sub", "nobody@acme.example")), "invalid_grant", "user hasn't approved this consumer"},
		{"no user", assertion(t, testKey(), "RS256", with("sub", "")), "invalid_grant", "user hasn't approved this consumer"},
		{"user without the app", assertion(t, testKey(), "RS256", with("sub", colleague)), "invalid_app_access", "user is not admin approved to access this app"},
		{"expired", assertion(t, testKey(), "RS256", with("exp", c.now().Unix())), "invalid_grant", "invalid assertion"},
		{"exp too far ahead", assertion(t, testKey(), "RS256", with("exp", c.now().Add(6*time.Minute).Unix())), "invalid_grant", "invalid assertion"},
		{"no exp", assertion(t, testKey(), "RS256", with("exp", nil)), "invalid_grant", "invalid assertion"},
		{"another key", assertion(t, stranger, "RS256", good), "invalid_grant", "invalid assertion"},
		{"another algorithm", assertion(t, testKey(), "HS256", good), "invalid_grant", "invalid assertion"},
		{"not signed", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + ".e30.", "invalid_grant", "invalid assertion"},
		{"not a JWT", "nonsense", "invalid_grant", "invalid assertion"},
		{"missing", "", "invalid_grant", "invalid assertion"},
	} {
		res := f.form("/services/oauth2/token", url.Values{"grant_type": {jwtBearer}, "assertion": {tt.assertion}})
		var got struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
			AccessToken string `json:"access_token"`
			InstanceURL string `json:"instance_url"`
			ID          string `json:"id"`
			IssuedAt    string `json:"issued_at"`
			TokenType   string `json:"token_type"`
		}
		res.decode(t, &got)
		if got.Error != tt.code || got.Description != tt.description || (res.status == 200) != (tt.code == "") {
			t.Errorf("%s: got %d %s, want %q %q", tt.name, res.status, res.body, tt.code, tt.description)
		}
		if tt.code == "" && (!strings.HasPrefix(got.AccessToken, f.org.ID()[:15]+"!") || got.InstanceURL != f.srv.URL || got.TokenType != "Bearer" ||
			got.ID != f.srv.URL+"/id/"+f.org.ID()+"/"+f.org.gen.id(0) || got.IssuedAt != millis(c.now()) || strings.Contains(res.body, "expires_in")) {
			t.Errorf("%s: got %s", tt.name, res.body)
		}
		if res.header.Get("Sforce-Limit-Info") != "" {
			t.Errorf("%s: a token answer carries Sforce-Limit-Info", tt.name)
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	f := serve(t, Options{})
	cc := url.Values{"grant_type": {"client_credentials"}, "client_id": {testClient}, "client_secret": {testSecret}}
	with := func(key, v string) string {
		m := maps.Clone(cc)
		m[key] = []string{v}
		return m.Encode()
	}
	const form = "application/x-www-form-urlencoded"
	for _, tt := range []struct{ name, method, ctype, body, code, description string }{
		{"good", "POST", form + ";charset=UTF-8", cc.Encode(), "", ""},
		{"GET", "GET", form, "", "invalid_request", "must use HTTP POST"},
		{"JSON", "POST", "application/json", `{"grant_type":"client_credentials"}`, "unsupported_grant_type", "grant type not supported"},
		{"no content type", "POST", "", cc.Encode(), "unsupported_grant_type", "grant type not supported"},
		{"unknown grant", "POST", form, with("grant_type", "magic"), "unsupported_grant_type", "grant type not supported"},
		{"no grant", "POST", form, "", "unsupported_grant_type", "grant type not supported"},
		{"password", "POST", form, with("grant_type", "password"), "invalid_grant", "authentication failure"},
		{"refresh", "POST", form, with("grant_type", "refresh_token"), "invalid_grant", "expired access/refresh token"},
		{"wrong client", "POST", form, with("client_id", "x"), "invalid_client_id", "client identifier invalid"},
		{"wrong secret", "POST", form, with("client_secret", "x"), "invalid_client", "invalid client credentials"},
	} {
		f.token = ""
		res := f.do(tt.method, "/services/oauth2/token", tt.ctype, tt.body)
		var got map[string]string
		res.decode(t, &got)
		if got["error"] != tt.code || got["error_description"] != tt.description || tt.code != "" && res.status != 400 {
			t.Errorf("%s: got %d %s, want %q %q", tt.name, res.status, res.body, tt.code, tt.description)
		}
	}
}

func TestWhoMayLogIn(t *testing.T) {
	f := serve(t, Options{})
	cc := url.Values{"grant_type": {"client_credentials"}, "client_id": {testClient}, "client_secret": {testSecret}}
	ask := func() string {
		var got map[string]string
		f.form("/services/oauth2/token", cc).decode(t, &got)
		return got["error_description"]
	}
	admin := f.org.gen.id(0)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(f.org.Freeze(admin))
	if got := ask(); got != "user is frozen" {
		t.Errorf("frozen: got %q", got)
	}
	must(f.org.Unfreeze(admin))
	must(f.org.Deactivate(admin))
	if got := ask(); got != "inactive user" {
		t.Errorf("inactive: got %q", got)
	}
	if res := f.get(v66 + "/limits"); res.status != http.StatusUnauthorized {
		t.Errorf("session of an inactive user: got %d", res.status)
	}
	must(f.org.Activate(admin))
	if got := ask(); got != "" {
		t.Errorf("active again: got %q", got)
	}

	closed := New(Options{ClientID: testClient})
	if got := string(tokenBody(t, closed, cc)); !strings.Contains(got, "no client credentials user enabled") {
		t.Errorf("flow not set up: got %s", got)
	}
}

func TestLoginRate(t *testing.T) {
	c := newClock()
	o := New(Options{ClientID: testClient, ClientSecret: testSecret, Now: c.now})
	cc := url.Values{"grant_type": {"client_credentials"}, "client_id": {testClient}, "client_secret": {testSecret}}
	for range maxLogins {
		tokenBody(t, o, cc)
	}
	if got := string(tokenBody(t, o, cc)); !strings.Contains(got, "login rate exceeded") {
		t.Errorf("login %d in an hour: got %s", maxLogins+1, got)
	}
	c.add(time.Hour)
	if got := string(tokenBody(t, o, cc)); !strings.Contains(got, "access_token") {
		t.Errorf("an hour later: got %s", got)
	}
}

func TestLoginHostIsNoInstance(t *testing.T) {
	f := serve(t, Options{})
	f.org.opt.LoginHost = strings.TrimPrefix(f.srv.URL, "http://")
	f.org.opt.InstanceURL = "http://acme.my.example"
	cc := url.Values{"grant_type": {"client_credentials"}, "client_id": {testClient}, "client_secret": {testSecret}}
	if res := f.form("/services/oauth2/token", cc); !strings.Contains(res.body, "request not supported on this domain") {
		t.Errorf("client credentials: got %s", res.body)
	}
	jwt := assertion(t, testKey(), "RS256", map[string]any{
		"iss": testClient, "sub": "rosterd@acme.example", "aud": "https://login.salesforce.com", "exp": time.Now().Add(time.Minute).Unix(),
	})
	if res := f.form("/services/oauth2/token", url.Values{"grant_type": {jwtBearer}, "assertion": {jwt}}); !strings.Contains(res.body, "acme.my.example") {
		t.Errorf("JWT: got %s", res.body)
	}
	if res := f.get(v66 + "/limits"); res.status != http.StatusNotFound {
		t.Errorf("data on the login host: got %d", res.status)
	}
}

func TestSessionsSlideAndEnd(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Now: c.now, SessionTTL: time.Hour})
	for range 5 {
		c.add(59 * time.Minute)
		if res := f.get(v66 + "/limits"); res.status != http.StatusOK {
			t.Fatalf("a used session: got %d %s", res.status, res.body)
		}
	}
	var info map[string]any
	client := url.Values{"token": {f.token}, "client_id": {testClient}, "client_secret": {testSecret}}
	f.form("/services/oauth2/introspect", client).decode(t, &info)
	if info["active"] != true || int64(info["exp"].(float64)) != c.now().Add(time.Hour).Unix() {
		t.Errorf("introspect: got %v", info)
	}
	c.add(time.Hour)
	res := f.get(v66 + "/limits")
	if want := `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`; res.status != http.StatusUnauthorized || res.body != want {
		t.Errorf("expired: got %d %s", res.status, res.body)
	}
	f.form("/services/oauth2/introspect", client).decode(t, &info)
	if info["active"] != false {
		t.Errorf("introspect after the end: got %v", info)
	}
	client.Set("client_secret", "x")
	if res := f.form("/services/oauth2/introspect", client); res.status != http.StatusUnauthorized {
		t.Errorf("introspect by a stranger: got %d", res.status)
	}
	f.login()
	if res := f.form("/services/oauth2/revoke", url.Values{"token": {f.token}}); res.status != http.StatusOK || res.body != "" {
		t.Errorf("revoke: got %d %s", res.status, res.body)
	}
	if res := f.form("/services/oauth2/revoke", url.Values{"token": {f.token}}); res.status != http.StatusBadRequest {
		t.Errorf("revoke again: got %d", res.status)
	}
	if res := f.get("/services/oauth2/userinfo"); res.status != http.StatusForbidden || res.body != "Bad_OAuth_Token" {
		t.Errorf("userinfo with a dead token: got %d %s", res.status, res.body)
	}
}

func TestUserinfo(t *testing.T) {
	f := serve(t, Options{OrgID: "00D58000000arpq"})
	var got map[string]any
	f.get("/services/oauth2/userinfo").decode(t, &got)
	for key, want := range map[string]any{
		"organization_id": "00D58000000arpqEAA", "user_id": f.org.gen.id(0), "preferred_username": "rosterd@acme.example",
		"user_type": "STANDARD", "active": true, "sub": f.srv.URL + "/id/00D58000000arpqEAA/" + f.org.gen.id(0),
	} {
		if got[key] != want {
			t.Errorf("%s: got %v, want %v", key, got[key], want)
		}
	}
}
