package simorg

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testKey is made once: 2048 bits take a while.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

const (
	testClient = "test-consumer-key"
	testSecret = "test-consumer-secret"
	v66        = "/services/data/v66.0"
)

// fixture is an org behind a server, with a session.
type fixture struct {
	t     testing.TB
	org   *Org
	srv   *httptest.Server
	token string
}

func serve(t testing.TB, opt Options) *fixture {
	t.Helper()
	opt.ClientID, opt.ClientSecret = testClient, testSecret
	if opt.PublicKey == nil {
		opt.PublicKey = &testKey().PublicKey
	}
	f := &fixture{t: t, org: New(opt)}
	f.srv = httptest.NewServer(f.org.Handler())
	t.Cleanup(f.srv.Close)
	f.login()
	return f
}

func (f *fixture) login() {
	f.t.Helper()
	res := f.form("/services/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {testClient}, "client_secret": {testSecret},
	})
	var tok struct {
		AccessToken string `json:"access_token"`
	}
	res.decode(f.t, &tok)
	if tok.AccessToken == "" {
		f.t.Fatalf("login: got %d %s", res.status, res.body)
	}
	f.token = tok.AccessToken
}

type result struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

func (r result) decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), into); err != nil {
		t.Fatalf("decode %d %.200q: %v", r.status, r.body, err)
	}
}

// code is the error code of the answer.
func (r result) code() string {
	var list []struct {
		ErrorCode string `json:"errorCode"`
	}
	if json.Unmarshal([]byte(r.body), &list) != nil || len(list) == 0 {
		return ""
	}
	return list[0].ErrorCode
}

func (f *fixture) do(method, path, ctype, body string, headers ...string) result {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.srv.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if f.token != "" {
		req.Header.Set("Authorization", "Bearer "+f.token)
	}
	if ctype != "" {
		req.Header.Set("Content-Type", ctype)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := f.srv.Client().Do(req)
	if err != nil {
		return result{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return result{res.StatusCode, res.Header, string(b), err}
}

func (f *fixture) get(path string, headers ...string) result {
	f.t.Helper()
	return f.do(http.MethodGet, path, "", "", headers...)
}

func (f *fixture) form(path string, v url.Values) result {
	f.t.Helper()
	return f.do(http.MethodPost, path, "application/x-www-form-urlencoded", v.Encode())
}

func (f *fixture) post(path, body string) result {
	f.t.Helper()
	return f.do(http.MethodPost, path, "application/json", body)
}

func (f *fixture) soql(q string, headers ...string) result {
	f.t.Helper()
	return f.get(v66+"/query?q="+url.QueryEscape(q), headers...)
}

type answer struct {
	TotalSize      int              `json:"totalSize"`
	Done           bool             `json:"done"`
	NextRecordsURL string           `json:"nextRecordsUrl"`
	Records        []map[string]any `json:"records"`
}

// rows runs a query that must succeed in one page.
func (f *fixture) rows(q string) answer {
	f.t.Helper()
	res := f.soql(q)
	if res.status != http.StatusOK {
		f.t.Fatalf("%s: got %d %s", q, res.status, res.body)
	}
	var a answer
	res.decode(f.t, &a)
	return a
}

func (f *fixture) count(q string) int {
	f.t.Helper()
	return f.rows(q).TotalSize
}

// assertion signs claims as the JWT flow wants them.
func assertion(t testing.TB, key *rsa.PrivateKey, alg string, claims map[string]any) string {
	t.Helper()
	enc := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := enc(map[string]string{"alg": alg}) + "." + enc(claims)
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func fixed(at time.Time) func() time.Time { return func() time.Time { return at } }

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 300_000_000, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// tokenBody asks for a token without a server between.
func tokenBody(t testing.TB, o *Org, v url.Values) []byte {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/services/oauth2/token", strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	o.Handler().ServeHTTP(w, r)
	return w.Body.Bytes()
}
