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
	chartLeft, chartRight, chartTop, chartBottom = 44.0, 632.0, 12.0, 132.0
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

// chartHealth draws what the runs tell: how much changed each day, and how
// many calls were made.
func (v *visit) chartHealth(p *healthPage) error {
	page, err := v.api.Runs(v.r.Context(), 0, 1000)
	if err != nil {
		return err
	}
	for _, r := range page.Runs {
		if len(p.Runs) < 8 {
			p.Runs = append(p.Runs, runLine{r})
		}
	}
	p.Charts = []chart{v.chartChanges(page.Runs), v.chartCalls(page.Runs)}
	return nil
}

// daily are the figures of one day.
type daily struct {
	day                  time.Time
	joined, edited, left int
}

// chartChanges draws joiners, edits and leavers of each day.
func (v *visit) chartChanges(runs []control.Run) chart {
	c := chart{ID: "changes", Title: "Changes per day", Unit: "users"}
	now := time.Now().In(v.zone)
	var days []daily
	for i := range 14 {
		d := now.AddDate(0, 0, i-13)
		days = append(days, daily{day: time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, v.zone)})
	}
	for _, r := range runs {
		at := r.Started.In(v.zone)
		i := slices.IndexFunc(days, func(d daily) bool { return d.day.YearDay() == at.YearDay() && d.day.Year() == at.Year() })
		if i >= 0 {
			days[i].joined += r.Created + r.Reactivated
			days[i].edited += r.Updated + r.Linked
			days[i].left += r.Deactivated
		}
	}
	most := 0
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
		for s, n := range []int{d.joined, d.edited, d.left} {
			row.Values = append(row.Values, number(n))
			if n > 0 {
				top := y(float64(n))
				c.Series[s].Bars = append(c.Series[s].Bars, bar{x + slot*(0.14+0.24*float64(s)), top, slot * 0.22, chartBottom - top, fmt.Sprintf("%s: %s %s", label, number(n), c.Series[s].Label)})
			}
		}
		if i%3 == 0 || i == len(days)-1 {
			c.Ticks = append(c.Ticks, tick{x + slot/2, label})
		}
		c.Rows = append(c.Rows, row)
	}
	return c
}

// chartCalls draws the calls to Salesforce of the last day, hour by hour.
func (v *visit) chartCalls(runs []control.Run) chart {
	c := chart{ID: "calls", Title: "Salesforce calls by runs, last 24 hours", Unit: "calls"}
	end := time.Now().Truncate(time.Hour)
	hours := make([]int, 24)
	for _, r := range runs {
		if i := 23 - int(end.Add(time.Hour).Sub(r.Started)/time.Hour); i >= 0 && i < 24 {
			hours[i] += r.SalesforceCalls
		}
	}
	most := slices.Max(hours)
	c.Empty = most == 0
	y := c.scale(float64(most))
	c.Series = []series{{Label: "calls"}}
	slot := (chartRight - chartLeft) / 24
	for i, n := range hours {
		label := end.Add(time.Duration(i-23) * time.Hour).In(v.zone).Format("15:04")
		c.Rows = append(c.Rows, point{label, []string{number(n)}})
		if n > 0 {
			top := y(float64(n))
			c.Series[0].Bars = append(c.Series[0].Bars, bar{chartLeft + slot*(float64(i)+0.15), top, slot * 0.7, chartBottom - top, label + ": " + plural(n, "call", "calls")})
		}
		if i%4 == 3 {
			c.Ticks = append(c.Ticks, tick{chartLeft + slot*(float64(i)+0.5), label})
		}
	}
	return c
}
