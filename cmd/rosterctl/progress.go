package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"

	"github.com/rosterd/rosterd/control"
)

// wait follows a run to its end, shows how it ended, and gives its exit code.
func (t *tool) wait(ctx context.Context, id int64) error {
	p := t.progress()
	var last control.Run
	for run, err := range t.client.Watch(ctx, id) {
		if err != nil {
			p.end()
			if ctx.Err() != nil {
				fmt.Fprintf(t.err, "run %s goes on without you; follow it with: rosterctl runs watch %d\n", runName(id), id)
			}
			return err
		}
		last = run
		p.step(&run)
	}
	p.end()
	if err := t.show(last, func(w io.Writer) { printRun(w, &last) }); err != nil {
		return err
	}
	return outcomeCode(&last)
}

// progress shows how far a run is.
type progress interface {
	step(run *control.Run)
	end()
}

func (t *tool) progress() progress {
	if terminal(t.err) && os.Getenv("TERM") != "dumb" {
		return &bar{w: t.err}
	}
	return &lines{w: t.err}
}

// bar is for people: one line that fills.
type bar struct {
	w     io.Writer
	stage string
	last  *control.Run
	done  int
	bar   *progressbar.ProgressBar
}

func (b *bar) step(run *control.Run) {
	b.last = run
	if run.Outcome != "running" {
		return
	}
	total := int64(run.Progress.Total)
	if total == 0 {
		total = -1
	}
	stage := stageText(run)
	if b.bar == nil || stage != b.stage {
		b.end()
		b.stage = stage
		b.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(b.w), progressbar.OptionSetDescription(stage),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("users"), progressbar.OptionSetWidth(30),
			progressbar.OptionSetPredictTime(total > 0), progressbar.OptionEnableColorCodes(false), progressbar.OptionUseANSICodes(false))
	}
	if total > 0 {
		b.bar.ChangeMax64(max(total, int64(run.Progress.Done))) // the total is an estimate
	}
	b.done = run.Progress.Done
	_ = b.bar.Set(b.done)
}

// end leaves the bar as full as it is true: the total is an estimate, and what
// fails or is cancelled stays where it was.
func (b *bar) end() {
	if b.bar != nil {
		switch {
		case b.last.Outcome == "failed" || b.last.Outcome == "cancelled" || b.last.Outcome == "paused_quota":
		case b.done > 0:
			b.bar.ChangeMax(b.done)
			_ = b.bar.Finish()
		default:
			_ = b.bar.Finish()
		}
		fmt.Fprintln(b.w)
		b.bar = nil
	}
}

// lines are for logs: one for each stage, and for each tenth of it.
type lines struct {
	w     io.Writer
	stage string
	tenth int
}

func (l *lines) step(run *control.Run) {
	if run.Outcome != "running" {
		// How it ended, not how far the last estimate was from it.
		fmt.Fprintf(l.w, "run %s: %s, %s\n", runName(run.ID), strings.ReplaceAll(string(run.Outcome), "_", " "), countsText(run))
		return
	}
	tenth := 0
	if run.Progress.Total > 0 {
		tenth = 10 * run.Progress.Done / run.Progress.Total
	}
	stage := stageText(run)
	if stage == l.stage && tenth <= l.tenth {
		return
	}
	l.stage, l.tenth = stage, tenth
	if run.Progress.Total > 0 {
		fmt.Fprintf(l.w, "run %s: %s %d/%d\n", runName(run.ID), stage, run.Progress.Done, run.Progress.Total)
	} else {
		fmt.Fprintf(l.w, "run %s: %s %d\n", runName(run.ID), stage, run.Progress.Done)
	}
}

func (l *lines) end() {}

func stageText(run *control.Run) string {
	switch {
	case run.Paused:
		return "halted"
	case run.Stage == "":
		return "waiting"
	}
	return run.Stage
}
