package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) quotaCommand() *cobra.Command {
	return command("quota", "How the org's API quota stands, what it is spent on and how long it lasts", 0, 0, func(ctx context.Context, _ []string) error {
		q, err := t.client.Quota(ctx)
		if err != nil {
			return err
		}
		return t.show(q, func(w io.Writer) { printQuota(w, &q) })
	})
}

func printQuota(w io.Writer, q *control.QuotaStatus) {
	line(w, "quota", quotaLine(q))
	line(w, "level", q.Level)
	ours := fmt.Sprintf("%d in the last 24 hours", q.Ours)
	if q.Overridden > 0 {
		ours += fmt.Sprintf(", of them by override %d", q.Overridden)
	}
	line(w, "our calls", ours)
	if q.Forecast != nil && q.Max > 0 {
		line(w, "other apps", fmt.Sprintf("about %d in the last 24 hours, %d an hour lately", q.Others, q.Forecast.Others))
	}
	if q.Budget > 0 {
		line(w, "our budget", fmt.Sprintf("%d a day", q.Budget))
	}
	line(w, "reserve", fmt.Sprintf("%d kept for the org's other apps", q.Reserve))
	every := q.PollEvery
	if q.PollWish != "" && q.PollWish != every {
		every += " instead of every " + q.PollWish
	}
	line(w, "looks every", every)
	line(w, "as told at", q.At)
	if q.Forecast == nil {
		return
	}
	line(w, "forecast", forecastLine(q))
	if f := q.Forecast; f.Frees > 0 {
		line(w, "free again", fmt.Sprintf("%s at %s", count(f.Frees, "call"), at(f.FreesAt)))
	}
	fmt.Fprintln(w)
	table(w, "WORK\tCALLS A RUN\tMUST LEAVE\tMAY SPEND\tNOW\tSTOPS AT THIS BURN", func(row func(...any)) {
		for _, one := range q.Work {
			var left any = one.Left
			if one.Left < 0 {
				left = "-"
			}
			row(one.Kind, one.Cost, one.Floor, left, one.State, one.StopsAt)
		}
	})
	printHours(w, q)
	if len(q.Why) > 0 {
		fmt.Fprintln(w)
	}
	for _, why := range q.Why {
		fmt.Fprintln(w, plain(why))
	}
}

func forecastLine(q *control.QuotaStatus) string {
	f := q.Forecast
	switch {
	case q.Level == "unknown":
		return ""
	case q.Level == "exhausted" && f.BackAt.IsZero():
		return "spent, and at this burn nothing is left for rosterd within 24 hours"
	case q.Level == "exhausted":
		return "spent; goes on at " + at(f.BackAt)
	case f.ExhaustedAt.IsZero():
		return "lasts the coming 24 hours at this burn"
	}
	return "spent at " + at(f.ExhaustedAt) + " at this burn"
}

// printHours draws the last hours as a line of bars for us and one for others.
func printHours(w io.Writer, q *control.QuotaStatus) {
	if len(q.Hours) == 0 {
		return
	}
	fmt.Fprintf(w, "\nby the hour, %s to %s\n", at(q.Hours[0].At), at(q.Hours[len(q.Hours)-1].At))
	row := func(label string, of func(control.QuotaHour) int) {
		most, calls := 0, make([]int, len(q.Hours))
		for i, h := range q.Hours {
			calls[i] = of(h)
			most = max(most, calls[i])
		}
		if most > 0 {
			fmt.Fprintf(w, "  %-6s  %s  at most %d\n", label, bars(calls, most), most)
		}
	}
	row("ours", func(h control.QuotaHour) int { return h.Ours })
	row("others", func(h control.QuotaHour) int { return h.Others })
}

// bars draws each number as a block as high as it is; nothing is a dot.
func bars(list []int, most int) string {
	var b strings.Builder
	for _, n := range list {
		if n <= 0 {
			b.WriteRune('·')
			continue
		}
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(n*8/most, 7)])
	}
	return b.String()
}
