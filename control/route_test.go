package control

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// A route is an operation of the API, with a request that fits it.
type route struct {
	need         Role
	method, path string
	body         string
}

// routes is who may do what. It is written out here a second time on purpose.
func routes() map[string]route {
	return map[string]route{
		"status":             {Viewer, "GET", "/v1/status", ""},
		"me":                 {Viewer, "GET", "/v1/me", ""},
		"quota":              {Viewer, "GET", "/v1/quota", ""},
		"pause":              {Admin, "POST", "/v1/pause", `{"reason":"maintenance"}`},
		"resume":             {Admin, "POST", "/v1/resume", ""},
		"doctor":             {Support, "GET", "/v1/doctor", ""},
		"sync":               {Support, "POST", "/v1/sync", `{"reason":"CASE-1"}`},
		"preflight":          {Viewer, "POST", "/v1/sync:preflight", `{"kind":"full"}`},
		"runs":               {Viewer, "GET", "/v1/runs", ""},
		"run":                {Viewer, "GET", "/v1/runs/{id}", ""},
		"run-changes":        {Viewer, "GET", "/v1/runs/{id}/changes", ""},
		"run-events":         {Viewer, "GET", "/v1/runs/{id}/events", ""},
		"pause-run":          {Support, "POST", "/v1/runs/{id}:pause", ""},
		"resume-run":         {Support, "POST", "/v1/runs/{id}:resume", ""},
		"cancel-run":         {Support, "POST", "/v1/runs/{id}:cancel", ""},
		"approve-run":        {Admin, "POST", "/v1/runs/{id}:approve", ""},
		"users":              {Viewer, "GET", "/v1/users", ""},
		"add-users":          {Manager, "POST", "/v1/users:add", `{"users":["new@example.com"]}`},
		"user":               {Viewer, "GET", "/v1/users/{id}", ""},
		"explain-user":       {Viewer, "GET", "/v1/users/{id}/explain", ""},
		"user-activity":      {Viewer, "GET", "/v1/users/{id}/activity", ""},
		"activate-user":      {Manager, "POST", "/v1/users/{id}:activate", ""},
		"deactivate-user":    {Manager, "POST", "/v1/users/{id}:deactivate", ""},
		"refresh-user":       {Support, "POST", "/v1/users/{id}:refresh", ""},
		"licenses":           {Viewer, "GET", "/v1/licenses", ""},
		"set-license":        {Admin, "PATCH", "/v1/licenses/{type}", `{"purchased":4}`},
		"attention":          {Viewer, "GET", "/v1/attention", ""},
		"resolve-attention":  {Manager, "POST", "/v1/attention/{id}:resolve", ""},
		"activity":           {Viewer, "GET", "/v1/activity", ""},
		"preview-mass":       {Manager, "POST", "/v1/mass-actions", `{"scope":{"filter":"status=active"},"action":"deactivate"}`},
		"tail-activity":      {Viewer, "GET", "/v1/activity:tail", ""},
		"leavers":            {Viewer, "GET", "/v1/reports/leavers", ""},
		"sessions":           {Viewer, "GET", "/v1/sessions", ""},
		"end-session":        {Manager, "DELETE", "/v1/sessions/{id}", ""},
		"end-sessions":       {Manager, "POST", "/v1/sessions:end", `{"user":"rep1@example.com"}`},
		"sign-in":            {Dialer, "POST", "/v1/sessions", `{"username":"rep1@acme.example.com","password":"not this one","client":"web","ip":"192.0.2.7"}`},
		"session-in-use":     {Dialer, "POST", "/v1/sessions:heartbeat", `{"token":"none","ip":"192.0.2.7"}`},
		"sign-out":           {Dialer, "POST", "/v1/sessions:logout", `{"token":"none"}`},
		"change-password":    {Dialer, "POST", "/v1/sessions:change-password", `{"token":"none","ip":"192.0.2.7","old_password":"a","new_password":"b"}`},
		"enroll-2fa":         {Dialer, "POST", "/v1/sessions:enroll-2fa", `{"token":"none","ip":"192.0.2.7"}`},
		"edit-self":          {Dialer, "POST", "/v1/sessions:edit", `{"token":"none","ip":"192.0.2.7","attributes":{"caller_id_user_override":"+12025550143"}}`},
		"authorize-self":     {Dialer, "POST", "/v1/sessions:authorization", `{"token":"none","ip":"192.0.2.7"}`},
		"ask-authorization":  {Manager, "POST", "/v1/users/{id}:ask-authorization", ""},
		"set-authorization":  {Admin, "POST", "/v1/users/{id}:set-authorization", `{"state":"authorized","reason":"seen in Setup"}`},
		"superuser-requests": {Viewer, "GET", "/v1/superuser-requests", ""},
		"superuser-request":  {Viewer, "GET", "/v1/users/{id}/superuser-request", ""},
		"ask-superuser":      {Admin, "POST", "/v1/users/{id}:ask-superuser", `{"reason":"on call"}`},
		"confirm-superuser":  {Admin, "POST", "/v1/users/{id}:confirm-superuser", ""},
		"withdraw-superuser": {Admin, "POST", "/v1/users/{id}:withdraw-superuser", ""},
		"verify-2fa":         {Dialer, "POST", "/v1/sessions:verify-2fa", `{"token":"none","ip":"192.0.2.7","code":"000000"}`},
		"accept-invitation":  {anyone, "POST", "/v1/invitations:accept", `{"token":"none","password":"long enough"}`},
		"user-credential":    {Viewer, "GET", "/v1/users/{id}/credential", ""},
		"reset-password":     {Manager, "POST", "/v1/users/{id}:reset-password", ""},
		"reset-2fa":          {Manager, "POST", "/v1/users/{id}:reset-2fa", ""},
		"require-2fa":        {Manager, "POST", "/v1/users/{id}:require-2fa", `{"required":true}`},
		"invite-user":        {Manager, "POST", "/v1/users/{id}:invite", ""},
		"mass-actions":       {Viewer, "GET", "/v1/mass-actions", ""},
		"mass-action":        {Viewer, "GET", "/v1/mass-actions/{id}", ""},
		"mass-results":       {Viewer, "GET", "/v1/mass-actions/{id}/results", ""},
		"mass-events":        {Viewer, "GET", "/v1/mass-actions/{id}/events", ""},
		"start-mass":         {Manager, "POST", "/v1/mass-actions/{id}:start", `{"confirm_count":2}`},
		"cancel-mass":        {Manager, "POST", "/v1/mass-actions/{id}:cancel", ""},
		"undo-mass":          {Manager, "POST", "/v1/mass-actions/{id}:undo", ""},
		"attributes":         {Viewer, "GET", "/v1/attributes", ""},
		"edit-user":          {Manager, "PATCH", "/v1/users/{id}", `{"attributes":{"ring_timeout_seconds":30}}`},
		"create-user":        {Manager, "POST", "/v1/users", `{"attributes":{"username":"desk","email":"desk@example.com"}}`},
		"salesforce-users":   {Viewer, "GET", "/v1/salesforce/users", ""},
		"history":            {Viewer, "GET", "/v1/history", ""},
		"license-history":    {Viewer, "GET", "/v1/licenses/{type}/history", ""},
		"groups":             {Viewer, "GET", "/v1/groups", ""},
		"group-kinds":        {Viewer, "GET", "/v1/group-kinds", ""},
		"group":              {Viewer, "GET", "/v1/groups/{id}", ""},
		"add-group":          {Manager, "POST", "/v1/groups", `{"kind":"tag","name":"new"}`},
		"edit-group":         {Manager, "PATCH", "/v1/groups/{id}", `{"settings":{}}`},
		"delete-group":       {Manager, "DELETE", "/v1/groups/{id}", ""},
		"org":                {Viewer, "GET", "/v1/org", ""},
		"edit-org":           {Support, "PATCH", "/v1/org", `{"settings":{}}`},
		"region":             {Viewer, "GET", "/v1/org/region?country=DE", ""},
		"free-extensions":    {Viewer, "GET", "/v1/org/extensions", ""},
		"inbound":            {Viewer, "GET", "/v1/users/{id}/inbound?number=%2B18015550100", ""},
		"numbers":            {Viewer, "GET", "/v1/numbers", ""},
		"add-number":         {Manager, "POST", "/v1/numbers", `{"number":"+12025550143"}`},
		"remove-number":      {Manager, "DELETE", "/v1/numbers/{number}", ""},
		"export-users":       {Viewer, "GET", "/v1/users:export?format=json", ""},
		"import-users":       {Manager, "POST", "/v1/users:import", `[{"username":"rep1@acme.example.com","ring_timeout_seconds":30}]`},
		"delete-user":        {Manager, "DELETE", "/v1/users/{id}", ""},
		"reseed-user":        {Manager, "POST", "/v1/users/{id}:reseed", ""},
	}
}

type described struct {
	OperationID string `json:"operationId"`
	Summary     string `json:"summary"`
	Security    []any  `json:"security"`
	Responses   map[string]any
}

func TestEveryRouteIsDescribed(t *testing.T) {
	s := newTestServer(t)
	text, err := s.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]described
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	got, want := map[string]string{}, map[string]string{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			got[op.OperationID] = strings.ToUpper(method) + " " + path
			if op.Summary == "" || len(op.Security) != 1 || op.Responses["default"] == nil {
				t.Errorf("%s %s: needs a summary, its security and what a refusal looks like", method, path)
			}
		}
	}
	for id, r := range routes() {
		want[id] = r.method + " " + strings.Split(r.path, "?")[0]
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("described are (-got +want):\n%s", diff)
	}
	if registered := slices.Sorted(maps.Keys(s.needs)); !slices.Equal(registered, slices.Sorted(maps.Keys(want))) {
		t.Errorf("registered are %v", registered)
	}
}

func TestEveryRouteForEveryRole(t *testing.T) {
	for id, r := range routes() {
		for _, role := range append(Roles(), Dialer, "") {
			t.Run(id+" as "+string(role), func(t *testing.T) {
				s := newTestServer(t)
				if role.May(r.need) || r.need == anyone {
					s = newTestServer(t, realDirectory(t))
				}
				if strings.HasSuffix(r.path, "-actions/{id}") || strings.Contains(r.path, "-actions/{id}/") || strings.Contains(r.path, "-actions/{id}:") {
					ask(t, s, Admin, "POST", "/v1/mass-actions", `{"scope":{"filter":"status=active"},"action":"set","field":"auto_dial","value":"preview"}`)
				}
				if id == "mass-events" { // of what has ended, so that they end too
					ask(t, s, Admin, "POST", "/v1/mass-actions/1:cancel", "")
				}
				if id == "tail-activity" {
					close(s.closing) // else it has no end
				}
				if id == "undo-mass" {
					ask(t, s, Admin, "POST", "/v1/mass-actions/1:start", `{"confirm_count":2}`)
				}
				if id == "approve-run" || strings.HasSuffix(id, "-run") || strings.HasPrefix(id, "run-") || id == "run" {
					ask(t, s, Admin, "POST", "/v1/sync", `{}`)
				}
				id := map[string]string{"/v1/runs": "1", "/v1/users": "rep1@example.com", "/v1/attention": "7", "/v1/mass-actions": "1", "/v1/groups": "1", "/v1/sessions": "{session}"}[strings.Split(r.path, "/{")[0]]
				if role.May(r.need) && strings.Contains(r.path, "/groups/{id}") {
					g := decode[dialer.GroupInfo](t, ask(t, s, Admin, "POST", "/v1/groups", `{"kind":"desk","name":"EMEA"}`))
					id = strconv.FormatInt(g.ID, 10)
				}
				if role.May(r.need) && strings.Contains(r.path, "{number}") {
					ask(t, s, Admin, "POST", "/v1/numbers", `{"number":"+12025550143"}`)
				}
				path := strings.NewReplacer("{id}", id, "{type}", "powerdialer", "{number}", "%2B12025550143").Replace(r.path)
				got := ask(t, s, role, r.method, path, r.body)
				switch {
				case r.need == anyone:
					refused(t, got, 404, CodeInvitation)
				case role == "":
					refused(t, got, 401, CodeUnauthorized)
				case !role.May(r.need):
					p := refused(t, got, 403, CodeForbidden)
					if !strings.Contains(p.Message, "role "+string(r.need)) || p.Hint == "" {
						t.Errorf("a refusal must say which role is needed: %s", got.body)
					}
				case r.need == Dialer || id == "{session}" && r.method == "DELETE":
					if p := decode[Problem](t, got); p.Code != CodeSignIn && p.Code != CodeNotFound {
						t.Errorf("answered %d: %s", got.status, got.body)
					}
				case got.status == 401 || got.status == 403 || got.status == 404 || got.status == 422 || got.status >= 500:
					t.Errorf("answered %d: %s", got.status, got.body)
				}
			})
		}
	}
}

// realDirectory makes the directory of acme a real one, with the same people.
func realDirectory(t *testing.T) func(*Options) {
	t.Helper()
	db, err := store.Open(t.Context(), storetest.SQLite(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	d := controltest.NewReal(t, db, "acme", 5, directory.Options{}, controltest.Person(1), controltest.Person(2))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = d.RunMass(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return func(o *Options) {
		o.Orgs["acme"] = Org{Engine: o.Orgs["acme"].Engine, Directory: d}
	}
}

func TestRoles(t *testing.T) {
	for i, have := range Roles() {
		for j, need := range Roles() {
			if got, want := have.May(need), i >= j; got != want {
				t.Errorf("%s.May(%s) = %t, want %t", have, need, got, want)
			}
		}
		if have.May("god") || Role("god").May(have) || Role("").May(have) {
			t.Errorf("a role that there is not may or needs nothing")
		}
	}
	if _, err := ParseRole("root"); err == nil {
		t.Error("root is no role")
	}
}

func TestWhoMayAskForWhichRun(t *testing.T) {
	for _, tc := range []struct {
		role Role
		body string
		want int
	}{
		{Support, `{"kind":"full"}`, 422}, // a reason is needed
		{Support, `{"kind":"full","reason":"CASE-1"}`, 202},
		{Support, `{"kind":"full","dry_run":true}`, 202},
		{Support, `{"kind":"user","users":["rep1@example.com"]}`, 202},
		{Support, `{"override":true,"reason":"CASE-1"}`, 403},
		{Manager, `{"kind":"full"}`, 202},
		{Manager, `{"override":true,"reason":"CASE-1"}`, 403},
		{Admin, `{"override":true,"reason":"CASE-1"}`, 202},
		{Admin, `{}`, 202},
	} {
		if got := ask(t, newTestServer(t), tc.role, "POST", "/v1/sync", tc.body); got.status != tc.want {
			t.Errorf("%s %s: got %d, want %d", tc.role, tc.body, got.status, tc.want)
		}
	}
}
