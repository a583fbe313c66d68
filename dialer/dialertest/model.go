package dialertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/dialer"
)

// modelSeats is how many seats the model has: few, so that they run out.
const modelSeats = 2

// model is a directory as simple as can be: one change at a time, and every
// rule by looking at everybody.
type model struct {
	users []*modelUser
	left  int
}

type modelUser struct {
	id, sf, name, email, title string
	status                     dialer.Status
	reason                     dialer.Reason
	hold, protected, leaving   bool
	claimed, seat              bool
	version                    int64
}

func (u *modelUser) String() string {
	return fmt.Sprintf("%s %s %s %q %s/%s hold=%v leaving=%v seat=%v v%d",
		u.sf, u.name, u.email, u.title, u.status, u.reason, u.hold, u.leaving, u.seat, u.version)
}

func (u *modelUser) live() bool { return u.status != dialer.StatusDeleted }

// other returns a live user but u that test holds for.
func (m *model) other(u *modelUser, test func(o *modelUser) bool) *modelUser {
	for _, o := range m.users {
		if o != u && o.live() && test(o) {
			return o
		}
	}
	return nil
}

// names claims what u needs, and reports whether it could.
func (m *model) names(u *modelUser) bool {
	if !u.live() {
		u.claimed = false
		return true
	}
	if m.other(u, func(o *modelUser) bool { return dialer.Key(o.name) == dialer.Key(u.name) || o.sf != "" && o.sf == u.sf }) != nil {
		return false
	}
	yields := u.status != dialer.StatusActive || u.leaving
	o := m.other(u, func(o *modelUser) bool { return o.claimed && dialer.Key(o.email) == dialer.Key(u.email) })
	switch {
	case o == nil:
		u.claimed = true
	case yields:
		u.claimed = false
	case o.status != dialer.StatusActive || o.leaving:
		o.claimed, u.claimed = false, true
	default:
		return false
	}
	return true
}

// apply says how a change of u ends, and makes it.
func (m *model) apply(c dialer.Change, u *modelUser) string {
	sync := c.Actor.Kind == dialer.ActorSync
	if c.Verb == dialer.VerbCreate {
		return m.create(c)
	}
	if u == nil || !u.live() {
		if u != nil && c.Verb == dialer.VerbDelete {
			return "unchanged"
		}
		return "refused"
	}
	if sync && (u.protected || c.Verb == dialer.VerbDelete || u.sf == "" && c.Verb != dialer.VerbLink ||
		c.Verb == dialer.VerbActivate && u.hold && u.status != dialer.StatusActive) {
		return "refused"
	}
	next := *u
	for _, f := range c.Fields {
		switch f {
		case dialer.FieldEmail:
			next.email = c.User.Email
		case dialer.FieldUsername:
			next.name = c.User.Username
		case dialer.FieldTitle:
			next.title = c.User.Title
		}
	}
	seats := 0
	switch c.Verb {
	case dialer.VerbLink:
		if u.sf != "" && u.sf != c.User.SalesforceID {
			return "refused"
		}
		next.sf = c.User.SalesforceID
	case dialer.VerbSchedule:
		next.leaving = u.status == dialer.StatusActive
	case dialer.VerbUnschedule:
		next.leaving = false
	case dialer.VerbDeactivate, dialer.VerbDelete:
		if !sync || u.status == dialer.StatusActive || u.reason.BySync() {
			next.reason = c.Reason
		}
		next.status, next.leaving, next.seat = dialer.StatusInactive, false, false
		next.hold = u.hold || !sync
		if c.Verb == dialer.VerbDelete {
			next.status, next.reason, next.hold = dialer.StatusDeleted, dialer.ReasonDeleted, u.hold
		}
	case dialer.VerbActivate:
		next.status, next.reason, next.leaving, next.hold = dialer.StatusActive, "", false, u.hold && sync
		if len(c.Seats) > 0 && !u.seat {
			if m.left < 1 && (c.NoSeat != dialer.NoSeatCreateInactive || u.status == dialer.StatusActive) {
				return "refused"
			}
			if m.left < 1 {
				next.status, next.reason = dialer.StatusInactive, dialer.ReasonNoSeat
			} else {
				next.seat, seats = true, 1
			}
		}
	}
	noSeat := ""
	if c.Verb == dialer.VerbActivate && next.reason == dialer.ReasonNoSeat {
		noSeat = "-no-seat"
	}
	if next == *u {
		return "unchanged" + noSeat
	}
	if c.Version != 0 && c.Version != u.version {
		return "refused"
	}
	was := *u
	*u = next
	if !m.names(u) {
		*u = was
		return "refused"
	}
	if was.seat && !u.seat {
		m.left++
	}
	m.left -= seats
	u.version++
	return "applied" + noSeat
}

func (m *model) create(c dialer.Change) string {
	sf := c.User.SalesforceID
	if sf == "" && c.Actor.Kind == dialer.ActorSync {
		return "refused"
	}
	if sf != "" {
		if o := m.other(nil, func(o *modelUser) bool { return o.sf == sf }); o != nil {
			if o.reason == dialer.ReasonNoSeat {
				return "unchanged-no-seat"
			}
			return "unchanged"
		}
	}
	u := &modelUser{
		sf: sf, name: c.User.Username, email: c.User.Email, title: c.User.Title, status: dialer.StatusActive,
		protected: c.User.Protected, version: 1,
	}
	word := "applied"
	if len(c.Seats) > 0 {
		switch {
		case m.left > 0:
			u.seat = true
		case c.NoSeat == dialer.NoSeatCreateInactive:
			u.status, u.reason, word = dialer.StatusInactive, dialer.ReasonNoSeat, "applied-no-seat"
		default:
			return "refused"
		}
	}
	if !m.names(u) {
		return "refused"
	}
	if u.seat {
		m.left--
	}
	m.users = append(m.users, u)
	return word
}

// drawChange draws a change of a small world, in which everything collides.
func drawChange(t *rapid.T, m *model) (dialer.Change, *modelUser) {
	u := dialer.User{
		Username: rapid.SampledFrom([]string{"ann@one.example", "ANN@one.example", "bob@one.example", "cyd@one.example"}).Draw(t, "username"),
		Email:    rapid.SampledFrom([]string{"ann@example.com", "Ann@Example.com", "bob@example.com", "cyd@example.com"}).Draw(t, "email"),
		Title:    rapid.SampledFrom([]string{"", "Rep"}).Draw(t, "title"),
	}
	c := dialer.Change{
		Verb: rapid.SampledFrom([]dialer.Verb{
			dialer.VerbCreate, dialer.VerbCreate, dialer.VerbUpdate, dialer.VerbLink, dialer.VerbSchedule, dialer.VerbUnschedule,
			dialer.VerbDeactivate, dialer.VerbActivate, dialer.VerbDelete,
		}).Draw(t, "verb"),
		Actor:  rapid.SampledFrom([]dialer.Actor{machine, person}).Draw(t, "actor"),
		Reason: rapid.SampledFrom([]dialer.Reason{dialer.ReasonOutOfScope, dialer.ReasonManual}).Draw(t, "reason"),
		NoSeat: rapid.SampledFrom([]dialer.OnNoSeat{dialer.NoSeatReject, dialer.NoSeatCreateInactive}).Draw(t, "no seat"),
	}
	if rapid.Bool().Draw(t, "seat") {
		c.Seats = []string{"agent"}
	}
	u.SalesforceID = rapid.SampledFrom([]string{sfid(1), sfid(2), sfid(3)}).Draw(t, "salesforce id")
	var target *modelUser
	if c.Verb == dialer.VerbCreate {
		u.Protected = rapid.IntRange(0, 9).Draw(t, "protected") == 0
		if rapid.IntRange(0, 3).Draw(t, "local") == 0 {
			u.SalesforceID = ""
		}
	} else {
		c.UserID = "nobody"
		if len(m.users) > 0 {
			target = rapid.SampledFrom(m.users).Draw(t, "user")
			c.UserID = target.id
			c.Version = rapid.SampledFrom([]int64{0, 0, target.version, 1}).Draw(t, "version")
		}
		c.Fields = rapid.SliceOfNDistinct(rapid.SampledFrom([]dialer.Field{
			dialer.FieldEmail, dialer.FieldUsername, dialer.FieldTitle,
		}), 0, 2, rapid.ID).Draw(t, "fields")
	}
	if c.Verb == dialer.VerbSchedule {
		u.DeactivateAt, c.Reason = time.Unix(1<<33, 0), dialer.ReasonOutOfScope
	}
	c.User = u
	return c, target
}

// testModel applies one change after another here and in the model.
func testModel(t *testing.T, s *suite) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &suite{T: t, d: s.open(t)}
		s.seats(fmt.Sprintf("agent:%d", modelSeats))
		m := &model{left: modelSeats}
		var history []string
		for range rapid.IntRange(1, 14).Draw(rt, "changes") {
			c, target := drawChange(rt, m)
			known := len(m.users)
			want := m.apply(c, target)
			results := s.d.Apply(t.Context(), []dialer.Change{c})
			history = append(history, fmt.Sprintf("%s of %v by %s: %s", c.Verb, target, c.Actor.Kind, want))
			if got := outcomes(results); got != want {
				rt.Fatalf("got %s (%v), want %s:\n%s", got, results[0].Err, want, strings.Join(history, "\n"))
			}
			if len(m.users) > known {
				m.users[known].id = results[0].UserID
			}
		}
		s.compare(rt, m, history)
	})
}

// compare looks whether the directory holds what the model does.
func (s *suite) compare(rt *rapid.T, m *model, history []string) {
	for _, u := range s.all() {
		i := slices.IndexFunc(m.users, func(o *modelUser) bool { return o.id == u.ID })
		if i < 0 {
			rt.Fatalf("a user too many:\n%s", strings.Join(history, "\n"))
		}
		got := &modelUser{
			sf: u.SalesforceID, name: u.Username, email: u.Email, title: u.Title, status: u.Status, reason: u.StatusReason,
			hold: u.AdminHold, leaving: !u.DeactivateAt.IsZero(), seat: len(u.LicenseTypes) > 0, version: u.Version,
		}
		if got.String() != m.users[i].String() {
			rt.Fatalf("got  %s\nwant %s\n%s", got, m.users[i], strings.Join(history, "\n"))
		}
	}
	if n := len(s.all()); n != len(m.users) {
		rt.Fatalf("%d users, want %d", n, len(m.users))
	}
	if l := s.license("agent"); l.Left != int64(m.left) {
		rt.Fatalf("%d seats left, want %d:\n%s", l.Left, m.left, strings.Join(history, "\n"))
	}
}

// testBatches applies many changes at once, and looks whether what must never
// break still holds.
func testBatches(t *testing.T, s *suite) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &suite{T: t, d: s.open(t)}
		s.seats(fmt.Sprintf("agent:%d", modelSeats))
		m, entries := &model{}, 0
		for range rapid.IntRange(1, 4).Draw(rt, "calls") {
			var batch []dialer.Change
			for range rapid.IntRange(1, 8).Draw(rt, "changes") {
				c, _ := drawChange(rt, m)
				batch = append(batch, c)
			}
			results := s.d.Apply(t.Context(), batch)
			m.users = nil
			for _, u := range s.all() {
				m.users = append(m.users, &modelUser{id: u.ID, version: u.Version})
			}
			entries += strings.Count(outcomes(results), "applied")
			if n := len(s.activity(dialer.ActivityQuery{})); n != entries {
				rt.Fatalf("%d entries of activity, want %d", n, entries)
			}
			s.invariants(rt, batch, results)
		}
	})
}

func (s *suite) invariants(rt *rapid.T, batch []dialer.Change, results []dialer.Result) {
	once, users := make(map[string]string), make(map[string]dialer.User)
	unique := func(what, key, id string) {
		if o, taken := once[what+key]; taken && key != "" {
			rt.Fatalf("users %s and %s have the same %s", o, id, what)
		}
		once[what+key] = id
	}
	for _, u := range s.all() {
		users[u.ID] = u
		if u.Status != dialer.StatusDeleted {
			unique("username", dialer.Key(u.Username), u.ID)
			unique("salesforce id", u.SalesforceID, u.ID)
		}
		if u.Status == dialer.StatusActive && u.DeactivateAt.IsZero() {
			unique("email", dialer.Key(u.Email), u.ID)
		}
		if errs := dialer.Validate(&u); len(errs) > 0 {
			rt.Fatalf("user %s: %v", u.ID, errs)
		}
	}
	if l := s.license("agent"); l.Left < 0 {
		rt.Fatalf("got %+v", l)
	}
	changed := make(map[string]int)
	for _, r := range results {
		changed[r.UserID]++
	}
	for i, r := range results {
		u := users[r.UserID]
		if (r.Err != nil) != (r.Outcome == dialer.Refused) || r.Outcome == "" {
			rt.Fatalf("result %d: %+v", i, r)
		}
		if r.Outcome == dialer.Refused || changed[r.UserID] > 1 {
			continue
		}
		for _, f := range batch[i].Fields {
			if u.ID == "" || u.Status != dialer.StatusDeleted && !f.Equal(&u, &batch[i].User) {
				rt.Fatalf("result %d: %s is %v", i, f, f.Value(&u))
			}
		}
		if u.Version != r.Version {
			rt.Fatalf("result %d: version %d, but the user has %d", i, r.Version, u.Version)
		}
	}
}
