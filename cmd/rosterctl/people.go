package main

import (
	"context"
	"fmt"
	"io"
	"maps"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) salesforceCommand() *cobra.Command {
	return group("sf", "Look at Salesforce as the last sync left it", t.peopleCommand())
}

func (t *tool) peopleCommand() *cobra.Command {
	var f control.PeopleFilter
	limit := 0
	c := command("users [flags]", "List Salesforce users, and who of them can be added", 0, 0, func(ctx context.Context, _ []string) error {
		if err := notNegative("--limit", int64(limit), " (0 means all)"); err != nil {
			return err
		}
		people := []control.Person{}
		for cursor := ""; ; {
			f.Limit = 500
			if limit > 0 {
				f.Limit = min(f.Limit, limit-len(people))
			}
			page, err := t.client.People(ctx, f, cursor)
			if err != nil {
				return err
			}
			people = append(people, page.People...)
			if cursor = page.Next; cursor == "" || limit > 0 && len(people) >= limit {
				break
			}
		}
		return t.show(people, func(w io.Writer) {
			table(w, "ID\tNAME\tEMAIL\tPROFILE\tCOUNTRY\tCAN BE ADDED", func(row func(...any)) {
				for _, p := range people {
					can := "yes"
					if !p.CanAdd {
						can = "no: " + p.Why
					}
					row(p.SalesforceID, p.Name, p.Email, p.Profile, p.Country, can)
				}
			})
		})
	})
	c.Long = c.Short + ". It costs no API call."
	g := c.Flags()
	g.StringVar(&f.Search, "search", "", "part of a name, user name or e-mail address, or a Salesforce id")
	g.StringVar(&f.Profile, "profile", "", "part of the profile's name")
	g.StringVar(&f.Role, "role", "", "part of the role's name")
	g.StringVar(&f.Department, "department", "", "part of the department")
	g.StringVar(&f.Country, "country", "", "part of the country or its code")
	g.BoolVar(&f.NotAdded, "not-added", false, "only who is not in the dialer")
	g.BoolVar(&f.Eligible, "eligible", false, "only who can be added")
	g.StringVar(&f.Order, "sort", "name", "`KEY` to sort by: name, username, email or id")
	g.IntVar(&limit, "limit", 0, "how many at most; 0 means all")
	_ = c.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions([]string{"name", "username", "email", "id"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// peopleFlags are what people who are added get.
func (t *tool) peopleFlags(c *cobra.Command, p *control.NewPeople, set, each *[]string) {
	f := c.Flags()
	f.StringVar(&p.Template, "template", "", "`name` of the template that they are set up from")
	f.StringArrayVar(&p.Licenses, "license", nil, "take a seat of this `type` beside the default ones; may be repeated")
	f.BoolVar(&p.Only, "only", false, "take the seats of --license, or of the template, instead of the default ones")
	f.StringArrayVar(set, "set", nil, "`NAME=VALUE` of an attribute for all of them; may be repeated")
	f.StringArrayVar(each, "set-for", nil, "`ID:NAME=VALUE`, an attribute for one of them; ID as it was given; may be repeated")
	t.completeLicenses(c)
	_ = c.RegisterFlagCompletionFunc("template", func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		if t.connect(c) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		page, err := t.client.Groups(c.Context(), "template")
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var list []string
		for _, g := range page.Groups {
			list = append(list, g.Name)
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	})
}

// overrides reads attributes for single people: ID:NAME=VALUE, where ID is one
// of those to be added.
func overrides(terms, refs []string) (map[string]map[string]any, error) {
	out := map[string]map[string]any{}
	for _, term := range terms {
		found := false
		for _, ref := range refs {
			rest, ok := cutRef(term, ref)
			if !ok {
				continue
			}
			one, err := parseAssignments([]string{rest})
			if err != nil {
				return nil, err
			}
			if out[ref] == nil {
				out[ref] = map[string]any{}
			}
			maps.Copy(out[ref], one)
			found = true
		}
		if !found {
			return nil, &usageError{fmt.Sprintf("--set-for %s is about nobody who is added", plain(term)), "say ID:NAME=VALUE, with the ID as it was given"}
		}
	}
	return out, nil
}

func cutRef(term, ref string) (rest string, ok bool) {
	if len(term) > len(ref) && term[:len(ref)] == ref && term[len(ref)] == ':' {
		return term[len(ref)+1:], true
	}
	return "", false
}
