package directory_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
)

// Asking a user to authorize the dialer writes to them once, however often it is
// asked for; again is again.
func TestUsersAreAskedToAuthorize(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(4) // the second and the fourth are of Salesforce
		ask := dialer.Change{Verb: dialer.VerbAsk, UserID: people[1], Note: "new app", Actor: root}
		refused := func(c dialer.Change, want error) {
			t.Helper()
			if r := d.Apply(t.Context(), []dialer.Change{c})[0]; r.Outcome != dialer.Refused || !errors.Is(r.Err, want) {
				t.Errorf("%s: %v, want %v", r.Outcome, r.Err, want)
			}
		}
		refused(ask, dialer.ErrNoAsking)
		if _, err := d.SetOrgSettings(t.Context(), map[dialer.Field]any{dialer.OrgAuthLink: "javascript:alert(1)"}, root); err == nil {
			t.Error("a script is taken for a page")
		}
		_, err := d.SetOrgSettings(t.Context(), map[dialer.Field]any{
			dialer.OrgAuthLink: "https://dialer.example.com/connect", dialer.OrgAuthText: "Please connect {{.Link}}.",
		}, root)
		d.must(err)
		local := dialer.Change{Verb: dialer.VerbAsk, UserID: people[0], Actor: root}
		if r := d.Apply(t.Context(), []dialer.Change{local})[0]; r.Outcome != dialer.Refused {
			t.Errorf("somebody who is not of Salesforce: %s", r.Outcome)
		}

		d.apply(ask)
		if r := d.Apply(t.Context(), []dialer.Change{ask})[0]; r.Outcome != dialer.Unchanged {
			t.Errorf("asked twice: %s, %v", r.Outcome, r.Err)
		}
		u := d.user(people[1])
		if dialer.FieldSFAuthorization.Text(&u) != dialer.Asked || dialer.FieldSFAuthAskedAt.Text(&u) == "" {
			t.Errorf("state %s at %q", dialer.FieldSFAuthorization.Text(&u), dialer.FieldSFAuthAskedAt.Text(&u))
		}
		log := d.entries(dialer.VerbAsk)
		if len(log) != 1 || log[0].Note != "new app" || !strings.Contains(string(log[0].After), `"pending"`) {
			t.Errorf("activity %+v", log)
		}
		p := &post{}
		if n := d.deliver(p); n != 1 {
			t.Fatalf("%d letters", n)
		}
		l := p.letters[0]
		if l.Kind != dialer.MessageAuthorization || l.To != u.Email || l.Link != "https://dialer.example.com/connect" || l.Text != "Please connect {{.Link}}." {
			t.Errorf("letter %+v", l)
		}
		ask.Again = true
		d.wait(time.Second)
		d.apply(ask)
		if n := d.deliver(p); n != 1 || p.letters[1].Key == l.Key {
			t.Errorf("again: %d letters, %s", n, p.letters[1].Key)
		}

		// Whoever has authorized is not asked, unless again; nor is a letter sent
		// that nobody waits for any more.
		d.wait(time.Second)
		d.apply(ask)
		r, err := d.Authorize(t.Context(), people[1], dialer.Authorized, "", root)
		if err != nil || r.Outcome != dialer.Applied {
			t.Fatalf("authorized: %+v, %v", r, err)
		}
		if n := d.deliver(p); n != 0 {
			t.Errorf("%d letters to who has authorized", n)
		}
		if r, err := d.Authorize(t.Context(), people[1], dialer.Authorized, "", root); err != nil || r.Outcome != dialer.Unchanged {
			t.Errorf("authorized twice: %+v, %v", r, err)
		}
		if _, err := d.Authorize(t.Context(), people[1], "perhaps", "", root); err == nil {
			t.Error("a state that there is not was written")
		}
		ask.Again = false
		if r := d.Apply(t.Context(), []dialer.Change{ask})[0]; r.Outcome != dialer.Unchanged {
			t.Errorf("asked who has authorized: %s", r.Outcome)
		}
		u = d.user(people[1])
		if dialer.FieldSFAuthorizedAt.Text(&u) == "" {
			t.Error("nobody knows since when")
		}
		waiting, err := d.Count(t.Context(), dialer.Query{Terms: []dialer.Term{{Field: dialer.FieldSFAuthorization, Op: dialer.OpIsNot, Value: dialer.Authorized}}})
		if err != nil || waiting != 3 {
			t.Errorf("%d have not authorized, %v", waiting, err)
		}
	})
}

// Of many, those are asked who were not, and each leaver's state ends.
func TestMassAsksToAuthorize(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		_, err := d.SetOrgSettings(t.Context(), map[dialer.Field]any{dialer.OrgAuthText: "Ask the help desk."}, root)
		d.must(err)
		people := d.hire(6)
		if _, err := d.Authorize(t.Context(), people[1], dialer.Authorized, "", root); err != nil {
			t.Fatal(err)
		}
		m := d.run(d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassAsk, Reason: "go live"}))
		if got := tally(m.Done); got != "2 changed, 1 unchanged, 3 refused; 3 salesforce_id must be set: the user is not of Salesforce" {
			t.Errorf("done: %s", got)
		}
		p := &post{}
		if n := d.deliver(p); n != 2 {
			t.Errorf("%d letters", n)
		}
		if m := d.run(d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassAsk})); m.Done.Changed != 0 || d.deliver(p) != 0 {
			t.Errorf("asked again: %s", tally(m.Done))
		}
		for id, want := range map[string]string{people[1]: dialer.Revoked, people[3]: dialer.NotAsked} {
			d.apply(dialer.Change{Verb: dialer.VerbDeactivate, UserID: id})
			if u := d.user(id); dialer.FieldSFAuthorization.Text(&u) != want {
				t.Errorf("a leaver is %s, want %s", dialer.FieldSFAuthorization.Text(&u), want)
			}
		}
	})
}
