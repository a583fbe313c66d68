package sync

import (
	"context"
	"slices"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// join creates, links and activates those of a page who join, as far as seats
// go. Once no seat is left nobody else is tried: they wait.
func (p *pass) join(ctx context.Context, page []Action) error {
	joiners := slices.DeleteFunc(page, func(a Action) bool { return !a.Joins || p.backingOff(&a) })
	if len(joiners) == 0 {
		return nil
	}
	joiners, err := p.match.resolve(ctx, p, joiners)
	if err != nil {
		return err
	}
	var now []*Action
	for i := range joiners {
		a := &joiners[i]
		if a.Joins && len(a.Change.Seats) > 0 && a.Change.NoSeat != dialer.NoSeatCreateInactive && !p.seats.take(a.Change.Seats) {
			p.wait(ctx, a)
			continue
		}
		if who, asked := p.enroll[a.SalesforceID]; asked && a.Change.Verb != dialer.VerbActivate {
			a.Change.Note = join("added by "+who, a.Change.Note)
		}
		now = append(now, a)
	}
	return p.carryOut(ctx, now)
}

// withoutJoining takes the activation out of an action: what else changed goes
// on at once.
func (a *Action) withoutJoining() {
	a.Change.Verb = ""
	if len(a.Change.Fields) > 0 {
		a.Change.Verb = dialer.VerbUpdate
	}
	a.Change.User.SettledHash, a.Change.User.SettledPolicy = 0, 0
}

// wait notes that someone waits for a seat.
func (p *pass) wait(ctx context.Context, a *Action) {
	p.run.skip(SkipNoSeat)
	if p.waiting[a.SalesforceID] || p.run.DryRun {
		return
	}
	p.waiting[a.SalesforceID] = true
	p.keep(p.e.journal.PutPending(ctx, []store.PendingRow{{
		SalesforceID: a.SalesforceID, Kind: store.PendingNoSeat, Since: store.Micros(p.diff.Now), Detail: "no seat is left",
	}}))
}

// leaveQueue takes those off the queue who no longer wait for a seat: they have
// left, or a run that was interrupted gave them one.
func (p *pass) leaveQueue(ctx context.Context) error {
	if p.run.DryRun {
		return nil
	}
	var queue []string
	for id := range p.waiting {
		if p.looks(id) {
			queue = append(queue, id)
		}
	}
	slices.Sort(queue)
	for part := range slices.Chunk(queue, chunk) {
		actions, err := p.actions(ctx, part)
		if err != nil {
			return err
		}
		var gone []string
		for _, a := range actions {
			if a.Joins || a.Err != nil || a.Desired == nil || a.Desired.Unknown {
				continue
			}
			delete(p.waiting, a.SalesforceID)
			gone = append(gone, a.SalesforceID)
		}
		if err := p.e.journal.DropPending(ctx, store.PendingNoSeat, gone); err != nil {
			return err
		}
	}
	return nil
}

// seatCount is how many seats are left of each type, as far as this pass
// knows. The database has the last word.
type seatCount struct{ left map[string]int }

// any reports whether a seat of each type is left.
func (s *seatCount) any(types []string) bool {
	return !slices.ContainsFunc(types, func(t string) bool { return s.left[t] <= 0 })
}

// take takes one seat of each type, or none.
func (s *seatCount) take(types []string) bool {
	if !s.any(types) {
		return false
	}
	for _, t := range types {
		s.left[t]--
	}
	return true
}

func (s *seatCount) release(types []string) {
	for _, t := range types {
		s.left[t]++
	}
}
