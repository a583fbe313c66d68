package sync

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/store"
)

// Trend is how an org went lately, by the hour, for charts.
type Trend struct {
	Since   time.Time  `json:"since"`
	Changes []TrendRow `json:"changes" nullable:"false" doc:"entries of the activity log, by verb"`
	Calls   []TrendRow `json:"calls" nullable:"false" doc:"our calls to Salesforce, of the last 24 hours"`
	Seats   []TrendRow `json:"seats" nullable:"false" doc:"seats in use at the end of an hour in which that changed, by license type; the first of each type is how many there were at since"`
	Lag     []LagRow   `json:"lag" nullable:"false" doc:"how long changes took from Salesforce to the directory"`
}

// LagRow is how long the changes that were applied within an hour took from
// their time in Salesforce, to the directory. What is older than a day when it
// is first seen does not count.
type LagRow struct {
	At     time.Time `json:"at"` // when the hour began
	N      int64     `json:"n"`  // changes
	MeanMS int64     `json:"mean_ms"`
	MostMS int64     `json:"most_ms"`
}

// TrendRow is one count.
type TrendRow struct {
	At   time.Time `json:"at"` // when the hour began
	What string    `json:"what"`
	N    int64     `json:"n"`
}

// Trend counts what happened in the last days.
func (e *Engine) Trend(ctx context.Context, days int) (Trend, error) {
	since := e.now().Add(-time.Duration(days) * 24 * time.Hour).Truncate(time.Hour)
	h := Trend{Since: since}
	counts, err := e.journal.History(ctx, store.Micros(since))
	if err != nil {
		return h, err
	}
	licenses, err := e.dir.Licenses(ctx)
	if err != nil {
		return h, fmt.Errorf("list licenses: %w", err)
	}
	h.Changes, h.Calls = trendRows(counts.Changes), trendRows(counts.Calls)
	lately := e.now().Add(-day).Truncate(time.Hour)
	h.Calls = slices.DeleteFunc(h.Calls, func(r TrendRow) bool { return r.At.Before(lately) })
	h.Seats, h.Lag = []TrendRow{}, make([]LagRow, 0, len(counts.Lags))
	for _, l := range counts.Lags {
		h.Lag = append(h.Lag, LagRow{time.Unix(l.Hour*3600, 0).UTC(), l.N, l.Sum / l.N / 1000, l.Most / 1000})
	}
	for _, l := range licenses {
		moves := map[int64]int64{}
		for _, t := range counts.Taken {
			if t.What == l.Type {
				moves[t.Hour] += t.N
			}
		}
		for _, f := range counts.Freed {
			if f.What == l.Type {
				moves[f.Hour] -= f.N
			}
		}
		h.Seats = append(h.Seats, seatsOver(since, l.Type, l.Assigned, moves)...)
	}
	return h, nil
}

// seatsOver goes from what is assigned now back through what moved, and tells
// it forward.
func seatsOver(since time.Time, kind string, now int64, moves map[int64]int64) []TrendRow {
	hours := make([]int64, 0, len(moves))
	n := now
	for hour, move := range moves {
		hours = append(hours, hour)
		n -= move
	}
	slices.Sort(hours)
	rows := []TrendRow{{since, kind, n}}
	for _, hour := range hours {
		n += moves[hour]
		rows = append(rows, TrendRow{time.Unix(hour*3600, 0).UTC(), kind, n})
	}
	return rows
}

func trendRows(list []store.Hourly) []TrendRow {
	rows := make([]TrendRow, 0, len(list))
	for _, one := range list {
		rows = append(rows, TrendRow{time.Unix(one.Hour*3600, 0).UTC(), one.What, one.N})
	}
	slices.SortFunc(rows, func(a, b TrendRow) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.What, b.What)) })
	return rows
}
