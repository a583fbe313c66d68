package control

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
)

// inAcme names the org acme where a path names none.
func inAcme(path string) string {
	switch {
	case strings.Contains(path, "org="):
		return path
	case strings.Contains(path, "?"):
		return path + "&org=acme"
	}
	return path + "?org=acme"
}

const rep1 = "/v1/users/rep1@acme.example.com"

func TestEditUser(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		r := s.ask(t, Manager, "PATCH", rep1, `{"attributes":{"ring_timeout_seconds":30,"recording_enabled":true,"country":"DE","international_dialing":true,
			"caller_id_number":"(202) 555-0143","role":["Closer","Agent"]},"add":{"tag":["new"]},"reason":"CASE-1"}`)
		if r.status != 200 {
			t.Fatalf("got %d: %s", r.status, r.body)
		}
		a := decode[Acted](t, r)
		if a.Outcome != dialer.Applied || r.header.Get("ETag") != `"2"` || a.User.Version != 2 {
			t.Errorf("got %s, version %d, ETag %s", a.Outcome, a.User.Version, r.header.Get("ETag"))
		}
		u := s.user(t, "rep1@acme.example.com")
		for f, want := range map[dialer.Field]any{
			dialer.FieldRingTimeout: int64(30), dialer.FieldRecordingEnabled: true, dialer.FieldCountry: "DE", dialer.FieldInternationalDialing: true,
			dialer.FieldRole: []string{"Agent", "Closer"}, dialer.FieldTag: []string{"new"},
		} {
			if diff := cmp.Diff(f.Value(&u), want); diff != "" {
				t.Errorf("%s (-got +want):\n%s", f, diff)
			}
		}
		log, err := s.dirs["acme"].Activity(t.Context(), dialer.ActivityQuery{UserID: u.ID, Newest: true, Limit: 1})
		if err != nil || len(log) != 1 || log[0].Note != "CASE-1" || log[0].Actor != (dialer.Actor{Kind: "manager", Name: "the-manager"}) ||
			!strings.Contains(string(log[0].After), `"ring_timeout_seconds":30`) || !strings.Contains(string(log[0].Before), `"ring_timeout_seconds":20`) {
			t.Errorf("the activity log says %+v, %v", log, err)
		}

		a = decode[Acted](t, s.ask(t, Manager, "PATCH", rep1, `{"attributes":{"ring_timeout_seconds":null},"remove":{"role":["Closer"]}}`))
		u = s.user(t, u.ID)
		if got := u.In(dialer.KindRole); dialer.FieldRingTimeout.Text(&u) != "20" || len(got) != 1 {
			t.Errorf("after taking back: timeout %s, roles %v, %s", dialer.FieldRingTimeout.Text(&u), got, a.Outcome)
		}
		if a = decode[Acted](t, s.ask(t, Manager, "PATCH", rep1, `{"attributes":{"call_waiting":true}}`)); a.Outcome != dialer.Unchanged {
			t.Errorf("writing what is so already: %s", a.Outcome)
		}
	})
}

func TestEditRefuses(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		before := s.user(t, "rep1@acme.example.com")
		for _, tc := range []struct {
			name   string
			role   Role
			body   string
			status int
			code   Code
			fields []string
		}{
			{"nothing", Manager, `{}`, 422, CodeInvalid, nil},
			{
				"all that is wrong", Manager, `{"attributes":{"ring_timeout_seconds":1000,"caller_id_number":"x","nonsense":1,"integration_status":"integrated","recording_ratio":"half"}}`, 422, CodeInvalid,
				[]string{"caller_id_number", "integration_status", "nonsense", "recording_ratio", "ring_timeout_seconds"},
			},
			{"what it needs", Manager, `{"attributes":{"international_dialing":true}}`, 422, CodeInvalid, []string{"international_dialing"}},
			{"last role", Manager, `{"remove":{"role":["Agent"]}}`, 422, CodeInvalid, []string{"role"}},
			{"no group", Manager, `{"add":{"country":["DE"]}}`, 422, CodeInvalid, []string{"country"}},
			{"Salesforce's", Manager, `{"attributes":{"first_name":"Other","ring_timeout_seconds":1}}`, 409, CodeSalesforce, []string{"first_name", "ring_timeout_seconds"}},
			{"power", Manager, `{"attributes":{"is_superuser":true,"system_role":"admin"}}`, 403, CodeForbidden, []string{"is_superuser", "system_role"}},
			{"role too low", Support, `{"attributes":{"ring_timeout_seconds":30}}`, 403, CodeForbidden, nil},
			{"wrong shape", Manager, `{"attributes":[]}`, 422, CodeInvalid, []string{"attributes"}},
			{"extension of somebody", Manager, `{"attributes":{"extension":"102"}}`, 409, CodeTaken, []string{"extension"}},
		} {
			p := refused(t, s.ask(t, tc.role, "PATCH", rep1, tc.body), tc.status, tc.code)
			var got []string
			for _, f := range p.Fields {
				got = append(got, f.Location[strings.LastIndex(f.Location, ".")+1:])
			}
			if diff := cmp.Diff(got, tc.fields); diff != "" {
				t.Errorf("%s: fields (-got +want):\n%s", tc.name, diff)
			}
		}
		if after := s.user(t, before.ID); after.Version != before.Version {
			t.Errorf("something was written: %+v", after)
		}
		// What is Salesforce's of others is the administrator's of a local user.
		if r := s.ask(t, Manager, "PATCH", "/v1/users/rep3@acme.example.com", `{"attributes":{"first_name":"Other"}}`); r.status != 200 {
			t.Errorf("a local user's name: %d %s", r.status, r.body)
		}
	})
}

func TestEditTellsWhoWasFaster(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		tag := s.ask(t, Viewer, "GET", rep1, "").header.Get("ETag")
		if r := s.ask(t, Admin, "PATCH", rep1, `{"attributes":{"ring_timeout_seconds":45}}`, "If-Match", tag); r.status != 200 {
			t.Fatalf("the first: %d %s", r.status, r.body)
		}
		p := refused(t, s.ask(t, Manager, "PATCH", rep1, `{"attributes":{"ring_timeout_seconds":60}}`, "If-Match", tag), 412, CodeConflict)
		if !strings.Contains(p.Message, "ring_timeout_seconds by the-admin (admin)") || len(p.Changes) != 1 || string(p.Changes[0].After) != `{"ring_timeout_seconds":45}` {
			t.Errorf("the second hears %q, %+v", p.Message, p.Changes)
		}
		u := s.user(t, "rep1@acme.example.com")
		if got := dialer.FieldRingTimeout.Text(&u); got != "45" {
			t.Errorf("the timeout is %s: the first was overwritten", got)
		}
		refused(t, s.ask(t, Manager, "DELETE", rep1, "", "If-Match", tag), 412, CodeConflict)
		refused(t, s.ask(t, Manager, "PATCH", rep1, `{"attributes":{"ring_timeout_seconds":60}}`, "If-Match", `"99"`), 412, CodeConflict)
	})
}

func TestOtherOrgsAreNotThere(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		id := s.ids["rep1@beta.example.com"]
		for _, tc := range []struct{ method, path, body string }{
			{"GET", "/v1/users/" + id, ""},
			{"PATCH", "/v1/users/" + id, `{"attributes":{"ring_timeout_seconds":30}}`},
			{"DELETE", "/v1/users/" + id, ""},
			{"POST", "/v1/users/" + id + ":reseed", `{}`},
			{"GET", "/v1/users/" + id + "/activity", ""},
			{"POST", "/v1/users/" + id + ":deactivate", `{}`},
			{"GET", "/v1/users/rep1@beta.example.com", ""},
		} {
			refused(t, s.ask(t, Admin, tc.method, tc.path, tc.body), 404, CodeNotFound)
		}
		if u, err := s.dirs["beta"].User(t.Context(), id); err != nil || u.Version != 1 || u.Status != dialer.StatusActive {
			t.Errorf("the other org's user: %+v, %v", u, err)
		}
	})
}

func TestCreateUser(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		r := s.ask(t, Manager, "POST", "/v1/users", `{"attributes":{"username":"desk","email":"desk@example.com","first_name":"Front","last_name":"Desk","ring_timeout_seconds":40,"tag":["lobby"]},"reason":"CASE-2"}`)
		if r.status != 201 {
			t.Fatalf("got %d: %s", r.status, r.body)
		}
		u := s.user(t, "desk")
		if u.Origin != dialer.OriginLocal || u.Status != dialer.StatusActive || !cmp.Equal(u.LicenseTypes, []string{"office"}) || dialer.FieldRingTimeout.Text(&u) != "40" || u.One(dialer.KindTag) != "lobby" {
			t.Errorf("created %+v", u)
		}
		for _, tc := range []struct {
			name, body string
			status     int
			code       Code
			says       string
		}{
			{"of Salesforce", `{"attributes":{"username":"x1","email":"x@example.com"},"license_types":["powerdialer"]}`, 422, CodeNotSalesforce, "powerdialer"},
			{"no such type", `{"attributes":{"username":"x1","email":"x@example.com"},"license_types":["gold"]}`, 422, CodeInvalid, "gold"},
			{"nothing", `{"attributes":{}}`, 422, CodeInvalid, "username"},
			{"no address", `{"attributes":{"username":"x1","email":"x"}}`, 422, CodeInvalid, "email"},
			{"linked by hand", `{"attributes":{"username":"x1","email":"x@example.com","salesforce_id":"005000000000001AAA"}}`, 422, CodeInvalid, "salesforce_id"},
			{"power", `{"attributes":{"username":"x1","email":"x@example.com","system_role":"admin"}}`, 403, CodeForbidden, "system_role"},
			{"taken", `{"attributes":{"username":"DESK","email":"x@example.com"}}`, 409, CodeTaken, "username"},
		} {
			if p := refused(t, s.ask(t, Manager, "POST", "/v1/users", tc.body), tc.status, tc.code); !strings.Contains(p.Message, tc.says) {
				t.Errorf("%s: error is %q", tc.name, p.Message)
			}
		}
		if r := s.ask(t, Manager, "POST", "/v1/users", `{"attributes":{"username":"later","email":"later@example.com"},"inactive":true}`); r.status != 201 {
			t.Errorf("inactive: %d %s", r.status, r.body)
		}
		if r := s.ask(t, Manager, "POST", "/v1/users", `{"attributes":{"username":"third","email":"third@example.com"}}`); r.status != 201 {
			t.Errorf("the last seat: %d %s", r.status, r.body)
		}
		refused(t, s.ask(t, Manager, "POST", "/v1/users", `{"attributes":{"username":"fourth","email":"fourth@example.com"}}`), 409, CodeNoSeat)
	})
}

func TestDeleteUser(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		if r := s.ask(t, Admin, "PATCH", "/v1/users/rep2@acme.example.com", `{"attributes":{"protected":true}}`); r.status != 200 {
			t.Fatalf("protect: %d %s", r.status, r.body)
		}
		refused(t, s.ask(t, Admin, "DELETE", "/v1/users/rep2@acme.example.com", ""), 409, CodeProtected)
		refused(t, s.ask(t, Support, "DELETE", rep1, ""), 403, CodeForbidden)
		refused(t, s.ask(t, Admin, "DELETE", "/v1/users/nobody", ""), 404, CodeNotFound)
		id := s.ids["rep1@acme.example.com"]
		for _, want := range []dialer.Outcome{dialer.Applied, dialer.Unchanged} {
			a := decode[Acted](t, s.ask(t, Manager, "DELETE", "/v1/users/"+id+"?reason=left", ""))
			if a.Outcome != want || a.User.Status != dialer.StatusDeleted || len(a.User.LicenseTypes) != 0 {
				t.Errorf("deleted: %s %s %v, want %s", a.Outcome, a.User.Status, a.User.LicenseTypes, want)
			}
		}
		refused(t, s.ask(t, Manager, "PATCH", "/v1/users/"+id, `{"attributes":{"ring_timeout_seconds":30}}`), 404, CodeNotFound)
	})
}

func TestAttributes(t *testing.T) {
	s := newTestServer(t)
	page := decode[AttributePage](t, ask(t, s, Viewer, "GET", "/v1/attributes", ""))
	if len(page.Attributes) != len(dialer.Attributes()) || len(page.Sections) != len(dialer.Sections()) {
		t.Fatalf("got %d attributes in %d sections", len(page.Attributes), len(page.Sections))
	}
	u := decode[User](t, ask(t, s, Viewer, "GET", "/v1/users/rep1@example.com", ""))
	for _, a := range page.Attributes {
		if _, ok := u.Attributes[a.Name]; !ok {
			t.Errorf("the user lacks %s", a.Name)
		}
	}
}

func TestFindUsers(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		for path, body := range map[string]string{
			rep1:                              `{"add":{"desk":["EMEA"],"tag":["vip"]},"attributes":{"ring_timeout_seconds":45}}`,
			"/v1/users/rep2@acme.example.com": `{"add":{"desk":["APAC"]}}`,
		} {
			if r := s.ask(t, Manager, "PATCH", path, body); r.status != 200 {
				t.Fatalf("prepare: %d %s", r.status, r.body)
			}
		}
		for query, want := range map[string][]string{
			"filter=desk%3DEMEA%7CAPAC&order=username":                       {"rep1", "rep2"},
			"filter=desk%3DEMEA%7CAPAC+tag%3Dvip":                            {"rep1"},
			"filter=license%3Doffice":                                        {"rep3"},
			"filter=integration_status%3Dnot_integrated":                     {"rep3"},
			"filter=ring_timeout_seconds%3D45":                               {"rep1"},
			"filter=name~NUMBER2":                                            {"rep2"},
			"filter=empty%3Dcountry&order=last_name&desc=true&limit=2":       {"rep3", "rep2"},
			"filter=role%3DNobody":                                           nil,
			"status=active&order=extension&columns=ring_timeout_seconds,tag": {"rep1", "rep2", "rep3"},
		} {
			page := decode[UserPage](t, s.ask(t, Viewer, "GET", "/v1/users?"+query, ""))
			var got []string
			for _, u := range page.Users {
				got = append(got, strings.Split(u.Username, "@")[0])
				if strings.Contains(query, "columns") != (len(u.Attributes) == 2) {
					t.Errorf("%s: attributes are %v", query, u.Attributes)
				}
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("%s (-got +want):\n%s", query, diff)
			}
			if page.Next != "" {
				rest := decode[UserPage](t, s.ask(t, Viewer, "GET", "/v1/users?"+query+"&cursor="+page.Next, ""))
				if len(rest.Users) != 1 || !strings.HasPrefix(rest.Users[0].Username, "rep1") {
					t.Errorf("%s: the next page is %+v", query, rest.Users)
				}
			}
		}
	})
}
