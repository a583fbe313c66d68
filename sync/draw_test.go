package sync

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

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
