package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

type syncFlags struct {
	full, dryRun, wait, yes, override bool
	users                             []string
	reason                            string
}

func (t *tool) syncCommand() *cobra.Command {
	var f syncFlags
	c := command("sync [flags]", "Read Salesforce and bring the dialer in step", 0, 0, func(ctx context.Context, _ []string) error {
		return t.sync(ctx, &f)
	})
	c.Long = c.Short + `.

Without flags it reads what changed since the last time. A run under way that does
what is asked is joined. On a terminal a full sync shows its cost and asks first;
elsewhere it starts at once. --dry-run waits, shows what would be done and does nothing.`
	c.Flags().BoolVar(&f.full, "full", false, "read every user")
	c.Flags().StringArrayVar(&f.users, "user", nil, "read this user only: `ID|EMAIL`; may be repeated")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would be done, and do nothing")
	c.Flags().StringVar(&f.reason, "reason", "", "why, for the journal")
	c.Flags().BoolVar(&f.wait, "wait", false, "wait until the run ends; the exit code tells how")
	c.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&f.override, "override", false, "cross the quota budget if need be; needs --reason")
	return c
}

func (f *syncFlags) request() (control.SyncRequest, error) {
	r := control.SyncRequest{Kind: "changes", Users: f.users, DryRun: f.dryRun, Override: f.override, Reason: f.reason}
	switch {
	case f.full && len(f.users) > 0:
		return r, &usageError{"--full and --user exclude each other", ""}
	case f.override && f.reason == "":
		return r, &usageError{"--override needs --reason", "say why the quota budget may be crossed; it is kept in the journal"}
	case f.full:
		r.Kind = "full"
	case len(f.users) > 0:
		r.Kind = "user"
	}
	return r, nil
}

func (t *tool) sync(ctx context.Context, f *syncFlags) error {
	r, err := f.request()
	if err != nil {
		return err
	}
	if f.full && !f.dryRun && !f.yes && t.format == "text" && terminal(t.in) {
		if err := t.confirmCost(ctx, r.Kind); err != nil {
			return err
		}
	}
	started, err := t.client.Sync(ctx, r)
	if err != nil {
		return err
	}
	return t.started(ctx, started, f.wait || f.dryRun)
}

// started tells of a run that was asked for, and waits for it if asked to.
func (t *tool) started(ctx context.Context, s control.Started, wait bool) error {
	if s.Joined {
		fmt.Fprintf(t.err, "joined run %s, which %s started at %s\n", runName(s.Run.ID), actor(s.Run.Actor), at(s.Run.Started))
	}
	if wait {
		return t.wait(ctx, s.Run.ID)
	}
	return t.show(s.Run, func(w io.Writer) {
		if !s.Joined {
			fmt.Fprintf(w, "run %s started; follow it with: rosterctl runs watch %d\n", runName(s.Run.ID), s.Run.ID)
		}
	})
}

// confirmCost shows what a run would cost and asks whether to start it.
func (t *tool) confirmCost(ctx context.Context, k control.Kind) error {
	cost, err := t.client.Preflight(ctx, k)
	if err != nil {
		return err
	}
	printCost(t.err, &cost)
	return t.confirm("Start?")
}

func printCost(w io.Writer, c *control.Cost) {
	users := "an unknown number of users"
	if c.Users >= 0 {
		users = "about " + count(c.Users, "user")
	}
	fmt.Fprintf(w, "A %s reads %s with about %s", kindText(c.Kind), users, count(c.Calls, "API call"))
	if c.OrgLeft >= 0 {
		fmt.Fprintf(w, ", %.2g%% of the %d that the org has left today", c.Percent, c.OrgLeft)
	}
	fmt.Fprintln(w, ".")
	if c.BudgetLeft >= 0 {
		fmt.Fprintf(w, "rosterd's own budget has %s left.\n", count(c.BudgetLeft, "call"))
	}
	if !c.Allowed {
		fmt.Fprintln(w, "That is more than is allowed: it will be refused without --override and --reason.")
	}
	if c.Running != 0 {
		fmt.Fprintf(w, "Run %s is under way and would be joined.\n", runName(c.Running))
	}
}

// confirm asks a person. Anything but yes is no.
func (t *tool) confirm(question string) error {
	fmt.Fprintf(t.err, "%s [y/N] ", question)
	reply, err := bufio.NewReader(t.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the reply: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(reply)) {
	case "y", "yes":
		return nil
	}
	fmt.Fprintln(t.err, "nothing was started")
	return codeError(exitError)
}
