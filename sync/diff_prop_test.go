package sync

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
)

// eachSeed checks a property for many seeds. What it draws is the same in every
// run, and grows with the seed, so that the first failure is a small one.
func eachSeed(t *testing.T, property func(r *rand.Rand, size int) error) {
	t.Helper()
	t.Parallel()
	const seeds = 10_000
	for seed := range uint64(seeds) {
		if err := property(rand.New(rand.NewPCG(seed, 1)), 1+int(seed*8/seeds)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func oneOf[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// drawn is a problem for Diff: both sides, ordered by Salesforce id.
type drawn struct {
	policy  DiffPolicy
	desired []Desired
	actual  []dialer.User
}

// mappable are attributes that a mapping may set. Of the kinds of group it has
// one of each sort.
var mappable = slices.DeleteFunc(dialer.Fields(), func(f dialer.Field) bool {
	switch f {
	case dialer.FieldSalesforceID, dialer.FieldIntegration, dialer.FieldMatchMethod, dialer.FieldProtected, dialer.FieldAdminHold:
		return true
	}
	return f.Kind() != "" && !slices.Contains(drawnKinds, f.Kind())
})

var drawnKinds = []dialer.Kind{dialer.KindDepartment, dialer.KindPermissionGroup, dialer.KindRole, dialer.KindTag} // sorted

func draw(r *rand.Rand, size int) drawn {
	zone := oneOf(r, time.UTC, time.FixedZone("west", -7*3600), time.FixedZone("east", 13*3600+45*60))
	now := time.Date(2026, 3, 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e9), time.UTC)
	d := drawn{policy: DiffPolicy{
		Now: now, Policy: 7, Seats: []string{"powerdialer"}, NoSeat: oneOf(r, dialer.NoSeatReject, dialer.NoSeatCreateInactive, dialer.NoSeatWaitlist),
		Leaving: oneOf(r, Leaving{Zone: zone}, Leaving{Zone: zone, Midnight: true}, Leaving{Zone: zone, After: time.Duration(r.IntN(72)) * time.Hour}),
		Actor:   dialer.Actor{Kind: dialer.ActorSync, Name: "rosterd"},
	}}
	for i := range size {
		id := fmt.Sprintf("005%012dAAA", i*3+r.IntN(3))
		both := chance(r, 60)
		if both || chance(r, 40) {
			d.desired = append(d.desired, drawDesired(r, id, now))
		}
		if both || chance(r, 40) {
			d.actual = append(d.actual, drawActual(r, id, now))
		}
	}
	if n := len(d.actual); n > 1 && chance(r, 30) { // two of them swap addresses
		a, b := r.IntN(n), r.IntN(n)
		for i := range d.desired {
			switch d.desired[i].SalesforceID {
			case d.actual[a].SalesforceID:
				d.desired[i].User.Email = d.actual[b].Email
			case d.actual[b].SalesforceID:
				d.desired[i].User.Email = d.actual[a].Email
			}
		}
	}
	return d
}

// drawDesired makes what judge can make. Addresses are few, so that people
// share them.
func drawDesired(r *rand.Rand, id string, now time.Time) Desired {
	d := Desired{SalesforceID: id, Hash: 1 + r.Int64N(3)}
	if chance(r, 8) {
		d.Unknown = true
		return d
	}
	if chance(r, 5) {
		d.Err = errors.New("the rules cannot be evaluated")
		return d
	}
	d.Leave = oneOf(r, dialer.ReasonNone, dialer.ReasonNone, dialer.ReasonNone, dialer.ReasonSalesforceInactive, dialer.ReasonSalesforceFrozen, dialer.ReasonOutOfScope)
	if d.Leave == dialer.ReasonSalesforceInactive && chance(r, 90) {
		d.Changed = now.Add(time.Duration(r.IntN(96)-90) * time.Hour)
	}
	d.Blind = chance(r, 10)
	d.Enroll = d.Leave == dialer.ReasonNone && !d.Blind && chance(r, 80)
	d.User = drawUser(r)
	d.User.SalesforceID, d.User.Status, d.User.Origin = id, dialer.StatusActive, dialer.OriginSalesforce
	for _, f := range mappable { // neither for what is hidden, or an administrator's
		switch r.IntN(3) {
		case 0:
			d.Owned = append(d.Owned, f)
		case 1:
			d.Seeded = append(d.Seeded, f)
		}
	}
	r.Shuffle(len(d.Owned), func(i, j int) { d.Owned[i], d.Owned[j] = d.Owned[j], d.Owned[i] })
	return d
}

func drawActual(r *rand.Rand, id string, now time.Time) dialer.User {
	u := drawUser(r)
	u.ID, u.SalesforceID, u.Version = "user-"+id, id, 1+r.Int64N(5)
	u.IntegrationInfo = oneOf(r, dialer.IntegrationOK, dialer.IntegrationOK, dialer.IntegrationInactive, dialer.IntegrationFrozen, dialer.IntegrationOutOfScope, "")
	u.SettledHash, u.SettledPolicy = r.Int64N(4), oneOf[int64](r, 0, 7, 8)
	u.Protected, u.AdminHold = chance(r, 10), chance(r, 10)
	reasons := []dialer.Reason{
		dialer.ReasonManual, dialer.ReasonSalesforceInactive, dialer.ReasonSalesforceFrozen, dialer.ReasonOutOfScope, dialer.ReasonNoSeat,
	}
	if chance(r, 40) {
		u.Status, u.StatusReason = dialer.StatusInactive, oneOf(r, reasons...)
		u.LicenseTypes = nil
		return u
	}
	u.Status, u.LicenseTypes = dialer.StatusActive, []string{"powerdialer"}
	imagineDefaults(&u)
	if chance(r, 30) {
		u.DeactivateAt, u.DeactivateWhy = now.Add(time.Duration(r.IntN(96)-12)*time.Hour).Truncate(time.Hour), oneOf(r, reasons[:4]...)
	}
	return u
}

func drawUser(r *rand.Rand) dialer.User {
	var u dialer.User
	for _, f := range mappable {
		if f.Kind() == "" {
			f.SetText(&u, oneOf(r, "", "a", "A", "b"))
		}
	}
	u.Email = oneOf(r, "ann@example.com", "Ann@Example.com", "ben@example.com", "cai@example.com", "dee@example.invalid")
	u.Username = oneOf(r, "ann@acme.example", "ben@acme.example", "ANN@acme.example")
	u.Extension = oneOf(r, "", "1001", "1002")
	u.Timezone = oneOf(r, "", "America/Denver", "Asia/Tokyo")
	u.SystemRole = oneOf(r, "", dialer.SystemRoleUser, dialer.SystemRoleSupervisor, dialer.SystemRoleAdmin)
	for _, k := range drawnKinds {
		names := []string{"Agent", "Closer", "Coach"}[:r.IntN(4)]
		if k.Single() {
			names = names[:min(1, len(names))]
		}
		for _, n := range names {
			u.Groups = append(u.Groups, dialer.Group{Kind: k, Name: n})
		}
	}
	return u
}

func stream[T any](items []T) iter.Seq2[T, error] { return watched(items, -1, nil, new(bool)) }

// watched yields items, at an index an error in place of the item, and notes
// when it is over.
func watched[T any](items []T, at int, err error, over *bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer func() { *over = true }()
		for i, v := range items {
			if i == at {
				var none T
				if !yield(none, err) {
					return
				}
			}
			if !yield(v, nil) {
				return
			}
		}
		if at == len(items) {
			var none T
			yield(none, err)
		}
	}
}

func (d *drawn) diff() ([]Action, error) {
	var out []Action
	for a, err := range Diff(stream(d.desired), stream(d.actual), d.policy) {
		if err != nil {
			return out, err
		}
		out = append(out, a)
	}
	return out, nil
}

// clone shares nothing with d that Diff could change.
func (d *drawn) clone() drawn {
	c := drawn{policy: d.policy, desired: slices.Clone(d.desired), actual: slices.Clone(d.actual)}
	for i := range c.desired {
		w := &c.desired[i]
		w.Owned, w.Seeded, w.User.Groups = slices.Clone(w.Owned), slices.Clone(w.Seeded), slices.Clone(w.User.Groups)
	}
	for i := range c.actual {
		u := &c.actual[i]
		u.Groups, u.LicenseTypes = slices.Clone(u.Groups), slices.Clone(u.LicenseTypes)
	}
	return c
}

func (d *drawn) of(id string) (want *Desired, have *dialer.User) {
	for i := range d.desired {
		if d.desired[i].SalesforceID == id {
			want = &d.desired[i]
		}
	}
	for i := range d.actual {
		if d.actual[i].SalesforceID == id {
			have = &d.actual[i]
		}
	}
	return want, have
}

// imagineDefaults gives a user what the directory lets no active one be without.
func imagineDefaults(u *dialer.User) {
	if u.One(dialer.KindPermissionGroup) == "" {
		u.SetGroups(dialer.KindPermissionGroup, dialer.DefaultPermissionGroup)
	}
	if u.One(dialer.KindRole) == "" {
		u.SetGroups(dialer.KindRole, dialer.DefaultRole)
	}
	if u.Timezone == "" {
		u.Timezone = "America/Denver"
	}
	if u.Language == "" {
		u.Language = "en-US"
	}
	if u.SystemRole == "" {
		u.SystemRole = dialer.SystemRoleUser
	}
}

// imagine does what the directory does with one action, where no seat is
// wanting and no address taken. It refuses what the directory refuses the sync.
func imagine(a *Action) (dialer.User, error) {
	c := &a.Change
	if c.Verb == dialer.VerbCreate {
		u := c.User
		dialer.Normalize(&u)
		imagineDefaults(&u)
		u.ID, u.Version, u.Status, u.LicenseTypes = "user-"+u.SalesforceID, 1, dialer.StatusActive, c.Seats
		if a.Actual != nil || u.SalesforceID == "" || c.UserID != "" {
			return u, errors.New("no one to be created")
		}
		return u, nil
	}
	if a.Actual == nil {
		return dialer.User{}, fmt.Errorf("%s of nobody", c.Verb)
	}
	u := *a.Actual
	switch {
	case c.Verb == "":
		return u, nil
	case u.Protected, u.SalesforceID == "", c.Verb == dialer.VerbDelete:
		return u, fmt.Errorf("%s is refused", c.Verb)
	case c.UserID != u.ID, c.Version != u.Version:
		return u, fmt.Errorf("%s of %s, version %d: another one", c.Verb, c.UserID, c.Version)
	case c.Verb == dialer.VerbActivate && u.AdminHold && u.Status != dialer.StatusActive:
		return u, dialer.ErrHold
	}
	src := c.User
	dialer.Normalize(&src)
	for _, f := range c.Fields {
		if f == dialer.FieldSalesforceID || f == dialer.FieldProtected || f == dialer.FieldAdminHold {
			return u, fmt.Errorf("%s is not the sync's to write", f)
		}
		f.Copy(&u, &src)
	}
	stay := func() { u.DeactivateAt, u.DeactivateWhy = time.Time{}, dialer.ReasonNone }
	switch c.Verb {
	case dialer.VerbUpdate:
	case dialer.VerbUnschedule:
		stay()
	case dialer.VerbSchedule:
		u.DeactivateAt, u.DeactivateWhy = c.User.DeactivateAt.UTC().Truncate(time.Microsecond), c.Reason
	case dialer.VerbDeactivate:
		stay()
		u.Status, u.StatusReason, u.LicenseTypes = dialer.StatusInactive, c.Reason, nil
	case dialer.VerbActivate:
		stay()
		u.Status, u.StatusReason, u.LicenseTypes = dialer.StatusActive, dialer.ReasonNone, c.Seats
		imagineDefaults(&u)
	default:
		return u, fmt.Errorf("%q is no verb of a plan", c.Verb)
	}
	u.Version++
	u.SettledHash, u.SettledPolicy = c.User.SettledHash, c.User.SettledPolicy
	return u, nil
}

// after is d with its plan carried out.
func (d *drawn) after() (drawn, []Action, error) {
	actions, err := d.diff()
	if err != nil {
		return drawn{}, nil, err
	}
	next := drawn{policy: d.policy, desired: d.desired}
	for i := range actions {
		if a := &actions[i]; a.Actual != nil || a.Change.Verb != "" {
			u, err := imagine(a)
			if err != nil {
				return drawn{}, nil, fmt.Errorf("%s: %w", a.SalesforceID, err)
			}
			next.actual = append(next.actual, u)
		}
	}
	return next, actions, nil
}

// untold reports whether only the scope can tell about someone's access, and it
// cannot be seen what it says.
func untold(a *Action) bool {
	if a.Actual == nil || !a.Desired.Blind {
		return false
	}
	held := a.Actual.AdminHold || !a.Actual.StatusReason.BySync()
	return a.Desired.Leave == dialer.ReasonOutOfScope ||
		a.Desired.Leave == dialer.ReasonNone && a.Actual.Status == dialer.StatusInactive && !held
}

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
			case sooner && was.DeactivateAt.IsZero() != a.Leaves, a.Leaves && !sooner:
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
