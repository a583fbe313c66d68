package sync_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/simorg"
	rostersync "github.com/rosterd/rosterd/sync"
)

func (x *world) quota() rostersync.QuotaStatus {
	x.t.Helper()
	q, err := x.engine.Quota(x.t.Context())
	must(x.t, err)
	return q
}

// The budget is never crossed by routine work; polls come more and more rarely
// as it drains, and a person's request is served when a full sync is not.
func TestBudgetDrains(t *testing.T) {
	cfg := func(c *rostersync.Config) { c.Budget, c.Guard = rostersync.Budget{CallsPerDay: 60}, rostersync.Guard{} }
	onBoth(t, wish{users: 20, cfg: cfg}, func(t *testing.T, x *world) {
		seen, every := map[string]bool{}, time.Duration(0)
		for range 60 {
			q := x.quota()
			seen[q.Level] = true
			if used, _ := x.org.Usage(); q.Ours != used || q.Ours > 60 || q.BudgetLeft != 60-q.Ours {
				t.Fatalf("we count %d calls and %d left, the org counts %d", q.Ours, q.BudgetLeft, used)
			}
			now, err := time.ParseDuration(q.PollEvery)
			must(t, err)
			if now < every && q.BudgetLeft > 0 {
				t.Fatalf("at %d left it polls every %s, after every %s", q.BudgetLeft, now, every)
			}
			if every = now; q.Level == "leavers_only" && q.BudgetLeft > 5 {
				want(t, x.changes(), rostersync.Succeeded, nil)
			} else {
				x.engine.Poll()
			}
		}
		if !seen["normal"] || !seen["stretched"] || !seen["leavers_only"] || !seen["exhausted"] {
			t.Errorf("levels: %v", seen)
		}
		r := x.engine.Poll()
		want(t, r, rostersync.PausedQuota, map[string]int{"read": 0})
		if st := x.status(); st.State != "degraded" || !strings.Contains(strings.Join(st.Reasons, " "), "API quota") {
			t.Errorf("status %s, %q", st.State, st.Reasons)
		}

		// A person is told why, and may go on with a reason.
		for kind, need := range map[rostersync.Kind]string{rostersync.KindFull: "6 calls", rostersync.KindChanges: "3 calls"} {
			_, _, err := x.engine.Request(t.Context(), rostersync.Request{Kind: kind})
			if !errors.Is(err, rostersync.ErrQuota) || !strings.Contains(err.Error(), need) {
				t.Errorf("%s: %v", kind, err)
			}
		}
		if c, err := x.engine.Preview(t.Context(), rostersync.KindFull); err != nil || c.Allowed || c.Calls != 6 || c.Users != 21 {
			t.Errorf("preview: %+v, %v", c, err)
		}
		want(t, x.sync(rostersync.Request{Kind: rostersync.KindFull, Override: true, Reason: "CASE-2"}), rostersync.Succeeded, nil)

		// The count survives a restart, and falls as hours pass.
		x.restart(nil)
		x.eventually("the count is read", func() bool { return x.quota().Ours > 60 })
		if q := x.quota(); q.Level != "exhausted" {
			t.Errorf("after a restart: %+v", q)
		}
		x.stop()
		x.exec(`UPDATE api_calls SET hour = hour - 26`)
		x.restart(nil)
		want(t, x.changes(), rostersync.Succeeded, nil)
	})
}

// The reserve is left to the org's other apps; when they have used it up, one
// call now and then finds out whether that is still so.
func TestReserveIsLeftToOthers(t *testing.T) {
	cfg := func(c *rostersync.Config) { c.Budget = rostersync.Budget{ReservePercent: 20} }
	onBoth(t, wish{users: 20, cfg: cfg}, func(t *testing.T, x *world) {
		for _, tc := range []struct {
			used  int
			level string
		}{{100, "normal"}, {641, "leavers_only"}} {
			x.org.SetUsage(tc.used, 1000)
			want(t, x.engine.Poll(), rostersync.Succeeded, nil)
			if q := x.quota(); q.Level != tc.level || q.Reserve != 200 || q.Max != 1000 || q.BudgetLeft != 800-q.Used {
				t.Errorf("at %d: %+v", tc.used, q)
			}
		}
		x.org.SetUsage(799, 1000)
		x.engine.Poll()
		before := fmt.Sprint(x.org.Calls())
		want(t, x.engine.Poll(), rostersync.PausedQuota, nil)
		if after := fmt.Sprint(x.org.Calls()); after != before {
			t.Errorf("calls were made: %s, %s", before, after)
		}
		if used, _ := x.org.Usage(); used > 800 {
			t.Errorf("%d used, the reserve begins at 800", used)
		}
	})
}

// A full sync that is due waits while most of the quota is spent, and leavers
// are found all the same.
func TestFullSyncIsDeferred(t *testing.T) {
	cfg := func(c *rostersync.Config) {
		c.Budget, c.Guard = rostersync.Budget{CallsPerDay: 1000}, rostersync.Guard{}
	}
	onBoth(t, wish{users: 20, cfg: cfg}, func(t *testing.T, x *world) {
		x.stop()
		hour := time.Now().Unix() / 3600
		x.exec(`DELETE FROM api_calls`)
		x.exec(`INSERT INTO api_calls (org_id, hour, calls) VALUES ($1, $2, 850)`, x.orgID, hour)
		x.setState("full_due", time.Now().Add(-49*time.Hour).UTC().Format(time.RFC3339Nano))
		x.restart(nil)
		x.eventually("it is deferred", func() bool {
			return strings.Contains(strings.Join(x.status().Reasons, " "), "a full sync is due and waits")
		})
		x.deactivate(x.ids()[0])
		want(t, x.engine.Poll(), rostersync.Succeeded, map[string]int{"deactivated": 1})
		runs, err := x.engine.Runs(t.Context(), 0, 100)
		must(t, err)
		if count(runs, "schedule") != 0 {
			t.Error("the full sync ran")
		}
		x.stop()
		x.exec(`UPDATE api_calls SET calls = 10`)
		x.restart(nil)
		want(t, x.until(func(r rostersync.Run) bool { return r.Trigger == "schedule" }), rostersync.Succeeded, nil)
	})
}

// A first sync that the budget can never pay is not begun again and again.
func TestBudgetIsTooSmall(t *testing.T) {
	cfg := func(c *rostersync.Config) { c.Budget = rostersync.Budget{CallsPerDay: 20} }
	onBoth(t, wish{users: 300, pageSize: 10, cfg: cfg, idle: true}, func(t *testing.T, x *world) {
		r := x.firstRun()
		want(t, r, rostersync.PausedQuota, map[string]int{"created": 0})
		if used, _ := x.org.Usage(); used > 20 || r.Hint == "" {
			t.Errorf("%d calls, hint %q", used, r.Hint)
		}
		// Another day it goes on where it stopped.
		x.stop()
		x.exec(`UPDATE api_calls SET hour = hour - 26`)
		x.restart(func(c *rostersync.Config, _ *crm.Config) { c.Budget.CallsPerDay = 40 })
		r = x.until(func(r rostersync.Run) bool { return r.Outcome == rostersync.Succeeded })
		want(t, r, rostersync.Succeeded, map[string]int{"created": 300})
		if used, _ := x.org.Usage(); used > 50 {
			t.Errorf("%d calls in all", used)
		}
	})
}

// A look for changes costs one call, events or none, and finds who was frozen
// and who left; a field that came to be hidden does not stop it.
func TestPollIsOneCall(t *testing.T) {
	onBoth(t, wish{users: 20, cfg: noGuard}, func(t *testing.T, x *world) {
		x.engine.Poll()
		ids := x.ids()
		must(t, x.org.Freeze(ids[0]))
		x.deactivate(ids[1])
		r := x.engine.Poll()
		want(t, r, rostersync.Succeeded, map[string]int{"deactivated": 2})
		if r.SalesforceCalls != 1 {
			t.Errorf("a look took %d calls", r.SalesforceCalls)
		}
		x.org.Faults().HideField("User", "Phone")
		x.deactivate(ids[2])
		want(t, x.engine.Poll(), rostersync.SucceededIssues, map[string]int{"deactivated": 1})
	})
}

// Where answers do not tell the allocation, it is asked for.
func TestAllocationIsAskedFor(t *testing.T) {
	onBoth(t, wish{users: 20, idle: true}, func(t *testing.T, x *world) {
		x.org.Faults().SetLimitInfo(simorg.LimitInfoMissing)
		want(t, x.firstRun(), rostersync.Succeeded, nil)
		if q := x.quota(); q.Max != 1_000_000 || q.Used <= 0 || x.org.Calls()["limits"] != 1 {
			t.Errorf("%+v, calls %v", q, x.org.Calls())
		}
	})
}

// Too many long requests at once is not a spent quota: it passes. A refusal for
// lack of quota is heeded whatever the figures say, and forgotten when
// Salesforce says otherwise to a person who asks.
func TestRefusals(t *testing.T) {
	onBoth(t, wish{users: 20}, func(t *testing.T, x *world) {
		x.org.Faults().On("", 50, simorg.Effect{Kind: simorg.TooManyConcurrent})
		if r := x.engine.Poll(); r.Outcome != rostersync.Failed {
			t.Errorf("too many at once: %s", r.Outcome)
		}
		if q := x.quota(); q.Level == "exhausted" {
			t.Errorf("too many at once spent the quota: %+v", q)
		}
		x.org.Faults().Clear()
		want(t, x.engine.Poll(), rostersync.Succeeded, nil)

		x.org.Faults().On("", 50, simorg.Effect{Kind: simorg.QuotaExceeded})
		want(t, x.engine.Poll(), rostersync.PausedQuota, nil)
		calls := fmt.Sprint(x.org.Calls())
		want(t, x.engine.Poll(), rostersync.PausedQuota, nil)
		if after := fmt.Sprint(x.org.Calls()); after != calls {
			t.Errorf("asked again at once: %s, %s", calls, after)
		}
		if q := x.quota(); q.Level != "exhausted" || !strings.Contains(strings.Join(q.Why, " "), "refused a call") {
			t.Errorf("%s: %q", q.Level, q.Why)
		}
		x.org.Faults().Clear()
		want(t, x.changes(), rostersync.Succeeded, nil)
		if q := x.quota(); q.Level == "exhausted" {
			t.Errorf("a person asked, and it is still %s", q.Level)
		}
	})
}

// What the org's answers said survives a restart: the reserve is not crossed by
// the first call.
func TestUsageSurvivesRestart(t *testing.T) {
	cfg := func(c *rostersync.Config) { c.Budget = rostersync.Budget{ReservePercent: 20} }
	onBoth(t, wish{users: 20, cfg: cfg}, func(t *testing.T, x *world) {
		x.org.SetUsage(900, 1000)
		x.engine.Poll()
		x.restart(nil)
		x.eventually("it is known", func() bool { return x.quota().Max == 1000 })
		before, _ := x.org.Usage()
		want(t, x.engine.Poll(), rostersync.PausedQuota, nil)
		if after, _ := x.org.Usage(); after != before {
			t.Errorf("%d calls were made", after-before)
		}
		if q := x.quota(); q.Used < 900 || q.Others < 800 || q.Work[3].Cost < 5 {
			t.Errorf("%+v", q)
		}
	})
}

// Doctor asks with calls of its own, which nobody can have made beyond the quota.
func TestDoctorWithoutQuota(t *testing.T) {
	inBubble(t, wish{cfg: func(c *rostersync.Config) { c.Budget.CallsPerDay = 12 }}, func(t *testing.T, x *world, _ *hose) {
		for range 5 {
			_, _ = x.engine.Doctor(t.Context())
		}
		for _, name := range []string{"users", "quota"} {
			if c := x.advice(name); c.OK || strings.Contains(c.Hint, "--override") || strings.Contains(c.Detail, "1 calls") || !strings.Contains(c.Hint, "rosterctl quota") {
				t.Errorf("%s: %+v", name, c)
			}
		}
	})
}

// Who stands by tells what the one in charge wrote down.
func TestQuotaOfStandby(t *testing.T) {
	onBoth(t, wish{users: 5, cfg: func(c *rostersync.Config) { c.Budget.CallsPerDay = 1000 }}, func(t *testing.T, x *world) {
		x.full()
		want := x.quota()
		got, err := x.another(x.open()).Quota(t.Context())
		must(t, err)
		if got.Ours != want.Ours || got.Used != want.Used || got.BudgetLeft != 1000-want.Ours || want.Ours == 0 || !strings.Contains(got.Why[0], "in charge") {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
