package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/sync"
)

const (
	maxPeak    = 96 << 20 // bytes, however many users
	maxFirst   = 2.0      // times the floor
	maxNothing = 1.3

	nameNothing = "no-op full sync"
	nameREST    = "no-op by REST" // likewise, beside one by Bulk
)

// measured is a run of a daemon.
type measured struct {
	cost
	run control.Run
}

// syncRows measures the first full sync of n users into a fresh database, and
// then one that finds nothing to do.
func (b *bench) syncRows(ctx context.Context, s *sim, store string, n, rounds int) ([]row, error) {
	url, drop, err := b.database(ctx, store)
	if err != nil {
		return nil, err
	}
	defer drop()
	read, err := b.download(ctx, s, n, sync.SnapshotREST)
	if err != nil {
		return nil, err
	}
	first, err := b.measure(ctx, s, url, n, (*daemon).first, nil)
	if err != nil {
		return nil, fmt.Errorf("first sync: %w", err)
	}
	if first.run.Created != n {
		return nil, fmt.Errorf("the first sync created %d users of %d", first.run.Created, n)
	}
	written, err := b.loadFloor(ctx, store, url)
	if err != nil {
		return nil, err
	}
	before, err := fingerprint(ctx, url)
	if err != nil {
		return nil, err
	}
	var nothing measured
	var floor cost
	again := 0 // calls of a second one, by a daemon that knows the org already
	once := func(d *daemon) error {
		r, err := d.full(ctx)
		again = r.SalesforceCalls
		return err
	}
	for i := range rounds {
		f, err := b.download(ctx, s, n, sync.SnapshotREST)
		if err != nil {
			return nil, err
		}
		m, err := b.measure(ctx, s, url, n, (*daemon).full, once)
		if err != nil {
			return nil, fmt.Errorf("no-op sync: %w", err)
		}
		if i == 0 || f.Took < floor.Took {
			floor = f
		}
		if i == 0 || m.Took < nothing.Took {
			nothing = m
		}
	}
	after, err := fingerprint(ctx, url)
	if err != nil {
		return nil, err
	}
	changed := before.differing(after)
	r := nothing.run
	rows := r.Mirrored + r.Created + r.Linked + r.Updated + r.Deactivated + r.Reactivated + r.Scheduled + r.Unscheduled + len(changed)
	pages := (r.Read + 1999) / 2000 // the integration user is one of those read
	calls := float64(pages + 5)
	if floor.Took < read.Took {
		read = floor // of the same pages, on a quieter machine
	}
	list := []row{
		seconds("first full sync", store, n, first.cost, read.plus(written), maxFirst),
		seconds(nameNothing, store, n, nothing.cost, floor, maxNothing),
		{Name: "Salesforce calls, first", Store: store, Users: n, Value: float64(first.run.SalesforceCalls), Target: calls},
		{Name: "Salesforce calls, no-op", Store: store, Users: n, Value: float64(r.SalesforceCalls), Target: calls},
		{Name: "Salesforce calls, no-op again", Store: store, Users: n, Value: float64(again), Target: float64(pages + 3)},
		{Name: "rows written, no-op", Store: store, Users: n, Value: float64(rows)},
		memory("peak memory, first", store, n, first.Peak, read.Peak),
		memory("peak memory, no-op", store, n, nothing.Peak, floor.Peak),
	}
	switch {
	case rows > 0:
		return list, fmt.Errorf("a sync that had nothing to do wrote rows; tables that changed: %v", changed)
	case float64(r.SalesforceCalls) > calls:
		return list, fmt.Errorf("a no-op sync made %d calls, more than %g", r.SalesforceCalls, calls)
	}
	return list, nil
}

// measure runs a daemon for one run, and then for what then wants of it. The
// processor time is that of the run, and the start of the daemon where that
// begins the run by itself; the peak memory is that of all.
func (b *bench) measure(ctx context.Context, s *sim, url string, seats int, do func(*daemon, context.Context) (control.Run, error), then func(*daemon) error) (measured, error) {
	return b.measureAs(ctx, s, url, seats, manner{}, do, then)
}

func (b *bench) measureAs(ctx context.Context, s *sim, url string, seats int, how manner, do func(*daemon, context.Context) (control.Run, error), then func(*daemon) error) (measured, error) {
	d, err := b.startAs(ctx, s, url, seats, how)
	if err != nil {
		return measured{}, err
	}
	defer d.stop()
	before, err := d.cpu()
	if err != nil {
		return measured{}, err
	}
	r, err := do(d, ctx)
	if err != nil {
		return measured{}, fmt.Errorf("%w: %s", err, d.stderr)
	}
	m := measured{run: r}
	m.Took, m.Users = time.Duration(r.TookMS)*time.Millisecond, r.Read
	after, err := d.cpu()
	if err != nil {
		return m, err
	}
	m.CPU = after - before
	if then != nil {
		if err := then(d); err != nil {
			return m, err
		}
	}
	m.Peak, err = d.peak()
	return m, err
}

// download is the floor of reading: the same pages, decoded and forgotten.
func (b *bench) download(ctx context.Context, s *sim, n int, by sync.Snapshot) (cost, error) {
	c, err := b.floor(ctx, "download", s.URL, s.ClientID, s.Username, s.Key, string(by))
	if err == nil && c.Users < n {
		err = fmt.Errorf("the download floor read %d users of %d", c.Users, n)
	}
	return c, err
}

// loadFloor is the floor of writing: the rows that are stored now, loaded into
// a fresh database.
func (b *bench) loadFloor(ctx context.Context, store, from string) (cost, error) {
	to, drop, err := b.database(ctx, store)
	if err != nil {
		return cost{}, err
	}
	defer drop()
	return b.floor(ctx, "load", from, to)
}
