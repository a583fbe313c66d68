package control

import (
	"net/url"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
	"github.com/rosterd/rosterd/sync"
)

// fuzzed is a server over a real directory, whose log fails the test.
func fuzzed(f *testing.F) (*Server, *directory.Directory) {
	f.Helper()
	db, err := store.Open(f.Context(), storetest.SQLite(f), store.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	d := controltest.NewReal(f, db, "acme", 5, directory.Options{}, controltest.Person(1), controltest.Person(2))
	tokens, err := ReadTokens(strings.NewReader("manager the-manager " + secret(Manager) + "\n"))
	if err != nil {
		f.Fatal(err)
	}
	s, err := New(Options{Orgs: map[string]Org{"acme": {Engine: controltest.NewEngine("acme"), Directory: d}}, Tokens: tokens})
	if err != nil {
		f.Fatal(err)
	}
	return s, d
}

// Whatever an edit holds, it is done or refused, and the other user is not
// touched.
func FuzzEdit(f *testing.F) {
	for _, body := range []string{
		`{"attributes":{"ring_timeout_seconds":1e99}}`, `{"attributes":{"sales_role":"<script>alert(1)</script>"}}`,
		`{"attributes":{"extension":"1'; DROP TABLE dialer_users; --"}}`, `{"attributes":{"devices":[{"name":"x","kind":"desktop","enabled":1}]}}`,
		`{"attributes":{"role":[null,{},[]]}}`, `{"add":{"tag":["` + strings.Repeat("x", 300) + `"]}}`, `{"attributes":{"sales_role":"\ud800"}}`,
		"{\"attributes\":{\"sales_role\":\"\xff\xfe\"}}", `{"attributes":{"ip_acl_entries":"10.0.0.0/8, ::1"}}`, `{"attributes":{"username":" "}}`,
		`{"attributes":{"unavailable_kind":"user","unavailable_target":"nobody"}}`, `{"remove":{"permission_group":["Reps"]}}`, `{"attributes":null}`,
		`{"attributes":{"timezone":"../../etc/passwd"}}`, `{"attributes":{"caller_id_number":"+1"}}`, `{"attributes":{"sales_role":"=1+1","\u0000":1}}`,
	} {
		f.Add(body)
	}
	s, d := fuzzed(f)
	f.Fuzz(func(t *testing.T, body string) {
		r := ask(t, s, Manager, "PATCH", "/v1/users/rep1@example.com", body)
		if r.status >= 500 || r.status == 404 {
			t.Fatalf("%q is answered %d: %s", body, r.status, r.body)
		}
		if u, err := d.User(t.Context(), "rep2@example.com"); err != nil || u.Version != 1 {
			t.Fatalf("%q touched somebody else: %v", body, err)
		}
	})
}

// Whatever a filter says, users are found or it is refused.
func FuzzFind(f *testing.F) {
	for _, filter := range []string{"role=Agent|x desk=a", `name~"%_' OR 1=1 --"`, "ring_timeout_seconds=20", "empty=tag", "set=", "country!=", "~~~", "license=|", "status=all|x", "devices~x", "ip_acl_enabled=true"} {
		f.Add(filter, "last_name")
	}
	s, _ := fuzzed(f)
	f.Fuzz(func(t *testing.T, filter, order string) {
		q := url.Values{"filter": {filter}, "order": {order}}
		if r := ask(t, s, Manager, "GET", "/v1/users?"+q.Encode(), ""); r.status >= 500 {
			t.Fatalf("%q by %q is answered %d: %s", filter, order, r.status, r.body)
		}
	})
}

// Whatever a file holds, it is a dry run or refused.
func FuzzImport(f *testing.F) {
	for _, file := range []string{
		"username,email\nx1,x1@example.com\n", "username\n\"=HYPERLINK(1)\"\n", "\xef\xbb\xbfusername,tag\nx1,a;b\n", "username,username\nx,y\n", "id\nnobody\n",
		"username\tx\n", `[{"username":1}]`, `[[]]`, "username,ring_timeout_seconds\nrep1@acme.example.com,x\n", "username\n\x00\n", "status,username\nactive,x9\n",
	} {
		f.Add(file, true)
		f.Add(file, false)
	}
	s, d := fuzzed(f)
	f.Fuzz(func(t *testing.T, file string, csv bool) {
		kind := "application/json"
		if csv {
			kind = "text/csv"
		}
		if r := ask(t, s, Manager, "POST", "/v1/users:import", file, "Content-Type", kind); r.status >= 500 {
			t.Fatalf("%q is answered %d: %s", file, r.status, r.body)
		}
		if n, err := d.Count(t.Context(), dialer.Query{}); err != nil || n != 2 {
			t.Fatalf("%q made %d users of 2: %v", file, n, err)
		}
	})
}

func TestReseeded(t *testing.T) {
	u := controltest.Person(1)
	u.SystemRole = dialer.SystemRoleUser
	mapping := []sync.MappedField{
		{Field: "extension", Own: sync.OwnSeeded, Value: "777"},
		{Field: "title", Own: sync.OwnSalesforce, Value: "Boss"},
		{Field: "role", Own: sync.OwnSeeded, Value: []string{"Closer"}},
		{Field: "country", Own: sync.OwnSeeded, Value: "US", Held: true},
	}
	next, fields, err := reseeded(&u, mapping, nil)
	if err != nil || next.Extension != "777" || next.One(dialer.KindRole) != "Closer" || next.Title != u.Title || len(fields) != 2 {
		t.Errorf("all: %v, %v, %+v", err, fields, next)
	}
	next, _, err = reseeded(&u, mapping, []dialer.Field{"extension"})
	if err != nil || next.Extension != "777" || next.One(dialer.KindRole) != dialer.DefaultRole {
		t.Errorf("one: %v, %+v", err, next)
	}
	for _, f := range []dialer.Field{"title", "country", "shoe"} {
		if _, _, err := reseeded(&u, mapping, []dialer.Field{f}); err == nil {
			t.Errorf("%s is seeded again", f)
		}
	}
}
