package sync

import (
	"errors"
	"maps"
	"testing"
	"time"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func spendAll(t *testing.T, g *governor, most int) int {
	t.Helper()
	for n := range most {
		if err := g.spend(false, false); err != nil {
			if !errors.Is(err, ErrQuota) {
				t.Fatal(err)
			}
			return n
		}
	}
	return most
}

func TestGovernorRollsOver24Hours(t *testing.T) {
	c := &clock{time.Date(2026, 3, 8, 12, 30, 0, 0, time.UTC)}
	g := newGovernor(Budget{CallsPerDay: 10}, c.now)
	if n := spendAll(t, g, 100); n != 10 {
		t.Fatalf("spent %d of 10", n)
	}
	c.at = c.at.Add(23 * time.Hour)
	if n := spendAll(t, g, 100); n != 0 {
		t.Errorf("after 23 hours %d more", n)
	}
	c.at = c.at.Add(2 * time.Hour) // the hour counts whole
	if n := spendAll(t, g, 100); n != 10 {
		t.Errorf("a day later %d", n)
	}
	if err := g.spend(true, false); err != nil {
		t.Errorf("an override was refused: %v", err)
	}
}

// Once the others have used up the allocation, one call in half an hour learns
// whether they still have.
func TestGovernorProbes(t *testing.T) {
	c := &clock{time.Date(2026, 3, 8, 12, 30, 0, 0, time.UTC)}
	g := newGovernor(Budget{ReservePercent: 20}, c.now)
	g.observe(900, 1000)
	for i, tc := range []struct {
		after time.Duration
		calls int
	}{{0, 0}, {29 * time.Minute, 0}, {time.Minute, 1}, {time.Minute, 0}, {29 * time.Minute, 1}} {
		c.at = c.at.Add(tc.after)
		if n := spendAll(t, g, 100); n != tc.calls {
			t.Errorf("step %d: %d calls, want %d", i, n, tc.calls)
		}
	}
	g.observe(100, 1000)
	if n := spendAll(t, g, 10_000); n != 700 {
		t.Errorf("then %d calls, want the 700 that are not reserved", n)
	}
	own := newGovernor(Budget{CallsPerDay: 5}, c.now) // one's own budget needs no probing: it is counted here
	spendAll(t, own, 100)
	c.at = c.at.Add(2 * time.Hour)
	if n := spendAll(t, own, 100); n != 0 {
		t.Errorf("%d calls beyond the budget", n)
	}
}

func TestGovernorKeepsItsCount(t *testing.T) {
	c := &clock{time.Date(2026, 3, 8, 12, 59, 0, 0, time.UTC)}
	g := newGovernor(Budget{}, c.now)
	kept := map[int64]int64{}
	put := func(hour, calls, _ int64) error { kept[hour] += calls; return nil }
	keep := func(all bool, put func(hour, calls, oldest int64) error) {
		t.Helper()
		if err := g.keep(all, put); err != nil {
			t.Error(err)
		}
	}
	for range 3 {
		_ = g.spend(false, true)
	}
	if keep(false, put); len(kept) != 0 {
		t.Errorf("the calls of a dry run alone were kept: %v", kept)
	}
	c.at = c.at.Add(2 * time.Minute) // another hour
	_ = g.spend(false, false)
	disk := errors.New("disk full")
	if err := g.keep(false, func(int64, int64, int64) error { return disk }); !errors.Is(err, disk) {
		t.Errorf("got %v", err)
	}
	keep(false, put)
	keep(false, put)
	h := hourOf(c.at)
	if want := map[int64]int64{h - 1: 3, h: 1}; !maps.Equal(kept, want) {
		t.Errorf("kept %v, want %v", kept, want)
	}
	_ = g.spend(false, true)
	keep(true, put)
	other := newGovernor(Budget{}, c.now)
	other.load(kept)
	if got, want := other.status().Ours, g.status().Ours; got != want || want != 5 {
		t.Errorf("after a restart %d, want %d", got, want)
	}
	// What was not kept yet counts beside what the journal remembers.
	_ = other.spend(false, false)
	other.load(kept)
	if got := other.status().Ours; got != 6 {
		t.Errorf("counted %d, want 6", got)
	}
}

func TestQuotaUnknownIsNeverNone(t *testing.T) {
	g := newGovernor(Budget{}, time.Now)
	if s := g.status(); s.Used != -1 || s.Max != -1 || s.BudgetLeft != -1 || s.Level != levelUnknown {
		t.Errorf("%+v", s)
	}
	g.observe(1000, 1000)
	if s := g.status(); s.Level != levelExhausted || s.BudgetLeft != 0 {
		t.Errorf("%+v", s)
	}
	if g = newGovernor(Budget{ReservePercent: 100}, time.Now); true {
		g.observe(0, 1000)
	}
	if s := g.status(); s.Level != levelExhausted {
		t.Errorf("all of it reserved: %+v", s)
	}
}
