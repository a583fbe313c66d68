// Command rosterd keeps a phone dialer's user directory in step with Salesforce.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // time zones on machines that have none

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/app"
	"github.com/rosterd/rosterd/config"
)

var version = "dev" // set by the linker

// The exit codes. A configuration that cannot be used has its own, EX_CONFIG of
// sysexits.h, so that the service manager does not try it again and again; it
// is not 2, with which a Go program ends that panicked.
const (
	exitOK     = 0
	exitError  = 1
	exitUsage  = 2
	exitConfig = 78
)

// memoryLimit is the soft limit of the heap where GOMEMLIMIT sets none: far
// above what a sync needs, and enough to collect harder before the machine
// runs short.
const memoryLimit = 512 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs one command and returns its exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	written := &output{w: out}
	root := command(written, errOut)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil && written.err != nil {
		err = fmt.Errorf("write the output: %w", written.err)
	}
	if err == nil {
		return exitOK
	}
	if !errors.Is(err, errSaid) {
		say(errOut, err)
	}
	if code, ok := errors.AsType[*exitCode](err); ok {
		return code.code
	}
	return exitError
}

// output is standard output. It remembers that it could not be written: a check
// whose verdict nobody could read has not succeeded.
type output struct {
	w   io.Writer
	err error
}

// Write writes, until it fails once.
func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	o.err = err
	return n, err
}

// say prints an error, and what to do about it.
func say(w io.Writer, err error) {
	fmt.Fprintln(w, "rosterd:", err)
	if _, ok := errors.AsType[config.Problems](err); ok {
		return // each holds its remedy
	}
	if _, ok := errors.AsType[*config.Problem](err); ok {
		return
	}
	if hint := app.Hint(err); hint != "" {
		fmt.Fprintln(w, "hint:", hint)
	}
}

// errSaid is an error of which the user knows already.
var errSaid = errors.New("see above")

// exitCode is an error that ends the process with a code of its own.
type exitCode struct {
	error
	code int
}

// Unwrap returns the error itself.
func (e *exitCode) Unwrap() error { return e.error }

func usage(err error) error { return &exitCode{err, exitUsage} }

func unusable(err error) error { return &exitCode{err, exitConfig} }

func command(out, errOut io.Writer) *cobra.Command {
	var path string
	root := &cobra.Command{
		Use:           "rosterd",
		Short:         "Keeps a phone dialer's user directory in step with Salesforce",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return usage(errSaid)
		},
	}
	root.SetOut(out)
	root.SetErr(errOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.PersistentFlags().StringVarP(&path, "config", "c", "/etc/rosterd/config.yaml", "configuration `file`")
	load := func() (*config.Config, error) { return config.Load(path) }
	online := false
	check := &cobra.Command{
		Use: "check", Short: "Check the configuration, and with --online the database and Salesforce; changes nothing",
		RunE: func(cmd *cobra.Command, _ []string) error { return checkAll(cmd.Context(), load, online, out) },
	}
	check.Flags().BoolVar(&online, "online", false, "ask the database and Salesforce, too")
	for _, c := range []*cobra.Command{
		{Use: "run", Short: "Run the daemon", RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), load, errOut) }},
		check,
		{Use: "migrate", Short: "Bring the database's schema up to date", RunE: func(cmd *cobra.Command, _ []string) error {
			return migrate(cmd.Context(), load, out, errOut)
		}},
		{Use: "version", Short: "Print the version", RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(out, "rosterd", version)
			return err
		}},
	} {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("%s takes no argument, but got %q", cmd.Name(), args[0]))
			}
			return nil
		}
		root.AddCommand(c)
	}
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage(fmt.Errorf("unknown command %q; the commands are run, check, migrate and version", args[0]))
		}
		return nil
	}
	return root
}

// logger writes as the configuration says.
func logger(w io.Writer, c config.Log) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(c.Level)
	o := &slog.HandlerOptions{Level: level}
	if c.JSON {
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}

// minThreads is how many threads run Go code at least, where GOMAXPROCS does not
// say otherwise. SQLite is Go code here, and works for long without giving way:
// on two processors a sync would keep the control API waiting for its turn.
// With more threads than processors the kernel shares these out.
const minThreads = 4

func shareProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(minThreads, runtime.GOMAXPROCS(0)))
	}
}

func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// notify tells systemd, where it listens.
func notify(text string) { _, _ = daemon.SdNotify(false, text) }
