package sync

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/store"
)

// Status says how the org stands, with reasons where something is wrong.
func (e *Engine) Status(ctx context.Context) (Status, error) {
	st := Status{Name: e.name, State: "ok"}
	s := e.remembered()
	e.mu.Lock()
	leads, current, deferred, skew := e.base != nil, e.current, e.deferred, e.skew
	troubles := e.troubledLocked()
	st.NextFull, st.NextPoll = e.nextFull, e.nextPoll
	e.mu.Unlock()
	if trigger, _ := dueFull(e.config(), s, e.now()); trigger == "" { // one has ended since it was said to wait
		deferred = ""
	}
	if !leads { // what the one in charge remembers
		stored, err := e.journal.State(ctx)
		if err != nil {
			return st, err
		}
		s, st.NextFull, st.NextPoll = stored, time.Time{}, time.Time{}
	}
	st.Salesforce, st.LastFull, st.LastChange = s[stateOrgID], s.time(stateLastFull), s.time(stateLastPoll)
	if err := e.statusCounts(ctx, &st); err != nil {
		return st, err
	}
	g, leads, err := e.governor(ctx)
	if err != nil {
		return st, err
	}
	st.Quota, st.Changes = g.status(e.wish()), e.changesStatus(leads)
	if current != nil {
		if v, _ := current.view(); v.Outcome == Running && v.ID != 0 { // one that has ended is only being put away
			st.Running, st.State = v.ID, "running"
		}
	}
	for _, t := range troubles {
		st.LastError, st.LastErrorAt = t.text, t.at
	}
	if !leads {
		st.State, st.Reasons = "standby", []string{"another instance is in charge"}
		for _, t := range troubles {
			st.Reasons = append(st.Reasons, t.text)
		}
		return st, nil
	}
	licenses, err := e.dir.Licenses(ctx)
	if err != nil {
		return st, err
	}
	e.judgeState(&st, s, troubles, deferred, skew)
	for _, run := range e.live(false) {
		if since, stuck := run.stuck(); stuck && st.State != "paused" {
			st.Reasons = append(st.Reasons, fmt.Sprintf("run %d has not come on since %s: does Salesforce answer? see 'rosterctl doctor'", run.number(), moment(since)))
			st.degrade()
		}
	}
	if over := overAllocated(licenses); len(over) > 0 {
		st.Reasons = append(st.Reasons, over...)
		st.degrade()
	}
	return st, nil
}

// degrade makes the state degraded, unless it is worse.
func (st *Status) degrade() {
	if st.State == "ok" || st.State == "running" {
		st.State = "degraded"
	}
}

func (e *Engine) statusCounts(ctx context.Context, st *Status) (err error) {
	s, err := e.journal.Standing(ctx, store.Micros(e.now().Add(-overdueAfter)))
	if err != nil {
		return err
	}
	st.Mirror, st.Held, st.Attention, st.Waiting, st.Overdue = s.Mirror, s.Held, s.Attention, s.Waiting, s.Overdue
	st.Enrolled, err = e.enrolledLately(ctx)
	return err
}

// overdueAfter is how long after its time a deactivation is said to be late.
const overdueAfter = 10 * time.Second

// judgeState gives the status its state and reasons: paused before blocked,
// which only a person ends, before degraded.
func (e *Engine) judgeState(st *Status, s state, troubles []trouble, deferred string, skew time.Duration) {
	say := func(reason string, args ...any) {
		st.State, st.Reasons = "degraded", append(st.Reasons, fmt.Sprintf(reason, args...))
	}
	if st.Held > 0 {
		say("people whose change waits for approval: %d", st.Held)
	}
	if st.LastFull.IsZero() {
		say("no full sync has completed yet")
	}
	if st.Overdue > 0 {
		say("people who should have lost access by now: %d", st.Overdue)
	}
	if st.Quota.Level == levelExhausted {
		say("the API quota that routine work may use is spent")
	}
	if deferred != "" {
		say("%s", deferred)
	}
	if skew != 0 {
		say("this host's clock differs from Salesforce's by %s", skew)
	}
	late := max(5*e.quota.every(e.wish()), 15*time.Minute)
	if age := e.now().Sub(st.LastChange); !st.LastChange.IsZero() && age > late && s[statePaused] == "" {
		say("Salesforce was last read %s ago", age.Round(time.Second))
	}
	for _, why := range e.streamReasons() {
		say("%s", why)
	}
	blocked := false
	for _, t := range troubles {
		say("%s", t.text)
		if t.hint != "" {
			st.Reasons[len(st.Reasons)-1] += " (" + t.hint + ")"
		}
		blocked = blocked || t.person
	}
	if blocked {
		st.State = "blocked"
	}
	if s[statePaused] != "" {
		var by pauseNote
		_ = json.Unmarshal([]byte(s[statePaused]), &by) // a note that cannot be read pauses all the same
		st.State = "paused"
		st.Reasons = append(st.Reasons, strings.TrimSpace("syncing is paused by "+by.By+": "+by.Reason))
	}
}

// Quota says how the API quota stands.
func (e *Engine) Quota(ctx context.Context) (QuotaStatus, error) {
	cfg := e.config()
	g, leads, err := e.governor(ctx)
	if err != nil {
		return QuotaStatus{}, err
	}
	if leads {
		return g.explain(e.wish(), cfg.Full.Next(e.now()), e.cost, e.calm(cfg)), nil
	}
	q := g.explain(cfg.Poll, cfg.Full.Next(e.now()), func(k Kind) int { return g.cost(k, firstCost) }, false)
	q.Why = slices.Insert(q.Why, 0, "Another instance is in charge; this is what it wrote down last.")
	return q, nil
}

// governor is what knows the quota: where another instance is in charge, by what
// that wrote down.
func (e *Engine) governor(ctx context.Context) (g *governor, leads bool, err error) {
	e.mu.Lock()
	leads = e.base != nil
	e.mu.Unlock()
	if leads {
		return e.quota, true, nil
	}
	s, err := e.journal.State(ctx)
	if err != nil {
		return nil, false, err
	}
	hours, err := e.journal.Calls(ctx)
	if err != nil {
		return nil, false, err
	}
	g = newGovernor(e.config().Budget, evenly())
	g.load(hours, s[stateQuota])
	return g, false, nil
}

// publish sets the gauges.
func (e *Engine) publish(ctx context.Context) {
	e.recount(ctx)
	st, err := e.Status(ctx)
	if err != nil {
		e.trouble("status", err)
		return
	}
	e.observer.StatusGauges(e.name, st.Mirror, st.Enrolled, st.Held, st.Attention, st.Waiting, st.Overdue)
	e.observer.QuotaGauges(e.name, st.Quota.Used, st.Quota.Max, st.Quota.Ours, st.Quota.BudgetLeft)
	licenses, err := e.dir.Licenses(ctx)
	if err != nil {
		e.trouble("status", err)
		return
	}
	e.over("status")
	for _, l := range licenses {
		e.observer.Seats(e.name, l.Type, int(l.Purchased), int(l.Assigned))
	}
}
