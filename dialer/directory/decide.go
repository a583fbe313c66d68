package directory

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rosterd/rosterd/dialer"
)

// bySync reports whether a machine makes the change, which must leave alone
// what people have decided.
func bySync(a dialer.Actor) bool {
	return a.Kind == dialer.ActorSync || a.Kind == dialer.ActorScheduler
}

// prepare decides what a change makes of its user. It returns nil when nothing
// comes of it, having said so in r.
func (b *batch) prepare(ch *dialer.Change, r *dialer.Result) *cand {
	c := &cand{result: r, change: ch, note: ch.Note}
	var err error
	if ch.Verb == dialer.VerbCreate {
		err = b.create(c)
	} else {
		err = b.edit(c)
	}
	switch {
	case err != nil:
		r.Outcome, r.Err = dialer.Refused, err
		return nil
	case r.Outcome != "":
		return nil
	}
	return c
}

// create fills c for a new user.
func (b *batch) create(c *cand) error {
	ch, u := c.change, c.change.User
	if bySync(ch.Actor) && u.SalesforceID == "" {
		return dialer.ErrLocal
	}
	there := b.users[u.ID]
	if h, ok := b.held[slotSalesforceID][u.SalesforceID]; there == nil && ok {
		there = b.users[h.id]
	}
	if there != nil {
		*c.result = dialer.Result{
			UserID: there.is.ID, Outcome: dialer.Unchanged, Version: there.is.Version,
			NoSeat: there.is.StatusReason == dialer.ReasonNoSeat,
		}
		return nil
	}
	if u.ID == "" {
		id, err := uuid.NewV7() // rises with time, which keeps indexes compact
		if err != nil {
			return fmt.Errorf("make an id: %w", err)
		}
		u.ID = id.String()
	}
	if err := b.newcomer(ch, c, &u); err != nil {
		return err
	}
	b.defaults(&u)
	u.DeletedAt, u.CreatedAt, u.Version = time.Time{}, b.now, 1
	u.LicenseTypes = nil
	switch u.Status {
	case "", dialer.StatusActive:
		u.Status, u.StatusReason = dialer.StatusActive, dialer.ReasonNone
	case dialer.StatusInactive:
		stay(&u)
		u.StatusReason = first(ch.Reason, u.StatusReason, dialer.ReasonManual)
	default:
		return &dialer.InvalidError{Field: "status", Rule: "must be active or inactive for a new user"}
	}
	c.auto = u.Extension == "" || u.Extension == autoExtension
	if u.Extension == autoExtension {
		u.Extension = ""
	}
	if u.Extension != "" && !dialer.Extension(u.Extension) {
		u.Extension = ""
		c.note = join(c.note, "extension left out: it must have 3 to 6 digits")
	}
	c.e, c.next = &entry{}, u
	if err := b.hideSecrets(c); err != nil {
		return err
	}
	if u.Status == dialer.StatusActive {
		if err := b.seat(c); err != nil {
			return err
		}
	}
	return b.check(c)
}

// defaults gives a user what an active one must have.
func (b *batch) defaults(u *dialer.User) {
	o := &b.d.o
	if u.One(dialer.KindPermissionGroup) == "" {
		u.SetGroups(dialer.KindPermissionGroup, o.DefaultPermissionGroup)
	}
	if u.One(dialer.KindRole) == "" {
		u.SetGroups(dialer.KindRole, o.DefaultRole)
	}
	u.Timezone = first(u.Timezone, o.DefaultTimezone)
	u.Language = first(u.Language, o.DefaultLanguage)
	u.SystemRole = first(u.SystemRole, dialer.SystemRoleUser)
	if u.Origin == "" {
		u.Origin = dialer.OriginLocal
		if u.SalesforceID != "" {
			u.Origin = dialer.OriginSalesforce
		}
	}
}

// edit fills c for a user who is there.
func (b *batch) edit(c *cand) error {
	ch := c.change
	e := b.users[ch.UserID]
	if e == nil {
		return dialer.ErrNotFound
	}
	c.e, c.next = e, e.is
	c.result.Version = e.is.Version
	if e.is.Status == dialer.StatusDeleted {
		if ch.Verb == dialer.VerbDelete {
			c.result.Outcome = dialer.Unchanged
			return nil
		}
		return dialer.ErrNotFound
	}
	if ch.Verb == dialer.VerbSettle {
		b.settle(c)
		return nil
	}
	if bySync(ch.Actor) {
		switch {
		case e.is.Protected:
			return dialer.ErrProtected
		case e.is.SalesforceID == "" && ch.Verb != dialer.VerbLink:
			return dialer.ErrLocal
		case ch.Verb == dialer.VerbDelete:
			return fmt.Errorf("%w: only a person deletes users", dialer.ErrProtected)
		case ch.Verb == dialer.VerbActivate && e.is.AdminHold && e.is.Status != dialer.StatusActive:
			return dialer.ErrHold
		}
	}
	if err := b.fields(c); err != nil {
		return err
	}
	if err := b.hideSecrets(c); err != nil {
		return err
	}
	if err := b.verb(c); err != nil {
		return err
	}
	if before, _ := dialer.Delta(&e.is, &c.next); before == "{}" && !c.auto {
		b.same(c)
		return nil
	}
	if ch.Version != 0 && ch.Version != e.is.Version {
		b.unreserve(c)
		return dialer.ErrConflict
	}
	c.next.SettledHash, c.next.SettledPolicy = 0, 0
	if bySync(ch.Actor) && !c.noSeat {
		c.next.SettledHash, c.next.SettledPolicy = ch.User.SettledHash, ch.User.SettledPolicy
	}
	return b.check(c)
}

// fields copies the attributes that the change carries.
func (b *batch) fields(c *cand) error {
	src, phones := c.change.User, false
	for _, f := range c.change.Fields {
		if !f.Known() {
			return &dialer.InvalidError{Field: f, Rule: "is not an attribute that can be written"}
		}
		if f == dialer.FieldSalesforceID && bySync(c.change.Actor) && c.next.SalesforceID != "" &&
			c.next.SalesforceID != src.SalesforceID {
			return fmt.Errorf("%w: the Salesforce id of a linked user is pinned", dialer.ErrConflict)
		}
		if bySync(c.change.Actor) && promotes(f, &c.next, &src) {
			return &dialer.InvalidError{Field: f, Rule: "must be given by a person: the sync makes nobody an administrator"}
		}
		f.Copy(&c.next, &src)
		phones = phones || f.Phone()
	}
	if c.next.Extension == autoExtension {
		c.next.Extension = c.e.is.Extension
		c.auto = c.next.Extension == ""
	}
	if phones || c.next.Settings.Country != c.e.is.Settings.Country {
		dialer.Normalize(&c.next) // numbers without a country code are from there
	}
	return nil
}

// verb does what the change is for.
func (b *batch) verb(c *cand) error {
	ch, u := c.change, &c.next
	switch ch.Verb {
	case dialer.VerbUpdate:
	case dialer.VerbLink:
		return link(ch, u)
	case dialer.VerbSchedule:
		if u.Status != dialer.StatusActive {
			return nil // has no access that could end
		}
		at := ch.User.DeactivateAt
		if at.IsZero() {
			at = ch.At
		}
		if at.IsZero() {
			return &dialer.InvalidError{Field: "deactivate_at", Rule: "must be set"}
		}
		u.DeactivateAt, u.DeactivateWhy = at.UTC().Truncate(time.Microsecond), first(ch.Reason, dialer.ReasonManual)
	case dialer.VerbUnschedule:
		stay(u)
	case dialer.VerbDeactivate:
		deactivate(ch, u)
	case dialer.VerbDelete:
		deactivate(ch, u)
		u.Status, u.StatusReason, u.DeletedAt = dialer.StatusDeleted, dialer.ReasonDeleted, b.now
		u.AdminHold = c.e.is.AdminHold
		for _, f := range [...]dialer.Field{dialer.FieldPersonalNumberEnabled, dialer.FieldPersonalNumber} {
			f.SetText(u, "")
		}
	case dialer.VerbActivate:
		return b.activate(c)
	case dialer.VerbAsk:
		return b.ask(ch, u)
	default:
		return &dialer.InvalidError{Field: "verb", Rule: "must be one that the directory knows"}
	}
	return nil
}

func link(ch *dialer.Change, u *dialer.User) error {
	id := ch.User.SalesforceID
	if id == "" {
		return &dialer.InvalidError{Field: dialer.FieldSalesforceID, Rule: "must be set"}
	}
	if u.SalesforceID != "" && u.SalesforceID != id {
		return fmt.Errorf("%w: linked to another Salesforce id", dialer.ErrConflict)
	}
	u.SalesforceID = id
	u.MatchMethod = first(ch.User.MatchMethod, u.MatchMethod)
	return nil
}

// deactivate ends access. A person's deactivation holds against the sync, and
// the sync's does not replace the reason of a person's.
func deactivate(ch *dialer.Change, u *dialer.User) {
	reason := first(ch.Reason, u.DeactivateWhy, dialer.ReasonManual)
	if u.Status != dialer.StatusActive && bySync(ch.Actor) && (ch.Reason == "" || !u.StatusReason.BySync()) {
		reason = u.StatusReason
	}
	u.Status, u.StatusReason = dialer.StatusInactive, reason
	stay(u)
	u.LicenseTypes = nil
	if a := dialer.FieldSFAuthorization; len(u.Settings.More) > 0 {
		switch a.Text(u) {
		case dialer.NotAsked, dialer.Revoked:
		case dialer.Asked:
			a.SetText(u, dialer.NotAsked)
		default:
			a.SetText(u, dialer.Revoked) // what they signed in to Salesforce with
		}
	}
	if !bySync(ch.Actor) {
		u.AdminHold = true
	}
}

// activate begins access, for which seats are needed.
func (b *batch) activate(c *cand) error {
	u := &c.next
	if !bySync(c.change.Actor) {
		u.AdminHold = false
	}
	u.Status, u.StatusReason = dialer.StatusActive, dialer.ReasonNone
	stay(u)
	b.defaults(u)
	return b.seat(c)
}

// settle notes what the sync found in order, which is no change of the user.
func (b *batch) settle(c *cand) {
	hash, policy := c.change.User.SettledHash, c.change.User.SettledPolicy
	c.result.Outcome = dialer.Unchanged
	if b.resettle(c.e, hash, policy) {
		c.result.Outcome = dialer.Applied
	}
}

// same ends a change that changes nothing.
func (b *batch) same(c *cand) {
	b.unreserve(c)
	c.result.Outcome, c.result.NoSeat = dialer.Unchanged, c.noSeat
	u := &c.change.User
	if bySync(c.change.Actor) && (u.SettledHash != 0 || u.SettledPolicy != 0) {
		b.resettle(c.e, u.SettledHash, u.SettledPolicy)
	}
}

func (b *batch) resettle(e *entry, hash, policy int64) bool {
	if e.is.SettledHash == hash && e.is.SettledPolicy == policy {
		return false
	}
	e.is.SettledHash, e.is.SettledPolicy = hash, policy
	if !e.dirty && !e.created && !e.settled {
		b.touched = append(b.touched, e)
	}
	e.settled = true
	return true
}

// check holds the outcome against the rules. What a user had before is not held
// against a change that does not touch it.
func (b *batch) check(c *cand) error {
	verb := c.change.Verb
	if len(c.change.Fields) == 0 && verb != dialer.VerbCreate && verb != dialer.VerbActivate && verb != dialer.VerbLink {
		return nil
	}
	was := &c.e.is
	begins := was.Status != dialer.StatusActive && c.next.Status == dialer.StatusActive
	var errs []error
	var before []*dialer.InvalidError
	for i, e := range b.d.rules.Check(&c.next) {
		if !begins && was.ID != "" && e.Field.Known() && e.Field.Equal(was, &c.next) {
			if i == 0 || before == nil {
				before = b.d.rules.Check(was)
			}
			if slices.ContainsFunc(before, func(o *dialer.InvalidError) bool { return *o == *e }) {
				continue
			}
			e = blame(e, was, &c.next)
		}
		errs = append(errs, e)
	}
	errs = append(errs, b.allowed(c)...)
	if len(errs) > 0 {
		b.unreserve(c)
	}
	return errors.Join(errs...)
}

// stay clears when the user is to leave.
func stay(u *dialer.User) { u.DeactivateAt, u.DeactivateWhy = time.Time{}, dialer.ReasonNone }

// first returns the first of values that is not zero.
func first[T comparable](values ...T) T {
	var zero T
	i := slices.IndexFunc(values, func(v T) bool { return v != zero })
	if i < 0 {
		return zero
	}
	return values[i]
}
