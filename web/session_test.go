package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSessions()
		ask := httptest.NewRequest(http.MethodGet, "/", nil)
		ask.AddCookie(&http.Cookie{Name: sessionCookie, Value: s.open("secret")})
		for range 20 { // somebody works: alive, until the day is over
			time.Sleep(sessionIdle - time.Second)
			if s.find(ask, true) == nil {
				t.Fatal("a session in use ended")
			}
		}
		time.Sleep(sessionMost - 20*(sessionIdle-time.Second))
		if s.find(ask, true) != nil {
			t.Error("a session lives longer than a day's work")
		}

		ask = httptest.NewRequest(http.MethodGet, "/", nil)
		ask.AddCookie(&http.Cookie{Name: sessionCookie, Value: s.open("secret")})
		time.Sleep(sessionIdle - time.Second)
		if s.find(ask, false) == nil {
			t.Error("a session ended early")
		}
		time.Sleep(time.Second) // what a page's streams ask does not count
		if s.find(ask, true) != nil {
			t.Error("an idle session lives")
		}
		if len(s.list) != 0 {
			t.Errorf("%d sessions are kept", len(s.list))
		}
	})
}

func TestPicks(t *testing.T) {
	s := &session{picked: map[string]map[string]struct{}{}}
	s.pick("acme", []string{"a", "b", "c"}, []string{"a", "c"})
	s.pick("acme", []string{"c", "d"}, []string{"d"}) // another page, on which c was unticked
	if got := s.chosen("acme"); len(got) != 2 || got[0] != "a" || got[1] != "d" {
		t.Errorf("picked are %v", got)
	}
	s.unpick("acme")
	if got := s.chosen("acme"); len(got) != 0 {
		t.Errorf("picked are %v", got)
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		from := func(addr string) *http.Request {
			r := httptest.NewRequest(http.MethodPost, "/login", nil)
			r.RemoteAddr = addr
			return r
		}
		tries := 0
		for th.open(from("192.0.2.1:1")) && tries < 100 {
			th.failed(from("192.0.2.1:2"))
			tries++
		}
		if tries != loginBurst {
			t.Errorf("%d failures are let through, want %d", tries, loginBurst)
		}
		if !th.open(from("192.0.2.2:1")) {
			t.Error("one address shuts out another")
		}
		time.Sleep(loginEvery)
		if !th.open(from("192.0.2.1:3")) {
			t.Error("an address is shut out for ever")
		}
	})
}

func TestWithin(t *testing.T) {
	for to, want := range map[string]string{
		"/o/acme/users?q=a": "/o/acme/users?q=a", "": "/", "users": "/", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example/": "/",
		"/a\r\nSet-Cookie: x": "/", "javascript:alert(1)": "/", "/%2f%2fevil.example": "/%2f%2fevil.example",
	} {
		if got := within(to); got != want {
			t.Errorf("within(%q) = %q, want %q", to, got, want)
		}
	}
}
