package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Hourly is how often something happened within an hour.
type Hourly struct {
	Hour int64 // since 1970
	What string
	N    int64
}

const microsPerHour = 3_600_000_000

// History counts by the hour what became of an org's users. It reads indexes
// and small tables only.
type History struct {
	Changes []Hourly // entries of the activity log since then, by verb
	Calls   []Hourly // our calls to Salesforce that are still remembered
	Taken   []Hourly // seats assigned since then, by license type
	Freed   []Hourly // seats released since then, by license type
	Lags    []HourlyLag
}

// HourlyLag is how long, within an hour, changes took from the system that they
// came from until they were in the directory.
type HourlyLag struct {
	Hour      int64 // since 1970
	N         int64
	Sum, Most int64 // microseconds
}

// lagMost is what counts as a lag at most, in microseconds. What changed before
// that when it was first seen was there before rosterd was, or before the user
// was in scope.
const lagMost = 24 * microsPerHour

// History counts from since on, in microseconds.
func (j *Journal) History(ctx context.Context, since int64) (h History, err error) {
	err = j.db.Read(ctx, func(tx *Tx) (err error) {
		h = History{}
		for _, verb := range []string{"create", "link", "update", "activate", "deactivate", "schedule", "unschedule", "delete"} {
			list, err := j.hourly(ctx, tx, `SELECT at / $3, verb, COUNT(*) FROM activity WHERE org_id = $1 AND at >= $2 AND verb = $4 GROUP BY 1, 2`,
				j.org, since, int64(microsPerHour), verb)
			if err != nil {
				return err
			}
			h.Changes = append(h.Changes, list...)
		}
		if h.Lags, err = j.lags(ctx, tx, since); err != nil {
			return err
		}
		if h.Calls, err = j.hourly(ctx, tx, `SELECT hour, 'calls', calls FROM api_calls WHERE org_id = $1`, j.org); err != nil {
			return err
		}
		if h.Taken, err = j.hourly(ctx, tx, `SELECT at / $3, type, COUNT(*) FROM (
			SELECT assigned_at AS at, type FROM seats WHERE org_id = $1 AND assigned_at >= $2
			UNION ALL SELECT assigned_at, type FROM seat_history WHERE org_id = $1 AND assigned_at >= $2) s GROUP BY 1, 2`,
			j.org, since, int64(microsPerHour)); err != nil {
			return err
		}
		h.Freed, err = j.hourly(ctx, tx, `SELECT released_at / $3, type, COUNT(*) FROM seat_history WHERE org_id = $1 AND released_at >= $2 GROUP BY 1, 2`,
			j.org, since, int64(microsPerHour))
		return err
	})
	if err != nil {
		return h, fmt.Errorf("count by the hour: %w", err)
	}
	return h, nil
}

func (j *Journal) hourly(ctx context.Context, tx *Tx, query string, args ...any) ([]Hourly, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []Hourly
	for rows.Next() {
		var one Hourly
		if err := rows.Scan(&one.Hour, &one.What, &one.N); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

// lags reads an index only. A deactivation that was set for later is on time
// then: what counts is when it was set.
func (j *Journal) lags(ctx context.Context, tx *Tx, since int64) ([]HourlyLag, error) {
	byHour := map[int64]*HourlyLag{}
	for _, verb := range []string{"create", "link", "update", "activate", "schedule", "unschedule"} {
		rows, err := tx.Query(ctx, `SELECT at / $3, COUNT(*), SUM(at - source_at), MAX(at - source_at) FROM activity
			WHERE org_id = $1 AND at >= $2 AND verb = $4 AND source_at > 0 AND source_at <= at AND at - source_at < $5 GROUP BY 1`,
			j.org, since, int64(microsPerHour), verb, int64(lagMost))
		if err != nil {
			return nil, err
		}
		err = func() error {
			defer func() { _ = rows.Close() }()
			for rows.Next() {
				var l HourlyLag
				if err := rows.Scan(&l.Hour, &l.N, &l.Sum, &l.Most); err != nil {
					return err
				}
				all := byHour[l.Hour]
				if all == nil {
					all = &HourlyLag{Hour: l.Hour}
					byHour[l.Hour] = all
				}
				all.N, all.Sum, all.Most = all.N+l.N, all.Sum+l.Sum, max(all.Most, l.Most)
			}
			return rows.Err()
		}()
		if err != nil {
			return nil, err
		}
	}
	list := make([]HourlyLag, 0, len(byHour))
	for _, hour := range slices.Sorted(maps.Keys(byHour)) {
		list = append(list, *byHour[hour])
	}
	return list, nil
}
