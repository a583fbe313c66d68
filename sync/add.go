package sync

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Add enrolls Salesforce users, named as the mirror knows them, each for
// itself. Those in nobody's scope are refused with the reason. They get seats of
// the types named, or of the default ones; who must wait for a seat gets a
// default one in turn.
func (e *Engine) Add(ctx context.Context, refs, seats []string, a dialer.Actor, reason string) ([]AddResult, error) {
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
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var rows []store.PendingRow
	for _, id := range ids {
		rows = append(rows, store.PendingRow{SalesforceID: id, Kind: store.PendingEnroll, Since: store.Micros(e.now()), Detail: a.Name})
	}
	if err := e.journal.PutPending(ctx, rows); err != nil {
		return nil, err
	}
	e.mu.Lock()
	run := e.newRunLocked(Run{Kind: KindUser, Trigger: triggerRequest, Reason: reason, Actor: a, Users: ids})
	e.mu.Unlock()
	run.seats = seats
	run.stage(stageReconcile, len(ids))
	ctx = context.WithoutCancel(ctx) // it is short, and half of it would help nobody
	err := e.enter(ctx, run)
	if err == nil {
		err = e.reconcile(ctx, run, ids)
	}
	e.finish(ctx, run, err)
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
	cfg := e.config()
	d := cfg.judge(&rows[0], e.hiddenFields(cfg))
	switch {
	case d.Err != nil:
		r.Outcome, r.Detail = "refused", d.Err.Error()
		return nil
	case d.Unknown:
		r.Outcome, r.Detail = "refused", "Salesforce no longer shows this user"
		return nil
	case d.Leave != dialer.ReasonNone:
		r.Outcome, r.Detail = "refused", "not in scope: "+strings.ReplaceAll(string(d.Leave), "_", " ")
		return nil
	case d.Blind:
		r.Outcome, r.Detail = "refused", "the scope depends on a Salesforce field that cannot be read now"
		return nil
	}
	u, err := e.dir.User(ctx, r.SalesforceID)
	switch {
	case errors.Is(err, dialer.ErrNotFound) || err == nil && u.Status == dialer.StatusDeleted:
		return nil
	case err != nil:
		return err
	case u.Status == dialer.StatusActive:
		r.Outcome, r.UserID = "already", u.ID
	case u.AdminHold:
		r.Outcome, r.UserID, r.Detail = "refused", u.ID, "an administrator deactivated this user: activate them instead"
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
		case err == nil && u.Status != dialer.StatusDeleted:
			r.Outcome, r.UserID = "added", u.ID
			if u.MatchMethod != "" {
				r.Outcome = "linked"
			}
			if u.Status == dialer.StatusInactive && u.StatusReason == dialer.ReasonNoSeat {
				r.Outcome = "no_seat"
			}
		case err != nil && !errors.Is(err, dialer.ErrNotFound):
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
