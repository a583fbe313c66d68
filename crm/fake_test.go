package crm

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testOrg  = "00D5f0000000001EAA"
	testUser = "0055f00000GBZR4AAP"
)

var testKey = sync.OnceValue(func() Key { return makeKey(2048) })

func makeKey(bits int) Key {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

// fake answers as each test says; it is for answers that the simulated org never
// gives. Tokens are t1, t2, ...
type fake struct {
	*httptest.Server
	logins atomic.Int64
	token  func(n int64, w http.ResponseWriter, r *http.Request) // nil: a good one
	data   http.HandlerFunc
}

func newFake(t *testing.T, data http.HandlerFunc) *fake {
	f := &fake{data: data}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == tokenPath {
		n := f.logins.Add(1)
		if f.token != nil {
			f.token(n, w, r)
			return
		}
		f.grant(w, n, testOrg)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	f.data(w, r)
}

func (f *fake) grant(w http.ResponseWriter, n int64, org string) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	fmt.Fprintf(w, `{"access_token":"t%d","instance_url":%q,"id":"https://login.salesforce.com/id/%s/%s","token_type":"Bearer","issued_at":"1767225600000"}`,
		n, f.URL, org, testUser)
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `[{"message":%q,"errorCode":%q}]`, message, code)
}

func (f *fake) client(t *testing.T, opts Options, edit ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{LoginURL: f.URL, ClientID: "key", Username: "sync@example.com", PrivateKey: testKey()}
	for _, e := range edit {
		e(&cfg)
	}
	if opts.RetryWait == 0 {
		opts.RetryWait = time.Millisecond
	}
	c, err := New(cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// seen records what an Observer is told.
type seen struct {
	mu    sync.Mutex
	codes []string
	quota []LimitInfo
}

func (s *seen) Request(op, code string, _ time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes = append(s.codes, op+" "+code)
}

func (s *seen) Quota(i LimitInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quota = append(s.quota, i)
}

func (s *seen) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.codes, ", ")
}
