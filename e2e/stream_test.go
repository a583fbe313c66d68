package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// followed is a configuration that finds changes by their events alone.
func (s *sim) followed(database string) string {
	return strings.Replace(s.config(database), "budget: {", fmt.Sprintf("changes: stream, pubsub_endpoint: %q, budget: {", s.PubSub), 1)
}

// The daemon is killed at any moment while events come, over and over. Nothing
// but the events tells of what changed, so that one that was lost would show.
func TestKillLosesNoEvent(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 300, "--plain")
		d := boot(t, s.followed(database))
		until(t, 30*time.Second, "everyone is in the directory", func() bool {
			st := d.status(t)
			return st.Changes.State == "live" && st.Running == 0 && len(d.users(t)) > 200
		})
		staff := s.staff(t)
		seed := time.Now().UnixNano()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(uint64(seed), 0))
		names := map[string]string{}
		edit := func(i int) {
			id := staff[rnd.IntN(len(staff))].ID
			names[id] = fmt.Sprintf("Name %d", i)
			s.edit(t, id, fields{"LastName": names[id]})
		}
		n := 0
		for range (kills(t) + 2) / 3 {
			for range 30 {
				n++
				edit(n)
				if rnd.IntN(8) == 0 {
					time.Sleep(time.Duration(rnd.Int64N(int64(100 * time.Millisecond))))
				}
			}
			time.Sleep(time.Duration(rnd.Int64N(int64(300 * time.Millisecond))))
			d.kill()
			n++
			edit(n)
			d.run(t)
			d.serves(t)
			d.leads(t)
		}
		until(t, 30*time.Second, "the directory says what the org says", func() bool {
			for _, u := range d.users(t) {
				if want, edited := names[u.SalesforceID]; edited && u.LastName != want {
					return false
				}
			}
			return d.status(t).Changes.Waiting == 0
		})
		fulls := 0
		for _, r := range d.runs(t) {
			if r.Kind == "full" {
				fulls++
			}
		}
		if fulls != 1 {
			t.Errorf("%d full syncs ran, so that events were not what told of the changes", fulls)
		}
		if strings.Contains(read(t, d.log), `"level":"ERROR"`) {
			t.Error("the log tells of trouble, and nothing but the kills went wrong")
		}
	})
}
