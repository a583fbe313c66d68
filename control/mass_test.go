package control

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
)

func TestMassRequestsThatCannotBeMeant(t *testing.T) {
	s := newTestServer(t)
	for name, tc := range map[string]struct {
		body string
		want int
	}{
		"no scope":          {`{"scope":{},"action":"deactivate"}`, 422},
		"two scopes":        {`{"scope":{"all":true,"filter":"status=active"},"action":"deactivate"}`, 422},
		"no value":          {`{"scope":{"all":true},"action":"set","field":"auto_dial"}`, 422},
		"no field":          {`{"scope":{"all":true},"action":"set","value":"off"}`, 422},
		"value for nothing": {`{"scope":{"all":true},"action":"delete","field":"auto_dial","value":"off"}`, 422},
		"seats for nothing": {`{"scope":{"all":true},"action":"deactivate","license_types":["powerdialer"]}`, 422},
		"unknown action":    {`{"scope":{"all":true},"action":"promote"}`, 422},
		"an undo by hand":   {`{"scope":{"all":true},"action":"undo"}`, 422},
		"unknown filter":    {`{"scope":{"filter":"shoe=42"},"action":"deactivate"}`, 422},
		"one at a time":     {`{"scope":{"all":true},"action":"set","field":"is_superuser","value":true}`, 422},
		"unknown attribute": {`{"scope":{"all":true},"action":"set","field":"shoe","value":1}`, 422},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, ask(t, s, Admin, "POST", "/v1/mass-actions", tc.body), tc.want, CodeInvalid)
		})
	}
	refused(t, ask(t, s, Manager, "POST", "/v1/mass-actions", `{"scope":{"all":true},"action":"deactivate"}`), 403, CodeForbidden)
	if page := decode[MassPage](t, ask(t, s, Viewer, "GET", "/v1/mass-actions", "")); len(page.MassActions) != 0 {
		t.Errorf("a refused request left %+v", page.MassActions)
	}
}

func TestMassActionFromAskingToUndo(t *testing.T) {
	s, e := newTestWorld(t)
	m := decode[MassAction](t, ask(t, s, Manager, "POST", "/v1/mass-actions",
		`{"scope":{"filter":"status=active"},"action":"set","field":"ring_timeout_seconds","value":30,"reason":"CASE-1"}`))
	if m.State != "previewed" || m.Total != 2 || m.Preview.Changed != 2 || m.Actor.Name != "the-manager" || m.Reason != "CASE-1" {
		t.Fatalf("prepared is %+v", m)
	}
	refused(t, ask(t, s, Manager, "POST", "/v1/mass-actions/1:start", `{"confirm_count":3}`), 409, CodeConfirm)
	refused(t, ask(t, s, Manager, "POST", "/v1/mass-actions/1:start", ""), 400, CodeInvalid)
	refused(t, ask(t, s, Manager, "POST", "/v1/mass-actions/2:start", `{"confirm_count":2}`), 404, CodeNotFound)
	if m = decode[MassAction](t, ask(t, s, Manager, "POST", "/v1/mass-actions/1:start", `{"confirm_count":2}`)); m.State != "done" {
		t.Errorf("started is %+v", m)
	}
	refused(t, ask(t, s, Manager, "POST", "/v1/mass-actions/1:start", `{"confirm_count":2}`), 409, CodeConflict)
	refused(t, ask(t, s, Manager, "POST", "/v1/mass-actions/1:cancel", ""), 409, CodeConflict)
	if m = decode[MassAction](t, ask(t, s, Manager, "POST", "/v1/mass-actions/1:undo", "")); m.UndoOf != 1 || m.ID != 2 {
		t.Errorf("the undo is %+v", m)
	}
	refused(t, ask(t, s, Manager, "POST", "/v1/mass-actions/1:undo", ""), 409, CodeConflict)

	// What an administrator prepared for everybody, a manager cannot start.
	all, err := e.Users.PreviewMass(t.Context(), dialer.MassRequest{Scope: dialer.MassScope{All: true}, Action: dialer.MassDeactivate, Actor: dialer.Actor{Kind: "admin", Name: "ada"}})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, ask(t, s, Manager, "POST", fmt.Sprintf("/v1/mass-actions/%d:start", all.ID), `{"confirm_count":3}`), 403, CodeForbidden)
	page := decode[MassPage](t, ask(t, s, Viewer, "GET", "/v1/mass-actions?limit=2", ""))
	if len(page.MassActions) != 2 || page.MassActions[0].ID != all.ID || page.Next != 2 {
		t.Errorf("the first page is %+v", page)
	}
}

func TestMassResults(t *testing.T) {
	s, e := newTestWorld(t)
	if _, err := e.Users.PreviewMass(t.Context(), dialer.MassRequest{Scope: dialer.MassScope{All: true}, Action: dialer.MassDeactivate, Actor: dialer.Actor{Name: "ada"}}); err != nil {
		t.Fatal(err)
	}
	page := decode[MassResultPage](t, ask(t, s, Viewer, "GET", "/v1/mass-actions/1/results?limit=2", ""))
	if len(page.Results) != 2 || page.Next != 2 || page.Results[0].Outcome != "pending" {
		t.Errorf("the first page is %+v", page)
	}
	page = decode[MassResultPage](t, ask(t, s, Viewer, "GET", "/v1/mass-actions/1/results?limit=2&after=2", ""))
	if len(page.Results) != 1 || page.Next != 0 {
		t.Errorf("the last page is %+v", page)
	}
	page = decode[MassResultPage](t, ask(t, s, Viewer, "GET", "/v1/mass-actions/1/results?outcome=refused", ""))
	if page.Results == nil || len(page.Results) != 0 {
		t.Errorf("the refused are %+v", page)
	}
	r := ask(t, s, Viewer, "GET", "/v1/mass-actions/1/results?format=csv", "")
	rows, err := csv.NewReader(bytes.NewReader(r.body)).ReadAll()
	if err != nil || len(rows) != 4 || rows[0][0] != "seq" || rows[3][3] != "rep3@acme.example.com" {
		t.Errorf("the file is %v, %v", rows, err)
	}
	if r.header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(r.header.Get("Content-Disposition"), "mass-action-1.csv") {
		t.Errorf("its header is %v", r.header)
	}
	refused(t, ask(t, s, Viewer, "GET", "/v1/mass-actions/9/results?format=csv", ""), 404, CodeNotFound)
	refused(t, ask(t, s, Viewer, "GET", "/v1/mass-actions/1/results?format=xml", ""), 422, CodeInvalid)
}

// A spreadsheet must show what a cell holds and not compute it.
func TestNoFormulaInCSV(t *testing.T) {
	var b bytes.Buffer
	out := newSheet(&b)
	if err := out.row(`=HYPERLINK("http://x.invalid")`, "+1", "-1", "@A1", "\tx", "plain", `a"b`, ""); err != nil {
		t.Fatal(err)
	}
	if err := out.end(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`'=HYPERLINK("http://x.invalid")`, "'+1", "'-1", "'@A1", "'\tx", "plain", `a"b`, ""}
	if diff := cmp.Diff(rows, [][]string{want}); diff != "" {
		t.Errorf("cells (-got +want):\n%s", diff)
	}
}

func TestWatchMass(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, e := newTestWorld(t, func(o *Options) { o.Socket = path })
	serve(t, s)
	e.Users.Manual()
	c := newTestClient(t, ClientOptions{Socket: path})
	m, err := c.PreviewMass(t.Context(), MassActionRequest{Scope: MassScope{All: true}, Action: "deactivate"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StartMass(t.Context(), m.ID, m.Total); err != nil {
		t.Fatal(err)
	}
	var states []MassState
	for m, err := range c.WatchMass(t.Context(), m.ID) {
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, m.State)
		e.Users.FinishMass(m.ID)
	}
	if diff := cmp.Diff(states, []MassState{"running", "done"}); diff != "" {
		t.Errorf("seen (-got +want):\n%s", diff)
	}
	var text bytes.Buffer
	if err := c.MassResultsCSV(t.Context(), &text, m.ID, MassResultFilter{}); err != nil || strings.Count(text.String(), "\n") != 4 {
		t.Errorf("the file is %q, %v", &text, err)
	}
	for _, err := range c.WatchMass(t.Context(), 99) {
		if p, ok := errors.AsType[*Problem](err); !ok || p.Status != 404 {
			t.Errorf("a mass action that is not there: %v", err)
		}
	}
}
