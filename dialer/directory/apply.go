package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// batchSize is how many changes one transaction takes, unless more of them must
// go together: whoever frees an address or a seat goes with who is to get it.
const batchSize = 5000

// Apply implements dialer.Directory. Changes are sorted so that what one frees
// another can take: first those that end access, then edits, then those that
// begin access, then new users; those of one user keep their order. All but new
// users beyond the first thousands are one transaction, in which the first of
// two who want the same name or the last seat gets it. A change that fails
// leaves the others alone.
func (d *Directory) Apply(ctx context.Context, changes []dialer.Change) []dialer.Result {
	results := make([]dialer.Result, len(changes))
	steps := order(changes)
	n := max(batchSize, slices.IndexFunc(steps, func(s step) bool { return s.phase == phaseCreate }))
	if !slices.ContainsFunc(steps, func(s step) bool { return s.phase == phaseCreate }) {
		n = len(steps)
	}
	for len(steps) > 0 {
		n = min(n, len(steps))
		d.transact(ctx, steps[:n], results)
		steps, n = steps[n:], batchSize
	}
	return results
}

// transact applies steps in one transaction. Every constraint was looked at
// before it is put to the test, so that a violation means that somebody writes
// to the tables beside us: then the halves are tried alone, down to the one
// that fails.
func (d *Directory) transact(ctx context.Context, steps []step, results []dialer.Result) {
	var b *batch
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		b = newBatch(d, tx, len(steps))
		return b.run(ctx, steps)
	})
	if err == nil {
		for i, s := range steps {
			results[s.index] = b.results[i]
		}
		return
	}
	kind, what := store.Violated(err)
	if kind != "" && len(steps) > 1 {
		d.o.Log.Warn("changes violate a constraint", "count", len(steps), "err", what)
		half := len(steps) / 2
		d.transact(ctx, steps[:half], results)
		d.transact(ctx, steps[half:], results)
		return
	}
	for _, s := range steps {
		results[s.index] = dialer.Result{
			UserID: s.change.UserID, Outcome: dialer.Refused, Err: fmt.Errorf("apply changes: %w", err),
		}
	}
}

// step is a change on its way.
type step struct {
	index  int // the caller's
	phase  phase
	round  int            // how many changes of the same user come before it in the phase
	change *dialer.Change // with its user normalized
}

// phase is when a change is applied.
type phase int

const (
	phaseRelease phase = iota
	phaseEdit
	phaseActivate
	phaseCreate
)

func phaseOf(v dialer.Verb) phase {
	switch v {
	case dialer.VerbDeactivate, dialer.VerbDelete, dialer.VerbSchedule:
		return phaseRelease
	case dialer.VerbActivate:
		return phaseActivate
	case dialer.VerbCreate:
		return phaseCreate
	}
	return phaseEdit
}

// noCountry is that of telephone numbers until the user is known: only those
// with a country code are read.
const noCountry = "ZZ"

// normal is a change with its user normalized, which is done once: it is needed
// to look up what others hold and again to decide.
func normal(ch *dialer.Change) *dialer.Change {
	if ch.Verb == dialer.VerbSettle {
		return ch // carries no attributes
	}
	n := *ch
	c := &n.User.Settings.Country
	abroad := *c == "" && ch.Verb != dialer.VerbCreate && !slices.Contains(ch.Fields, dialer.FieldCountry)
	if abroad { // where the user is, the directory knows
		*c = noCountry
	}
	dialer.Normalize(&n.User)
	if abroad {
		*c = ""
	}
	return &n
}

// order sorts changes into phases and, for users who are changed more than once
// in one of them, rounds.
func order(changes []dialer.Change) []step {
	type position struct {
		phase phase
		round int
	}
	last := make(map[string]position)
	steps := make([]step, len(changes))
	for i := range changes {
		ch := &changes[i]
		p := position{phase: phaseOf(ch.Verb)}
		if ch.Verb != dialer.VerbCreate {
			if before, ok := last[ch.UserID]; ok && before.phase >= p.phase {
				p = position{before.phase, before.round + 1}
			}
			last[ch.UserID] = p
		}
		steps[i] = step{index: i, phase: p.phase, round: p.round, change: normal(ch)}
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		if a.phase != b.phase {
			return int(a.phase - b.phase)
		}
		return a.round - b.round
	})
	return steps
}
