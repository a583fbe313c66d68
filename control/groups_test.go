package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
)

func TestGroups(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		for _, k := range decode[GroupKindPage](t, s.ask(t, Viewer, "GET", "/v1/group-kinds", "")).Kinds {
			r := s.ask(t, Admin, "POST", "/v1/groups", fmt.Sprintf(`{"kind":%q,"name":"New one"}`, k.Kind))
			g := decode[dialer.GroupInfo](t, r)
			if r.status != 201 || g.Kind != k.Kind || g.Name != "New one" {
				t.Errorf("add a %s: %d %s", k.Kind, r.status, r.body)
			}
		}
		r := s.ask(t, Manager, "POST", "/v1/groups", `{"kind":"department","name":"Outbound","settings":{"after_call_work_seconds":30,"dispositions":["sold","no"]}}`)
		g := decode[dialer.GroupInfo](t, r)
		if r.status != 201 || g.Settings["after_call_work_seconds"] != 30.0 {
			t.Fatalf("add: %d %s", r.status, r.body)
		}
		path := fmt.Sprintf("/v1/groups/%d", g.ID)
		g = decode[dialer.GroupInfo](t, s.ask(t, Manager, "PATCH", path, `{"name":"Outbound West","settings":{"after_call_work_seconds":null}}`))
		if g.Name != "Outbound West" || g.Settings["after_call_work_seconds"] != 0.0 || !cmp.Equal(g.Settings["dispositions"], []any{"sold", "no"}) {
			t.Errorf("edited: %+v", g)
		}
		for _, tc := range []struct {
			name, method, path, body string
			role                     Role
			status                   int
			code                     Code
		}{
			{"permission group", "POST", "/v1/groups", `{"kind":"permission_group","name":"Closers"}`, Manager, 403, CodeForbidden},
			{"kind", "POST", "/v1/groups", `{"kind":"shoe","name":"x"}`, Admin, 422, CodeInvalid},
			{"kind of a list", "GET", "/v1/groups?kind=shoe", "", Admin, 422, CodeInvalid},
			{"name", "POST", "/v1/groups", `{"kind":"tag","name":""}`, Admin, 422, CodeInvalid},
			{"setting", "POST", "/v1/groups", `{"kind":"tag","name":"x","settings":{"shoe":1}}`, Admin, 422, CodeInvalid},
			{"value", "PATCH", path, `{"settings":{"after_call_work_seconds":99999}}`, Admin, 422, CodeInvalid},
			{"nobody's", "GET", "/v1/groups/999999", "", Admin, 404, CodeNotFound},
			{"another org's", "GET", path + "?org=beta", "", Admin, 404, CodeNotFound},
			{"another org's, changed", "PATCH", path + "?org=beta", `{"name":"x"}`, Admin, 404, CodeNotFound},
			{"another org's, deleted", "DELETE", path + "?org=beta", "", Admin, 404, CodeNotFound},
		} {
			r := s.ask(t, tc.role, tc.method, tc.path, tc.body)
			if p := refused(t, r, tc.status, tc.code); p.Code == CodeInvalid && tc.name == "value" && (len(p.Fields) != 1 || p.Fields[0].Location != "body.settings.after_call_work_seconds") {
				t.Errorf("%s: fields are %v", tc.name, p.Fields)
			}
		}
		// Members have to go somewhere.
		if r := s.ask(t, Manager, "PATCH", "/v1/users/rep3@acme.example.com", `{"attributes":{"department":"Outbound West"}}`); r.status != 200 {
			t.Fatalf("join: %d %s", r.status, r.body)
		}
		refused(t, s.ask(t, Manager, "DELETE", path, ""), 409, CodeInUse)
		refused(t, s.ask(t, Manager, "DELETE", path+"?move_to=Nowhere", ""), 422, CodeInvalid)
		if d := decode[GroupDeleted](t, s.ask(t, Manager, "DELETE", path+"?move_to=New+one", "")); d.Moved != 1 {
			t.Errorf("deleted: %+v", d)
		}
		if u := s.user(t, "rep3@acme.example.com"); u.One(dialer.KindDepartment) != "New one" {
			t.Errorf("the member is in %q", u.One(dialer.KindDepartment))
		}
	})
}

func TestOrgSettings(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		region := func() Region {
			return decode[Region](t, s.ask(t, Viewer, "GET", "/v1/org/region?country=DE", ""))
		}
		r := s.ask(t, Admin, "PATCH", "/v1/org", `{"settings":{"country_regions":[{"country":"DE","region":"EU"}],"extension_first":"200","extension_last":"203"}}`)
		if r.status != 200 {
			t.Fatalf("set: %d %s", r.status, r.body)
		}
		if got := region(); got.Effective != "US" || got.Configured != "EU" || got.Entitled {
			t.Errorf("without the entitlement: %+v", got)
		}
		refused(t, s.ask(t, Manager, "PATCH", "/v1/org", `{"settings":{"international":true}}`), 403, CodeForbidden)
		refused(t, s.ask(t, Support, "PATCH", "/v1/org", `{"settings":{"default_country":"US"}}`), 403, CodeForbidden)
		refused(t, s.ask(t, Admin, "PATCH", "/v1/org", `{"settings":{"default_country":"Germany"}}`), 422, CodeInvalid)
		refused(t, s.ask(t, Admin, "PATCH", "/v1/org", `{"settings":{"shoe":1}}`), 422, CodeInvalid)
		if v := decode[OrgView](t, s.ask(t, Support, "PATCH", "/v1/org", `{"settings":{"international":true}}`)); v.Org != "acme" || v.Settings["international"] != true || len(v.Attributes) == 0 {
			t.Errorf("granted: %+v", v)
		}
		if got := region(); got.Effective != "EU" || !got.Entitled {
			t.Errorf("with the entitlement: %+v", got)
		}
		if v := decode[OrgView](t, s.ask(t, Viewer, "GET", "/v1/org?org=beta", "")); v.Settings["international"] != false {
			t.Errorf("the other org has it too: %+v", v)
		}
		if e := decode[ExtensionPage](t, s.ask(t, Viewer, "GET", "/v1/org/extensions?count=2", "")); !cmp.Equal(e.Extensions, []string{"200", "201"}) {
			t.Errorf("free extensions: %v", e)
		}
	})
}

func TestLicenseHistory(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		for _, n := range []string{"9", "1"} {
			if r := s.ask(t, Admin, "PATCH", "/v1/licenses/powerdialer", `{"purchased":`+n+`}`); r.status != 200 {
				t.Fatalf("set: %d %s", r.status, r.body)
			}
		}
		page := decode[PurchasePage](t, s.ask(t, Viewer, "GET", "/v1/licenses/powerdialer/history", ""))
		if len(page.Purchases) != 2 || page.Purchases[0].Before != 9 || page.Purchases[0].After != 1 || page.Purchases[1].Before != 5 || page.Purchases[0].Actor.Name != "the-admin" {
			t.Errorf("history: %+v", page)
		}
		if got := decode[LicensePage](t, s.ask(t, Viewer, "GET", "/v1/licenses", "")).Over; !cmp.Equal(got, []string{"powerdialer"}) {
			t.Errorf("over-allocated: %v", got)
		}
		if got := decode[PurchasePage](t, s.ask(t, Viewer, "GET", "/v1/licenses/powerdialer/history?org=beta", "")); len(got.Purchases) != 0 {
			t.Errorf("the other org sees %+v", got)
		}
		refused(t, s.ask(t, Viewer, "GET", "/v1/licenses/gold/history", ""), 404, CodeNotFound)
	})
}

func TestInbound(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		if r := s.ask(t, Manager, "POST", "/v1/groups", `{"kind":"area_code_group","name":"Utah","settings":{"codes":["801","385"]}}`); r.status != 201 {
			t.Fatalf("add: %d %s", r.status, r.body)
		}
		may := func(number string) bool {
			return decode[Inbound](t, s.ask(t, Viewer, "GET", rep1+"/inbound?number="+number, "")).Allowed
		}
		if !may("%2B12025550143") {
			t.Error("without a restriction everybody gets through")
		}
		if r := s.ask(t, Manager, "PATCH", rep1, `{"attributes":{"area_code_group":["Utah"]}}`); r.status != 200 {
			t.Fatalf("restrict: %d %s", r.status, r.body)
		}
		if !may("%2B18015550100") || may("%2B12025550143") {
			t.Error("the restriction does not hold")
		}
	})
}

func TestNumbers(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		if r := s.ask(t, Manager, "POST", "/v1/numbers", `{"number":"(202) 555-0143","note":"front"}`); r.status != 201 {
			t.Fatalf("add: %d %s", r.status, r.body)
		}
		page := decode[NumberPage](t, s.ask(t, Viewer, "GET", "/v1/numbers", ""))
		if len(page.Numbers) != 1 || page.Numbers[0].Number != "+12025550143" {
			t.Errorf("numbers: %+v", page)
		}
		refused(t, s.ask(t, Manager, "POST", "/v1/numbers", `{"number":"nonsense"}`), 422, CodeInvalid)
		if got := decode[NumberPage](t, s.ask(t, Viewer, "GET", "/v1/numbers?org=beta", "")); len(got.Numbers) != 0 {
			t.Errorf("the other org has %+v", got)
		}
		if r := s.ask(t, Manager, "DELETE", "/v1/numbers/%2B12025550143", ""); r.status != 200 {
			t.Errorf("remove: %d %s", r.status, r.body)
		}
	})
}

func TestTemplates(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		if r := s.ask(t, Manager, "POST", "/v1/groups", `{"kind":"template","name":"Closers","settings":{"ring_timeout_seconds":40,"tag":["closer"],"recording_enabled":"true"}}`); r.status != 201 {
			t.Fatalf("add: %d %s", r.status, r.body)
		}
		r := s.ask(t, Manager, "POST", "/v1/users", `{"template":"Closers","attributes":{"username":"desk","email":"desk@example.com","ring_timeout_seconds":50}}`)
		if r.status != 201 {
			t.Fatalf("create: %d %s", r.status, r.body)
		}
		u := s.user(t, "desk")
		if dialer.FieldRingTimeout.Text(&u) != "50" || u.One(dialer.KindTag) != "closer" || !dialer.FieldRecordingEnabled.Flag(&u) || u.One(dialer.KindTemplate) != "Closers" {
			t.Errorf("created: %+v", u)
		}
		p := refused(t, s.ask(t, Manager, "POST", "/v1/users", `{"template":"None","attributes":{"username":"x2","email":"x2@example.com"}}`), 422, CodeInvalid)
		if !strings.Contains(p.Message, "template") {
			t.Errorf("error is %q", p.Message)
		}
	})
}
