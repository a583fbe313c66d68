package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// quiet is a schedule on which nothing happens by itself.
const quiet = `schedule: {full: "0 3 1 1 *", poll: 24h}`

// What the commands print as JSON is a contract: these fields, of these types.
func TestJSONFields(t *testing.T) {
	t.Parallel()
	s := newSim(t, 20, "--plain")
	d := boot(t, s.config("sqlite://{DIR}/db", quiet, "guard: {users: 2, percent: 1}", "deactivate: next_midnight"))
	d.mended(t, 30*time.Second)
	gone := s.staff(t)
	for _, p := range gone[:3] {
		s.edit(t, p.ID, fields{"IsActive": false})
	}
	runFields := map[string]string{
		"id": "number", "org": "string", "kind": "full", "outcome": "held", "created": "number", "updated": "number", "deactivated": "number",
		"reactivated": "number", "scheduled": "number", "skipped": "number", "failed": "number", "held": "number", "attention": "number",
		"salesforce_calls": "number", "target_calls": "number", "took_ms": "number",
	}
	held := d.ctl(t, "sync", "--full", "--wait", "-o", "json").must(t, 4)
	hasFields(t, held, decode[map[string]any](t, held), runFields)
	show := d.ctl(t, "runs", "show", fmt.Sprint(decode[run](t, held).ID), "-o", "json").must(t)
	hasFields(t, show, decode[map[string]any](t, show), runFields)

	users := d.ctl(t, "users", "list", "-o", "json").must(t)
	for _, u := range decode[[]map[string]any](t, users) {
		hasFields(t, users, u, map[string]string{
			"id": "string", "salesforce_id": "string", "username": "string", "email": "string", "first_name": "string", "last_name": "string",
			"status": "active", "status_reason": "string", "deactivate_at": "null", "license_types": "list", "permission_group": "string",
			"roles": "list", "extension": "string", "timezone": "string", "integration_status": "string", "integration_reason": "string",
		})
	}
	licenses := d.ctl(t, "licenses", "list", "-o", "json").must(t)
	for _, l := range decode[[]map[string]any](t, licenses) {
		hasFields(t, licenses, l, map[string]string{"type": "powerdialer", "purchased": "number", "assigned": "number", "left": "number"})
	}
	status := d.ctl(t, "status", "-o", "json").must(t)
	all := decode[map[string]any](t, status)
	hasFields(t, status, all, map[string]string{"version": "string", "orgs": "list"})
	org := all["orgs"].([]any)[0].(map[string]any)
	hasFields(t, status, org, map[string]string{
		"name": "acme", "state": "degraded", "last_full": "string", "last_change": "string", "mirror_users": "number", "enrolled": "number",
		"held": "number", "quota": "object",
	})
	hasFields(t, status, org["quota"].(map[string]any), map[string]string{"used": "number", "max": "number", "budget_left": "number"})

	// Two people with one address: something for a person to decide.
	added := addPerson(t, s, "twin", fields{"Email": gone[5].Email})
	d.ctl(t, "sync", "--wait").must(t, 3, 4)
	items := d.ctl(t, "attention", "list", "-o", "json").must(t)
	list := decode[[]map[string]any](t, items)
	if !slices.ContainsFunc(list, func(i map[string]any) bool { return i["user"] == added }) {
		t.Errorf("%v\ntells nothing of %s", items, added)
	}
	for _, i := range list {
		hasFields(t, items, i, map[string]string{"id": "number", "kind": "string", "user": "string", "detail": "string", "since": "string"})
	}
	for _, args := range [][]string{{"attention", "list"}, {"runs", "list"}, {"activity"}, {"users", "list", "--search", "nobody of that name"}} {
		if r := d.ctl(t, append(args, "-o", "json")...).must(t); !strings.HasPrefix(r.out, "[") {
			t.Errorf("%v\nis no list", r)
		}
	}
}

// addPerson adds someone to the org who is in scope, and returns their id.
func addPerson(t testing.TB, s *sim, name string, more fields) string {
	t.Helper()
	like := s.staff(t)[0]
	f := fields{
		"Username": name + "@acme.example", "Email": name + "@example.com", "FirstName": "Test", "LastName": "Person", "Alias": "testp",
		"ProfileId": like.ProfileID, "IsActive": true, "TimeZoneSidKey": "America/Denver", "LocaleSidKey": "en_US",
		"LanguageLocaleKey": "en_US", "EmailEncodingKey": "UTF-8",
	}
	maps.Copy(f, more)
	var added struct{ ID string }
	s.ask(t, "POST", "users", f, &added)
	return added.ID
}

// hasFields checks that an object has fields of a type, or with a value.
func hasFields(t testing.TB, r result, got map[string]any, want map[string]string) {
	t.Helper()
	for name, kind := range want {
		v, ok := got[name]
		is := map[bool]string{true: fmt.Sprint(v)}[ok]
		switch x := v.(type) {
		case nil:
			if ok {
				is = "null"
			}
		case float64, json.Number:
			is = "number"
		case []any:
			is = "list"
		case map[string]any:
			is = "object"
		case string:
			if kind == "string" {
				is = kind
			} else {
				is = x
			}
		}
		if is != kind {
			t.Errorf("%v\n%s is %q, want %s", r, name, is, kind)
		}
	}
}

// The exit codes are a contract too.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	s := newSim(t, 12, "--plain")
	d := boot(t, s.config("sqlite://{DIR}/db", quiet, "enrollment: selected", "licenses: [{type: powerdialer, seats: 3, default: true}]"))
	d.mended(t, 30*time.Second)
	p := s.staff(t)
	for _, c := range []struct {
		code int
		args string
		says string // in what it prints, on either stream
	}{
		{0, "status", "acme"},
		{0, "--org acme status", "acme"},
		{0, "status --org acme", "acme"},
		{0, "--help", "Exit codes"},
		{0, "version", "rosterctl"},
		{2, "frob", "no command"},
		{2, "users frob", "no command"},
		{2, "status --frob", "unknown flag"},
		{2, "status -o yaml", "text or json"},
		{2, "users show", "needs more"},
		{2, "sync --full --user " + p[0].ID, "exclude each other"},
		{2, "sync --override", "--reason"},
		{2, "runs show abc", "not the id of a run"},
		{2, "licenses set powerdialer", "--purchased"},
		{2, "activity --since yesterday", "neither a time nor an age"},
		{5, "users show nobody@example.com", "hint: "},
		{5, "users explain nobody@example.com", ""},
		{5, "runs show 999999", "no such run"},
		{5, "runs cancel 999999", "no such run"},
		{5, "attention resolve 999999", ""},
		{5, "sync --user nobody@example.com", "hint: "},
		{5, "users add nobody@example.com", ""},
		{5, "--org other status", "acme"},
		{0, "users add " + p[0].ID + " " + p[1].Email + " " + p[2].Username, "added"},
		{6, "users add " + p[3].ID, "no seat"},
		{0, "users deactivate " + p[0].ID + " --reason leave", "is inactive"},
		{6, "users activate " + p[0].Email, "no seat"}, // whoever waited has it
		{0, "sync --full --wait --yes", "succeeded"},
		{0, "sync --wait --reason ticket", "succeeded"},
		{0, "users refresh " + p[1].ID, "succeeded"},
		{1, "runs cancel 1", "has ended"},
		{1, "runs approve 1", "holds nothing"},
	} {
		t.Run(c.args, func(t *testing.T) {
			if strings.HasPrefix(c.args, "users activate") { // the seat goes to whoever waits with the next sync
				d.ctl(t, "sync", "--wait").must(t)
			}
			r := d.ctl(t, strings.Fields(c.args)...)
			if r.code != c.code || !strings.Contains(r.out+r.err, c.says) {
				t.Errorf("%v\nwant exit code %d, and %q", r, c.code, c.says)
			}
			if c.code != 0 && c.code != 6 && r.err == "" && r.out == "" {
				t.Error("it fails without a word")
			}
		})
	}
	if r := command(t, "rosterctl", "--server", "nowhere", "status").must(t, 2); !strings.Contains(r.err, "not the address") {
		t.Errorf("%v\ndoes not say what is wrong", r)
	}
	if r := command(t, "rosterctl", "--socket", d.dir+"/nowhere", "status").must(t, 1); !strings.Contains(r.err, "hint: ") {
		t.Errorf("%v\ndoes not say what to do", r)
	}
}

// Flags may stand before the command or after it.
func TestFlagsAnywhere(t *testing.T) {
	t.Parallel()
	s := newSim(t, 5, "--plain")
	d := boot(t, s.config("sqlite://{DIR}/db", quiet))
	d.mended(t, 30*time.Second)
	for _, args := range []string{
		"--socket S --org acme -o json users list --status all", "users list --status all --socket S --org acme -o json",
		"users --socket S list -o json --org acme --status=all", "-o json users --org acme list --socket S --status all",
		"--output json --socket=S users list --status all", "users list -ojson --status all --socket S",
	} {
		r := command(t, "rosterctl", strings.Fields(strings.ReplaceAll(args, "S", d.socket))...).must(t)
		if n := len(decode[[]user](t, r)); n != 5 {
			t.Errorf("%v\nlists %d users, want 5", r, n)
		}
	}
}

// One person from joining to leaving, by hand.
func TestOnePerson(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 10, "--plain")
		d := boot(t, s.config(database, quiet, "enrollment: selected"))
		d.mended(t, 30*time.Second)
		p := s.staff(t)[0]
		if x := d.ctl(t, "users", "explain", p.Email).must(t); !strings.Contains(x.out, "in\n") || strings.Contains(x.out, "cannot") {
			t.Errorf("%v\ndoes not say that the person is in scope", x)
		}
		d.ctl(t, "users", "add", p.ID, "--reason", "hired").must(t)
		u := d.user(t, p.Email)
		if u.SalesforceID != p.ID || u.Status != "active" || u.Username != p.Username || len(u.LicenseTypes) != 1 {
			t.Errorf("added: %+v", u)
		}
		s.edit(t, p.ID, fields{"Email": "moved@example.com"})
		if r := d.sync(t, nil); r.Updated != 1 {
			t.Errorf("%d updated, want 1: %+v", r.Updated, r)
		}
		if got := d.user(t, "moved@example.com"); got.ID != u.ID {
			t.Errorf("another user has the address: %+v", got)
		}
		// By hand, against Salesforce: the sync leaves it so.
		d.ctl(t, "users", "deactivate", u.ID, "--reason", "on leave").must(t)
		d.full(t)
		if got := d.user(t, u.ID); got.Status != "inactive" || !got.AdminHold || len(got.LicenseTypes) != 0 {
			t.Errorf("deactivated by hand: %+v", got)
		}
		if x := d.ctl(t, "users", "explain", u.ID).must(t); !strings.Contains(x.out, "by hand") {
			t.Errorf("%v\ndoes not say why", x)
		}
		d.ctl(t, "users", "activate", u.ID).must(t)
		// Salesforce beats an administrator's wish.
		s.do(t, "users/"+p.ID+"/freeze", nil)
		d.sync(t, nil)
		if got := d.user(t, u.ID); got.Status != "inactive" || got.StatusReason != "salesforce_frozen" {
			t.Errorf("frozen: %+v", got)
		}
		s.do(t, "users/"+p.ID+"/unfreeze", nil)
		d.sync(t, nil)
		if got := d.user(t, u.ID); got.Status != "active" {
			t.Errorf("no longer frozen: %+v", got)
		}
		verbs := []string{}
		for _, a := range d.activity(t, "--user", u.ID) {
			if _, standing := a.After["integration_reason"]; !standing || a.Verb != "update" { // how the person stands with Salesforce is told apart
				verbs = append(verbs, a.Actor.Kind+" "+a.Verb)
			}
		}
		want := []string{"sync create", "sync update", "admin deactivate", "admin activate", "sync deactivate", "sync activate"}
		if !slices.Equal(verbs, want) {
			t.Errorf("the log tells %v, want %v", verbs, want)
		}
	})
}
