package control

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// limitedWorld gives a server whose tokens are those of tests and one of a
// manager limited to a desk and a tag, in which rep1 is. What it returns asks
// as that manager.
func limitedWorld(t *testing.T, s *world) func(method, path, body string) reply {
	t.Helper()
	if r := s.ask(t, Admin, "PATCH", rep1, `{"add":{"desk":["EMEA West"]}}`); r.status != 200 {
		t.Fatalf("prepare: %d %s", r.status, r.body)
	}
	text := "manager(desk=EMEA West, tag=vip) lim limited-token-for-tests-only\n"
	for _, r := range Roles() {
		text += string(r) + " the-" + string(r) + " " + secret(r) + "\n"
	}
	tokens, err := ReadTokens(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	s.Reload(tokens)
	return func(method, path, body string) reply {
		r := httptest.NewRequestWithContext(t.Context(), method, inAcme(path), strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer limited-token-for-tests-only")
		w := httptest.NewRecorder()
		s.Handler(false).ServeHTTP(w, r)
		return reply{w.Code, w.Header(), w.Body.Bytes()}
	}
}

func TestLimitedManager(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		ask := limitedWorld(t, s)
		const rep2 = "/v1/users/rep2@acme.example.com"
		page := decode[UserPage](t, ask("GET", "/v1/users", ""))
		if len(page.Users) != 1 || page.Users[0].Username != "rep1@acme.example.com" {
			t.Errorf("sees %+v", page.Users)
		}
		if r := ask("GET", "/v1/users:export?columns=username", ""); strings.Contains(string(r.body), "rep2") || !strings.Contains(string(r.body), "rep1") {
			t.Errorf("exports %s", r.body)
		}
		if me := decode[Me](t, ask("GET", "/v1/me", "")); !cmp.Equal(me.Within, []dialer.Group{{Kind: "desk", Name: "EMEA West"}, {Kind: "tag", Name: "vip"}}) {
			t.Errorf("is limited to %v", me.Within)
		}
		if r := ask("PATCH", rep1, `{"attributes":{"ring_timeout_seconds":30},"add":{"tag":["vip"]}}`); r.status != 200 {
			t.Errorf("edits their own: %d %s", r.status, r.body)
		}
		for _, tc := range []struct {
			method, path, body string
			status             int
			code               Code
		}{
			{"GET", rep2, "", 404, CodeNotFound},
			{"PATCH", rep2, `{"attributes":{"ring_timeout_seconds":30}}`, 404, CodeNotFound},
			{"PATCH", rep2, `{"add":{"desk":["EMEA West"]}}`, 404, CodeNotFound},
			{"DELETE", rep2, "", 404, CodeNotFound},
			{"POST", rep2 + ":deactivate", "{}", 404, CodeNotFound},
			{"POST", rep2 + ":reseed", "{}", 404, CodeNotFound},
			{"POST", rep2 + ":reset-password", "{}", 404, CodeNotFound},
			{"GET", rep2 + "/activity", "", 404, CodeNotFound},
			{"GET", rep2 + "/explain", "", 404, CodeNotFound},
			{"GET", rep2 + "/inbound?number=%2B12025550143", "", 404, CodeNotFound},
			{"PATCH", rep1, `{"attributes":{"desk":["APAC"],"tag":[]}}`, 403, CodeForbidden},
			{"PATCH", rep1, `{"attributes":{"desk":[],"tag":[]}}`, 403, CodeForbidden},
			{"PATCH", rep1, `{"add":{"desk":["APAC"]}}`, 403, CodeForbidden},
			{"PATCH", rep1, `{"attributes":{"member_all_desks":true}}`, 403, CodeForbidden},
			{"POST", "/v1/mass-actions", `{"scope":{"filter":"status=active"},"action":"set","field":"member_all_desks","value":true}`, 403, CodeForbidden},
			{"POST", "/v1/users", `{"attributes":{"username":"x1","email":"x1@example.com"}}`, 403, CodeForbidden},
			{"POST", "/v1/users:add", `{"users":["new@example.com"]}`, 403, CodeForbidden},
			{"POST", "/v1/users:import", `[]`, 403, CodeForbidden},
			{"GET", "/v1/activity", "", 403, CodeForbidden},
			{"GET", "/v1/attention", "", 403, CodeForbidden},
			{"GET", "/v1/sessions", "", 403, CodeForbidden},
			{"POST", "/v1/sessions:end", `{"user":"rep2@acme.example.com"}`, 403, CodeForbidden},
			{"GET", "/v1/salesforce/users", "", 403, CodeForbidden},
			{"GET", "/v1/runs", "", 403, CodeForbidden},
			{"POST", "/v1/sync", `{}`, 403, CodeForbidden},
			{"POST", "/v1/groups", `{"kind":"tag","name":"x"}`, 403, CodeForbidden},
			{"POST", "/v1/mass-actions", `{"scope":{"filter":"status=active"},"action":"add","field":"desk","value":["APAC"]}`, 403, CodeForbidden},
			{"POST", "/v1/mass-actions", `{"scope":{"all":true},"action":"deactivate"}`, 403, CodeForbidden},
		} {
			r := ask(tc.method, tc.path, tc.body)
			if p := refused(t, r, tc.status, tc.code); strings.Contains(p.Message, "rep2") {
				t.Errorf("%s %s: tells of the user: %s", tc.method, tc.path, p.Message)
			}
		}
		if u := s.user(t, "rep2@acme.example.com"); u.Version != 1 {
			t.Errorf("somebody else's user was changed: %+v", u)
		}
	})
}

func TestLimitedMass(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		ask := limitedWorld(t, s)
		body := fmt.Sprintf(`{"scope":{"ids":[%q,%q]},"action":"set","field":"ring_timeout_seconds","value":30}`, s.ids["rep1@acme.example.com"], s.ids["rep2@acme.example.com"])
		m := decode[dialer.MassAction](t, ask("POST", "/v1/mass-actions", body))
		if m.Preview.Changed != 1 || m.Preview.Refused+m.Preview.Changed != m.Total {
			t.Errorf("by ids: %+v", m)
		}
		m = decode[dialer.MassAction](t, ask("POST", "/v1/mass-actions", `{"scope":{"filter":"status=active"},"action":"deactivate"}`))
		if m.Total != 1 {
			t.Errorf("by a filter: %+v", m)
		}
		other := decode[dialer.MassAction](t, s.ask(t, Admin, "POST", "/v1/mass-actions", `{"scope":{"filter":"status=active"},"action":"deactivate"}`))
		for _, rest := range []string{"", "/results", "/events"} {
			refused(t, ask("GET", fmt.Sprintf("/v1/mass-actions/%d%s", other.ID, rest), ""), 404, CodeNotFound)
		}
		refused(t, ask("POST", fmt.Sprintf("/v1/mass-actions/%d:start", other.ID), `{"confirm_count":3}`), 404, CodeNotFound)
		for _, a := range decode[MassPage](t, ask("GET", "/v1/mass-actions", "")).MassActions {
			if a.Actor.Name != "lim" {
				t.Errorf("sees a mass action of %s", a.Actor.Name)
			}
		}
	})
}

func TestLimitedTokens(t *testing.T) {
	for _, line := range []string{
		"manager() x some-token-of-a-manager", "manager(desk) x some-token-of-a-manager", "manager(shoe=1) x some-token-of-a-manager",
		"manager(desk=EMEA x some-token-of-a-manager", "admin(desk=EMEA) x some-token-of-an-admin", "manager(desk=) x some-token-of-a-manager",
	} {
		if _, err := ReadTokens(strings.NewReader(line + "\n")); err == nil || strings.Contains(err.Error(), "token-of") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestMeAsAUser(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		tokens, err := ReadTokens(strings.NewReader("viewer REP1@acme.example.com " + secret(Viewer) + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		s.Reload(tokens)
		me := decode[Me](t, s.ask(t, Viewer, "GET", "/v1/me", ""))
		if me.User == nil || me.User.Username != "rep1@acme.example.com" || me.User.Attributes["ring_timeout_seconds"] != 20.0 {
			t.Errorf("me is %+v", me)
		}
		if me := decode[Me](t, s.ask(t, Viewer, "GET", "/v1/me?org=beta", "")); me.User != nil {
			t.Errorf("in the other org I am %+v", me.User)
		}
	})
}

// foreseer is an enroller that says of everybody what the rules make of them:
// whose name begins with e is on the desk EMEA West, the others on APAC.
type foreseer struct{ enroller }

func (f foreseer) Explain(_ context.Context, ref string) (sync.Explanation, error) {
	if strings.HasPrefix(ref, "nobody") {
		return sync.Explanation{}, sync.ErrUnknownUser
	}
	desk := "APAC"
	if strings.HasPrefix(ref, "e") {
		desk = "EMEA West"
	}
	return sync.Explanation{Asked: ref, Mapping: []sync.MappedField{
		{Field: "username", Value: ref}, {Field: "email", Value: ref}, {Field: "desk", Own: sync.OwnSeeded, Value: []string{desk}},
	}}, nil
}

// A limited manager adds people who land in their groups, by the rules or by
// what they are given, and nobody else.
func TestLimitedManagerAdds(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		ask := limitedWorld(t, s)
		org := s.o.Orgs["acme"]
		s.o.Orgs["acme"] = Org{Engine: foreseer{enroller{s.engine, org.Directory}}, Directory: org.Directory}
		for body, says := range map[string]string{
			`{"users":["eve@example.com","ann@example.com"]}`:                           "users[1]",
			`{"users":["nobody@example.com"]}`:                                          "users[0]",
			`{"users":["ann@example.com"],"attributes":{"tag":["other"]}}`:              "users[0]",
			`{"users":["eve@example.com"],"attributes":{"desk":["APAC"]}}`:              "users[0]",
			`{"users":["eve@example.com"],"attributes":{"member_all_desks":true}}`:      "users[0]",
			`{"users":["rep2@acme.example.com"],"attributes":{"desk":["EMEA West"]}}`:   "users[0]",
			`{"users":["eve@example.com"],"overrides":{"eve@example.com":{"desk":[]}}}`: "users[0]",
		} {
			p := refused(t, ask("POST", "/v1/users:add", body), 403, CodeForbidden)
			if !strings.Contains(p.Message, "desk=EMEA West or tag=vip") || !strings.Contains(p.Fields[0].Location, says) || strings.Contains(p.Message, "@") {
				t.Errorf("%s: %s at %+v", body, p.Message, p.Fields)
			}
		}
		if _, err := s.dirs["acme"].User(t.Context(), "eve@example.com"); err == nil {
			t.Error("somebody was added beside who was refused")
		}
		for _, body := range []string{`{"users":["eve@example.com"]}`, `{"users":["bo@example.com"],"attributes":{"tag":["vip"]}}`} {
			r := ask("POST", "/v1/users:add", body)
			if added := decode[Added](t, r); r.status != 200 || len(added.Results) != 1 || added.Results[0].Detail != "" {
				t.Errorf("%s: %d %s", body, r.status, r.body)
			}
		}
		if u := s.user(t, "bo@example.com"); !cmp.Equal(u.In(dialer.KindTag), []string{"vip"}) {
			t.Errorf("bo is %+v", u.Groups)
		}

		refused(t, ask("POST", "/v1/users", `{"attributes":{"username":"x1","email":"x1@example.com","desk":["APAC"]}}`), 403, CodeForbidden)
		if r := ask("POST", "/v1/users", `{"attributes":{"username":"x1","email":"x1@example.com","desk":["EMEA West"]}}`); r.status != 201 {
			t.Errorf("created: %d %s", r.status, r.body)
		}
		if r := s.ask(t, Admin, "PATCH", "/v1/org", `{"settings":{"default_groups":[{"kind":"tag","name":"vip"}]}}`); r.status != 200 {
			t.Fatalf("default: %d %s", r.status, r.body)
		}
		if r := ask("POST", "/v1/users", `{"attributes":{"username":"x2","email":"x2@example.com"}}`); r.status != 201 {
			t.Errorf("created into a default group: %d %s", r.status, r.body)
		}
	})
}
