package crm

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
)

func TestGlance(t *testing.T) {
	clock := newMovable()
	w := newWorld(t, simorg.Options{Users: 50, Plain: true, Now: clock.Now}, Options{}, standard, bySecret)
	fields := w.fields(t)
	var people []string
	for u := range w.org.Users() {
		people = append(people, u.ID)
	}
	start := Watermark{Upper: clock.Now()}
	clock.add(time.Minute)
	must(t, w.org.Freeze(people[4]), w.org.Deactivate(people[7]))
	source, err := w.org.User(people[9])
	must(t, err)
	clock.add(time.Minute)
	w.org.ResetCalls()
	g, err := w.Glance(t.Context(), fields, start)
	must(t, err)
	if n := w.org.Calls()["composite"]; n != 1 || g.Incomplete {
		t.Errorf("it cost %v, incomplete %t", w.org.Calls(), g.Incomplete)
	}
	if !slices.Contains(g.Frozen, people[4]) || g.FrozenErr != nil {
		t.Errorf("frozen: %v, %v", g.Frozen, g.FrozenErr)
	}
	if !slices.ContainsFunc(g.Users, func(u User) bool { return u.ID == people[7] && !u.IsActive }) || g.Mark.Upper.IsZero() {
		t.Errorf("%d users, %+v", len(g.Users), g.Mark)
	}
	if l := g.Limits["DailyDeliveredPlatformEvents"]; l.Max == 0 || g.Limits["DailyApiRequests"].Max == 0 {
		t.Errorf("limits: %v", g.Limits)
	}
	named := func(g Glance) string {
		i := slices.IndexFunc(g.Profiles, func(n Named) bool { return n.ID == source.ProfileID })
		if i < 0 || len(g.Roles) == 0 {
			t.Fatalf("%d profiles, %d roles", len(g.Profiles), len(g.Roles))
		}
		return g.Profiles[i].Names
	}
	before := named(g)
	must(t, w.org.RenameProfile(source.ProfileID, "Another Name"))
	clock.add(time.Minute)
	if g, err = w.Glance(t.Context(), fields, g.Mark); err != nil || named(g) == before {
		t.Errorf("after the rename: %q, %v", named(g), err)
	}
	found := map[ID]bool{}
	for users, err := range w.NamedUsers(t.Context(), fields, []ID{source.ProfileID}, nil) {
		must(t, err)
		for i := range users {
			found[users[i].ID] = users[i].Profile.Name == "Another Name"
		}
	}
	if !found[people[9]] {
		t.Errorf("%d users have the profile, and the one who has is not among them", len(found))
	}
}

// What one call cannot tell is left to others, and is no sign of anything.
func TestGlanceRefusesToGuess(t *testing.T) {
	clock := newMovable()
	w := newWorld(t, simorg.Options{Users: 2500, Plain: true, Now: clock.Now}, Options{}, standard, bySecret)
	fields := w.fields(t)
	start := Watermark{Upper: clock.Now()}
	var people []string
	for u := range w.org.Users() {
		people = append(people, u.ID)
	}
	clock.add(time.Minute)
	must(t, w.org.MassUpdate(people, func(u *simorg.User) { u.Title = "Moved" }))
	clock.add(time.Minute)
	g, err := w.Glance(t.Context(), fields, start)
	if must(t, err); !g.Incomplete || !g.Mark.Upper.IsZero() {
		t.Errorf("incomplete %t, %+v", g.Incomplete, g.Mark)
	}
	w.org.Faults().HideField("UserLogin", "IsFrozen")
	if g, err := w.Glance(t.Context(), fields, Watermark{Upper: clock.Now()}); err != nil || !errors.Is(g.FrozenErr, ErrFrozenUnreadable) || len(g.Frozen) > 0 {
		t.Errorf("without a sight of logins: %v, %v", g.FrozenErr, err)
	}
	if _, err := w.Glance(t.Context(), fields, Watermark{}); !errors.Is(err, ErrWatermark) {
		t.Errorf("without a watermark: %v", err)
	}
}
