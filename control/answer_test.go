package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// What others read: these fields may get company but must not go.
func TestPromisedFields(t *testing.T) {
	s := newTestServer(t)
	ask(t, s, Admin, "POST", "/v1/sync", "{}")
	for path, want := range map[string][]string{
		"/v1/runs/1": {
			"id", "org", "kind", "outcome", "created", "updated", "deactivated", "reactivated", "scheduled", "skipped", "failed", "held",
			"attention", "salesforce_calls", "target_calls", "took_ms",
		},
		"/v1/users/rep1@example.com": {
			"id", "salesforce_id", "username", "email", "first_name", "last_name", "status", "status_reason", "deactivate_at", "license_types",
			"permission_group", "roles", "extension", "timezone", "integration_status", "integration_reason",
		},
		"/v1/licenses#licenses":   {"type", "purchased", "assigned", "left"},
		"/v1/attention#attention": {"id", "kind", "user", "detail", "since"},
		"/v1/status":              {"version", "orgs"},
		"/v1/status#orgs":         {"name", "state", "last_full", "last_change", "mirror_users", "enrolled", "held", "quota"},
		"/v1/quota":               {"used", "max", "budget_left"},
	} {
		at, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		text := ask(t, s, Viewer, "GET", at.Path, "").body
		if at.Fragment != "" {
			var list map[string]json.RawMessage
			var first []json.RawMessage
			if json.Unmarshal(text, &list) != nil || json.Unmarshal(list[at.Fragment], &first) != nil || len(first) == 0 {
				t.Fatalf("%s: %s", path, text)
			}
			text = first[0]
		}
		got := decode[map[string]any](t, reply{body: text})
		for _, field := range want {
			if _, ok := got[field]; !ok {
				t.Errorf("%s lacks %s; it has %v", path, field, slices.Sorted(maps.Keys(got)))
			}
		}
	}
}

func TestEmptyListsAreLists(t *testing.T) {
	e := controltest.NewEngine("acme")
	e.Items, e.Found = nil, nil
	e.Users = controltest.NewDirectory(0)
	s := newTestServer(t, func(o *Options) { o.Orgs = map[string]Org{"acme": {Engine: e, Directory: e.Users}} })
	for path, want := range map[string]string{
		"/v1/users": `{"users":[]}`, "/v1/runs": `{"runs":[]}`, "/v1/attention": `{"attention":[]}`, "/v1/activity": `{"activity":[]}`, "/v1/doctor": `{"ok":true,"checks":[]}`,
	} {
		if r := ask(t, s, Admin, "GET", path, ""); string(r.body) != want+"\n" {
			t.Errorf("%s: got %s, want %s", path, r.body, want)
		}
	}
}

func TestView(t *testing.T) {
	u := controltest.Person(1)
	u.DeactivateAt, u.DeactivateWhy = controltest.Start(), dialer.ReasonSalesforceInactive
	u.SetGroups(dialer.KindRole, "Manager", "Agent")
	u.SetGroups(dialer.KindDepartment, "Sales")
	v := view(&u)
	if v.DeactivateAt == nil || !v.DeactivateAt.Equal(controltest.Start()) || v.DeactivateReason != "salesforce_inactive" || v.DeletedAt != nil {
		t.Errorf("times are %v, %v, %v", v.DeactivateAt, v.DeactivateReason, v.DeletedAt)
	}
	if v.PermissionGroup != "Reps" || !slices.Equal(v.Roles, []string{"Agent", "Manager"}) || v.Department != "Sales" || len(v.Groups) != 4 {
		t.Errorf("groups are %q %q %q %v", v.PermissionGroup, v.Roles, v.Department, v.Groups)
	}
	for _, tc := range []struct{ id, reason, want string }{
		{"005", "ok", "integrated"}, {"005", "", "integrated"}, {"005", "sf_inactive", "not_integrated"}, {"", "", "not_integrated"}, {"", "no_match", "not_integrated"},
	} {
		u.SalesforceID, u.IntegrationInfo = tc.id, tc.reason
		if got := view(&u).IntegrationStatus; got != tc.want {
			t.Errorf("%q %q: got %s, want %s", tc.id, tc.reason, got, tc.want)
		}
	}
}

func TestActions(t *testing.T) {
	s, e := newTestWorld(t)
	r := ask(t, s, Manager, "GET", "/v1/users/rep1@example.com", "")
	tag := r.header.Get("ETag")
	if tag != `"1"` {
		t.Fatalf("the ETag is %s", tag)
	}
	const path = "/v1/users/rep1@example.com"
	a := decode[Acted](t, ask(t, s, Manager, "POST", path+":deactivate", `{"reason":"CASE-9"}`, "If-Match", tag))
	if a.Outcome != "applied" || a.User.Status != "inactive" || a.User.StatusReason != "manual" || !a.User.AdminHold || len(a.User.LicenseTypes) != 0 {
		t.Errorf("deactivated is %+v", a)
	}
	refused(t, ask(t, s, Manager, "POST", path+":activate", "", "If-Match", tag), 409, CodeConflict)
	refused(t, ask(t, s, Manager, "POST", path+":activate", `{"license_types":["office"]}`), 422, CodeInvalid)
	a = decode[Acted](t, ask(t, s, Manager, "POST", path+":activate", ""))
	if a.Outcome != "applied" || a.User.Status != "active" || a.User.AdminHold || !slices.Equal(a.User.LicenseTypes, []string{"powerdialer"}) {
		t.Errorf("activated is %+v", a)
	}
	if a = decode[Acted](t, ask(t, s, Manager, "POST", path+":activate", "")); a.Outcome != "unchanged" || a.User.Version != 3 {
		t.Errorf("activated again is %s at %d", a.Outcome, a.User.Version)
	}
	log, err := e.Users.Activity(t.Context(), dialer.ActivityQuery{Limit: 10})
	if err != nil || len(log) != 2 {
		t.Fatalf("%d entries, %v", len(log), err)
	}
	if want := (dialer.Actor{Kind: "manager", Name: "the-manager"}); log[0].Actor != want || log[0].Note != "CASE-9" || log[0].Reason != "manual" {
		t.Errorf("the log says %+v", log[0])
	}
	refused(t, ask(t, s, Manager, "POST", "/v1/users/nobody:activate", ""), 404, CodeNotFound)
}

func TestSeatsRunOut(t *testing.T) {
	s, _ := newTestWorld(t)
	if r := ask(t, s, Admin, "PATCH", "/v1/licenses/powerdialer", `{"purchased":2}`); decode[dialer.License](t, r).Left != 0 {
		t.Errorf("got %s", r.body)
	}
	refused(t, ask(t, s, Manager, "POST", "/v1/users/rep3@example.com:activate", ""), 409, CodeNoSeat)
	added := decode[Added](t, ask(t, s, Manager, "POST", "/v1/users:add", `{"users":["new@example.com","rep1@example.com","x@example.com"]}`))
	var got []string
	for _, r := range added.Results {
		got = append(got, r.Outcome)
	}
	if !slices.Equal(got, []string{"no_seat", "already", "refused"}) {
		t.Errorf("got %v", got)
	}
}

func TestPaging(t *testing.T) {
	var people []dialer.User
	for n := range 25 {
		people = append(people, controltest.Person(n+1))
	}
	e := controltest.NewEngine("acme")
	e.Users = controltest.NewDirectory(100, people...)
	path := filepath.Join(t.TempDir(), "s")
	s := newTestServer(t, func(o *Options) { o.Orgs, o.Socket = map[string]Org{"acme": {Engine: e, Directory: e.Users}}, path })
	serve(t, s)
	for _, order := range []string{"id", "username", "salesforce_id"} {
		var seen []string
		for cursor, pages := "", 0; pages < 10; pages++ {
			page := decode[UserPage](t, ask(t, s, Viewer, "GET", "/v1/users?limit=10&order="+order+"&cursor="+url.QueryEscape(cursor), ""))
			for _, u := range page.Users {
				seen = append(seen, u.ID)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		slices.Sort(seen)
		if len(seen) != 25 || len(slices.Compact(seen)) != 25 {
			t.Errorf("by %s: %d users, %d different", order, len(seen), len(slices.Compact(seen)))
		}
	}
	c := newTestClient(t, ClientOptions{Socket: path})
	for limit, want := range map[int]int{0: 25, 1: 1, 25: 25, 30: 25} {
		n := 0
		for _, err := range c.Users(t.Context(), UserFilter{Limit: limit}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != want {
			t.Errorf("limit %d: got %d, want %d", limit, n, want)
		}
	}
	for range 5 {
		ask(t, s, Admin, "POST", "/v1/sync", "{}")
	}
	page := decode[RunPage](t, ask(t, s, Viewer, "GET", "/v1/runs?limit=3", ""))
	if len(page.Runs) != 3 || page.Runs[0].ID != 5 || page.Next != 3 {
		t.Errorf("the first page is %v, next %d", page.Runs, page.Next)
	}
	page = decode[RunPage](t, ask(t, s, Viewer, "GET", fmt.Sprintf("/v1/runs?limit=3&before=%d", page.Next), ""))
	if len(page.Runs) != 2 || page.Next != 0 {
		t.Errorf("the last page has %d runs, next %d", len(page.Runs), page.Next)
	}
}

func TestActivityOfARun(t *testing.T) {
	s, e := newTestWorld(t)
	ask(t, s, Admin, "POST", "/v1/sync", "{}")
	u := controltest.Person(1)
	e.Users.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbDeactivate, UserID: u.ID, RunID: "1", Actor: dialer.Actor{Kind: "sync", Name: "sync"}}})
	ask(t, s, Manager, "POST", "/v1/users/rep2@example.com:deactivate", "")
	for path, want := range map[string]int{
		"/v1/runs/1/changes": 1, "/v1/activity": 2, "/v1/activity?limit=1": 1, "/v1/activity?user=rep2@example.com": 1, "/v1/users/rep1@example.com/activity": 1,
		"/v1/activity?since=" + url.QueryEscape(controltest.Start().Add(time.Second).Format(time.RFC3339)): 0, "/v1/activity?before=2": 1,
	} {
		if got := decode[ActivityPage](t, ask(t, s, Viewer, "GET", path, "")); len(got.Activity) != want {
			t.Errorf("%s: %d entries, want %d", path, len(got.Activity), want)
		}
	}
	refused(t, ask(t, s, Viewer, "GET", "/v1/runs/9/changes", ""), 404, CodeNotFound)
	refused(t, ask(t, s, Viewer, "GET", "/v1/activity?user=nobody", ""), 404, CodeNotFound)
}

func TestRequestsReachTheEngineAsAsked(t *testing.T) {
	s, e := newTestWorld(t)
	ask(t, s, Admin, "POST", "/v1/sync", `{"kind":"full","dry_run":true,"reason":"CASE-1"}`)
	ask(t, s, Support, "POST", "/v1/users/rep1@example.com:refresh", `{"reason":"CASE-2"}`)
	ask(t, s, Manager, "POST", "/v1/sync", `{}`)
	want := []sync.Request{
		{Kind: sync.KindFull, DryRun: true, Reason: "CASE-1", Actor: dialer.Actor{Kind: "admin", Name: "the-admin"}},
		{Kind: sync.KindUser, Users: []string{"rep1@example.com"}, Reason: "CASE-2", Actor: dialer.Actor{Kind: "support", Name: "the-support"}},
		{Kind: sync.KindChanges, Actor: dialer.Actor{Kind: "manager", Name: "the-manager"}},
	}
	if diff := cmp.Diff(e.Asked(), want); diff != "" {
		t.Errorf("asked (-got +want):\n%s", diff)
	}
}
