package sync

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// ownLeave is when a person, not the sync, wanted someone to leave.
type ownLeave struct {
	at  time.Time
	why dialer.Reason
}

// ownDate sees to it that someone who returns leaves when a person wanted them
// to, where the sync had brought that forward. The activity log knows.
func (p *pass) ownDate(ctx context.Context, a *Action) error {
	if v := a.Change.Verb; v != dialer.VerbUnschedule && v != dialer.VerbActivate {
		return nil
	}
	own, err := p.e.broughtForward(ctx, a.Actual.ID)
	if err != nil || own.at.IsZero() {
		return err
	}
	if a.Change.Verb == dialer.VerbUnschedule {
		own.schedule(&a.Change)
	} else {
		a.leave = own
	}
	return nil
}

// schedule makes of a change one that sets the date.
func (o ownLeave) schedule(c *dialer.Change) {
	c.Verb, c.At, c.Reason = dialer.VerbSchedule, o.at, o.why
	c.User.DeactivateAt, c.User.DeactivateWhy = o.at, o.why
	c.Note = join(c.Note, "returned, and leaves as was wanted before")
}

// again is the change that sets the date after a return.
func (o ownLeave) again(a *Action) *Action {
	b := Action{SalesforceID: a.SalesforceID, Desired: a.Desired, Actual: a.Actual}
	b.Change = dialer.Change{UserID: a.Change.UserID, User: a.Change.User, Actor: a.Change.Actor}
	o.schedule(&b.Change)
	return &b
}

// broughtForward returns the date that the sync replaced by an earlier one when
// it last made a user leave, unless that was its own.
func (e *Engine) broughtForward(ctx context.Context, userID string) (own ownLeave, err error) {
	log, err := e.dir.Activity(ctx, dialer.ActivityQuery{UserID: userID, Newest: true, Limit: 50})
	if err != nil {
		return own, fmt.Errorf("look up when the user was to leave: %w", err)
	}
	for _, l := range log {
		switch l.Verb {
		case dialer.VerbSchedule, dialer.VerbDeactivate:
		case dialer.VerbUnschedule, dialer.VerbActivate, dialer.VerbCreate:
			return own, nil
		default:
			continue
		}
		var was struct {
			At  time.Time     `json:"deactivate_at"`
			Why dialer.Reason `json:"deactivate_why"`
		}
		if json.Unmarshal(l.Before, &was) != nil || was.At.IsZero() || l.Actor.Kind != dialer.ActorSync && l.Actor.Kind != dialer.ActorScheduler {
			return own, nil
		}
		if was.Why != dialer.ReasonNone && !was.Why.BySync() {
			return ownLeave{was.At, was.Why}, nil
		}
	}
	return own, nil
}
