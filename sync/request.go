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
	e.crm().Unhold()
	e.kickStream()
	r := Run{Kind: q.Kind, Trigger: triggerRequest, DryRun: q.DryRun, Override: q.Override, Reason: q.Reason, Actor: q.Actor}
	switch q.Kind {
	case KindUser:
		if r.Users, err = e.resolve(ctx, q.Users); err != nil {
			return Run{}, false, err
		}
	case KindFull, KindChanges:
	default:
		return Run{}, false, fmt.Errorf("unknown kind of run %q", q.Kind)
	}
	if err := e.allow(ctx, e.requestCost(q.Kind), q.Override); err != nil {
		return Run{}, false, err
	}
	begin := e.beginLocked
	if q.Kind == KindUser {
		begin = e.besideLocked
	}
	e.mu.Lock()
	if e.base == nil {
		e.mu.Unlock()
		return Run{}, false, errStandby()
	}
	begun, joined := begin(r)
	e.mu.Unlock()
	if err := e.enter(ctx, begun); err != nil {
		if !joined {
			begun.stop(errCancelled)
		}
		return Run{}, false, err
	}
	v, _ := begun.view()
	return v, joined, nil
}

// sideMost is how many user runs work at a time; more wait for each other.
const sideMost = 4

// besideLocked begins a run at once, beside whatever else runs: support does
// not wait.
func (e *Engine) besideLocked(r Run) (run *running, joined bool) {
	for _, other := range e.side {
		if other.join(r) {
			return other, true
		}
	}
	run = e.newRunLocked(r)
	e.side = append(e.side, run)
	ctx := e.base
	e.wg.Go(func() {
		select {
		case e.slots <- struct{}{}:
			defer func() { <-e.slots }()
		case <-ctx.Done():
		}
		_ = e.execute(ctx, run) // it is written down
		e.mu.Lock()
		defer e.mu.Unlock()
		e.side = slices.DeleteFunc(e.side, func(o *running) bool { return o == run })
	})
	return run, false
}

// ready refuses what cannot be done now.
func (e *Engine) ready(dry bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.base == nil:
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

// Preview says what a run would cost. It asks nobody but memory and one row of
// the mirror.
func (e *Engine) Preview(ctx context.Context, kind Kind) (Cost, error) {
	all, _, err := e.mirror.Count(ctx)
	if err != nil {
		return Cost{}, err
	}
	c := Cost{Kind: kind, Users: e.lastListed(), Calls: e.requestCost(kind), OrgLeft: -1}
	if kind == KindFull && all == 0 {
		c.Users = -1
	}
	q := e.quota.status(e.config().Poll)
	c.BudgetLeft = q.BudgetLeft
	if q.Max > 0 {
		c.OrgLeft = max(q.Max-q.Used, 0)
		c.Percent = float64(c.Calls) * 100 / float64(max(c.OrgLeft, 1))
	}
	c.Allowed = e.quota.allow(workRequest, c.Calls, false) == nil
	e.mu.Lock()
	current := e.current
	e.mu.Unlock()
	if current != nil && !current.DryRun && !current.local && current.Kind == kind {
		c.Running = current.number()
	}
	return c, nil
}

// find returns a run that has not ended, or a dry run, or nil.
func (e *Engine) find(id int64) *running {
	for _, r := range e.live(true) {
		if id != 0 && r.number() == id {
			return r
		}
	}
	return nil
}

// live returns the runs that have not ended, and the dry runs that are
// remembered.
func (e *Engine) live(dry bool) []*running {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := slices.Concat(e.queue, e.side)
	if e.current != nil {
		list = append(list, e.current)
	}
	if dry {
		list = append(list, e.dry...)
	}
	return list
}

// RunByID returns a run, with what it holds if that still waits.
func (e *Engine) RunByID(ctx context.Context, id int64) (Run, error) {
	var run Run
	if r := e.find(id); r != nil { // also one that has ended and is only being put away
		run, _ = r.view()
	} else {
		row, ok, err := e.journal.Run(ctx, id)
		if err != nil {
			return Run{}, err
		}
		if !ok {
			return Run{}, ErrNoRun
		}
		run = runOf(row)
	}
	if run.HeldFingerprint == "" || run.DryRun {
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
				Why: h.Why, Since: store.Time(h.Since), ApprovedUntil: store.Time(h.ApprovedUntil), ApprovedBy: h.ApprovedBy,
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
func (e *Engine) Cancel(ctx context.Context, id int64, _ dialer.Actor) error {
	r, err := e.under(ctx, id)
	if err != nil {
		return err
	}
	r.stop(errCancelled)
	return nil
}

// under finds a run that has not ended.
func (e *Engine) under(ctx context.Context, id int64) (*running, error) {
	if r := e.find(id); r != nil {
		if v, _ := r.view(); v.Outcome == Running {
			return r, nil
		}
		return nil, ErrRunEnded
	}
	_, ok, err := e.journal.Run(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, ErrNoRun
	}
	return nil, ErrRunEnded
}

// PauseRun makes a run wait at its next step.
func (e *Engine) PauseRun(ctx context.Context, id int64, _ dialer.Actor) error {
	return e.pauseRun(ctx, id, true)
}

// ResumeRun lets a paused run go on.
func (e *Engine) ResumeRun(ctx context.Context, id int64, _ dialer.Actor) error {
	return e.pauseRun(ctx, id, false)
}

func (e *Engine) pauseRun(ctx context.Context, id int64, on bool) error {
	r, err := e.under(ctx, id)
	if err != nil {
		return err
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
	if err := e.signOff(ctx, id, who); err != nil {
		return Run{}, err
	}
	e.mu.Lock()
	begun := e.beginLocalLocked(Run{Kind: KindChanges, Trigger: triggerApproval, Reason: reason, Actor: a})
	e.mu.Unlock()
	if err := e.enter(ctx, begun); err != nil {
		begun.stop(errCancelled)
		return Run{}, err
	}
	v, _ := begun.view()
	return v, nil
}

// signOff writes on a run who approved what it held.
func (e *Engine) signOff(ctx context.Context, id int64, who string) error {
	row, ok, err := e.journal.Run(ctx, id)
	if err != nil || !ok {
		return err
	}
	run := runOf(row)
	run.ApprovedBy, run.ApprovedAt = who, e.now()
	return e.journal.PutRun(ctx, rowOfRun(run))
}

// Pause stops all of the org's syncing, until Resume. What is under way waits
// at its next step.
func (e *Engine) Pause(ctx context.Context, a dialer.Actor, reason string) error {
	if err := e.remember(ctx, statePaused, encode(pauseNote{By: a.Name, Reason: reason, At: e.now()})); err != nil {
		return err
	}
	for _, r := range e.live(false) {
		r.pause(!r.DryRun)
	}
	e.log.Warn("syncing paused", "user", a.Name, "reason", reason)
	return nil
}

// Resume lets syncing go on.
func (e *Engine) Resume(ctx context.Context, a dialer.Actor) error {
	if err := e.remember(ctx, statePaused, ""); err != nil {
		return err
	}
	for _, r := range e.live(false) {
		r.pause(false)
	}
	e.mu.Lock()
	e.kickLocked()
	e.mu.Unlock()
	e.log.Info("syncing resumed", "user", a.Name)
	return nil
}
