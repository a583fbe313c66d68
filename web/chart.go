package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/control"
)

// chart is a picture of a series, drawn on the server, with the same as a
// table. Its drawing plane is 640 by 160.
type chart struct {
	ID     string
	Title  string
	Unit   string
	Series []series
	Ticks  []tick  // along the bottom
	Lines  []tick  // across, with their values
	Mark   *tick   // a limit, drawn across
	Rows   []point // for the table
	Empty  bool
}

// series is one line or one set of bars.
type series struct {
	Label string
	Path  string // of a line, in SVG's language
	Bars  []bar
}

type bar struct {
	X, Y, W, H float64
	Text       string
}

type tick struct {
	At    float64
	Label string
}

// point is a row of the table: a label and a value for each series.
type point struct {
	Label  string
	Values []string
}

const (
	chartLeft, chartRight, chartTop, chartBottom = 44.0, 616.0, 12.0, 132.0
)

// round finds a round number at or above the largest value.
func round(most float64) float64 {
	if most <= 4 {
		return 4
	}
	step := 1.0
	for {
		for _, m := range []float64{1, 2, 4, 5, 10} {
			if step*m >= most {
				return step * m
			}
		}
		step *= 10
	}
}

// scale makes the lines across and returns the height of a value.
func (c *chart) scale(most float64) func(float64) float64 {
	top := round(most)
	y := func(v float64) float64 { return chartBottom - (chartBottom-chartTop)*v/top }
	for i := range 5 {
		value := top * float64(i) / 4
		if value != float64(int64(value)) {
			continue
		}
		c.Lines = append(c.Lines, tick{y(value), number(int64(value))})
	}
	return y
}

// sample is a value at a time.
type sample struct {
	at time.Time
	n  float64
}

// line draws samples as steps or as a line.
func line(samples []sample, from, to time.Time, y func(float64) float64) string {
	width := max(to.Sub(from).Seconds(), 1)
	var b strings.Builder
	for i, s := range samples {
		x := chartLeft + (chartRight-chartLeft)*s.at.Sub(from).Seconds()/width
		letter := "L"
		if i == 0 {
			letter = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f ", letter, x, y(s.n))
	}
	return strings.TrimSpace(b.String())
}

// chartHealth draws how the org went: how much changed each day, and the calls
// of the last day beside the budget.
func (v *visit) chartHealth(p *healthPage) error {
	page, err := v.api.Runs(v.r.Context(), 0, 8)
	if err != nil {
		return err
	}
	for _, r := range page.Runs {
		p.Runs = append(p.Runs, runLine{r})
	}
	if err := v.quotaPart(p); err != nil {
		return err
	}
	h, err := v.api.Trend(v.r.Context(), 15)
	if refused(err) != nil {
		return nil // charts are a help, not the point
	}
	if err != nil {
		return err
	}
	p.Charts = []chart{v.chartChanges(h.Changes), v.chartLag(h.Lag), v.chartCalls(h.Calls, p.Status.Quota.Budget)}
	licenses, err := v.api.Licenses(v.r.Context())
	if err != nil {
		return err
	}
	p.Charts = append(p.Charts, v.chartSeats(h, slices.DeleteFunc(licenses.Licenses, func(l control.License) bool { return !l.Default }))...)
	return nil
}

// chartLag draws how long changes took from Salesforce to the dialer, hour by
// hour: the longest of each hour, and what they took on average.
func (v *visit) chartLag(lags []control.LagRow) chart {
	c := chart{ID: "lag", Title: "From Salesforce to here, last 24 h", Unit: "time"}
	end := time.Now().UTC().Truncate(time.Hour)
	hours := make([]control.LagRow, 24)
	most := int64(0)
	for _, l := range lags {
		if i := 23 - int(end.Sub(l.At)/time.Hour); i >= 0 && i < 24 {
			hours[i], most = l, max(most, l.MostMS)
		}
	}
	c.Empty = most == 0
	top := roundSpan(time.Duration(most) * time.Millisecond)
	y := func(ms int64) float64 {
		return chartBottom - (chartBottom-chartTop)*float64(time.Duration(ms)*time.Millisecond)/float64(top)
	}
	for i := range int64(3) {
		c.Lines = append(c.Lines, tick{chartBottom - (chartBottom-chartTop)*float64(i)/2, strings.ReplaceAll(span(top*time.Duration(i)/2), " ", "")}) // narrow
	}
	c.Series = []series{{Label: "longest"}, {Label: "on average"}}
	slot := (chartRight - chartLeft) / 24
	var path strings.Builder
	for i, l := range hours {
		label := end.Add(time.Duration(i-23) * time.Hour).In(v.zone).Format("15:04")
		x := chartLeft + slot*(float64(i)+0.5)
		if i%4 == 3 {
			c.Ticks = append(c.Ticks, tick{x, label})
		}
		if l.N == 0 {
			c.Rows = append(c.Rows, point{label, []string{"–", "–"}})
			continue
		}
		longest, mean := span(time.Duration(l.MostMS)*time.Millisecond), span(time.Duration(l.MeanMS)*time.Millisecond)
		c.Rows = append(c.Rows, point{label, []string{longest, mean}})
		at := min(y(l.MostMS), chartBottom-1)
		c.Series[0].Bars = append(c.Series[0].Bars, bar{x - slot*0.35, at, slot * 0.7, chartBottom - at, fmt.Sprintf("%s: %s at most, %s on average, %s", label, longest, mean, plural(l.N, "change", "changes"))})
		fmt.Fprintf(&path, "M%.1f %.1f h%.1f ", x-slot*0.35, y(l.MeanMS), slot*0.7)
	}
	c.Series[1].Path = strings.TrimSpace(path.String())
	return c
}

// roundSpan is a round time at or above one, of which a half is one too.
func roundSpan(most time.Duration) time.Duration {
	for _, d := range []time.Duration{
		200 * time.Millisecond, time.Second, 2 * time.Second, 10 * time.Second, 20 * time.Second, time.Minute, 2 * time.Minute, 10 * time.Minute,
		20 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 12 * time.Hour,
	} {
		if most <= d {
			return d
		}
	}
	return 24 * time.Hour
}

// daily are the figures of one day.
type daily struct {
	day                  time.Time
	joined, edited, left int64
}

// chartDays is how many days the charts of changes show.
const chartDays = 14

// chartChanges draws joiners, edits and leavers of each day.
func (v *visit) chartChanges(changes []control.TrendRow) chart {
	c := chart{ID: "changes", Title: "Changes per day", Unit: "users"}
	now := time.Now().In(v.zone)
	var days []daily
	for i := range chartDays {
		d := now.AddDate(0, 0, i-chartDays+1)
		days = append(days, daily{day: time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, v.zone)})
	}
	for _, r := range changes {
		at := r.At.In(v.zone)
		i := slices.IndexFunc(days, func(d daily) bool { return d.day.YearDay() == at.YearDay() && d.day.Year() == at.Year() })
		if i < 0 {
			continue
		}
		switch r.What {
		case "create", "activate":
			days[i].joined += r.N
		case "update", "link":
			days[i].edited += r.N
		case "deactivate", "delete":
			days[i].left += r.N
		}
	}
	most := int64(0)
	for _, d := range days {
		most = max(most, d.joined, d.edited, d.left)
	}
	c.Empty = most == 0
	y := c.scale(float64(most))
	c.Series = []series{{Label: "joined"}, {Label: "changed"}, {Label: "left"}}
	slot := (chartRight - chartLeft) / float64(len(days))
	for i, d := range days {
		x := chartLeft + slot*float64(i)
		label := d.day.Format("2 Jan")
		row := point{Label: label}
		for s, n := range []int64{d.joined, d.edited, d.left} {
			row.Values = append(row.Values, number(n))
			if n > 0 {
				top := y(float64(n))
				c.Series[s].Bars = append(c.Series[s].Bars, bar{x + slot*(0.14+0.24*float64(s)), top, slot * 0.22, chartBottom - top, fmt.Sprintf("%s: %s %s", label, number(n), c.Series[s].Label)})
			}
		}
		if (len(days)-1-i)%3 == 0 {
			c.Ticks = append(c.Ticks, tick{x + slot/2, label})
		}
		c.Rows = append(c.Rows, row)
	}
	return c
}

// chartCalls draws how the calls of the last day added up, hour by hour, and
// the budget that they must stay under.
func (v *visit) chartCalls(calls []control.TrendRow, budget int) chart {
	c := chart{ID: "calls", Title: "Quota burn, last 24 hours", Unit: "calls"}
	end := time.Now().UTC().Truncate(time.Hour)
	hours := make([]int64, 24)
	for _, r := range calls {
		if i := 23 - int(end.Sub(r.At)/time.Hour); i >= 0 && i < 24 {
			hours[i] += r.N
		}
	}
	all, most := int64(0), slices.Max(hours)
	for _, n := range hours {
		all += n
	}
	c.Empty = all == 0
	top := max(all, most)
	if budget > 0 && int64(budget) <= 4*top {
		top = max(top, int64(budget))
	}
	y := c.scale(float64(top))
	if budget > 0 && int64(budget) <= top {
		c.Mark = &tick{y(float64(budget)), "budget " + number(budget)}
	}
	c.Series = []series{{Label: "in the hour"}, {Label: "together"}}
	slot := (chartRight - chartLeft) / 24
	sum := int64(0)
	var path strings.Builder
	for i, n := range hours {
		sum += n
		label := end.Add(time.Duration(i-23) * time.Hour).In(v.zone).Format("15:04")
		c.Rows = append(c.Rows, point{label, []string{number(n), number(sum)}})
		if n > 0 {
			at := y(float64(n))
			c.Series[0].Bars = append(c.Series[0].Bars, bar{chartLeft + slot*(float64(i)+0.15), at, slot * 0.7, chartBottom - at, label + ": " + plural(n, "call", "calls")})
		}
		fmt.Fprintf(&path, "%s%.1f %.1f ", map[bool]string{true: "M", false: "L"}[i == 0], chartLeft+slot*(float64(i)+0.5), y(float64(sum)))
		if i%4 == 3 {
			c.Ticks = append(c.Ticks, tick{chartLeft + slot*(float64(i)+0.5), label})
		}
	}
	if !c.Empty {
		c.Series[1].Path = strings.TrimSpace(path.String())
	}
	return c
}

// chartSeats draws how many seats of each type were in use.
func (v *visit) chartSeats(h control.Trend, licenses []control.License) []chart {
	var out []chart
	now := time.Now()
	days := int(now.Sub(h.Since).Hours() / 24)
	for _, l := range licenses {
		c := chart{ID: "seats-" + strings.Map(letters, l.Type), Title: fmt.Sprintf("%s seats in use, last %d days", word(words())(l.Type), days), Unit: "seats"}
		most := max(l.Purchased, l.Assigned)
		var steps []sample
		n := l.Assigned
		for _, r := range h.Seats {
			if r.What != l.Type {
				continue
			}
			if len(steps) > 0 { // a step, not a slope
				steps = append(steps, sample{r.At, float64(n)})
			}
			n = r.N
			steps = append(steps, sample{r.At, float64(n)})
			most = max(most, n)
		}
		steps = append(steps, sample{now, float64(n)})
		y := c.scale(float64(most))
		c.Mark = &tick{y(float64(l.Purchased)), "purchased " + number(l.Purchased)}
		c.Series = []series{{Label: "in use", Path: line(steps, h.Since, now, y)}}
		for day := range days + 1 {
			at := h.Since.AddDate(0, 0, day)
			if at.After(now) {
				at = now
			}
			label := at.In(v.zone).Format("2 Jan")
			value := steps[0].n
			for _, s := range steps {
				if !s.at.After(at) {
					value = s.n
				}
			}
			c.Rows = append(c.Rows, point{label, []string{number(int64(value))}})
			if day%max(days/5, 1) == 0 {
				c.Ticks = append(c.Ticks, tick{chartLeft + (chartRight-chartLeft)*float64(day)/(float64(days)+0.5), label})
			}
		}
		out = append(out, c)
	}
	return out
}

// letters keeps what an id can hold.
func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}
