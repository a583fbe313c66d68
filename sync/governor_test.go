package sync

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func noon() *clock { return &clock{time.Date(2026, 3, 8, 12, 30, 0, 0, time.UTC)} }

// spendAll makes calls for some work until it is refused, and returns how many.
func spendAll(t *testing.T, g *governor, w work, most int) int {
	t.Helper()
	for n := range most {
		if err := g.spend(w, false, false); err != nil {
			if !errors.Is(err, ErrQuota) {
				t.Fatal(err)
			}
			return n
		}
	}
	return most
}

func TestGovernorRollsOver24Hours(t *testing.T) {
	c := noon()
	g := newGovernor(Budget{CallsPerDay: 10}, c.now)
	if n := spendAll(t, g, workLeavers, 100); n != 10 {
		t.Fatalf("spent %d of 10", n)
	}
	c.at = c.at.Add(23 * time.Hour)
	if n := spendAll(t, g, workLeavers, 100); n != 0 {
		t.Errorf("after 23 hours %d more", n)
	}
	c.at = c.at.Add(2 * time.Hour) // the hour counts whole
	if n := spendAll(t, g, workLeavers, 100); n != 10 {
		t.Errorf("a day later %d", n)
	}
	if err := g.spend(workRequest, true, false); err != nil {
		t.Errorf("an override was refused: %v", err)
	}
	if s := g.explain(time.Minute, c.at.Add(time.Hour), func(Kind) int { return 3 }, false); s.Overridden != 1 || s.Ours != 11 {
		t.Errorf("%d calls, of them by override %d", s.Ours, s.Overridden)
	}
}

// What is worth less stops first.
func TestGovernorKeepsForWhatIsWorthMore(t *testing.T) {
	for _, b := range []Budget{{CallsPerDay: 1000}, {ReservePercent: 50}} {
		g := newGovernor(b, noon().now)
		if b.CallsPerDay == 0 {
			g.observe(0, 2000, false)
		}
		if left := g.left(workFull); left != 800 {
			t.Errorf("%d calls are left to a full sync", left)
		}
		if err := g.allow(workFull, 801, false); !errors.Is(err, ErrQuota) {
			t.Errorf("a full sync that leaves less than a fifth: %v", err)
		}
		if err := g.allow(workFull, 800, false); err != nil {
			t.Errorf("one that leaves a fifth: %v", err)
		}
		for _, tc := range []struct {
			work work
			want int
		}{{workFull, 900}, {workRequest, 80}, {workLeavers, 20}, {workFirst, 0}} {
			if n := spendAll(t, g, tc.work, 2000); n != tc.want {
				t.Errorf("%+v: %s made %d calls, want %d", b, tc.work, n, tc.want)
			}
		}
	}
}

// Once the others have used up the allocation, one call in half an hour learns
// whether they still have.
func TestGovernorProbes(t *testing.T) {
	c := noon()
	g := newGovernor(Budget{ReservePercent: 20}, c.now)
	g.observe(900, 1000, false)
	for i, tc := range []struct {
		after time.Duration
		calls int
	}{{0, 0}, {29 * time.Minute, 0}, {time.Minute, 1}, {time.Minute, 0}, {29 * time.Minute, 1}} {
		c.at = c.at.Add(tc.after)
		if n := spendAll(t, g, workLeavers, 100); n != tc.calls {
			t.Errorf("step %d: %d calls, want %d", i, n, tc.calls)
		}
	}
	c.at = c.at.Add(10 * time.Minute)
	g.observe(100, 1000, false)
	if n := spendAll(t, g, workLeavers, 10_000); n != 700 {
		t.Errorf("then %d calls, want the 700 that are not reserved", n)
	}
	own := newGovernor(Budget{CallsPerDay: 5}, c.now) // one's own budget needs no probing: it is counted here
	spendAll(t, own, workLeavers, 100)
	c.at = c.at.Add(2 * time.Hour)
	if n := spendAll(t, own, workLeavers, 100); n != 0 {
		t.Errorf("%d calls beyond the budget", n)
	}
}

// An answer that does not know yet of our last calls does not hide them, and
// nonsense changes nothing.
func TestGovernorDoubtsNews(t *testing.T) {
	c := noon()
	g := newGovernor(Budget{}, c.now)
	g.observe(100, 1000, false)
	spendAll(t, g, workLeavers, 50)
	for i, tc := range []struct {
		after       time.Duration
		used, limit int
		late        bool
		want        int
	}{
		{0, 100, 1000, false, 150},                // our calls are not in it yet
		{0, 130, 1000, false, 150},                // or only some
		{0, 150, 1000, false, 150},                // all of them
		{0, 170, 1000, false, 170},                // others have called
		{0, 90, 1000, false, 140},                 // more has rolled out than we can have called
		{0, 150, 1000, true, 200},                 // late: ours are surely not in it
		{0, -1, 1000, false, 200},                 // nonsense
		{0, 5, 0, false, 200},                     // nonsense
		{10 * time.Minute, 100, 1000, false, 100}, // ours are in it by now
	} {
		c.at = c.at.Add(tc.after)
		g.observe(tc.used, tc.limit, tc.late)
		if s := g.status(time.Minute); s.Used != tc.want {
			t.Errorf("news %d: %d used, want %d", i, s.Used, tc.want)
		}
	}
}

// When Salesforce refuses, its figures are not believed for a while.
func TestGovernorHeedsRefusals(t *testing.T) {
	c := noon()
	g := newGovernor(Budget{}, c.now)
	g.observe(100, 1000, false)
	g.refuse()
	if n := spendAll(t, g, workLeavers, 10); n != 0 || g.status(time.Minute).Level != levelExhausted || !g.older(time.Hour) {
		t.Errorf("%d calls after a refusal, at %s", n, g.status(time.Minute).Level)
	}
	if err := g.spend(workRequest, true, false); err != nil {
		t.Error(err)
	}
	c.at = c.at.Add(refusedFor)
	if n := spendAll(t, g, workLeavers, 10); n != 10 {
		t.Errorf("%d calls later", n)
	}
	g.refuse()
	if g.rebudget(Budget{}); spendAll(t, g, workLeavers, 10) != 10 {
		t.Error("a reload does not forget it")
	}
}

// Other apps' calls are what Salesforce says less ours, at the time they were
// made.
func TestGovernorEstimatesOthers(t *testing.T) {
	c := &clock{time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC)}
	g := newGovernor(Budget{}, c.now)
	g.observe(2400, 100_000, false) // nobody knows when: evenly
	if s := g.explain(time.Minute, c.at, func(Kind) int { return 3 }, false); s.Others != 2400 || s.Forecast.Others != 100 {
		t.Errorf("%d calls of others, %d an hour", s.Others, s.Forecast.Others)
	}
	for range 3 * 60 { // 700 an hour, and 100 roll out
		c.at = c.at.Add(time.Minute)
		_ = g.spend(workLeavers, false, false)
		g.observe(g.used+10, 100_000, false)
	}
	s := g.explain(time.Minute, c.at, func(Kind) int { return 3 }, false)
	if s.Ours != 180 || s.Others != s.Used-180 || s.Forecast.Others < 650 || s.Forecast.Others > 750 || s.Forecast.Ours < 58 || s.Forecast.Ours > 62 {
		t.Errorf("%+v, %+v", s, s.Forecast)
	}
}

// The clock of the governor is Salesforce's: what was counted by a wrong one
// moves, what was found does not.
func TestGovernorCorrectsItsClock(t *testing.T) {
	for _, off := range []time.Duration{-30 * time.Hour, 30 * time.Hour, 400 * time.Hour} {
		c := noon()
		right := c.at
		kept := map[int64]int64{hourOf(right) - 3: 6}
		c.at = c.at.Add(off)
		g := newGovernor(Budget{CallsPerDay: 10}, c.now)
		g.load(kept, "")
		_ = g.spend(workLeavers, false, false) // the first answer tells the time
		g.correct(right)
		if n := spendAll(t, g, workLeavers, 100); n != 3 {
			t.Errorf("%s off: %d more calls, want 3", off, n)
		}
		if _, err := g.keep(true, func(h, n, _ int64) error { kept[h] += n; return nil }); err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(kept, func(_, n int64) bool { return n == 0 })
		if want := map[int64]int64{hourOf(right) - 3: 6, hourOf(right): 4}; !maps.Equal(kept, want) {
			t.Errorf("%s off: kept %v, want %v", off, kept, want)
		}
	}
}

func TestGovernorKeepsItsCount(t *testing.T) {
	c := &clock{time.Date(2026, 3, 8, 12, 59, 0, 0, time.UTC)}
	g := newGovernor(Budget{}, c.now)
	kept := map[int64]int64{}
	var disk error
	put := func(hour, calls, _ int64) error {
		if disk == nil {
			kept[hour] += calls
		}
		return disk
	}
	keep := func(all bool) (note string) {
		t.Helper()
		note, err := g.keep(all, put)
		if err != nil {
			t.Error(err)
		}
		return note
	}
	g.observe(500, 1000, false)
	for range 3 {
		_ = g.spend(workRequest, false, true)
	}
	if note := keep(false); len(kept) != 0 || note != "" {
		t.Errorf("the calls of a dry run alone were kept: %v, %q", kept, note)
	}
	c.at = c.at.Add(2 * time.Minute) // another hour
	_ = g.spend(workLeavers, false, false)
	disk = errors.New("disk full")
	if _, err := g.keep(false, put); !errors.Is(err, disk) {
		t.Errorf("got %v", err)
	}
	disk = nil
	g.learn(KindFull, 40)
	note := keep(false)
	keep(false)
	h := hourOf(c.at)
	if want := map[int64]int64{h - 1: 3, h: 1}; !maps.Equal(kept, want) {
		t.Errorf("kept %v, want %v", kept, want)
	}
	_ = g.spend(workRequest, false, true)
	if again := keep(true); note == "" || again == "" {
		t.Error("nothing else is remembered")
	}
	other := newGovernor(Budget{}, c.now)
	other.load(kept, note) // the note is older than the count
	got, want := other.status(time.Minute), g.status(time.Minute)
	if got.Ours != 5 || got.Used != want.Used || got.Max != want.Max || got.Level != want.Level || other.cost(KindFull, 1) != 40 {
		t.Errorf("after a restart %+v, want %+v", got, want)
	}
	// What was not kept yet counts beside what the journal remembers.
	_ = other.spend(workLeavers, false, false)
	other.load(kept, note)
	if got := other.status(time.Minute).Ours; got != 6 {
		t.Errorf("counted %d, want 6", got)
	}
}

func TestQuotaUnknownIsNeverNone(t *testing.T) {
	g := newGovernor(Budget{}, time.Now)
	if s := g.status(time.Minute); s.Used != -1 || s.Max != -1 || s.BudgetLeft != -1 || s.Level != levelUnknown || s.PollEvery != "1m0s" {
		t.Errorf("%+v", s)
	}
	if p := g.pace(); p.leavers > time.Millisecond || p.changes > time.Millisecond {
		t.Errorf("gathers for %+v", p)
	}
	g.observe(1000, 1000, false)
	if s := g.status(time.Minute); s.Level != levelExhausted || s.BudgetLeft != 0 {
		t.Errorf("%+v", s)
	}
	if g = newGovernor(Budget{ReservePercent: 100}, time.Now); true {
		g.observe(0, 1000, false)
	}
	if s := g.status(time.Minute); s.Level != levelExhausted {
		t.Errorf("all of it reserved: %+v", s)
	}
}

// The forecast says what stops when, and when calls are free again.
func TestForecast(t *testing.T) {
	c := &clock{time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC)}
	g := newGovernor(Budget{CallsPerDay: 1000}, c.now)
	g.load(map[int64]int64{hourOf(c.at) - 24: 70, hourOf(c.at) - 3: 100, hourOf(c.at) - 2: 100, hourOf(c.at) - 1: 100}, "")
	cost := func(k Kind) int { return map[Kind]int{KindFull: 60, KindChanges: 2, KindUser: 3}[k] }
	s := g.explain(time.Minute, c.at.Add(48*time.Hour), cost, false)
	f := s.Forecast
	// 630 are left, 70 come free at 13:00, and 100 an hour are spent.
	if f.Ours != 100 || !f.FreesAt.Equal(c.at.Add(time.Hour)) || f.Frees != 70 || !f.BackAt.IsZero() {
		t.Errorf("%+v", f)
	}
	stops := map[string]time.Duration{}
	for _, w := range s.Work {
		stops[w.Kind] = w.StopsAt.Sub(c.at).Round(time.Hour)
	}
	if want := map[string]time.Duration{"leavers": 7 * time.Hour, "request": 7 * time.Hour, "changes": 6 * time.Hour, "full": 4 * time.Hour}; !maps.Equal(stops, want) {
		t.Errorf("stops %v, want %v", stops, want)
	}
	if got := f.ExhaustedAt.Sub(c.at).Round(time.Minute); got != 7*time.Hour-time.Minute {
		t.Errorf("exhausted in %s", got)
	}
	if len(s.Hours) != 24 || s.Hours[23].Ours != 0 || s.Hours[22].Ours != 100 || s.Hours[20].Ours != 100 {
		t.Errorf("hours: %+v", s.Hours)
	}
	if s.Level != levelStretched || !strings.Contains(strings.Join(s.Why, " "), "instead of every 1m0s") {
		t.Errorf("%s: %q", s.Level, s.Why)
	}

	spendAll(t, g, workLeavers, 2000)
	s = g.explain(time.Minute, c.at.Add(48*time.Hour), cost, false)
	if s.Level != levelExhausted || !s.Forecast.ExhaustedAt.IsZero() || !s.Forecast.BackAt.Equal(c.at.Add(time.Hour)) {
		t.Errorf("%s: %+v", s.Level, s.Forecast)
	}
	if i := slices.IndexFunc(s.Work, func(w QuotaWork) bool { return w.State != "stops" || w.Left != 0 }); i >= 0 {
		t.Errorf("still runs: %+v", s.Work[i])
	}
}

// What change events get is said, as it gets less.
func TestQuotaSaysWhatEventsGet(t *testing.T) {
	g := newGovernor(Budget{CallsPerDay: 1000}, noon().now)
	for _, tt := range []struct {
		work work
		want string
	}{{workFull, "only make sure of that"}, {workRequest, "others wait up to"}, {workLeavers, "nothing else is read by itself"}} {
		if why := strings.Join(g.explain(time.Minute, noon().at, func(Kind) int { return 3 }, true).Why, " "); !strings.Contains(why, tt.want) {
			t.Errorf("before %s is spent: %s", tt.work, why)
		}
		spendAll(t, g, tt.work, 2000)
	}
	if why := strings.Join(g.explain(time.Minute, noon().at, func(Kind) int { return 3 }, true).Why, " "); strings.Contains(why, "events") {
		t.Errorf("with nothing left: %s", why)
	}
}

// Polls, and events that never end, leave something to whoever may be leaving,
// at any time of a week: what comes first by worth finds calls.
func TestLeaversFindCalls(t *testing.T) {
	for _, budget := range []int{500, 1000, 5000} {
		c := noon()
		g := newGovernor(Budget{CallsPerDay: budget}, c.now)
		start, refused := c.at, 0
		poll, read, leaver := c.at, c.at, c.at
		for c.at.Sub(start) < 7*day {
			if now := c.at; !now.Before(leaver) {
				leaver = now.Add(2 * time.Hour)
				if g.spend(workLeavers, false, false) != nil {
					refused++
				}
			}
			if now := c.at; !now.Before(poll) {
				_ = g.spend(workLooks, false, false)
				poll = now.Add(g.every(8 * time.Minute))
			}
			if c.at.Sub(read) >= g.pace().changes {
				_ = g.spend(workLooks, false, false)
				read = c.at
			}
			c.at = c.at.Add(20 * time.Second)
		}
		if refused > 0 {
			t.Errorf("budget %d: of %d leavers %d were refused", budget, 7*12, refused)
		}
	}
}
