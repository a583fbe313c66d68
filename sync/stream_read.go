package sync

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/rosterd/rosterd/crm"
)

// Runs that follow each other closely are one for whoever looks at the list.
const (
	sameRunGap  = time.Second
	sameRunMost = 10 * time.Second
)

// absorb reads back whom events named, and brings the directory to what
// Salesforce says of them then.
func (e *Engine) absorb(ctx context.Context) {
	e.refill(ctx)
	fails := 0
	for ctx.Err() == nil {
		people, wait := e.flow.ripe(time.Now(), e.quota.pace())
		if len(people) == 0 {
			e.rest(ctx, wait)
			continue
		}
		if e.get(statePaused) != "" || e.get(stateLastFull) == "" {
			e.flow.again(people) // who somebody is can be told only among everyone
			e.nap(ctx, loopTurn)
			continue
		}
		err := e.readBack(ctx, people)
		if err == nil {
			fails = 0
			e.over("events")
			continue
		}
		e.flow.again(people)
		if ctx.Err() != nil {
			return
		}
		e.trouble("events", err)
		wait = min(time.Second<<min(fails, 10), time.Minute)
		if errors.Is(err, ErrQuota) || errors.Is(err, crm.ErrQuota) {
			wait = time.Minute
		}
		fails++
		e.nap(ctx, wait)
	}
}

// refill has those read back whom events named before rosterd stopped.
func (e *Engine) refill(ctx context.Context) {
	for ctx.Err() == nil {
		ids, err := e.journal.Unread(ctx)
		if err == nil {
			people := make(map[string]named, len(ids))
			for _, id := range ids {
				people[id] = named{since: time.Now(), urgent: true}
			}
			e.flow.add(people)
			return
		}
		e.trouble("events", err)
		e.nap(ctx, loopTurn)
	}
}

// rest waits until someone is named, or for a while; less than zero is for ever.
func (e *Engine) rest(ctx context.Context, wait time.Duration) {
	var after <-chan time.Time
	if wait >= 0 {
		after = time.After(wait)
	}
	select {
	case <-ctx.Done():
	case <-e.flow.wake:
	case <-after:
	}
}

func (*Engine) nap(ctx context.Context, wait time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

// readBack is a run of its own for people whom events named, beside whatever
// else runs.
func (e *Engine) readBack(ctx context.Context, people map[string]named) error {
	e.mu.Lock()
	run := e.newRunLocked(Run{Kind: KindChanges, Trigger: triggerEvent, Actor: syncActor()})
	run.named, run.sure = slices.Sorted(maps.Keys(people)), true
	for _, n := range people {
		run.sure = run.sure && !n.urgent
	}
	if last := e.flow.lastRun(); last.goesOn(run.Started) {
		run.goesOn = run.Started
		run.ID, run.Started, run.Counts = last.ID, last.Started, last.Counts
	}
	e.side = append(e.side, run)
	e.mu.Unlock()
	err := e.execute(ctx, run)
	e.mu.Lock()
	e.side = slices.DeleteFunc(e.side, func(o *running) bool { return o == run })
	e.mu.Unlock()
	v, _ := run.view()
	e.flow.noteRun(v)
	if err != nil {
		e.flow.forget() // a field may have vanished
		return err
	}
	e.flow.intake.Lock()
	defer e.flow.intake.Unlock()
	now := e.salesforceNow()
	for _, n := range people {
		if !n.committed.IsZero() {
			e.watch.StreamLag(e.name, max(now.Sub(n.committed), 0))
		}
	}
	return e.journal.DropUnread(context.WithoutCancel(ctx), e.flow.done(people))
}

// goesOn reports whether a run for events that begins now is the same one for
// whoever looks at the list. One that holds something stands by itself.
func (r *Run) goesOn(now time.Time) bool {
	return r.ID != 0 && (r.Outcome == Succeeded || r.Outcome == SucceededIssues) &&
		now.Sub(r.Finished) <= sameRunGap && now.Sub(r.Started) < sameRunMost
}

func (f *flow) lastRun() Run {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

func (f *flow) noteRun(r Run) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = r
}

// salesforceNow is the time by Salesforce's clock where this host's is far off:
// to the second that clock is no better known.
func (e *Engine) salesforceNow() time.Time {
	e.mu.Lock()
	skew := e.skew
	e.mu.Unlock()
	return time.Now().Add(-skew)
}

// readNamed reads some users by id and reconciles them, in one call.
func (e *Engine) readNamed(ctx context.Context, run *running, crmc *crm.Client) error {
	run.stage(stageReplicate, len(run.named))
	r, err := e.quickReader(ctx, run, crmc, 365*24*time.Hour)
	if err != nil {
		return err
	}
	r.dirty = true
	if err := r.byID(ctx, crmc, run.named); err != nil {
		return err
	}
	run.wrote = slices.Sorted(slices.Values(r.wrote))
	run.stage(stageReconcile, len(run.named))
	return e.reconcileNamed(ctx, run, run.named)
}

// quickReader is newReader for where it is known what may be read, and who is
// frozen is what it was at the last look: it costs no call. Fields that were
// asked for longer ago than age are asked for again.
func (e *Engine) quickReader(ctx context.Context, run *running, crmc *crm.Client, age time.Duration) (*reader, error) {
	if fields, ok := e.flow.known(crmc, age); ok {
		return e.readerOf(run, fields), nil
	}
	return e.describedReader(ctx, run, crmc)
}
