package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// safePart applies the part of a page that takes nothing from anybody, and
// notes the rest. In a direct pass nobody is enrolled yet: people join here.
func (p *pass) safePart(ctx context.Context, page []Action, direct bool) error {
	for i := range page {
		a := &page[i]
		p.note(a)
		if a.Joins && !direct {
			p.joins = true
			if a.Change.Verb == dialer.VerbCreate {
				a.Change.Verb = "" // its turn comes
				continue
			}
			a.withoutJoining()
		}
	}
	p.run.progress(len(page))
	if !direct {
		return p.apply(ctx, slices.DeleteFunc(page, func(a Action) bool {
			return a.Joins && a.Actual == nil
		}))
	}
	joiners := slices.DeleteFunc(slices.Clone(page), func(a Action) bool { return !a.Joins })
	others := slices.DeleteFunc(page, func(a Action) bool { return a.Joins })
	if err := p.apply(ctx, others); err != nil {
		return err
	}
	return p.join(ctx, joiners)
}

// apply carries out actions, a transaction a chunk, and deals with each
// result: one that fails never stops the others.
func (p *pass) apply(ctx context.Context, actions []Action) error {
	var changes []dialer.Change
	var of []*Action
	var settled []string
	for i := range actions {
		a := &actions[i]
		if err := p.sort(ctx, a, &settled); err != nil {
			return err
		}
		if a.Change.Verb == "" || p.backingOff(a) {
			continue
		}
		changes, of = append(changes, a.Change), append(of, a)
	}
	if !p.run.DryRun {
		if err := p.e.mirror.Settle(ctx, p.diff.Policy, settled); err != nil {
			return err
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return p.results(ctx, of, p.commit(ctx, of, changes))
}

// sort deals with an action that changes nothing in the directory, and makes a
// settling of one that only has to be remembered as done.
func (p *pass) sort(ctx context.Context, a *Action, settled *[]string) error {
	if a.Attention != "" {
		p.attend(ctx, a.Attention, a.SalesforceID, "Salesforce no longer shows this user to the integration user")
	}
	if a.Skip != "" {
		p.run.skip(a.Skip)
	}
	if a.Err != nil {
		p.run.count(func(c *Counts) { c.Failed++ })
		return p.failed(ctx, a, a.Err)
	}
	if a.Change.Verb != "" || a.Desired == nil || a.Desired.Unknown || a.Joins {
		return nil
	}
	d, u := a.Desired, a.Actual
	if u == nil {
		*settled = append(*settled, a.SalesforceID)
		p.mend(ctx, a.SalesforceID)
		return nil
	}
	if p.isHeld(a.SalesforceID) || a.Change.User.SettledPolicy == 0 && a.Skip == "" {
		return nil // something of this user waits
	}
	if u.SettledHash != d.Hash || u.SettledPolicy != p.diff.Policy {
		a.Change = p.diff.change(dialer.VerbSettle, d, u)
		a.Change.User.SettledHash, a.Change.User.SettledPolicy = d.Hash, p.diff.Policy
	}
	return nil
}

// backingOff reports whether a change failed before and its time to be tried
// again has not come. A changed source or a person's request makes it come.
func (p *pass) backingOff(a *Action) bool {
	r, ok := p.retries[a.SalesforceID]
	if !ok || p.force || a.Change.Verb == dialer.VerbSettle || r.SourceHash != a.Desired.Hash {
		return false
	}
	if r.Next != 0 && r.Next <= store.Micros(p.diff.Now) {
		return false
	}
	p.run.skip("backing_off")
	return true
}

// commit applies changes, or in a dry run imagines that it did.
func (p *pass) commit(ctx context.Context, of []*Action, changes []dialer.Change) []dialer.Result {
	if !p.run.DryRun {
		// A shutdown lets the transaction that is under way finish.
		return p.e.dir.Apply(context.WithoutCancel(ctx), changes)
	}
	results := make([]dialer.Result, len(changes))
	for i, c := range changes {
		results[i] = dialer.Result{UserID: c.UserID, Outcome: dialer.Applied}
		if c.Verb == dialer.VerbDeactivate && of[i].Actual != nil {
			p.seats.release(of[i].Actual.LicenseTypes)
		}
		if c.Verb != dialer.VerbSettle {
			p.run.planned(PlannedItem{SalesforceID: of[i].SalesforceID, UserID: c.UserID, Verb: c.Verb, Fields: c.Fields, Reason: c.Reason})
		}
	}
	return results
}

// results counts what became of changes, and sees to what failed.
func (p *pass) results(ctx context.Context, of []*Action, results []dialer.Result) error {
	verbs := map[dialer.Verb]int{}
	for i, r := range results {
		a := of[i]
		if r.Outcome != dialer.Refused {
			if r.Outcome == dialer.Applied {
				verbs[a.Change.Verb]++
				p.tally(a)
			}
			if r.NoSeat {
				p.wait(ctx, a)
			} else if a.Change.User.SettledPolicy != 0 {
				p.mend(ctx, a.SalesforceID)
			}
			continue
		}
		if err := p.refused(ctx, a, r.Err); err != nil {
			return err
		}
	}
	for v, n := range verbs {
		p.e.observer.Changes(p.e.name, string(v), "applied", n)
	}
	return nil
}

// refused deals with one change that was not made. What is not about the user
// but about the database ends the run.
func (p *pass) refused(ctx context.Context, a *Action, err error) error {
	var taken *dialer.TakenError
	var invalid *dialer.InvalidError
	switch {
	case errors.Is(err, dialer.ErrConflict):
		p.conflict = append(p.conflict, a.SalesforceID)
	case errors.Is(err, dialer.ErrNoSeat):
		p.wait(ctx, a)
	case errors.Is(err, dialer.ErrProtected):
		p.run.skip("protected")
	case errors.As(err, &taken), errors.As(err, &invalid), errors.Is(err, dialer.ErrNotFound):
		p.run.count(func(c *Counts) { c.Failed++ })
		p.e.observer.Changes(p.e.name, string(a.Change.Verb), "failed", 1)
		if taken != nil {
			p.attend(ctx, AttentionTaken, a.SalesforceID, taken.Error())
		}
		return p.failed(ctx, a, err)
	default:
		return fmt.Errorf("apply changes: %w", err)
	}
	return nil
}

// tally counts a change that was made.
func (p *pass) tally(a *Action) {
	p.run.count(func(c *Counts) {
		switch a.Change.Verb {
		case dialer.VerbCreate:
			c.Created++
		case dialer.VerbLink:
			c.Linked++
		case dialer.VerbUpdate:
			c.Updated++
		case dialer.VerbSchedule:
			c.Scheduled++
		case dialer.VerbUnschedule:
			c.Unscheduled++
		case dialer.VerbDeactivate:
			c.Deactivated++
		case dialer.VerbActivate:
			c.Reactivated++
		}
	})
	if a.Desired != nil && a.Change.Verb != dialer.VerbSettle && p.run.Kind != KindFull {
		p.e.lag(a.Desired)
	}
}
