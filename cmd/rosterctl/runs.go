package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) runsCommand() *cobra.Command {
	return group("runs", "Show and steer runs",
		t.runsListCommand(),
		runCommand("show ID", "Show a run", t.showRun),
		runCommand("watch ID", "Follow a run to its end", t.wait),
		t.steerCommand("cancel ID", "End a run; what it did stays done", "ends", (*control.Client).CancelRun),
		t.steerCommand("pause ID", "Halt a run until it is resumed", "is halted", (*control.Client).PauseRun),
		t.steerCommand("resume ID", "Let a halted run go on", "goes on", (*control.Client).ResumeRun),
		t.approveCommand(),
	)
}

// runName is a run's id for people. Dry runs have negative ids, which a command
// line would take for a flag.
func runName(id int64) string {
	if id < 0 {
		return fmt.Sprintf("dry%d", -id)
	}
	return strconv.FormatInt(id, 10)
}

func parseRun(name string) (int64, error) {
	digits, dry := strings.CutPrefix(name, "dry")
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || id == 0 || dry && id < 0 {
		return 0, &usageError{fmt.Sprintf("%q is not the id of a run", name), "list the runs to see their ids: rosterctl runs list"}
	}
	if dry {
		id = -id
	}
	return id, nil
}

// runCommand is a command on one run.
func runCommand(use, short string, f func(ctx context.Context, id int64) error) *cobra.Command {
	return command(use, short, 1, 1, func(ctx context.Context, args []string) error {
		id, err := parseRun(args[0])
		if err != nil {
			return err
		}
		return f(ctx, id)
	})
}

func (t *tool) runsListCommand() *cobra.Command {
	limit := 20
	c := command("list [--limit N]", "List runs, newest first", 0, 0, func(ctx context.Context, _ []string) error {
		if err := limited(limit, 1000); err != nil {
			return err
		}
		page, err := t.client.Runs(ctx, 0, limit)
		if err != nil {
			return err
		}
		return t.show(page.Runs, func(w io.Writer) {
			table(w, "ID\tKIND\tWHY\tSTARTED\tOUTCOME\tRESULT", func(row func(...any)) {
				for i := range page.Runs {
					r := &page.Runs[i]
					row(runName(r.ID), r.Kind, r.Trigger, r.Started, r.Outcome, countsText(r))
				}
			})
		})
	})
	c.Flags().IntVar(&limit, "limit", limit, "how many at most, up to 1000")
	return c
}

func (t *tool) showRun(ctx context.Context, id int64) error {
	run, err := t.client.Run(ctx, id)
	if err != nil {
		return err
	}
	return t.show(run, func(w io.Writer) { printRun(w, &run) })
}

func (t *tool) steerCommand(use, short, done string, f func(*control.Client, context.Context, int64) (control.Run, error)) *cobra.Command {
	return runCommand(use, short, func(ctx context.Context, id int64) error {
		run, err := f(t.client, ctx, id)
		if err != nil {
			return err
		}
		return t.show(run, func(w io.Writer) { fmt.Fprintf(w, "run %s %s\n", runName(id), done) })
	})
}

func (t *tool) approveCommand() *cobra.Command {
	var reason string
	var wait, yes bool
	c := runCommand("approve ID [--reason TEXT] [--wait] [--yes]", "Approve what a run holds, and apply it", func(ctx context.Context, id int64) error {
		if !yes && t.format == "text" && terminal(t.in) {
			run, err := t.client.Run(ctx, id)
			if err != nil {
				return err
			}
			printRun(t.err, &run)
			if err := t.confirm("Approve what it holds?"); err != nil {
				return err
			}
		}
		run, err := t.client.ApproveRun(ctx, id, reason)
		if err != nil {
			return err
		}
		return t.started(ctx, control.Started{Run: run}, wait)
	})
	c.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	c.Flags().BoolVar(&wait, "wait", false, "wait until it is applied; the exit code tells how")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func actor(a control.Actor) string {
	switch {
	case a.Name == "":
		return a.Kind
	case a.Kind == "" || a.Kind == a.Name:
		return plain(a.Name)
	}
	return plain(a.Name) + " (" + a.Kind + ")"
}

// countsText sums up what a run did, naming only what happened.
func countsText(r *control.Run) string {
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{r.Created, "created"},
		{r.Linked, "linked"},
		{r.Updated, "updated"},
		{r.Deactivated, "deactivated"},
		{r.Reactivated, "reactivated"},
		{r.Scheduled, "scheduled to leave"},
		{r.Unscheduled, "no longer leaving"},
		{r.Skipped, "skipped"},
		{r.Failed, "failed"},
		{r.Held, "held"},
	} {
		if c.n != 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}
