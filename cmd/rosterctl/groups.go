package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) groupsCommand() *cobra.Command {
	c := group("groups", "Show and change groups: roles, desks, tags, permission groups, templates, ...",
		t.groupsListCommand(), t.groupKindsCommand(), t.groupShowCommand(), t.groupAddCommand(), t.groupEditCommand(), t.groupDeleteCommand(),
	)
	c.Long = c.Short + `.

A group is named by its id, or as KIND=NAME, for example desk=EMEA.`
	return c
}

func (t *tool) groupsListCommand() *cobra.Command {
	c := command("list [KIND]", "List groups, and how many users are in each", 0, 1, func(ctx context.Context, args []string) error {
		page, err := t.client.Groups(ctx, strings.Join(args, ""))
		if err != nil {
			return err
		}
		return t.show(page.Groups, func(w io.Writer) {
			table(w, "ID\tKIND\tNAME\tMEMBERS", func(row func(...any)) {
				for _, g := range page.Groups {
					row(g.ID, g.Kind, g.Name, g.Members)
				}
			})
		})
	})
	c.ValidArgsFunction = t.completeKinds("")
	return c
}

func (t *tool) groupKindsCommand() *cobra.Command {
	return command("kinds", "List the kinds of group, and the settings that each has", 0, 0, func(ctx context.Context, _ []string) error {
		page, err := t.client.GroupKinds(ctx)
		if err != nil {
			return err
		}
		return t.show(page.Kinds, func(w io.Writer) {
			table(w, "KIND\tSETTING\tTAKES\tDEFAULT\tLABEL", func(row func(...any)) {
				for _, k := range page.Kinds {
					for i := range k.Settings {
						a := &k.Settings[i]
						row(k.Kind, a.Name, takes(a), a.Default, a.Label)
					}
				}
			})
		})
	})
}

// findGroup finds the group that an argument names: by id, or as KIND=NAME.
func (t *tool) findGroup(ctx context.Context, ref string) (control.Group, error) {
	if id, err := strconv.ParseInt(ref, 10, 64); err == nil {
		return t.client.Group(ctx, id)
	}
	kind, name, ok := strings.Cut(ref, "=")
	if !ok {
		return control.Group{}, &usageError{fmt.Sprintf("%q is neither the id of a group nor KIND=NAME", ref), "for example desk=EMEA"}
	}
	page, err := t.client.Groups(ctx, kind)
	if err != nil {
		return control.Group{}, err
	}
	for _, g := range page.Groups {
		if strings.EqualFold(g.Name, name) {
			return g, nil
		}
	}
	return control.Group{}, &control.Problem{Message: fmt.Sprintf("there is no %s %q", kind, name), Hint: "rosterctl groups list " + kind, Code: control.CodeNotFound}
}

// groupCommand is a command on one group.
func (t *tool) groupCommand(use, short string, most int, f func(ctx context.Context, g *control.Group, args []string) error) *cobra.Command {
	c := command(use, short, 1, most, func(ctx context.Context, args []string) error {
		g, err := t.findGroup(ctx, args[0])
		if err != nil {
			return err
		}
		return f(ctx, &g, args[1:])
	})
	c.ValidArgsFunction = t.completeKinds("=")
	return c
}

func (t *tool) groupShowCommand() *cobra.Command {
	return t.groupCommand("show ID|KIND=NAME", "Show a group with its settings", 1, func(_ context.Context, g *control.Group, _ []string) error {
		return t.showGroup(g)
	})
}

func (t *tool) showGroup(g *control.Group) error {
	return t.show(g, func(w io.Writer) {
		members := "members"
		if g.Members == 1 {
			members = "member"
		}
		fmt.Fprintf(w, "%s %s: id %d, %d %s\n", g.Kind, plain(g.Name), g.ID, g.Members, members)
		printSettings(w, g.Settings)
	})
}

func printSettings(w io.Writer, settings map[control.Field]any) {
	table(w, "", func(row func(...any)) {
		for _, f := range slices.Sorted(maps.Keys(settings)) {
			row("  "+string(f), valueText(settings[f]))
		}
	})
}

func (t *tool) groupAddCommand() *cobra.Command {
	c := command("add KIND=NAME [SETTING=VALUE...]", "Add a group", 1, -1, func(ctx context.Context, args []string) error {
		kind, name, ok := strings.Cut(args[0], "=")
		if !ok {
			return &usageError{fmt.Sprintf("%q is not KIND=NAME", args[0]), "for example desk=EMEA"}
		}
		settings, err := parseAssignments(args[1:])
		if err != nil {
			return err
		}
		g, err := t.client.AddGroup(ctx, control.NewGroup{Kind: control.GroupKindName(kind), Name: name, Settings: settings})
		if err != nil {
			return err
		}
		return t.showGroup(&g)
	})
	c.ValidArgsFunction = t.completeKinds("=")
	return c
}

func (t *tool) groupEditCommand() *cobra.Command {
	var name string
	c := t.groupCommand("edit ID|KIND=NAME [SETTING=VALUE...] [--name NAME]", "Rename a group, or change its settings", -1, func(ctx context.Context, g *control.Group, args []string) error {
		settings, err := parseAssignments(args)
		if err != nil {
			return err
		}
		e := control.GroupEdit{Settings: settings}
		if name != "" {
			e.Name = &name
		}
		after, err := t.client.EditGroup(ctx, g.ID, e)
		if err != nil {
			return err
		}
		return t.showGroup(&after)
	})
	c.Flags().StringVar(&name, "name", "", "the new `name`")
	return c
}

func (t *tool) groupDeleteCommand() *cobra.Command {
	var moveTo string
	var yes bool
	c := t.groupCommand("delete ID|KIND=NAME [--move-to NAME]", "Delete a group", 1, func(ctx context.Context, g *control.Group, _ []string) error {
		if err := t.confirmAct(fmt.Sprintf("delete the %s %s, which %d users are in", g.Kind, plain(g.Name), g.Members), yes); err != nil {
			return err
		}
		d, err := t.client.DeleteGroup(ctx, g.ID, moveTo)
		if err != nil {
			return err
		}
		return t.show(d, func(w io.Writer) { fmt.Fprintf(w, "%s %s deleted, %d users moved\n", g.Kind, plain(g.Name), d.Moved) })
	})
	c.Flags().StringVar(&moveTo, "move-to", "", "`name` of the group of the same kind that its members go to")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// completeKinds completes a kind of group.
func (t *tool) completeKinds(end string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || t.connect(c) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		page, err := t.client.GroupKinds(c.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var list []string
		for _, k := range page.Kinds {
			if word := string(k.Kind) + end; strings.HasPrefix(word, begun) {
				list = append(list, word)
			}
		}
		how := cobra.ShellCompDirectiveNoFileComp
		if end != "" {
			how |= cobra.ShellCompDirectiveNoSpace
		}
		return list, how
	}
}
