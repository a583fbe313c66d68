package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/dialer"
)

// massItem is a user of a mass action.
type massItem struct {
	seq, line int64
	userID    string
	payload   string
	outcome   string
	reason    string // of a refusal, the same for all who share it
	detail    string
	was       string
}

// massJob is what a mass action does to each of its users.
type massJob struct {
	d      *Directory
	m      *massRow
	field  dialer.Field
	value  dialer.User // has the attribute as it shall be
	names  []string    // for add, remove and replace
	seats  []string
	change func(it *massItem, u *dialer.User) (dialer.Change, error)
}

// job makes ready to carry out a mass action. It refuses what could be done to
// nobody.
func (d *Directory) job(m *massRow) (*massJob, error) {
	j := &massJob{d: d, m: m, field: m.Field, seats: m.options.Seats}
	switch m.Action {
	case dialer.MassSet, dialer.MassReplace:
		j.change = j.set
	case dialer.MassAdd, dialer.MassRemove:
		j.change = j.move
	case dialer.MassActivate:
		j.change = j.verb(dialer.VerbActivate)
	case dialer.MassDeactivate:
		j.change = j.verb(dialer.VerbDeactivate)
	case dialer.MassDelete:
		j.change = j.verb(dialer.VerbDelete)
	case dialer.MassAsk:
		j.change = j.verb(dialer.VerbAsk)
	case dialer.MassImport:
		j.change = j.imported
	case dialer.MassUndo:
		j.change = j.undo
	default:
		return nil, &dialer.InvalidError{Field: "action", Rule: "must be set, add, remove, replace, activate, deactivate, delete or ask"}
	}
	return j, j.attribute()
}

// attribute reads the value of an action that has one.
func (j *massJob) attribute() error {
	m := j.m
	switch m.Action {
	case dialer.MassSet, dialer.MassReplace, dialer.MassAdd, dialer.MassRemove:
	case dialer.MassUndo, dialer.MassImport:
		return nil
	default:
		if m.Field != "" || m.Value != nil {
			return &dialer.InvalidError{Field: "field", Rule: "must be left out: this action changes no attribute"}
		}
		return nil
	}
	if !m.Field.MassUpdatable() {
		return &dialer.InvalidError{Field: m.Field, Rule: "is not an attribute that can be set for many users"}
	}
	kind := m.Field.Kind()
	if m.Action != dialer.MassSet && (kind == "" || kind.Single()) {
		return &dialer.InvalidError{Field: m.Field, Rule: "holds one value: set it"}
	}
	var v any
	if err := json.Unmarshal(m.Value, &v); err != nil {
		return &dialer.InvalidError{Field: "value", Rule: "must be a value in JSON"}
	}
	if err := m.Field.Set(&j.value, v); err != nil {
		return err
	}
	if kind != "" {
		j.names = j.value.In(kind)
	}
	if (m.Action == dialer.MassAdd || m.Action == dialer.MassRemove) && len(j.names) == 0 {
		return &dialer.InvalidError{Field: "value", Rule: "must name groups"}
	}
	// A value that is wrong for everybody is wrong now, not user by user.
	if a, _ := m.Field.Attribute(); len(a.Needs) > 0 || a.Kind == dialer.ValuePhone {
		return nil // depends on the user
	}
	probe := j.value
	dialer.Normalize(&probe)
	for _, err := range j.d.rules.Check(&probe) {
		if err.Field == m.Field && !m.Field.Same(&dialer.User{}, &probe) {
			return err
		}
	}
	return nil
}

// set writes the attribute.
func (j *massJob) set(_ *massItem, u *dialer.User) (dialer.Change, error) {
	next := *u
	j.field.Copy(&next, &j.value)
	return j.update(u, next)
}

// move adds or removes groups.
func (j *massJob) move(_ *massItem, u *dialer.User) (dialer.Change, error) {
	next, kind := *u, j.field.Kind()
	names := u.In(kind)
	if j.m.Action == dialer.MassAdd {
		names = slices.Concat(names, j.names)
	} else {
		names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(j.names, n) })
	}
	next.SetGroups(kind, names...)
	return j.update(u, next)
}

func (j *massJob) update(u *dialer.User, next dialer.User) (dialer.Change, error) {
	if err := j.d.owned(u, &next, j.field); err != nil {
		return dialer.Change{}, err
	}
	return dialer.Change{Verb: dialer.VerbUpdate, User: next, Fields: []dialer.Field{j.field}}, nil
}

// owned refuses to write what Salesforce owns of a user who is linked to it.
func (d *Directory) owned(u, next *dialer.User, f dialer.Field) error {
	if u.SalesforceID == "" || f.Same(u, next) || d.ownerOf(f) != dialer.OwnerSalesforce {
		return nil
	}
	return fmt.Errorf("%s: %w", f, dialer.ErrSalesforceOwned)
}

// ownerOf says who decides on an attribute in this org.
func (d *Directory) ownerOf(f dialer.Field) dialer.Owner {
	if d.o.Owners != nil {
		if o, ok := d.o.Owners()[f]; ok {
			return o
		}
	}
	a, _ := f.Attribute()
	return a.Owner
}

func (j *massJob) verb(v dialer.Verb) func(*massItem, *dialer.User) (dialer.Change, error) {
	return func(*massItem, *dialer.User) (dialer.Change, error) {
		return dialer.Change{Verb: v, Seats: j.seats, Reason: reasonFor(v)}, nil
	}
}

// reasonFor is why a person's act leaves a user as it does.
func reasonFor(v dialer.Verb) dialer.Reason {
	switch v {
	case dialer.VerbDeactivate:
		return dialer.ReasonManual
	case dialer.VerbDelete:
		return dialer.ReasonDeleted
	}
	return dialer.ReasonNone
}

// undo gives back what a user had, unless the attribute was changed since.
func (j *massJob) undo(it *massItem, u *dialer.User) (dialer.Change, error) {
	var was [2]json.RawMessage
	if err := json.Unmarshal([]byte(it.payload), &was); err != nil {
		return dialer.Change{}, dialer.ErrMassUndo
	}
	if now := valueText(j.field, u); now != string(was[1]) && now != string(was[0]) {
		return dialer.Change{}, dialer.ErrMassSince
	}
	var v any
	if err := json.Unmarshal(was[0], &v); err != nil {
		return dialer.Change{}, dialer.ErrMassUndo
	}
	next := *u
	if err := j.field.Set(&next, v); err != nil {
		return dialer.Change{}, err
	}
	return j.update(u, next)
}

// valueText is an attribute of u in JSON.
func valueText(f dialer.Field, u *dialer.User) string {
	return jsonText(f.Value(u))
}

// steps decides what to do to each item, and what comes of it where that is
// clear: for those it gives no step.
func (j *massJob) steps(b *batch, items []massItem) []step {
	steps := make([]step, 0, len(items))
	changes := make([]dialer.Change, len(items))
	for i := range items {
		it := &items[i]
		c, err := j.one(b, it)
		if err != nil {
			it.outcome = dialer.ItemRefused
			it.reason, it.detail = reasonOf(err)
			continue
		}
		c.Note, c.Actor, c.RunID = j.m.Reason, j.m.Actor, massRun(j.m.ID)
		if c.Verb != dialer.VerbCreate {
			c.UserID = it.userID
		}
		changes[i] = c
		steps = append(steps, step{index: i, phase: phaseOf(c.Verb), change: normal(&changes[i])})
	}
	slices.SortStableFunc(steps, func(a, b step) int { return int(a.phase - b.phase) })
	return steps
}

func (j *massJob) one(b *batch, it *massItem) (dialer.Change, error) {
	var u *dialer.User
	if it.userID != "" {
		e := b.users[it.userID]
		if e == nil || e.is.Status == dialer.StatusDeleted && j.m.Action != dialer.MassDelete {
			return dialer.Change{}, dialer.ErrNotFound
		}
		u = &e.is
	}
	if within := j.m.options.Within; len(within) > 0 && u != nil {
		if !slices.ContainsFunc(u.Groups, func(g dialer.Group) bool { return slices.Contains(within, g) }) {
			return dialer.Change{}, dialer.ErrOutside
		}
	}
	return j.change(it, u)
}

// settle notes what came of the steps.
func (j *massJob) settle(b *batch, items []massItem, steps []step) {
	for i, s := range steps {
		it, r := &items[s.index], &b.results[i]
		if r.Outcome == dialer.Refused {
			it.outcome = dialer.ItemRefused
			it.reason, it.detail = reasonOf(r.Err)
			continue
		}
		it.outcome, it.userID = dialer.ItemUnchanged, r.UserID
		if r.Outcome != dialer.Applied {
			continue
		}
		it.outcome = dialer.ItemChanged
		if s.change.Verb == dialer.VerbCreate {
			it.outcome = dialer.ItemCreated
		}
		if r.NoSeat {
			it.detail = dialer.ErrNoSeat.Error()
		}
		if e := b.users[r.UserID]; j.field != "" && j.m.Action != dialer.MassUndo && e != nil {
			it.was = "[" + valueText(j.field, &e.was) + "," + valueText(j.field, &e.is) + "]"
		}
	}
}

// errConstraint says that somebody writes to the tables beside the directory.
var errConstraint = errors.New("refused by the database: look at the log")
