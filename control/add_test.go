package control

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// enroller is an engine that adds people to a real directory.
type enroller struct {
	*controltest.Engine
	d Directory
}

func (e enroller) Add(ctx context.Context, refs, seats []string, a dialer.Actor, _ string) ([]sync.AddResult, error) {
	var out []sync.AddResult
	if len(seats) == 0 {
		seats = []string{"powerdialer"}
	}
	for _, ref := range refs {
		sfid := fmt.Sprintf("005%012dAAA", 8000+int(ref[0])) // the tests' names begin with different letters
		r := e.d.Apply(ctx, []dialer.Change{{
			Verb: dialer.VerbCreate, Seats: seats, NoSeat: dialer.NoSeatReject, Actor: a,
			User: dialer.User{SalesforceID: sfid, Username: ref, Email: ref, IntegrationInfo: dialer.IntegrationOK},
		}})[0]
		if r.Err != nil {
			return nil, r.Err
		}
		out = append(out, sync.AddResult{Ref: ref, SalesforceID: sfid, UserID: r.UserID, Outcome: "added"})
	}
	return out, nil
}

func TestAddWithATemplate(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		org := s.o.Orgs["acme"]
		s.o.Orgs["acme"] = Org{Engine: enroller{s.engine, org.Directory}, Directory: org.Directory}
		if r := s.ask(t, Admin, "POST", "/v1/groups", `{"kind":"template","name":"Closers","settings":{"ring_timeout_seconds":40,"permission_group":["Managers"],"tag":["closer"],"license_types":["office"]}}`); r.status != 201 {
			t.Fatalf("template: %d %s", r.status, r.body)
		}
		body := `{"users":["ann@example.com","bo@example.com"],"template":"Closers","attributes":{"recording_enabled":true},
			"overrides":{"bo@example.com":{"ring_timeout_seconds":60,"caller_id_number":"+12025550143"}},"reason":"CASE-5"}`
		r := s.ask(t, Manager, "POST", "/v1/users:add", body)
		added := decode[Added](t, r)
		if r.status != 200 || len(added.Results) != 2 || added.Results[0].Detail != "" || added.Results[1].Detail != "" {
			t.Fatalf("added: %d %s", r.status, r.body)
		}
		for name, timeout := range map[string]string{"ann@example.com": "40", "bo@example.com": "60"} {
			u := s.user(t, name)
			if dialer.FieldRingTimeout.Text(&u) != timeout || u.One(dialer.KindPermissionGroup) != "Managers" || u.One(dialer.KindTag) != "closer" ||
				!dialer.FieldRecordingEnabled.Flag(&u) || u.One(dialer.KindTemplate) != "Closers" || !cmp.Equal(u.LicenseTypes, []string{"office", "powerdialer"}) {
				t.Errorf("%s is %+v", name, u)
			}
		}
		for _, tc := range []struct{ name, body, says string }{
			{"template", `{"users":["x@example.com"],"template":"None"}`, "template"},
			{"attribute", `{"users":["x@example.com"],"attributes":{"shoe":1}}`, "shoe"},
			{"value", `{"users":["x@example.com"],"attributes":{"ring_timeout_seconds":1}}`, "ring_timeout_seconds"},
			{"override", `{"users":["x@example.com"],"overrides":{"x@example.com":{"ring_timeout_seconds":1}}}`, "ring_timeout_seconds"},
			{"somebody else", `{"users":["x@example.com"],"overrides":{"y@example.com":{"ring_timeout_seconds":30}}}`, "overrides"},
			{"license", `{"users":["x@example.com"],"license_types":["gold"]}`, "gold"},
		} {
			p := refused(t, s.ask(t, Manager, "POST", "/v1/users:add", tc.body), 422, CodeInvalid)
			if !strings.Contains(p.Message, tc.says) {
				t.Errorf("%s: error is %q", tc.name, p.Message)
			}
		}
		if _, err := s.dirs["acme"].User(t.Context(), "x@example.com"); err == nil {
			t.Error("somebody was added all the same")
		}
		// Seats instead of the default ones.
		if r := s.ask(t, Admin, "PATCH", "/v1/licenses/office", `{"purchased":9}`); r.status != 200 {
			t.Fatalf("seats: %d %s", r.status, r.body)
		}
		refused(t, s.ask(t, Manager, "POST", "/v1/users:add", `{"users":["x@example.com"],"only_license_types":true}`), 422, CodeInvalid)
		added = decode[Added](t, s.ask(t, Manager, "POST", "/v1/users:add", `{"users":["di@example.com"],"license_types":["office"],"only_license_types":true}`))
		if u := s.user(t, "di@example.com"); len(added.Results) != 1 || !cmp.Equal(u.LicenseTypes, []string{"office"}) {
			t.Errorf("added with office only: %+v, seats %v", added, u.LicenseTypes)
		}
		// What cannot be done for one of them is told, and stands in nobody's way.
		added = decode[Added](t, s.ask(t, Manager, "POST", "/v1/users:add", `{"users":["cy@example.com"],"attributes":{"international_dialing":true}}`))
		if len(added.Results) != 1 || !strings.HasPrefix(added.Results[0].Detail, "added, but not set up: ") {
			t.Errorf("added without a country: %+v", added)
		}
	})
}
