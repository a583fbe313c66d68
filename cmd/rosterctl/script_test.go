package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rosterctl": main})
}

const (
	adminToken  = "admin-token-for-tests-only"
	viewerToken = "viewer-token-for-tests-only"
)

type engineKey struct{}

// TestScripts runs rosterctl as people do, against a real server whose engine
// and directory live in memory. Each script has its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":   code,
			"engine": engine,
			"full":   full,
		},
	})
}

func setup(env *testscript.Env) error {
	e := controltest.NewEngine("acme")
	orgs := map[string]control.Org{"acme": {Engine: e, Directory: e.Users}}
	if strings.HasPrefix(filepath.Base(env.WorkDir), "script-orgs") {
		b := controltest.NewEngine("beta")
		orgs["beta"] = control.Org{Engine: b, Directory: b.Users}
	}
	return serve(env, e, orgs)
}

// serve has a server answer for orgs while a script runs.
func serve(env *testscript.Env, e *controltest.Engine, orgs map[string]control.Org) error {
	tokens, err := control.ReadTokens(strings.NewReader("admin ada " + adminToken + "\nviewer vic " + viewerToken + "\n"))
	if err != nil {
		return err
	}
	socket := filepath.Join(env.WorkDir, "control.sock")
	s, err := control.New(control.Options{Orgs: orgs, Tokens: tokens, Socket: socket, Listen: "127.0.0.1:0", Version: "1.2.3"})
	if err != nil {
		return err
	}
	if err := s.Listen(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	env.Defer(func() {
		cancel()
		if err := <-ended; err != nil {
			panic(err)
		}
	})
	env.Values[engineKey{}] = e
	env.Setenv("SOCKET", socket)
	me, err := user.Current()
	if err != nil {
		return err
	}
	env.Setenv("ME", me.Username)
	env.Setenv("SERVER", "http://"+s.Addr())
	env.Setenv("GORACE", "atexit_sleep_ms=0") // a program built with -race would sleep a second
	env.Setenv("ADMIN", adminToken)
	env.Setenv("VIEWER", viewerToken)
	return nil
}

// code runs a command, over the socket, that must end with an exit code:
//
//	code 5 users show nobody@example.com
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N ARGS...")
	}
	full := args[1:]
	if !strings.Contains(strings.Join(full, " "), "--server") {
		full = append(full, "--socket", ts.Getenv("SOCKET"))
	}
	got := 0
	if err := ts.Exec("rosterctl", full...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("run rosterctl: %v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// full runs a command whose output nobody can write, and which must end with an
// exit code; with 1 it must say why:
//
//	full 1 status
func full(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: full N ARGS...")
	}
	disk, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	ts.Check(err)
	defer disk.Close()
	var said bytes.Buffer
	got := run(context.Background(), append(args[1:], "--socket", ts.Getenv("SOCKET")), strings.NewReader(""), disk, &said)
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s; it says: %s", got, args[0], said.String())
	}
	if got == exitError && (!strings.Contains(said.String(), "write the output: ") || !strings.Contains(said.String(), "no space left on device")) {
		ts.Fatalf("it does not tell that the output could not be written: %s", said.String())
	}
}

// engine tells the engine what to do:
//
//	engine held | issues | failed | quota | changes   how the next runs end
//	engine manual | finish ID                         who ends runs
//	engine broke                                      no quota is left
//	engine slowmass                                   mass actions go on without end
//	engine sick                                       a check of doctor fails
func engine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: engine WHAT")
	}
	e := ts.Value(engineKey{}).(*controltest.Engine)
	if args[0] == "finish" && len(args) == 2 {
		id, err := strconv.ParseInt(args[1], 10, 64)
		ts.Check(err)
		e.Finish(id)
		return
	}
	known := false
	e.Set(func(e *controltest.Engine) { known = tell(e, args[0]) })
	if !known {
		ts.Fatalf("engine does not know %q", args)
	}
}

// tell carries out what the command engine says, and reports whether it knows.
func tell(e *controltest.Engine, what string) bool {
	held := sync.HeldItem{SalesforceID: "005000000000001AAA", UserID: "00000000-0000-4000-8000-000000000001", Verb: dialer.VerbDeactivate, Reason: dialer.ReasonSalesforceInactive, Why: "12 users leave within 24 hours", Since: controltest.Start()}
	switch what {
	case "held":
		e.Next = sync.Run{Outcome: sync.Held, Counts: sync.Counts{Read: 3, Updated: 1, Held: 1}, HeldWhy: "12 users leave, and the limit is 10", HeldItems: []sync.HeldItem{held}}
	case "issues":
		e.Next = sync.Run{Outcome: sync.SucceededIssues, Counts: sync.Counts{Read: 3, Updated: 2, Failed: 1, Attention: 1, SalesforceCalls: 4}}
	case "failed":
		e.Next = sync.Run{Outcome: sync.Failed, Error: "list users: page 2: salesforce answered 503", Hint: "see https://status.salesforce.com"}
	case "quota":
		e.Next = sync.Run{Outcome: sync.PausedQuota, Counts: sync.Counts{Read: 2000, SalesforceCalls: 9}}
	case "changes":
		e.Next.Changes = []sync.PlannedItem{{SalesforceID: "005000000000001AAA", UserID: held.UserID, Verb: dialer.VerbUpdate, Fields: []dialer.Field{"title", "phone"}}}
		e.Next.Counts = sync.Counts{Read: 5000, Updated: 1, SalesforceCalls: 3}
	case "manual":
		e.Manual = true
	case "broke":
		e.Cost.Allowed, e.Cost.BudgetLeft = false, 2
	case "slowmass":
		e.Users.Manual()
	case "sick":
		e.Found[1] = sync.CheckResult{Name: "frozen users", Detail: "UserLogin cannot be read", Hint: "give the integration user the permission Manage Users"}
	default:
		return false
	}
	return true
}
