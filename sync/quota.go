package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/rosterd/rosterd/crm"
)

// governor knows what the org's API quota allows. It counts our own calls of
// the last 24 hours, and believes what Salesforce says of the org's.
type governor struct {
	mu     sync.Mutex // guards what follows
	budget Budget
	hours  map[int64]int64 // our calls by hour since 1970
	unkept map[int64]int64 // those of them that the journal lacks
	real   bool            // among them are some that were not a dry run's
	used   int             // by the whole org, as Salesforce last said
	max    int             // 0 while unknown
	at     time.Time
	probed time.Time // when a call was last let through only to learn
	now    func() time.Time
}

// probeEvery is how old news of a spent allocation get before one call may be
// made to learn whether it still is: what is not asked is never told.
const probeEvery = 30 * time.Minute

// Levels of the quota, from plenty to none.
const (
	levelNormal    = "normal"
	levelStretched = "stretched"    // 60 % of what we may use is used: ask less often
	levelLeavers   = "leavers_only" // 80 %: only look for changes, no full sync
	levelExhausted = "exhausted"
	levelUnknown   = "unknown"
)

func newGovernor(b Budget, now func() time.Time) *governor {
	return &governor{budget: b, hours: map[int64]int64{}, unkept: map[int64]int64{}, now: now}
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// load sets what the journal remembers; what it lacks still counts.
func (g *governor) load(hours map[int64]int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hours = maps.Clone(hours)
	for h, n := range g.unkept {
		g.hours[h] += n
	}
}

// rebudget puts another budget in force.
func (g *governor) rebudget(b Budget) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.budget = b
}

// observe takes what an answer said of the org's usage.
func (g *governor) observe(used, limit int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.used, g.max, g.at = used, limit, g.now()
}

// unknown reports whether no answer has told the org's allocation.
func (g *governor) unknown() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.max == 0
}

// oursLocked returns our calls of the last 24 hours; the oldest hour counts whole.
func (g *governor) oursLocked() int {
	oldest, n := hourOf(g.now())-24, int64(0)
	for h, c := range g.hours {
		if h >= oldest {
			n += c
		}
	}
	return int(n)
}

// spend counts one call, and refuses it when routine work may not make it.
func (g *governor) spend(override, dry bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	left, what := g.leftLocked()
	if left <= 0 && !override && !g.probeLocked(what) {
		return &QuotaError{Need: 1, Left: left, What: what}
	}
	h := hourOf(g.now())
	g.hours[h]++
	g.unkept[h]++
	g.real = g.real || !dry
	if g.max > 0 {
		g.used++
	}
	return nil
}

// probeLocked reports whether a call may be made to learn how the org's
// allocation stands, and notes that it was.
func (g *governor) probeLocked(what string) bool {
	now := g.now()
	if what != whatReserve || now.Sub(g.at) < probeEvery || now.Sub(g.probed) < probeEvery {
		return false
	}
	g.probed = now
	return true
}

// askAgain is how old news of a spent allocation must be for a person's request
// to be worth the one call that learns how it stands now.
const askAgain = 10 * time.Second

// allow refuses a person's request that would cost more than is left. What
// Salesforce said some time ago of the org's allocation is not held against
// them: it is asked again.
func (e *Engine) allow(ctx context.Context, need int, override bool) error {
	err := e.quota.allow(need, override)
	spent, ok := errors.AsType[*QuotaError](err)
	if !ok || spent.What != whatReserve || !e.quota.older(askAgain) {
		return err
	}
	limits, lerr := e.crm().Limits(context.WithValue(ctx, runKey{}, newRunning(Run{Override: true})))
	if lerr != nil {
		return errors.Join(err, lerr)
	}
	e.quota.observe(limits.DailyAPIRequests.Max-limits.DailyAPIRequests.Remaining, limits.DailyAPIRequests.Max)
	return e.quota.allow(need, override)
}

// older reports whether what is known of the org's allocation is older than d.
func (g *governor) older(d time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now().Sub(g.at) >= d
}

// What limits routine work.
const (
	whatBudget  = "budget"
	whatReserve = "reserve"
)

// leftLocked returns how many calls routine work may still make, and what
// limits it. Without any limit known it is a large number.
func (g *governor) leftLocked() (int, string) {
	left, what := 1<<30, whatBudget
	if g.budget.CallsPerDay > 0 {
		left = g.budget.CallsPerDay - g.oursLocked()
	}
	if g.max > 0 {
		if org := g.max - g.reserveLocked() - g.used; org < left {
			left, what = org, whatReserve
		}
	}
	return left, what
}

func (g *governor) reserveLocked() int { return int(float64(g.max) * g.budget.ReservePercent / 100) }

// status describes the quota.
func (g *governor) status() QuotaStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	left, _ := g.leftLocked()
	s := QuotaStatus{
		Used: -1, Max: -1, Ours: g.oursLocked(), Budget: g.budget.CallsPerDay,
		BudgetLeft: max(left, 0), Reserve: g.reserveLocked(), At: g.at, Level: g.levelLocked(),
	}
	if left == 1<<30 {
		s.BudgetLeft = -1
	}
	if g.max > 0 {
		s.Used, s.Max = g.used, g.max
	}
	return s
}

// levelLocked compares what is spent of the tighter of the two limits.
func (g *governor) levelLocked() string {
	share := 0.0
	if g.budget.CallsPerDay > 0 {
		share = float64(g.oursLocked()) / float64(g.budget.CallsPerDay)
	}
	if may := g.max - g.reserveLocked(); g.max > 0 && may > 0 {
		share = max(share, float64(g.used)/float64(may))
	} else if g.max > 0 {
		share = 1
	}
	switch {
	case g.budget.CallsPerDay == 0 && g.max == 0:
		return levelUnknown
	case share >= 1:
		return levelExhausted
	case share >= 0.8:
		return levelLeavers
	case share >= 0.6:
		return levelStretched
	}
	return levelNormal
}

// stretch returns how often to ask for changes: the wish while there is
// plenty, less and less often as the budget drains.
func (g *governor) stretch(poll time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.levelLocked() {
	case levelStretched:
		return poll * 2
	case levelLeavers:
		return poll * 5
	case levelExhausted:
		return max(poll*5, 10*time.Minute)
	}
	return poll
}

// allow refuses routine work that would cost need calls and more than is left.
func (g *governor) allow(need int, override bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if left, what := g.leftLocked(); need > left && !override {
		return &QuotaError{Need: need, Left: left, What: what}
	}
	return nil
}

// keep hands the calls that the journal lacks to put, and forgets old hours.
// Those of dry runs alone, which shall write nothing, wait until others come
// or the engine stops.
func (g *governor) keep(all bool, put func(hour, calls, oldest int64) error) error {
	oldest := hourOf(g.now()) - 25
	g.mu.Lock()
	if len(g.unkept) == 0 || !g.real && !all {
		g.mu.Unlock()
		return nil
	}
	unkept := g.unkept
	g.unkept, g.real = map[int64]int64{}, false
	maps.DeleteFunc(g.hours, func(h, _ int64) bool { return h < oldest })
	g.mu.Unlock()
	for h, n := range unkept {
		if err := put(h, n, oldest); err != nil {
			g.mu.Lock()
			for h, n := range unkept {
				g.unkept[h] += n
			}
			g.real = true
			g.mu.Unlock()
			return fmt.Errorf("keep the count of calls: %w", err)
		}
		delete(unkept, h)
	}
	return nil
}

// runKey is under which a context carries its run, so that each
// Salesforce call is counted to the run that makes it.
type runKey struct{}

// meter is asked before each Salesforce call.
func (e *Engine) meter(ctx context.Context, _ string) error {
	run, ok := ctx.Value(runKey{}).(*running)
	if !ok {
		return e.quota.spend(false, false)
	}
	if err := e.quota.spend(run.overrides(), run.DryRun); err != nil {
		return err
	}
	run.count(func(c *Counts) { c.SalesforceCalls++ })
	return nil
}

func (r *running) overrides() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Override
}

// watcher tells governor and metrics what the client sees.
type watcher struct {
	crm.Observer
	e *Engine
}

// Quota passes on what an answer said of the org's allocation.
func (w watcher) Quota(i crm.LimitInfo) {
	w.e.quota.observe(i.Used, i.Max)
	w.Observer.Quota(i)
}
