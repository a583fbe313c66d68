package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) reportCommand() *cobra.Command {
	return group("report", "Reports for auditors", t.leaversCommand())
}

func (t *tool) leaversCommand() *cobra.Command {
	var f control.LeaverFilter
	c := command("leavers [--month YYYY-MM] [-o csv]", "Who lost access, when, and which entry of the activity log proves it", 0, 0,
		func(ctx context.Context, _ []string) error {
			if t.format == "csv" {
				return t.client.LeaversCSV(ctx, t.out, f)
			}
			f.Limit = 1000
			list := []control.Leaver{}
			for {
				page, err := t.client.Leavers(ctx, f)
				if err != nil {
					return err
				}
				list = append(list, page.Leavers...)
				if f.After = page.Next; page.Next == 0 {
					break
				}
			}
			return t.show(list, func(w io.Writer) {
				table(w, "USERNAME\tWHY\tBY\tLEFT SALESFORCE\tLEFT DIALER\tDELAY\tSESSIONS\tREDIRECTS\tPROOF", func(row func(...any)) {
					for _, l := range list {
						delay := ""
						if l.DelaySeconds > 0 {
							delay = (time.Duration(l.DelaySeconds) * time.Second).String()
						}
						row(l.Username, l.Reason, actor(l.Actor), l.LeftSource, l.LeftDialer, delay, l.SessionsEnded, l.Redirects, l.Proof)
					}
				})
			})
		})
	c.Long = c.Short + `. REDIRECTS is how many
users still send their calls to the leaver; they are listed by:

  rosterctl users list --filter redirect=dangling --columns unavailable_target`
	c.Flags().StringVar(&f.Month, "month", "", "only of this `month` of the org's time zone, such as 2026-10")
	c.Flags().StringVar(&f.Since, "since", "", "only since this `time` (2026-11-20T00:00:00Z) or age (720h)")
	c.Flags().StringVar(&f.Until, "until", "", "only before this `time` or age")
	c.Annotations = map[string]string{csvToo: "yes"}
	return c
}

// csvToo marks a command that can answer in CSV.
const csvToo = "csv"

// follow shows entries of the activity log as they come, until it is
// interrupted, which is how one stops looking.
func (t *tool) followActivity(ctx context.Context, f control.ActivityFilter) error {
	e := json.NewEncoder(t.out)
	e.SetEscapeHTML(false)
	for a, err := range t.client.Tail(ctx, f, control.FromNow) {
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case t.format == "json":
			err = e.Encode(a)
		default:
			_, err = fmt.Fprintln(t.out, plain(entryText(&a)))
		}
		if err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
	}
	return nil
}
