package directory_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
)

// What the guides change for many users at once: a permission group, recording,
// a caller ID, and the minimum record time.
func TestMassSetsOneSettingForMany(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(4)
		for _, c := range []struct {
			field dialer.Field
			value any
			text  string
		}{
			{dialer.FieldPermissionGroup, "Closers", "Closers"},
			{dialer.FieldRecordingEnabled, true, "true"},
			{dialer.FieldRecordingMinSeconds, 15, "15"},
			{dialer.FieldClickToCall, "(202) 555-0143", "+12025550143"},
		} {
			m := d.run(d.preview(dialer.MassRequest{Scope: ids(people[:3]...), Action: dialer.MassSet, Field: c.field, Value: value(c.value)}))
			if got := tally(m.Done); got != "3 changed, 0 unchanged, 0 refused" {
				t.Errorf("%s: %s", c.field, got)
			}
			for i, id := range people {
				u := d.user(id)
				got := c.field.Text(&u)
				if k := c.field.Kind(); k != "" {
					got = u.One(k)
				}
				if (got == c.text) != (i < 3) {
					t.Errorf("%s of user %d is %q", c.field, i, got)
				}
			}
		}
	})
}

// Skill groups, tags, desks and roles are assigned to many, beside those that
// they have; and whoever is on a desk with a role is found by both.
func TestMassAssignsGroupsOfEveryKind(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(3)
		for _, f := range []dialer.Field{dialer.FieldSkillGroup, dialer.FieldTag, dialer.FieldDesk, dialer.FieldRole} {
			for _, name := range []string{"Spanish", "West"} {
				m := d.run(d.preview(dialer.MassRequest{Scope: ids(people[:2]...), Action: dialer.MassAdd, Field: f, Value: value([]string{name})}))
				if m.Done.Changed != 2 {
					t.Errorf("%s: %s", f, tally(m.Done))
				}
			}
			u := d.user(people[0])
			if got := strings.Join(u.In(f.Kind()), " "); !strings.HasSuffix(got, "Spanish West") {
				t.Errorf("%s: %s", f, got)
			}
		}
		q := dialer.Query{Groups: []dialer.Group{{Kind: dialer.KindDesk, Name: "West"}, {Kind: dialer.KindRole, Name: "Spanish"}}}
		if n, err := d.Count(t.Context(), q); err != nil || n != 2 {
			t.Errorf("found %d, %v", n, err)
		}
	})
}

// Who is deactivated loses the seat, every session and the way into
// Salesforce, and nothing of what was set for them.
func TestDeactivationKeepsSettings(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		d.must(d.SetLicenses(t.Context(), []dialer.License{{Type: "powerdialer", Purchased: 2, Default: true}}))
		id := d.hire(2, "powerdialer")[1]
		var u dialer.User
		fields := []dialer.Field{dialer.FieldRingTimeout, dialer.FieldClickToCall, dialer.FieldDesk, dialer.FieldExtension, dialer.FieldSFAuthorization}
		for i, v := range []any{45, "+12025550143", []string{"EMEA"}, "4711", "authorized"} {
			d.must(fields[i].Set(&u, v))
		}
		d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: id, User: u, Fields: fields})
		before := d.user(id)
		_, err := d.OpenSession(t.Context(), id, "cti", "192.0.2.1")
		d.must(err)

		d.apply(dialer.Change{Verb: dialer.VerbDeactivate, UserID: id})
		off := d.user(id)
		if n, err := d.CountSessions(t.Context(), dialer.SessionQuery{UserID: id, Open: true}); err != nil || n != 0 {
			t.Errorf("%d sessions go on, %v", n, err)
		}
		if list, err := d.Licenses(t.Context()); err != nil || list[0].Left != 1 || list[0].Purchased != 2 {
			t.Errorf("got %+v, %v", list, err)
		}
		if off.Status != dialer.StatusInactive || len(off.LicenseTypes) != 0 || dialer.FieldSFAuthorization.Text(&off) != "revoked" {
			t.Errorf("deactivated: %+v", off)
		}
		d.apply(dialer.Change{Verb: dialer.VerbActivate, UserID: id, Seats: []string{"powerdialer"}})
		after := d.user(id)
		for _, f := range fields[:4] {
			if diff := cmp.Diff(f.Value(&before), f.Value(&after)); diff != "" {
				t.Errorf("%s: %s", f, diff)
			}
		}
	})
}

// A mass deletion unassigns the leads of everybody whom it deletes.
func TestMassDeletionUnassignsLeads(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(5)
		m := d.run(d.preview(dialer.MassRequest{Scope: ids(people[:4]...), Action: dialer.MassDelete}))
		p := &post{}
		if n := d.deliver(p); m.Done.Changed != 4 || n != 4 || d.leads() != 0 {
			t.Errorf("%s; %d messages sent", tally(m.Done), n)
		}
		for _, id := range people[:4] {
			if !strings.Contains(strings.Join(p.keys, " "), "leads_unassign/"+id) || d.user(id).Status != dialer.StatusDeleted {
				t.Errorf("user %s is %s", id, d.user(id).Status)
			}
		}
	})
}

// Whoever closes a window has not signed out, and the session says so.
func TestClosedWindowIsNoLogout(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		id := d.hire(1)[0]
		p, err := d.ResetPassword(t.Context(), id, false, "", root)
		d.must(err)
		for _, reason := range []dialer.EndReason{dialer.EndWindowClosed, dialer.EndLogout} {
			in, err := d.signIn(p.Password, "")
			d.must(err)
			d.must(d.SignOut(t.Context(), in.Token, reason))
			list := d.sessions(dialer.SessionQuery{UserID: id, Ended: true, Limit: 9})
			if list[0].ID != in.Session.ID && list[len(list)-1].ID != in.Session.ID {
				t.Fatalf("the session is not listed: %+v", list)
			}
			n := 0
			for _, s := range list {
				if s.EndReason == reason {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d sessions ended with %s", n, reason)
			}
		}
	})
}
