package sync_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// explained is what support reads first of someone.
func (x *world) explained(ref string) string {
	x.t.Helper()
	e, err := x.engine.Explain(x.t.Context(), ref)
	must(x.t, err)
	text := regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:]+Z`).ReplaceAllString(e.Conclusion, "TIME")
	return regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).ReplaceAllString(text, "UUID")
}

// Whom the prefilter leaves out is told of all the same, or the prefilter is.
func TestExplainOfTheUnseen(t *testing.T) {
	onBoth(t, wish{users: 5}, func(t *testing.T, x *world) {
		id := x.hire("portal", func(u *simorg.User) { u.UserType = "CspLitePortal" })
		x.full()
		want := `Not in the dialer: the user is not in scope (user.UserType == "Standard" is false). ` +
			`No sync has shown this user yet: they are new, or the prefilter (UserType = 'Standard') leaves them out.`
		if got := x.explained(id); got != want {
			t.Errorf("got %s", got)
		}
		_, err := x.engine.Explain(t.Context(), "portal@acme.example")
		h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err)
		if !errors.Is(err, rostersync.ErrUnknownUser) || !ok || !strings.Contains(h.Hint(), "UserType = 'Standard'") {
			t.Errorf("by address: %v", err)
		}
	})
}

// Every kind of person has a sentence, and it is true.
func TestExplainConclusions(t *testing.T) {
	cfg := func(c *rostersync.Config) { c.Guard = rostersync.Guard{Users: 1} }
	rules := []rostersync.Rule{{Set: "title", To: `user.Title == "boom" ? string(int(user.Title)) : user.Title`}}
	onBoth(t, wish{users: 20, cfg: cfg, rules: rules, seats: 24}, func(t *testing.T, x *world) {
		ids := x.ids()
		check := func(ref, want string) {
			t.Helper()
			if got := x.explained(ref); got != want {
				t.Errorf("%s:\n got %s\nwant %s", ref, got, want)
			}
		}
		check(ids[0], "Active in the dialer, as Salesforce says.")
		check("rosterd@acme.example", "Not in the dialer: the user is not in scope (user.Profile.UserLicense.Name == \"Salesforce\" is false).")
		if _, err := x.engine.Explain(t.Context(), "nobody@example.com"); !errors.Is(err, rostersync.ErrUnknownUser) {
			t.Errorf("nobody: %v", err)
		}

		// Inactive, in each of the ways.
		x.deactivate(ids[1])
		x.changes()
		check(ids[1], "Inactive: the user is inactive in Salesforce.")
		x.act(dialer.Change{Verb: dialer.VerbDeactivate, UserID: x.person(ids[2]).ID})
		check(ids[2], "Inactive because an administrator deactivated this user; the sync does not undo that.")
		x.act(dialer.Change{Verb: dialer.VerbDelete, UserID: x.person(ids[3]).ID})
		x.changes()
		check(ids[3], "Deleted from the dialer by an administrator; the sync does not add them again, a person can.")

		// Held by the guard: one has left already.
		must(t, x.org.Freeze(ids[4]))
		must(t, x.org.Update(ids[5], func(u *simorg.User) { u.Email = "other@acme.example" }))
		must(t, x.org.Update(ids[6], func(u *simorg.User) { u.UserType = "CspLitePortal" }))
		x.changes()
		check(ids[4], "Active in the dialer still, though the user is frozen in Salesforce: the deactivation is held until someone approves it.")
		check(ids[5], "Active in the dialer. The new e-mail address is held until someone approves it.")
		check(ids[6], "Active in the dialer still, though the user is not in scope (user.UserType == \"Standard\" is false): the deactivation is held until someone approves it.")

		// About to leave.
		x.reload(func(c *rostersync.Config) { c.Guard, c.Leaving.After = rostersync.Guard{}, 24*time.Hour })
		must(t, x.org.Freeze(ids[7]))
		x.changes()
		check(ids[7], "Active until TIME, then deactivated: the user is frozen in Salesforce.")

		// Local and protected.
		x.local("local", "local@example.com")
		check("local@example.com", "In the dialer (active) as a local user, without Salesforce: the sync never touches them.")
		x.act(dialer.Change{
			Verb: dialer.VerbUpdate, UserID: x.person(ids[8]).ID, User: dialer.User{Protected: true}, Fields: []dialer.Field{dialer.FieldProtected},
		})
		check(ids[8], "In the dialer (active) and protected: the sync never touches them.")

		// Not in the dialer, in each of the ways.
		twin := x.hire("twin", func(u *simorg.User) { u.Email = dialerEmail(x, ids[9]) })
		wrong := x.hire("wrong", func(u *simorg.User) { u.Title = "boom" })
		gone := x.hire("gone")
		must(t, x.org.Deactivate(gone))
		x.changes()
		check(twin, "Not in the dialer, though in scope. A person must decide: shares its address with Salesforce user "+ids[9]+", who came first.")
		check(wrong, "Not in the dialer: the rule for title fails for this user (line 1, column 31 of the expression). The last try failed: the rule for title fails for this user (line 1, column 31 of the expression). The next is at TIME.")
		check(gone, "Not in the dialer: the user is inactive in Salesforce.")

		// The same failure of someone who is in the dialer.
		must(t, x.org.Update(ids[10], func(u *simorg.User) { u.Title = "boom" }))
		x.changes()
		if got := x.explained(ids[10]); !strings.HasPrefix(got, "Active in the dialer, and left as they are: the rule for title fails for this user") {
			t.Error(got)
		}

		// No seat is left for the last.
		for i := range 8 {
			x.hire("seat" + string(rune('a'+i)))
		}
		last := x.hire("last")
		x.changes()
		check(last, "Not in the dialer yet: no seat is left, and this user waits for one since TIME.")
		must(t, x.org.Activate(ids[1]))
		x.changes()
		check(ids[1], "Inactive: no seat is left, and this user waits for one since TIME.")

		// Lost from sight.
		x.org.Faults().HideUsers(func(u simorg.User) bool { return u.ID == ids[11] })
		x.full()
		if got := x.explained(ids[11]); !strings.HasPrefix(got, "Active in the dialer, and left as they are: Salesforce does not show this user to the integration user. A person must decide:") {
			t.Error(got)
		}

		// Nobody has added them.
		x.reload(func(c *rostersync.Config) { c.Enrollment = rostersync.EnrollSelected })
		must(t, x.dir.SetPurchased(t.Context(), "powerdialer", 100, dana))
		late := x.hire("late")
		x.changes()
		check(late, "Not in the dialer: in scope, but nobody has added this user and enrollment is selected.")
	})
}

// What explain says of a person rests on what it shows.
func TestExplainShowsItsGrounds(t *testing.T) {
	onBoth(t, wish{users: 10}, func(t *testing.T, x *world) {
		id := x.ids()[2]
		e, err := x.engine.Explain(t.Context(), x.person(id).Email)
		must(t, err)
		if e.Source == nil || e.Source.ID != id || !e.Source.Visible || e.User == nil || len(e.Actions) != 1 || e.Seat != "powerdialer" {
			t.Errorf("%+v", e)
		}
		if e.Scope == nil || !e.Scope.In || len(e.Scope.Clauses) != 3 || !e.Scope.Clauses[2].True {
			t.Errorf("scope: %+v", e.Scope)
		}
		fields := map[string]rostersync.MappedField{}
		for _, m := range e.Mapping {
			fields[m.Field] = m
		}
		if m := fields["username"]; m.Own != rostersync.OwnSeeded || m.Value != x.person(id).Username || m.Rule != "user.Username" {
			t.Errorf("mapping: %+v", m)
		}
		if len(e.Mapping) != len(rostersync.DefaultRules()) || len(e.Diff) != 0 {
			t.Errorf("%d rules, diff %+v", len(e.Mapping), e.Diff)
		}
	})
}
