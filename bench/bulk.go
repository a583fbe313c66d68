package main

import (
	"context"
	"fmt"

	"github.com/rosterd/rosterd/sync"
)

// callsBesides is what a full sync asks besides reading everyone, when the daemon
// has just started.
const callsBesides = 4

// bulkRows measures a full sync that finds nothing to do, by REST and by Bulk, on
// one database.
func (b *bench) bulkRows(ctx context.Context, s *sim, store string, n, rounds int) ([]row, error) {
	url, drop, err := b.database(ctx, store)
	if err != nil {
		return nil, err
	}
	defer drop()
	if _, err := b.measure(ctx, s, url, n, (*daemon).first, nil); err != nil {
		return nil, fmt.Errorf("first sync: %w", err)
	}
	var rows []row
	for _, by := range []sync.Snapshot{sync.SnapshotREST, sync.SnapshotBulk} {
		before, err := fingerprint(ctx, url)
		if err != nil {
			return rows, err
		}
		var best measured
		var floor cost
		for i := range rounds {
			f, err := b.download(ctx, s, n, by)
			if err != nil {
				return rows, err
			}
			m, err := b.measureAs(ctx, s, url, n, manner{snapshot: string(by)}, (*daemon).full, nil)
			if err != nil {
				return rows, fmt.Errorf("no-op sync by %s: %w", by, err)
			}
			if m.run.Snapshot != by {
				return rows, fmt.Errorf("everyone was read by %s, not by %s: %s", m.run.Snapshot, by, m.run.SnapshotWhy)
			}
			if i == 0 || f.Took < floor.Took {
				floor = f
			}
			if i == 0 || m.Took < best.Took {
				best = m
			}
		}
		after, err := fingerprint(ctx, url)
		if err != nil {
			return rows, err
		}
		if changed := before.differing(after); len(changed) > 0 {
			return rows, fmt.Errorf("a sync by %s that had nothing to do wrote rows; tables that changed: %v", by, changed)
		}
		name := map[sync.Snapshot]string{sync.SnapshotREST: nameREST, sync.SnapshotBulk: "no-op by Bulk"}[by]
		rows = append(rows,
			seconds(name, store, n, best.cost, floor, maxNothing),
			row{
				Name: name + ": Salesforce calls", Store: store, Users: n, Value: float64(best.run.SalesforceCalls),
				Target: float64(callsOf(by, best.run.Read) + callsBesides),
			},
			memory(name+": peak memory", store, n, best.Peak, floor.Peak))
	}
	return rows, nil
}

// callsOf is what reading n users takes, counting them first. In bulk a job is
// created, asked for eight times, read and deleted.
func callsOf(by sync.Snapshot, n int) int {
	if by == sync.SnapshotBulk {
		return 1 + 1 + 8 + (n+49_999)/50_000 + 1
	}
	return 1 + (n+1999)/2000
}
