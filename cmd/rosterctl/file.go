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

func filterFlags(c *cobra.Command, f *control.UserFilter) {
	c.Flags().StringVar(&f.Filter, "filter", "", "`TERMS` key=value separated by spaces, all of which must hold: status, search, license, a kind of group (desk=EMEA|APAC: one of them), or an attribute (also != ~ ^, empty=NAME, set=NAME)")
	c.Flags().StringVar(&f.Status, "status", "", "active, inactive, deleted or all; active and inactive when left out")
	c.Flags().StringVar(&f.Search, "search", "", "part of a name, user name or e-mail address, or an extension")
	c.Flags().StringVar(&f.License, "license", "", "only who holds a seat of this `type`")
	_ = c.RegisterFlagCompletionFunc("status", cobra.FixedCompletions([]string{"active", "inactive", "deleted", "all"}, cobra.ShellCompDirectiveNoFileComp))
}

func (t *tool) exportCommand() *cobra.Command {
	var f control.UserFilter
	var columns []string
	var format, name string
	c := command("export [flags]", "Write users into a file, which can be imported again", 0, 0, func(ctx context.Context, _ []string) error {
		if format == "" {
			if format = formatOf(name); t.format == "json" {
				format = "json"
			}
		}
		file, err := t.client.ExportUsers(ctx, f, format, columns)
		if err != nil {
			return err
		}
		defer file.Close()
		if name == "" || name == "-" {
			return copyFile(t.out, file)
		}
		out, err := os.Create(name)
		if err != nil {
			return fmt.Errorf("write the file: %w", err)
		}
		if err := copyFile(out, file); err != nil {
			_ = out.Close()
			return err
		}
		if err := out.Close(); err != nil {
			return fmt.Errorf("write the file: %w", err)
		}
		return nil
	})
	filterFlags(c, &f)
	c.Flags().StringVar(&format, "format", "", "csv or json; as the file's name ends when left out")
	c.Flags().StringSliceVar(&columns, "columns", nil, "`NAMES` of attributes, separated by commas, and id, status and license_types; all when left out")
	c.Flags().StringVar(&name, "file", "", "`file` to write to; standard output when left out")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"csv", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("columns", t.completeNames(0))
	return c
}

// formatOf is the format of a file of users of this name.
func formatOf(name string) string {
	if strings.HasSuffix(strings.ToLower(name), ".json") {
		return "json"
	}
	return "csv"
}

func copyFile(to io.Writer, from io.Reader) error {
	if _, err := io.Copy(to, from); err != nil {
		return fmt.Errorf("the file is not whole: %w", err)
	}
	return nil
}

func (t *tool) importCommand() *cobra.Command {
	var o control.ImportOptions
	var a massAsk
	c := command("import FILE [flags]", "Change and create users as a file says, after a dry run", 1, 1, func(ctx context.Context, args []string) error {
		if a.dryRun && (a.yes || a.detach || a.confirm >= 0) {
			return &usageError{"--dry-run goes with neither --yes nor --detach nor --confirm-count", ""}
		}
		if o.Format == "" {
			o.Format = formatOf(args[0])
		}
		in := t.in
		if args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("read the file: %w", err)
			}
			defer f.Close()
			in = f
		}
		m, err := t.client.ImportUsers(ctx, in, o)
		if err != nil {
			return err
		}
		if a.dryRun {
			return t.show(m, func(w io.Writer) { printMass(w, &m) })
		}
		return t.startMass(ctx, m, a)
	})
	c.Long = c.Short + `.

A row with the id, Salesforce id, user name or e-mail address of a user changes that user,
another creates one who is not of Salesforce. 'rosterctl mass results ID --expected' lists what
the dry run refuses. The file is CSV or JSON, as 'rosterctl users export' writes it; - is
standard input.`
	f := c.Flags()
	f.StringVar(&o.Format, "format", "", "csv or json; as the file's name ends when left out")
	f.StringVar(&o.Reason, "reason", "", "why, for the activity log")
	f.StringArrayVar(&o.Licenses, "license", nil, "seat of this `type` for users who are created, instead of the default ones; may be repeated")
	f.BoolVar(&o.NoInvite, "no-invite", false, "send no invitation to users who are created")
	f.BoolVar(&a.dryRun, "dry-run", false, "only say what would come of it")
	a.startFlags(c)
	t.completeLicenses(c)
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"csv", "json"}, cobra.ShellCompDirectiveNoFileComp))
	c.ValidArgsFunction = nil // the shell completes the name of the file
	return c
}
