package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/sync"
)

func step(stage string, done, total int) *control.Run {
	return &control.Run{ID: 4, Outcome: sync.Running, Stage: stage, Progress: sync.Progress{Done: done, Total: total}}
}

func TestProgressInLogs(t *testing.T) {
	var out bytes.Buffer
	l := &lines{w: &out}
	for _, run := range []*control.Run{
		step("", 0, 0), step("replicate", 0, 100), step("replicate", 9, 100), step("replicate", 10, 100), step("replicate", 55, 100),
		step("replicate", 57, 100), step("reconcile", 0, 100), step("reconcile", 30, 276),
		{ID: 4, Outcome: sync.SucceededIssues, Counts: sync.Counts{Deactivated: 30, Failed: 1}},
	} {
		l.step(run)
	}
	l.end()
	want := `run 4: waiting 0
run 4: replicate 0/100
run 4: replicate 10/100
run 4: replicate 55/100
run 4: reconcile 0/100
run 4: reconcile 30/276
run 4: succeeded with issues, 30 deactivated, 1 failed
`
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out.String(), want)
	}
}

// The total is an estimate, and may be unknown or too small.
func TestProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	b := &bar{w: &out}
	for _, run := range []*control.Run{step("", 0, 0), step("replicate", 50, 100), step("replicate", 120, 100), step("reconcile", 5, 0)} {
		b.step(run)
	}
	b.end()
	b.end()
	for _, want := range []string{"waiting", "replicate", "(120/120", "reconcile"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b[3") {
		t.Errorf("colors in %q", out.String())
	}
}

func TestExitCodes(t *testing.T) {
	problem := func(c control.Code) error {
		return fmt.Errorf("ask: %w", &control.Problem{Code: c, Message: "no", Hint: "do"})
	}
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{context.Canceled, 1},
		{&usageError{"x", "y"}, 2},
		{codeError(3), 3},
		{problem(control.CodeInvalid), 2},
		{problem(control.CodeHeld), 4},
		{problem(control.CodeQuota), 4},
		{problem(control.CodeNotFound), 5},
		{problem(control.CodeNoSeat), 6},
		{problem(control.CodePaused), 1},
		{problem(control.CodeForbidden), 1},
		{&control.ConnectError{Where: "/s", Err: errors.New("gone")}, 1},
		{outcomeCode(&control.Run{Outcome: sync.Succeeded}), 0},
		{outcomeCode(&control.Run{Outcome: sync.SucceededIssues}), 3},
		{outcomeCode(&control.Run{Outcome: sync.Held}), 4},
		{outcomeCode(&control.Run{Outcome: sync.PausedQuota}), 4},
		{outcomeCode(&control.Run{Outcome: sync.Failed}), 1},
		{outcomeCode(&control.Run{Outcome: "something new"}), 1},
		{addCode([]control.AddResult{{Outcome: "added"}, {Outcome: "already"}, {Outcome: "linked"}}), 0},
		{addCode([]control.AddResult{{Outcome: "added"}, {Outcome: "no_seat"}, {Outcome: "refused"}}), 6},
		{addCode([]control.AddResult{{Outcome: "added"}, {Outcome: "refused"}}), 3},
		{addCode([]control.AddResult{{Outcome: "refused", SalesforceID: "005"}}), 3},
		{addCode([]control.AddResult{{Outcome: "refused"}}), 5},
	} {
		var out bytes.Buffer
		if got := report(&out, tc.err, false); got != tc.want {
			t.Errorf("%v: exit code %d, want %d", tc.err, got, tc.want)
		}
		if _, silent := errors.AsType[codeError](tc.err); tc.err != nil && !silent && !strings.HasPrefix(out.String(), "error: ") {
			t.Errorf("%v: says %q", tc.err, out.String())
		}
	}
}

func TestTextFromElsewhereCannotSteerTheTerminal(t *testing.T) {
	if got := cell("a\x1b[31mb\r\nc\td\u009b"); got != "a [31mb  c d " {
		t.Errorf("got %q", got)
	}
}

func TestCells(t *testing.T) {
	now := time.Date(2026, 11, 20, 8, 0, 0, 0, time.FixedZone("", 3600))
	for _, tc := range []struct {
		in   any
		want string
	}{
		{"", "-"},
		{[]string{"a", "b"}, "a,b"},
		{[]string{}, "-"},
		{0, "0"},
		{time.Time{}, "-"},
		{now, "2026-11-20 07:00:00Z"},
		{(*time.Time)(nil), "-"},
		{&now, "2026-11-20 07:00:00Z"},
		{control.RunOutcome("held"), "held"},
	} {
		if got := cell(tc.in); got != tc.want {
			t.Errorf("%v: got %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestRunNames(t *testing.T) {
	for _, id := range []int64{1, 42, -3} {
		if got, err := parseRun(runName(id)); got != id || err != nil {
			t.Errorf("%d is named %s, which is %d, %v", id, runName(id), got, err)
		}
	}
	for _, name := range []string{"", "0", "dry", "dry0", "dry-1", "x1", "1.5"} {
		if id, err := parseRun(name); err == nil {
			t.Errorf("%q is run %d", name, id)
		}
	}
}

func TestForecastLine(t *testing.T) {
	at := time.Date(2026, 11, 20, 7, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		level    string
		forecast control.QuotaForecast
		want     string
	}{
		{"unknown", control.QuotaForecast{}, ""},
		{"normal", control.QuotaForecast{}, "lasts the coming 24 hours at this burn"},
		{"stretched", control.QuotaForecast{ExhaustedAt: at}, "spent at 2026-11-20 07:00:00Z at this burn"},
		{"exhausted", control.QuotaForecast{BackAt: at}, "spent; goes on at 2026-11-20 07:00:00Z"},
		{"exhausted", control.QuotaForecast{}, "spent, and at this burn nothing is left for rosterd within 24 hours"},
	} {
		if got := forecastLine(&control.QuotaStatus{Level: tc.level, Forecast: &tc.forecast}); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.level, got, tc.want)
		}
	}
}
