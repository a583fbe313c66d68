package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/control"
)

const (
	streamUsers = 10_000
	changeEvery = time.Minute / 2000
	maxArrival  = 500 * time.Millisecond
	singles     = 10 // changes while nothing else happens
	quiet       = 1500 * time.Millisecond
	arrival     = time.Minute // no change takes so long
)

// standing waits until change events come, and whatever began with them is over.
func (d *daemon) standing(ctx context.Context) error {
	for until := time.Now().Add(time.Minute); ; {
		s, err := d.Status(ctx)
		if err != nil {
			return err
		}
		o := s.Orgs[0]
		if o.Changes.State == "live" && o.Running == 0 && !o.LastChange.IsZero() {
			return nil
		}
		if time.Now().After(until) || !pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("the daemon does not follow change events: %+v", o.Changes)
		}
	}
}

// people returns the Salesforce ids of n users of the dialer.
func (d *daemon) people(ctx context.Context, n int) (ids []string, err error) {
	for u, err := range d.Users(ctx, control.UserFilter{Status: "active", Order: "id", Limit: n}) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, u.SalesforceID)
	}
	if len(ids) < n {
		return nil, fmt.Errorf("%d users are in the dialer, %d are needed", len(ids), n)
	}
	return ids, nil
}

// streamRows measures how soon changes in an org of n users are in the
// directory, and what following them costs, beside a bare subscriber.
func (b *bench) streamRows(ctx context.Context, store string, n, changes int) ([]row, error) {
	s, url, end, err := b.orgAndDatabase(ctx, store, n)
	if err != nil {
		return nil, err
	}
	defer end()
	d, err := b.startAs(ctx, s, url, n, manner{changes: "auto", poll: time.Minute})
	if err != nil {
		return nil, err
	}
	defer d.stop()
	if _, err := d.first(ctx); err != nil {
		return nil, err
	}
	if err := d.standing(ctx); err != nil {
		return nil, err
	}
	ids, err := d.people(ctx, changes)
	if err != nil {
		return nil, err
	}
	w, err := watch(ctx, url)
	if err != nil {
		return nil, err
	}
	defer w.stop()
	m := streamed{b: b, sim: s, w: w, store: store, users: n}
	if err := m.warm(ctx, ids); err != nil {
		return nil, err
	}
	rows, err := m.burst(ctx, ids)
	if err != nil {
		return rows, err
	}
	more, err := m.single(ctx, ids)
	if err != nil {
		return rows, err
	}
	peak, err := d.peak()
	if err != nil {
		return rows, err
	}
	rows = append(rows, more...)
	return append(rows, row{
		Name: "stream: peak memory", Store: store, Users: n, Unit: "MiB", Value: float64(peak) / (1 << 20), Target: maxPeak / (1 << 20),
		Note: "first sync included",
	}), nil
}

// streamed is a daemon that follows events, and who looks at it.
type streamed struct {
	b     *bench
	sim   *sim
	w     *watcher
	store string
	users int
	next  int
}

// change changes a person and returns by what that is known, and when it began.
func (m *streamed) change(ctx context.Context, id string) (string, time.Time, error) {
	m.next++
	name, at := mark(m.next), time.Now()
	return name, at, m.sim.title(ctx, id, name)
}

// warm has what is cached be read.
func (m *streamed) warm(ctx context.Context, ids []string) error {
	for _, id := range ids[:min(3, len(ids))] {
		name, _, err := m.change(ctx, id)
		if err == nil {
			err = m.w.await(ctx, []string{name}, arrival)
		}
		if err != nil {
			return err
		}
	}
	if !pause(ctx, quiet) {
		return ctx.Err()
	}
	return nil
}

// burst changes everyone once, 2,000 a minute.
func (m *streamed) burst(ctx context.Context, ids []string) ([]row, error) {
	f, err := m.b.startFollower(ctx, m.sim)
	if err != nil {
		return nil, err
	}
	defer f.stop()
	before, err := m.sim.spent(ctx)
	if err != nil {
		return nil, err
	}
	names, began := make([]string, len(ids)), make([]time.Time, len(ids))
	tick := time.NewTicker(changeEvery)
	defer tick.Stop()
	start := time.Now()
	for i, id := range ids {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		if names[i], began[i], err = m.change(ctx, id); err != nil {
			return nil, err
		}
	}
	took := time.Since(start)
	if err := m.w.await(ctx, names, arrival); err != nil {
		return nil, err
	}
	if !pause(ctx, quiet) { // what is under way is to be counted, too
		return nil, ctx.Err()
	}
	after, err := m.sim.spent(ctx)
	if err != nil {
		return nil, err
	}
	f.stop()
	return m.arrivals(ids, names, began, took, f, after.since(before))
}

func (m *streamed) arrivals(ids, names []string, began []time.Time, took time.Duration, f *follower, used spent) ([]row, error) {
	had, n := f.had()
	var mine, floor []time.Duration
	for i, name := range names {
		at, _ := m.w.when(name)
		mine = append(mine, at.Sub(began[i]))
		event, ok := had[ids[i]]
		if !ok {
			return nil, fmt.Errorf("the floor had no event of change %d", i)
		}
		floor = append(floor, event.Sub(began[i]))
	}
	if again := m.w.repeated(names); len(again) > 0 {
		return nil, fmt.Errorf("%d changes were written more than once", len(again))
	}
	ms := func(name string, of func([]time.Duration) time.Duration, target time.Duration) row {
		return row{
			Name: "change to directory: " + name, Store: m.store, Users: m.users, Unit: "ms", Value: millis(of(mine)), Floor: millis(of(floor)), Target: millis(target),
			Note: fmt.Sprintf("%d changes in %s s", len(ids), number(float64(took.Round(100*time.Millisecond).Seconds()))),
		}
	}
	return []row{
		ms("p50", p50, 0), ms("p99", p99, maxArrival), ms("maximum", slices.Max[[]time.Duration], 0),
		{
			Name: "change to directory: calls", Store: m.store, Users: m.users, Value: float64(used.calls), Target: float64(len(ids)),
			Note: fmt.Sprintf("of %d changes", len(ids)),
		},
		{
			Name: "change to directory: events", Store: m.store, Users: m.users, Value: float64(used.events - n), Target: float64(len(ids)),
			Note: "delivered to rosterd, beside as many to the floor",
		},
	}, nil
}

// single changes one person after the other while nothing else happens.
func (m *streamed) single(ctx context.Context, ids []string) ([]row, error) {
	most := 0
	var took []time.Duration
	for i := range singles {
		before, err := m.sim.spent(ctx)
		if err != nil {
			return nil, err
		}
		name, began, err := m.change(ctx, ids[i%len(ids)])
		if err == nil {
			err = m.w.await(ctx, []string{name}, arrival)
		}
		if err != nil || !pause(ctx, quiet) {
			return nil, err
		}
		after, err := m.sim.spent(ctx)
		if err != nil {
			return nil, err
		}
		at, _ := m.w.when(name)
		took, most = append(took, at.Sub(began)), max(most, after.since(before).calls)
	}
	return []row{
		{Name: "Salesforce calls, one changed user", Store: m.store, Users: m.users, Value: float64(most), Target: 1, Note: fmt.Sprintf("the most of %d", singles)},
		{Name: "one change when quiet: p50", Store: m.store, Users: m.users, Unit: "ms", Value: millis(p50(took)), Note: fmt.Sprintf("of %d", singles)},
	}, nil
}
