package controltest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// massJob is a mass action and its users.
type massJob struct {
	dialer.MassAction
	items []dialer.MassItem
}

// Manual has mass actions stay running until FinishMass.
func (d *Directory) Manual() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.manual = true
}

// PreviewMass foretells that protected users are refused, and the others
// changed. Nothing comes of it in the users themselves.
func (d *Directory) PreviewMass(_ context.Context, r dialer.MassRequest) (dialer.MassAction, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Actor.Name == "" {
		panic("a mass action without an actor")
	}
	if r.Field != "" && !r.Field.MassUpdatable() {
		return dialer.MassAction{}, &dialer.InvalidError{Field: r.Field, Rule: "cannot be set for many users"}
	}
	m := massJob{MassAction: dialer.MassAction{
		ID: int64(len(d.masses) + 1), State: dialer.MassPreviewed, Action: r.Action, Field: r.Field, Value: r.Value, Seats: r.Seats,
		Reason: r.Reason, Actor: r.Actor, CreatedAt: Start(), Scope: "all",
	}}
	switch {
	case r.Scope.Filter != nil:
		m.Scope = r.Scope.FilterText
	case !r.Scope.All:
		m.Scope = fmt.Sprintf("%d users", len(r.Scope.IDs))
	}
	for i := range d.users {
		u := &d.users[i]
		if r.Scope.Filter != nil && !selects(*r.Scope.Filter, u) || r.Scope.IDs != nil && !slices.Contains(r.Scope.IDs, u.ID) {
			continue
		}
		item := dialer.MassItem{Seq: int64(len(m.items) + 1), UserID: u.ID, Username: u.Username, Outcome: dialer.ItemPending}
		if u.Protected {
			item.Expected = dialer.ErrProtected.Error()
		}
		m.items = append(m.items, item)
	}
	m.Total = int64(len(m.items))
	m.Preview = m.count(func(i *dialer.MassItem) bool { return i.Expected != "" })
	d.masses = append(d.masses, m)
	return m.MassAction, nil
}

func (m *massJob) count(refused func(*dialer.MassItem) bool) (c dialer.MassCounts) {
	for i := range m.items {
		if refused(&m.items[i]) {
			c.Refused++
		} else {
			c.Changed++
		}
	}
	if c.Refused > 0 {
		c.Reasons = []dialer.MassReason{{Reason: dialer.ErrProtected.Error(), Count: c.Refused}}
	}
	return c
}

func (d *Directory) massLocked(id int64) (*massJob, error) {
	if id < 1 || id > int64(len(d.masses)) {
		return nil, dialer.ErrNoMass
	}
	return &d.masses[id-1], nil
}

// StartMass starts a mass action, which is done at once unless Manual was
// called.
func (d *Directory) StartMass(_ context.Context, id, confirm int64, _ dialer.Actor) (dialer.MassAction, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, err := d.massLocked(id)
	switch {
	case err != nil:
		return dialer.MassAction{}, err
	case m.State != dialer.MassPreviewed:
		return dialer.MassAction{}, dialer.ErrMassState
	case m.Total != confirm:
		return dialer.MassAction{}, dialer.ErrMassConfirm
	}
	m.State, m.StartedAt = dialer.MassRunning, Start()
	if !d.manual {
		m.finish()
	}
	return m.MassAction, nil
}

// FinishMass ends a mass action that runs.
func (d *Directory) FinishMass(id int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m, err := d.massLocked(id); err == nil {
		m.finish()
	}
}

func (m *massJob) finish() {
	m.State, m.FinishedAt, m.Done = dialer.MassDone, Start().Add(time.Second), m.Preview
	for i := range m.items {
		item := &m.items[i]
		item.Outcome, item.Detail = dialer.ItemChanged, item.Expected
		if item.Expected != "" {
			item.Outcome = dialer.ItemRefused
		}
	}
	if m.Action == dialer.MassSet {
		m.UndoUntil = Start().Add(7 * 24 * time.Hour)
	}
}

// CancelMass ends a mass action that is not done.
func (d *Directory) CancelMass(_ context.Context, id int64, _ dialer.Actor) (dialer.MassAction, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, err := d.massLocked(id)
	switch {
	case err != nil:
		return dialer.MassAction{}, err
	case m.State != dialer.MassPreviewed && m.State != dialer.MassRunning:
		return dialer.MassAction{}, dialer.ErrMassState
	}
	m.State, m.FinishedAt = dialer.MassCanceled, Start()
	return m.MassAction, nil
}

// UndoMass gives back what was set.
func (d *Directory) UndoMass(_ context.Context, id int64, by dialer.Actor) (dialer.MassAction, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, err := d.massLocked(id)
	switch {
	case err != nil:
		return dialer.MassAction{}, err
	case m.UndoUntil.IsZero() || m.UndoneBy != 0:
		return dialer.MassAction{}, dialer.ErrMassUndo
	}
	undo := massJob{MassAction: m.MassAction, items: slices.Clone(m.items)}
	undo.ID, undo.Action, undo.UndoOf, undo.Actor = int64(len(d.masses)+1), dialer.MassUndo, id, by
	undo.Field, undo.Value = "", nil
	undo.finish()
	undo.UndoUntil = time.Time{}
	m.UndoneBy = undo.ID
	d.masses = append(d.masses, undo)
	return undo.MassAction, nil
}

// MassAction returns a mass action.
func (d *Directory) MassAction(_ context.Context, id int64) (dialer.MassAction, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, err := d.massLocked(id)
	if err != nil {
		return dialer.MassAction{}, err
	}
	return m.MassAction, nil
}

// MassActions returns mass actions, the latest first.
func (d *Directory) MassActions(_ context.Context, before int64, limit int) (list []dialer.MassAction, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range slices.Backward(d.masses) {
		if (before == 0 || m.ID < before) && len(list) < limit {
			list = append(list, m.MassAction)
		}
	}
	return list, nil
}

// MassItems returns what came of the users of a mass action.
func (d *Directory) MassItems(_ context.Context, id int64, q dialer.MassItemQuery) (list []dialer.MassItem, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, err := d.massLocked(id)
	if err != nil {
		return nil, err
	}
	for _, i := range m.items {
		if i.Seq > q.After && (q.Outcome == "" || q.Outcome == i.Outcome) && (!q.Expected || i.Expected != "") && len(list) < q.Limit {
			list = append(list, i)
		}
	}
	return list, nil
}
