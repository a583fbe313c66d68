package directory_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// market previews setting the target market of everybody.
func (d *office) market(v string) dialer.MassAction {
	d.Helper()
	return d.preview(dialer.MassRequest{
		Scope: dialer.MassScope{All: true}, Action: dialer.MassSet, Field: dialer.FieldTargetMarket, Value: value(v),
	})
}

// has counts the users of a market, and how often it was written to the trail.
func (d *office) has(m dialer.MassAction, v string) (users, entries int) {
	d.Helper()
	for u, err := range d.Users(d.Context(), dialer.Query{}) {
		d.must(err)
		if u.Settings.TargetMarket == v {
			users++
		}
	}
	list, err := d.Activity(d.Context(), dialer.ActivityQuery{RunID: fmt.Sprintf("mass-%d", m.ID), Verb: dialer.VerbUpdate, Limit: 100_000})
	d.must(err)
	return users, len(list)
}

func TestMassCancel(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		d.hire(1200)
		m := d.market("West")
		_, err := d.StartMass(t.Context(), m.ID, m.Total, root)
		d.must(err)
		_, err = d.StepMass(t.Context())
		d.must(err)
		if m, err = d.CancelMass(t.Context(), m.ID, root); err != nil || m.State != dialer.MassCanceled || m.Done.Changed != 500 {
			t.Fatalf("canceled: %s after %d, %v", m.State, m.Done.Changed, err)
		}
		m = d.finish(m.ID)
		if users, entries := d.has(m, "West"); users != 500 || entries != 500 {
			t.Errorf("%d users, %d entries after half", users, entries)
		}
		pending := 0
		for _, it := range d.items(m.ID, dialer.MassItemQuery{}) {
			if it.Outcome == dialer.ItemPending {
				pending++
			}
		}
		if pending != 700 {
			t.Errorf("%d are pending", pending)
		}
		undo, err := d.UndoMass(t.Context(), m.ID, root)
		d.must(err)
		if undo = d.finish(undo.ID); undo.Total != 500 || undo.Done.Changed != 500 {
			t.Errorf("undo of half: %+v", undo.Done)
		}
		if users, _ := d.has(m, "West"); users != 0 {
			t.Errorf("%d users after the undo", users)
		}
	})
}

// A transaction of a mass action that is cut off anywhere leaves nothing, and
// is done once by who comes next.
func TestMassInterrupted(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		d.hire(1100)
		m := d.market("West")
		_, err := d.StartMass(t.Context(), m.ID, m.Total, root)
		d.must(err)
		for i := 1; ; i++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*i)*3*time.Millisecond)
			more, err := d.StepMass(ctx)
			cancel()
			if err == nil && !more {
				break
			}
			now, merr := d.MassAction(t.Context(), m.ID)
			d.must(merr)
			if users, entries := d.has(m, "West"); int64(users) != now.Done.Changed || users != entries {
				t.Fatalf("after %d attempts: %d users, %d entries, %d counted", i, users, entries, now.Done.Changed)
			}
		}
		if users, entries := d.has(m, "West"); users != 1100 || entries != 1100 {
			t.Errorf("%d users, %d entries", users, entries)
		}
	})
}

// Two daemons on one database deal with each user once.
func TestMassTwoRunners(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		d := newOffice(t, open(), "acme", directory.Options{})
		second := directory.New(open(), d.org, directory.Options{Now: d.clock})
		d.hire(1600)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, r := range []*directory.Directory{d.Directory, second} {
			wg.Go(func() {
				if err := r.RunMass(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		first, then := d.market("West"), d.market("East")
		for _, m := range []dialer.MassAction{first, then} {
			_, err := d.StartMass(t.Context(), m.ID, m.Total, root)
			d.must(err)
		}
		for m := then; m.State != dialer.MassDone; {
			if err := t.Context().Err(); err != nil {
				t.Fatal(err)
			}
			var err error
			m, err = second.MassAction(t.Context(), then.ID)
			d.must(err)
		}
		stop()
		wg.Wait()
		if _, entries := d.has(first, "West"); entries != 1600 {
			t.Errorf("the first was written %d times", entries)
		}
		if users, entries := d.has(then, "East"); users != 1600 || entries != 1600 {
			t.Errorf("the second: %d users, %d entries", users, entries)
		}
	})
}

// Whatever runs at once, seats are never exceeded, and everyone who was not
// refused has one.
func TestSeatsAgainstEverything(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		const seats, callers = 40, 64
		d := newOffice(t, open(), "acme", directory.Options{})
		second := directory.New(open(), d.org, directory.Options{Now: d.clock})
		d.must(d.SetLicenses(t.Context(), []dialer.License{{Type: "agent", Purchased: seats, Default: true}}))
		sleepers := make([]string, 60)
		for i := range sleepers {
			u := person(1000 + i)
			u.Status, u.StatusReason = dialer.StatusInactive, dialer.ReasonManual
			r := d.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbCreate, User: u, Actor: root}})[0]
			d.must(r.Err)
			sleepers[i] = r.UserID
		}
		var mass []int64
		for i := range 8 {
			m := d.preview(dialer.MassRequest{Scope: ids(sleepers[i*5 : i*5+15]...), Action: dialer.MassActivate})
			_, err := d.StartMass(t.Context(), m.ID, m.Total, root)
			d.must(err)
			mass = append(mass, m.ID)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		got, refused := 0, 0 // guarded by mu
		for i := range callers {
			dir := []*directory.Directory{d.Directory, second}[i%2]
			wg.Go(func() {
				var c dialer.Change
				switch i % 4 {
				case 0:
					if _, err := dir.StepMass(context.Background()); err != nil {
						t.Error(err)
					}
					return
				case 1:
					c = dialer.Change{Verb: dialer.VerbActivate, UserID: sleepers[i%60], Seats: []string{"agent"}, Actor: root}
				default:
					c = dialer.Change{Verb: dialer.VerbCreate, User: person(i), Seats: []string{"agent"}, Actor: root}
				}
				r := dir.Apply(context.Background(), []dialer.Change{c})[0]
				mu.Lock()
				defer mu.Unlock()
				switch {
				case r.Outcome == dialer.Applied && c.Verb == dialer.VerbCreate:
					got++
				case errors.Is(r.Err, dialer.ErrNoSeat):
					refused++
				case r.Err != nil:
					t.Error(r.Err)
				}
			})
		}
		wg.Wait()
		d.finish(mass[7])
		list, err := d.Licenses(t.Context())
		d.must(err)
		holders, err := d.Count(t.Context(), dialer.Query{License: "agent", Status: dialer.StatusActive})
		d.must(err)
		active, err := d.Count(t.Context(), dialer.Query{Status: dialer.StatusActive})
		d.must(err)
		if list[0].Assigned != seats || holders != seats || active != seats {
			t.Errorf("%d assigned, %d hold one, %d are active, of %d seats", list[0].Assigned, holders, active, seats)
		}
		all, err := d.Count(t.Context(), dialer.Query{})
		d.must(err)
		if want := int64(len(sleepers) + got); all != want || refused == 0 {
			t.Errorf("%d users, want %d; %d refused", all, want, refused)
		}
		settled := int64(0)
		for _, id := range mass {
			m, err := d.MassAction(t.Context(), id)
			d.must(err)
			if settled = m.Done.Changed + m.Done.Unchanged + m.Done.Refused; settled != m.Total || m.State != dialer.MassDone {
				t.Errorf("mass action %d: %s, %d of %d", id, m.State, settled, m.Total)
			}
		}
	})
}

// A mass action that cannot be carried out does not stand in the way of others.
func TestMassGivenUp(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		d.hire(2)
		broken, good := d.market("West"), d.market("East")
		d.must(d.db.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE mass_actions SET field = 'of another release' WHERE id = $1", broken.ID)
			return err
		}))
		for _, m := range []dialer.MassAction{broken, good} {
			_, err := d.StartMass(t.Context(), m.ID, m.Total, root)
			d.must(err)
		}
		if m := d.finish(good.ID); m.State != dialer.MassDone || m.Done.Changed != 2 {
			t.Errorf("the good one: %s, %s", m.State, tally(m.Done))
		}
		if m := d.finish(broken.ID); m.State != dialer.MassCanceled {
			t.Errorf("the broken one: %s", m.State)
		}
	})
}
