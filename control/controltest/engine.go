// Package controltest has an engine and a directory that live in memory, for
// tests of the control API and of programs that call it. They refuse what the
// real ones refuse, and do nothing by themselves: a test says how runs end.
package controltest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	rostersync "github.com/rosterd/rosterd/sync"
)

// Start is the time at which everything in this package happens.
func Start() time.Time { return time.Date(2026, 11, 20, 7, 0, 0, 0, time.UTC) }

// Engine is the sync of one org, without a sync. Its fields may be set before
// it is used, and later by Set.
type Engine struct {
	Name   string
	Users  *Directory
	Cost   rostersync.Cost        // of every preview
	Manual bool                   // runs stay running until Finish
	Next   rostersync.Run         // how the next run ends: Outcome, Counts, what is held
	State  rostersync.Status      // but for what the engine knows itself
	Limits rostersync.QuotaStatus // answer of Quota
	Known  map[string]string      // Salesforce ids by e-mail address, for Add and Explain
	Items  []rostersync.AttentionItem
	Left   []rostersync.AttentionItem // ignored
	Found  []rostersync.CheckResult   // answer of Doctor
	Broken error                      // answer of everything, when set

	mu       sync.Mutex // guards everything, once the engine is used
	runs     []rostersync.Run
	moved    chan struct{} // closed when a run moves
	paused   bool
	asked    []rostersync.Request
	approved []int64
}

// Set lets f set fields while the engine is in use.
func (e *Engine) Set(f func(*Engine)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e)
}

// Asked are the requests that were accepted, joined ones included.
func (e *Engine) Asked() []rostersync.Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.asked)
}

func (e *Engine) movedLocked() chan struct{} {
	if e.moved == nil {
		e.moved = make(chan struct{})
	}
	return e.moved
}

func (e *Engine) moveLocked() {
	close(e.movedLocked())
	e.moved = nil
}

// Request starts a run, or joins the one under way.
func (e *Engine) Request(ctx context.Context, r rostersync.Request) (rostersync.Run, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := cmp.Or(ctx.Err(), e.Broken); err != nil {
		return rostersync.Run{}, false, err
	}
	if r.Actor.Kind == "" || r.Actor.Name == "" {
		panic("a request without an actor")
	}
	if e.paused && !r.DryRun {
		return rostersync.Run{}, false, fmt.Errorf("ask for a run: %w", rostersync.ErrPaused)
	}
	if !e.Cost.Allowed && !r.Override {
		return rostersync.Run{}, false, fmt.Errorf("ask for a run: %w", &rostersync.QuotaError{Need: e.Cost.Calls, Left: e.Cost.BudgetLeft, What: "budget"})
	}
	var ids []string
	for _, ref := range r.Users {
		id, err := e.salesforceID(ctx, ref)
		if err != nil {
			return rostersync.Run{}, false, err
		}
		ids = append(ids, id)
	}
	e.asked = append(e.asked, r)
	for _, run := range e.runs {
		if run.Outcome == rostersync.Running && run.DryRun == r.DryRun {
			return run, true, nil
		}
	}
	run := rostersync.Run{
		ID: int64(len(e.runs) + 1), Org: e.Name, Kind: r.Kind, Trigger: "request", DryRun: r.DryRun, Override: r.Override,
		Reason: r.Reason, Actor: r.Actor, Users: ids, Outcome: rostersync.Running, Stage: "replicate", Started: Start(),
		Progress: rostersync.Progress{Done: 0, Total: 10},
	}
	if r.DryRun {
		run.ID = -run.ID
	}
	e.runs = append(e.runs, run)
	if !e.Manual {
		e.finishLocked(run.ID)
	}
	e.moveLocked()
	return run, false, nil
}

func (e *Engine) salesforceID(ctx context.Context, ref string) (string, error) {
	for mail, id := range e.Known {
		if ref == mail || ref == id {
			return id, nil
		}
	}
	if u, err := e.Users.User(ctx, ref); err == nil && u.SalesforceID != "" {
		return u.SalesforceID, nil
	}
	return "", rostersync.ErrUnknownUser
}

// Progress moves a run that is under way.
func (e *Engine) Progress(id int64, stage string, done int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	run, err := e.runLocked(id)
	if err != nil {
		panic(err)
	}
	run.Stage, run.Progress.Done = stage, done
	e.moveLocked()
}

// Finish ends a run as Next says.
func (e *Engine) Finish(id int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.finishLocked(id)
	e.moveLocked()
}

func (e *Engine) finishLocked(id int64) {
	run, err := e.runLocked(id)
	if err != nil {
		panic(err)
	}
	run.Outcome = cmp.Or(e.Next.Outcome, rostersync.Succeeded)
	run.Counts, run.HeldItems, run.HeldWhy, run.HeldFingerprint = e.Next.Counts, e.Next.HeldItems, e.Next.HeldWhy, e.Next.HeldFingerprint
	run.Error, run.Hint = e.Next.Error, e.Next.Hint
	if run.DryRun {
		run.Changes = e.Next.Changes
	}
	run.Stage, run.Progress.Done = "done", run.Progress.Total
	run.Finished, run.TookMS = Start().Add(1500*time.Millisecond), 1500
}

func (e *Engine) runLocked(id int64) (*rostersync.Run, error) {
	for i := range e.runs {
		if e.runs[i].ID == id {
			return &e.runs[i], nil
		}
	}
	return nil, rostersync.ErrNoRun
}

// Preview answers Cost.
func (e *Engine) Preview(_ context.Context, k rostersync.Kind) (rostersync.Cost, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.Cost
	c.Kind = k
	return c, e.Broken
}

// RunByID returns a run.
func (e *Engine) RunByID(_ context.Context, id int64) (rostersync.Run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	run, err := e.runLocked(id)
	if err := cmp.Or(e.Broken, err); err != nil {
		return rostersync.Run{}, err
	}
	return *run, nil
}

// Runs returns runs, newest first; dry runs are not among them.
func (e *Engine) Runs(_ context.Context, before int64, limit int) ([]rostersync.Run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []rostersync.Run
	for _, run := range slices.Backward(e.runs) {
		if run.ID > 0 && (before == 0 || run.ID < before) && len(out) < limit {
			out = append(out, run)
		}
	}
	return out, e.Broken
}

// Watch yields a run whenever it moves.
func (e *Engine) Watch(ctx context.Context, id int64) iter.Seq2[rostersync.Run, error] {
	return func(yield func(rostersync.Run, error) bool) {
		for {
			e.mu.Lock()
			moved := e.movedLocked()
			found, err := e.runLocked(id)
			var run rostersync.Run
			if err == nil {
				run = *found
			}
			e.mu.Unlock()
			if !yield(run, err) || err != nil || run.Outcome != rostersync.Running {
				return
			}
			select {
			case <-moved:
			case <-ctx.Done():
				yield(rostersync.Run{}, ctx.Err())
				return
			}
		}
	}
}
