package sync

import (
	"math"
	"time"
)

// work is what calls are spent on, in order of worth.
type work int

const (
	workFirst   work = iota // the snapshot without which nobody's leaving shows
	workLeavers             // looking for leavers, however rarely, or at whom an event lets one think so
	workLooks               // looks that only make sure, since events tell of leavers
	workRequest             // what a person asks for
	workChanges             // looking for changes as often as is wished
	workFull                // a full sync that is due
	works
)

func (w work) String() string {
	return [works]string{"first", "leavers", "looks", "request", "changes", "full"}[w]
}

// floors is what share of all that routine work may spend each kind of work
// must leave to begin, and goesOn what to go on: a full sync that turns out
// dearer than thought stops where polls would.
var (
	floors = [works]float64{workLooks: 0.02, workRequest: 0.02, workChanges: 0.1, workFull: 0.2}
	goesOn = [works]float64{workLooks: 0.02, workRequest: 0.02, workChanges: 0.1, workFull: 0.1}
)

// stretches are how rarely polls come at most to keep the floor of a kind of
// work: so many times more rarely than would be even, or so rarely in any case.
var stretches = []struct {
	keep    work
	times   float64
	slowest time.Duration
}{{workFull, 2, 5 * time.Minute}, {workChanges, 4, 15 * time.Minute}, {workLooks, 8, time.Hour}}

const day = 24 * time.Hour

// work is what the run's calls are spent on, and whether a person lets it
// spend more than that may.
func (r *running) work() (w work, override bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.first:
		return workFirst, r.Override
	case r.Kind == KindUser, r.Trigger == triggerRequest, r.Kind == KindFull && (r.force || r.Trigger == triggerPolicy):
		return workRequest, r.Override
	case r.Kind == KindFull:
		return workFull, r.Override
	case r.sure:
		return workLooks, r.Override
	}
	return workLeavers, r.Override
}

// room is what one limit leaves, now and as the coming hours turn.
type room struct {
	what        string
	limit, left float64
	frees       [25]float64 // calls that come free when this hour ends, and the next, and so on
	drain       float64     // calls an hour of those who do not ask us
}

// roomsLocked returns the limits that are known.
func (g *governor) roomsLocked() []room {
	var rooms []room
	now := g.nowLocked()
	oldest := hourOf(now) - 24
	if g.budget.CallsPerDay > 0 {
		r := room{what: whatBudget, limit: float64(g.budget.CallsPerDay)}
		r.left = r.limit
		for h, n := range g.ours {
			if h >= oldest {
				r.left -= float64(n) // the oldest hour counts whole
			}
		}
		for i := range r.frees {
			r.frees[i] = float64(g.ours[oldest+int64(i)])
		}
		rooms = append(rooms, r)
	}
	if g.max > 0 {
		r := room{what: whatReserve, limit: float64(g.max - g.reserveLocked()), drain: rolling(g.others, now, 3) / 3}
		r.left = r.limit - float64(g.used)
		for i := range r.frees {
			r.frees[i] = float64(g.ours[oldest+int64(i)] + g.others[oldest+int64(i)])
		}
		r.frees[0] *= 1 - part(now)
		rooms = append(rooms, r)
	}
	return rooms
}

// part is how much of its hour is over.
func part(t time.Time) float64 { return float64(t.Unix()%3600) / 3600 }

// rolling sums up the last hours, of the oldest so much as is still in them.
func rolling(m map[int64]int64, now time.Time, hours int64) float64 {
	h := hourOf(now)
	sum := float64(m[h-hours]) * (1 - part(now))
	for i := range hours {
		sum += float64(m[h-i])
	}
	return sum
}

// rate returns how many calls an hour can be spent evenly in the coming day so
// that there is always left what shall be kept. What others shall find may be
// short for some hours, lest the pace jumps where a few calls more were made.
func (r *room) rate(keep float64, now time.Time) float64 {
	have, most := r.left-keep, math.Inf(1)
	for i, free := range r.frees {
		if i > 2 || keep == 0 {
			most = min(most, have/(float64(i)+1-part(now))-r.drain)
		}
		have += free
	}
	return most
}

// everyLocked returns how often to look for changes: as is wished while that
// can go on for a day, and more rarely the less is left.
func (g *governor) everyLocked(wish time.Duration) time.Duration {
	rooms, now, slow := g.roomsLocked(), g.nowLocked(), wish
	cost := g.costLocked(KindChanges, firstLook)
	for _, s := range stretches {
		every, slowest := wish, s.slowest
		for _, r := range rooms {
			keep := floors[s.keep] * r.limit
			if s.keep == workFull {
				keep += g.costLocked(KindFull, 0) + floors[workRequest]*r.limit
			}
			every = max(every, hours(cost/max(r.rate(keep, now), 1e-6)))
			slowest = max(slowest, hours(s.times*24*cost/max(r.limit, 1)))
		}
		slowest = max(slow, slowest)
		if every <= slowest {
			return max(slow, every).Round(time.Second)
		}
		slow = slowest
	}
	return slow.Round(time.Second)
}

// apart is how long it takes at least from one full sync that events ask for to
// the next: half of what may be spent in a day is not for them, however many
// such events come.
func (g *governor) apart(cost int) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := time.Minute
	for _, r := range g.roomsLocked() {
		d = max(d, hours(2*24*float64(cost)/max(r.limit, 1)))
	}
	return min(d, day)
}

func hours(n float64) time.Duration { return time.Duration(min(n, 1e4) * float64(time.Hour)) }

func (g *governor) every(wish time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.everyLocked(wish)
}

// pace is how long at least to gather events before looking at what they are
// about: those that may be of leavers, and the others.
type pace struct{ leavers, changes time.Duration }

// pace hardly waits while there is plenty, and longer the less is left, so that
// even events that never end leave something after minutes.
func (g *governor) pace() pace {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paceLocked()
}

func (g *governor) paceLocked() pace {
	p := pace{leavers: time.Minute}
	if left, _ := g.leftLocked(floors[workLeavers]); left > 0 {
		p.leavers = min(p.leavers, 5*time.Minute/time.Duration(left))
	}
	changes, _ := g.leftLocked(floors[workChanges])
	looks, _ := g.leftLocked(floors[workLooks])
	switch {
	case changes > 0:
		p.changes = 10 * time.Minute / time.Duration(changes)
	case looks > 0:
		p.changes = g.everyLocked(10 * time.Minute)
	default:
		p.changes = max(time.Hour, g.everyLocked(10*time.Minute))
	}
	return p
}

// What a run is thought to cost before one was seen, unless it is a full one.
const (
	firstCost = 3
	firstLook = 1 // of routine, for changes
)

// learn takes what a run has cost. Of changes that is what a look costs: what a
// person asks for reads more.
func (g *governor) learn(kind Kind, calls int) {
	if calls <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.costs[kind]; !known {
		g.costs[kind] = float64(calls)
	}
	g.costs[kind] += (float64(calls) - g.costs[kind]) / 4
}

func (g *governor) costLocked(kind Kind, first float64) float64 {
	if c, known := g.costs[kind]; known {
		return c
	}
	return first
}

// cost is about how many calls a run takes, rounded up.
func (g *governor) cost(kind Kind, first int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int(math.Ceil(g.costLocked(kind, float64(first)) - 1e-9))
}

// requestCost is about how many API calls a person's request of the kind takes.
func (e *Engine) requestCost(kind Kind) int { return max(e.cost(kind), firstCost) }

// cost is about how many API calls a run of the kind takes.
func (e *Engine) cost(kind Kind) int {
	switch kind {
	case KindChanges:
		return e.quota.cost(kind, firstLook)
	case KindUser:
		return e.quota.cost(kind, firstCost)
	}
	first := e.snapshotCalls(e.lastListed()) + firstCost
	return min(e.quota.cost(kind, first), 2*first) // the last ones may have been read in a dearer way
}

// apportionLocked makes the estimate of other apps' calls add up to what
// Salesforce says less ours: more than thought were made since it last did.
func (g *governor) apportionLocked(now time.Time) {
	have := rolling(g.others, now, 24)
	want := max(0, float64(g.used)-rolling(g.ours, now, 24))
	switch {
	case want > have:
		g.spreadLocked(g.at, now, want-have)
	case have > want: // the oldest have rolled out
		for h, part := hourOf(now)-24, 1-part(now); h <= hourOf(now) && have > want+0.5; h, part = h+1, 1 {
			gone := min(have-want, float64(g.others[h])*part)
			g.others[h] -= int64(math.Round(gone / max(part, 0.01)))
			have -= gone
		}
	}
}

// spreadLocked notes n calls of other apps, made evenly from one time to
// another, or in the last day where the one is further back.
func (g *governor) spreadLocked(from, to time.Time, n float64) {
	if first := to.Add(-day); from.Before(first) { // the oldest hour is counted by what is still in it
		from = first.Truncate(time.Hour)
		n *= float64(to.Sub(from)) / float64(day)
	}
	whole := to.Sub(from)
	if whole <= 0 {
		g.others[hourOf(to)] += int64(math.Round(n))
		return
	}
	done, noted := 0.0, int64(0)
	for at := from; at.Before(to); {
		next := earlier(time.Unix((hourOf(at)+1)*3600, 0), to)
		done += n * float64(next.Sub(at)) / float64(whole)
		more := int64(math.Round(done)) - noted
		g.others[hourOf(at)] += more
		noted, at = noted+more, next
	}
}
