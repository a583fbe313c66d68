package sync

import (
	"context"
	"errors"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/store"
)

// errCancelled ends a run that a person cancelled.
var errCancelled = errors.New("cancelled")

// beginLocked queues a run, or returns the one that does the same already.
func (e *Engine) beginLocked(r Run, due time.Time) (*running, bool) {
	if !r.DryRun {
		for _, other := range append([]*running{e.current}, e.queue...) {
			if other != nil && !other.DryRun && other.covers(r) {
				return other, true
			}
		}
	}
	r.Org, r.Outcome, r.Stage, r.Started = e.name, Running, "queued", e.now()
	run := newRunning(r, func(error) {})
	run.due = due
	e.queue = append(e.queue, run)
	e.kickLocked()
	return run, false
}

// covers reports whether what r asks for is what this run does.
func (r *running) covers(want Run) bool {
	v, _ := r.view()
	return v.Outcome == Running && (v.Kind == want.Kind || v.Kind == KindFull && v.Stage != "reconcile" && want.Kind == KindChanges)
}

// execute does a run from its first to its last line of the journal.
func (e *Engine) execute(ctx context.Context, run *running) {
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, runKey{}, run))
	defer cancel(nil)
	run.mu.Lock()
	run.cancel = cancel
	stopped := run.Error == errCancelled.Error()
	run.mu.Unlock()
	defer close(run.ended)
	if stopped {
		cancel(errCancelled)
	}
	quiet := run.Trigger == "poll" // journaled only when it found something
	err := error(nil)
	if !quiet || run.DryRun {
		err = e.enter(ctx, run)
	}
	if err == nil {
		err = e.replicate(ctx, run)
	}
	e.finish(context.WithoutCancel(ctx), run, err)
}

// enter gives the run its number: in the journal, or in memory for a dry run.
func (e *Engine) enter(ctx context.Context, run *running) error {
	e.entering.Lock()
	defer e.entering.Unlock()
	if run.ID != 0 {
		return nil
	}
	if run.DryRun {
		e.mu.Lock()
		e.lastDry--
		id := e.lastDry
		e.others[id] = run
		e.mu.Unlock()
		run.update(func(r *Run) { r.ID = id })
		return nil
	}
	id, err := e.journal.AddRun(ctx, run.row())
	if err != nil {
		return err
	}
	run.update(func(r *Run) { r.ID = id })
	return nil
}

// replicate reads from Salesforce and reconciles, by the kind of the run.
func (e *Engine) replicate(ctx context.Context, run *running) error {
	if run.DryRun {
		run.overlay = &overlay{rows: map[string]store.MirrorRow{}}
	}
	if run.local {
		return e.local(ctx, run)
	}
	c := e.crm()
	switch run.Kind {
	case KindFull:
		return e.full(ctx, run, c)
	case KindUser:
		return e.users(ctx, run, c)
	}
	return e.changes(ctx, run, c)
}

// local reconciles everyone unsettled without a call to Salesforce.
func (e *Engine) local(ctx context.Context, run *running) error {
	n, _, err := e.mirror.Count(ctx)
	if err != nil {
		return err
	}
	run.stage("reconcile", n)
	return e.reconcile(ctx, run, nil, run.force)
}

// finish writes down how a run ended, and decides when to try again.
func (e *Engine) finish(ctx context.Context, run *running, err error) {
	now := e.now()
	outcome := e.outcomeOf(run, err)
	run.update(func(r *Run) {
		r.Outcome, r.Stage, r.Finished, r.TookMS = outcome, "done", now, now.Sub(r.Started).Milliseconds()
		if err != nil {
			r.Error = err.Error()
			r.Hint = hintOf(err)
		}
	})
	if !run.DryRun {
		e.keepCalls(ctx)
		if run.ID == 0 && (run.found() || outcome == Failed && e.lastErrorNot(err)) {
			if aerr := e.enter(ctx, run); aerr != nil {
				e.blame(aerr)
			}
		}
		if run.ID != 0 {
			e.blame(e.keepRun(ctx, run))
		}
		e.after(ctx, run, outcome, err)
	}
	v, _ := run.view()
	if run.ID != 0 {
		e.log.Info("run finished", "run", v.ID, "kind", string(v.Kind), "outcome", string(outcome), "created", v.Created,
			"updated", v.Updated, "deactivated", v.Deactivated, "calls", v.SalesforceCalls, "took", time.Duration(v.TookMS)*time.Millisecond)
	}
	e.observer.RunFinished(e.name, string(v.Kind), string(outcome), now.Sub(v.Started))
}

// found reports whether the run did or met anything worth a line.
func (r *running) found() bool {
	c := r.Counts
	return c.Mirrored+c.Created+c.Linked+c.Updated+c.Deactivated+c.Reactivated+c.Scheduled+c.Unscheduled+c.Failed+c.Attention > 0
}

func (e *Engine) lastErrorNot(err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return err != nil && e.lastError != err.Error()
}

func (e *Engine) keepRun(ctx context.Context, run *running) error {
	if run.ID <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return e.journal.PutRun(ctx, run.row())
}

func (e *Engine) outcomeOf(run *running, err error) RunOutcome {
	switch {
	case err == nil && run.Held > 0:
		return Held
	case err == nil && (run.Failed > 0 || run.Attention > 0):
		return SucceededIssues
	case err == nil:
		return Succeeded
	case errors.Is(err, errCancelled), errors.Is(err, context.Canceled):
		return Cancelled
	case errors.Is(err, ErrQuota), errors.Is(err, crm.ErrQuota):
		return PausedQuota
	}
	return Failed
}

// after draws the conclusions of a run for the next ones.
func (e *Engine) after(ctx context.Context, run *running, outcome RunOutcome, err error) {
	kind := run.Kind
	if kind == KindUser {
		return
	}
	ok := outcome == Succeeded || outcome == SucceededIssues || outcome == Held
	if errors.Is(err, crm.ErrWatermark) {
		e.log.Warn("the watermark cannot be used, taking a full snapshot", "reason", err.Error())
		e.blame(e.remember(ctx, stateWatermark, ""))
		return
	}
	if ok {
		e.cleared()
		e.mu.Lock()
		delete(e.failures, kind)
		delete(e.notBefore, kind)
		delete(e.notBefore, KindChanges)
		e.mu.Unlock()
		e.observer.LastSuccess(e.name, string(kind), e.now())
		if kind == KindFull {
			served := run.due
			if served.IsZero() {
				served = run.Started
			}
			e.blame(e.remember(ctx, stateFullDue, stamp(served)))
		}
		return
	}
	e.blame(err)
	e.mu.Lock()
	defer e.mu.Unlock()
	wait := min(failFirst<<min(e.failures[kind], 10), failMost)
	if kind == KindChanges {
		wait = max(wait/4, min(e.cfg.Poll, time.Minute))
	}
	if outcome == PausedQuota {
		wait = max(wait, 10*time.Minute)
	}
	if outcome == Cancelled {
		wait = e.cfg.Poll
	}
	e.failures[kind]++
	e.notBefore[kind] = e.now().Add(wait)
	if kind == KindFull && outcome == Cancelled && run.due != (time.Time{}) {
		// A person cancelled the scheduled run: it is served.
		due := stamp(run.due)
		e.mu.Unlock()
		e.blame(e.remember(ctx, stateFullDue, due))
		e.mu.Lock()
	}
}

// hintOf finds what to do about an error.
func hintOf(err error) string {
	for err != nil {
		if h, ok := err.(interface{ Hint() string }); ok { //nolint:errorlint // each link of the chain is asked in turn
			return h.Hint()
		}
		switch u := err.(type) { //nolint:errorlint // likewise
		case interface{ Unwrap() error }:
			err = u.Unwrap()
		case interface{ Unwrap() []error }:
			for _, inner := range u.Unwrap() {
				if h := hintOf(inner); h != "" {
					return h
				}
			}
			return ""
		default:
			return ""
		}
	}
	return ""
}
