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
		if !a.Joins || direct {
			continue
		}
		p.joins = true
		if a.Actual == nil {
			continue // their turn comes
		}
		a.withoutJoining()
	}
	p.run.progress(len(page))
	var joiners []Action
	if direct && !p.closed {
		joiners = slices.DeleteFunc(slices.Clone(page), func(a Action) bool { return !a.Joins })
	}
	others := slices.DeleteFunc(page, func(a Action) bool { return a.Joins && (direct || a.Actual == nil) })
	if err := p.apply(ctx, others); err != nil {
		return err
	}
	return p.join(ctx, joiners)
}

// apply carries out actions, a transaction for all, and deals with each
// result: one that fails never stops the others.
func (p *pass) apply(ctx context.Context, actions []Action) error {
	var todo []*Action
	var settled settled
	for i := range actions {
		a := &actions[i]
		if err := p.sort(ctx, a, &settled); err != nil {
			return err
		}
		if a.Change.Verb != "" && !p.backingOff(a) {
			todo = append(todo, a)
		}
	}
	if err := p.settle(ctx, settled); err != nil {
		return err
	}
	return p.carryOut(ctx, todo)
}

// settle notes that there is nothing to do for users, as far as their source
// rows are still the ones that were looked at.
func (p *pass) settle(ctx context.Context, s settled) error {
	if p.run.DryRun {
		return nil
	}
	return p.e.mirror.Settle(ctx, p.diff.Policy, s.ids, s.hashes)
}

// settled are the source rows by which nothing is left to be done.
type settled struct {
	ids    []string
	hashes []int64
}

func (s *settled) add(d *Desired) {
	s.ids, s.hashes = append(s.ids, d.SalesforceID), append(s.hashes, d.Hash)
}

// sort deals with an action that changes nothing in the directory, and makes a
// settling of one that only has to be remembered as done.
func (p *pass) sort(ctx context.Context, a *Action, settled *settled) error {
	if a.Attention != "" {
		p.attend(ctx, a.Attention, a.SalesforceID, detailInvisible)
	}
	if a.Skip != "" {
		p.run.skip(a.Skip)
	}
	if a.Err != nil {
		if p.backingOff(a) {
			return nil
		}
		return p.failed(ctx, a, a.Err)
	}
	if a.Change.Verb != "" || a.Desired == nil || a.Desired.Unknown || a.Joins {
		return nil
	}
	d, u := a.Desired, a.Actual
	if u == nil {
		if !d.Blind {
			settled.add(d)
		}
		p.mend(ctx, a.SalesforceID)
		return nil
	}
	if p.isHeld(a.SalesforceID) || a.Change.User.SettledPolicy == 0 && a.Skip == "" {
		return nil // something of this user waits
	}
	if u.SettledHash != d.Hash || u.SettledPolicy != p.diff.Policy {
		a.Change = p.diff.change(dialer.VerbSettle, u)
		a.Change.User.SettledHash, a.Change.User.SettledPolicy = d.Hash, p.diff.Policy
		return nil
	}
	settled.add(d)
	p.mend(ctx, a.SalesforceID)
	return nil
}

// carryOut commits actions and deals with what becomes of each.
func (p *pass) carryOut(ctx context.Context, todo []*Action) error {
	var settled settled
	for len(todo) > 0 {
		results, err := p.commit(ctx, todo)
		if err != nil {
			return err
		}
		if err := p.results(ctx, todo, results, &settled); err != nil {
			return err
		}
		todo, p.lesser = p.lesser, nil
	}
	return p.settle(ctx, settled)
}

// commit applies changes, or in a dry run imagines that it did.
func (p *pass) commit(ctx context.Context, todo []*Action) ([]dialer.Result, error) {
	if p.run.DryRun {
		return p.imagine(todo), nil
	}
	// A shutdown lets the transaction that is under way finish.
	ctx = context.WithoutCancel(ctx)
	if slices.ContainsFunc(todo, func(a *Action) bool { return a.Change.Verb != dialer.VerbSettle }) {
		if err := p.e.enter(ctx, p.run); err != nil { // intent is journaled before the act
			return nil, err
		}
	}
	id := runID(p.run.number())
	changes := make([]dialer.Change, len(todo))
	for i, a := range todo {
		changes[i] = a.Change
		changes[i].RunID = id
		if changes[i].Source.IsZero() && !a.Leaves && p.brings(a) {
			changes[i].Source = a.Desired.Modified
		}
	}
	return p.e.dir.Apply(ctx, changes), nil
}

// brings reports whether an action follows from what this run read anew.
func (p *pass) brings(a *Action) bool {
	_, read := slices.BinarySearch(p.run.wrote, a.SalesforceID)
	return read && a.Desired != nil && a.Change.Verb != dialer.VerbSettle
}

func (p *pass) imagine(todo []*Action) []dialer.Result {
	results := make([]dialer.Result, len(todo))
	for i, a := range todo {
		c := &a.Change
		results[i] = dialer.Result{UserID: c.UserID, Outcome: dialer.Applied}
		if c.Verb == dialer.VerbDeactivate && a.Actual != nil {
			p.seats.release(a.Actual.LicenseTypes)
		}
		if c.Verb != dialer.VerbSettle {
			p.run.planned(PlannedItem{SalesforceID: a.SalesforceID, UserID: c.UserID, Verb: c.Verb, Fields: c.Fields, Reason: c.Reason})
		}
	}
	return results
}

// results counts what became of changes, and sees to what failed. It adds to
// settled those who are as they should be now.
func (p *pass) results(ctx context.Context, of []*Action, results []dialer.Result, settled *settled) error {
	verbs := map[dialer.Verb]int{}
	for i, r := range results {
		a := of[i]
		switch r.Outcome {
		case dialer.Refused:
			if err := p.refused(ctx, a, r.Err); err != nil {
				return err
			}
			continue
		case dialer.Applied:
			verbs[a.Change.Verb]++
			if p.brings(a) {
				p.e.lag(a.Desired)
			}
		}
		if r.Outcome == dialer.Applied && !r.NoSeat && a.Change.Verb == dialer.VerbActivate && !a.leave.at.IsZero() {
			p.lesser = append(p.lesser, a.leave.again(a))
		}
		if r.NoSeat {
			p.wait(ctx, a)
		} else if a.Change.User.SettledPolicy != 0 {
			settled.add(a.Desired)
			p.mend(ctx, a.SalesforceID)
		}
	}
	p.run.count(func(c *Counts) {
		c.Created += verbs[dialer.VerbCreate]
		c.Linked += verbs[dialer.VerbLink]
		c.Updated += verbs[dialer.VerbUpdate]
		c.Scheduled += verbs[dialer.VerbSchedule]
		c.Unscheduled += verbs[dialer.VerbUnschedule]
		c.Deactivated += verbs[dialer.VerbDeactivate]
		c.Reactivated += verbs[dialer.VerbActivate]
	})
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
	kind, what := store.Violated(err)
	switch {
	case errors.Is(err, dialer.ErrConflict), errors.Is(err, dialer.ErrHold), errors.Is(err, dialer.ErrLocal), errors.Is(err, dialer.ErrNotFound):
		p.conflict = append(p.conflict, a.SalesforceID) // not as it was a moment ago
		return nil
	case errors.Is(err, dialer.ErrNoSeat):
		p.wait(ctx, a)
		return nil
	case errors.Is(err, dialer.ErrProtected):
		p.run.skip(SkipProtected)
		return nil
	case errors.As(err, &taken):
		if !p.last {
			p.taken = append(p.taken, a)
			return nil
		}
		p.attend(ctx, AttentionTaken, a.SalesforceID, taken.Error())
	case errors.As(err, &invalid):
	case kind != "":
		err = fmt.Errorf("it breaks the %s constraint %s", kind, what)
	default:
		return fmt.Errorf("apply changes: %w", err)
	}
	rest, seeded := lesser(a, err)
	if rest != nil {
		p.lesser = append(p.lesser, rest)
	}
	if seeded {
		return nil
	}
	return p.failed(ctx, a, err)
}

// lesser is what is left of a refused change without the attributes that were
// refused, or nil: a bad telephone number shall neither keep a leaver's access
// nor a joiner out. It reports whether all of those are only seeded, so that
// nothing is missing that a later sync would mend.
func lesser(a *Action, err error) (rest *Action, seeded bool) {
	bad := refusedFields(err)
	if len(bad) == 0 {
		return nil, false
	}
	b := *a
	b.Change.User.SettledHash, b.Change.User.SettledPolicy = 0, 0
	if a.Change.Verb == dialer.VerbCreate {
		seeded = true
		for _, f := range bad {
			switch f {
			case dialer.FieldUsername, dialer.FieldEmail, dialer.FieldSalesforceID, dialer.FieldLicenses:
				return nil, false
			}
			if v := f.Value(&b.Change.User); v == "" || !f.SetText(&b.Change.User, "") {
				return nil, false
			}
			seeded = seeded && !slices.Contains(a.Desired.Owned, f)
			b.Change.Note = join(b.Change.Note, string(f)+" left out: the dialer refuses it")
		}
		if seeded {
			b.Change.User.SettledHash, b.Change.User.SettledPolicy = a.Change.User.SettledHash, a.Change.User.SettledPolicy
		}
		return &b, seeded
	}
	b.Change.Fields = slices.DeleteFunc(slices.Clone(a.Change.Fields), func(f dialer.Field) bool { return slices.Contains(bad, f) })
	if len(b.Change.Fields) == len(a.Change.Fields) || len(b.Change.Fields) == 0 && b.Change.Verb == dialer.VerbUpdate {
		return nil, false
	}
	if b.Change.Verb == dialer.VerbLink && slices.Contains(bad, dialer.FieldSalesforceID) {
		return nil, false
	}
	return &b, false
}

// refusedFields lists the attributes that an error of the directory is about.
func refusedFields(err error) []dialer.Field {
	switch e := err.(type) { //nolint:errorlint // each link of the chain is asked in turn
	case *dialer.InvalidError:
		return []dialer.Field{e.Field}
	case *dialer.TakenError:
		return []dialer.Field{e.Field}
	case interface{ Unwrap() error }:
		return refusedFields(e.Unwrap())
	case interface{ Unwrap() []error }:
		var all []dialer.Field
		for _, inner := range e.Unwrap() {
			all = append(all, refusedFields(inner)...)
		}
		return all
	}
	return nil
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
