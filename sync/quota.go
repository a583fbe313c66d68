package sync

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/rosterd/rosterd/crm"
)

// governor knows what the org's API quota allows, and alone decides what may
// be spent on what. It counts our own calls by the hour, learns what other apps
// spend from what Salesforce says of the org, and what each kind of run costs.
//
//	of what routine work may spend, which is the budget or the org's limit
//	without the reserve, whichever leaves less, there is left
//
//	100 %            20 %              10 %              2 %            0
//	  │ everything     │ no full sync    │ only looks for  │ no person's  │ nothing
//	  │                │ polls up to 5m  │ leavers, 15m    │ request      │
type governor struct {
	mu     sync.Mutex // guards what follows
	budget Budget
	clock  func() time.Time // goes evenly, whatever is done to the host's
	skew   time.Duration    // what Salesforce's clock differs from it

	ours   map[int64]int64 // our calls by hour since 1970
	mine   map[int64]int64 // those of them that this process made
	unkept map[int64]int64 // those of them that the journal lacks
	recent map[int64]int64 // by minute, the last few
	real   bool            // among the unkept are some that were not a dry run's

	max     int             // the org's limit; 0 while unknown
	used    int             // by the whole org: what Salesforce said, and our calls since
	at      time.Time       // when Salesforce last said
	mute    int             // our calls since, on which it did not
	refused time.Time       // when Salesforce last refused a call for lack of quota
	probed  time.Time       // when a call was last let through only to learn
	told    quotaNote       // what was last handed out to be kept, without what goes by hours
	began   time.Time       // since when calls are counted
	others  map[int64]int64 // calls of other apps by hour, estimated
	fulls   map[int64]int64 // of our calls, those of full syncs
	beyond  map[int64]int64 // of our calls, those that only an override allowed

	costs map[Kind]float64 // calls of a run, on average
}

// probeEvery is how old news of a spent allocation get before one call may be
// made to learn whether it still is: what is not asked is never told.
const probeEvery = 30 * time.Minute

// refusedFor is how long no call is made after Salesforce refused one for lack
// of quota, whatever the figures say.
const refusedFor = 10 * time.Minute

// lag is how old the usage can be that Salesforce tells.
const lag = 5 * time.Minute

func newGovernor(b Budget, clock func() time.Time) *governor {
	return &governor{
		budget: b, clock: clock, began: clock(), costs: map[Kind]float64{},
		ours: map[int64]int64{}, mine: map[int64]int64{}, unkept: map[int64]int64{}, recent: map[int64]int64{},
		others: map[int64]int64{}, fulls: map[int64]int64{}, beyond: map[int64]int64{},
	}
}

// evenly returns a clock that starts with the host's and then goes on whatever
// is done to that: setting a clock neither frees nor takes calls.
func evenly() func() time.Time {
	start := time.Now()
	return func() time.Time { return start.Add(time.Since(start)).UTC() }
}

func (g *governor) nowLocked() time.Time { return g.clock().Add(g.skew) }

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// rebudget puts another budget in force.
func (g *governor) rebudget(b Budget) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.budget, g.refused = b, time.Time{}
}

// observe takes what an answer said of the org's usage. Our calls of the last
// minutes may or may not be in it: a count that they explain is kept. News that
// are known to be late do not have them.
func (g *governor) observe(used, limit int, late bool) {
	if used < 0 || limit <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now, lately := g.nowLocked(), 0
	for m, n := range g.recent {
		if m >= now.Add(-lag).Unix()/60 {
			lately += int(n)
		}
	}
	least, most := used, used+lately
	if late {
		least = most
	}
	g.used, g.max = min(max(g.used, least), most), limit
	g.apportionLocked(now)
	g.at, g.mute = now, 0
}

// correct sets the governor's clock by Salesforce's. What this process counted
// by the wrong one moves along, what it found in the journal does not.
func (g *governor) correct(at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.nowLocked()
	off := at.Sub(was)
	if off.Abs() < maxSkew {
		return
	}
	g.skew += off
	for _, t := range []*time.Time{&g.at, &g.began, &g.refused, &g.probed} {
		if !t.IsZero() {
			*t = t.Add(off)
		}
	}
	move := hourOf(at) - hourOf(was)
	if move == 0 {
		return
	}
	moved := map[int64]int64{}
	for h, n := range g.mine {
		moved[h+move] += n
		for _, m := range []map[int64]int64{g.ours, g.unkept} {
			m[h] -= n
			m[h+move] += n
		}
	}
	g.mine, g.others = moved, map[int64]int64{}
	clear(g.recent)
	if g.max > 0 {
		g.spreadLocked(time.Time{}, at, float64(g.used)-rolling(g.ours, at, 24))
	}
}

// spend counts one call, and refuses it when such work may not make it.
func (g *governor) spend(w work, override, dry bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.nowLocked()
	h := hourOf(now)
	left, what := g.leftLocked(goesOn[w])
	if left <= 0 && !g.probeLocked(now, what) {
		if !override {
			return &QuotaError{Need: 1, Left: left, What: what}
		}
		g.beyond[h]++
	}
	for _, m := range []map[int64]int64{g.ours, g.mine, g.unkept} {
		m[h]++
	}
	if w == workFull || w == workFirst {
		g.fulls[h]++
	}
	minute := now.Unix() / 60
	if g.recent[minute]++; g.recent[minute] == 1 {
		for m := range g.recent {
			if m < minute-6 {
				delete(g.recent, m)
			}
		}
	}
	g.real = g.real || !dry
	g.used++
	g.mute++
	return nil
}

// probeLocked reports whether a call may be made to learn how the org's
// allocation stands, and notes that it was.
func (g *governor) probeLocked(now time.Time, what string) bool {
	if what != whatReserve || now.Sub(later(g.at, g.refused)) < probeEvery || now.Sub(g.probed) < probeEvery {
		return false
	}
	g.probed = now
	return true
}

// refuse notes that Salesforce refused a call for lack of quota, whatever it
// said of its usage.
func (g *governor) refuse() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = g.nowLocked()
}

// What limits routine work.
const (
	whatBudget  = "budget"
	whatReserve = "reserve"
)

const unlimited = 1 << 30

// leftLocked returns how many calls work may still make that must leave a
// share of what routine work may spend, and what limits it: the budget where
// that is spent, whatever the other. Without any limit known it is a large
// number.
func (g *governor) leftLocked(floor float64) (int, string) {
	left, what := unlimited, whatBudget
	for _, r := range g.roomsLocked() {
		if n := max(0, int(r.left-math.Floor(floor*r.limit))); n < left {
			left, what = n, r.what
		}
	}
	if left > 0 && g.nowLocked().Sub(g.refused) < refusedFor {
		return 0, whatReserve
	}
	return left, what
}

// left returns how many calls such work may still make: a large number where
// nothing limits it, and none or less where it must not begin.
func (g *governor) left(w work) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	left, _ := g.leftLocked(floors[w])
	return left
}

func (g *governor) reserveLocked() int { return int(float64(g.max) * g.budget.ReservePercent / 100) }

// allow refuses work that would cost need calls where it may make fewer.
func (g *governor) allow(w work, need int, override bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if left, what := g.leftLocked(floors[w]); need > left && !override {
		return &QuotaError{Need: need, Left: left, What: what}
	}
	return nil
}

// askAgain is how old news of a spent allocation must be for a person's request
// to be worth the one call that learns how it stands now, and tellAgain how old
// any news where answers do not tell.
const (
	askAgain  = 10 * time.Second
	tellAgain = time.Hour
)

// allow refuses a person's request that would cost more than is left. What
// Salesforce said some time ago of the org's allocation is not held against
// them: it is asked again.
func (e *Engine) allow(ctx context.Context, need int, override bool) error {
	err := e.quota.allow(workRequest, need, override)
	spent, ok := errors.AsType[*QuotaError](err)
	if !ok || spent.What != whatReserve || !e.quota.older(askAgain) {
		return err
	}
	if lerr := e.askLimits(context.WithValue(ctx, runKey{}, newRunning(Run{Override: true})), e.crm()); lerr != nil {
		return errors.Join(err, lerr)
	}
	return e.quota.allow(workRequest, need, override)
}

// askLimits asks how the org's allocation stands.
func (e *Engine) askLimits(ctx context.Context, c *crm.Client) error {
	limits, err := c.Limits(ctx)
	if err != nil {
		return err
	}
	d := limits.DailyAPIRequests
	e.quota.observe(d.Max-d.Remaining, d.Max, true)
	e.quota.mu.Lock()
	defer e.quota.mu.Unlock()
	e.quota.refused = time.Time{}
	return nil
}

// untold reports whether answers do not tell how the allocation stands, so that
// it must be asked for.
func (g *governor) untold() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.max == 0 || g.mute > 0 && g.nowLocked().Sub(g.at) > tellAgain
}

// older reports whether what is known of the org's allocation is older than d,
// or Salesforce has acted otherwise since.
func (g *governor) older(d time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.nowLocked()
	return now.Sub(g.at) >= d || now.Sub(g.refused) < refusedFor
}

// runKey is under which a context carries its run, so that each
// Salesforce call is counted to the run that makes it.
type runKey struct{}

// meter is asked before each Salesforce call.
func (e *Engine) meter(ctx context.Context, _ string) error {
	run, ok := ctx.Value(runKey{}).(*running)
	if !ok {
		if err := e.quota.spend(workRequest, false, false); err != nil { // there is no run to repeat with an override
			return &hinted{err, "wait until calls of the last 24 hours have aged: see rosterctl quota"}
		}
		return nil
	}
	w, override := run.work()
	if err := e.quota.spend(w, override, run.DryRun); err != nil {
		return err
	}
	run.count(func(c *Counts) { c.SalesforceCalls++ })
	return nil
}

// watcher tells governor and metrics what the client sees.
type watcher struct {
	crm.Observer
	e *Engine
}

// Quota passes on what an answer said of the org's allocation.
func (w watcher) Quota(i crm.LimitInfo) {
	w.e.quota.observe(i.Used, i.Max, false)
	w.Observer.Quota(i)
}
