package sync

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// schedule begins the runs that are due.
func (e *Engine) schedule() {
	e.mu.Lock()
	s, ended, everyone := maps.Clone(e.state), e.ended, e.everyoneAt
	e.mu.Unlock()
	if e.now().Sub(everyone).Abs() < e.quota.apart(e.cost(KindFull)) { // events that concern everyone can be many
		delete(s, stateEverything)
	}
	e.begin(s, ended)
}

// begin begins what is due by what was remembered when so many runs had ended.
// Where another has ended since, that is old news.
func (e *Engine) begin(s state, ended int) {
	cfg, now := e.config(), e.now()
	trigger, due := dueFull(cfg, s, now)
	first := s.watermark().Upper.IsZero()
	wait := e.deferral(trigger, first)
	every, polls := e.quota.every(e.wish()), e.quota.every(cfg.Poll)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended != ended {
		return
	}
	e.nextFull, e.deferred = cfg.Full.Next(now), wait
	if trigger == triggerSchedule {
		e.nextFull = due
	}
	e.nextPoll = later(e.dueLook(past(s.time(stateLastPoll), now), every, polls), e.notBeforeLocked(KindChanges, now))
	if first {
		e.nextPoll = time.Time{}
	}
	if full := e.fullLocked(); full != nil {
		full.serve(due)
		return
	}
	mark := cfg.policyText()
	switch {
	case trigger != "" && wait == "" && !now.Before(e.notBeforeLocked(KindFull, now)):
		run, _ := e.beginLocked(Run{Kind: KindFull, Trigger: trigger, Actor: syncActor()})
		run.serve(due)
		if trigger == triggerEvent {
			e.everyoneAt = now
		}
	case first: // there is nothing to go on from
	case e.current != nil || len(e.queue) > 0:
	case e.policySeen != mark && trigger != triggerPolicy && !now.Before(e.notBeforeLocked(kindLocal, now)):
		e.policySeen = mark
		e.beginLocalLocked(Run{Kind: KindChanges, Trigger: triggerPolicy, Actor: syncActor()})
	case !now.Before(e.nextPoll):
		run, _ := e.beginLocked(Run{Kind: KindChanges, Trigger: triggerPoll, Actor: syncActor()})
		missed, unclear := e.flow.behind()
		run.sure = !missed && !unclear && e.calm(cfg)
	}
}

// dueFull says whether a full sync is due, why, and since when.
func dueFull(cfg *Config, s state, now time.Time) (trigger string, due time.Time) {
	last := s.time(stateLastFull)
	if last.IsZero() || s.watermark().Upper.IsZero() || s[stateAgain] == string(KindFull) {
		return triggerStart, time.Time{}
	}
	if len(s.unread(cfg)) > 0 { // rules that need what nobody was read with
		return triggerPolicy, time.Time{}
	}
	if s[stateEverything] != "" { // change events told of more than they can name
		return triggerEvent, time.Time{}
	}
	served := past(s.time(stateFullDue), now)
	if served.IsZero() {
		served = past(last, now)
	}
	if served.IsZero() { // both were noted by a clock that was ahead
		return triggerSchedule, now
	}
	if due = cfg.Full.Due(served, now); due.IsZero() {
		return "", due
	}
	return triggerSchedule, due
}

// deferral says why the quota does not allow a full sync that is due, or "".
// What it must leave is for changes, since that is how leavers are found.
// Without any snapshot there are no changes to look for, so that the first one
// may use all of it up.
func (e *Engine) deferral(trigger string, first bool) string {
	if trigger == "" {
		return ""
	}
	w := workFull
	switch {
	case first:
		w = workFirst
	case trigger == triggerPolicy:
		w = workRequest
	}
	need := e.cost(KindFull)
	short, ok := errors.AsType[*QuotaError](e.quota.allow(w, need, false))
	if !ok {
		return ""
	}
	return fmt.Sprintf("a full sync is due and waits: it needs about %d API calls, and the %s leaves it %d; what is left is kept for finding leavers", need, short.What, max(short.Left, 0))
}

// fullLocked returns the full sync that runs or waits to, or nil.
func (e *Engine) fullLocked() *running {
	for _, r := range append([]*running{e.current}, e.queue...) {
		if r != nil && r.Kind == KindFull && !r.DryRun {
			return r
		}
	}
	return nil
}

// notBeforeLocked is when a run of the kind may begin again after a failure.
// A clock that was put back does not prolong that.
func (e *Engine) notBeforeLocked(kind Kind, now time.Time) time.Time {
	if e.notBefore[kind].After(now.Add(failMost)) {
		delete(e.notBefore, kind)
	}
	return e.notBefore[kind]
}

// past is a remembered time, or none if it lies ahead: then it was noted by a
// clock that was wrong, or before the clock was put back.
func past(t, now time.Time) time.Time {
	if t.After(now.Add(maxSkew)) {
		return time.Time{}
	}
	return t
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func syncActor() dialer.Actor { return dialer.Actor{Kind: dialer.ActorSync, Name: "rosterd"} }

// beginLocked queues a run, or returns the one that does the same already.
func (e *Engine) beginLocked(r Run) (run *running, joined bool) {
	for _, other := range append([]*running{e.current}, e.queue...) {
		if other != nil && other.join(r) {
			return other, true
		}
	}
	run = e.newRunLocked(r)
	e.queue = append(e.queue, run)
	e.kickLocked()
	return run, false
}

// beginLocalLocked queues a run of its own that reads nothing from Salesforce,
// before whatever else waits.
func (e *Engine) beginLocalLocked(r Run) *running {
	run := e.newRunLocked(r)
	run.local = true
	e.queue = append([]*running{run}, e.queue...)
	e.kickLocked()
	return run
}

func (e *Engine) newRunLocked(r Run) *running {
	r.Org, r.Outcome, r.Stage, r.Started = e.name, Running, stageQueued, e.now()
	run := newRunning(r)
	run.force = r.Trigger == triggerRequest
	return run
}
