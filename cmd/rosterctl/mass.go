package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) massCommand() *cobra.Command {
	c := group("mass", "Act on many users at once",
		t.massWriteCommand("set FIELD=VALUE", "Set an attribute of many users", "set"),
		t.massWriteCommand("add KIND=GROUP...", "Add many users to groups", "add"),
		t.massWriteCommand("remove KIND=GROUP...", "Take many users out of groups", "remove"),
		t.massWriteCommand("replace KIND=GROUP...", "Make groups the only ones of their kind of many users", "replace"),
		t.massPlainCommand("activate", "Give many users access again; takes seats"),
		t.massPlainCommand("deactivate", "End the access of many users now"),
		t.massPlainCommand("delete", "Delete many users; their leads go to others"),
		t.massPlainCommand("ask", "Ask many users to let the dialer act for them in Salesforce"),
		t.massStartCommand(),
		t.massListCommand(),
		massCommand("show ID", "Show a mass action", t.showMass),
		t.massResultsCommand(),
		massCommand("watch ID", "Follow a mass action to its end", t.waitMass),
		massCommand("cancel ID", "Stop a mass action; what it did stays done", t.cancelMass),
		t.massUndoCommand(),
	)
	c.Long = c.Short + `.

Whom it is for is fixed and counted first: --dry-run stops there. Else it starts when the
count is confirmed: at the prompt, with --confirm-count N, or with --yes.`
	return c
}

// massAsk is what a mass action is asked for with.
type massAsk struct {
	ids, filter, reason string
	all                 bool
	seats               []string

	dryRun, yes, detach bool
	confirm             int64
}

func (a *massAsk) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.ids, "ids", "", "these users: `ID,ID,...`, or @FILE with one on each line, @- for standard input; ids, Salesforce ids, user names or e-mail addresses")
	f.StringVar(&a.filter, "filter", "", "users whom these `TERMS` key=value find, as of users list")
	f.BoolVar(&a.all, "all", false, "everyone who is not protected")
	f.StringVar(&a.reason, "reason", "", "why, for the activity log")
	f.BoolVar(&a.dryRun, "dry-run", false, "only say what would come of it")
	a.startFlags(c)
}

func (a *massAsk) startFlags(c *cobra.Command) {
	f := c.Flags()
	f.Int64Var(&a.confirm, "confirm-count", -1, "start if it is for exactly this `number` of users")
	f.BoolVar(&a.yes, "yes", false, "start without asking")
	f.BoolVar(&a.detach, "detach", false, "do not wait until it is done")
}

func (t *tool) massWriteCommand(use, short, verb string) *cobra.Command {
	var a massAsk
	c := command(use+" {--ids LIST | --filter TERMS | --all}", short, 1, -1, func(ctx context.Context, args []string) error {
		r := control.MassActionRequest{Action: control.MassVerb(verb)}
		if err := massValue(&r, args); err != nil {
			return err
		}
		return t.mass(ctx, r, a)
	})
	c.ValidArgsFunction = t.completeMass(verb != "set")
	a.flags(c)
	return c
}

// completeMass completes what can be written for many users: kinds of groups, or
// the attributes that hold one value.
func (t *tool) completeMass(groups bool) cobra.CompletionFunc {
	return t.complete(0, func(a *control.Attribute) []string {
		name := string(a.Name) + "="
		switch {
		case !a.Mass || groups != (a.Kind == "groups" && !a.Single):
			return nil
		case a.Kind == "flag":
			return []string{name + "true", name + "false"}
		case len(a.Choices) > 0:
			list := make([]string, len(a.Choices))
			for i, choice := range a.Choices {
				list[i] = name + choice
			}
			return list
		}
		return []string{name}
	}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace)
}

// massValue reads FIELD=VALUE. Of groups there may be several, of one kind.
func massValue(r *control.MassActionRequest, args []string) error {
	var values []string
	for _, arg := range args {
		field, value, ok := strings.Cut(arg, "=")
		if !ok || field == "" {
			return &usageError{fmt.Sprintf("%q is not FIELD=VALUE", arg), "for example ring_timeout_seconds=30, or tag=VIP"}
		}
		if r.Field != "" && string(r.Field) != field {
			return &usageError{fmt.Sprintf("%s and %s cannot be written in one act", r.Field, field), "write one after the other"}
		}
		r.Field = control.Field(field)
		values = append(values, value)
	}
	one := any(values)
	if r.Action == "set" {
		if len(values) > 1 {
			return &usageError{fmt.Sprintf("%s is set twice", r.Field), "give one value; groups are written by replace"}
		}
		one = values[0]
	}
	text, err := json.Marshal(one)
	r.Value = text
	return err
}

func (t *tool) massPlainCommand(verb, short string) *cobra.Command {
	var a massAsk
	c := command(verb+" {--ids LIST | --filter TERMS | --all}", short, 0, 0, func(ctx context.Context, _ []string) error {
		return t.mass(ctx, control.MassActionRequest{Action: control.MassVerb(verb)}, a)
	})
	a.flags(c)
	if verb == "activate" {
		c.Flags().StringArrayVar(&a.seats, "license", nil, "take a seat of this `type` instead of the default ones; may be repeated")
		t.completeLicenses(c)
	}
	return c
}

// mass prepares a mass action, and starts it where that is confirmed.
func (t *tool) mass(ctx context.Context, r control.MassActionRequest, a massAsk) error {
	if a.dryRun && (a.yes || a.detach) {
		return &usageError{"--dry-run does not go with --yes and --detach", ""}
	}
	scopes := 0
	for _, given := range []bool{a.ids != "", a.filter != "", a.all} {
		if given {
			scopes++
		}
	}
	if scopes != 1 {
		return &usageError{"say whom it is for: one of --ids, --filter and --all", ""}
	}
	r.Scope, r.Seats, r.Reason = control.MassScope{Filter: a.filter, All: a.all}, a.seats, a.reason
	var err error
	if a.ids != "" {
		if r.Scope.IDs, err = t.massIDs(ctx, a.ids); err != nil {
			return err
		}
	}
	m, err := t.client.PreviewMass(ctx, r)
	if err != nil {
		return err
	}
	if a.dryRun {
		if a.confirm >= 0 && a.confirm != m.Total {
			_ = t.show(m, func(w io.Writer) { printMass(w, &m) })
			fmt.Fprintf(t.err, "error: it is for %d users, not %d\n", m.Total, a.confirm)
			return codeError(exitHeld)
		}
		return t.show(m, func(w io.Writer) { printMass(w, &m) })
	}
	return t.startMass(ctx, m, a)
}

// startMass has a mass action confirmed, starts it and follows it.
func (t *tool) startMass(ctx context.Context, m control.MassAction, a massAsk) error {
	switch {
	case a.confirm >= 0:
		m.Total = a.confirm // the daemon refuses another number than its own
	case a.yes:
	case t.format == "text" && terminal(t.in):
		printMass(t.err, &m)
		if err := t.confirm(fmt.Sprintf("Do this to %s?", users(m.Total))); err != nil {
			return err
		}
	default:
		_ = t.show(m, func(w io.Writer) { printMass(w, &m) })
		return &usageError{
			fmt.Sprintf("mass action %d is for %s, which nobody confirmed", m.ID, users(m.Total)),
			fmt.Sprintf("start it with: rosterctl mass start %d --confirm-count %d", m.ID, m.Total),
		}
	}
	m, err := t.client.StartMass(ctx, m.ID, m.Total)
	if err != nil {
		return err
	}
	if a.detach {
		return t.show(m, func(w io.Writer) { printMass(w, &m) })
	}
	return t.waitMass(ctx, m.ID)
}

func (t *tool) massStartCommand() *cobra.Command {
	var a massAsk
	c := massCommand("start ID [--confirm-count N | --yes] [--detach]", "Carry out a mass action that was prepared", func(ctx context.Context, id int64) error {
		m, err := t.client.MassAction(ctx, id)
		if err != nil {
			return err
		}
		return t.startMass(ctx, m, a)
	})
	a.startFlags(c)
	return c
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// massIDs reads whom a list or a file names, and asks for the ids of those who
// are named otherwise.
func (t *tool) massIDs(ctx context.Context, list string) ([]string, error) {
	in := io.Reader(strings.NewReader(strings.ReplaceAll(list, ",", "\n")))
	switch name, isFile := strings.CutPrefix(list, "@"); {
	case isFile && name == "-":
		in = t.in
	case isFile:
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read the ids: %w", err)
		}
		defer f.Close()
		in = f
	}
	var ids []string
	for lines := bufio.NewScanner(in); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return nil, fmt.Errorf("read the ids: %w", err)
			}
			break
		}
		ref := strings.TrimSpace(lines.Text())
		if ref == "" || strings.HasPrefix(ref, "#") {
			continue
		}
		if !uuid.MatchString(ref) {
			u, err := t.client.User(ctx, ref)
			if err != nil {
				return nil, fmt.Errorf("find %q: %w", plain(ref), err)
			}
			ref = u.ID
		}
		ids = append(ids, ref)
	}
	if len(ids) == 0 {
		return nil, &usageError{"--ids names nobody", ""}
	}
	return ids, nil
}

// massCommand is a command on one mass action.
func massCommand(use, short string, f func(ctx context.Context, id int64) error) *cobra.Command {
	return command(use, short, 1, 1, func(ctx context.Context, args []string) error {
		id, err := parseMass(args[0])
		if err != nil {
			return err
		}
		return f(ctx, id)
	})
}

func parseMass(name string) (int64, error) {
	id, err := strconv.ParseInt(name, 10, 64)
	if err != nil || id <= 0 {
		return 0, &usageError{fmt.Sprintf("%q is not the id of a mass action", name), "list them to see their ids: rosterctl mass list"}
	}
	return id, nil
}
