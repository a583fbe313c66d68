package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// errLastAdmin is both: which rule it is, and what must be otherwise.
var errLastAdmin = fmt.Errorf("%w: %w", dialer.ErrLastAdmin,
	&dialer.InvalidError{Field: dialer.FieldSystemRole, Rule: "must stay with this user until another active user is an administrator"})

// administers reports whether u is an active administrator who stays.
func administers(u *dialer.User) bool {
	return u.Status == dialer.StatusActive && u.DeactivateAt.IsZero() &&
		(u.SystemRole == dialer.SystemRoleAdmin || u.Superuser)
}

// demotes reports whether the change leaves one administrator less.
func (b *batch) demotes(c *cand) bool {
	return c.e.is.ID != "" && administers(&c.e.is) && !administers(&c.next)
}

// promotes reports whether writing f of src makes dst an administrator.
func promotes(f dialer.Field, dst, src *dialer.User) bool {
	return f == dialer.FieldSuperuser && src.Superuser && !dst.Superuser ||
		f == dialer.FieldSystemRole && src.SystemRole == dialer.SystemRoleAdmin && dst.SystemRole != dialer.SystemRoleAdmin
}

// loadAdmins counts the administrators, where somebody changed is one.
func (b *batch) loadAdmins(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if e := b.users[s.change.UserID]; e != nil && administers(&e.is) {
			err := b.tx.QueryRow(ctx, `SELECT count(*) FROM dialer_users WHERE org_id = $1 AND status = 'active'
				AND (system_role = 'admin' OR is_superuser) AND deactivate_at = 0`, b.d.org).Scan(&b.admins)
			if b.before != nil {
				b.admins += b.before.admins
			}
			return err
		}
	}
	return nil
}

// loadTargets reads which of the users are active whom calls shall go to.
func (b *batch) loadTargets(ctx context.Context, steps []step) error {
	ids := store.Strings{}
	for _, s := range steps {
		if len(s.change.User.Settings.More) > 0 {
			ids = append(ids, dialer.FieldUnavailableTarget.Text(&s.change.User)) // whatever the kind: the user may have that already
		}
		if e := b.users[s.change.UserID]; e != nil && slices.Contains(s.change.Fields, dialer.FieldUnavailable) {
			ids = append(ids, dialer.FieldUnavailableTarget.Text(&e.is))
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == "" })
	if len(ids) == 0 {
		return nil
	}
	b.targets = make(map[string]bool)
	rows, err := b.tx.Query(ctx, "SELECT id FROM dialer_users WHERE org_id = $1 AND status = 'active' AND "+b.tx.In("id", 2), b.d.org, ids)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		b.targets[id] = true
	}
	return rows.Err()
}

// target returns the user whom the calls of u go to, or "".
func target(u *dialer.User) string {
	if len(u.Settings.More) == 0 || dialer.FieldUnavailable.Text(u) != "user" {
		return ""
	}
	return dialer.FieldUnavailableTarget.Text(u)
}

// allowed looks at what a user cannot be judged by alone: who else is there,
// and what the org has.
func (b *batch) allowed(c *cand) (errs []error) {
	was, next := &c.e.is, &c.next
	if b.settings.TwoPersons() && next.Superuser && !was.Superuser && !c.change.Agreed {
		errs = append(errs, dialer.ErrTwoPersons)
	}
	if b.settings.NamesRequired() {
		for _, f := range [...]dialer.Field{dialer.FieldFirstName, dialer.FieldLastName} {
			if f.Text(next) == "" && (was.ID == "" || f.Text(was) != "") {
				errs = append(errs, &dialer.InvalidError{Field: f, Rule: "must be set"})
			}
		}
	}
	if b.settings.OwnCallerIDs() {
		for _, f := range callerIDs {
			if n := f.Text(next); n != "" && n != f.Text(was) && !b.numbers[n] {
				errs = append(errs, &dialer.InvalidError{Field: f, Rule: "must be one of the numbers of the org"})
			}
		}
	}
	if len(next.Settings.More) == 0 {
		return errs
	}
	for _, m := range next.Settings.More {
		a, ok := m.Field.Attribute()
		if !ok || m.Field.Equal(was, next) && was.ID != "" {
			continue
		}
		for _, n := range a.Needs {
			if what, org := strings.CutPrefix(n, "org."); org && !b.settings.Entitled(what) {
				errs = append(errs, &dialer.InvalidError{Field: m.Field, Rule: "needs " + what + ", which the org is not entitled to"})
			}
		}
	}
	if f := dialer.FieldScreenPopEnabled; f.Flag(next) && !f.Flag(was) && next.Status == dialer.StatusActive && len(b.pools) > 0 &&
		!slices.ContainsFunc(next.LicenseTypes, func(kind string) bool { return b.pools[kind] == nil || b.pools[kind].cti }) {
		errs = append(errs, &dialer.InvalidError{Field: f, Rule: "needs a seat of a license type with the CTI in Salesforce"})
	}
	if t := target(next); t != "" && (t != target(was) || was.ID == "") {
		active := b.targets[t]
		if e := b.users[t]; e != nil {
			active = e.is.Status == dialer.StatusActive
		}
		if !active {
			errs = append(errs, &dialer.InvalidError{Field: dialer.FieldUnavailableTarget, Rule: "must be an active user"})
		}
	}
	if n := dialer.FieldPersonalNumber.Text(next); n != "" && n != dialer.FieldPersonalNumber.Text(was) && !b.numbers[n] {
		errs = append(errs, &dialer.InvalidError{Field: dialer.FieldPersonalNumber, Rule: "must be one of the numbers of the org"})
	}
	return errs
}

// callerIDs are what people see who are called.
var callerIDs = [...]dialer.Field{dialer.FieldCallerIDNumber, dialer.FieldClickToCall, dialer.FieldUserOverride}

// blame puts an error on what the change does, where what it is about was so
// before: to clear what another attribute needs is the fault of who clears it.
func blame(e *dialer.InvalidError, was, next *dialer.User) *dialer.InvalidError {
	a, _ := e.Field.Attribute()
	if e.Field.Equal(next, &dialer.User{}) {
		return e // it is what lacks
	}
	for _, n := range a.Needs {
		name, _, _ := strings.Cut(n, "=")
		if f := dialer.Field(name); f.Known() && !f.Equal(was, next) {
			return &dialer.InvalidError{Field: f, Rule: "must stay as it is: " + string(e.Field) + " " + e.Rule}
		}
	}
	return e
}
