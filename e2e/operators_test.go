package e2e

import (
	"sync"
	"testing"
	"time"
)

// Two operators press at once while the scheduled run begins: one run does it
// for all of them, and everything is written once.
func TestTwoOperatorsAndTheSchedule(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 300, "--plain")
		d := boot(t, s.config(database, `schedule: {full: "* * * * *", poll: 24h}`, "time_zone: UTC"))
		d.mended(t, 30*time.Second)
		// A slow org, so that the three meet: the first page takes three seconds.
		s.fault(t, fields{"contains": "SELECT Id, Username", "effect": fields{"kind": "slow", "delay": 3 * time.Second}})
		// Not so shortly before the minute is full that preparations would outlast it.
		if left := untilNextMinute(); left < 8*time.Second {
			time.Sleep(left + 6*time.Second)
		}
		before := d.runs(t)
		s.churn(t, 100)
		s.ask(t, "DELETE", "calls", nil, nil)
		time.Sleep(untilNextMinute() + 200*time.Millisecond)

		got := pressed(t, d, 2, "--full")
		if got[0].ID != got[1].ID {
			t.Errorf("the operators got runs %d and %d, want one", got[0].ID, got[1].ID)
		}
		if got[0].Created == 0 || got[0].Outcome != "succeeded" {
			t.Errorf("the run ended %s and created %d", got[0].Outcome, got[0].Created)
		}
		var since []run
		for _, r := range d.runs(t) {
			if r.ID > before[0].ID {
				since = append(since, r)
			}
		}
		if len(since) != 1 {
			t.Errorf("there are %d new runs, want one: %+v", len(since), since)
		}
		if calls := s.stats(t).Calls; calls["query"] > 5 {
			t.Errorf("Salesforce was asked as if for several runs: %v", calls)
		}
		s.clear(t)
		staysTrue(t, d, s)
	})
}

func untilNextMinute() time.Duration {
	now := time.Now()
	return now.Truncate(time.Minute).Add(time.Minute).Sub(now)
}

// Many press at once, with nothing else going on.
func TestManyOperatorsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 300, "--plain")
		d := boot(t, s.config(database))
		d.mended(t, 30*time.Second)
		s.fault(t, fields{"contains": "SELECT Id, Username", "effect": fields{"kind": "slow", "delay": 2 * time.Second}})
		s.churn(t, 100)
		ids := map[int64]bool{}
		for _, r := range pressed(t, d, 5, "--full", "--reason", "a ticket") {
			ids[r.ID] = true
		}
		if len(ids) != 1 {
			t.Errorf("five operators got runs %v, want one", ids)
		}
		// The same for one person's refresh.
		who := s.staff(t)[0].ID
		s.edit(t, who, fields{"Title": "Chief of Tests"})
		s.fault(t, fields{"contains": "WHERE Id IN", "effect": fields{"kind": "slow", "delay": 2 * time.Second}})
		clear(ids)
		updated := 0
		for _, r := range pressed(t, d, 3, "--user", who) {
			ids[r.ID] = true
			updated = max(updated, r.Updated)
		}
		if len(ids) != 1 || updated != 1 {
			t.Errorf("three refreshes of one user were runs %v, which updated %d", ids, updated)
		}
		s.clear(t)
		staysTrue(t, d, s)
	})
}

// pressed runs a sync n times at once.
func pressed(t *testing.T, d *daemon, n int, args ...string) []run {
	t.Helper()
	results := make([]result, n)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i] = d.ctl(t, append([]string{"-o", "json", "sync", "--wait", "--yes"}, args...)...) })
	}
	all.Wait()
	var got []run
	for _, r := range results {
		got = append(got, decode[run](t, r.must(t)))
	}
	return got
}
