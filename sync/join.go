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
