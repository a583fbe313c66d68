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

func (t *tool) orgCommand() *cobra.Command {
	return group("org", "Show and change what the org is entitled to, its defaults and its numbers",
		command("show", "Show what the org is entitled to, and its defaults", 0, 0, func(ctx context.Context, _ []string) error {
			v, err := t.client.OrgSettings(ctx)
			if err != nil {
				return err
			}
			return t.showOrg(&v)
		}),
		t.orgSetCommand(),
		command("region COUNTRY", "Say which dial region serves a country", 1, 1, func(ctx context.Context, args []string) error {
			r, err := t.client.Region(ctx, strings.ToUpper(args[0]))
			if err != nil {
				return err
			}
			return t.show(r, func(w io.Writer) {
				fmt.Fprintf(w, "%s: configured %s, effective %s\n", r.Country, plain(r.Configured), plain(r.Effective))
				if !r.Entitled && r.Configured != r.Effective {
					fmt.Fprintln(w, "international dialing is not granted to the org")
				}
			})
		}),
		t.orgExtensionsCommand(), t.orgNumbersCommand(),
	)
}

func (t *tool) showOrg(v *control.OrgView) error {
	return t.show(v, func(w io.Writer) {
		fmt.Fprintln(w, v.Org)
		printSettings(w, v.Settings)
	})
}

func (t *tool) orgSetCommand() *cobra.Command {
	c := command("set SETTING=VALUE...", "Change settings of the org; entitlements are for support", 1, -1, func(ctx context.Context, args []string) error {
		settings, err := parseAssignments(args)
		if err != nil {
			return err
		}
		v, err := t.client.EditOrg(ctx, settings)
		if err != nil {
			return err
		}
		return t.showOrg(&v)
	})
	c.ValidArgsFunction = func(c *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		if t.connect(c) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		v, err := t.client.OrgSettings(c.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var list []string
		for _, a := range v.Attributes {
			if word := string(a.Name) + "="; strings.HasPrefix(word, begun) {
				list = append(list, word)
			}
		}
		return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	return c
}

func (t *tool) orgExtensionsCommand() *cobra.Command {
	return command("extensions [N]", "List the next extensions that nobody has", 0, 1, func(ctx context.Context, args []string) error {
		n := 10
		if len(args) > 0 {
			var err error
			if n, err = strconv.Atoi(args[0]); err != nil || n < 1 {
				return &usageError{fmt.Sprintf("%q is not a number of extensions", args[0]), ""}
			}
		}
		page, err := t.client.FreeExtensions(ctx, n)
		if err != nil {
			return err
		}
		return t.show(page.Extensions, func(w io.Writer) {
			for _, e := range page.Extensions {
				fmt.Fprintln(w, e)
			}
		})
	})
}

func (t *tool) orgNumbersCommand() *cobra.Command {
	var available bool
	list := command("list [--available]", "List the telephone numbers of the org", 0, 0, func(ctx context.Context, _ []string) error {
		numbers := []control.Number{}
		for after := ""; ; {
			page, err := t.client.Numbers(ctx, available, after)
			if err != nil {
				return err
			}
			if numbers = append(numbers, page.Numbers...); page.Next == "" {
				break
			}
			after = page.Next
		}
		return t.show(numbers, func(w io.Writer) {
			table(w, "NUMBER\tKIND\tLOCATION\tUSER\tNOTE", func(row func(...any)) {
				for _, n := range numbers {
					row(n.Number, n.Kind, n.Location, n.UserID, n.Note)
				}
			})
		})
	})
	list.Flags().BoolVar(&available, "available", false, "only those that can be somebody's personal number")
	var n control.Number
	add := command("add NUMBER", "Add a telephone number that the org has", 1, 1, func(ctx context.Context, args []string) error {
		n.Number = args[0]
		added, err := t.client.AddNumber(ctx, n)
		if err != nil {
			return err
		}
		return t.show(added, func(w io.Writer) { fmt.Fprintln(w, added.Number, "added") })
	})
	add.Flags().StringVar(&n.Kind, "kind", "location", "location or personal")
	add.Flags().StringVar(&n.Location, "location", "", "`name` of the location")
	add.Flags().StringVar(&n.Note, "note", "", "what it is for")
	_ = add.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions([]string{"location", "personal"}, cobra.ShellCompDirectiveNoFileComp))
	return group("numbers", "Show and change the telephone numbers of the org", list, add,
		command("remove NUMBER", "Remove a telephone number that nobody has", 1, 1, func(ctx context.Context, args []string) error {
			gone, err := t.client.RemoveNumber(ctx, args[0])
			if err != nil {
				return err
			}
			return t.show(gone, func(w io.Writer) { fmt.Fprintln(w, plain(gone.Number), "removed") })
		}))
}

func (t *tool) inboundCommand() *cobra.Command {
	return command("inbound ID NUMBER", "Say whether a call from a number would reach a user", 2, 2, func(ctx context.Context, args []string) error {
		r, err := t.client.Inbound(ctx, args[0], args[1])
		if err != nil {
			return err
		}
		return t.show(r, func(w io.Writer) {
			if r.Allowed {
				fmt.Fprintln(w, "yes")
			} else {
				fmt.Fprintln(w, "no:", plain(r.Why))
			}
		})
	})
}
