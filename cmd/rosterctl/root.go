package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rosterd/rosterd/control"
)

// tool is one invocation of rosterctl.
type tool struct {
	in       io.Reader
	out, err io.Writer

	socket, server, tokenFile, org, format string

	client *control.Client
}

// run carries out a command line and returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	written := &output{w: out}
	t := &tool{in: in, out: written, err: errs}
	root := t.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(written)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if t.client != nil {
		t.client.Close()
	}
	return report(errs, written.check(err), t.format == "json" || asksForJSON(args))
}

// asksForJSON reports whether a command line asks for JSON, for when it is too
// wrong to be parsed.
func asksForJSON(args []string) bool {
	for i, a := range args {
		switch {
		case a == "--":
			return false
		case a == "-ojson", a == "-o=json", a == "--output=json":
			return true
		case (a == "-o" || a == "--output") && i+1 < len(args) && args[i+1] == "json":
			return true
		}
	}
	return false
}

func (t *tool) root() *cobra.Command {
	root := group("rosterctl", "Operate rosterd, which keeps a dialer's users in step with Salesforce")
	root.Long = root.Short + `.

It talks to the daemon over its Unix socket, or over TCP with --server and --token-file.

Exit codes: 0 ok, 1 error, 2 usage, 3 finished with issues, 4 held by the guard or
refused for lack of quota, 5 not found, 6 no seat.

With -o json the answer is JSON, and so is an error: the last line of standard error is
an object with error, hint, code and exit_code, and with title, status and fields where
the daemon refused. Progress and warnings may stand before it.`
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{err.Error(), "see " + c.CommandPath() + " --help"}
	})
	f := root.PersistentFlags()
	f.StringVar(&t.socket, "socket", control.DefaultSocket, "the daemon's Unix `socket`")
	f.StringVar(&t.server, "server", "", "the daemon's `URL`, instead of the socket")
	f.StringVar(&t.tokenFile, "token-file", "", "`file` with the bearer token for --server")
	f.StringVar(&t.org, "org", "", "`name` of the org; may be left out when there is one")
	f.StringVarP(&t.format, "output", "o", "text", "`format` of the output: text or json")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return t.connect(c) }
	root.AddCommand(
		t.statusCommand(), t.syncCommand(), t.runsCommand(), t.usersCommand(), t.groupsCommand(), t.orgCommand(), t.salesforceCommand(), t.massCommand(), t.sessionsCommand(), t.licensesCommand(), t.attentionCommand(),
		t.activityCommand(), t.reportCommand(), t.quotaCommand(), t.pauseCommand(), t.resumeCommand(), t.doctorCommand(), t.versionCommand(),
	)
	return root
}

// connect checks the common flags and makes the client.
func (t *tool) connect(c *cobra.Command) error {
	if t.format != "text" && t.format != "json" && (t.format != "csv" || c.Annotations[csvToo] == "") {
		return &usageError{fmt.Sprintf("-o %s is not known", t.format), "it is text or json"}
	}
	if t.server != "" && c.Flags().Changed("socket") {
		return &usageError{"--socket and --server exclude each other", ""}
	}
	o := control.ClientOptions{Socket: t.socket, Server: t.server, Org: t.org}
	if t.tokenFile != "" {
		if t.server == "" {
			return &usageError{"--token-file goes with --server", "the socket needs no token"}
		}
		text, err := os.ReadFile(t.tokenFile)
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
		o.Token = strings.TrimSpace(string(text))
		if o.Token == "" || strings.ContainsAny(o.Token, " \t\n") {
			return &usageError{t.tokenFile + " does not hold a token alone", "it is a file of the token only, not the daemon's tokens file"}
		}
	}
	client, err := control.NewClient(o)
	t.client = client
	return err
}

// group is a command that only holds others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		hint := "see " + c.CommandPath() + " --help"
		if like := c.SuggestionsFor(args[0]); len(like) > 0 {
			hint = "did you mean " + strings.Join(like, " or ") + "?"
		}
		return &usageError{fmt.Sprintf("%s has no command %q", c.CommandPath(), args[0]), hint}
	}
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(children...)
	return c
}

// command is a command with a number of arguments, at most max unless that is
// negative.
func command(use, short string, least, most int, f func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, DisableFlagsInUseLine: true,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) < least:
				return &usageError{c.CommandPath() + " needs more: " + c.UseLine(), "see " + c.CommandPath() + " --help"}
			case most >= 0 && len(args) > most:
				return &usageError{fmt.Sprintf("%s does not take %q", c.CommandPath(), args[most]), "see " + c.CommandPath() + " --help"}
			}
			return nil
		},
		RunE:              func(c *cobra.Command, args []string) error { return f(c.Context(), args) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

// terminal reports whether a stream is one.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// notNegative refuses a number of a flag that is beneath zero; limited a --limit
// that is out of bounds.
func notNegative(flag string, n int64, meaning string) error {
	if n >= 0 {
		return nil
	}
	return &usageError{fmt.Sprintf("%s is 0 or more%s, not %d", flag, meaning, n), ""}
}

func limited(n, most int) error {
	if n >= 1 && n <= most {
		return nil
	}
	return &usageError{fmt.Sprintf("--limit is from 1 to %d, not %d", most, n), ""}
}
