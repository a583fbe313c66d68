package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) statusCommand() *cobra.Command {
	return command("status", "How the daemon and its orgs stand", 0, 0, func(ctx context.Context, _ []string) error {
		s, err := t.client.Status(ctx)
		if err != nil {
			return err
		}
		return t.show(s, func(w io.Writer) {
			fmt.Fprintln(w, "rosterd", s.Version)
			for i := range s.Orgs {
				fmt.Fprintln(w)
				printOrg(w, &s.Orgs[i])
			}
		})
	})
}

func printOrg(w io.Writer, o *control.OrgStatus) {
	fmt.Fprintf(w, "%s: %s\n", o.Name, o.State)
	for _, r := range o.Reasons {
		fmt.Fprintln(w, "  because", plain(r))
	}
	row := func(label string, v any) {
		if s := cell(v); s != "-" && s != "0" {
			fmt.Fprintf(w, "  %-17s %s\n", label, s)
		}
	}
	row("salesforce org", o.Salesforce)
	row("last full sync", o.LastFull)
	row("last look", o.LastChange)
	row("next full sync", o.NextFull)
	row("next look", o.NextPoll)
	charge := o.State != "standby" // else another instance knows these
	if charge {
		row("changes", changesLine(&o.Changes))
	}
	row("salesforce users", o.Mirror)
	row("in the dialer", o.Enrolled)
	row("held", o.Held)
	row("attention", o.Attention)
	row("wait for a seat", o.Waiting)
	row("overdue leavers", o.Overdue)
	row("running", o.Running)
	if charge {
		row("quota", quotaLine(&o.Quota))
	}
	row("last error", o.LastError)
	row("at", o.LastErrorAt)
}

// changesLine says how changes are found, and why not sooner.
func changesLine(c *control.ChangesStatus) string {
	if c.Mode == "" {
		return ""
	}
	s := "by " + map[bool]string{true: "events, as they happen", false: "polling"}[c.Mode == "stream"]
	if c.Reason != "" && c.Mode != "stream" {
		s += ": " + c.Reason
	}
	if c.Hint != "" && c.Mode != "stream" {
		s += " (" + c.Hint + ")"
	}
	return plain(s)
}

func quotaLine(q *control.QuotaStatus) string {
	s := "not known yet"
	if q.Max > 0 {
		s = fmt.Sprintf("%d of %d calls used by the whole org (%.1f%%)", q.Used, q.Max, 100*float64(q.Used)/float64(q.Max))
	}
	if q.BudgetLeft >= 0 {
		s += fmt.Sprintf(", %d left for rosterd", q.BudgetLeft)
	}
	return s
}

func (t *tool) pauseCommand() *cobra.Command {
	var reason string
	c := command("pause [--reason TEXT]", "Stop all syncing of the org until it is resumed; leavers that fall due meanwhile leave then", 0, 0, func(ctx context.Context, _ []string) error {
		p, err := t.client.Pause(ctx, reason)
		if err != nil {
			return err
		}
		return t.show(p, func(w io.Writer) {
			fmt.Fprintf(w, "%s is paused; let it go on with: rosterctl resume\n", p.Org)
		})
	})
	c.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	return c
}

func (t *tool) resumeCommand() *cobra.Command {
	return command("resume", "Let the org's sync go on", 0, 0, func(ctx context.Context, _ []string) error {
		p, err := t.client.Resume(ctx)
		if err != nil {
			return err
		}
		return t.show(p, func(w io.Writer) { fmt.Fprintf(w, "%s goes on\n", p.Org) })
	})
}

func (t *tool) doctorCommand() *cobra.Command {
	return command("doctor", "Check that everything the sync needs is there", 0, 0, func(ctx context.Context, _ []string) error {
		found, err := t.client.Doctor(ctx)
		if err != nil {
			return err
		}
		err = t.show(found, func(w io.Writer) {
			for _, f := range found.Checks {
				fmt.Fprintf(w, "%s %s: %s\n", mark(f.OK), plain(f.Name), plain(f.Detail))
				if !f.OK && f.Hint != "" {
					fmt.Fprintln(w, "  hint:", plain(f.Hint))
				}
			}
		})
		if err == nil && !found.OK {
			err = codeError(exitError)
		}
		return err
	})
}

func mark(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}

func (t *tool) versionCommand() *cobra.Command {
	c := command("version", "The version of rosterctl", 0, 0, func(context.Context, []string) error {
		return t.show(map[string]string{"version": version}, func(w io.Writer) { fmt.Fprintln(w, "rosterctl", version) })
	})
	return c
}
