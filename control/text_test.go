package control

import (
	"net/http/httptest"
	"testing"
)

// One database takes a NUL or broken UTF-8 and another does not, so neither sees it.
func TestOddTextRefused(t *testing.T) {
	s := newTestServer(t)
	for _, path := range []string{
		"/v1/users/%00", "/v1/users/%ff/explain", "/v1/users?search=%00", "/v1/users?search=%ff", "/v1/users?cursor=%C0%AF", "/v1/activity?user=%zz",
	} {
		refused(t, ask(t, s, Admin, "GET", path, ""), 400, CodeInvalid)
	}
	for path, body := range map[string]string{
		"/v1/sync":      `{"kind":"user","users":["\u0000"]}`,
		"/v1/pause":     `{"reason":"a\u0000b"}`,
		"/v1/users:add": `{"users":["\u0000"]}`,
	} {
		refused(t, ask(t, s, Admin, "POST", path, body), 400, CodeInvalid)
	}
	for _, path := range []string{"/v1/users?search=%F0%9F%98%80", "/v1/users?search=a%2Bb+c"} {
		if r := ask(t, s, Admin, "GET", path, ""); r.status != 200 {
			t.Errorf("%s: got %d: %s", path, r.status, r.body)
		}
	}
}

func TestDotsNameNobody(t *testing.T) {
	web := httptest.NewServer(newTestServer(t).Handler(false))
	defer web.Close()
	c, err := NewClient(ClientOptions{Server: web.URL, Token: secret(Admin)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, ref := range []string{".", "..", "../status", "a/b"} {
		if u, err := c.User(t.Context(), ref); err == nil {
			t.Errorf("%s: got %+v, want no such user", ref, u)
		}
		if _, err := c.Deactivate(t.Context(), ref, Action{}); err == nil {
			t.Errorf("%s: deactivated", ref)
		}
	}
}
