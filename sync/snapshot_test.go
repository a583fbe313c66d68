package sync_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/simorg"
	rostersync "github.com/rosterd/rosterd/sync"
)

func inBulk(c *rostersync.Config) { c.Snapshot = rostersync.SnapshotBulk }

// quickBulk has query jobs complete soon.
func quickBulk(x *world) { x.org.SetBulkDelay(30 * time.Millisecond) }

// untouched checks that nobody lost anything, and that no job is left behind.
func (x *world) untouched(want int) {
	x.t.Helper()
	if n := x.active(); n != want {
		x.t.Errorf("%d users are active, want %d", n, want)
	}
	if left := x.org.BulkStates(); len(left) > 0 {
		x.t.Errorf("query jobs left behind: %v", left)
	}
}

func TestBulkSnapshotSyncs(t *testing.T) {
	onBoth(t, wish{users: 300, pageSize: 20, cfg: inBulk, prefill: quickBulk}, func(t *testing.T, x *world) {
		first := x.settle()
		if first.Outcome != rostersync.Succeeded || first.Snapshot != rostersync.SnapshotBulk || first.Created != 300 {
			t.Fatalf("first: %+v", first)
		}
		x.untouched(300)
		calls := x.org.Calls()
		if calls["bulk_create"] != 1 || calls["query_more"] != 0 || calls["bulk_results"] != 8 {
			t.Errorf("it took %v", calls)
		}
		ids := x.ids()
		must(t, x.org.Deactivate(ids[298]))
		must(t, x.org.Update(ids[299], func(u *simorg.User) { u.LastName = "O\"Neil\r\nthe second" }))
		second := x.full()
		if second.Mirrored != 2 || second.Deactivated != 1 || second.Updated != 1 || second.Snapshot != rostersync.SnapshotBulk {
			t.Errorf("second: %+v", second)
		}
		used, _ := x.org.Usage()
		x.restart(func(c *rostersync.Config, _ *crm.Config) { c.Snapshot = rostersync.SnapshotREST })
		third := x.full()
		if third.Mirrored != 0 || third.Snapshot != rostersync.SnapshotREST {
			t.Errorf("by REST the same users are others: %+v", third)
		}
		if now, _ := x.org.Usage(); now-used < third.SalesforceCalls {
			t.Errorf("counted %d calls, Salesforce %d", third.SalesforceCalls, now-used)
		}
	})
}

// TestBulkAndRESTReadAlike reads people of all sorts the one way and then the other,
// which must find nobody changed.
func TestBulkAndRESTReadAlike(t *testing.T) {
	odd := func(o *simorg.Options) { o.Plain, o.Seed = false, 11 }
	rules := []rostersync.Rule{{Set: "title", To: `string(user.Custom["Quota__c"] ?? "") + string(user.Custom["Dialer_Enabled__c"] ?? "") + string(user.Custom["Hire_Date__c"] ?? "")`}}
	onBoth(t, wish{users: 400, pageSize: 50, org: odd, rules: rules, cfg: inBulk, prefill: quickBulk}, func(t *testing.T, x *world) {
		before := x.users()
		for _, s := range []rostersync.Snapshot{rostersync.SnapshotREST, rostersync.SnapshotBulk} {
			x.restart(func(c *rostersync.Config, _ *crm.Config) { c.Snapshot = s })
			if run := x.full(); run.Snapshot != s || run.Mirrored != 0 || run.Read < 350 {
				t.Errorf("by %s: %d of %d are others: %+v", s, run.Mirrored, run.Read, run)
			}
		}
		if d := cmp.Diff(before, x.users()); d != "" || len(before) < 250 {
			t.Errorf("of %d users: %.2000s", len(before), d)
		}
	})
}

func TestBulkFaultsConverge(t *testing.T) {
	for _, c := range []struct {
		name string
		rule simorg.Rule
		way  rostersync.Snapshot // that the run ends with in auto
	}{
		{"failed", simorg.Rule{Endpoint: simorg.BulkCreate, Effect: simorg.Effect{Kind: simorg.BulkFailed}}, rostersync.SnapshotREST},
		{"aborted", simorg.Rule{Endpoint: simorg.BulkCreate, Effect: simorg.Effect{Kind: simorg.BulkAborted}}, rostersync.SnapshotREST},
		{"stuck", simorg.Rule{Endpoint: simorg.BulkCreate, Effect: simorg.Effect{Kind: simorg.BulkStuck}}, rostersync.SnapshotREST},
		{"quota", simorg.Rule{Endpoint: simorg.BulkCreate, Effect: simorg.Effect{Kind: simorg.BulkQuota}}, rostersync.SnapshotREST},
		{"disabled", simorg.Rule{Endpoint: simorg.BulkCreate, Effect: simorg.Effect{Kind: simorg.BulkDisabled}}, rostersync.SnapshotREST},
		{"miscount", simorg.Rule{Endpoint: simorg.BulkPoll, Effect: simorg.Effect{Kind: simorg.BulkProcessed}}, rostersync.SnapshotREST},
		{"page miscount", simorg.Rule{Endpoint: simorg.BulkResults, From: 2, Effect: simorg.Effect{Kind: simorg.BulkMiscount}}, rostersync.SnapshotREST},
		{"always cut", simorg.Rule{Endpoint: simorg.BulkResults, From: 2, Effect: simorg.Effect{Kind: simorg.CutBody, N: 40}}, rostersync.SnapshotREST},
		{"truncated once", simorg.Rule{Endpoint: simorg.BulkResults, From: 2, Times: 1, Effect: simorg.Effect{Kind: simorg.Truncate}}, rostersync.SnapshotBulk},
		{"session", simorg.Rule{Endpoint: simorg.BulkResults, From: 2, Times: 1, Effect: simorg.Effect{Kind: simorg.ExpireSessions}}, rostersync.SnapshotBulk},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Few calls are left, so that bulk is worth it for a few users.
			scarce := func(c *rostersync.Config) { c.Budget.CallsPerDay = 300 }
			onBoth(t, wish{users: 400, pageSize: 4, cfg: scarce, prefill: quickBulk, idle: true}, func(t *testing.T, x *world) {
				x.org.Faults().Add(c.rule)
				x.start()
				run := x.settle()
				if run.Outcome != rostersync.Succeeded || run.Snapshot != c.way || run.SnapshotWhy == "" || run.Created != 400 {
					t.Fatalf("got %s by %q (%s), %d created: %s", run.Outcome, run.Snapshot, run.SnapshotWhy, run.Created, run.Error)
				}
				if fell := strings.Contains(run.SnapshotWhy, "bulk read failed"); fell != (c.way == rostersync.SnapshotREST) {
					t.Errorf("it says %q", run.SnapshotWhy)
				}
				x.untouched(400)
			})
		})
	}
}

func TestBulkAloneFailsWithoutHarm(t *testing.T) {
	onBoth(t, wish{users: 60, pageSize: 10, cfg: inBulk, prefill: quickBulk}, func(t *testing.T, x *world) {
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.BulkResults, From: 2, Effect: simorg.Effect{Kind: simorg.BulkMiscount}})
		must(t, x.org.Deactivate(x.ids()[0]))
		run := x.full()
		if run.Outcome != rostersync.Failed || run.Snapshot != rostersync.SnapshotBulk || run.Hint == "" {
			t.Errorf("got %+v", run)
		}
		x.org.Faults().Clear()
		if run = x.full(); run.Outcome != rostersync.Succeeded {
			t.Errorf("then: %+v", run)
		}
		x.untouched(59)
	})
}

// TestBulkGoesOnAfterAKill leaves in the database what a killed daemon leaves: the
// job that it had begun, and how far it had come.
func TestBulkGoesOnAfterAKill(t *testing.T) {
	for name, from := range map[string]int{"while the job is at work": 0, "in the middle of the results": 6} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, wish{users: 2000, pageSize: 10, cfg: inBulk, prefill: quickBulk, idle: true}, func(t *testing.T, x *world) {
				x.org.SetBulkDelay(200 * time.Millisecond)
				if from == 0 {
					x.org.Faults().Add(simorg.Rule{Endpoint: simorg.BulkPoll, From: 2, Effect: simorg.Effect{Kind: simorg.Hang}})
				} else {
					x.org.Faults().Add(simorg.Rule{Endpoint: simorg.BulkResults, From: 40, Effect: simorg.Effect{Kind: simorg.Hang}})
				}
				x.start()
				stored := x.storedCursor(from > 0)
				x.stop()
				must(t, x.db.Journal(x.orgID).SetState(t.Context(), map[string]string{"snapshot_cursor": stored}))
				// What happens now is not in the results: those are as of the job.
				ids := x.ids()
				must(t, x.org.Deactivate(ids[0]))
				must(t, x.org.Deactivate(ids[1999]))
				must(t, x.org.Update(ids[1000], func(u *simorg.User) { u.LastName = "Later" }))
				joiner, err := x.org.AddUser(simorg.User{Username: "joiner@example.com", FirstName: "Jo", LastName: "Iner", IsActive: true})
				must(t, err)
				x.org.Faults().Clear()
				x.org.ResetCalls()
				x.restart(nil)
				run := x.until(func(r rostersync.Run) bool { return r.Outcome == rostersync.Succeeded })
				calls := x.org.Calls()
				if run.Snapshot != rostersync.SnapshotBulk || !strings.Contains(run.SnapshotWhy, "interrupted") || calls["bulk_create"] != 0 {
					t.Errorf("it began anew: %s (%s), %v", run.Snapshot, run.SnapshotWhy, calls)
				}
				if n := calls["bulk_results"]; from > 0 && n > 100-from {
					t.Errorf("it read %d pages of 101 again", n)
				}
				x.untouched(1999)
				if u := x.users(); u[joiner].Status != "active" || u[ids[1000]].LastName != "Later" || u[ids[0]].Status == "active" {
					t.Errorf("what happened after the job was begun is not there: %+v", u[joiner])
				}
			})
		})
	}
}

// storedCursor waits until it is stored that a job was begun, or read in part.
func (x *world) storedCursor(read bool) string {
	x.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		s, err := x.db.Journal(x.orgID).State(x.t.Context())
		must(x.t, err)
		if c := s["snapshot_cursor"]; strings.Contains(c, `"job"`) && (!read || strings.Contains(c, `"locator"`)) {
			return c
		}
		time.Sleep(5 * time.Millisecond) // another goroutine's work is waited for, nothing is measured
	}
	x.t.Fatal("no job was stored")
	return ""
}

func TestAbandonedJobIsDropped(t *testing.T) {
	onBoth(t, wish{users: 40, pageSize: 10, cfg: inBulk, idle: true}, func(t *testing.T, x *world) {
		x.org.SetBulkDelay(time.Hour)
		x.start()
		stored := x.storedCursor(false)
		x.stop()
		must(t, x.db.Journal(x.orgID).SetState(t.Context(), map[string]string{"snapshot_cursor": stored}))
		x.restart(func(c *rostersync.Config, _ *crm.Config) { c.Snapshot = rostersync.SnapshotREST })
		run := x.until(func(r rostersync.Run) bool { return r.Outcome == rostersync.Succeeded })
		if run.Snapshot != rostersync.SnapshotREST {
			t.Errorf("got %+v", run)
		}
		x.untouched(40)
	})
}

func TestLostJobBeginsAnew(t *testing.T) {
	onBoth(t, wish{users: 40, pageSize: 10, cfg: inBulk, prefill: quickBulk, idle: true}, func(t *testing.T, x *world) {
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.BulkResults, From: 2, Effect: simorg.Effect{Kind: simorg.Hang}})
		x.start()
		x.storedCursor(false)
		x.stop()
		x.org.Faults().Clear()
		x.org.ForgetBulkJobs()
		x.restart(nil)
		run := x.until(func(r rostersync.Run) bool { return r.Outcome == rostersync.Succeeded })
		if run.Snapshot != rostersync.SnapshotBulk || x.active() != 40 {
			t.Errorf("got %+v", run)
		}
	})
}

func TestSmallOrgsAreReadByREST(t *testing.T) {
	onBoth(t, wish{users: 30}, func(t *testing.T, x *world) {
		run := x.settle()
		if run.Snapshot != rostersync.SnapshotREST || run.SnapshotWhy == "" || x.org.Calls()["bulk_create"] != 0 {
			t.Errorf("got %+v by %v", run, x.org.Calls())
		}
	})
}

func TestDryRunLeavesNoJob(t *testing.T) {
	onBoth(t, wish{users: 60, pageSize: 10, cfg: inBulk, prefill: quickBulk}, func(t *testing.T, x *world) {
		must(t, x.org.Deactivate(x.ids()[0]))
		if run := x.sync(rostersync.Request{Kind: rostersync.KindFull, DryRun: true}); run.Outcome != rostersync.Succeeded || len(run.Changes) != 1 {
			t.Errorf("got %+v", run)
		}
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.BulkResults, From: 2, Effect: simorg.Effect{Kind: simorg.QuotaExceeded}})
		if run := x.sync(rostersync.Request{Kind: rostersync.KindFull, DryRun: true}); run.Outcome == rostersync.Succeeded {
			t.Errorf("without calls: got %+v", run)
		}
		x.org.Faults().Clear()
		x.untouched(60)
	})
}
