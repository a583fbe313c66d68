package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	dueMost     = 5000 // due deactivations a turn
)

// Run does the engine's work until ctx ends: full syncs by schedule, changes
// between them, what people ask for, and deactivations when they are due. Of
// several engines on one database one works and the others stand by. When it
// returns, nothing of it runs any more.
func (e *Engine) Run(ctx context.Context) error {
	for {
		lease, err := e.lead(ctx)
		if err != nil {
			return nil //nolint:nilerr // only the end of ctx gets here
		}
		err = e.work(ctx, lease)
		lease.Release()
		if ctx.Err() != nil {
			return nil
		}
		e.log.Warn("lost the lease, standing by", "err", err)
	}
}

// Placed is closed when an engine that was started first knows whether it is in
// charge: until then it refuses work like one that stands by.
func (e *Engine) Placed() <-chan struct{} { return e.placed }

// lead waits until this engine is in charge and knows what it remembers.
func (e *Engine) lead(ctx context.Context) (*store.Lease, error) {
	said := ""
	for {
		e.turn()
		lease, ok, err := e.db.Lease(ctx, "org-"+strconv.FormatInt(e.org, 10))
		if ok {
			if err = e.db.Settle(ctx); err == nil { // else a write of who led before could follow ours
				err = e.load(ctx)
			}
			if err == nil {
				err = e.recover(ctx)
			}
			if err == nil {
				e.over("standby")
				return lease, nil
			}
			lease.Release()
		}
		e.trouble("standby", err)
		e.place()
		if err == nil {
			e.over("standby")
			if said == "" {
				said = "said"
				e.log.Info("standing by: another instance is in charge")
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(standbyTurn):
		}
	}
}

// recover ends the runs that a crash left open; a full one is done again. Times
// that lie ahead were noted by a clock that was wrong.
func (e *Engine) recover(ctx context.Context) error {
	open, err := e.journal.Runs(ctx, 0, 1000, true)
	if err != nil {
		return err
	}
	for _, row := range open {
		run := runOf(row)
		run.Outcome, run.Finished, run.Error = Failed, e.now(), "interrupted: rosterd died while it ran"
		if run.Kind == KindFull {
			run.Hint = "it goes on as a new run"
			if err := e.remember(ctx, stateAgain, string(KindFull)); err != nil {
				return err
			}
		}
		if err := e.journal.PutRun(ctx, rowOfRun(run)); err != nil {
			return err
		}
	}
	now := e.now()
	for _, name := range []string{stateLastFull, stateLastPoll, stateFullDue} {
		if e.remembered().time(name).After(now.Add(maxSkew)) {
			e.log.Warn("a remembered time lies ahead of this host's clock", "reason", name)
			if err := e.remember(ctx, name, stamp(now)); err != nil {
				return err
			}
		}
	}
	return nil
}

// work is the life of the engine in charge.
func (e *Engine) work(ctx context.Context, lease *store.Lease) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case <-lease.Lost():
			return errors.New("the lease was lost")
		case <-ctx.Done():
			return nil
		}
	})
	e.mu.Lock()
	e.base = ctx
	e.mu.Unlock()
	e.place()
	g.Go(func() error { e.worker(ctx); return nil })
	g.Go(func() error { e.follow(ctx); return nil })
	g.Go(func() error { e.absorb(ctx); return nil })
	g.Go(func() error { e.loop(ctx); return nil })
	err := g.Wait()
	e.mu.Lock()
	e.base = nil
	e.mu.Unlock()
	e.wg.Wait()
	e.abandon()
	e.keepCalls(ctx, true)
	return err
}

// loop decides when to begin what. It never works itself, so that it always
// turns.
func (e *Engine) loop(ctx context.Context) {
	tick := time.NewTicker(loopTurn)
	defer tick.Stop()
	var gauges, prune, tended time.Time
	for {
		e.turn()
		if e.get(statePaused) == "" {
			e.schedule()
			e.fireDue(ctx)
		}
		if now, cfg := e.now(), e.config(); e.get(statePaused) == "" && e.calm(cfg) && now.Sub(tended).Abs() > cfg.Poll {
			tended = now
			e.books(e.tend(ctx))
		}
		if e.flow.hasNews() {
			e.attendStream(ctx)
		}
		if now := e.now(); now.Sub(gauges).Abs() > 15*time.Second {
			gauges = now
			e.publish(ctx)
			e.keepCalls(ctx, false)
		}
		if now := e.now(); now.Sub(prune).Abs() > 24*time.Hour {
			prune = now
			e.books(e.journal.PruneRuns(ctx, store.Micros(now.Add(-keepRuns))))
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

// worker runs what is queued, one at a time.
func (e *Engine) worker(ctx context.Context) {
	for {
		if run := e.take(); run != nil && ctx.Err() == nil {
			_ = e.execute(ctx, run) // it is written down
			e.mu.Lock()
			e.current = nil
			e.ended++
			e.mu.Unlock()
			continue
		} else if run != nil {
			e.mu.Lock()
			e.current, e.queue = nil, append([]*running{run}, e.queue...)
			e.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case <-time.After(loopTurn):
		}
	}
}

// take takes the next run off the queue. While syncing is paused only dry runs
// are.
func (e *Engine) take() *running {
	e.mu.Lock()
	defer e.mu.Unlock()
	paused := e.state[statePaused] != ""
	for i, run := range e.queue {
		if paused && !run.DryRun {
			continue
		}
		e.queue = slices.Delete(e.queue, i, i+1)
		e.current = run
		return run
	}
	return nil
}

// abandon ends the runs that never began.
func (e *Engine) abandon() {
	e.mu.Lock()
	queue := e.queue
	e.queue = nil
	e.mu.Unlock()
	for _, run := range queue {
		e.finish(context.Background(), run, errStopped)
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
	for u, err := range e.dir.Users(ctx, dialer.Query{Status: dialer.StatusActive, Linked: true, DueBefore: now}) {
		if err != nil {
			e.trouble("due", err)
			return
		}
		if u.Protected {
			continue
		}
		changes = append(changes, dialer.Change{
			Verb: dialer.VerbDeactivate, UserID: u.ID, User: u, Version: u.Version, Reason: u.DeactivateWhy,
			Note: "due at " + u.DeactivateAt.Format(time.RFC3339), Actor: dialer.Actor{Kind: dialer.ActorScheduler, Name: "rosterd"},
		})
		if len(changes) == dueMost {
			break
		}
	}
	if len(changes) == 0 {
		e.over("due")
		return
	}
	done := 0
	var wrong error
	for i, r := range e.dir.Apply(context.WithoutCancel(ctx), changes) {
		switch {
		case r.Outcome == dialer.Applied:
			done++
		case r.Err != nil && !errors.Is(r.Err, dialer.ErrConflict):
			wrong = fmt.Errorf("deactivate user %s, who is due: %w", changes[i].UserID, r.Err)
		}
	}
	if e.trouble("due", wrong); wrong == nil {
		e.over("due")
	}
	if done > 0 {
		e.observer.Changes(e.name, string(dialer.VerbDeactivate), "applied", done)
		e.log.Info("due deactivations done", "count", done)
	}
}
