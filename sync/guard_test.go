package sync_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
	rostersync "github.com/rosterd/rosterd/sync"
)

var dana = dialer.Actor{Kind: "admin", Name: "dana"}

// approve approves what a run holds and waits until it is applied.
func (x *world) approve(id int64) rostersync.Run {
	x.t.Helper()
	r, err := x.engine.Approve(x.t.Context(), id, dana, "CASE-1")
	must(x.t, err)
	return x.wait(r.ID)
}

func (x *world) deactivate(ids ...string) {
	x.t.Helper()
	for _, id := range ids {
		must(x.t, x.org.Deactivate(id))
	}
}

// An approval is of what was looked at, and of nothing that came later.
func TestApprovalIsSpentOnWhatWasSeen(t *testing.T) {
	onBoth(t, wish{users: 150}, func(t *testing.T, x *world) {
		ids := x.ids()
		x.deactivate(ids[:40]...)
		held := x.changes()
		want(t, held, rostersync.Held, map[string]int{"held": 40})

		// Approved, but 25 more appear before it is applied.
		journal := x.db.Journal(x.orgID)
		_, err := journal.ApproveHeld(t.Context(), store.Micros(time.Now().Add(time.Hour)), "dana", func([]string) error { return nil })
		must(t, err)
		x.deactivate(ids[100:125]...)
		r := x.changes()
		want(t, r, rostersync.Held, map[string]int{"deactivated": 40, "held": 25})
		for _, a := range x.activity(dialer.ActivityQuery{Verb: dialer.VerbDeactivate}) {
			if a.Note != "approved by dana" {
				t.Fatalf("note is %q", a.Note)
			}
		}

		// It cannot be spent again, on the same run or on another set.
		for _, id := range []int64{held.ID, held.ID} {
			if _, err := x.engine.Approve(t.Context(), id, dana, ""); !errors.Is(err, rostersync.ErrHeldChanged) {
				t.Errorf("approving the old run again: %v", err)
			}
		}

		// It expires.
		x.exec(`UPDATE held SET approved_until = $1, approved_by = 'dana'`, store.Micros(time.Now().Add(-time.Second)))
		want(t, x.changes(), rostersync.Held, map[string]int{"deactivated": 0, "held": 25})

		want(t, x.approve(r.ID), rostersync.Succeeded, map[string]int{"deactivated": 25, "held": 0})
		if _, err := x.engine.Approve(t.Context(), r.ID, dana, ""); !errors.Is(err, rostersync.ErrNothingHeld) {
			t.Errorf("approving nothing: %v", err)
		}
		x.agree()

		// Approved ones do not count: ten more may leave.
		x.deactivate(ids[130:140]...)
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 10})
	})
}

// The window rolls: what left yesterday no longer counts.
func TestGuardWindowRolls(t *testing.T) {
	guard := leavers(rostersync.Guard{Users: 5, Window: 24 * time.Hour})
	onBoth(t, wish{users: 100, cfg: guard}, func(t *testing.T, x *world) {
		ids := x.ids()
		x.ahead.Store(int64(-25 * time.Hour))
		x.deactivate(ids[:5]...)
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 5})
		x.ahead.Store(int64(-23 * time.Hour))
		x.deactivate(ids[5:8]...)
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 3})
		x.ahead.Store(0)
		x.deactivate(ids[8:10]...) // with the three of the last day that makes five
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 2})
		x.deactivate(ids[10])
		want(t, x.changes(), rostersync.Held, map[string]int{"deactivated": 0, "held": 1})
	})
}

// Changed e-mail addresses are guarded with the leavers, the rest of the same
// people is not.
func TestGuardHoldsAddresses(t *testing.T) {
	onBoth(t, wish{users: 150}, func(t *testing.T, x *world) {
		ids := x.ids()
		for i, id := range ids[:12] {
			must(t, x.org.Update(id, func(u *simorg.User) { u.Email, u.Title = string(rune('a'+i))+".new@acme.example", "Moved" }))
		}
		before := x.person(ids[0]).Email
		r := x.changes()
		want(t, r, rostersync.Held, map[string]int{"held": 12, "updated": 12})
		if u := x.person(ids[0]); u.Email != before || u.Title != "Moved" {
			t.Errorf("%+v", u)
		}
		want(t, x.approve(r.ID), rostersync.Succeeded, map[string]int{"updated": 12})
		if run, err := x.engine.RunByID(t.Context(), r.ID); err != nil || run.ApprovedBy != "dana (CASE-1)" || run.ApprovedAt.IsZero() {
			t.Errorf("approved by %q, %v", run.ApprovedBy, err)
		}
		x.agree()
		want(t, x.full(), rostersync.Succeeded, map[string]int{"updated": 0})
	})
}

// An edited scope shows whom it would remove before it does.
func TestEditedScopeIsShownFirst(t *testing.T) {
	sales := `user.IsActive && user.Department == "Sales"`
	onBoth(t, wish{users: 60, scope: sales, cfg: noGuard, idle: true}, func(t *testing.T, x *world) {
		ids := x.ids()
		must(t, x.org.MassUpdate(ids, func(u *simorg.User) { u.Department = "Support" }))
		must(t, x.org.MassUpdate(ids[:20], func(u *simorg.User) { u.Department = "Sales" }))
		x.start()
		want(t, x.settle(), rostersync.Succeeded, map[string]int{"created": 20})

		edited, err := rostersync.CompilePolicy(`user.IsActive && user.Department == "sales "`, nil)
		must(t, err)
		x.reload(func(c *rostersync.Config) { c.Policy = edited })
		r := x.until(func(r rostersync.Run) bool { return r.Trigger == "policy" })
		want(t, r, rostersync.Held, map[string]int{"held": 20, "deactivated": 0, "scheduled": 0})
		if r.SalesforceCalls != 0 || !strings.Contains(r.HeldWhy, "were changed") || x.active() != 20 {
			t.Errorf("%d calls, why %q, %d active", r.SalesforceCalls, r.HeldWhy, x.active())
		}
		run, err := x.engine.RunByID(t.Context(), r.ID)
		must(t, err)
		if len(run.HeldItems) != 20 || run.HeldItems[0].Reason != dialer.ReasonOutOfScope {
			t.Errorf("items: %+v", run.HeldItems)
		}
		want(t, x.changes(), rostersync.Held, map[string]int{"held": 20, "deactivated": 0})
		want(t, x.full(), rostersync.Held, map[string]int{"held": 20, "deactivated": 0})

		// Who is inactive in Salesforce leaves for that, whatever the scope.
		x.deactivate(ids[0])
		want(t, x.changes(), rostersync.Held, map[string]int{"held": 19, "deactivated": 1})

		// Emptied, it is no scope at all, and the old one stays.
		var wrong *rostersync.RuleError
		if _, err := rostersync.CompilePolicy(" ", nil); !errors.As(err, &wrong) || wrong.Key != "scope" {
			t.Errorf("an empty scope compiles: %v", err)
		}

		// Put back, nothing is held any more.
		back, err := rostersync.CompilePolicy(sales, nil)
		must(t, err)
		x.reload(func(c *rostersync.Config) { c.Policy = back })
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"held": 0, "deactivated": 0})
		if x.active() != 19 {
			t.Errorf("%d active", x.active())
		}

		// Meant, it is approved.
		last := r.ID
		x.reload(func(c *rostersync.Config) { c.Policy = edited })
		r = x.until(func(r rostersync.Run) bool { return r.Trigger == "policy" && r.Held > 0 && r.ID > last })
		want(t, r, rostersync.Held, map[string]int{"held": 19})
		want(t, x.approve(r.ID), rostersync.Succeeded, map[string]int{"deactivated": 19, "held": 0})
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"held": 0})
	})
}

// A changed mapping that removes nobody is simply applied.
func TestChangedMappingIsApplied(t *testing.T) {
	onBoth(t, wish{users: 60}, func(t *testing.T, x *world) {
		policy, err := rostersync.CompilePolicy(rostersync.DefaultScope, []rostersync.Rule{{Set: "title", To: `upper(user.Title)`}})
		must(t, err)
		x.reload(func(c *rostersync.Config) { c.Policy = policy })
		r := x.until(func(r rostersync.Run) bool { return r.Trigger == "policy" })
		want(t, r, rostersync.Succeeded, map[string]int{"held": 0})
		if r.SalesforceCalls != 0 || r.Updated == 0 {
			t.Errorf("%d calls, %d updated", r.SalesforceCalls, r.Updated)
		}
		for _, u := range x.users() {
			if u.Title != strings.ToUpper(u.Title) {
				t.Fatalf("title %q", u.Title)
			}
		}
		want(t, x.full(), rostersync.Succeeded, map[string]int{"updated": 0, "mirrored": 0})
	})
}

// Frozen people leave too; switching that on holds those who would leave by it.
func TestFrozenIsARuleToo(t *testing.T) {
	ignore := func(c *rostersync.Config) { c.Frozen, c.Guard = rostersync.FrozenIgnore, rostersync.Guard{} }
	onBoth(t, wish{users: 30, cfg: ignore}, func(t *testing.T, x *world) {
		for _, id := range x.ids()[:3] {
			must(t, x.org.Freeze(id))
		}
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 0})
		x.reload(func(c *rostersync.Config) { c.Frozen = rostersync.FrozenDeactivate })
		x.until(func(r rostersync.Run) bool { return r.Trigger == "policy" })
		r := x.changes()
		want(t, r, rostersync.Held, map[string]int{"held": 3, "deactivated": 0})
		want(t, x.approve(r.ID), rostersync.Succeeded, map[string]int{"deactivated": 3})
	})
}

// An org that was refreshed from production is not production.
func TestAnotherOrgIsRefused(t *testing.T) {
	onBoth(t, wish{users: 150, cfg: noGuard}, func(t *testing.T, x *world) {
		n := len(x.activity(dialer.ActivityQuery{}))
		other := simorg.New(simorg.Options{
			OrgID: "00D5f0000000002EAA", Users: 200, Seed: 2, Plain: true, PublicKey: &testKey.PublicKey,
		})
		production := x.sf.LoginURL
		x.sf.LoginURL = serve(t, other)
		x.reload(func(*rostersync.Config) {})
		for _, kind := range []rostersync.Kind{rostersync.KindFull, rostersync.KindChanges} {
			r := x.sync(rostersync.Request{Kind: kind})
			want(t, r, rostersync.Failed, map[string]int{"read": 0, "mirrored": 0})
			if r.Hint == "" {
				t.Error("no hint")
			}
		}
		if st := x.status(); st.State != "blocked" || len(x.attention(rostersync.AttentionOrg)) != 1 {
			t.Errorf("status %s, %q", st.State, st.Reasons)
		}
		x.sf.LoginURL = production
		x.reload(func(*rostersync.Config) {})
		want(t, x.full(), rostersync.Succeeded, nil)
		if st := x.status(); st.State != "ok" || len(x.attention(rostersync.AttentionOrg)) != 0 || len(x.activity(dialer.ActivityQuery{})) != n {
			t.Errorf("status %s, %q", st.State, st.Reasons)
		}

		// The org id is right, but the addresses are a sandbox's.
		ids := x.ids()
		for _, id := range ids[:3] {
			must(t, x.org.Update(id, func(u *simorg.User) { u.Email += ".invalid" }))
		}
		for range 2 {
			r := x.changes()
			want(t, r, rostersync.Failed, map[string]int{"updated": 0})
		}
		if st := x.status(); st.State != "blocked" || len(x.attention(rostersync.AttentionRefreshed)) != 1 || len(x.activity(dialer.ActivityQuery{})) != n {
			t.Errorf("status %s, %q", st.State, st.Reasons)
		}
		for _, id := range ids[:3] {
			must(t, x.org.Update(id, func(u *simorg.User) { u.Email = strings.TrimSuffix(u.Email, ".invalid") }))
		}
		x.changes()
		want(t, x.full(), rostersync.Succeeded, nil)
		if len(x.attention(rostersync.AttentionRefreshed)) != 0 {
			t.Error("the item is still open")
		}
		x.agree()
	})
}

// A field that can no longer be read is held, not cleared.
func TestHiddenFieldsAreHeld(t *testing.T) {
	onBoth(t, wish{users: 60, cfg: noGuard}, func(t *testing.T, x *world) {
		ids := x.ids()
		phones := map[string]string{}
		for id, u := range x.users() {
			phones[id] = u.Phone
		}
		x.org.Faults().HideField("User", "Phone")
		x.org.Faults().HideField("User", "Extension")
		must(t, x.org.Update(ids[0], func(u *simorg.User) { u.Title, u.Phone = "Other fields go on", "+1 202 555 0199" }))
		link := x.local("linked", "linked@acme.example", func(u *dialer.User) { u.Phone = "+1 202 555 0123" })
		x.hire("linked")
		for i, r := range []rostersync.Run{x.changes(), x.full()} {
			if i == 0 {
				want(t, r, rostersync.SucceededIssues, map[string]int{"updated": 1, "linked": 1, "attention": 2})
			}
			for id, u := range x.users() {
				if old, ok := phones[id]; ok && u.Phone != old {
					t.Fatalf("the phone of %s was changed to %q", id, u.Phone)
				}
			}
		}
		if u := x.person(link); u.Phone != "+12025550123" || u.SalesforceID == "" {
			t.Errorf("first link: %+v", u)
		}
		var fields []string
		for _, a := range x.attention(rostersync.AttentionField) {
			fields = append(fields, a.User)
		}
		if !slices.Equal(fields, []string{"Extension", "Phone"}) || x.person(ids[0]).Title != "Other fields go on" {
			t.Errorf("items for %q, title %q", fields, x.person(ids[0]).Title)
		}
		// Once visible, what waited is applied without anybody asking: also to those
		// whose field is empty, and looks as it did while it was hidden.
		x.org.Faults().ShowField("User", "Phone")
		x.org.Faults().ShowField("User", "Extension")
		x.changes()
		x.eventually("everyone is read with the fields", func() bool {
			return x.person(ids[0]).Phone == "+12025550199" && x.person(link).Phone == ""
		})
		want(t, x.full(), rostersync.Succeeded, nil)
		if len(x.attention(rostersync.AttentionField)) != 0 || x.person(ids[0]).Phone != "+12025550199" {
			t.Errorf("then: %+v, phone %q", x.attention(rostersync.AttentionField), x.person(ids[0]).Phone)
		}
	})
}

// A scope that cannot be read lets nobody in, and takes nobody out.
func TestBlindScope(t *testing.T) {
	scope := `user.IsActive && user.Department != "Secret"`
	onBoth(t, wish{users: 40, scope: scope, cfg: noGuard}, func(t *testing.T, x *world) {
		secret := x.ids()[0]
		must(t, x.org.Update(secret, func(u *simorg.User) { u.Department = "Secret" }))
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 1})
		x.org.Faults().HideField("User", "Department")
		joiner := x.hire("joiner")
		x.deactivate(x.ids()[1])
		want(t, x.changes(), rostersync.SucceededIssues, map[string]int{"created": 0, "reactivated": 0, "deactivated": 1})
		want(t, x.full(), rostersync.Succeeded, map[string]int{"created": 0, "reactivated": 0, "deactivated": 0})
		if out, err := x.engine.Add(t.Context(), []string{joiner}, nil, dana, ""); err != nil || out[0].Outcome != "refused" {
			t.Errorf("added blindly: %+v, %v", out, err)
		}
		x.org.Faults().ShowField("User", "Department")
		want(t, x.full(), rostersync.Succeeded, map[string]int{"created": 1, "reactivated": 0})
	})
}

// Rules that need a custom field which nobody was read with wait until everyone
// was: what was not read is not empty.
func TestRulesWithAnotherField(t *testing.T) {
	more := func(o *simorg.Options) { o.CustomFields = []simorg.CustomField{{Name: "Desk_Phone__c"}} }
	onBoth(t, wish{users: 40, cfg: noGuard, org: more}, func(t *testing.T, x *world) {
		ids := x.ids()
		teams := map[string]any{"Desk_Phone__c": "+1 202 555 0170"}
		must(t, x.org.SetFields(ids[:30], teams))
		x.changes() // the change itself is of no interest yet
		phones := map[string]string{}
		for id, u := range x.users() {
			phones[id] = u.Phone
		}
		release := x.hang("COUNT() FROM User ")
		policy, err := rostersync.CompilePolicy(`user.IsActive && user.Custom["Desk_Phone__c"] != nil`,
			[]rostersync.Rule{{Set: "phone", To: `user.Custom["Desk_Phone__c"]`}})
		must(t, err)
		x.reload(func(c *rostersync.Config) { c.Policy = policy })
		x.eventually("everyone is being read", func() bool { return x.status().Running != 0 })
		one := x.sync(rostersync.Request{Kind: rostersync.KindUser, Users: []string{ids[35]}})
		want(t, one, rostersync.Succeeded, map[string]int{"updated": 0, "held": 0})
		if e, err := x.engine.Explain(t.Context(), ids[35]); err != nil || !strings.Contains(e.Conclusion, "Active in the dialer") || len(e.Diff) != 0 {
			t.Errorf("explain: %s, %+v, %v", e.Conclusion, e.Diff, err)
		}
		for id, u := range x.users() {
			if u.Phone != phones[id] || u.Status != dialer.StatusActive {
				t.Fatalf("user %s was judged by what was not read: %+v", id, u)
			}
		}
		release()
		r := x.until(func(r rostersync.Run) bool { return r.Trigger == "policy" && r.Kind == rostersync.KindFull })
		want(t, r, rostersync.Held, map[string]int{"updated": 40, "held": 10})
		if u := x.person(ids[0]); u.Phone != "+12025550170" {
			t.Errorf("phone %q", u.Phone)
		}
		want(t, x.changes(), rostersync.Held, map[string]int{"updated": 0, "held": 10})
		runs, err := x.engine.Runs(t.Context(), 0, 100)
		must(t, err)
		if n := count(runs, "policy"); n != 1 {
			t.Errorf("%d runs for the rules", n)
		}
	})
}
