package control

import (
	"fmt"
	"testing"

	"github.com/rosterd/rosterd/dialer"
)

// Users set their own caller ID where their permission group allows it; the
// number waits when it no longer does. Nothing else is theirs to set.
func TestUsersSetTheirOwnCallerID(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		p := decode[NewPassword](t, s.ask(t, Manager, "POST", rep1+":reset-password", `{"must_change":false}`))
		in := decode[SignedIn](t, s.signIn(t, string(p.Password), ""))
		edit := func(attributes string) reply {
			return s.ask(t, Dialer, "POST", "/v1/sessions:edit", fmt.Sprintf(`{"token":%q,"ip":"192.0.2.7","attributes":%s}`, string(in.Token), attributes))
		}
		const own = `{"caller_id_user_override":"(202) 555-0143"}`
		refused(t, edit(own), 403, CodeForbidden)
		if r := s.ask(t, Admin, "POST", "/v1/groups", `{"kind":"permission_group","name":"Free","settings":{"can_change_caller_id":true}}`); r.status != 201 {
			t.Fatalf("group: %d %s", r.status, r.body)
		}
		if r := s.ask(t, Manager, "PATCH", rep1, `{"attributes":{"permission_group":["Free"],"caller_id_number":"+12025550100"}}`); r.status != 200 {
			t.Fatalf("join: %d %s", r.status, r.body)
		}
		a := decode[Acted](t, edit(own))
		if a.Outcome != dialer.Applied || a.User.Derived.EffectiveCallerID != "+12025550143" {
			t.Fatalf("changed: %+v", a)
		}
		log, err := s.dirs["acme"].Activity(t.Context(), dialer.ActivityQuery{UserID: a.User.ID, Newest: true, Limit: 1})
		if err != nil || log[0].Actor != (dialer.Actor{Kind: "user", Name: a.User.ID}) {
			t.Errorf("the activity log says %+v, %v", log, err)
		}
		refused(t, edit(`{"caller_id_user_override":"reception"}`), 422, CodeInvalid)
		for _, other := range []string{`{"ring_timeout_seconds":30}`, `{"system_role":"admin"}`, `{"first_name":"Other"}`, `{"shoe":1}`, `{"permission_group":["Free"]}`} {
			refused(t, edit(other), 403, CodeForbidden)
		}
		refused(t, edit(`{}`), 422, CodeInvalid)
		if r := s.ask(t, Manager, "PATCH", rep1, `{"attributes":{"permission_group":["Managers"]}}`); r.status != 200 {
			t.Fatalf("leave: %d %s", r.status, r.body)
		}
		refused(t, edit(own), 403, CodeForbidden)
		u := decode[User](t, s.ask(t, Viewer, "GET", rep1, ""))
		if u.Derived.EffectiveCallerID != "+12025550100" || u.Attributes["caller_id_user_override"] != "+12025550143" {
			t.Errorf("the own number is in force, or lost: %s, %v", u.Derived.EffectiveCallerID, u.Attributes["caller_id_user_override"])
		}
	})
}
