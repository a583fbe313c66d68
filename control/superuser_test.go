package control

import (
	"strings"
	"testing"

	"github.com/rosterd/rosterd/dialer"
)

// Where the org asks for two administrators, one alone makes nobody a
// superuser, by whatever way.
func TestSuperusersTakeTwo(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		tokens := "admin second second-admin-token-for-tests\n"
		for _, r := range Roles() {
			tokens += string(r) + " the-" + string(r) + " " + secret(r) + "\n"
		}
		list, err := ReadTokens(strings.NewReader(tokens))
		if err != nil {
			t.Fatal(err)
		}
		s.Reload(list)
		other := func(path string) reply {
			return s.ask(t, "", "POST", rep1+path, "", "Authorization", "Bearer second-admin-token-for-tests")
		}
		refused(t, s.ask(t, Admin, "POST", rep1+":ask-superuser", `{"reason":"on call"}`), 409, CodeConflict)
		if r := s.ask(t, Admin, "PATCH", "/v1/org", `{"settings":{"two_person_superusers":true}}`); r.status != 200 {
			t.Fatalf("setting: %d %s", r.status, r.body)
		}
		const promote = `{"attributes":{"is_superuser":true}}`
		p := refused(t, s.ask(t, Admin, "PATCH", rep1, promote), 409, CodeConfirm)
		if !strings.Contains(p.Hint, "another administrator") {
			t.Errorf("hint %q", p.Hint)
		}
		refused(t, s.ask(t, Admin, "POST", "/v1/users", `{"attributes":{"username":"desk","email":"desk@example.com","is_superuser":true}}`), 409, CodeConfirm)
		refused(t, other(":confirm-superuser"), 409, CodeConflict)
		refused(t, s.ask(t, Admin, "POST", rep1+":ask-superuser", `{}`), 422, CodeInvalid)
		r := decode[SuperuserRequest](t, s.ask(t, Admin, "POST", rep1+":ask-superuser", `{"reason":"on call"}`))
		if r.By.Name != "the-admin" || r.Until.Sub(r.At) != dialer.SuperuserTTL {
			t.Errorf("asked: %+v", r)
		}
		if seen := decode[SuperuserState](t, s.ask(t, Viewer, "GET", rep1+"/superuser-request", "")); seen.Request == nil || seen.Request.Reason != "on call" {
			t.Errorf("seen: %+v", seen)
		}
		waiting := func() int {
			return len(decode[SuperuserPage](t, s.ask(t, Viewer, "GET", "/v1/superuser-requests", "")).Requests)
		}
		if n := waiting(); n != 1 || r.UserID != s.ids["rep1@acme.example.com"] {
			t.Errorf("%d wait, of %q", n, r.UserID)
		}
		if others := decode[SuperuserPage](t, s.ask(t, Viewer, "GET", "/v1/superuser-requests?org=beta", "")); len(others.Requests) != 0 {
			t.Errorf("in another org wait %+v", others)
		}
		refused(t, s.ask(t, Admin, "POST", rep1+":confirm-superuser", ""), 403, CodeForbidden)
		refused(t, s.ask(t, Manager, "POST", rep1+":confirm-superuser", ""), 403, CodeForbidden)
		if u := s.user(t, "rep1@acme.example.com"); u.Superuser {
			t.Fatal("one made a superuser alone")
		}
		a := decode[Acted](t, other(":confirm-superuser"))
		if a.Outcome != dialer.Applied || a.User.Attributes[dialer.FieldSuperuser] != true {
			t.Errorf("confirmed: %+v", a)
		}
		log, err := s.dirs["acme"].Activity(t.Context(), dialer.ActivityQuery{UserID: a.User.ID, Newest: true, Limit: 1})
		if err != nil || log[0].Actor.Name != "second" || log[0].Note != "asked for by the-admin; on call" {
			t.Errorf("activity: %+v, %v", log, err)
		}
		if n := waiting(); n != 0 {
			t.Errorf("confirmed, and %d wait", n)
		}
		refused(t, other(":confirm-superuser"), 409, CodeConflict) // a request is good once

		// To end it takes one, and what is withdrawn is gone.
		if r := s.ask(t, Admin, "PATCH", "/v1/users/rep2@acme.example.com", `{"attributes":{"system_role":"admin"}}`); r.status != 200 {
			t.Fatalf("another administrator: %d %s", r.status, r.body)
		}
		if r := s.ask(t, Admin, "PATCH", rep1, `{"attributes":{"is_superuser":false}}`); r.status != 200 {
			t.Errorf("demoted: %d %s", r.status, r.body)
		}
		decode[SuperuserRequest](t, s.ask(t, Admin, "POST", rep1+":ask-superuser", `{"reason":"again"}`))
		decode[SuperuserRequest](t, s.ask(t, Admin, "POST", rep1+":withdraw-superuser", `{"reason":"no"}`))
		refused(t, other(":confirm-superuser"), 409, CodeConflict)
		if seen := decode[SuperuserState](t, s.ask(t, Viewer, "GET", rep1+"/superuser-request", "")); seen.Request != nil {
			t.Errorf("withdrawn, and still there: %+v", seen)
		}
	})
}
