package sync

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// The count of calls is journaled by the hour at the end of each run and every
// few seconds; what else the governor knows, which is estimates, now and then
// or when it is news.
const (
	keepHours = 7 * 24 // of the count: a clock that is days ahead forgets nothing
	noteEvery = 5 * time.Minute
)

// quotaNote is what the governor remembers beside the count of our calls.
type quotaNote struct {
	Max    int              `json:"max"`
	Used   int              `json:"used"`
	At     time.Time        `json:"at"`
	Kept   time.Time        `json:"kept"`
	Ours   int64            `json:"ours"` // our calls in the hour in which it was kept, all in Used
	Others map[int64]int64  `json:"others"`
	Fulls  map[int64]int64  `json:"fulls,omitempty"`
	Beyond map[int64]int64  `json:"beyond,omitempty"`
	Costs  map[Kind]float64 `json:"costs"`
}

// load sets what the journal remembers; what it lacks still counts.
func (g *governor) load(hours map[int64]int64, note string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ours = map[int64]int64{}
	for _, m := range []map[int64]int64{hours, g.unkept} {
		for h, n := range m {
			g.ours[h] += n
		}
	}
	for h := range g.ours {
		g.began = earlier(g.began, time.Unix(h*3600, 0).UTC())
	}
	var n quotaNote
	if g.max > 0 || json.Unmarshal([]byte(note), &n) != nil || n.Max <= 0 {
		return
	}
	since := -n.Ours
	for h, c := range g.ours {
		if h >= hourOf(n.Kept) {
			since += c
		}
	}
	g.max, g.used, g.at = n.Max, n.Used+int(max(since, 0)), earlier(n.At, g.nowLocked())
	for have, kept := range map[*map[int64]int64]map[int64]int64{&g.others: n.Others, &g.fulls: n.Fulls, &g.beyond: n.Beyond} {
		if kept != nil {
			*have = kept
		}
	}
	maps.Copy(g.costs, n.Costs)
}

// keep hands the calls that the journal lacks to put, and forgets old hours.
// Those of dry runs alone, which shall write nothing, wait until others come
// or the engine stops. It returns what else to remember, if it is time.
func (g *governor) keep(all bool, put func(hour, calls, oldest int64) error) (note string, err error) {
	g.mu.Lock()
	now := g.nowLocked()
	news := g.max > 0 && (g.max != g.told.Max || max(g.used-g.told.Used, g.told.Used-g.used) > g.max/100)
	if !all && !g.real || len(g.unkept) == 0 && !news {
		g.mu.Unlock()
		return "", nil
	}
	oldest := hourOf(now) - keepHours
	unkept := g.unkept
	g.unkept, g.real = map[int64]int64{}, false
	for _, m := range []map[int64]int64{g.ours, g.mine, g.others, g.fulls, g.beyond} {
		maps.DeleteFunc(m, func(h, _ int64) bool { return h < oldest })
	}
	if all || news || now.Sub(g.told.Kept).Abs() >= noteEvery {
		g.told = quotaNote{Max: g.max, Used: g.used, At: g.at, Kept: now, Ours: g.ours[hourOf(now)]}
		n := g.told
		n.Others, n.Fulls, n.Beyond, n.Costs = g.others, g.fulls, g.beyond, g.costs
		note = encode(n)
	}
	g.mu.Unlock()
	for h, n := range unkept {
		if err := put(h, n, oldest); err != nil {
			g.mu.Lock()
			for h, n := range unkept {
				g.unkept[h] += n
			}
			g.real, g.told = true, quotaNote{}
			g.mu.Unlock()
			return "", fmt.Errorf("keep the count of calls: %w", err)
		}
		delete(unkept, h)
	}
	return note, nil
}

// keepCalls writes down what was spent.
func (e *Engine) keepCalls(ctx context.Context, all bool) {
	ctx = context.WithoutCancel(ctx)
	note, err := e.quota.keep(all, func(hour, calls, oldest int64) error { return e.journal.AddCalls(ctx, hour, calls, oldest) })
	if err == nil && note != "" {
		err = e.remember(ctx, stateQuota, note)
	}
	if e.trouble("calls", err); err == nil {
		e.over("calls")
	}
}
