package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

const editHelp = `

An attribute is given as NAME=VALUE; NAME= brings it back to its default. Of groups, NAME+=GROUP
adds one and NAME-=GROUP takes one away; a name that is given several times is a list.
'rosterctl users attributes' lists the names.

  rosterctl users edit rep1@example.com ring_timeout_seconds=30 role+=Closer tag-=old`

func (t *tool) editCommand() *cobra.Command {
	var reason string
	var version int64
	c := command("edit ID NAME=VALUE... [flags]", "Change attributes of a user", 2, -1, func(ctx context.Context, args []string) error {
		if err := notNegative("--version", version, ""); err != nil {
			return err
		}
		e, err := parseEdit(args[1:])
		if err != nil {
			return err
		}
		e.Reason = reason
		a, err := t.client.EditUser(ctx, args[0], e, version)
		if err != nil {
			return err
		}
		return t.show(a, func(w io.Writer) { printActed(w, &a, "changed") })
	})
	c.Long = c.Short + "." + editHelp
	c.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	c.Flags().Int64Var(&version, "version", 0, "refuse if the user is not at this version any more")
	c.ValidArgsFunction = t.completeAssignments(1)
	return c
}

// printActed tells what came of an act on one user.
func printActed(w io.Writer, a *control.Acted, done string) {
	if a.Outcome == "unchanged" {
		done = "was so already"
	}
	fmt.Fprintf(w, "%s %s, version %d\n", plain(a.User.Username), done, a.User.Version)
}

// parseEdit reads NAME=VALUE, NAME+=GROUP and NAME-=GROUP.
func parseEdit(terms []string) (control.Edit, error) {
	e := control.Edit{Attributes: map[string]any{}, Add: map[string][]string{}, Remove: map[string][]string{}}
	for _, term := range terms {
		name, value, ok := strings.Cut(term, "=")
		list := map[byte]map[string][]string{'+': e.Add, '-': e.Remove}
		switch {
		case !ok || strings.Trim(name, "+-") == "":
			return e, &usageError{fmt.Sprintf("%q is not NAME=VALUE", term), "for example ring_timeout_seconds=30, role+=Closer or tag-=old"}
		case list[name[len(name)-1]] != nil:
			to := list[name[len(name)-1]]
			name = name[:len(name)-1]
			to[name] = append(to[name], value)
		default:
			setValue(e.Attributes, name, value)
		}
	}
	return e, nil
}

// setValue sets a value given as text. One that is given again makes a list.
func setValue(values map[string]any, name, value string) {
	switch was := values[name].(type) {
	case string:
		values[name] = []string{was, value}
	case []string:
		values[name] = append(was, value)
	default:
		values[name] = value
		if value == "" {
			values[name] = nil
		}
	}
}

// parseAssignments reads NAME=VALUE alone.
func parseAssignments(terms []string) (map[string]any, error) {
	e, err := parseEdit(terms)
	if err == nil && len(e.Add)+len(e.Remove) > 0 {
		err = &usageError{"here attributes are given as NAME=VALUE only", ""}
	}
	return e.Attributes, err
}

func (t *tool) createCommand() *cobra.Command {
	var n control.NewUser
	c := command("create NAME=VALUE... [flags]", "Create a user who is not of Salesforce", 1, -1, func(ctx context.Context, args []string) (err error) {
		if n.Attributes, err = parseAssignments(args); err != nil {
			return err
		}
		a, err := t.client.CreateUser(ctx, n)
		if err != nil {
			return err
		}
		return t.show(a, func(w io.Writer) { fmt.Fprintf(w, "%s created, id %s\n", plain(a.User.Username), a.User.ID) })
	})
	c.Long = c.Short + `, on license types that need no Salesforce user. People of Salesforce
are added with 'rosterctl users add'.

  rosterctl users create username=desk email=desk@example.com first_name=Front last_name=Desk`
	c.Flags().StringVar(&n.Reason, "reason", "", "why, for the activity log")
	c.Flags().StringArrayVar(&n.Licenses, "license", nil, "take a seat of this `type` instead of the default ones; may be repeated")
	c.Flags().BoolVar(&n.Inactive, "inactive", false, "without access, and without a seat")
	t.completeLicenses(c)
	c.ValidArgsFunction = t.completeAssignments(0)
	return c
}

func (t *tool) deleteCommand() *cobra.Command {
	var reason string
	var version int64
	var yes bool
	c := command("delete ID [flags]", "Delete a user: ends access and sessions, frees the seats, unassigns the leads", 1, 1, func(ctx context.Context, args []string) error {
		if err := notNegative("--version", version, ""); err != nil {
			return err
		}
		u, err := t.client.User(ctx, args[0])
		if err != nil {
			return err
		}
		if u.Status != "deleted" {
			what := fmt.Sprintf("delete %s (%s), who is %s and holds %s", plain(u.Username), u.ID, u.Status, count(len(u.LicenseTypes), "seat"))
			if err := t.confirmAct(what, yes); err != nil {
				return err
			}
		}
		a, err := t.client.DeleteUser(ctx, u.ID, reason, version)
		if err != nil {
			return err
		}
		return t.show(a, func(w io.Writer) { printActed(w, &a, "deleted") })
	})
	c.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	c.Flags().Int64Var(&version, "version", 0, "refuse if the user is not at this version any more")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// confirmAct asks before something that cannot be taken back; where there is
// nobody to ask, it wants --yes.
func (t *tool) confirmAct(what string, yes bool) error {
	switch {
	case yes:
		return nil
	case !terminal(t.in):
		return &usageError{"this would " + what, "say --yes to do it"}
	}
	return t.confirm("This will " + what + ". Go on?")
}

func (t *tool) reseedCommand() *cobra.Command {
	var reason string
	c := command("reseed ID [NAME...] [flags]", "Write once more what Salesforce gave at creation", 1, -1, func(ctx context.Context, args []string) error {
		a, err := t.client.ReseedUser(ctx, args[0], args[1:], reason)
		if err != nil {
			return err
		}
		return t.show(a, func(w io.Writer) { printActed(w, &a, "seeded again") })
	})
	c.Long = c.Short + ": the attributes named, or all that are seeded."
	c.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	c.ValidArgsFunction = t.completeNames(1)
	return c
}

func (t *tool) attributesCommand() *cobra.Command {
	return command("attributes", "List the attributes that a user has", 0, 0, func(ctx context.Context, _ []string) error {
		page, err := t.client.Attributes(ctx)
		if err != nil {
			return err
		}
		return t.show(page.Attributes, func(w io.Writer) {
			table(w, "NAME\tSECTION\tOWNER\tTAKES\tDEFAULT\tLABEL", func(row func(...any)) {
				for _, s := range page.Sections {
					for _, a := range page.Attributes {
						if a.Section == s {
							row(a.Name, a.Section, a.Owner, takes(&a), a.Default, a.Label)
						}
					}
				}
			})
		})
	})
}

// takes says what an attribute can hold, in a few words.
func takes(a *control.Attribute) string {
	switch {
	case a.Derived || a.Owner == "system":
		return "nothing: it follows from what happens"
	case len(a.Choices) > 0:
		return strings.Join(a.Choices, ", ")
	case a.Kind == "number" && a.Max > 0:
		return fmt.Sprintf("number from %d to %d", a.Min, a.Max)
	case a.Kind == "groups" && a.Single:
		return "a group"
	case a.Format != "":
		return string(a.Kind) + ": " + strings.ReplaceAll(a.Format, "_", " ")
	}
	return string(a.Kind)
}

// completeNames completes names of attributes from the argument at on.
func (t *tool) completeNames(from int) cobra.CompletionFunc {
	return t.complete(from, func(a *control.Attribute) []string { return []string{string(a.Name)} }, cobra.ShellCompDirectiveNoFileComp)
}

// completeAssignments completes NAME=VALUE from the argument at on, with the
// values where there are few.
func (t *tool) completeAssignments(from int) cobra.CompletionFunc {
	return t.complete(from, func(a *control.Attribute) []string {
		name := string(a.Name)
		switch {
		case a.Kind == "flag":
			return []string{name + "=true", name + "=false"}
		case len(a.Choices) > 0:
			list := slices.Clone(a.Choices)
			for i := range list {
				list[i] = name + "=" + list[i]
			}
			return list
		case a.Kind == "groups" && !a.Single:
			return []string{name + "=", name + "+=", name + "-="}
		}
		return []string{name + "="}
	}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace)
}

func (t *tool) complete(from int, words func(*control.Attribute) []string, how cobra.ShellCompDirective) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) < from || t.connect(c) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		page, err := t.client.Attributes(c.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var list []string
		for i := range page.Attributes {
			if a := &page.Attributes[i]; !a.Derived && a.Owner != "system" {
				for _, word := range words(a) {
					if strings.HasPrefix(word, begun) {
						list = append(list, word)
					}
				}
			}
		}
		return list, how
	}
}

// completeLicenses completes the license types of a flag --license.
func (t *tool) completeLicenses(c *cobra.Command) {
	_ = c.RegisterFlagCompletionFunc("license", func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		if t.connect(c) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		page, err := t.client.Licenses(c.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var list []string
		for _, l := range page.Licenses {
			list = append(list, l.Type)
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	})
}

// valueText shows a value of an attribute on one line.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []any:
		texts := make([]string, 0, len(v))
		for _, one := range v {
			texts = append(texts, valueText(one))
		}
		return strings.Join(texts, ", ")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
