package web

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/sync"
)

// runPage is what a run's page shows.
type runPage struct {
	Run     control.Run
	Did     string
	Stages  []stage
	Counts  []count
	Changes []entry
	Next    string
	Names   map[string]string // of users, by their id or Salesforce id
}

// lively says that the page moves while the run does.
func (p runPage) lively() bool { return p.Run.Outcome == sync.Running }

// stage is a part of a run.
type stage struct {
	Label string
	State string // done, here or ahead
}

// count is one figure of a run.
type count struct {
	Label string
	N     int
	Tone  string
}

func pageOf(r control.Run) runPage {
	p := runPage{Run: r, Did: did(r)}
	reached := map[string]int{"queued": 0, "replicate": 1, "reconcile": 2, "done": 3}[r.Stage]
	if r.Outcome != sync.Running {
		reached = 3
	}
	for i, label := range []string{"Queued", "Read Salesforce", "Compare and apply", "Done"} {
		state := "ahead"
		switch {
		case i < reached || r.Outcome != sync.Running:
			state = "done"
		case i == reached:
			state = "here"
		}
		p.Stages = append(p.Stages, stage{label, state})
	}
	for _, c := range []count{
		{"read", r.Read, ""},
		{"added", r.Created, ""},
		{"linked", r.Linked, ""},
		{"changed", r.Updated, ""},
		{"reactivated", r.Reactivated, ""},
		{"deactivated", r.Deactivated, ""},
		{"set to leave", r.Scheduled, ""},
		{"stay after all", r.Unscheduled, ""},
		{"skipped", r.Skipped, ""},
		{"held", r.Held, "warn"},
		{"failed", r.Failed, "bad"},
		{"attention items", r.Attention, "warn"},
		{"Salesforce calls", r.SalesforceCalls, ""},
	} {
		if c.N > 0 || c.Label == "read" || c.Label == "changed" || c.Label == "Salesforce calls" {
			p.Counts = append(p.Counts, c)
		}
	}
	return p
}

func (v *visit) runID() (int64, error) {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, missing("There is no such run.")
	}
	return id, nil
}

// run shows one run.
func (v *visit) run() error {
	id, err := v.runID()
	if err != nil {
		return err
	}
	r, err := v.api.Run(v.r.Context(), id)
	if err != nil {
		return err
	}
	p := pageOf(r)
	p.Names = v.callNames(r)
	if !r.DryRun && r.Outcome != sync.Running {
		page, err := v.api.RunChanges(v.r.Context(), id, control.ActivityFilter{Before: number64(v.query("before")), Limit: 50})
		if err != nil {
			return err
		}
		p.Changes = entries(page.Activity, true)
		v.names(v.r.Context(), p.Changes)
		if page.Next != 0 {
			p.Next = v.At("/runs/%d", id) + "?" + url.Values{"before": {strconv.FormatInt(page.Next, 10)}}.Encode()
		}
	}
	title := fmt.Sprintf("Run %d", id)
	if r.DryRun {
		title = fmt.Sprintf("Dry run %d", -id)
	}
	return v.page("run", title, p)
}

// doRun pauses, resumes, cancels or approves a run, or applies a dry run.
func (v *visit) doRun() error {
	id, err := v.runID()
	if err != nil {
		return err
	}
	ctx, at := v.r.Context(), v.At("/runs/%d", id)
	text := ""
	switch v.r.PathValue("act") {
	case "pause":
		_, err = v.api.PauseRun(ctx, id)
		text = "The run is paused."
	case "resume":
		_, err = v.api.ResumeRun(ctx, id)
		text = "The run goes on."
	case "cancel":
		_, err = v.api.CancelRun(ctx, id)
		text = "The run is canceled. What it did stays done."
	case "approve":
		next, err := v.api.ApproveRun(ctx, id, v.form("reason"))
		if err != nil {
			return v.back(at, err)
		}
		return v.see(v.At("/runs/%d", next.ID), note{"ok", fmt.Sprintf("What run %d held is approved. This run applies it.", id), ""})
	case "apply":
		started, err := v.api.Sync(ctx, control.SyncRequest{Kind: control.Kind(v.form("kind")), Reason: v.form("reason")})
		if err != nil {
			return v.back(at, err)
		}
		return v.see(v.At("/runs/%d", started.Run.ID))
	default:
		return missing("There is no such action.")
	}
	if err != nil {
		return v.back(at, err)
	}
	return v.see(at, note{"ok", text, ""})
}
