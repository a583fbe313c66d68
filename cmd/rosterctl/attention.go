package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) attentionCommand() *cobra.Command {
	return group("attention", "Show and settle what only a person can decide", t.attentionListCommand(), t.resolveCommand())
}

func (t *tool) attentionListCommand() *cobra.Command {
	ignored := false
	c := command("list [--ignored]", "List what only a person can decide", 0, 0, func(ctx context.Context, _ []string) error {
		read := t.client.Attention
		if ignored {
			read = t.client.IgnoredAttention
		}
		page, err := read(ctx)
		if err != nil {
			return err
		}
		return t.show(page.Attention, func(w io.Writer) {
			head := "ID\tKIND\tUSER\tSINCE\tDETAIL"
			if ignored {
				head += "\tIGNORED BY\tBECAUSE"
			}
			table(w, head, func(row func(...any)) {
				for _, i := range page.Attention {
					cells := []any{i.ID, i.Kind, i.User, i.Since, i.Detail}
					if i.Ignored != nil {
						cells = append(cells, i.Ignored.By, i.Ignored.Reason)
					}
					row(cells...)
				}
			})
		})
	})
	c.Flags().BoolVar(&ignored, "ignored", false, "those that were ignored instead")
	return c
}

func (t *tool) resolveCommand() *cobra.Command {
	var how control.Settlement
	ignore := false
	c := command("resolve ID [--accept USER | --ignore] [--reason TEXT]", "Settle an item; what it is about is tried again", 1, 1, func(ctx context.Context, args []string) error {
		id, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil {
			return &usageError{fmt.Sprintf("%q is not the id of an attention item", args[0]), "list them to see their ids: rosterctl attention list"}
		}
		switch {
		case ignore && how.User != "":
			return &usageError{"--accept and --ignore do not go together", ""}
		case ignore && how.Reason == "":
			return &usageError{"say why it is ignored: --reason TEXT", ""}
		case ignore:
			how.How = "ignore"
		case how.User != "":
			how.How = "accept"
		}
		r, err := t.client.Resolve(ctx, id, how)
		if err != nil {
			return err
		}
		done := "settled"
		if ignore {
			done = "ignored until its Salesforce user, or what is wrong, changes"
		}
		return t.show(r, func(w io.Writer) { fmt.Fprintf(w, "item %d is %s\n", r.ID, done) })
	})
	c.Long = c.Short + `. Of an ambiguous match, --accept links the dialer
user who is the person. With --ignore it stays as it is, and comes back when the Salesforce user,
or what is wrong with them, changes; to resolve it without a flag ends that.`
	c.Flags().StringVar(&how.User, "accept", "", "this dialer `USER` is the person: id, user name or e-mail address")
	c.Flags().BoolVar(&ignore, "ignore", false, "leave it as it is")
	c.Flags().StringVar(&how.Reason, "reason", "", "why")
	return c
}
