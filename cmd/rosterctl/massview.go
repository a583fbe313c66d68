package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) massListCommand() *cobra.Command {
	limit := 20
	c := command("list [--limit N]", "List mass actions, the latest first", 0, 0, func(ctx context.Context, _ []string) error {
		if err := limited(limit, 1000); err != nil {
			return err
		}
		page, err := t.client.MassActions(ctx, 0, limit)
		if err != nil {
			return err
		}
		return t.show(page.MassActions, func(w io.Writer) {
			table(w, "ID\tSTATE\tWHAT\tWHOM\tBY\tASKED\tRESULT", func(row func(...any)) {
				for i := range page.MassActions {
					m := &page.MassActions[i]
					row(m.ID, m.State, massWhat(m), m.Scope, actor(m.Actor), m.CreatedAt, massResult(m))
				}
			})
		})
	})
	c.Flags().IntVar(&limit, "limit", limit, "how many at most, up to 1000")
	return c
}

func (t *tool) showMass(ctx context.Context, id int64) error {
	m, err := t.client.MassAction(ctx, id)
	if err != nil {
		return err
	}
	return t.show(m, func(w io.Writer) { printMass(w, &m) })
}

func (t *tool) cancelMass(ctx context.Context, id int64) error {
	m, err := t.client.CancelMass(ctx, id)
	if err != nil {
		return err
	}
	return t.show(m, func(w io.Writer) { printMass(w, &m) })
}

func (t *tool) massUndoCommand() *cobra.Command {
	var detach bool
	c := massCommand("undo ID [--detach]", "Give back what a mass action changed", func(ctx context.Context, id int64) error {
		m, err := t.client.UndoMass(ctx, id)
		if err != nil {
			return err
		}
		if detach {
			return t.show(m, func(w io.Writer) { printMass(w, &m) })
		}
		return t.waitMass(ctx, m.ID)
	})
	c.Flags().BoolVar(&detach, "detach", false, "do not wait until it is done")
	return c
}

func (t *tool) massResultsCommand() *cobra.Command {
	var f control.MassResultFilter
	var csv bool
	c := massCommand("results ID [flags]", "Show what came of each user", func(ctx context.Context, id int64) error {
		if csv {
			if t.format == "json" {
				return &usageError{"--csv does not go with -o json", ""}
			}
			return t.client.MassResultsCSV(ctx, t.out, id, f)
		}
		if err := limited(f.Limit, 5000); err != nil {
			return err
		}
		page, err := t.client.MassResults(ctx, id, f)
		if err != nil {
			return err
		}
		return t.show(page.Results, func(w io.Writer) {
			table(w, "SEQ\tUSER\tUSERNAME\tOUTCOME\tDETAIL", func(row func(...any)) {
				for _, i := range page.Results {
					detail := i.Detail
					if detail == "" && i.Expected != "" {
						detail = "expected: " + i.Expected
					}
					row(i.Seq, i.UserID, i.Username, i.Outcome, detail)
				}
			})
			if page.Next != 0 {
				fmt.Fprintf(t.err, "there is more: rosterctl mass results %d --after %d\n", id, page.Next)
			}
		})
	})
	c.Flags().StringVar(&f.Outcome, "outcome", "", "only those that ended so: pending, created, changed, unchanged or refused")
	c.Flags().BoolVar(&f.Expected, "expected", false, "only those whom the dry run foretells to be refused")
	c.Flags().Int64Var(&f.After, "after", 0, "only those beyond this `seq`")
	c.Flags().IntVar(&f.Limit, "limit", 500, "how many at most, up to 5000; --csv holds all")
	c.Flags().BoolVar(&csv, "csv", false, "as CSV, all of them")
	_ = c.RegisterFlagCompletionFunc("outcome", cobra.FixedCompletions([]string{"pending", "created", "changed", "unchanged", "refused"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// waitMass follows a mass action to its end, shows how it ended, and gives its
// exit code.
func (t *tool) waitMass(ctx context.Context, id int64) error {
	p := &massBar{w: t.err, people: terminal(t.err) && os.Getenv("TERM") != "dumb"}
	var last control.MassAction
	for m, err := range t.client.WatchMass(ctx, id) {
		if err != nil {
			p.end()
			if ctx.Err() != nil {
				fmt.Fprintf(t.err, "mass action %d goes on without you; follow it with: rosterctl mass watch %d\n", id, id)
			}
			return err
		}
		last = m
		p.step(&m)
	}
	p.end()
	if err := t.show(last, func(w io.Writer) { printMass(w, &last) }); err != nil {
		return err
	}
	return massCode(&last)
}

// massCode is the exit code of a mass action that ended.
func massCode(m *control.MassAction) error {
	switch {
	case m.State == "canceled":
		return codeError(exitError)
	case m.Done.Refused == 0:
		return nil
	}
	for _, r := range m.Done.Reasons {
		if strings.Contains(r.Reason, "no seat") {
			return codeError(exitNoSeat)
		}
	}
	return codeError(exitIssues)
}

// massBar shows how far a mass action is: a bar for people, or a line for each
// tenth.
type massBar struct {
	w      io.Writer
	people bool
	bar    *progressbar.ProgressBar
	tenth  int64
}

func (b *massBar) step(m *control.MassAction) {
	done := m.Done.Changed + m.Done.Unchanged + m.Done.Refused
	what := fmt.Sprintf("mass action %d", m.ID)
	switch {
	case m.State == "previewed":
		fmt.Fprintf(b.w, "%s waits to be started\n", what)
	case b.people:
		if b.bar == nil {
			b.bar = progressbar.NewOptions64(m.Total, progressbar.OptionSetWriter(b.w), progressbar.OptionSetDescription(what),
				progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("users"), progressbar.OptionSetWidth(30),
				progressbar.OptionSetPredictTime(true), progressbar.OptionEnableColorCodes(false), progressbar.OptionUseANSICodes(false))
		}
		_ = b.bar.Set64(done)
	case m.State == "running":
		if tenth := 1 + 10*done/max(m.Total, 1); tenth > b.tenth {
			b.tenth = tenth
			fmt.Fprintf(b.w, "%s: %d/%d\n", what, done, m.Total)
		}
	}
}

func (b *massBar) end() {
	if b.bar != nil {
		fmt.Fprintln(b.w)
	}
}

func users(n int64) string { return count(int(n), "user") }

// massWhat is what a mass action does, in words.
func massWhat(m *control.MassAction) string {
	text := string(m.Action)
	if m.UndoOf != 0 {
		text = fmt.Sprintf("undo of %d", m.UndoOf)
	}
	if m.Field != "" {
		text += " " + string(m.Field) + "=" + string(m.Value)
	}
	return plain(text)
}

// massResult sums up what came of a mass action, or what is foretold.
func massResult(m *control.MassAction) string {
	if m.State == "previewed" {
		return massCounts(&m.Preview, "would be changed")
	}
	return massCounts(&m.Done, "changed")
}

func massCounts(c *control.MassCounts, changed string) string {
	var parts []string
	for _, p := range []struct {
		n    int64
		what string
	}{{c.Changed, changed}, {c.Created, "of them created"}, {c.Unchanged, "already so"}, {c.Refused, "refused"}} {
		if p.n != 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) == 0 {
		return "nobody"
	}
	return strings.Join(parts, ", ")
}

// printMass shows a mass action: how far it is first, then what came of it, then
// what can be done.
func printMass(w io.Writer, m *control.MassAction) {
	fmt.Fprintf(w, "mass action %d, %s: %s\n", m.ID, massWhat(m), strings.ReplaceAll(string(m.State), "previewed", "prepared"))
	row := func(label string, v any) {
		if s := cell(v); s != "-" {
			fmt.Fprintf(w, "  %-10s %s\n", label, s)
		}
	}
	row("whom", fmt.Sprintf("%s: %s", m.Scope, users(m.Total)))
	row("asked by", actor(m.Actor))
	row("reason", m.Reason)
	row("foretold", massCounts(&m.Preview, "changed"))
	reasons := m.Preview.Reasons
	if m.State != "previewed" {
		row("did", massCounts(&m.Done, "changed"))
		reasons = m.Done.Reasons
	}
	for _, r := range reasons {
		row("refused", fmt.Sprintf("%d: %s", r.Count, r.Reason))
	}
	row("started", m.StartedAt)
	row("ended", m.FinishedAt)
	if m.UndoneBy != 0 {
		row("undone by", fmt.Sprintf("mass action %d", m.UndoneBy))
	} else if !m.UndoUntil.IsZero() {
		row("undo until", fmt.Sprintf("%s: rosterctl mass undo %d", at(m.UndoUntil), m.ID))
	}
}
