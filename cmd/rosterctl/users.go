package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) usersCommand() *cobra.Command {
	return group("users", "Show and steer the dialer's users",
		t.usersListCommand(), t.showUserCommand(), t.explainCommand(), t.addCommand(),
		t.actCommand("activate", "Give a user access again; takes a seat", (*control.Client).Activate),
		t.actCommand("deactivate", "End a user's access now; frees the seat and ends every session", (*control.Client).Deactivate),
		t.refreshCommand(), t.resetPasswordCommand(), t.resetFactorCommand(), t.requireFactorCommand(), t.inviteCommand(),
		t.askAuthorizationCommand(), t.setAuthorizationCommand(), t.superuserCommand(), t.editCommand(), t.createCommand(), t.deleteCommand(), t.reseedCommand(), t.attributesCommand(),
		t.exportCommand(), t.importCommand(), t.inboundCommand(),
	)
}

func (t *tool) usersListCommand() *cobra.Command {
	f := control.UserFilter{Order: "username"}
	c := command("list [flags]", "List users", 0, 0, func(ctx context.Context, _ []string) error {
		if err := notNegative("--limit", int64(f.Limit), " (0 means all)"); err != nil {
			return err
		}
		users := t.client.Users(ctx, f)
		if t.format == "json" {
			return writeArray(t.out, users)
		}
		return listUsers(t.out, users, f.Columns)
	})
	filterFlags(c, &f)
	c.Flags().IntVar(&f.Limit, "limit", 0, "how many at most; 0 means all")
	c.Flags().StringVar(&f.Order, "sort", f.Order, "`KEY` to sort by: id, username, salesforce_id, last_name, first_name, email, extension, updated_at or created_at")
	c.Flags().BoolVar(&f.Desc, "desc", false, "sort the other way round")
	c.Flags().StringSliceVar(&f.Columns, "columns", nil, "`NAMES` of attributes to show, separated by commas")
	_ = c.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(
		[]string{"id", "username", "salesforce_id", "last_name", "first_name", "email", "extension", "updated_at", "created_at"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("columns", t.completeNames(0))
	return c
}

// listed is how many rows a table of unknown length lines up at a time.
const listed = 1000

// listUsers prints users with the usual columns, or with those asked for.
func listUsers(w io.Writer, users iter.Seq2[control.User, error], columns []string) error {
	head := "ID\tNAME\tUSERNAME\tSTATUS\tWHY\tSEATS\tGROUP\tEXT"
	if len(columns) > 0 {
		head = "USERNAME\tSTATUS\t" + strings.ToUpper(strings.Join(columns, "\t"))
	}
	var page []control.User
	flush := func() error {
		err := writeTable(w, head, func(row func(...any)) {
			for _, u := range page {
				if len(columns) > 0 {
					cells := []any{u.Username, u.Status}
					for _, name := range columns {
						cells = append(cells, valueText(u.Attributes[control.Field(name)]))
					}
					row(cells...)
					continue
				}
				row(u.ID, strings.TrimSpace(u.FirstName+" "+u.LastName), u.Username, u.Status, why(&u), u.LicenseTypes, u.PermissionGroup, u.Extension)
			}
		})
		page, head = page[:0], ""
		return err
	}
	for u, err := range users {
		if err != nil {
			return err
		}
		if page = append(page, u); len(page) == listed {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(page) > 0 || head != "" {
		return flush()
	}
	return nil
}

func why(u *control.User) string {
	if u.DeactivateAt != nil {
		return "leaves " + at(*u.DeactivateAt)
	}
	return string(u.StatusReason)
}

// writeArray writes users as they come, so that a long list needs no memory.
func writeArray(w io.Writer, users iter.Seq2[control.User, error]) error {
	sep := "["
	for u, err := range users {
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(u, "  ", "  ")
		if err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
		if _, err := fmt.Fprintf(w, "%s\n  %s", sep, text); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
		sep = ","
	}
	end := "\n]\n"
	if sep == "[" {
		end = "[]\n"
	}
	_, err := io.WriteString(w, end)
	return err
}

func (t *tool) showUserCommand() *cobra.Command {
	return command("show ID", "Show a user, by id, Salesforce id, user name or e-mail address", 1, 1, func(ctx context.Context, args []string) error {
		u, err := t.client.User(ctx, args[0])
		if err != nil {
			return err
		}
		return t.show(u, func(w io.Writer) { printUser(w, &u) })
	})
}

func printUser(w io.Writer, u *control.User) {
	name := strings.TrimSpace(u.FirstName + " " + u.LastName)
	if name == "" {
		name = u.Username
	}
	fmt.Fprintf(w, "%s: %s", plain(name), u.Status)
	if y := why(u); y != "" {
		fmt.Fprintf(w, " (%s)", y)
	}
	fmt.Fprintln(w)
	line(w, "id", u.ID)
	line(w, "salesforce", u.SalesforceID)
	line(w, "integration", strings.TrimSpace(u.IntegrationStatus+" "+u.IntegrationReason))
	if u.SalesforceID != "" {
		line(w, "authorization", u.Authorization)
	}
	line(w, "username", u.Username)
	line(w, "email", u.Email)
	line(w, "title", u.Title)
	line(w, "employee", u.EmployeeNumber)
	line(w, "phone", u.Phone)
	line(w, "mobile", u.Mobile)
	line(w, "extension", u.Extension)
	line(w, "time zone", u.Timezone)
	line(w, "language", u.Language)
	line(w, "seats", u.LicenseTypes)
	for _, g := range u.Groups {
		line(w, strings.ReplaceAll(string(g.Kind), "_", " "), g.Name)
	}
	if u.AdminHold {
		line(w, "hold", "deactivated by hand: the sync does not reactivate")
	}
	if u.Protected {
		line(w, "protected", "the sync never touches this user")
	}
	line(w, "created", u.CreatedAt)
	line(w, "updated", u.UpdatedAt)
	line(w, "version", u.Version)
}

func (t *tool) actCommand(name, short string, f func(*control.Client, context.Context, string, control.Action) (control.Acted, error)) *cobra.Command {
	var how control.Action
	c := command(name+" ID [flags]", short, 1, 1, func(ctx context.Context, args []string) error {
		if err := notNegative("--version", how.Version, ""); err != nil {
			return err
		}
		a, err := f(t.client, ctx, args[0], how)
		if err != nil {
			return err
		}
		return t.show(a, func(w io.Writer) {
			done := "is"
			if a.Outcome == "unchanged" {
				done = "was already"
			}
			fmt.Fprintf(w, "%s %s %s\n", plain(a.User.Username), done, a.User.Status)
			if a.Warning != "" {
				fmt.Fprintln(t.err, "warning:", a.Warning)
			}
		})
	})
	c.Flags().StringVar(&how.Reason, "reason", "", "why, for the activity log")
	c.Flags().Int64Var(&how.Version, "version", 0, "refuse if the user is not at this version any more")
	if name == "activate" {
		c.Flags().StringArrayVar(&how.Licenses, "license", nil, "take a seat of this `type` instead of the default ones; may be repeated")
	}
	return c
}

func (t *tool) refreshCommand() *cobra.Command {
	var reason string
	c := command("refresh ID [--reason TEXT]", "Read one user from Salesforce now, and wait", 1, 1, func(ctx context.Context, args []string) error {
		s, err := t.client.Refresh(ctx, args[0], reason)
		if err != nil {
			return err
		}
		return t.started(ctx, s, true)
	})
	c.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	return c
}

func (t *tool) addCommand() *cobra.Command {
	var p control.NewPeople
	var set, each []string
	c := command("add ID... [flags]", "Add Salesforce users to the dialer, by Salesforce id, user name or e-mail address", 1, -1, func(ctx context.Context, args []string) (err error) {
		p.Users = args
		if p.Attributes, err = parseAssignments(set); err != nil {
			return err
		}
		if p.Overrides, err = overrides(each, args); err != nil {
			return err
		}
		a, err := t.client.AddPeople(ctx, p)
		if err != nil {
			return err
		}
		err = t.show(a.Results, func(w io.Writer) {
			table(w, "WHO\tOUTCOME\tUSER\tDETAIL", func(row func(...any)) {
				for _, r := range a.Results {
					row(r.Ref, r.Outcome, r.UserID, r.Detail)
				}
			})
		})
		if err != nil {
			return err
		}
		return addCode(a.Results)
	})
	c.Flags().StringVar(&p.Reason, "reason", "", "why, for the activity log")
	t.peopleFlags(c, &p, &set, &each)
	return c
}

// addCode is the exit code of an addition: no seat for anybody outweighs
// refused, and not found is only said when nobody was found.
func addCode(results []control.AddResult) error {
	noSeat, refused, unknown := 0, 0, 0
	for _, r := range results {
		switch {
		case r.Outcome == "no_seat":
			noSeat++
		case r.Outcome == "refused" && r.SalesforceID == "":
			unknown++
		case r.Outcome == "refused", r.Outcome != "already" && r.Detail != "": // added, but not set up
			refused++
		}
	}
	switch {
	case noSeat > 0:
		return codeError(exitNoSeat)
	case unknown == len(results):
		return codeError(exitNotFound)
	case refused+unknown > 0:
		return codeError(exitIssues)
	}
	return nil
}
