package web

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/sync"
)

// syncPage is what the sync page shows.
type syncPage struct {
	Costs  []control.Cost // of a full run and of one for changes
	Status control.OrgStatus
	Runs   []runLine
	More   string
	Kind   string // what the form holds
	DryRun bool
	Reason string
	Error  *control.Problem
}

// runLine is a run in a list.
type runLine struct{ control.Run }

// Did says in a few words what a run changed.
func (r runLine) Did() string { return did(r.Run) }

func did(r control.Run) string {
	text := ""
	for _, c := range []struct {
		n    int
		what string
	}{
		{r.Created, "added"},
		{r.Linked, "linked"},
		{r.Updated, "changed"},
		{r.Reactivated, "reactivated"},
		{r.Deactivated, "deactivated"},
		{r.Scheduled, "set to leave"},
		{r.Unscheduled, "stay after all"},
		{r.Held, "held"},
		{r.Failed, "failed"},
	} {
		if c.n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%s %s", number(c.n), c.what)
		}
	}
	if text == "" {
		return "no change"
	}
	return text
}

// sync shows what a sync would cost, and the runs.
func (v *visit) sync() error { return v.showSync(syncPage{Kind: "full", DryRun: true}) }

func (v *visit) showSync(p syncPage) error {
	ctx := v.r.Context()
	for _, kind := range []control.Kind{sync.KindFull, sync.KindChanges} {
		cost, err := v.api.Preflight(ctx, kind)
		if err != nil {
			return err
		}
		p.Costs = append(p.Costs, cost)
	}
	st, err := v.api.Status(ctx)
	if err != nil {
		return err
	}
	p.Status = st.Orgs[0]
	runs, err := v.api.Runs(ctx, 0, 12)
	if err != nil {
		return err
	}
	for _, r := range runs.Runs {
		p.Runs = append(p.Runs, runLine{r})
	}
	status := 200
	if p.Error != nil {
		status = p.Error.Status
	}
	return v.show(status, "sync", "Update users from Salesforce", p)
}

// startSync asks for a run.
func (v *visit) startSync() error {
	p := syncPage{Kind: v.form("kind"), DryRun: v.form("dry_run") != "", Reason: v.form("reason")}
	started, err := v.api.Sync(v.r.Context(), control.SyncRequest{
		Kind: control.Kind(p.Kind), DryRun: p.DryRun, Override: v.form("override") != "", Reason: p.Reason,
	})
	if problem, ok := errors.AsType[*control.Problem](err); ok {
		p.Error = problem
		return v.showSync(p)
	}
	if err != nil {
		return err
	}
	to := v.At("/runs/%d", started.Run.ID)
	if started.Joined {
		return v.see(to, note{"ok", "A run that does this was under way already; you have joined it.", ""})
	}
	return v.see(to)
}

// runsPage is the list of all runs.
type runsPage struct {
	Runs []runLine
	Next string
}

func (v *visit) runs() error {
	page, err := v.api.Runs(v.r.Context(), number64(v.query("before")), 50)
	if err != nil {
		return err
	}
	var p runsPage
	for _, r := range page.Runs {
		p.Runs = append(p.Runs, runLine{r})
	}
	if page.Next != 0 {
		p.Next = v.At("/runs") + "?before=" + strconv.FormatInt(page.Next, 10)
	}
	return v.page("runs", "Runs", p)
}

// held leads to the newest run that holds something.
func (v *visit) held() error {
	page, err := v.api.Runs(v.r.Context(), 0, 1000)
	if err != nil {
		return err
	}
	for _, r := range page.Runs {
		if r.Outcome == sync.Held {
			return v.see(v.At("/runs/%d", r.ID))
		}
	}
	return v.see(v.At("/runs"), note{"ok", "None of the latest runs holds anything.", ""})
}
