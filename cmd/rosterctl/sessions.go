package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) sessionsCommand() *cobra.Command {
	return group("sessions", "Show who is signed in, and end sessions", t.sessionsListCommand(), t.sessionsEndCommand(), t.sessionsEditCommand())
}

func (t *tool) sessionsListCommand() *cobra.Command {
	f := control.SessionFilter{Limit: 100}
	ended := false
	c := command("list [flags]", "List sessions, the latest first", 0, 0, func(ctx context.Context, _ []string) error {
		if err := notNegative("--limit", int64(f.Limit), " (0 means all)"); err != nil {
			return err
		}
		f.Open = !ended
		list := []control.Session{}
		for s, err := range t.client.Sessions(ctx, f) {
			if err != nil {
				return err
			}
			list = append(list, s)
		}
		return t.show(list, func(w io.Writer) {
			table(w, "ID\tUSER\tCLIENT\tADDRESS\tSTARTED\tLAST SEEN\tENDED\tWHY", func(row func(...any)) {
				for _, s := range list {
					row(s.ID, s.UserID, s.Client, s.IP, s.StartedAt, s.LastSeenAt, s.EndedAt, s.EndReason)
				}
			})
		})
	})
	c.Flags().StringVar(&f.User, "user", "", "only of this user: `ID|EMAIL`")
	c.Flags().BoolVar(&ended, "ended", false, "those that have ended too")
	c.Flags().IntVar(&f.Limit, "limit", f.Limit, "how many at most; 0 means all")
	return c
}

func (t *tool) sessionsEndCommand() *cobra.Command {
	var e control.SessionEnd
	var yes bool
	c := command("end {ID | --user ID | --all} [--reason TEXT] [--yes]", "End a session, all of a user, or everybody's", 0, 1, func(ctx context.Context, args []string) error {
		given := len(args)
		for _, is := range []bool{e.User != "", e.All} {
			if is {
				given++
			}
		}
		if given != 1 {
			return &usageError{"say which sessions: an ID, --user or --all", "list them to see their ids: rosterctl sessions list"}
		}
		if e.All && !yes {
			if t.format != "text" || !terminal(t.in) {
				return &usageError{"this would sign everybody out", "say --yes to do it"}
			}
			if err := t.confirm("Sign everybody out?"); err != nil {
				return err
			}
		}
		var done control.EndedSessions
		var err error
		if len(args) == 1 {
			done, err = t.client.EndSession(ctx, args[0], e.Reason)
		} else {
			done, err = t.client.EndSessions(ctx, e)
		}
		if err != nil {
			return err
		}
		return t.show(done, func(w io.Writer) { fmt.Fprintf(w, "%s ended\n", count(int(done.Ended), "session")) })
	})
	c.Flags().StringVar(&e.User, "user", "", "all sessions of this user: `ID|EMAIL`")
	c.Flags().BoolVar(&e.All, "all", false, "everybody's")
	c.Flags().StringVar(&e.Reason, "reason", "", "why, for the activity log")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func (t *tool) sessionsEditCommand() *cobra.Command {
	var e control.SelfEdit
	file := ""
	c := command("edit NAME=VALUE... --session FILE --ip ADDRESS", "Change what users may set for themselves, on behalf of who is signed in", 1, -1,
		func(ctx context.Context, args []string) (err error) {
			if file == "" || e.IP == "" {
				return &usageError{"say whose session it is, and from where: --session FILE --ip ADDRESS", "the file holds what the sign-in gave as token; - is standard input"}
			}
			if e.Attributes, err = parseAssignments(args); err != nil {
				return err
			}
			in := t.in
			if file != "-" {
				f, err := os.Open(file)
				if err != nil {
					return fmt.Errorf("read the session: %w", err)
				}
				defer f.Close()
				in = f
			}
			text, err := io.ReadAll(io.LimitReader(in, 1000))
			if err != nil {
				return fmt.Errorf("read the session: %w", err)
			}
			e.Token = control.Secret(strings.TrimSpace(string(text)))
			a, err := t.client.EditSelf(ctx, e)
			if err != nil {
				return err
			}
			return t.show(a, func(w io.Writer) { printActed(w, &a, "changed") })
		})
	c.Long = c.Short + `, such as their own caller ID.
It needs a token of the role dialer or admin, and the session's own, which is never an argument:
arguments are seen by everybody on the machine.

  rosterctl sessions edit caller_id_user_override=+12025550143 --session token --ip 192.0.2.7`
	c.Flags().StringVar(&file, "session", "", "`FILE` with the session's token; - is standard input")
	c.Flags().StringVar(&e.IP, "ip", "", "`ADDRESS` that the user comes from")
	return c
}

func (t *tool) resetPasswordCommand() *cobra.Command {
	var keep bool
	var reason string
	c := command("reset-password ID [--permanent] [--reason TEXT]", "Make a new password for a user, shown this once; ends their sessions", 1, 1, func(ctx context.Context, args []string) error {
		p, err := t.client.ResetPassword(ctx, args[0], !keep, reason)
		if err != nil {
			return err
		}
		// Encoded, a secret is as it is; printed, it is hidden.
		return t.show(p, func(w io.Writer) {
			fmt.Fprintln(w, string(p.Password))
			fmt.Fprintf(t.err, "this is the only time it is shown; %s ended\n", count(int(p.SessionsEnded), "session"))
			if p.MustChange {
				fmt.Fprintln(t.err, "the user must choose another at the next sign-in")
			}
		})
	})
	c.Flags().BoolVar(&keep, "permanent", false, "the user need not choose another at the next sign-in")
	c.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	return c
}

func (t *tool) resetFactorCommand() *cobra.Command {
	var reason string
	c := command("reset-2fa ID [--reason TEXT]", "Delete a user's second factor and its backup codes; ends their sessions", 1, 1, func(ctx context.Context, args []string) error {
		r, err := t.client.ResetFactor(ctx, args[0], reason)
		if err != nil {
			return err
		}
		return t.show(r, func(w io.Writer) {
			fmt.Fprintf(w, "the second factor is gone, and a new one must be enrolled; %s ended\n", count(int(r.SessionsEnded), "session"))
		})
	})
	c.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	return c
}

func (t *tool) requireFactorCommand() *cobra.Command {
	var no bool
	c := command("require-2fa ID [--no]", "Have a user enroll a second factor", 1, 1, func(ctx context.Context, args []string) error {
		s, err := t.client.RequireFactor(ctx, args[0], !no)
		if err != nil {
			return err
		}
		return t.show(s, func(w io.Writer) {
			fmt.Fprintf(w, "second factor: %s, required: %t\n", s.Credential.SecondFactor, s.Credential.MustEnroll)
		})
	})
	c.Flags().BoolVar(&no, "no", false, "the user need not any more")
	return c
}

func (t *tool) inviteCommand() *cobra.Command {
	var again bool
	var reason string
	c := command("invite ID [--again] [--reason TEXT]", "Invite a user to set a password", 1, 1, func(ctx context.Context, args []string) error {
		i, err := t.client.Invite(ctx, args[0], again, reason)
		if err != nil {
			return err
		}
		return t.show(i, func(w io.Writer) {
			fmt.Fprintf(w, "invitation %d: %s, good until %s\n", i.Epoch, i.State, at(i.ExpiresAt))
		})
	})
	c.Flags().BoolVar(&again, "again", false, "once more, which makes the earlier ones void")
	c.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	return c
}
