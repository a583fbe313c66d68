package sync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
	rostersync "github.com/rosterd/rosterd/sync"
)

// request asks for a run and does not wait for it.
func (x *world) request(q rostersync.Request) (rostersync.Run, bool) {
	x.t.Helper()
	q.Actor = dana
	r, joined, err := x.engine.Request(x.t.Context(), q)
	must(x.t, err)
	return r, joined
}

// hang makes Salesforce silent on what fits, until release is called.
func (x *world) hang(contains string) (release func()) {
	x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: contains, Effect: simorg.Effect{Kind: simorg.Hang}})
	return x.org.Faults().Clear
}

func TestRequestsAreJoined(t *testing.T) {
	onBoth(t, wish{users: 30, cfg: noGuard}, func(t *testing.T, x *world) {
		id := x.ids()[0]
		release := x.hang("SystemModstamp >=")
		first, joined := x.request(rostersync.Request{Kind: rostersync.KindChanges})
		if joined || first.ID == 0 {
			t.Fatalf("first: %+v", first)
		}
		x.eventually("it runs", func() bool { return x.status().Running == first.ID })
		for range 5 {
			if r, joined := x.request(rostersync.Request{Kind: rostersync.KindChanges}); !joined || r.ID != first.ID {
				t.Errorf("another run %d beside %d", r.ID, first.ID)
			}
		}
		// A full sync does more: it is another run, which changes join as well once it runs.
		full, joined := x.request(rostersync.Request{Kind: rostersync.KindFull})
		if joined {
			t.Error("a full sync joined a look for changes")
		}
		// Dry runs are joined until they begin: the queue does not grow.
		dry, joined := x.request(rostersync.Request{Kind: rostersync.KindFull, DryRun: true})
		if joined {
			t.Error("a dry run joined a real one")
		}
		for range 3 {
			if r, joined := x.request(rostersync.Request{Kind: rostersync.KindFull, DryRun: true}); !joined || r.ID != dry.ID {
				t.Errorf("another dry run %d beside %d", r.ID, dry.ID)
			}
		}
		// Support does not wait for either.
		user := x.sync(rostersync.Request{Kind: rostersync.KindUser, Users: []string{id}})
		want(t, user, rostersync.Succeeded, nil)
		release()
		want(t, x.wait(first.ID), rostersync.Succeeded, nil)
		want(t, x.wait(full.ID), rostersync.Succeeded, nil)
		runs, err := x.engine.Runs(t.Context(), 0, 100)
		must(t, err)
		if len(runs) != 4 {
			t.Errorf("%d runs, want 4", len(runs))
		}
	})
}

// A snapshot that goes on where another was cut off tells no old news.
func TestResumedSnapshotReadsWhatChangedMeanwhile(t *testing.T) {
	onBoth(t, wish{users: 60, pageSize: 10, cfg: noGuard}, func(t *testing.T, x *world) {
		remove := x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "Id >", From: 3, Effect: simorg.Effect{Kind: simorg.Drop}})
		want(t, x.full(), rostersync.Failed, nil)
		remove()
		must(t, x.org.Update(x.ids()[0], func(u *simorg.User) { u.Title = "After its page" }))
		want(t, x.full(), rostersync.Succeeded, nil)
		if got := x.person(x.ids()[0]).Title; got != "After its page" {
			t.Errorf("title is %q", got)
		}
	})
}

// Who joins a run knows of a change that it may have read past: it is read too.
func TestJoinersChangeIsRead(t *testing.T) {
	onBoth(t, wish{users: 300, pageSize: 100, cfg: noGuard}, func(t *testing.T, x *world) {
		release := x.hang("Id >")
		full, _ := x.request(rostersync.Request{Kind: rostersync.KindFull})
		x.eventually("a page has been read", func() bool {
			r, err := x.engine.RunByID(t.Context(), full.ID)
			return err == nil && r.Read > 0
		})
		must(t, x.org.Update(x.ids()[0], func(u *simorg.User) { u.Title = "After its page" }))
		if r, joined := x.request(rostersync.Request{Kind: rostersync.KindChanges}); !joined || r.ID != full.ID {
			t.Fatalf("joined %v, %d", joined, r.ID)
		}
		release()
		x.wait(full.ID)
		if got := x.person(x.ids()[0]).Title; got != "After its page" {
			t.Errorf("title is %q", got)
		}
	})
}

// A poll that nobody asked for gets its number as soon as somebody asks.
func TestJoinedPollIsJournaled(t *testing.T) {
	onBoth(t, wish{users: 10}, func(t *testing.T, x *world) {
		release := x.hang("SystemModstamp >=")
		done := make(chan rostersync.Run)
		go func() { done <- x.engine.Poll() }()
		var r rostersync.Run
		x.eventually("the poll is joined", func() bool {
			var joined bool
			r, joined = x.request(rostersync.Request{Kind: rostersync.KindChanges})
			return joined
		})
		release()
		<-done
		if got := x.wait(r.ID); r.ID == 0 || got.Outcome != rostersync.Succeeded {
			t.Errorf("run %d: %+v", r.ID, got)
		}
		// One that finds nothing and that nobody joined leaves no line.
		before, err := x.engine.Runs(t.Context(), 0, 100)
		must(t, err)
		x.engine.Poll()
		after, err := x.engine.Runs(t.Context(), 0, 100)
		must(t, err)
		if len(after) != len(before) {
			t.Errorf("%d runs, there were %d", len(after), len(before))
		}
		// What a poll changes carries its number in the audit trail.
		must(t, x.org.Update(x.ids()[0], func(u *simorg.User) { u.Title = "Found" }))
		p := x.engine.Poll()
		a := x.activity(dialer.ActivityQuery{UserID: x.person(x.ids()[0]).ID})
		if p.ID == 0 || a[len(a)-1].RunID != fmt.Sprint(p.ID) {
			t.Errorf("poll %d, activity of run %q", p.ID, a[len(a)-1].RunID)
		}
	})
}

func TestCancelAndPauseOfARun(t *testing.T) {
	onBoth(t, wish{users: 300, pageSize: 100, cfg: noGuard}, func(t *testing.T, x *world) {
		release := x.hang("Id >")
		r, _ := x.request(rostersync.Request{Kind: rostersync.KindFull})
		x.eventually("it reads", func() bool { return x.org.Calls()["query"] > 6 })
		queued, _ := x.request(rostersync.Request{Kind: rostersync.KindFull, DryRun: true})
		must(t, x.engine.Cancel(t.Context(), queued.ID, dana))
		must(t, x.engine.Cancel(t.Context(), r.ID, dana))
		want(t, x.wait(r.ID), rostersync.Cancelled, nil)
		want(t, x.wait(queued.ID), rostersync.Cancelled, map[string]int{"read": 0})
		for _, id := range []int64{r.ID, queued.ID} {
			if err := x.engine.Cancel(t.Context(), id, dana); !errors.Is(err, rostersync.ErrRunEnded) {
				t.Errorf("cancel %d again: %v", id, err)
			}
		}
		if err := x.engine.PauseRun(t.Context(), 4711, dana); !errors.Is(err, rostersync.ErrNoRun) {
			t.Errorf("pause of no run: %v", err)
		}
		if st := x.status(); st.State != "ok" || st.LastError != "" {
			t.Errorf("a person's wish is no trouble: %s, %q", st.State, st.Reasons)
		}
		release()

		release = x.hang("COUNT() FROM User ")
		r, _ = x.request(rostersync.Request{Kind: rostersync.KindFull})
		must(t, x.engine.PauseRun(t.Context(), r.ID, dana))
		release()
		x.eventually("it is paused", func() bool {
			v, err := x.engine.RunByID(t.Context(), r.ID)
			return err == nil && v.Paused && v.Outcome == rostersync.Running
		})
		must(t, x.engine.ResumeRun(t.Context(), r.ID, dana))
		want(t, x.wait(r.ID), rostersync.Succeeded, map[string]int{"read": 301})
	})
}

func TestPauseOfTheOrg(t *testing.T) {
	onBoth(t, wish{users: 10, cfg: noGuard}, func(t *testing.T, x *world) {
		must(t, x.engine.Pause(t.Context(), dana, "migration"))
		if st := x.status(); st.State != "paused" || !strings.Contains(strings.Join(st.Reasons, " "), "dana: migration") {
			t.Errorf("status %s, %q", st.State, st.Reasons)
		}
		_, _, err := x.engine.Request(t.Context(), rostersync.Request{Kind: rostersync.KindFull})
		if !errors.Is(err, rostersync.ErrPaused) {
			t.Errorf("request: %v", err)
		}
		if _, err := x.engine.Add(t.Context(), []string{x.ids()[0]}, nil, dana, ""); !errors.Is(err, rostersync.ErrPaused) {
			t.Errorf("add: %v", err)
		}
		x.deactivate(x.ids()[0])
		want(t, x.sync(rostersync.Request{Kind: rostersync.KindChanges, DryRun: true}), rostersync.Succeeded, map[string]int{"deactivated": 1})
		x.restart(nil) // it is remembered
		x.eventually("the new engine is in charge", func() bool { return x.status().State == "paused" })
		must(t, x.engine.Resume(t.Context(), dana))
		want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 1})
		if st := x.status(); st.State != "ok" {
			t.Errorf("status %s, %q", st.State, st.Reasons)
		}
	})
}

// Of two engines on one database one works, and the other takes over.
func TestStandby(t *testing.T) {
	onBoth(t, wish{users: 10}, func(t *testing.T, x *world) {
		second := x.another(x.open())
		stop := x.run(second)
		x.eventually("the second stands by", func() bool { return strings.Contains(x.log.String(), "another instance is in charge") })
		st, err := second.Status(t.Context())
		must(t, err)
		if st.State != "standby" || st.LastFull.IsZero() || st.Enrolled != 10 {
			t.Errorf("standby: %+v", st)
		}
		if _, err := second.Add(t.Context(), []string{x.ids()[0]}, nil, dana, ""); !errors.Is(err, rostersync.ErrStandby) {
			t.Errorf("add: %v", err)
		}
		if _, err := second.Approve(t.Context(), 1, dana, ""); !errors.Is(err, rostersync.ErrStandby) {
			t.Errorf("approve: %v", err)
		}
		x.stop()
		x.engine = second
		want(t, x.changes(), rostersync.Succeeded, nil)
		stop()
		if st, err = second.Status(t.Context()); err != nil || st.State != "standby" {
			t.Errorf("after it stopped: %+v, %v", st, err)
		}
	})
}

// A run that a crash left open is ended, and a full one is done again.
func TestInterruptedRuns(t *testing.T) {
	onBoth(t, wish{users: 10}, func(t *testing.T, x *world) {
		x.stop()
		j := x.db.Journal(x.orgID)
		for _, kind := range []string{"full", "changes"} {
			_, err := j.AddRun(t.Context(), store.RunRow{Kind: kind, Outcome: "running", Started: store.Micros(time.Now()), Doc: []byte(`{"reason":"CASE-7"}`)})
			must(t, err)
		}
		x.restart(nil)
		again := x.until(func(r rostersync.Run) bool { return r.ID > 3 && r.Kind == rostersync.KindFull })
		want(t, again, rostersync.Succeeded, map[string]int{"created": 0})
		for _, id := range []int64{2, 3} {
			r, err := x.engine.RunByID(t.Context(), id)
			must(t, err)
			if r.Outcome != rostersync.Failed || !strings.Contains(r.Error, "interrupted") || r.Finished.IsZero() || r.Reason != "CASE-7" {
				t.Errorf("run %d: %+v", id, r)
			}
		}
		x.restart(nil)
		x.changes()
		runs, err := x.engine.Runs(t.Context(), 0, 1)
		must(t, err)
		if runs[0].ID != again.ID+1 {
			t.Errorf("it was done once more: %+v", runs[0])
		}
	})
}

// A stop ends what runs in order, and a full sync that it cut is done again.
func TestStopInTheMiddle(t *testing.T) {
	onBoth(t, wish{users: 300, pageSize: 100, cfg: noGuard}, func(t *testing.T, x *world) {
		release := x.hang("Id >")
		full, _ := x.request(rostersync.Request{Kind: rostersync.KindFull})
		queued, _ := x.request(rostersync.Request{Kind: rostersync.KindFull, DryRun: true})
		user, _ := x.request(rostersync.Request{Kind: rostersync.KindUser, Users: []string{x.ids()[0]}})
		x.eventually("it reads", func() bool { return x.org.Calls()["query"] > 6 })
		x.wait(user.ID)
		x.stop()
		for _, id := range []int64{full.ID, queued.ID} {
			if r, err := x.engine.RunByID(t.Context(), id); err != nil || r.Outcome != rostersync.Cancelled || !strings.Contains(r.Error, "stopped") {
				t.Errorf("run %d: %+v, %v", id, r, err)
			}
		}
		release()
		x.restart(nil)
		r := x.until(func(r rostersync.Run) bool { return r.ID > user.ID && r.Kind == rostersync.KindFull })
		want(t, r, rostersync.Succeeded, nil)
	})
}

// A long snapshot goes on where it was cut, and spends no call twice.
func TestSnapshotGoesOn(t *testing.T) {
	onBoth(t, wish{users: 700, pageSize: 10, idle: true}, func(t *testing.T, x *world) {
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "Id >", From: 66, Effect: simorg.Effect{Kind: simorg.Drop}})
		r := x.firstRun()
		want(t, r, rostersync.Failed, map[string]int{"read": 660, "created": 0})
		x.org.Faults().Clear()
		x.restart(nil)
		r = x.until(func(r rostersync.Run) bool { return r.Outcome == rostersync.Succeeded })
		want(t, r, rostersync.Succeeded, map[string]int{"read": 41, "created": 700})
		if r.SalesforceCalls > 12 {
			t.Errorf("%d calls", r.SalesforceCalls)
		}

		// With other fields or another prefilter it begins anew.
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "Id >", From: 66, Effect: simorg.Effect{Kind: simorg.Drop}})
		want(t, x.full(), rostersync.Failed, map[string]int{"read": 660})
		x.org.Faults().Clear()
		x.restart(func(_ *rostersync.Config, sf *crm.Config) { sf.Prefilter = "UserType IN ('Standard', 'Guest')" })
		want(t, x.full(), rostersync.Succeeded, map[string]int{"read": 701})
	})
}

// The nightly run that was missed, however often, is caught up once.
func TestMissedNightlyRun(t *testing.T) {
	onBoth(t, wish{users: 10}, func(t *testing.T, x *world) {
		x.stop()
		x.setState("full_due", time.Now().Add(-73*time.Hour).UTC().Format(time.RFC3339Nano))
		x.restart(nil)
		r := x.until(func(r rostersync.Run) bool { return r.Trigger == "schedule" })
		want(t, r, rostersync.Succeeded, nil)
		x.restart(nil)
		x.changes()
		runs, err := x.engine.Runs(t.Context(), 0, 100)
		must(t, err)
		if n := count(runs, "schedule"); n != 1 {
			t.Errorf("%d nightly runs", n)
		}
		// A person who cancels it means it.
		x.stop()
		release := x.hang("COUNT() FROM User ")
		x.setState("full_due", time.Now().Add(-49*time.Hour).UTC().Format(time.RFC3339Nano))
		x.restart(nil)
		x.eventually("it runs", func() bool { return x.status().Running != 0 })
		must(t, x.engine.Cancel(t.Context(), x.status().Running, dana))
		x.eventually("it has ended", func() bool { return x.status().Running == 0 })
		release()
		want(t, x.changes(), rostersync.Succeeded, nil)
		if due := x.state("full_due"); time.Since(parse(t, due)) > 25*time.Hour {
			t.Errorf("still due since %s", due)
		}
	})
}

// While a full sync fails, changes are looked for all the same.
func TestPollsGoOnWhileTheNightlyRunFails(t *testing.T) {
	fast := func(c *rostersync.Config) { c.Poll, c.Guard = 100*time.Millisecond, rostersync.Guard{} }
	onBoth(t, wish{users: 10, cfg: fast}, func(t *testing.T, x *world) {
		x.stop()
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "COUNT() FROM User ", Effect: simorg.Effect{Kind: simorg.ServerError}})
		x.setState("full_due", time.Now().Add(-49*time.Hour).UTC().Format(time.RFC3339Nano))
		x.restart(nil)
		x.until(func(r rostersync.Run) bool { return r.Trigger == "schedule" && r.Outcome == rostersync.Failed })
		x.deactivate(x.ids()[0])
		x.eventually("the leaver leaves", func() bool { return x.active() == 9 })
		if st := x.status(); st.State != "degraded" || !strings.Contains(st.LastError, "500") {
			t.Errorf("status %s, %q", st.State, st.Reasons)
		}
		if n := strings.Count(x.log.String(), "level=ERROR"); n != 1 {
			t.Errorf("a trouble was logged %d times:\n%s", n, x.log)
		}
		x.org.Faults().Clear()
		want(t, x.full(), rostersync.Succeeded, nil)
		if !strings.Contains(x.log.String(), "trouble is over") || x.status().LastError != "" {
			t.Errorf("the end was not noted: %+v", x.status())
		}
	})
}

// A full sync that a person asked for and that failed is tried again by itself.
func TestFailedRequestIsTriedAgain(t *testing.T) {
	onBoth(t, wish{users: 10}, func(t *testing.T, x *world) {
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "COUNT() FROM User ", Effect: simorg.Effect{Kind: simorg.ServerError}})
		want(t, x.full(), rostersync.Failed, nil)
		x.org.Faults().Clear()
		x.restart(nil) // which does not wait until the next try is due
		x.eventually("another full sync succeeds", func() bool {
			last := mustValue(x.engine.Runs(t.Context(), 0, 1))[0]
			return last.Trigger == "start" && last.Outcome == rostersync.Succeeded && x.status().State == "ok"
		})
	})
}

// meddler does something else while changes are applied.
type meddler struct {
	rostersync.Directory
	during func()
}

func (m meddler) Apply(ctx context.Context, changes []dialer.Change) []dialer.Result {
	m.during()
	return m.Directory.Apply(ctx, changes)
}

// Who is noted as changed while a run looks at them is looked at again.
func TestNotedMeanwhileIsLookedAtAgain(t *testing.T) {
	onBoth(t, wish{users: 10, cfg: noGuard}, func(t *testing.T, x *world) {
		x.stop()
		id, j := x.ids()[0], x.db.Journal(x.orgID)
		meddle := func() {
			must(t, j.PutPending(t.Context(), []store.PendingRow{{SalesforceID: id, Kind: store.PendingDirty, SourceHash: 7}}))
		}
		var err error
		x.engine, err = rostersync.New(x.cfg, rostersync.Deps{
			OrgID: x.orgID, DB: x.db, Salesforce: x.sf, Directory: meddler{x.dir, func() { meddle() }},
		}, rostersync.Options{CRM: crm.Options{RatePerSecond: -1}})
		must(t, err)
		x.start()
		for _, run := range []func() rostersync.Run{x.changes, func() rostersync.Run {
			return x.sync(rostersync.Request{Kind: rostersync.KindUser, Users: []string{id}})
		}} {
			must(t, x.org.Update(id, func(u *simorg.User) { u.Title += "!" }))
			want(t, run(), rostersync.Succeeded, map[string]int{"updated": 1})
			if rows := mustValue(j.Pending(t.Context(), store.PendingDirty, 0)); len(rows) != 1 || rows[0].SalesforceID != id {
				t.Errorf("to be looked at again: %v", rows)
			}
		}
		meddle = func() {}
		want(t, x.changes(), rostersync.Succeeded, nil)
		if rows := mustValue(j.Pending(t.Context(), store.PendingDirty, 0)); len(rows) != 0 {
			t.Errorf("still to be looked at: %v", rows)
		}
	})
}

func count(runs []rostersync.Run, trigger string) (n int) {
	for _, r := range runs {
		if r.Trigger == trigger {
			n++
		}
	}
	return n
}

func parse(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	must(t, err)
	return at
}

// What cannot be written down is said, and no longer once it can.
func TestTroubleWithTheJournalEnds(t *testing.T) {
	onBoth(t, wish{users: 10}, func(t *testing.T, x *world) {
		x.exec(`ALTER TABLE runs RENAME TO away`)
		if r := x.engine.Poll(); r.Outcome != rostersync.Succeeded {
			t.Errorf("a poll that finds nothing needs no line: %+v", r)
		}
		must(t, x.org.Update(x.ids()[0], func(u *simorg.User) { u.Title = "Nobody may act unwritten" }))
		if r := x.engine.Poll(); r.Outcome != rostersync.Failed || r.Updated != 0 {
			t.Errorf("it acted all the same: %+v", r)
		}
		if st := x.status(); st.State != "degraded" || !strings.Contains(st.LastError, "journal the run") {
			t.Errorf("status %s, %q", st.State, st.Reasons)
		}
		x.exec(`ALTER TABLE away RENAME TO runs`)
		if r := x.engine.Poll(); r.Outcome != rostersync.Succeeded || r.Updated != 1 {
			t.Errorf("then: %+v", r)
		}
		if st := x.status(); st.State != "ok" {
			t.Errorf("status %s, %q", st.State, st.Reasons)
		}
	})
}
