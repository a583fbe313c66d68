package sync_test

import (
	"strings"
	"testing"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// Rules set attributes of every kind; what the dialer needs is kept against
// what Salesforce says, and a bad telephone number stops nobody.
func TestModel(t *testing.T) {
	rules := []rostersync.Rule{
		{Set: "country", To: "user.Country"},
		{Set: "recording_enabled", To: `user.Title == "Recorded"`},
		{Set: "ring_timeout_seconds", To: `user.Title == "Recorded" ? 45 : 20`},
		{Set: "auto_dial", To: `user.Title == "Recorded" ? "preview" : ""`, Own: rostersync.OwnSeeded},
	}
	onBoth(t, wish{users: 10, rules: rules, cfg: noGuard, idle: true}, func(t *testing.T, x *world) {
		must(t, x.org.MassUpdate(x.ids(), func(u *simorg.User) { u.Country = "US" }))
		x.firstRun()
		ids := x.ids()
		r := x.changes()
		want(t, r, rostersync.Succeeded, map[string]int{"updated": 0})
		dana := dialer.Actor{Kind: "admin", Name: "dana"}
		set := func(id string, pairs ...any) {
			t.Helper()
			c := dialer.Change{Verb: dialer.VerbUpdate, UserID: x.person(id).ID, Actor: dana}
			for i := 0; i < len(pairs); i += 2 {
				f := pairs[i].(dialer.Field)
				must(t, f.Set(&c.User, pairs[i+1]))
				c.Fields = append(c.Fields, f)
			}
			must(t, x.dir.Apply(t.Context(), []dialer.Change{c})[0].Err)
		}
		set(ids[0], dialer.FieldInternationalDialing, true)
		set(ids[1], dialer.FieldSystemRole, dialer.SystemRoleAdmin)

		must(t, x.org.Update(ids[0], func(u *simorg.User) { u.Country, u.Title = "", "Still written" }))
		must(t, x.org.Update(ids[1], func(u *simorg.User) { u.IsActive = false }))
		must(t, x.org.Update(ids[2], func(u *simorg.User) { u.Title, u.Phone = "Recorded", "ask reception" }))
		want(t, x.changes(), rostersync.SucceededIssues, map[string]int{"updated": 2, "deactivated": 0, "failed": 2})
		if u := x.person(ids[0]); u.Settings.Country != "US" || u.Title != "Still written" {
			t.Errorf("the country that is needed: %q, %q", u.Settings.Country, u.Title)
		}
		if u := x.person(ids[1]); u.Status != dialer.StatusActive || u.SystemRole != dialer.SystemRoleAdmin {
			t.Errorf("the last administrator: %s, %s", u.Status, u.SystemRole)
		}
		u := x.person(ids[2])
		if !dialer.FieldRecordingEnabled.Flag(&u) || dialer.FieldRingTimeout.Text(&u) != "45" || u.Phone != "ask reception" || dialer.FieldAutoDial.Text(&u) != "off" {
			t.Errorf("set by rules: %q, %v", u.Phone, u.Settings)
		}
		for id, why := range map[string]string{ids[0]: "international_dialing", ids[1]: "administrator"} {
			if p := x.pending(id); len(p) != 1 || !strings.Contains(p[0].Detail, why) {
				t.Errorf("%s: %+v", why, p)
			}
		}
		joiner := x.hire("preview", func(u *simorg.User) { u.Title, u.Country = "Recorded", "US" })
		must(t, x.org.Update(ids[2], func(u *simorg.User) { u.Title = "Rep" }))
		x.changes()
		if u := x.person(joiner); dialer.FieldAutoDial.Text(&u) != "preview" {
			t.Errorf("seeded: %s", dialer.FieldAutoDial.Text(&u))
		}
		if u := x.person(ids[2]); dialer.FieldRecordingEnabled.Flag(&u) || dialer.FieldRingTimeout.Text(&u) != "20" {
			t.Errorf("no longer: %v", u.Settings)
		}
	})
}
