package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
)

// rate is a flag such as 2/s, 30/m or 100/h; a bare number is per second.
type rate struct{ perSecond float64 }

func (r *rate) String() string { return strconv.FormatFloat(r.perSecond, 'g', -1, 64) + "/s" }

// Set parses the flag.
func (r *rate) Set(s string) error {
	n, unit, _ := strings.Cut(s, "/")
	v, err := strconv.ParseFloat(n, 64)
	per, known := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[unit]
	if err != nil || !known || v < 0 || v > 10_000 {
		return fmt.Errorf("%q: write it as 2/s, 30/m or 100/h", s)
	}
	r.perSecond = v / per
	return nil
}

// churner lets things happen to the people of the org at a rate.
type churner struct {
	org     *simorg.Org
	changed chan struct{} // the rate or the pause changed

	// mu guards all below.
	mu     sync.Mutex
	rand   *rand.Rand
	rate   rate
	paused bool
	counts map[simorg.ChurnKind]int
	last   []simorg.ChurnEvent // the newest, at most keepEvents
}

const keepEvents = 100

func newChurner(org *simorg.Org, r rate, rnd *rand.Rand) *churner {
	return &churner{org: org, rate: r, rand: rnd, counts: map[simorg.ChurnKind]int{}, changed: make(chan struct{}, 1)}
}

// interval is the time between two events; ok is false when there are none.
func (c *churner) interval() (d time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused || c.rate.perSecond == 0 {
		return 0, false
	}
	return time.Duration(float64(time.Second) / c.rate.perSecond), true
}

func (c *churner) run(ctx context.Context) error {
	for {
		var tick <-chan time.Time
		t := time.NewTimer(time.Hour)
		if d, ok := c.interval(); ok {
			t.Reset(d)
			tick = t.C
		}
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-c.changed:
			t.Stop()
		case <-tick:
			if err := c.tick(); err != nil {
				return err
			}
		}
	}
}

// tick lets one thing happen, unless the churn was paused since the timer was
// set: whoever pauses it may rely on that from then on.
func (c *churner) tick() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused {
		return nil
	}
	_, err := c.stepLocked(1)
	return err
}

// step lets n things happen now.
func (c *churner) step(n int) ([]simorg.ChurnEvent, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stepLocked(n)
}

func (c *churner) stepLocked(n int) ([]simorg.ChurnEvent, error) {
	var out []simorg.ChurnEvent
	for range n {
		e, err := c.org.Churn(c.rand)
		if err != nil {
			return out, err
		}
		c.counts[e.Kind]++
		out = append(out, e)
	}
	c.last = append(c.last, out...)
	c.last = c.last[max(0, len(c.last)-keepEvents):]
	return out, nil
}

// set changes the rate or the pause; nil leaves them.
func (c *churner) set(r *rate, paused *bool) {
	c.mu.Lock()
	if r != nil {
		c.rate = *r
	}
	if paused != nil {
		c.paused = *paused
	}
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// churnState is the churn's part of the statistics.
type churnState struct {
	Rate   string                   `json:"rate"`
	Paused bool                     `json:"paused"`
	Counts map[simorg.ChurnKind]int `json:"counts"`
	Last   []simorg.ChurnEvent      `json:"last"`
}

func (c *churner) state() churnState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return churnState{c.rate.String(), c.paused, maps.Clone(c.counts), append([]simorg.ChurnEvent{}, c.last...)}
}
