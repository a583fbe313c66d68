package sync

import (
	"fmt"
	"iter"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// Action is one step of a plan: what shall become of one Salesforce user.
type Action struct {
	SalesforceID string
	Change       dialer.Change // Verb is empty when there is nothing to do
	Leaves       bool          // someone loses access, now or later
	Readdresses  bool          // someone's e-mail address becomes another one
	Joins        bool          // needs a seat: a creation or an activation
	Skip         string        // why someone is left alone on purpose, or ""
	Attention    string        // kind of attention item to open, or ""
	Err          error         // nothing could be decided
	Desired      *Desired      // nil for a dialer user whom the mirror does not know
	Actual       *dialer.User  // nil for someone who is not in the dialer

	leave ownLeave // when a person wanted them to leave, if they return
}

// DiffPolicy is what Diff must know beside the two sides.
type DiffPolicy struct {
	Now     time.Time
	Policy  int64 // hash of the rules, for the settled mark
	Leaving Leaving
	Seats   []string // license types given on enrollment
	NoSeat  dialer.OnNoSeat
	Actor   dialer.Actor
}

// Why someone is left alone on purpose.
const (
	SkipProtected  = "protected"
	SkipAdminHold  = "admin_hold" // deactivated by hand
	SkipNotVisible = "not_visible"
	SkipNoSeat     = "no_seat"
	SkipDuplicate  = "duplicate"        // shares an address with someone who has the better claim
	SkipAmbiguous  = "ambiguous"        // several dialer users could be the person
	SkipTaken      = "taken"            // an address or user name is someone else's
	SkipParked     = "parked"           // failed before, and its time has not come
	SkipDeleted    = "deleted_by_admin" // whom a person deleted, only a person adds again
)

// Diff merges what the directory should hold with what it holds, both ordered
// by the bytes of the Salesforce id, and yields an action for each user of
// either side, in that order. It does no I/O of its own, has no clock and keeps
// nothing: either side may be endless. An error of a side, or a side out of
// order, ends the stream with an error.
func Diff(desired iter.Seq2[Desired, error], actual iter.Seq2[dialer.User, error], p DiffPolicy) iter.Seq2[Action, error] {
	return func(yield func(Action, error) bool) {
		next, stop := iter.Pull2(actual)
		defer stop()
		var have dialer.User
		var haveOK bool
		advance := func() error {
			last := have.SalesforceID
			u, err, ok := next()
			if ok && err != nil {
				return fmt.Errorf("read the directory: %w", err)
			}
			if ok && u.SalesforceID <= last {
				return fmt.Errorf("read the directory: user %s is out of order", u.ID)
			}
			have, haveOK = u, ok
			return nil
		}
		if err := advance(); err != nil {
			yield(Action{}, err)
			return
		}
		last := ""
		for d, err := range desired {
			if err == nil && d.SalesforceID <= last {
				err = fmt.Errorf("the mirror is out of order at %s", d.SalesforceID)
			}
			if err != nil {
				yield(Action{}, err)
				return
			}
			last = d.SalesforceID
			for haveOK && have.SalesforceID < d.SalesforceID {
				u := have
				if !yield(Action{SalesforceID: u.SalesforceID, Actual: &u, Attention: AttentionInvisible, Skip: SkipNotVisible}, nil) {
					return
				}
				if err := advance(); err != nil {
					yield(Action{}, err)
					return
				}
			}
			var a Action
			if haveOK && have.SalesforceID == d.SalesforceID {
				u := have
				a = p.both(&d, &u)
				if err := advance(); err != nil {
					yield(Action{}, err)
					return
				}
			} else {
				a = p.onlyDesired(&d)
			}
			if !yield(a, nil) {
				return
			}
		}
		for haveOK {
			u := have
			if !yield(Action{SalesforceID: u.SalesforceID, Actual: &u, Attention: AttentionInvisible, Skip: SkipNotVisible}, nil) {
				return
			}
			if err := advance(); err != nil {
				yield(Action{}, err)
				return
			}
		}
	}
}

// onlyDesired decides about someone who is not in the dialer.
func (p *DiffPolicy) onlyDesired(d *Desired) Action {
	a := Action{SalesforceID: d.SalesforceID, Desired: d, Err: d.Err}
	switch {
	case d.Unknown:
		return a
	case d.Leave != dialer.ReasonNone:
		a.Err = nil // a bad value of someone who shall not be in the dialer concerns nobody
		return a
	case d.Err != nil || !d.Enroll:
		return a
	}
	a.Joins = true
	a.Change = p.change(dialer.VerbCreate, nil)
	a.Change.User = d.User
	if d.User.SystemRole == dialer.SystemRoleAdmin { // see differs
		a.Change.User.SystemRole = ""
	}
	a.Change.User.IntegrationInfo = dialer.IntegrationOK
	a.Change.User.SettledHash, a.Change.User.SettledPolicy = d.Hash, p.Policy
	a.Change.Seats, a.Change.NoSeat = p.Seats, p.NoSeat
	return a
}

// both decides about a dialer user and their Salesforce user.
func (p *DiffPolicy) both(d *Desired, u *dialer.User) Action {
	a := Action{SalesforceID: d.SalesforceID, Desired: d, Actual: u, Err: d.Err}
	switch {
	case d.Err != nil:
		return a
	case d.Unknown:
		a.Attention, a.Skip = AttentionInvisible, SkipNotVisible
		return a
	case u.Protected:
		a.Skip = SkipProtected
		return a
	}
	a.Change = p.change("", u)
	c := &a.Change
	c.User = *u
	for _, f := range d.Owned {
		if p.differs(f, d, u) {
			f.Copy(&c.User, &d.User)
			c.Fields = append(c.Fields, f)
			if f == dialer.FieldEmail && dialer.Key(u.Email) != dialer.Key(d.User.Email) {
				a.Readdresses = true
			}
		}
	}
	c.User.SettledHash, c.User.SettledPolicy = d.Hash, p.Policy
	if undecided(d, u) { // they keep the access that they have, and are looked at again
		c.User.SettledHash, c.User.SettledPolicy = 0, 0
	} else {
		p.integrate(c, d, u)
		p.status(&a, d, u)
	}
	if c.Verb == "" && len(c.Fields) > 0 {
		c.Verb = dialer.VerbUpdate
	}
	return a
}

// undecided reports whether it is for the scope to give or take access, and the
// scope needs what is not visible now and perhaps was never read.
func undecided(d *Desired, u *dialer.User) bool {
	returns := d.Leave == dialer.ReasonNone && u.Status == dialer.StatusInactive && u.StatusReason.BySync() && !u.AdminHold
	return d.Blind && (returns || d.Leave == dialer.ReasonOutOfScope)
}

// differs reports whether an owned attribute must be written. What a dialer
// user cannot be without is never cleared.
func (p *DiffPolicy) differs(f dialer.Field, d *Desired, u *dialer.User) bool {
	if f.Same(u, &d.User) {
		return false
	}
	if v, ok := f.Value(&d.User).(string); ok && v == "" {
		switch f {
		case dialer.FieldEmail, dialer.FieldUsername, dialer.FieldLastName, dialer.FieldTimezone, dialer.FieldLanguage, dialer.FieldSystemRole:
			return false
		}
	}
	if f == dialer.FieldSystemRole && d.User.SystemRole == dialer.SystemRoleAdmin {
		return false // the sync never makes anyone an administrator
	}
	if names, ok := f.Value(&d.User).([]string); ok && len(names) == 0 && (f.Kind() == dialer.KindPermissionGroup || f.Kind() == dialer.KindRole) {
		return false
	}
	return true
}

// integrate keeps the user's standing with Salesforce true.
func (p *DiffPolicy) integrate(c *dialer.Change, d *Desired, u *dialer.User) {
	want := dialer.IntegrationOK
	switch d.Leave {
	case dialer.ReasonSalesforceInactive:
		want = dialer.IntegrationInactive
	case dialer.ReasonSalesforceFrozen:
		want = dialer.IntegrationFrozen
	case dialer.ReasonOutOfScope:
		want = dialer.IntegrationOutOfScope
	}
	if u.IntegrationInfo != want {
		c.User.IntegrationInfo = want
		c.Fields = append(c.Fields, dialer.FieldIntegration)
	}
}

// status decides whether the user gains, keeps or loses access.
func (p *DiffPolicy) status(a *Action, d *Desired, u *dialer.User) {
	c := &a.Change
	if d.Leave != dialer.ReasonNone {
		p.leave(a, d, u)
		return
	}
	switch {
	case u.Status == dialer.StatusActive && !u.DeactivateAt.IsZero() && u.DeactivateWhy.BySync():
		c.Verb = dialer.VerbUnschedule
	case u.Status != dialer.StatusInactive:
	case u.AdminHold || !u.StatusReason.BySync():
		a.Skip = SkipAdminHold
	default:
		c.Verb, a.Joins = dialer.VerbActivate, true
		c.Seats, c.NoSeat = p.Seats, dialer.NoSeatReject
		if len(u.LicenseTypes) > 0 {
			c.Seats = u.LicenseTypes
		}
	}
}

func (p *DiffPolicy) leave(a *Action, d *Desired, u *dialer.User) {
	c := &a.Change
	if u.Status != dialer.StatusActive {
		return
	}
	at := p.Leaving.At(d.Changed, p.Now)
	if !u.DeactivateAt.IsZero() && !at.Before(u.DeactivateAt) {
		return // leaves already, and not later than this
	}
	a.Leaves = !u.DeactivateWhy.BySync() // what the sync has scheduled the guard has seen
	c.Reason, c.Source = d.Leave, d.Changed
	if at.After(p.Now) {
		c.Verb, c.At = dialer.VerbSchedule, at
		c.User.DeactivateAt, c.User.DeactivateWhy = at, d.Leave
		return
	}
	c.Verb = dialer.VerbDeactivate
}

func (p *DiffPolicy) change(v dialer.Verb, u *dialer.User) dialer.Change {
	c := dialer.Change{Verb: v, Actor: p.Actor}
	if u != nil {
		c.UserID, c.Version = u.ID, u.Version
	}
	return c
}

// withoutLeaving returns the action's change less the part that takes access.
func (a *Action) withoutLeaving() {
	a.Leaves = false
	a.Change.Verb = dialer.VerbUpdate
	a.Change.Reason, a.Change.At, a.Change.Source = "", time.Time{}, time.Time{}
	a.Change.User.DeactivateAt, a.Change.User.DeactivateWhy = a.Actual.DeactivateAt, a.Actual.DeactivateWhy
	a.unsettle()
}

// withoutAddress returns the action's change less the new e-mail address.
func (a *Action) withoutAddress() {
	a.Readdresses = false
	kept := a.Change.Fields[:0]
	for _, f := range a.Change.Fields {
		if f != dialer.FieldEmail {
			kept = append(kept, f)
		}
	}
	a.Change.Fields = kept
	a.Change.User.Email = a.Actual.Email
	a.unsettle()
}

// unsettle has the user looked at again, and drops a change that is empty now.
func (a *Action) unsettle() {
	c := &a.Change
	c.User.SettledHash, c.User.SettledPolicy = 0, 0
	if c.Verb == dialer.VerbUpdate && len(c.Fields) == 0 {
		c.Verb = ""
	}
}
