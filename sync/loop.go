package sync

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

const (
	loopTurn    = time.Second      // how long the loop sleeps at most
	standbyTurn = 2 * time.Second  // how often a stand-by asks to take over
	failFirst   = 15 * time.Second // first wait after a failed run
	failMost    = 15 * time.Minute
	keepRuns    = 400 * 24 * time.Hour
)

// Run does the engine's work until ctx ends: full syncs by schedule, changes
// between them, what people ask for, and deactivations when they are due. Of
// several engines on one database one works and the others stand by.
func (e *Engine) Run(ctx context.Context) error {
	for {
		lease, err := e.lead(ctx)
		if err != nil {
			return nil //nolint:nilerr // only the end of ctx gets here
		}
		err = e.work(ctx, lease)
		lease.Release()
		e.mu.Lock()
		e.leader = false
		e.mu.Unlock()
		if ctx.Err() != nil {
			return nil
		}
		e.log.Warn("lost the lease, standing by", "err", err)
	}
}

// lead waits until this engine is in charge and knows what it remembers.
func (e *Engine) lead(ctx context.Context) (*store.Lease, error) {
	said := ""
	for {
		e.turn()
		lease, ok, err := e.db.Lease(ctx, "org-"+strconv.FormatInt(e.org, 10))
		if ok {
			if err = e.load(ctx); err == nil {
				err = e.recover(ctx)
			}
			if err == nil {
				e.mu.Lock()
				e.leader = true
				e.mu.Unlock()
				return lease, nil
			}
			lease.Release()
		}
		text := "another instance is in charge"
		if err != nil {
			text = err.Error()
		}
		if text != said {
			said = text
			e.log.Info("standing by", "reason", text)
			e.blame(err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(standbyTurn):
		}
	}
}

// recover ends the runs that a crash left open; a full one is done again.
func (e *Engine) recover(ctx context.Context) error {
	open, err := e.journal.Runs(ctx, 0, 1000, true)
	if err != nil {
		return err
	}
	for _, row := range open {
		run := runOf(row)
		run.Outcome, run.Finished, run.Error = Failed, e.now(), "interrupted: the daemon stopped while it ran"
		if run.Kind == KindFull {
			run.Hint = "it goes on as a new run"
			e.mu.Lock()
			e.state[stateLastFull] = "" // not stored: only this start does it again
			e.mu.Unlock()
		}
		if err := e.journal.PutRun(ctx, newRunning(run, nil).row()); err != nil {
			return err
		}
	}
	return nil
}

// work is the life of the engine in charge.
func (e *Engine) work(ctx context.Context, lease *store.Lease) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case <-lease.Lost():
			return errors.New("the lease was lost")
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error { e.worker(ctx); return nil })
	g.Go(func() error { e.loop(ctx); return nil })
	err := g.Wait()
	e.keepCalls(context.WithoutCancel(ctx))
	return err
}

// loop decides when to begin what. It never works itself, so that it always
// turns.
func (e *Engine) loop(ctx context.Context) {
	tick := time.NewTicker(loopTurn)
	defer tick.Stop()
	var gauges, prune time.Time
	for {
		e.turn()
		if e.get(statePaused) == "" {
			e.schedule(ctx)
			e.fireDue(ctx)
		}
		if now := e.now(); now.Sub(gauges) > 15*time.Second {
			gauges = now
			e.publish(ctx)
		}
		if now := e.now(); now.Sub(prune) > 24*time.Hour {
			prune = now
			e.blame(e.journal.PruneRuns(ctx, store.Micros(now.Add(-keepRuns))))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (e *Engine) turn() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.beat = time.Now()
}

// schedule begins the runs that are due.
func (e *Engine) schedule(ctx context.Context) {
	cfg, s, now := e.config(), e.remembered(), e.now()
	trigger, due := "", time.Time{}
	last := s.time(stateLastFull)
	switch served := s.time(stateFullDue); {
	case last.IsZero() || s.watermark().Upper.IsZero():
		trigger = "start"
	default:
		if served.IsZero() {
			served = last
		}
		if due = cfg.Full.Due(served, now); !due.IsZero() {
			trigger = "schedule"
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.nextFull = cfg.Full.Next(now)
	e.nextPoll = s.time(stateLastPoll).Add(e.quota.stretch(cfg.Poll))
	if b := e.notBefore[KindChanges]; b.After(e.nextPoll) {
		e.nextPoll = b
	}
	if trigger != "" && !now.Before(e.notBefore[KindFull]) {
		if e.allowedFullLocked(trigger) {
			e.beginLocked(Run{Kind: KindFull, Trigger: trigger, Actor: syncActor()}, due)
		}
		return
	}
	if mark := strconv.FormatInt(cfg.policyMark(), 10); trigger == "" && e.state[statePolicy] != mark && e.policySeen != mark && e.current == nil && len(e.queue) == 0 {
		e.policySeen = mark
		e.beginOwnLocked(Run{Kind: KindChanges, Trigger: "policy", Actor: syncActor()})
		return
	}
	if trigger == "" && !now.Before(e.nextPoll) && e.current == nil && len(e.queue) == 0 {
		e.beginLocked(Run{Kind: KindChanges, Trigger: "poll", Actor: syncActor()}, time.Time{})
	}
}

// allowedFullLocked keeps a scheduled full sync from the last fifth of the
// budget, which is for changes: that is how leavers are found.
func (e *Engine) allowedFullLocked(trigger string) bool {
	if trigger == "start" {
		return true
	}
	level := e.quota.status().Level
	return level != levelLeavers && level != levelExhausted
}

func syncActor() dialer.Actor { return dialer.Actor{Kind: dialer.ActorSync, Name: "rosterd"} }

// worker runs what is queued, one at a time.
func (e *Engine) worker(ctx context.Context) {
	for {
		e.mu.Lock()
		var run *running
		if len(e.queue) > 0 && (e.state[statePaused] == "" || e.queue[0].Trigger == "request" && e.queue[0].DryRun) {
			run, e.queue = e.queue[0], e.queue[1:]
			e.current = run
		}
		e.mu.Unlock()
		if run != nil {
			e.execute(ctx, run)
			e.mu.Lock()
			e.current = nil
			e.mu.Unlock()
			continue
		}
		select {
		case <-ctx.Done():
			e.abandon()
			return
		case <-e.wake:
		case <-time.After(loopTurn):
		}
	}
}

// abandon ends the runs that never began.
func (e *Engine) abandon() {
	e.mu.Lock()
	queue := e.queue
	e.queue = nil
	e.mu.Unlock()
	for _, run := range queue {
		run.update(func(r *Run) { r.Outcome, r.Error, r.Finished = Cancelled, "the daemon stopped", e.now() })
		e.blame(e.keepRun(context.Background(), run))
		close(run.ended)
	}
}

func (e *Engine) kickLocked() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// fireDue takes access from those whose time has come. It needs nothing of
// Salesforce.
func (e *Engine) fireDue(ctx context.Context) {
	now := e.now()
	var changes []dialer.Change
	for u, err := range e.dir.Users(ctx, dialer.Query{Status: dialer.StatusActive, DueBefore: now}) {
		if err != nil {
			e.blame(err)
			return
		}
		changes = append(changes, dialer.Change{
			Verb: dialer.VerbDeactivate, UserID: u.ID, User: u, Version: u.Version, Reason: u.DeactivateWhy,
			Note: "due at " + u.DeactivateAt.Format(time.RFC3339), Actor: dialer.Actor{Kind: dialer.ActorScheduler, Name: "rosterd"},
		})
		if len(changes) == 5000 {
			break
		}
	}
	if len(changes) == 0 {
		return
	}
	done := 0
	for i, r := range e.dir.Apply(context.WithoutCancel(ctx), changes) {
		switch {
		case r.Outcome == dialer.Applied:
			done++
		case r.Err != nil && !errors.Is(r.Err, dialer.ErrConflict):
			e.blame(fmt.Errorf("deactivate user %s, who is due: %w", changes[i].UserID, r.Err))
		}
	}
	if done > 0 {
		e.observer.Changes(e.name, string(dialer.VerbDeactivate), "applied", done)
		e.log.Info("due deactivations done", "count", done)
		e.mu.Lock()
		e.kickLocked()
		e.mu.Unlock()
	}
}

// blame remembers an error for status, and logs it when it begins, changes or
// ends. A nil error ends nothing by itself: see cleared.
func (e *Engine) blame(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	e.mu.Lock()
	again := e.lastError == err.Error()
	e.lastError, e.errorAt = err.Error(), e.now()
	e.mu.Unlock()
	if !again {
		e.log.Error("trouble", "err", err)
	}
}

// cleared forgets the last error after a success.
func (e *Engine) cleared() {
	e.mu.Lock()
	was := e.lastError
	e.lastError, e.errorAt = "", time.Time{}
	e.mu.Unlock()
	if was != "" {
		e.log.Info("trouble is over", "err", was)
	}
}

func (e *Engine) keepCalls(ctx context.Context) {
	e.blame(e.quota.keep(func(hour, calls, oldest int64) error { return e.journal.AddCalls(ctx, hour, calls, oldest) }))
}
