package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) askAuthorizationCommand() *cobra.Command {
	var a control.Asking
	c := command("ask-authorization ID [--again] [--reason TEXT]", "Ask a user to let the dialer act for them in Salesforce", 1, 1, func(ctx context.Context, args []string) error {
		done, err := t.client.AskAuthorization(ctx, args[0], a)
		if err != nil {
			return err
		}
		return t.show(done, func(w io.Writer) { printAuthorization(w, &done) })
	})
	c.Long = c.Short + `, by the page and the words that the org has set:

  rosterctl org set authorization_link=https://dialer.example.com/connect
  rosterctl users list --filter 'sf_authorization!=authorized' --columns sf_authorization,sf_authorization_asked_at
  rosterctl mass ask --filter sf_authorization=not_started

Whoever was asked, or has authorized, is not asked again without --again.`
	c.Flags().BoolVar(&a.Again, "again", false, "though they were asked, or have authorized")
	c.Flags().StringVar(&a.Reason, "reason", "", "why, for the activity log")
	return c
}

func (t *tool) setAuthorizationCommand() *cobra.Command {
	var a control.Authorization
	c := command("set-authorization ID STATE --reason TEXT", "Say what became of a user's authorization in Salesforce", 2, 2, func(ctx context.Context, args []string) error {
		if a.Reason == "" {
			return &usageError{"say how it is known: --reason TEXT", ""}
		}
		a.State = args[1]
		done, err := t.client.SetAuthorization(ctx, args[0], a)
		if err != nil {
			return err
		}
		return t.show(done, func(w io.Writer) { printAuthorization(w, &done) })
	})
	c.Long = c.Short + `: not_started, authorized, revoked, expired or error. The
dialer's programs say so by themselves when the user does it.`
	c.Flags().StringVar(&a.Reason, "reason", "", "how it is known, for the activity log")
	return c
}

func printAuthorization(w io.Writer, a *control.Acted) {
	done := "is"
	if a.Outcome == "unchanged" {
		done = "was already"
	}
	fmt.Fprintf(w, "the authorization of %s %s %s\n", plain(a.User.Username), done, a.User.Authorization)
}
