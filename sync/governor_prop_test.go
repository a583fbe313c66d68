package sync

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"
)

// someSeeds is eachSeed for what takes longer.
func someSeeds(t *testing.T, seeds uint64, property func(r *rand.Rand) error) {
	t.Helper()
	t.Parallel()
	for seed := range seeds {
		if err := property(rand.New(rand.NewPCG(seed, 2))); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// ledger is the calls that an org has served, in the order of time, each kind
// summed up to there.
type ledger struct {
	at  []time.Time
	sum [3][]int
}

// Kinds of calls.
const (
	others = iota
	ours
	lost // ours, and the governor cannot know of them
)

func (l *ledger) add(at time.Time, kind, n int) {
	for k := range l.sum {
		sum := 0
		if len(l.at) > 0 {
			sum = l.sum[k][len(l.at)-1]
		}
		if k == kind {
			sum += n
		}
		l.sum[k] = append(l.sum[k], sum)
	}
	l.at = append(l.at, at)
}

// lose makes our last calls such that the governor cannot know of.
func (l *ledger) lose(n int) {
	for i := len(l.at) - 1; i >= 0 && n > 0; i-- {
		l.sum[ours][i] -= n
		l.sum[lost][i] += n
		if i > 0 {
			n -= l.sum[ours][i] + n - l.sum[ours][i-1]
		}
	}
}

// count sums up the calls of a kind after one time and until another.
func (l *ledger) count(from, to time.Time, kinds ...int) (n int) {
	upTo := func(t time.Time) int { return sort.Search(len(l.at), func(i int) bool { return l.at[i].After(t) }) - 1 }
	first, last := upTo(from), upTo(to)
	for _, k := range kinds {
		if last >= 0 {
			n += l.sum[k][last]
		}
		if first >= 0 {
			n -= l.sum[k][first]
		}
	}
	return n
}

// quotaWorld is an org as it truly is, and a governor that is told of it by
// answers that come late, or do not tell, and by a clock that may be wrong.
type quotaWorld struct {
	r      *rand.Rand
	now    time.Time
	off    time.Duration // what the host's clock is wrong by
	budget Budget
	max    int
	calls  ledger
	g      *governor
	kept   map[int64]int64
	note   string
	fresh  int       // how many of the last calls the journal lacks
	clean  bool      // the governor's clock has been set
	head   string    // how answers tell: fresh, late or not
	told   time.Time // when the governor was last told
	asOf   time.Time // and of which time
	begun  time.Time // when the governor began
	rate   float64   // calls of others an hour
}

func drawQuotaWorld(r *rand.Rand) *quotaWorld {
	w := &quotaWorld{
		r: r, now: time.Date(2026, 3, 1+r.IntN(20), r.IntN(24), r.IntN(60), r.IntN(60), 0, time.UTC), kept: map[int64]int64{},
		max: oneOf(r, 200, 1000, 5000, 15_000), head: oneOf(r, "fresh", "fresh", "late", "missing"),
	}
	w.budget = Budget{CallsPerDay: oneOf(r, 0, 30, 300, 2000), ReservePercent: oneOf(r, 0, 10, 20, 50.0)}
	w.rate = float64(w.max) / 24 * oneOf(r, 0, 0.3, 0.7, 1.1) * r.Float64() * 2
	for h := range 24 { // the others have been at it
		w.calls.add(w.now.Add(time.Duration(h-24)*time.Hour), others, int(w.rate*r.Float64()))
	}
	w.start()
	return w
}

// start begins a governor with what was kept.
func (w *quotaWorld) start() {
	w.clean, w.begun, w.fresh = false, w.now, 0
	w.g = newGovernor(w.budget, func() time.Time { return w.now.Add(w.off) })
	w.g.load(maps.Clone(w.kept), w.note)
}

// stop ends it as a signal does, or as a crash.
func (w *quotaWorld) stop(crash bool) error {
	if crash {
		w.calls.lose(w.fresh)
		return nil
	}
	return w.keep(true)
}

func (w *quotaWorld) keep(all bool) error {
	note, err := w.g.keep(all, func(h, n, _ int64) error { w.kept[h] += n; return nil })
	if note != "" {
		w.note = note
	}
	w.fresh = 0
	return err
}

// pass lets time go by, in which the others call.
func (w *quotaWorld) pass(d time.Duration) {
	for d > 0 {
		step := min(d, 10*time.Minute)
		w.now, d = w.now.Add(step), d-step
		if n := int(w.rate*step.Hours()*2*w.r.Float64() + w.r.Float64()); n > 0 && w.rate > 0 {
			w.calls.add(w.now, others, n)
		}
	}
}

// tell has an answer tell the usage as it was some time ago.
func (w *quotaWorld) tell(late bool) {
	asOf := w.now
	if late || w.head == "late" {
		asOf = w.now.Add(-time.Duration(w.r.IntN(int(lag))))
	}
	if asOf.Before(w.asOf) {
		asOf = w.asOf
	}
	w.g.observe(w.calls.count(asOf.Add(-day), asOf, others, ours, lost), w.max, late)
	w.told, w.asOf = w.now, asOf
}

var errCrossed = errors.New("crossed")

// call makes a call, and checks that it could be made by all that was told.
func (w *quotaWorld) call(k work, override bool) error {
	probed, known := w.g.probed, w.g.max > 0
	if err := w.g.spend(k, override, false); err != nil {
		return err
	}
	if !override {
		if n := w.calls.count(w.now.Add(-day), w.now, ours); w.budget.CallsPerDay > 0 && n >= w.budget.CallsPerDay && w.clean {
			return fmt.Errorf("%w: %s after %d calls of a budget of %d", errCrossed, k, n, w.budget.CallsPerDay)
		}
		may := w.max - int(float64(w.max)*w.budget.ReservePercent/100)
		unseen := w.calls.count(w.asOf, w.now, others) + w.calls.count(w.begun.Add(-day), w.now, lost)
		if w.head == "late" || w.asOf.Before(w.begun) || w.told.Sub(w.begun) < 2*lag {
			unseen += w.calls.count(w.asOf, w.told, ours) // in the figures or not: who could know
		}
		if n := w.calls.count(w.now.Add(-day), w.now, others, ours, lost) - unseen; known && w.g.probed.Equal(probed) && w.clean && n >= may {
			return fmt.Errorf("%w: %s at %d of %d that are not reserved", errCrossed, k, n, may)
		}
	}
	if w.clean || w.off == 0 {
		w.calls.add(w.now, ours, 1)
		w.fresh++
	} else {
		w.calls.add(w.now, lost, 1)
	}
	if w.head != "missing" {
		w.tell(false)
	}
	if !w.clean {
		w.g.correct(w.now)
		w.clean = true
	}
	if w.g.untold() {
		w.calls.add(w.now, ours, 1)
		w.fresh++
		if err := w.g.spend(workLeavers, true, false); err != nil {
			return err
		}
		w.tell(true)
	}
	return nil
}

// run makes the calls of a run until it is done or refused.
func (w *quotaWorld) run(k work, n int, override bool) error {
	for range n {
		w.pass(time.Duration(w.r.IntN(1500)) * time.Millisecond)
		if err := w.call(k, override); err != nil {
			if errors.Is(err, ErrQuota) && !override {
				return nil
			}
			return err
		}
	}
	return nil
}

// Whatever others spend, whenever answers tell, however often rosterd is
// restarted or killed, whatever the host's clock shows: routine work crosses
// neither budget nor reserve by what can be known, and leaves to what is worth
// more what it must.
func TestQuotaIsNeverCrossed(t *testing.T) {
	someSeeds(t, 200, func(r *rand.Rand) error {
		w := drawQuotaWorld(r)
		wish := oneOf(r, 10*time.Second, time.Minute, 10*time.Minute)
		for range 250 {
			w.pass(min(w.g.every(wish), 40*time.Minute))
			if chance(r, 5) {
				w.rate *= oneOf(r, 0.1, 0.5, 2, 4)
				w.rate = min(w.rate, float64(w.max))
			}
			left := []int{w.g.left(workFull), w.g.left(workChanges), w.g.left(workRequest), w.g.left(workLeavers)}
			if !slices.IsSorted(left) {
				return fmt.Errorf("what is left to kinds of work is not in order of worth: %v", left)
			}
			var err error
			switch p := r.IntN(100); {
			case p < 80:
				err = w.run(workLeavers, 1+r.IntN(4), false)
			case p < 85 && w.g.allow(workFull, w.max/50, false) == nil:
				err = w.run(workFull, w.max/50, false)
			case p < 90 && w.g.allow(workRequest, 3, false) == nil:
				err = w.run(workRequest, 3, false)
			case p < 92:
				err = w.run(workRequest, 5, true)
			case p < 96:
				if err = w.stop(chance(r, 50)); err == nil {
					w.pass(time.Duration(r.IntN(int(3 * time.Hour))))
					w.off = oneOf(r, 0, 0, time.Hour, -5*time.Hour, 26*time.Hour, -30*time.Hour)
					w.start()
				}
			}
			if err == nil && chance(r, 50) {
				err = w.keep(false)
			}
			if err != nil {
				return fmt.Errorf("%+v, limit %d, answers %s: %w", w.budget, w.max, w.head, err)
			}
		}
		return nil
	})
}

// Where others spend evenly, polls are paced so that they are never refused,
// neither is a person, and every full sync that is due is allowed; most of
// what may be spent is made use of, and the pace does not jump.
func TestPaceLasts(t *testing.T) {
	someSeeds(t, 20, func(r *rand.Rand) error {
		w := drawQuotaWorld(r)
		w.head, w.max = "fresh", 20_000
		w.budget = Budget{CallsPerDay: oneOf(r, 0, 1000, 5000), ReservePercent: 20}
		w.start()
		w.calls, w.rate = ledger{}, float64(200*r.IntN(2))
		may := w.budget.CallsPerDay
		if may == 0 {
			may = w.max*8/10 - int(w.rate)*24
		}
		for m := range 24 * 6 {
			w.calls.add(w.now.Add(time.Duration(m-144)*10*time.Minute), others, int(w.rate/6))
		}
		cost, full := 1+r.IntN(4), 5+r.IntN(may/50)
		w.g.observe(w.calls.count(w.now.Add(-day), w.now, others, ours, lost), w.max, false)
		w.g.learn(KindChanges, cost)
		w.g.learn(KindFull, full)
		begun, due, asked := w.now, w.now.Add(day), w.now
		wish := time.Duration(float64(day) * float64(cost) / float64(may) / 3)
		was := w.g.every(wish)
		for w.now.Sub(begun) < 4*day {
			every := w.g.every(wish)
			if near := w.now.Sub(due.Add(-day)) < 3*time.Hour; !near && (every > was*3+10*time.Second || was > every*3+10*time.Second) {
				return fmt.Errorf("asked every %s, and then every %s, %s on", was, every, w.now.Sub(begun))
			}
			was = every
			if w.rate == 0 {
				w.now = w.now.Add(every)
			} else {
				for at := w.now.Add(every); w.now.Before(at); { // evenly
					w.now = w.now.Add(min(time.Minute, at.Sub(w.now)))
					if n := int(w.rate*w.now.Sub(begun).Hours()) - w.calls.count(begun, w.now, others); n > 0 {
						w.calls.add(w.now, others, n)
					}
				}
			}
			k, n := workLeavers, cost
			if err := w.g.allow(workFull, full, false); w.now.After(due) && err == nil {
				k, n, due = workFull, full, due.Add(day)
			} else if w.now.Sub(due) > 3*time.Hour {
				return fmt.Errorf("a full sync after %s: %w", w.now.Sub(begun), err)
			} else if w.now.Sub(asked) > 3*time.Hour {
				if err := w.g.allow(workRequest, 3, false); err != nil {
					return fmt.Errorf("a person after %s: %w", w.now.Sub(begun), err)
				}
				k, n, asked = workRequest, 3, w.now
			}
			for range n {
				if err := w.call(k, false); err != nil {
					return fmt.Errorf("%s after %s: %w", k, w.now.Sub(begun), err)
				}
			}
		}
		if n := w.calls.count(w.now.Add(-day), w.now, ours); n < may*6/10 {
			return fmt.Errorf("%d calls of %d that may be made in a day", n, may)
		}
		return nil
	})
}

// The more is spent, the more rarely is asked and the longer are events
// gathered.
func TestPaceIsMonotone(t *testing.T) {
	someSeeds(t, 400, func(r *rand.Rand) error {
		w := drawQuotaWorld(r)
		w.tell(false)
		wish := oneOf(r, 10*time.Second, time.Minute, 10*time.Minute)
		every, pace := w.g.every(wish), w.g.pace()
		for range 400 {
			if w.g.spend(workFirst, false, false) != nil {
				break
			}
			if left := w.g.left(workLeavers); left <= 0 {
				break
			}
			e, p := w.g.every(wish), w.g.pace()
			if e < every || e < wish || p.changes < pace.changes || p.leavers < pace.leavers || p.leavers > p.changes {
				return fmt.Errorf("with %d left it asks every %s after every %s, and gathers for %+v after %+v", w.g.left(workLeavers), e, every, p, pace)
			}
			every, pace = e, p
		}
		return nil
	})
}
