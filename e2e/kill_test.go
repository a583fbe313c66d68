package e2e

import (
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"
)

// kills is how often each test of killing kills: few by default, many in the
// long version.
func kills(t testing.TB) int {
	t.Helper()
	text := os.Getenv("ROSTERD_E2E_KILLS")
	if text == "" {
		return 12
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("ROSTERD_E2E_KILLS=%s: not a number of kills", text)
	}
	return n
}

// The daemon is killed at any moment of any kind of sync, over and over, while
// people join, move and leave. What it left must be true in the end.
func TestKill(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 2500, "--plain")
		killed(t, s, s.config(database))
	})
}

// The same, with fewer seats than people.
func TestKillAtTheSeatCap(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 1200, "--plain")
		seats := "licenses: [{type: powerdialer, seats: 1150, default: true}]"
		d := killed(t, s, s.config(database, seats, "on_no_seat: create_inactive"))
		if st := d.status(t); st.Waiting == 0 {
			t.Error("nobody waits for a seat, so the cap was not tested")
		}
		d.ctl(t, "licenses", "set", "powerdialer", "--purchased", "5000").must(t)
		d.full(t, 0, 3)
		if st := d.status(t); st.Waiting != 0 {
			t.Errorf("%d still wait though seats are left", st.Waiting)
		}
		staysTrue(t, d, s)
	})
}

// killed kills a daemon many times during syncs, then lets it finish.
func killed(t *testing.T, s *sim, config string) *daemon {
	t.Helper()
	n, seed := kills(t), time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(uint64(seed), 0))
	s.do(t, "churn", fields{"rate": "25/s"})
	d := prepare(t, config)
	took := 700 * time.Millisecond
	for i := range n {
		d.run(t)
		d.serves(t)
		if i >= n/4 { // the first ones kill the first sync of all
			d.leads(t)
			s.churn(t, 20+rnd.IntN(400))
			if i%8 == n/4%8 { // how long a sync takes here and now
				took = time.Duration(d.full(t, 0, 3).TookMS) * time.Millisecond * 5 / 4
				s.churn(t, 200)
			}
			requested(t, d, s.people(t), rnd)
		}
		time.Sleep(time.Duration(rnd.Int64N(int64(took) + 1)))
		d.kill()
	}
	s.settle(t)
	d.run(t)
	d.serves(t)
	d.leads(t)
	d.full(t, 0, 3) // 3 where the end of the seats is noticed
	interrupted := 0
	for _, r := range d.runs(t) {
		if r.Outcome == "failed" {
			interrupted++
		}
	}
	t.Logf("%d kills, %d of them within a run that was journaled", n, interrupted)
	if interrupted <= n/8 {
		t.Errorf("%d of %d kills fell into a sync: too few to show anything", interrupted, n)
	}
	staysTrue(t, d, s)
	return d
}

// requested asks for a sync of any kind and does not wait for it. It does not
// take the time to start rosterctl.
func requested(t *testing.T, d *daemon, people []person, rnd *rand.Rand) {
	t.Helper()
	ask := fields{"kind": "full"}
	switch rnd.IntN(5) {
	case 0:
		ask["kind"] = "changes"
	case 1:
		ids := []string{}
		for range 50 {
			ids = append(ids, people[rnd.IntN(len(people))].ID)
		}
		ask["kind"], ask["users"] = "user", ids
	}
	if code, answer := d.call(t, http.MethodPost, "/v1/sync", ask); code != http.StatusAccepted {
		t.Fatalf("ask for a sync: %d %s", code, answer)
	}
}
