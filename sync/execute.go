package sync

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/store"
)

// How a run can end before its time.
var (
	errCancelled = errors.New("cancelled")
	errStopped   = errors.New("rosterd stopped, or handed over, while it ran")
)

// execute does a run from its first to its last line of the journal, and returns
// why it did not end well.
func (e *Engine) execute(ctx context.Context, run *running) error {
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, runKey{}, run))
	defer cancel(nil)
	defer close(run.ended)
	run.begin(cancel)
	var err error
	if run.Trigger != triggerPoll && run.named == nil { // those are journaled once they find something
		err = e.enter(context.WithoutCancel(ctx), run)
	}
	if err == nil {
		err = e.replicate(ctx, run)
	}
	if err != nil && ctx.Err() != nil {
		if err = errStopped; errors.Is(context.Cause(ctx), errCancelled) {
			err = errCancelled
		}
	}
	e.finish(context.WithoutCancel(ctx), run, err)
	return err
}

// enter gives the run its number, if it has none: in the journal, or in memory
// for a dry run.
func (e *Engine) enter(ctx context.Context, run *running) error {
	run.entering.Lock()
	defer run.entering.Unlock()
	if run.number() != 0 {
		return nil
	}
	if run.DryRun {
		e.mu.Lock()
		e.lastDry--
		id := e.lastDry
		e.dry = append(e.dry, run)
		if over := len(e.dry) - dryMost; over > 0 {
			e.dry = append(e.dry[:0], e.dry[over:]...)
		}
		e.mu.Unlock()
		run.update(func(r *Run) { r.ID = id })
		return nil
	}
	v, _ := run.view()
	id, err := e.journal.AddRun(ctx, rowOfRun(v))
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
	if err := run.wait(ctx); err != nil {
		return err
	}
	if run.local {
		return e.local(ctx, run)
	}
	run.unread(e.remembered().watermark().Upper.IsZero())
	c := e.crm()
	if run.named != nil {
		return e.readNamed(ctx, run, c)
	}
	do := map[Kind]func(context.Context, *running, *crm.Client) error{KindFull: e.full, KindUser: e.users, KindChanges: e.changes}[run.Kind]
	err := do(ctx, run, c)
	for err == nil && run.more() {
		if do = e.changes; run.Kind == KindUser {
			do = e.users
		}
		err = do(ctx, run, c)
	}
	return err
}

// local reconciles everyone unsettled, or who waits, without a call to
// Salesforce.
func (e *Engine) local(ctx context.Context, run *running) error {
	if run.tend {
		return e.reconcileDirty(ctx, run, nil)
	}
	n, _, err := e.mirror.Count(ctx)
	if err != nil {
		return err
	}
	run.stage(stageReconcile, n)
	return e.reconcile(ctx, run, nil)
}

// finish writes down how a run ended and decides when to try again. Whoever is
// told that it has ended finds all that true.
func (e *Engine) finish(ctx context.Context, run *running, err error) {
	run.close()
	run.entering.Lock()
	defer run.entering.Unlock()
	now, outcome := e.now(), outcomeOf(run, err)
	end := func(r *Run) {
		r.Outcome, r.Stage, r.Finished, r.TookMS = outcome, stageDone, now, now.Sub(r.Started).Milliseconds()
		if len(run.skips) > 0 {
			r.SkippedBy = run.skips
		}
		if err != nil {
			r.Error, r.Hint = err.Error(), hintOf(err)
			if r.Hint == "" && outcome == Failed {
				r.Hint = "it is tried again by itself; if it lasts, see what 'rosterctl doctor' finds"
			}
		}
	}
	if errors.Is(err, crm.ErrQuota) {
		e.quota.refuse()
	} else if err == nil && run.named == nil && !run.local && (run.Kind != KindChanges || run.Trigger == triggerPoll) {
		e.quota.learn(run.Kind, run.SalesforceCalls)
	}
	v, _ := run.view()
	if !run.DryRun {
		v.ID = e.wrapUp(ctx, run, end, outcome, err)
	}
	run.update(func(r *Run) {
		r.ID = v.ID
		end(r)
	})
	level, began := slog.LevelInfo, v.Started
	if !run.goesOn.IsZero() { // the row was begun by a run before, which was told of
		level, began = slog.LevelDebug, run.goesOn
	}
	if v, _ = run.view(); v.ID != 0 {
		e.log.Log(ctx, level, "run finished", "run", v.ID, "kind", string(v.Kind), "outcome", string(outcome), "created", v.Created, "updated", v.Updated,
			"deactivated", v.Deactivated, "failed", v.Failed, "held", v.Held, "calls", v.SalesforceCalls, "took", time.Duration(v.TookMS)*time.Millisecond)
	}
	e.observer.RunFinished(e.name, string(v.Kind), string(outcome), now.Sub(began))
}

// wrapUp draws what follows from the end of a run, and journals it: of polls
// only those that found something or failed otherwise than before. It returns
// the number of the run, if it has one.
func (e *Engine) wrapUp(ctx context.Context, run *running, end func(*Run), outcome RunOutcome, err error) int64 {
	fresh := e.blames(run, err)
	var books []error // what could not be written down
	if wrong, ok := errors.AsType[*crm.OrgMismatchError](err); ok {
		books = append(books, e.attend(ctx, run, AttentionOrg, "", wrong.Error()+": nothing is read from it"))
	}
	v, _ := run.view()
	if end(&v); v.ID != 0 || fresh || v.found() {
		id, jerr := e.keepRun(ctx, v)
		v.ID, books = id, append(books, jerr)
	}
	books = append(books, e.after(ctx, run, outcome, err))
	e.keepCalls(ctx, false)
	if run.Created+run.Linked > 0 {
		e.recount(ctx)
	}
	e.books(errors.Join(books...))
	return v.ID
}

// books notes whether the engine can write down what it must remember.
func (e *Engine) books(err error) {
	if e.trouble("journal", err); err == nil {
		e.over("journal")
	}
}

// found reports whether the run did or met anything worth a line.
func (c Counts) found() bool {
	return c.Mirrored+c.Created+c.Linked+c.Updated+c.Deactivated+c.Reactivated+c.Scheduled+c.Unscheduled+c.Failed+c.Attention > 0
}

// keepRun journals how a run ended, and returns its number.
func (e *Engine) keepRun(ctx context.Context, v Run) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if v.ID == 0 {
		return e.journal.AddRun(ctx, rowOfRun(v))
	}
	return v.ID, e.journal.PutRun(ctx, rowOfRun(v))
}

func outcomeOf(run *running, err error) RunOutcome {
	switch {
	case err == nil && run.Held > 0:
		return Held
	case err == nil && (run.Failed > 0 || run.Attention > 0):
		return SucceededIssues
	case err == nil:
		return Succeeded
	case errors.Is(err, errCancelled), errors.Is(err, errStopped):
		return Cancelled
	case errors.Is(err, ErrQuota), errors.Is(err, crm.ErrQuota):
		return PausedQuota
	}
	return Failed
}

// after draws the conclusions of a run for the next ones.
func (e *Engine) after(ctx context.Context, run *running, outcome RunOutcome, err error) error {
	switch {
	case run.few():
		return nil
	case errors.Is(err, errStopped):
		if run.Kind == KindFull {
			return e.remember(ctx, stateAgain, string(KindFull))
		}
		return nil
	case errors.Is(err, crm.ErrWatermark):
		e.log.Warn("the watermark cannot be used, taking a full snapshot", "reason", err.Error())
		return e.remember(ctx, stateWatermark, "")
	case err != nil:
		return e.failed(ctx, run, outcome, err)
	}
	return e.succeeded(ctx, run)
}

func (e *Engine) succeeded(ctx context.Context, run *running) error {
	e.over(run.does())
	if run.local {
		return nil
	}
	e.over(string(KindChanges)) // whatever a full sync could do, a poll can
	if err := e.streamServed(ctx, run); err != nil {
		return err
	}
	e.mu.Lock()
	delete(e.failures, run.Kind)
	delete(e.notBefore, run.Kind)
	delete(e.notBefore, KindChanges)
	due := run.due
	e.mu.Unlock()
	e.observer.LastSuccess(e.name, string(run.Kind), e.now())
	if run.Kind != KindFull {
		return nil
	}
	e.skippedGauges(run.skips)
	if due.IsZero() {
		due = run.Started
	}
	return e.remember(ctx, stateFullDue, stamp(due), stateAgain, "")
}

// failed decides when to try again.
func (e *Engine) failed(ctx context.Context, run *running, outcome RunOutcome, err error) error {
	if outcome != Cancelled {
		e.trouble(run.does(), err)
	}
	e.mu.Lock()
	kind, poll := run.Kind, e.cfg.Poll
	if run.local {
		e.policySeen = "" // those who are to be looked at again still are
		kind = kindLocal
	}
	wait := min(failFirst<<min(e.failures[kind], 10), failMost)
	switch {
	case outcome == Cancelled:
		wait = poll
	case outcome == PausedQuota:
		wait = max(wait, 10*time.Minute)
	case kind == KindChanges:
		wait = max(wait/4, min(poll, time.Minute))
	}
	e.failures[kind]++
	e.notBefore[kind] = e.now().Add(wait)
	due := run.due
	e.mu.Unlock()
	switch {
	case run.Kind != KindFull:
		return nil
	case outcome != Cancelled && run.Trigger == triggerRequest:
		return e.remember(ctx, stateAgain, string(KindFull))
	case outcome != Cancelled: // what made it due still does
		return nil
	}
	pairs := []string{stateAgain, ""} // a person has the last word
	if !due.IsZero() {
		pairs = append(pairs, stateFullDue, stamp(due))
	}
	return e.remember(ctx, pairs...)
}

// kindLocal is what failures of local runs are counted under.
const kindLocal Kind = "local"

// does names what the run does, for troubles with it.
func (r *running) does() string {
	switch {
	case r.local:
		return string(kindLocal)
	case r.named != nil:
		return "events"
	}
	return string(r.Kind)
}

// few reports whether the run is of some people alone, whom it shall not keep
// waiting for others.
func (r *running) few() bool { return r.Kind == KindUser || r.named != nil }

// hintOf finds what to do about an error.
func hintOf(err error) string {
	for err != nil {
		if h, ok := err.(interface{ Hint() string }); ok {
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
