package sync

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

func drawGuard(r *rand.Rand) Guard {
	g := Guard{Users: oneOf(r, 0, 0, 1, 2, 10, r.IntN(50)), Window: oneOf(r, 0, time.Hour, 24*time.Hour, time.Duration(1+r.IntN(100))*time.Minute)}
	if chance(r, 60) {
		g.Percent = float64(r.IntN(1000)) / float64(oneOf(r, 1, 10, 100, 1000))
	}
	return g
}

func holds(g Guard, planned int, h History) bool { return g.Check(planned, h) != nil }

// A guard that lets something pass lets pass less of it, after less, among
// more, and under a looser limit.
func TestGuardIsMonotone(t *testing.T) {
	eachSeed(t, func(r *rand.Rand, _ int) error {
		g := drawGuard(r)
		planned, h := 1+r.IntN(60), History{Leaving: r.IntN(60), Enrolled: oneOf(r, 0, 1, 50, r.IntN(10_000))}
		if !holds(g, planned, h) {
			return nil
		}
		for what, still := range map[string]bool{
			"planned":    holds(g, planned+1+r.IntN(9), h),
			"history":    holds(g, planned, History{h.Leaving + 1 + r.IntN(9), h.Enrolled}),
			"enrolled":   holds(g, planned, History{h.Leaving, h.Enrolled - r.IntN(h.Enrolled+1)}),
			"users":      g.Users == 0 || holds(Guard{Users: 1 + r.IntN(g.Users), Percent: g.Percent}, planned, h),
			"percent":    g.Percent == 0 || holds(Guard{Users: g.Users, Percent: g.Percent * (0.01 + 0.99*r.Float64())}, planned, h),
			"the window": holds(Guard{Users: g.Users, Percent: g.Percent}, planned, h),
		} {
			if !still {
				return fmt.Errorf("%+v holds %d after %+v, and no more with another %s", g, planned, h, what)
			}
		}
		return nil
	})
}

// A limit of zero is none, both together hold what each would hold, a limit
// that is reached and not exceeded holds nothing, and neither does a plan that
// takes nothing from anybody.
func TestGuardHoldsWhatExceedsEveryLimit(t *testing.T) {
	eachSeed(t, func(r *rand.Rand, _ int) error {
		g := drawGuard(r)
		planned, h := r.IntN(60), History{Leaving: r.IntN(60), Enrolled: oneOf(r, 0, 1, 50, r.IntN(10_000), 10_000)}
		if chance(r, 30) && g.Percent > 0 { // at the limit, if there is a whole one
			h.Enrolled = 100_000 / oneOf(r, 1, 10, 100)
			h.Leaving = max(0, int(g.Percent*float64(h.Enrolled)/100+0.5)-planned)
		}
		byUsers := planned+h.Leaving > g.Users
		percent, _ := new(big.Rat).SetString(strconv.FormatFloat(g.Percent, 'g', -1, 64)) // as the configuration has it
		allowed := percent.Mul(percent, big.NewRat(int64(h.Enrolled), 100))
		byPercent := big.NewRat(int64(planned+h.Leaving), 1).Cmp(allowed) > 0
		want := false
		switch {
		case planned == 0:
		case g.Users > 0 && g.Percent > 0:
			want = byUsers && byPercent
		case g.Users > 0:
			want = byUsers
		case g.Percent > 0:
			want = byPercent
		}
		err := g.Check(planned, h)
		held, ok := errors.AsType[*HeldError](err)
		switch {
		case (err != nil) != want:
			return fmt.Errorf("%+v, %d planned after %+v, want held %v: %w", g, planned, h, want, err)
		case err != nil && (!ok || held.Planned != planned || held.History != h.Leaving || held.Enrolled != h.Enrolled || held.Window <= 0 || held.Limit == "" || held.Hint() == ""):
			return fmt.Errorf("%+v, %d planned after %+v: says %+v", g, planned, h, *held)
		}
		return nil
	})
}

// Over any sequence of runs, no window of any place sees more people leave
// without an approval than the limit. What was approved is beside that.
func TestGuardBoundsEveryWindow(t *testing.T) {
	eachSeed(t, func(r *rand.Rand, size int) error {
		g := drawGuard(r)
		if g.Users == 0 && g.Percent == 0 {
			g.Users = 1 + r.IntN(10)
		}
		enrolled := 1 + r.IntN(1000)
		limit := max(g.Users, int(g.Percent*float64(enrolled)/100+1e-6)) // for both must be exceeded
		type left struct {
			at time.Time
			n  int
		}
		var past []left
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		within := func(from, to time.Time) (n int) {
			for _, l := range past {
				if !l.at.Before(from) && !l.at.After(to) {
					n += l.n
				}
			}
			return n
		}
		for range 4 * size {
			now = now.Add(time.Duration(r.Int64N(int64(g.window()))) / time.Duration(1+r.IntN(8)))
			planned := r.IntN(1 + r.IntN(20))
			if chance(r, 10) { // a person approves this plan: it passes, and is not set against the limit
				continue
			}
			if !holds(g, planned, History{Leaving: within(now.Add(-g.window()), now), Enrolled: enrolled}) {
				past = append(past, left{now, planned})
			}
		}
		for _, l := range past {
			for _, from := range []time.Time{l.at, l.at.Add(-g.window()), l.at.Add(-time.Duration(r.Int64N(int64(g.window()))))} {
				if n := within(from, from.Add(g.window())); n > limit {
					return fmt.Errorf("%+v of %d: %d left within the window from %s, more than %d", g, enrolled, n, from, limit)
				}
			}
		}
		return nil
	})
}
