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
	joiners := slices.DeleteFunc(page, func(a Action) bool { return !a.Joins })
	if len(joiners) == 0 {
		return nil
	}
	joiners, err := p.match.resolve(ctx, p, joiners)
	if err != nil {
		return err
	}
	var now []Action
	for i := range joiners {
		a := &joiners[i]
		if a.Joins && a.Change.Seats != nil && a.Change.NoSeat != dialer.NoSeatCreateInactive && !p.seats.take(a.Change.Seats) {
			p.wait(ctx, a)
			continue
		}
		now = append(now, *a)
	}
	if p.run.DryRun {
		p.dropNoSeat(ctx, now)
		return p.apply(ctx, markedJoined(now))
	}
	if err := p.apply(ctx, markedJoined(now)); err != nil {
		return err
	}
	p.dropNoSeat(ctx, now)
	return nil
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

// markedJoined lets apply treat joiners as any other change.
func markedJoined(actions []Action) []Action {
	for i := range actions {
		actions[i].Joins = false
	}
	return actions
}

// wait notes that someone waits for a seat.
func (p *pass) wait(ctx context.Context, a *Action) {
	p.run.skip("no_seat")
	p.seats.short[a.SalesforceID] = true
	if p.waiting[a.SalesforceID] || p.run.DryRun {
		return
	}
	p.waiting[a.SalesforceID] = true
	p.keep(p.e.journal.PutPending(ctx, []store.PendingRow{{
		SalesforceID: a.SalesforceID, Kind: store.PendingNoSeat, Since: store.Micros(p.diff.Now), Detail: "no seat is left",
	}}))
}

// leaveQueue takes those off the queue who no longer wait for a seat: they
// have left, or a run that was interrupted gave them one.
func (p *pass) leaveQueue(ctx context.Context) error {
	if p.run.DryRun {
		return nil
	}
	var queue []string
	for id := range p.waiting {
		if p.ids == nil || slices.Contains(p.ids, id) {
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
		if len(gone) == 0 {
			continue
		}
		if err := p.e.journal.DropPending(ctx, store.PendingNoSeat, gone); err != nil {
			return err
		}
	}
	return nil
}

// dropNoSeat takes those who got a seat off the queue.
func (p *pass) dropNoSeat(ctx context.Context, joined []Action) {
	var ids []string
	for _, a := range joined {
		if p.waiting[a.SalesforceID] && !p.seats.short[a.SalesforceID] {
			ids = append(ids, a.SalesforceID)
		}
	}
	for _, id := range ids {
		delete(p.waiting, id)
	}
	if len(ids) > 0 && !p.run.DryRun {
		p.keep(p.e.journal.DropPending(ctx, store.PendingNoSeat, ids))
	}
}

// seatCount is how many seats are left of each type, as far as this pass
// knows. The database has the last word.
type seatCount struct {
	left  map[string]int
	short map[string]bool // who got none in this pass
}

// take takes one seat of each type, or none.
func (s *seatCount) take(types []string) bool {
	for _, t := range types {
		if s.left[t] <= 0 {
			return false
		}
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
