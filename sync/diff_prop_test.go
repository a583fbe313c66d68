package sync

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
)

func TestDiffTakesEveryoneOnceInOrder(t *testing.T) {
	eachSeed(t, func(r *rand.Rand, size int) error {
		d := draw(r, size)
		before := d.clone()
		actions, err := d.diff()
		if err != nil {
			return err
		}
		want := map[string]bool{}
		for i := range d.desired {
			want[d.desired[i].SalesforceID] = true
		}
		for i := range d.actual {
			want[d.actual[i].SalesforceID] = true
		}
		if len(actions) != len(want) {
			return fmt.Errorf("%d actions for %d people", len(actions), len(want))
		}
		last := ""
		for _, a := range actions {
			desired, actual := d.of(a.SalesforceID)
			switch {
			case a.SalesforceID <= last:
				return fmt.Errorf("%s comes after %s", a.SalesforceID, last)
			case (a.Desired == nil) != (desired == nil) || (a.Actual == nil) != (actual == nil):
				return fmt.Errorf("%s lacks a side", a.SalesforceID)
			case desired != nil && !reflect.DeepEqual(desired, a.Desired), actual != nil && !reflect.DeepEqual(actual, a.Actual):
				return fmt.Errorf("%s has another one's side", a.SalesforceID)
			}
			last = a.SalesforceID
		}
		if !reflect.DeepEqual(before, d) {
			return errors.New("a side was changed")
		}
		return nil
	})
}

// A plan that is carried out leaves nothing to do, at once or later.
func TestDiffIsIdempotent(t *testing.T) {
	eachSeed(t, func(r *rand.Rand, size int) error {
		d := draw(r, size)
		next, actions, err := d.after()
		if err != nil {
			return err
		}
		next.policy.Now = next.policy.Now.Add(time.Duration(r.IntN(1000)) * time.Minute * time.Duration(r.IntN(2)))
		again, err := next.diff()
		if err != nil {
			return err
		}
		for _, a := range again {
			if a.Change.Verb != "" || len(a.Change.Fields) > 0 || a.Leaves || a.Joins || a.Readdresses {
				return fmt.Errorf("%s: %q %v once more", a.SalesforceID, a.Change.Verb, a.Change.Fields)
			}
		}
		for i := range actions {
			a := &actions[i]
			if a.Change.Verb == "" {
				continue
			}
			if untold(a) {
				if a.Change.User.SettledPolicy != 0 {
					return fmt.Errorf("%s is settled, and could not be judged", a.SalesforceID)
				}
				continue
			}
			if _, u := next.of(a.SalesforceID); u.SettledHash != a.Desired.Hash || u.SettledPolicy != d.policy.Policy {
				return fmt.Errorf("%s was changed and is not settled", a.SalesforceID)
			}
		}
		return nil
	})
}

// Nobody loses access but by what Salesforce said, and by that everyone does.
func TestDiffTakesAccessByEvidenceOnly(t *testing.T) {
	eachSeed(t, func(r *rand.Rand, size int) error {
		d := draw(r, size)
		next, actions, err := d.after()
		if err != nil {
			return err
		}
		for i := range actions {
			a := &actions[i]
			was := a.Actual
			_, is := next.of(a.SalesforceID)
			if was == nil {
				if is != nil && (a.Desired.Leave != dialer.ReasonNone || !a.Desired.Enroll || a.Desired.Unknown || a.Desired.Err != nil || !a.Joins) {
					return fmt.Errorf("%s joins without a reason", a.SalesforceID)
				}
				continue
			}
			sooner := was.Status == dialer.StatusActive && (is.Status != dialer.StatusActive ||
				!is.DeactivateAt.IsZero() && (was.DeactivateAt.IsZero() || is.DeactivateAt.Before(was.DeactivateAt)))
			begins := was.Status != dialer.StatusActive && is.Status == dialer.StatusActive
			read := a.Desired != nil && !a.Desired.Unknown && a.Desired.Err == nil && !was.Protected
			read = read && !untold(a)
			leaves := read && a.Desired.Leave != dialer.ReasonNone
			switch {
			case sooner && !leaves:
				return fmt.Errorf("%s loses access, and nothing says so", a.SalesforceID)
			case sooner && a.Change.Reason != a.Desired.Leave:
				return fmt.Errorf("%s leaves by %q, and not by %q", a.SalesforceID, a.Change.Reason, a.Desired.Leave)
			case sooner && was.DeactivateWhy.BySync() == a.Leaves, a.Leaves && !sooner:
				return fmt.Errorf("%s leaves, and Leaves is %v", a.SalesforceID, a.Leaves)
			case leaves && is.Status == dialer.StatusActive && (is.DeactivateAt.IsZero() || is.DeactivateAt.After(d.policy.Leaving.At(a.Desired.Changed, d.policy.Now))):
				return fmt.Errorf("%s must leave and keeps access", a.SalesforceID)
			case begins && (!read || leaves || was.AdminHold || !was.StatusReason.BySync() || !a.Joins):
				return fmt.Errorf("%s gets access without a reason", a.SalesforceID)
			case begins != a.Joins:
				return fmt.Errorf("%s joins %v, and Joins is %v", a.SalesforceID, begins, a.Joins)
			case !was.DeactivateAt.IsZero() && is.Status == dialer.StatusActive && is.DeactivateAt.IsZero() && (!read || leaves || !was.DeactivateWhy.BySync()):
				return fmt.Errorf("%s is to stay, and nothing says so", a.SalesforceID)
			case is.AdminHold != was.AdminHold || is.Protected != was.Protected || is.ID != was.ID || is.SalesforceID != was.SalesforceID:
				return fmt.Errorf("%s is someone else", a.SalesforceID)
			case !read && a.Change.Verb != dialer.VerbUpdate && !reflect.DeepEqual(was, is):
				return fmt.Errorf("%s was touched: %s", a.SalesforceID, cmp.Diff(*was, *is))
			case a.Change.Verb != "" && (a.Desired == nil || a.Desired.Unknown || a.Desired.Err != nil || was.Protected):
				return fmt.Errorf("%s is not the sync's to change", a.SalesforceID)
			}
		}
		return nil
	})
}

// What Salesforce owns becomes what it says; the rest stays what it was.
func TestDiffKeepsToOwnership(t *testing.T) {
	never := []dialer.Field{ // cleared
		dialer.FieldEmail, dialer.FieldUsername, dialer.FieldLastName, dialer.FieldTimezone, dialer.FieldLanguage, dialer.FieldSystemRole,
		dialer.GroupField(dialer.KindPermissionGroup), dialer.GroupField(dialer.KindRole),
	}
	eachSeed(t, func(r *rand.Rand, size int) error {
		d := draw(r, size)
		next, actions, err := d.after()
		if err != nil {
			return err
		}
		for _, a := range actions {
			_, is := next.of(a.SalesforceID)
			if is == nil || a.Desired == nil || a.Desired.Unknown || a.Desired.Err != nil || is.Protected {
				continue
			}
			if was := a.Actual; is.SystemRole == dialer.SystemRoleAdmin && (was == nil || was.SystemRole != dialer.SystemRoleAdmin) {
				return fmt.Errorf("%s was made an administrator", a.SalesforceID)
			}
			for _, f := range mappable {
				empty := f.Equal(&a.Desired.User, &dialer.User{})
				switch {
				case slices.Contains(a.Desired.Owned, f) || a.Actual == nil:
					kept := empty && slices.Contains(never, f) || f == dialer.FieldSystemRole && a.Desired.User.SystemRole == dialer.SystemRoleAdmin
					if kept && a.Actual != nil && !f.Equal(a.Actual, &dialer.User{}) && !f.Equal(is, a.Actual) {
						return fmt.Errorf("%s: %s is %v, and was %v", a.SalesforceID, f, f.Value(is), f.Value(a.Actual))
					}
					if !kept && !f.Equal(is, &a.Desired.User) {
						return fmt.Errorf("%s: %s is %v, want %v", a.SalesforceID, f, f.Value(is), f.Value(&a.Desired.User))
					}
				case slices.Contains(a.Change.Fields, f):
					return fmt.Errorf("%s: %s is written", a.SalesforceID, f)
				case !f.Equal(is, a.Actual) && (a.Change.Verb != dialer.VerbActivate || !f.Equal(a.Actual, &dialer.User{})):
					return fmt.Errorf("%s: %s was %v, is %v", a.SalesforceID, f, f.Value(a.Actual), f.Value(is))
				}
			}
			moved := a.Actual != nil && dialer.Key(a.Actual.Email) != dialer.Key(is.Email)
			if moved != a.Readdresses {
				return fmt.Errorf("%s: another address %v, and Readdresses is %v", a.SalesforceID, moved, a.Readdresses)
			}
		}
		return nil
	})
}

// A side that fails or is out of order ends the stream with its error, and
// what came before is what a whole one would have given.
func TestDiffEndsWithTheErrorOfASide(t *testing.T) {
	broken := errors.New("the connection was lost")
	eachSeed(t, func(r *rand.Rand, size int) error {
		d := draw(r, size)
		whole, err := d.diff()
		if err != nil {
			return err
		}
		badDesired, badActual := -1, -1
		if chance(r, 50) {
			badDesired = r.IntN(len(d.desired) + 1)
		} else {
			badActual = r.IntN(len(d.actual) + 1)
		}
		var over [2]bool
		var failed error
		n := 0
		for a, err := range Diff(watched(d.desired, badDesired, broken, &over[0]), watched(d.actual, badActual, broken, &over[1]), d.policy) {
			switch {
			case failed != nil:
				return errors.New("something follows the error")
			case err != nil:
				failed = err
			case n == len(whole) || a.SalesforceID != whole[n].SalesforceID || a.Change.Verb != whole[n].Change.Verb:
				return fmt.Errorf("action %d is another one than that of whole sides", n)
			default:
				n++
			}
		}
		if !errors.Is(failed, broken) {
			return fmt.Errorf("ends with another error: %w", failed)
		}
		if !over[1] { // Diff need not have begun with the mirror
			return errors.New("the directory's side is still open")
		}
		return nil
	})
}

func TestDiffRefusesDisorder(t *testing.T) {
	eachSeed(t, func(r *rand.Rand, size int) error {
		d := draw(r, size+2)
		switch n := len(d.actual); r.IntN(4) {
		case 0:
			if n < 2 {
				return nil
			}
			i := r.IntN(n - 1)
			d.actual[i], d.actual[i+1] = d.actual[i+1], d.actual[i]
		case 1:
			if n == 0 {
				return nil
			}
			d.actual = slices.Insert(d.actual, r.IntN(n), d.actual[r.IntN(n)])
		case 2: // a local user has no place on either side
			d.actual = slices.Insert(d.actual, r.IntN(n+1), dialer.User{ID: "local"})
		default:
			if n = len(d.desired); n == 0 {
				return nil
			}
			d.desired = slices.Insert(d.desired, r.IntN(n), oneOf(r, d.desired[r.IntN(n)], Desired{}))
		}
		if _, err := d.diff(); err == nil || !strings.Contains(err.Error(), "out of order") {
			return fmt.Errorf("another error, or none: %w", err)
		}
		return nil
	})
}

// Who stops early leaves neither side open.
func TestDiffLetsGo(t *testing.T) {
	eachSeed(t, func(r *rand.Rand, size int) error {
		d := draw(r, size)
		whole, err := d.diff()
		if err != nil || len(whole) == 0 {
			return err
		}
		var over [2]bool
		left := 1 + r.IntN(len(whole))
		for range Diff(watched(d.desired, -1, nil, &over[0]), watched(d.actual, -1, nil, &over[1]), d.policy) {
			if left--; left == 0 {
				break
			}
		}
		began := len(d.desired) > 0 && d.desired[0].SalesforceID <= whole[0].SalesforceID
		if !over[1] || began && !over[0] {
			return fmt.Errorf("mirror let go %v, directory let go %v", over[0], over[1])
		}
		return nil
	})
}

// What is taken out of an action is only what the guard holds.
func TestWithholdingTakesNoMoreThanItsPart(t *testing.T) {
	eachSeed(t, func(r *rand.Rand, size int) error {
		d := draw(r, size)
		actions, err := d.diff()
		if err != nil {
			return err
		}
		for _, a := range actions {
			if !a.Leaves && !a.Readdresses {
				continue
			}
			all, err := imagine(&a)
			if err != nil {
				return err
			}
			leave, address := a.Leaves && chance(r, 60), a.Readdresses && chance(r, 60)
			b := a
			b.Change.Fields = slices.Clone(a.Change.Fields)
			if leave {
				b.withoutLeaving()
			}
			if address {
				b.withoutAddress()
			}
			part, err := imagine(&b)
			if err != nil {
				return err
			}
			want := all
			if leave {
				want.Status, want.StatusReason, want.LicenseTypes = a.Actual.Status, a.Actual.StatusReason, a.Actual.LicenseTypes
				want.DeactivateAt, want.DeactivateWhy = a.Actual.DeactivateAt, a.Actual.DeactivateWhy
			}
			if address {
				want.Email = a.Actual.Email
			}
			if leave || address {
				want.SettledHash, want.SettledPolicy, want.Version = 0, 0, 0
				part.SettledHash, part.SettledPolicy, part.Version = b.Change.User.SettledHash, b.Change.User.SettledPolicy, 0
			}
			if !reflect.DeepEqual(want, part) {
				return fmt.Errorf("%s, %s without leaving %v, without address %v:\n%s", a.SalesforceID, a.Change.Verb, leave, address, cmp.Diff(want, part))
			}
		}
		return nil
	})
}
