package crm

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

const goodCount = `{"totalSize":7,"done":true,"records":[]}`

// TestOneFault sends one fault and then a good answer, for every kind of fault.
func TestOneFault(t *testing.T) {
	html := "<html><body>Bad Gateway jane@example.com</body></html>"
	tests := []struct {
		name  string
		fault http.HandlerFunc
		want  string // the error; empty where the call recovers
		calls int
	}{
		{"500", answer(500, `[{"message":"An unexpected error occurred. Please include this ErrorId if you contact support: 123-456 (789)","errorCode":"UNKNOWN_EXCEPTION"}]`), "", 2},
		{"502 page", answer(502, html), "", 2},
		{"503", answer(503, `[{"message":"x","errorCode":"SERVER_UNAVAILABLE"}]`), "", 2},
		{"503 empty", answer(503, ""), "", 2},
		{"503 empty array", answer(503, "[]"), "", 2},
		{"504", answer(504, html), "", 2},
		{"420", answer(420, ""), "", 2},
		{"429", answer(429, ""), "", 2},
		{"transient code under 400", answer(400, `[{"message":"x","errorCode":"UNABLE_TO_LOCK_ROW"}]`), "", 2},
		{"lasting code under 500", answer(500, `[{"message":"x","errorCode":"API_DISABLED_FOR_ORG"}]`), "500 API_DISABLED_FOR_ORG", 1},
		{"bad query", answer(400, `[{"message":"unexpected token: FORM","errorCode":"MALFORMED_QUERY"}]`), "400 MALFORMED_QUERY: unexpected token FORM", 1},
		{"query quotes a person", answer(400, `[{"message":"WHERE Email = 'jane@example.com'\n ^\nERROR","errorCode":"MALFORMED_QUERY"}]`), "400 MALFORMED_QUERY", 1},
		{"hidden field", answer(400, `[{"message":"\nSELECT Foo FROM User\nNo such column 'Foo' on entity 'User'. If","errorCode":"INVALID_FIELD"}]`), "INVALID_FIELD: no such column Foo on User", 1},
		{"query timeout", answer(400, `[{"message":"Your query request was running for too long.","errorCode":"QUERY_TIMEOUT"}]`), "400 QUERY_TIMEOUT", 1},
		{"quota", answer(403, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`), "403 REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded.", 1},
		{"forbidden", answer(403, `[{"message":"no","errorCode":"INSUFFICIENT_ACCESS"}]`), "403 INSUFFICIENT_ACCESS: no", 1},
		{"forbidden page", answer(403, html), "salesforce answered 403", 1},
		{"gone", answer(410, `[{"message":"The requested resource is no longer available","errorCode":"GONE"}]`), "410 GONE", 1},
		{"object", answer(404, `{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}`), "404 NOT_FOUND: The", 1},
		{"xml", answer(500, `<?xml version="1.0"?><Errors><Error><errorCode>API_DISABLED_FOR_ORG</errorCode></Error></Errors>`), "500 API_DISABLED_FOR_ORG", 1},
		{"code that is none", answer(400, `[{"message":"m","errorCode":"jane@example.com"}]`), "salesforce answered 400", 1},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example.com/", http.StatusFound)
		}, "salesforce answered 302", 1},
		{"page instead of json", answer(200, html), "", 2},
		{"empty", answer(200, ""), "", 2},
		{"cut short", answer(200, goodCount[:20]), "", 2},
		{"wrong shape", answer(200, `{"totalSize":"7","done":true,"records":[]}`), "", 2},
		{"not done", answer(200, `{"totalSize":7,"done":false,"records":[]}`), "", 2},
		{"reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", 2},
		{"reset in the body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "40")
			io.WriteString(w, goodCount[:10])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, "", 2},
		{"gzip cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			var b strings.Builder
			z := gzip.NewWriter(&b)
			io.WriteString(z, goodCount)
			z.Close()
			io.WriteString(w, b.String()[:b.Len()-12])
		}, "", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				if calls++; calls == 1 {
					tt.fault(w, r)
					return
				}
				io.WriteString(w, goodCount)
			})
			n, err := f.client(t, Options{}).CountUsers(t.Context())
			switch {
			case tt.want == "" && (err != nil || n != 7):
				t.Errorf("got %d, %v; want 7 after a retry", n, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v; want %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "@"):
				t.Errorf("error shows what was in the body: %v", err)
			}
			if calls != tt.calls {
				t.Errorf("got %d calls, want %d", calls, tt.calls)
			}
			if got := f.logins.Load(); got != 1 {
				t.Errorf("got %d logins, want 1", got)
			}
		})
	}
}

// TestLastingFault never recovers, and must end with the error that says so.
func TestLastingFault(t *testing.T) {
	tests := []struct {
		name  string
		fault http.HandlerFunc
		want  string
		calls int
	}{
		{"503", answer(503, ""), "count users: salesforce answered 503", 5},
		{"420", answer(420, ""), "count users: salesforce answered 420", 2},
		{"cut short", answer(200, `{"totalSize":`), "count users: salesforce's answer is unusable: cut short: unexpected EOF", 3},
		{"page", answer(200, "<html>jane@example.com</html>"), "count users: salesforce's answer is unusable: broken JSON at byte 0", 3},
		{"retry after too long", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(503)
		}, "count users: salesforce answered 503", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) { calls++; tt.fault(w, r) })
			_, err := f.client(t, Options{}).CountUsers(t.Context())
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if calls != tt.calls {
				t.Errorf("got %d calls, want %d", calls, tt.calls)
			}
		})
	}
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// roundTrip lets tests of time run without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(status int, header map[string]string, body string) *http.Response {
	h := http.Header{}
	for k, v := range header {
		h.Set(k, v)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func TestRetryWaits(t *testing.T) {
	tests := []struct {
		name     string
		first    *http.Response
		min, max time.Duration
	}{
		{"backoff", reply(503, nil, ""), 250 * time.Millisecond, 750 * time.Millisecond},
		{"seconds", reply(503, map[string]string{"Retry-After": "7"}, ""), 7 * time.Second, 7 * time.Second},
		{"date", reply(429, map[string]string{"Retry-After": "Sat, 01 Jan 2000 00:00:09 GMT"}, ""), 9 * time.Second, 9 * time.Second},
		{"date by the server's clock", reply(429, map[string]string{
			"Retry-After": "Fri, 05 Mar 2021 00:00:11 GMT", "Date": "Fri, 05 Mar 2021 00:00:00 GMT",
		}, ""), 11 * time.Second, 11 * time.Second},
		{"too many at once", reply(403, nil, `[{"message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`), 5 * time.Second, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, calls := time.Now(), 0
				rt := &retried{op: opCount, wait: 500 * time.Millisecond, max: 4, next: roundTrip(func(*http.Request) (*http.Response, error) {
					if calls++; calls == 1 {
						return tt.first, nil
					}
					return reply(200, nil, ""), nil
				})}
				req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://example.com/", nil)
				resp, err := rt.RoundTrip(req)
				if err != nil || resp.StatusCode != 200 {
					t.Fatalf("got %v, %v", resp, err)
				}
				if took := time.Since(begin); took < tt.min || took > tt.max {
					t.Errorf("waited %v, want %v to %v", took, tt.min, tt.max)
				}
			})
		})
	}
}

func TestRetryStopsWhenCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		rt := &retried{op: opCount, wait: time.Hour, max: 4, next: roundTrip(func(*http.Request) (*http.Response, error) {
			calls++
			time.AfterFunc(time.Second, cancel)
			return reply(503, nil, ""), nil
		})}
		req, _ := http.NewRequestWithContext(ctx, "GET", "https://example.com/", nil)
		if _, err := rt.RoundTrip(req); !errors.Is(err, context.Canceled) || calls != 1 {
			t.Errorf("got %v after %d calls; want canceled after 1", err, calls)
		}
	})
}

// An answer that stops in its middle is given up in time, and asked for again.
func TestStalledAnswerIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{Server: &httptest.Server{URL: "http://127.0.0.1:1"}}
		calls := 0
		f.data = func(w http.ResponseWriter, r *http.Request) {
			if calls++; calls == 1 {
				w.WriteHeader(200)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				return
			}
			io.WriteString(w, goodCount)
		}
		c := inMemory(t, f, Options{})
		began := time.Now()
		if n, err := c.CountUsers(t.Context()); n != 7 || err != nil {
			t.Errorf("got %d, %v; want 7", n, err)
		}
		if took := time.Since(began); calls != 2 || took < 150*time.Second || took > 152*time.Second {
			t.Errorf("got %d calls in %s, want 2 in 150 s", calls, took)
		}
	})
}

func TestMeterRefuses(t *testing.T) {
	f := newFake(t, answer(200, goodCount))
	budget := errors.New("budget is spent")
	var asked []string
	c := f.client(t, Options{Meter: func(_ context.Context, op string) error {
		asked = append(asked, op)
		if len(asked) == 2 {
			return budget
		}
		return nil
	}})
	if _, err := c.CountUsers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CountUsers(t.Context()); !errors.Is(err, budget) {
		t.Errorf("got %v, want the meter's own error", err)
	}
	if got := strings.Join(asked, " "); got != "count count" {
		t.Errorf("asked %q; token calls and refusals must not count, nor be retried", got)
	}
}

func TestMeterCountsRetries(t *testing.T) {
	calls, asked := 0, 0
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls < 3 {
			w.WriteHeader(503)
			return
		}
		io.WriteString(w, goodCount)
	})
	c := f.client(t, Options{Meter: func(context.Context, string) error { asked++; return nil }})
	if _, err := c.CountUsers(t.Context()); err != nil || asked != 3 {
		t.Errorf("got %v, asked %d times; want 3", err, asked)
	}
}

func TestObserver(t *testing.T) {
	calls := 0
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Sforce-Limit-Info", "api-usage=18/5000")
		if calls++; calls == 1 {
			w.WriteHeader(503)
			return
		}
		io.WriteString(w, goodCount)
	})
	s := &seen{}
	c := f.client(t, Options{Observer: s})
	if _, err := c.CountUsers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.all(), "token 200, count 503, count 200"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want := LimitInfo{Used: 18, Max: 5000}
	if len(s.quota) != 2 || s.quota[0] != want {
		t.Errorf("got %v, want twice %v", s.quota, want)
	}
	if got, ok := c.Usage(); !ok || got != want {
		t.Errorf("Usage() = %v, %v; want %v", got, ok, want)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := make(chan struct{}, 2)
		var mu sync.Mutex
		now, most := 0, 0
		th := &throttled{slots: slots, limiter: rate.NewLimiter(rate.Inf, 1), next: roundTrip(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return reply(200, nil, "x"), nil
		})}
		done := make(chan error)
		for range 6 {
			go func() {
				req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://example.com/", nil)
				resp, err := th.RoundTrip(req)
				if err == nil {
					time.Sleep(time.Second) // the body is still being read: the slot is taken
					err = resp.Body.Close()
				}
				done <- err
			}()
		}
		begin := time.Now()
		for range 6 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if most > 2 || time.Since(begin) != 6*time.Second {
			t.Errorf("%d at once, in %v; want 2 in 6s", most, time.Since(begin))
		}
	})
}

func TestErrorsNameNoURL(t *testing.T) {
	f := newFake(t, answer(200, goodCount))
	c := f.client(t, Options{MaxRetries: -1}, func(cfg *Config) { cfg.Prefilter = "Email != 'jane@example.com'" })
	if _, err := c.CountUsers(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Server.Close()
	_, err := c.CountUsers(t.Context())
	if err == nil || strings.Contains(err.Error(), "jane") || strings.Contains(err.Error(), "query?") {
		t.Errorf("got %v; want an error without the query", err)
	}
	fault, ok := errors.AsType[interface {
		error
		Retryable() bool
		Hint() string
	}](err)
	if !ok || !fault.Retryable() || !strings.Contains(fault.Hint(), "login_url") {
		t.Errorf("got %#v; want an outage, which passes, with what to check if it does not", err)
	}
}

func TestNow(t *testing.T) {
	date := "Fri, 05 Mar 2021 00:00:00 GMT"
	status := 200
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", date)
		w.WriteHeader(status)
		fmt.Fprint(w, goodCount)
	})
	c := f.client(t, Options{MaxRetries: -1})
	if _, ok := c.Now(); ok {
		t.Error("the time is known before any answer")
	}
	if _, err := c.CountUsers(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := time.Date(2021, 3, 5, 0, 0, 0, 0, time.UTC)
	if got, ok := c.Now(); !ok || got.Before(want) || got.After(want.Add(time.Minute)) {
		t.Errorf("Now() = %v, %v; want about %v", got, ok, want)
	}
	date, status = "Fri, 05 Mar 2031 00:00:00 GMT", 502
	_, _ = c.CountUsers(t.Context()) // it fails, which is not the point
	if got, _ := c.Now(); got.Year() != 2021 {
		t.Errorf("Now() = %v: a proxy's error page set the clock", got)
	}
}

func TestDescribeIsReadInFullNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var since []string
		base := roundTrip(func(r *http.Request) (*http.Response, error) {
			header := map[string]string{"Last-Modified": "Fri, 05 Mar 2021 00:00:00 GMT"}
			if r.URL.Path == tokenPath {
				return reply(200, header, `{"access_token":"t","instance_url":"https://acme.my.salesforce.com","id":"https://login.salesforce.com/id/`+testOrg+"/"+testUser+`"}`), nil
			}
			since = append(since, r.Header.Get("If-Modified-Since"))
			if since[len(since)-1] != "" {
				return reply(304, header, ""), nil
			}
			return reply(200, header, `{"name":"User","fields":[{"name":"Id"},{"name":"Username"},{"name":"Email"},{"name":"IsActive"},{"name":"UserType"},{"name":"SystemModstamp"}]}`), nil
		})
		c, err := New(Config{LoginURL: "https://login.salesforce.com", ClientID: "key", Username: "sync@example.com", PrivateKey: testKey()}, Options{Transport: base})
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			f, err := c.Describe(t.Context())
			if err != nil || len(f.Select) != 6 {
				t.Fatalf("got %v, %v", f.Select, err)
			}
			time.Sleep(3 * time.Hour)
		}
		// At 0 h in full, at 3 and 6 h on condition, at 9 h in full.
		if got := strings.Join(since, "|"); got != "|Fri, 05 Mar 2021 00:00:00 GMT|Fri, 05 Mar 2021 00:00:00 GMT|" {
			t.Errorf("If-Modified-Since was %q", got)
		}
	})
}
