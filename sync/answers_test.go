package sync_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// Support reads the first sentence only, so it must not say that all is well.
func TestExplainHeldLeaver(t *testing.T) {
	onBoth(t, wish{users: 60}, func(t *testing.T, x *world) {
		leavers := x.ids()[:15]
		if err := x.org.SetFields(leavers, map[string]any{"IsActive": false}); err != nil {
			t.Fatal(err)
		}
		run := x.changes()
		if run.Held != len(leavers) {
			t.Fatalf("held %d, want %d", run.Held, len(leavers))
		}
		e, err := x.engine.Explain(t.Context(), leavers[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"still", "inactive in Salesforce", "held", "approves"} {
			if !strings.Contains(e.Conclusion, want) {
				t.Errorf("%q does not say %q", e.Conclusion, want)
			}
		}
		if e, err = x.engine.Explain(t.Context(), x.ids()[20]); err != nil || !strings.Contains(e.Conclusion, "as Salesforce says") {
			t.Errorf("someone who stays: %q, %v", e.Conclusion, err)
		}
	})
}

// Whoever asks doctor about a Salesforce that does not answer hears just that, in time.
func TestDoctorOfSilentSalesforce(t *testing.T) {
	onBoth(t, wish{users: 5}, func(t *testing.T, x *world) {
		x.org.Faults().Add(simorg.Rule{Effect: simorg.Effect{Kind: simorg.Hang}})
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second) // of which doctor takes two thirds, and a busy host may take some
		defer cancel()
		checks, err := x.engine.Doctor(ctx)
		if err != nil || ctx.Err() != nil {
			t.Fatalf("got %v, %v", err, ctx.Err())
		}
		found := false
		for _, c := range checks {
			found = found || !c.OK && strings.Contains(c.Detail, "no answer within") && c.Hint != ""
		}
		if !found || checks[len(checks)-1].Name != "quota" {
			t.Errorf("got %+v", checks)
		}
		x.org.Faults().Clear()
	})
}

// Rules that were changed and changed back have been looked at everyone by, so
// that who joined meanwhile is looked at again by the rules that came back.
func TestPolicyThereAndBack(t *testing.T) {
	onBoth(t, wish{users: 60}, func(t *testing.T, x *world) {
		policy := func(run rostersync.Run) bool { return run.Trigger == "policy" }
		before := x.cfg
		narrow, err := rostersync.CompilePolicy(`user.IsActive && user.Profile.Name == "Nobody's"`, nil)
		if err != nil {
			t.Fatal(err)
		}
		after := before
		after.Policy = narrow
		if err := x.engine.Reload(after, x.sf); err != nil {
			t.Fatal(err)
		}
		held := x.until(policy)
		if held.Outcome != rostersync.Held {
			t.Fatalf("the narrow scope: %+v", held)
		}
		id, err := x.org.AddUser(simorg.User{Username: "late@acme.example", Email: "late@example.com", LastName: "Late", IsActive: true})
		if err != nil {
			t.Fatal(err)
		}
		x.changes()
		if err := x.engine.Reload(before, x.sf); err != nil {
			t.Fatal(err)
		}
		x.until(func(r rostersync.Run) bool { return policy(r) && r.ID > held.ID })
		if _, ok := x.users()[id]; !ok {
			e, err := x.engine.Explain(t.Context(), id)
			t.Errorf("who joined meanwhile is not in the dialer: %s (%v)", e.Conclusion, err)
		}
	})
}

// Seats that are taken back from the contract are not taken from people, but somebody must hear of it.
func TestOverAllocated(t *testing.T) {
	onBoth(t, wish{users: 20, seats: 20}, func(t *testing.T, x *world) {
		if st, err := x.engine.Status(t.Context()); err != nil || st.State != "ok" {
			t.Fatalf("before: %+v, %v", st, err)
		}
		active := x.active()
		if err := x.dir.SetLicenses(t.Context(), []dialer.License{{Type: "powerdialer", Purchased: 5, Default: true}}); err != nil {
			t.Fatal(err)
		}
		x.changes()
		if got := x.active(); got != active {
			t.Errorf("%d are active, want %d", got, active)
		}
		st, err := x.engine.Status(t.Context())
		if err != nil || st.State != "degraded" || !strings.Contains(strings.Join(st.Reasons, ";"), "powerdialer") {
			t.Errorf("got %s %q, %v", st.State, st.Reasons, err)
		}
		checks, err := x.engine.Doctor(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range checks {
			if c.Name == "seats" && (c.OK || c.Hint == "") {
				t.Errorf("doctor: %+v", c)
			}
		}
	})
}

// Someone who returns when no seat is left is not inactive for what was.
func TestExplainReturnedWithoutSeat(t *testing.T) {
	onBoth(t, wish{users: 12, seats: 12, cfg: func(c *rostersync.Config) {
		c.Leaving = rostersync.Leaving{}
		c.OnNoSeat = dialer.NoSeatCreateInactive
	}}, func(t *testing.T, x *world) {
		id := x.ids()[3]
		for _, active := range []bool{false, true} {
			if err := x.org.SetFields([]string{id}, map[string]any{"IsActive": active}); err != nil {
				t.Fatal(err)
			}
			x.changes()
			if err := x.dir.SetLicenses(t.Context(), []dialer.License{{Type: "powerdialer", Purchased: 2, Default: true}}); err != nil {
				t.Fatal(err)
			}
		}
		e, err := x.engine.Explain(t.Context(), id)
		if err != nil || !strings.Contains(e.Conclusion, "no seat") {
			t.Errorf("got %q, seat %q, %v", e.Conclusion, e.Seat, err)
		}
	})
}

// A run that does not come on is said to stand still, since when.
func TestRunThatStandsStill(t *testing.T) {
	onBoth(t, wish{users: 5}, func(t *testing.T, x *world) {
		release := x.hang("SystemModstamp >=")
		defer release()
		r, _ := x.request(rostersync.Request{Kind: rostersync.KindChanges})
		x.eventually("it asks", func() bool {
			v, err := x.engine.RunByID(t.Context(), r.ID)
			return err == nil && v.SalesforceCalls >= 2
		})
		if st := x.status(); st.State != "running" || len(st.Reasons) != 0 {
			t.Errorf("at first: %s, %q", st.State, st.Reasons)
		}
		x.engine.Idle(3 * time.Minute)
		if st := x.status(); st.State != "degraded" || !strings.Contains(strings.Join(st.Reasons, " "), "has not come on since") {
			t.Errorf("then: %s, %q", st.State, st.Reasons)
		}
		must(t, x.engine.PauseRun(t.Context(), r.ID, dana))
		if st := x.status(); len(st.Reasons) != 0 {
			t.Errorf("paused: %q", st.Reasons)
		}
		must(t, x.engine.ResumeRun(t.Context(), r.ID, dana))
		release()
		want(t, x.wait(r.ID), rostersync.Succeeded, nil)
	})
}

// Who asks for a sync after mending the login need not wait for a refusal to
// be forgotten.
func TestRequestLogsInAgain(t *testing.T) {
	onBoth(t, wish{users: 5}, func(t *testing.T, x *world) {
		remove := x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Token, Effect: simorg.Effect{Kind: simorg.TokenRefused, Code: "invalid_grant", Message: "user hasn't approved this consumer"}})
		x.reload(func(*rostersync.Config) {}) // a client without a token
		want(t, x.changes(), rostersync.Failed, nil)
		remove()
		want(t, x.changes(), rostersync.Succeeded, nil)
	})
}
