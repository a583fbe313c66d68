package control

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
)

func TestExport(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		if r := s.ask(t, Manager, "PATCH", rep1, `{"attributes":{"sales_role":"=HYPERLINK(1)","sip_option":"pbx","sip_password":"very secret","sip_dynamic_extension":true},"add":{"tag":["a","b"]}}`); r.status != 200 {
			t.Fatalf("prepare: %d %s", r.status, r.body)
		}
		r := s.ask(t, Viewer, "GET", "/v1/users:export?columns=username,extension,tag,sales_role&filter=permission_group=Reps", "")
		rows, err := csv.NewReader(strings.NewReader(string(r.body))).ReadAll()
		if r.status != 200 || err != nil {
			t.Fatalf("got %d, %v: %s", r.status, err, r.body)
		}
		if got := r.header.Get("Content-Disposition"); got != `attachment; filename="acme-users.csv"` || r.header.Get("Content-Type") != "text/csv; charset=utf-8" {
			t.Errorf("it is sent as %s, %s", r.header.Get("Content-Type"), got)
		}
		if len(rows) != 4 || !cmp.Equal(rows[0], []string{"username", "extension", "tag", "sales_role"}) {
			t.Errorf("rows are %q", rows)
		}
		for _, row := range rows {
			if row[0] == "rep1@acme.example.com" && (row[1] != "101" || row[2] != "a; b" || strings.HasPrefix(row[3], "=")) {
				t.Errorf("the row is %q", row)
			}
		}
		r = s.ask(t, Viewer, "GET", "/v1/users:export?format=json&status=active", "")
		var list []map[string]any
		if err := json.Unmarshal(r.body, &list); err != nil || len(list) != 3 || strings.Contains(string(r.body), "very secret") {
			t.Errorf("json: %v, %d users: %s", err, len(list), r.body)
		}
		log, err := s.dirs["acme"].Activity(t.Context(), dialer.ActivityQuery{Verb: dialer.VerbExport})
		if err != nil || len(log) != 2 || log[0].Actor.Name == "" {
			t.Fatalf("the activity log has %+v, %v", log, err)
		}
		for i, want := range []string{
			`{"columns":["username","extension","tag","sales_role"],"filter":"permission_group=Reps","format":"csv","users":3,"whole":true}`,
			`{"filter":"status=active","format":"json","users":3,"whole":true}`,
		} {
			if got := string(log[i].After); got != want {
				t.Errorf("the activity log says %s, want %s", got, want)
			}
		}
		for name, path := range map[string]string{"column": "/v1/users:export?columns=shoe", "secret": "/v1/users:export?columns=sip_password", "filter": "/v1/users:export?filter=shoe", "format": "/v1/users:export?format=xls"} {
			if p := refused(t, s.ask(t, Viewer, "GET", path, ""), 422, CodeInvalid); len(p.Fields) == 0 && name != "filter" {
				t.Errorf("%s: no field is named: %s", name, p.Message)
			}
		}
	})
}

func TestImport(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- s.dirs["acme"].RunMass(ctx) }()
		defer func() {
			cancel()
			<-ran
		}()
		file := "username,email,ring_timeout_seconds,tag\nrep1@acme.example.com,rep1@acme.example.com,40,x\nrep2@acme.example.com,rep2@acme.example.com,9999,\nnew1,new1@example.com,30,\n"
		r := s.ask(t, Manager, "POST", "/v1/users:import?reason=CASE-9&license_types=office", file, "Content-Type", "text/csv; charset=utf-8")
		m := decode[dialer.MassAction](t, r)
		if r.status != 201 || m.State != dialer.MassPreviewed || m.Total != 3 || m.Preview.Refused != 1 || m.Preview.Changed != 2 || m.Reason != "CASE-9" {
			t.Fatalf("dry run: %d %s", r.status, r.body)
		}
		if u := s.user(t, "rep1@acme.example.com"); u.Version != 1 {
			t.Errorf("the dry run changed somebody: %+v", u)
		}
		if r := s.ask(t, Manager, "POST", fmt.Sprintf("/v1/mass-actions/%d:start", m.ID), `{"confirm_count":3}`); r.status != 202 {
			t.Fatalf("start: %d %s", r.status, r.body)
		}
		for deadline := time.Now().Add(30 * time.Second); m.State != dialer.MassDone; {
			if time.Now().After(deadline) {
				t.Fatalf("it does not end: %+v", m)
			}
			m = decode[dialer.MassAction](t, s.ask(t, Viewer, "GET", fmt.Sprintf("/v1/mass-actions/%d", m.ID), ""))
		}
		if u := s.user(t, "rep1@acme.example.com"); dialer.FieldRingTimeout.Text(&u) != "40" || u.One(dialer.KindTag) != "x" {
			t.Errorf("imported: %+v", u)
		}
		if u := s.user(t, "new1"); u.Status != dialer.StatusActive || dialer.FieldRingTimeout.Text(&u) != "30" {
			t.Errorf("created: %+v", u)
		}
	})
}

func TestImportRefuses(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		for _, tc := range []struct {
			name, kind, file string
			status           int
			says             string
		}{
			{"spreadsheet", "application/vnd.ms-excel", "x", 415, "text/csv"},
			{"unknown column", "text/csv", "username,shoe\nx,1\n", 422, "shoe"},
			{"secret", "text/csv", "username,sip_password\nx,1\n", 422, "sip_password"},
			{"nothing", "text/csv", "", 422, ""},
			{"cut off", "application/json", `[{"username":"x"`, 422, ""},
			{"no list", "application/json", `{"username":"x"}`, 422, ""},
			{"not text", "text/csv", "username\n\xff\xfe\n", 0, ""},
			{"NUL", "application/json", `[{"username":"a\u0000b"}]`, 0, ""},
		} {
			r := s.ask(t, Manager, "POST", "/v1/users:import", tc.file, "Content-Type", tc.kind)
			if tc.status == 0 {
				if r.status >= 500 {
					t.Errorf("%s: %d %s", tc.name, r.status, r.body)
				}
				continue
			}
			if p := refused(t, r, tc.status, CodeInvalid); !strings.Contains(p.Message, tc.says) {
				t.Errorf("%s: error is %q", tc.name, p.Message)
			}
		}
	})
}
