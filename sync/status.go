package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Status says how the org stands, with reasons where something is wrong.
func (e *Engine) Status(ctx context.Context) (Status, error) {
	st := Status{Name: e.name, State: "ok"}
	e.mu.Lock()
	s := make(state, len(e.state))
	for k, v := range e.state {
		s[k] = v
	}
	leader, loaded, current := e.leader, e.loaded, e.current
	st.NextFull, st.NextPoll, st.LastError, st.LastErrorAt = e.nextFull, e.nextPoll, e.lastError, e.errorAt
	e.mu.Unlock()
	st.Salesforce, st.LastFull, st.LastChange = s[stateOrgID], s.time(stateLastFull), s.time(stateLastPoll)
	var err error
	if st.Mirror, _, err = e.mirror.Count(ctx); err != nil {
		return st, err
	}
	if st.Enrolled, err = e.enrolled(ctx); err != nil {
		return st, err
	}
	if st.Held, err = e.journal.HeldCount(ctx); err != nil {
		return st, err
	}
	if st.Attention, err = e.journal.AttentionCount(ctx); err != nil {
		return st, err
	}
	if st.Waiting, _, err = e.journal.PendingCount(ctx, store.PendingNoSeat); err != nil {
		return st, err
	}
	overdue, err := e.dir.Count(ctx, dialer.Query{Status: dialer.StatusActive, DueBefore: e.now().Add(-10 * time.Second)})
	if err != nil {
		return st, err
	}
	st.Overdue = int(overdue)
	st.Quota = e.quota.status()
	st.Quota.PollEvery = e.quota.stretch(e.config().Poll).String()
	if current != nil {
		v, _ := current.view()
		st.Running = v.ID
		if v.ID != 0 {
			st.State = "running"
		}
	}
	e.judgeState(&st, s, leader, loaded)
	return st, nil
}

// judgeState gives the status its state and reasons, the worst last.
func (e *Engine) judgeState(st *Status, s state, leader, loaded bool) {
	say := func(state, reason string) { st.State, st.Reasons = state, append(st.Reasons, reason) }
	if st.Held > 0 {
		say("degraded", fmt.Sprintf("%d people have a change that waits for approval", st.Held))
	}
	if st.LastFull.IsZero() && loaded && leader {
		say("degraded", "no full sync has completed yet")
	}
	if st.Overdue > 0 {
		say("degraded", fmt.Sprintf("%d people should have lost access by now", st.Overdue))
	}
	if l := st.Quota.Level; l == levelExhausted {
		say("degraded", "the API quota that routine work may use is spent")
	}
	if st.LastError != "" {
		say("degraded", st.LastError)
	}
	if age := e.now().Sub(st.LastChange); !st.LastChange.IsZero() && age > max(5*e.quota.stretch(e.config().Poll), 15*time.Minute) && s[statePaused] == "" && leader {
		say("degraded", "Salesforce was last read "+age.Round(time.Second).String()+" ago")
	}
	if s[statePaused] != "" {
		say("paused", "syncing is paused")
	}
	if !leader {
		say("standby", "another instance is in charge, or the database does not answer")
	}
}

// Quota says how the API quota stands.
func (e *Engine) Quota(context.Context) (QuotaStatus, error) {
	q := e.quota.status()
	q.PollEvery = e.quota.stretch(e.config().Poll).String()
	return q, nil
}

// publish sets the gauges.
func (e *Engine) publish(ctx context.Context) {
	st, err := e.Status(ctx)
	if err != nil {
		e.blame(err)
		return
	}
	e.observer.StatusGauges(e.name, st.Mirror, st.Enrolled, st.Held, st.Attention, st.Waiting, st.Overdue)
	e.observer.QuotaGauges(e.name, st.Quota.Used, st.Quota.Max, st.Quota.Ours, st.Quota.BudgetLeft)
	licenses, err := e.dir.Licenses(ctx)
	if err != nil {
		e.blame(err)
		return
	}
	for _, l := range licenses {
		e.observer.Seats(e.name, l.Type, int(l.Purchased), int(l.Assigned))
	}
}

// Attention lists what only a person can decide.
func (e *Engine) Attention(ctx context.Context) ([]AttentionItem, error) {
	rows, err := e.journal.Attention(ctx, "")
	return items(rows), err
}

func items(rows []store.AttentionRow) []AttentionItem {
	list := make([]AttentionItem, len(rows))
	for i, r := range rows {
		list[i] = AttentionItem{ID: r.ID, Kind: r.Kind, User: r.Subject, Detail: r.Detail, Since: store.Time(r.Since)}
	}
	return list
}

// ErrNoAttention says that there is no open item with that id.
var ErrNoAttention = errors.New("no such open attention item")

// ResolveAttention closes an item and has what it concerns tried again: the
// user of the item, or for a shrunken source the smaller number of users.
func (e *Engine) ResolveAttention(ctx context.Context, id int64, a dialer.Actor) error {
	rows, err := e.journal.Attention(ctx, "")
	if err != nil {
		return err
	}
	at := slices.IndexFunc(rows, func(r store.AttentionRow) bool { return r.ID == id })
	if at < 0 {
		return ErrNoAttention
	}
	if rows[at].Kind == AttentionShrink {
		if err := e.remember(ctx, statePrefilter, "accepted by "+a.Name); err != nil {
			return err
		}
	}
	subject, ok, err := e.journal.ResolveAttention(ctx, id, a.Name, store.Micros(e.now()))
	if err != nil || !ok {
		return errors.Join(err, noneIf(!ok))
	}
	if _, perr := crm.ParseID(subject); perr == nil {
		if err := e.journal.DropPending(ctx, store.PendingRetry, []string{subject}); err != nil {
			return err
		}
		return e.journal.PutPending(ctx, []store.PendingRow{{SalesforceID: subject, Kind: store.PendingDirty, Since: store.Micros(e.now())}})
	}
	return nil
}

func noneIf(none bool) error {
	if none {
		return ErrNoAttention
	}
	return nil
}

// Add enrolls Salesforce users, named as the mirror knows them, each for
// itself. Those in nobody's scope are refused with the reason.
func (e *Engine) Add(ctx context.Context, refs []string, a dialer.Actor, reason string) ([]AddResult, error) {
	if err := e.ready(false); err != nil {
		return nil, err
	}
	out := make([]AddResult, len(refs))
	var ids []string
	for i, ref := range refs {
		out[i] = AddResult{Ref: ref}
		if err := e.mayAdd(ctx, ref, &out[i]); err != nil {
			return nil, err
		}
		if out[i].Outcome == "" {
			ids = append(ids, out[i].SalesforceID)
		}
	}
	if len(ids) == 0 {
		return out, nil
	}
	var rows []store.PendingRow
	for _, id := range ids {
		rows = append(rows, store.PendingRow{SalesforceID: id, Kind: store.PendingEnroll, Since: store.Micros(e.now()), Detail: a.Name})
	}
	if err := e.journal.PutPending(ctx, rows); err != nil {
		return nil, err
	}
	run := newRunning(Run{Org: e.name, Kind: KindUser, Trigger: "request", Reason: reason, Actor: a, Users: ids, Outcome: Running, Started: e.now()}, func(error) {})
	if err := e.enter(ctx, run); err != nil {
		return nil, err
	}
	slices.Sort(ids)
	err := e.reconcile(context.WithoutCancel(ctx), run, ids, true)
	e.finish(context.WithoutCancel(ctx), run, err)
	if err != nil {
		return nil, err
	}
	return out, e.added(ctx, out)
}

// mayAdd looks up one user to add, and says why not.
func (e *Engine) mayAdd(ctx context.Context, ref string, r *AddResult) error {
	rows, err := e.mirrored(ctx, ref)
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		r.Outcome, r.Detail = "refused", "not one Salesforce user as last read; name them by the Salesforce id, or run 'rosterctl sync' first"
		return nil
	}
	r.SalesforceID = rows[0].ID
	switch d := e.config().judge(&rows[0], e.hiddenFields()); {
	case d.Err != nil:
		r.Outcome, r.Detail = "refused", d.Err.Error()
	case d.Unknown:
		r.Outcome, r.Detail = "refused", "Salesforce no longer shows this user"
	case d.Leave != dialer.ReasonNone:
		r.Outcome, r.Detail = "refused", "not in scope: "+strings.ReplaceAll(string(d.Leave), "_", " ")
	}
	return nil
}

// added tells for each user who was to be added what became of it.
func (e *Engine) added(ctx context.Context, out []AddResult) error {
	for i := range out {
		r := &out[i]
		if r.Outcome != "" {
			continue
		}
		u, err := e.dir.User(ctx, r.SalesforceID)
		switch {
		case err == nil:
			r.Outcome, r.UserID = "added", u.ID
			if u.Status == dialer.StatusInactive && u.StatusReason == dialer.ReasonNoSeat {
				r.Outcome = "no_seat"
			}
		case !errors.Is(err, dialer.ErrNotFound):
			return err
		default:
			r.Outcome, r.Detail = "refused", "see the attention items"
			pending, err := e.journal.PendingOf(ctx, []string{r.SalesforceID})
			if err != nil {
				return err
			}
			for _, p := range pending {
				if p.Kind == store.PendingNoSeat {
					r.Outcome, r.Detail = "no_seat", "no seat is left; they get one in turn"
				}
			}
		}
	}
	return nil
}
