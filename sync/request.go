package sync

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// approvalTime is how long an approval of what is held can be spent.
const approvalTime = time.Hour

// Request begins a run, or joins the one that does the same already, and
// returns at once. A person's request is never refused for being too soon.
func (e *Engine) Request(ctx context.Context, q Request) (run Run, joined bool, err error) {
	if err := e.ready(q.DryRun); err != nil {
		return Run{}, false, err
	}
	r := Run{Kind: q.Kind, Trigger: "request", DryRun: q.DryRun, Override: q.Override, Reason: q.Reason, Actor: q.Actor}
	need := 3
	switch q.Kind {
	case KindUser:
		if r.Users, err = e.resolve(ctx, q.Users); err != nil {
			return Run{}, false, err
		}
	case KindFull:
		cost, err := e.Preview(ctx, KindFull)
		if err != nil {
			return Run{}, false, err
		}
		need = cost.Calls
	case KindChanges:
	default:
		return Run{}, false, fmt.Errorf("unknown kind of run %q", q.Kind)
	}
	if err := e.quota.allow(need, q.Override); err != nil {
		return Run{}, false, err
	}
	if q.Kind == KindUser {
		return e.requestUser(ctx, r)
	}
	e.mu.Lock()
	begun, joined := e.beginLocked(r, time.Time{})
	begun.force = true
	e.mu.Unlock()
	if err := e.enter(ctx, begun); err != nil {
		if !joined {
			begun.cancelNow(err)
		}
		return Run{}, false, err
	}
	v, _ := begun.view()
	return v, joined, nil
}

// cancelNow makes a run that has not begun end as soon as it would.
func (r *running) cancelNow(error) {
	r.update(func(run *Run) { run.Error = errCancelled.Error() })
}

// requestUser runs at once, beside whatever else runs: support does not wait.
func (e *Engine) requestUser(ctx context.Context, r Run) (Run, bool, error) {
	e.mu.Lock()
	for _, o := range e.others {
		v, _ := o.view()
		if v.Outcome == Running && v.Kind == KindUser && !v.DryRun && !r.DryRun && slices.Equal(v.Users, r.Users) {
			e.mu.Unlock()
			if err := e.enter(ctx, o); err != nil {
				return Run{}, false, err
			}
			v, _ = o.view()
			return v, true, nil
		}
	}
	r.Org, r.Outcome, r.Stage, r.Started = e.name, Running, "queued", e.now()
	run := newRunning(r, func(error) {})
	run.force = true
	e.lastDry--
	key := e.lastDry // a place in others until it has a number
	e.others[key] = run
	e.mu.Unlock()
	if err := e.enter(ctx, run); err != nil {
		e.mu.Lock()
		delete(e.others, key)
		e.mu.Unlock()
		run.update(func(r *Run) { r.Outcome = Failed })
		return Run{}, false, err
	}
	go func() { // bounded by the timeouts of its calls; Run's end is waited for by finish
		e.execute(context.WithoutCancel(ctx), run)
		e.mu.Lock()
		delete(e.others, key)
		e.mu.Unlock()
	}()
	v, _ := run.view()
	return v, false, nil
}

// ready refuses what cannot be done now.
func (e *Engine) ready(dry bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !e.leader:
		return errStandby()
	case e.state[statePaused] != "" && !dry:
		return &hinted{ErrPaused, "resume with 'rosterctl resume'"}
	}
	return nil
}

// resolve finds the Salesforce ids of people named by Salesforce id, dialer
// id, user name or e-mail.
func (e *Engine) resolve(ctx context.Context, refs []string) ([]string, error) {
	var ids []string
	for _, ref := range refs {
		if id, err := crm.ParseID(strings.TrimSpace(ref)); err == nil && strings.HasPrefix(id, "005") {
			ids = append(ids, id)
			continue
		}
		if u, err := e.dir.User(ctx, ref); err == nil && u.SalesforceID != "" {
			ids = append(ids, u.SalesforceID)
			continue
		}
		rows, err := e.mirrored(ctx, ref)
		if err != nil {
			return nil, err
		}
		switch len(rows) {
		case 1:
			ids = append(ids, rows[0].ID)
		case 0:
			return nil, &hinted{ErrUnknownUser, "name them by the Salesforce id, or run 'rosterctl sync' first if they are new"}
		default:
			return nil, &hinted{ErrAmbiguous, "name one of them by the Salesforce id"}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// mirrored finds a Salesforce user in the mirror, by id, user name or e-mail.
func (e *Engine) mirrored(ctx context.Context, ref string) ([]store.MirrorRow, error) {
	if id, err := crm.ParseID(strings.TrimSpace(ref)); err == nil {
		return e.mirror.Rows(ctx, []string{id})
	}
	key := []string{dialer.Key(ref)}
	rows, err := e.mirror.ByKey(ctx, false, key)
	if err != nil || len(rows) > 0 {
		return rows, err
	}
	return e.mirror.ByKey(ctx, true, key)
}

// Preview says what a run would cost.
func (e *Engine) Preview(ctx context.Context, kind Kind) (Cost, error) {
	all, listed, err := e.mirror.Count(ctx)
	if err != nil {
		return Cost{}, err
	}
	c := Cost{Kind: kind, Users: listed, Calls: 3, OrgLeft: -1}
	if kind == KindFull {
		c.Calls = e.crm().SnapshotCalls(max(listed, e.lastListed())) + 3
		if all == 0 {
			c.Users = -1
		}
	}
	q := e.quota.status()
	c.BudgetLeft = q.BudgetLeft
	if q.Max > 0 {
		c.OrgLeft = max(q.Max-q.Used, 0)
		c.Percent = float64(c.Calls) * 100 / float64(max(c.OrgLeft, 1))
	}
	c.Allowed = e.quota.allow(c.Calls, false) == nil
	e.mu.Lock()
	current := e.current
	e.mu.Unlock()
	if current != nil {
		if v, _ := current.view(); v.Kind == kind {
			c.Running = v.ID
		}
	}
	return c, nil
}

// find returns a run that has not ended, or a dry run, or nil.
func (e *Engine) find(id int64) *running {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := append([]*running{e.current}, e.queue...)
	for _, r := range e.others {
		list = append(list, r)
	}
	for _, r := range list {
		if r == nil {
			continue
		}
		if v, _ := r.view(); v.ID == id && id != 0 {
			return r
		}
	}
	return nil
}

// RunByID returns a run, with what it holds if that still waits.
func (e *Engine) RunByID(ctx context.Context, id int64) (Run, error) {
	if r := e.find(id); r != nil {
		v, _ := r.view()
		return v, nil
	}
	row, ok, err := e.journal.Run(ctx, id)
	if err != nil {
		return Run{}, err
	}
	if !ok {
		return Run{}, ErrNoRun
	}
	run := runOf(row)
	if run.HeldFingerprint == "" {
		return run, nil
	}
	var keys []string
	for h, err := range e.journal.Held(ctx) {
		if err != nil {
			return Run{}, err
		}
		keys = append(keys, h.Key)
		if len(run.HeldItems) < plannedMost {
			run.HeldItems = append(run.HeldItems, HeldItem{
				SalesforceID: h.SalesforceID, UserID: h.UserID, Verb: dialer.Verb(h.Verb), Reason: dialer.Reason(h.Reason),
				Why: h.Why, Since: store.Time(h.Since), ApprovedUntil: store.Time(h.ApprovedUntil),
			})
		}
	}
	if fingerprint(keys) != run.HeldFingerprint {
		run.HeldItems = nil // another set by now
	}
	return run, nil
}

// Runs lists runs, newest first; before continues a list.
func (e *Engine) Runs(ctx context.Context, before int64, limit int) ([]Run, error) {
	rows, err := e.journal.Runs(ctx, before, limit, false)
	if err != nil {
		return nil, err
	}
	runs := make([]Run, len(rows))
	for i, r := range rows {
		runs[i] = runOf(r)
		if live := e.find(r.ID); live != nil {
			runs[i], _ = live.view()
		}
	}
	return runs, nil
}

// Watch yields a run as it goes on, and ends with how it ended.
func (e *Engine) Watch(ctx context.Context, id int64) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		r := e.find(id)
		for r != nil {
			v, changed := r.view()
			if !yield(v, nil) || v.Outcome != Running {
				return
			}
			select {
			case <-ctx.Done():
				yield(v, ctx.Err())
				return
			case <-changed:
			}
			// Changes come thick: show a few a second.
			select {
			case <-ctx.Done():
			case <-r.ended:
			case <-time.After(200 * time.Millisecond):
			}
		}
		v, err := e.RunByID(ctx, id)
		yield(v, err)
	}
}

// Cancel ends a run after the step that it is at.
func (e *Engine) Cancel(_ context.Context, id int64, _ dialer.Actor) error {
	r := e.find(id)
	if r == nil {
		return e.gone(id)
	}
	r.mu.Lock()
	cancel := r.cancel
	r.mu.Unlock()
	if v, _ := r.view(); v.Stage == "queued" {
		r.cancelNow(errCancelled)
	}
	cancel(errCancelled)
	return nil
}

func (e *Engine) gone(id int64) error {
	if _, ok, err := e.journal.Run(context.Background(), id); err != nil || ok {
		if err != nil {
			return err
		}
		return ErrRunEnded
	}
	return ErrNoRun
}

// PauseRun makes a run wait at its next step.
func (e *Engine) PauseRun(_ context.Context, id int64, _ dialer.Actor) error {
	return e.pauseRun(id, true)
}

// ResumeRun lets a paused run go on.
func (e *Engine) ResumeRun(_ context.Context, id int64, _ dialer.Actor) error {
	return e.pauseRun(id, false)
}

func (e *Engine) pauseRun(id int64, on bool) error {
	r := e.find(id)
	if r == nil {
		return e.gone(id)
	}
	r.pause(on)
	return nil
}

// Approve approves exactly what a run holds, and begins a run that applies it.
// The approval expires after an hour and is spent on nothing else.
func (e *Engine) Approve(ctx context.Context, id int64, a dialer.Actor, reason string) (Run, error) {
	if err := e.ready(false); err != nil {
		return Run{}, err
	}
	run, err := e.RunByID(ctx, id)
	if err != nil {
		return Run{}, err
	}
	if run.HeldFingerprint == "" {
		return Run{}, ErrNothingHeld
	}
	who := a.Name
	if reason != "" {
		who += " (" + reason + ")"
	}
	_, err = e.journal.ApproveHeld(ctx, store.Micros(e.now().Add(approvalTime)), who, func(keys []string) error {
		switch {
		case len(keys) == 0:
			return ErrNothingHeld
		case fingerprint(keys) != run.HeldFingerprint:
			return &hinted{ErrHeldChanged, "look at the newest run that is held with 'rosterctl runs list', and approve that one"}
		}
		return nil
	})
	if err != nil {
		return Run{}, err
	}
	e.log.Info("held changes approved", "run", id, "user", a.Name)
	return e.runLocal(ctx, Run{Kind: KindChanges, Trigger: "approval", Reason: reason, Actor: a})
}

// runLocal begins a run that reads nothing from Salesforce.
func (e *Engine) runLocal(ctx context.Context, r Run) (Run, error) {
	e.mu.Lock()
	run, _ := e.beginOwnLocked(r)
	e.mu.Unlock()
	if err := e.enter(ctx, run); err != nil {
		run.cancelNow(err)
		return Run{}, err
	}
	v, _ := run.view()
	return v, nil
}

// beginOwnLocked queues a run of its own, whatever else runs.
func (e *Engine) beginOwnLocked(r Run) (*running, bool) {
	r.Org, r.Outcome, r.Stage, r.Started = e.name, Running, "queued", e.now()
	run := newRunning(r, func(error) {})
	run.local = true
	e.queue = append([]*running{run}, e.queue...)
	e.kickLocked()
	return run, false
}

// Pause stops all of the org's syncing, until Resume. What is under way waits
// at its next step.
func (e *Engine) Pause(ctx context.Context, a dialer.Actor, reason string) error {
	if err := e.remember(ctx, statePaused, encode(pauseNote{By: a.Name, Reason: reason, At: e.now()})); err != nil {
		return err
	}
	e.each(func(r *running) { r.pause(true) })
	e.log.Warn("syncing paused", "user", a.Name, "reason", reason)
	return nil
}

// Resume lets syncing go on.
func (e *Engine) Resume(ctx context.Context, a dialer.Actor) error {
	if err := e.remember(ctx, statePaused, ""); err != nil {
		return err
	}
	e.each(func(r *running) { r.pause(false) })
	e.mu.Lock()
	e.kickLocked()
	e.mu.Unlock()
	e.log.Info("syncing resumed", "user", a.Name)
	return nil
}

func (e *Engine) each(fn func(*running)) {
	e.mu.Lock()
	list := append([]*running{e.current}, e.queue...)
	for _, r := range e.others {
		list = append(list, r)
	}
	e.mu.Unlock()
	for _, r := range list {
		if r != nil {
			fn(r)
		}
	}
}
