package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) superuserCommand() *cobra.Command {
	var reason string
	var confirm, withdraw bool
	c := command("superuser ID [--reason TEXT | --confirm | --withdraw]", "Ask for a superuser, or confirm one whom another administrator asked for", 1, 1,
		func(ctx context.Context, args []string) error {
			switch {
			case confirm && withdraw, confirm && reason != "":
				return &usageError{"--confirm goes alone", ""}
			case confirm:
				a, err := t.client.ConfirmSuperuser(ctx, args[0])
				if err != nil {
					return err
				}
				return t.show(a, func(w io.Writer) { printActed(w, &a, "is a superuser") })
			}
			var state control.SuperuserState
			var err error
			switch {
			case withdraw:
				_, err = t.client.WithdrawSuperuser(ctx, args[0], reason)
			case reason != "":
				_, err = t.client.AskSuperuser(ctx, args[0], reason)
			}
			if err == nil {
				state, err = t.client.SuperuserRequest(ctx, args[0])
			}
			if err != nil {
				return err
			}
			return t.show(state, func(w io.Writer) {
				if r := state.Request; r != nil {
					fmt.Fprintf(w, "%s asks for it, until %s: %s\n", plain(r.By.Name), at(r.Until), plain(r.Reason))
					return
				}
				fmt.Fprintln(w, "nobody asks for it")
			})
		})
	c.Long = c.Short + `, where the org asks for two:

  rosterctl org set two_person_superusers=true

Without a flag it says who asked. A request waits for a day.`
	c.Flags().StringVar(&reason, "reason", "", "ask for it, and why")
	c.Flags().BoolVar(&confirm, "confirm", false, "confirm what another administrator asked for")
	c.Flags().BoolVar(&withdraw, "withdraw", false, "end the request")
	return c
}
