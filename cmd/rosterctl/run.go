package main

import (
	"fmt"
	"io"
	"time"

	"github.com/rosterd/rosterd/control"
)

// printRun shows a run: how it ended first, then what it did, then what a
// person should do.
func printRun(w io.Writer, r *control.Run) {
	kind := kindText(r.Kind)
	if r.DryRun {
		kind = "dry run of a " + kind
	}
	fmt.Fprintf(w, "%s: run %s, %s: %s", r.Org, runName(r.ID), kind, outcomeText(r))
	if r.TookMS > 0 {
		fmt.Fprintf(w, " in %s", (time.Duration(r.TookMS) * time.Millisecond).Round(10*time.Millisecond))
	}
	fmt.Fprintln(w)
	row := func(label string, v any) {
		if s := cell(v); s != "-" {
			fmt.Fprintf(w, "  %-10s %s\n", label, s)
		}
	}
	row("asked by", actor(r.Actor)+", "+r.Trigger)
	row("reason", r.Reason)
	row("started", r.Started)
	verb := "did"
	if r.DryRun {
		verb = "would do"
	}
	row(verb, countsText(r))
	row("read", fmt.Sprintf("%s with %s", count(r.Read, "user"), count(r.SalesforceCalls, "API call")))
	if r.Snapshot != "" {
		row("snapshot", string(r.Snapshot)+", since "+r.SnapshotWhy)
	}
	row("error", r.Error)
	row("hint", r.Hint)
	printPlanned(w, r)
	printHeld(w, r)
	if r.Attention > 0 {
		fmt.Fprintf(w, "  %s for a person: rosterctl attention list\n", count(r.Attention, "new item"))
	}
}

func kindText(k control.Kind) string {
	switch k {
	case "changes":
		return "sync of changes"
	case "user":
		return "sync of single users"
	}
	return string(k) + " sync"
}

func outcomeText(r *control.Run) string {
	switch {
	case r.Outcome == "running" && r.Progress.Total > 0:
		return fmt.Sprintf("running, %s %d/%d", stageText(r), r.Progress.Done, r.Progress.Total)
	case r.Outcome == "running":
		return "running, " + stageText(r)
	case r.Outcome == "succeeded_with_issues":
		return "succeeded with issues"
	case r.Outcome == "paused_quota":
		return "stopped for lack of API calls; it goes on by itself"
	case r.Outcome == "held":
		return "done but for what is held"
	}
	return string(r.Outcome)
}

func printPlanned(w io.Writer, r *control.Run) {
	if len(r.Changes) == 0 {
		return
	}
	fmt.Fprintln(w)
	table(w, "VERB\tSALESFORCE ID\tUSER\tFIELDS\tREASON", func(row func(...any)) {
		for _, c := range r.Changes {
			var fields []string
			for _, f := range c.Fields {
				fields = append(fields, string(f))
			}
			verb := string(c.Verb)
			if c.Held {
				verb += " (held)"
			}
			row(verb, c.SalesforceID, c.UserID, fields, c.Reason)
		}
	})
}

func printHeld(w io.Writer, r *control.Run) {
	if r.HeldWhy == "" && len(r.HeldItems) == 0 {
		return
	}
	fmt.Fprintf(w, "\nheld: %s\n", cell(r.HeldWhy))
	table(w, "VERB\tSALESFORCE ID\tUSER\tWHY\tSINCE", func(row func(...any)) {
		for _, h := range r.HeldItems {
			row(h.Verb, h.SalesforceID, h.UserID, h.Why, h.Since)
		}
	})
	if !r.DryRun {
		fmt.Fprintf(w, "apply it with: rosterctl runs approve %d\n", r.ID)
	}
}
