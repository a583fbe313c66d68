package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// More people leave than the guard lets pass: that part waits for a person,
// the rest goes on, and an approval is spent on what was approved alone.
func TestHeldAndApproved(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 40, "--plain")
		d := boot(t, s.config(database, quiet, "guard: {users: 3, percent: 5}", "deactivate: next_midnight", "time_zone: America/Denver"))
		d.mended(t, 30*time.Second)
		staff := s.staff(t)
		leave := func(from, to int, active bool) {
			for _, p := range staff[from:to] {
				s.edit(t, p.ID, fields{"IsActive": active})
			}
		}
		leave(0, 8, false)
		s.edit(t, staff[20].ID, fields{"Title": "Chief of Tests"})
		joiner := addPerson(t, s, "joiner", nil)
		held := d.sync(t, []string{"--full"}, 4)
		if held.Outcome != "held" || held.Held != 8 || held.Created != 1 || held.Updated == 0 || held.Scheduled+held.Deactivated != 0 {
			t.Errorf("the held run: %+v", held)
		}
		if r := decode[run](t, d.ctl(t, "runs", "show", fmt.Sprint(held.ID), "-o", "json").must(t)); len(r.HeldItems) != 8 {
			t.Errorf("the run shows %d held changes, want 8", len(r.HeldItems))
		}
		if d.user(t, joiner).Status != "active" {
			t.Error("the joiner did not join")
		}
		if n := scheduled(t, d); n != 0 {
			t.Errorf("%d people are to leave though that is held", n)
		}
		if st := d.status(t); st.Held != 8 || st.State != "degraded" {
			t.Errorf("status: %+v", st)
		}
		// What waits for a person is told, and does not make the daemon unready.
		if code, body := d.get(t, "/readyz"); code != 200 || !strings.Contains(body, `"ready":true`) || !strings.Contains(body, "waits for approval: 8") {
			t.Errorf("/readyz answers %d %s", code, body)
		}
		if r := d.ctl(t, "sync", "--wait").must(t, 4); !strings.Contains(r.out, "runs approve") {
			t.Errorf("%v\ndoes not tell how to approve", r)
		}
		newest := d.runs(t)[0].ID
		r := d.ctl(t, "runs", "approve", fmt.Sprint(newest), "--wait", "--yes", "--reason", "they did leave").must(t)
		if lines := strings.Split(strings.TrimSpace(r.err), "\n"); !strings.Contains(lines[len(lines)-1], ": succeeded, 8 scheduled to leave") {
			t.Errorf("%v\ndoes not end by telling that the 8 were applied", r)
		}
		before := time.Now()
		if n := scheduled(t, d); n != 8 {
			t.Errorf("%d people are to leave, want the 8 approved", n)
		}
		for _, u := range d.users(t) {
			if u.DeactivateAt != nil && !midnight(t, *u.DeactivateAt, before) {
				t.Errorf("user %s is to leave at %s, which is no next midnight in Denver", u.ID, u.DeactivateAt)
			}
		}
		if st := d.status(t); st.Held != 0 || st.State != "ok" {
			t.Errorf("status after the approval: %+v", st)
		}
		d.ctl(t, "runs", "approve", fmt.Sprint(newest), "--yes").must(t, 1, 4) // spent
		// What was approved does not count towards the limit, what passed by itself does: in the next run, too.
		leave(8, 10, false)
		d.sync(t, nil)
		leave(10, 12, false)
		again := d.sync(t, nil, 4)
		if again.Held != 2 || scheduled(t, d) != 10 {
			t.Errorf("the next run: %+v, and %d are to leave, want 10", again, scheduled(t, d))
		}
		// The held set changes under the approver's eyes.
		leave(12, 13, false)
		d.sync(t, nil, 4)
		d.ctl(t, "runs", "approve", fmt.Sprint(again.ID), "--yes").must(t, 4)
		// Who comes back in time stays, and needs no approval for it.
		leave(0, 13, true)
		d.sync(t, nil)
		if n := scheduled(t, d); n != 0 || d.status(t).Held != 0 {
			t.Errorf("all came back, and %d are to leave, %d held", n, d.status(t).Held)
		}
		staysTrue(t, d, s)
	})
}

// scheduled counts who is to leave.
func scheduled(t testing.TB, d *daemon) (n int) {
	t.Helper()
	for _, u := range d.users(t) {
		if u.DeactivateAt != nil {
			n++
		}
	}
	return n
}

// midnight says whether a time is the midnight in Denver that follows now.
func midnight(t testing.TB, at, now time.Time) bool {
	t.Helper()
	zone, err := time.LoadLocation("America/Denver")
	if err != nil {
		t.Fatal(err)
	}
	local := at.In(zone)
	return local.Hour() == 0 && local.Minute() == 0 && local.Second() == 0 && at.After(now.Add(-time.Minute)) && at.Sub(now) <= 25*time.Hour
}

// Whoever is due leaves though Salesforce is down: their seat is free and the
// change told, by the clock alone.
func TestDueThoughSalesforceIsDown(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 20, "--plain")
		d := boot(t, s.config(database, quiet, "deactivate: after:8s", "guard: {users: 10, percent: 50}"))
		d.mended(t, 30*time.Second)
		staff := s.staff(t)
		s.edit(t, staff[0].ID, fields{"IsActive": false})
		s.edit(t, staff[1].ID, fields{"IsActive": false})
		if r := d.sync(t, nil); r.Scheduled != 2 {
			t.Errorf("%d scheduled, want 2: %+v", r.Scheduled, r)
		}
		s.edit(t, staff[1].ID, fields{"IsActive": true})
		d.sync(t, nil)
		s.kill()
		if u := d.user(t, staff[0].ID); u.Status != "active" || u.DeactivateAt == nil {
			t.Errorf("before their time: %+v", u)
		}
		until(t, 30*time.Second, "who is due has left", func() bool { return d.user(t, staff[0].ID).Status == "inactive" })
		if u := d.user(t, staff[0].ID); len(u.LicenseTypes) != 0 || u.StatusReason != "salesforce_inactive" {
			t.Errorf("after their time: %+v", u)
		}
		if u := d.user(t, staff[1].ID); u.Status != "active" || u.DeactivateAt != nil {
			t.Errorf("who came back: %+v", u)
		}
		if l := d.licenses(t)[0]; l.Assigned != 19 {
			t.Errorf("%d seats are assigned, want 19", l.Assigned)
		}
		log := d.activity(t, "--user", staff[0].ID)
		if last := log[len(log)-1]; last.Verb != "deactivate" || last.Actor.Kind != "scheduler" {
			t.Errorf("the log ends with %+v", last)
		}
		nobodyTwice(t, d.users(t))
		toldOnce(t, d, d.users(t))
	})
}

// A dry run says what would be done, and does nothing.
func TestDryRun(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 30, "--plain")
		d := boot(t, s.config(database, quiet, "guard: {users: 2, percent: 1}"))
		d.mended(t, 30*time.Second)
		staff := s.staff(t)
		s.edit(t, staff[0].ID, fields{"Title": "Chief of Tests"})
		s.edit(t, staff[1].ID, fields{"IsActive": false})
		addPerson(t, s, "joiner", nil)
		before := everything(t, d)
		for _, args := range [][]string{{"--full", "--dry-run"}, {"--dry-run"}, {"--user", staff[1].ID, "--dry-run"}} {
			r := d.sync(t, args)
			if r.ID >= 0 || len(r.Changes) == 0 {
				t.Errorf("%v: %+v", args, r)
			}
			if after := everything(t, d); after != before {
				t.Errorf("%v changed something:\n%s\nwas\n%s", args, after, before)
			}
			if len(args) == 2 {
				var verbs []string
				for _, c := range r.Changes {
					verbs = append(verbs, c.Verb)
				}
				if !slices.Contains(verbs, "create") || !slices.Contains(verbs, "update") || !slices.Contains(verbs, "deactivate") {
					t.Errorf("it would do %v", verbs)
				}
			}
		}
		for _, p := range staff[2:6] { // more than the guard lets pass
			s.edit(t, p.ID, fields{"IsActive": false})
		}
		d.ctl(t, "sync", "--full", "--dry-run").must(t, 4)
		if after := everything(t, d); after != before {
			t.Error("a dry run that would be held changed something")
		}
		d.sync(t, []string{"--full"}, 4)
	})
}

// everything is all that can be seen from outside and is not about time.
func everything(t testing.TB, d *daemon) string {
	t.Helper()
	st := d.status(t)
	text := fmt.Sprintln(st.Mirror, st.Enrolled, st.Held, st.Attention, st.Waiting)
	for _, args := range [][]string{{"users", "list", "--status", "all"}, {"licenses", "list"}, {"attention", "list"}, {"activity", "--limit", "1000"}} {
		text += d.ctl(t, append(args, "-o", "json")...).must(t).out
	}
	for _, r := range d.runs(t) {
		if r.ID > 0 {
			text += fmt.Sprintln(r.ID, r.Outcome)
		}
	}
	return text
}

// Nobody leaves while the org is paused, as the help says, and whoever fell due
// leaves once it goes on.
func TestPauseKeepsLeavers(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 20, "--plain")
		d := boot(t, s.config(database, "deactivate: after:10s"))
		d.mended(t, 30*time.Second)
		leaver := s.staff(t)[0].ID
		s.edit(t, leaver, fields{"IsActive": false})
		d.sync(t, nil)
		due := d.user(t, leaver).DeactivateAt
		if due == nil {
			t.Fatal("nobody is to leave")
		}
		d.ctl(t, "pause", "--reason", "a test").must(t)
		if now := d.user(t, leaver); now.Status != "active" {
			t.Fatal("the person left before the pause")
		}
		time.Sleep(time.Until(*due) + 3*time.Second) // three turns of the loop
		if got := d.user(t, leaver).Status; got != "active" {
			t.Errorf("the leaver is %s though the org is paused", got)
		}
		d.ctl(t, "resume").must(t)
		until(t, 20*time.Second, "the leaver leaves", func() bool { return d.user(t, leaver).Status == "inactive" })
	})
}
