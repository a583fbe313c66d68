package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) activityCommand() *cobra.Command {
	var f control.ActivityFilter
	var run string
	var live bool
	c := command("activity [flags]", "Who did what, newest first", 0, 0, func(ctx context.Context, _ []string) error {
		if live {
			if run != "" || f.Before != 0 || f.Since != "" || f.Until != "" {
				return &usageError{"--live shows what comes from now on, so it goes with none of --run, --before, --since and --until", ""}
			}
			return t.followActivity(ctx, f)
		}
		page, err := t.activity(ctx, f, run)
		if err != nil {
			return err
		}
		return t.show(page.Activity, func(w io.Writer) {
			for i := range page.Activity {
				fmt.Fprintln(w, plain(entryText(&page.Activity[i])))
			}
			if page.Next != 0 {
				fmt.Fprintf(t.err, "there is more: rosterctl activity --before %d\n", page.Next)
			}
		})
	})
	c.Flags().StringVar(&f.User, "user", "", "only about this user: `ID|EMAIL`")
	c.Flags().StringVar(&f.Since, "since", "", "only since this `time` (2026-11-20T00:00:00Z) or age (24h)")
	c.Flags().StringVar(&f.Until, "until", "", "only before this `time` or age")
	c.Flags().StringVar(&f.Verb, "verb", "", "only of this `verb`, such as deactivate")
	c.Flags().StringVar(&f.Actor, "actor", "", "only by who is of this `name`")
	c.Flags().StringVar(&f.Kind, "actor-kind", "", "only by who is of this `kind`, such as sync or admin")
	c.Flags().StringVar(&f.Text, "text", "", "only with this `text` in the note, the actor's name or the values")
	c.Flags().BoolVar(&live, "live", false, "show what comes from now on, until interrupted; with -o json one on a line")
	c.Flags().Int64Var(&f.Before, "before", 0, "only entries older than this one, by `seq`")
	c.Flags().IntVar(&f.Limit, "limit", 100, "how many at most, up to 1000")
	c.Flags().StringVar(&run, "run", "", "only what this run did, by `id`")
	return c
}

func (t *tool) activity(ctx context.Context, f control.ActivityFilter, run string) (control.ActivityPage, error) {
	if err := errors.Join(limited(f.Limit, 1000), notNegative("--before", f.Before, " (0 means the newest)")); err != nil {
		return control.ActivityPage{}, err
	}
	if run == "" {
		return t.client.Activity(ctx, f)
	}
	if f.User != "" {
		return control.ActivityPage{}, &usageError{"--run and --user exclude each other", ""}
	}
	id, err := parseRun(run)
	if err != nil {
		return control.ActivityPage{}, err
	}
	return t.client.RunChanges(ctx, id, f)
}

// entryText is one entry of the activity log on a line, and whom it is about.
func entryText(a *control.Activity) string {
	if a.UserID == "" {
		return actionText(a)
	}
	return actionText(a) + " user " + a.UserID
}

// actionText is what was done.
func actionText(a *control.Activity) string {
	text := fmt.Sprintf("%s  %s: %s", at(a.At), actor(a.Actor), a.Verb)
	if a.Reason != "" {
		text += fmt.Sprintf(" (%s)", a.Reason)
	}
	if fields := changed(a); fields != "" {
		text += " " + fields
	}
	if a.Note != "" {
		text += ", " + a.Note
	}
	if a.RunID != "" {
		text += " [run " + a.RunID + "]"
	}
	return text
}

// changed names the attributes that an entry is about.
func changed(a *control.Activity) string {
	var fields map[string]any
	if json.Unmarshal(a.After, &fields) != nil || len(fields) == 0 || len(fields) > 5 {
		return ""
	}
	return strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
}

func (t *tool) licensesCommand() *cobra.Command {
	return group("licenses", "Show license types, and set how many seats are purchased", t.licensesListCommand(), t.licensesSetCommand(), t.licensesHistoryCommand())
}

func (t *tool) licensesListCommand() *cobra.Command {
	return command("list", "List license types and their seats", 0, 0, func(ctx context.Context, _ []string) error {
		page, err := t.client.Licenses(ctx)
		if err != nil {
			return err
		}
		return t.show(page.Licenses, func(w io.Writer) { printLicenses(w, page.Licenses...) })
	})
}

func printLicenses(w io.Writer, list ...control.License) {
	table(w, "TYPE\tPURCHASED\tASSIGNED\tLEFT\tDEFAULT", func(row func(...any)) {
		for _, l := range list {
			given := ""
			if l.Default {
				given = "yes"
			}
			row(l.Type, l.Purchased, l.Assigned, l.Left, given)
		}
	})
}

func (t *tool) licensesHistoryCommand() *cobra.Command {
	return command("history TYPE", "Show when the seats of a type were set, and by whom", 1, 1, func(ctx context.Context, args []string) error {
		page, err := t.client.LicenseHistory(ctx, args[0])
		if err != nil {
			return err
		}
		return t.show(page, func(w io.Writer) {
			table(w, "AT\tBEFORE\tAFTER\tBY", func(row func(...any)) {
				for _, p := range page.Purchases {
					row(p.At, p.Before, p.After, actor(p.Actor))
				}
			})
		})
	})
}

func (t *tool) licensesSetCommand() *cobra.Command {
	purchased := int64(-1)
	c := command("set TYPE --purchased N", "Say how many seats of a type are purchased", 1, 1, func(ctx context.Context, args []string) error {
		if purchased < 0 {
			return &usageError{"--purchased says how many seats there are, 0 or more", ""}
		}
		l, err := t.client.SetLicense(ctx, args[0], purchased)
		if err != nil {
			return err
		}
		return t.show(l, func(w io.Writer) { printLicenses(w, l) })
	})
	c.Flags().Int64Var(&purchased, "purchased", purchased, "how many seats were bought")
	return c
}
