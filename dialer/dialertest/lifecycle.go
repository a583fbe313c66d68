package dialertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// twice applies a change, and again: the second time nothing happens.
func (s *suite) twice(c dialer.Change) dialer.User {
	s.Helper()
	s.apply("applied", c)
	before, entries := s.user(c.UserID), len(s.activity(dialer.ActivityQuery{}))
	s.apply("unchanged", c)
	after := s.user(c.UserID)
	if after.Version != before.Version || !after.UpdatedAt.Equal(before.UpdatedAt) ||
		len(s.activity(dialer.ActivityQuery{})) != entries {
		s.Errorf("%s twice: version %d, then %d", c.Verb, before.Version, after.Version)
	}
	return after
}

func testLifecycle(t *testing.T, s *suite) {
	s.seats("agent:5")
	id := s.apply("applied", create(plain(1), "agent"))[0].UserID
	at := time.Now().Add(time.Hour)
	u := s.twice(dialer.Change{
		Verb: dialer.VerbSchedule, UserID: id, User: dialer.User{DeactivateAt: at}, Reason: dialer.ReasonOutOfScope, Actor: machine,
	})
	if !u.DeactivateAt.Equal(at.UTC().Truncate(time.Microsecond)) || u.DeactivateWhy != dialer.ReasonOutOfScope ||
		u.Status != dialer.StatusActive || len(u.LicenseTypes) != 1 {
		t.Errorf("scheduled: got %+v", u)
	}
	u = s.twice(change(dialer.VerbUnschedule, id, machine))
	if !u.DeactivateAt.IsZero() || u.DeactivateWhy != "" {
		t.Errorf("unscheduled: got %+v", u)
	}
	s.apply("applied", dialer.Change{Verb: dialer.VerbSchedule, UserID: id, At: at, Reason: dialer.ReasonOutOfScope, Actor: machine})
	// The scheduler knows no better reason than what was scheduled.
	u = s.twice(change(dialer.VerbDeactivate, id, dialer.Actor{Kind: dialer.ActorScheduler}))
	if u.Status != dialer.StatusInactive || u.StatusReason != dialer.ReasonOutOfScope || !u.DeactivateAt.IsZero() ||
		len(u.LicenseTypes) != 0 || u.AdminHold {
		t.Errorf("deactivated: got %+v", u)
	}
	// To leave one must have access; a new reason is a change.
	s.apply("unchanged", dialer.Change{Verb: dialer.VerbSchedule, UserID: id, At: at, Actor: machine})
	if u = s.twice(deactivate(id, machine)); u.StatusReason != dialer.ReasonSalesforceInactive {
		t.Errorf("deactivated again: got %s", u.StatusReason)
	}
	c := change(dialer.VerbActivate, id, machine)
	c.Seats, c.User.Title, c.Fields = []string{"agent"}, "Rep", []dialer.Field{dialer.FieldTitle}
	u = s.twice(c)
	if u.Status != dialer.StatusActive || u.StatusReason != "" || !slices.Equal(u.LicenseTypes, []string{"agent"}) || u.Title != "Rep" {
		t.Errorf("activated: got %+v", u)
	}
	if l := s.license("agent"); l.Assigned != 1 {
		t.Errorf("got %+v", l)
	}
}

func testDelete(t *testing.T, s *suite) {
	s.seats("agent:1")
	id := s.apply("applied", create(plain(1), "agent"))[0].UserID
	err := s.apply("refused", change(dialer.VerbDelete, id, machine))[0].Err
	if !errors.Is(err, dialer.ErrProtected) {
		t.Errorf("the sync deletes: got %v", err)
	}
	u := s.twice(change(dialer.VerbDelete, id, person))
	if u.Status != dialer.StatusDeleted || u.StatusReason != dialer.ReasonDeleted || u.DeletedAt.IsZero() || len(u.LicenseTypes) != 0 {
		t.Errorf("got %+v", u)
	}
	for _, v := range []dialer.Verb{dialer.VerbActivate, dialer.VerbDeactivate, dialer.VerbUpdate, dialer.VerbSettle} {
		if err := s.apply("refused", change(v, id, person))[0].Err; !errors.Is(err, dialer.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", v, err)
		}
	}
	if l := s.license("agent"); l.Assigned != 0 {
		t.Errorf("got %+v", l)
	}
}

func testLink(t *testing.T, s *suite) {
	local := plain(1)
	local.SalesforceID = ""
	ids := s.add(local, plain(2))
	c := dialer.Change{Verb: dialer.VerbLink, UserID: ids[0], Actor: machine, User: plain(1), Fields: []dialer.Field{dialer.FieldLastName}}
	c.User.MatchMethod, c.User.LastName = "email", "Linked"
	u := s.twice(c)
	if u.SalesforceID != sfid(1) || u.MatchMethod != "email" || u.LastName != "Linked" || u.Origin != dialer.OriginLocal {
		t.Errorf("got %+v", u)
	}
	c.User.SalesforceID = sfid(3)
	if err := s.apply("refused", c)[0].Err; !errors.Is(err, dialer.ErrConflict) {
		t.Errorf("linked to another: got %v, want ErrConflict", err)
	}
	if err := s.apply("refused", edit(ids[0], plain(3), dialer.FieldSalesforceID))[0].Err; !errors.Is(err, dialer.ErrConflict) {
		t.Errorf("the id is pinned: got %v, want ErrConflict", err)
	}
	other := plain(4)
	other.SalesforceID = ""
	c.UserID, c.User.SalesforceID = s.add(other)[0], sfid(2)
	if e, ok := errors.AsType[*dialer.TakenError](s.apply("refused", c)[0].Err); !ok || e.UserID != ids[1] {
		t.Errorf("two users of one Salesforce id: got %v", e)
	}
}

func testOwnership(t *testing.T, s *suite) {
	safe, local := plain(1), plain(2)
	safe.Protected, local.SalesforceID = true, ""
	ids := s.add(safe, local)
	for _, by := range []dialer.Actor{machine, {Kind: dialer.ActorScheduler}} {
		for i, want := range []error{dialer.ErrProtected, dialer.ErrLocal} {
			for _, c := range []dialer.Change{
				deactivate(ids[i], by), change(dialer.VerbUnschedule, ids[i], by), change(dialer.VerbActivate, ids[i], by),
				{Verb: dialer.VerbSchedule, At: time.Now(), UserID: ids[i], Actor: by},
				{Verb: dialer.VerbUpdate, UserID: ids[i], User: plain(7), Fields: []dialer.Field{dialer.FieldEmail}, Actor: by},
			} {
				if err := s.apply("refused", c)[0].Err; !errors.Is(err, want) {
					t.Errorf("%s by %s: got %v, want %v", c.Verb, by.Kind, err, want)
				}
			}
		}
	}
	none := plain(3)
	none.SalesforceID = ""
	if err := s.apply("refused", create(none))[0].Err; !errors.Is(err, dialer.ErrLocal) {
		t.Errorf("got %v, want ErrLocal", err)
	}
	s.apply("applied applied", deactivate(ids[0], person), deactivate(ids[1], person))
}

func testHold(t *testing.T, s *suite) {
	ids := s.add(plain(1))
	c := change(dialer.VerbDeactivate, ids[0], person)
	if u := s.twice(c); !u.AdminHold || u.StatusReason != dialer.ReasonManual {
		t.Errorf("got %+v", u)
	}
	for range 50 {
		if err := s.apply("refused", change(dialer.VerbActivate, ids[0], machine))[0].Err; !errors.Is(err, dialer.ErrHold) {
			t.Fatalf("got %v, want ErrHold", err)
		}
	}
	// The sync cannot make the hold its own and then undo it.
	s.apply("unchanged", deactivate(ids[0], machine))
	u := plain(1)
	u.LastName = "Edited"
	s.apply("applied", edit(ids[0], u, dialer.FieldLastName))
	if u := s.twice(change(dialer.VerbActivate, ids[0], person)); u.AdminHold || u.Status != dialer.StatusActive {
		t.Errorf("got %+v", u)
	}
	// A person's deactivation of someone whom the sync has deactivated holds.
	s.apply("applied applied", deactivate(ids[0], machine), change(dialer.VerbDeactivate, ids[0], person))
	s.apply("refused", change(dialer.VerbActivate, ids[0], machine))
}

func testVersions(t *testing.T, s *suite) {
	ids := s.add(plain(1))
	u := plain(1)
	u.Title = "One"
	c := edit(ids[0], u, dialer.FieldTitle)
	c.Version = 1
	if r := s.apply("applied", c)[0]; r.Version != 2 {
		t.Errorf("got version %d, want 2", r.Version)
	}
	s.apply("unchanged", c) // as it wants to have it, whoever did so
	c.User.Title = "Two"
	r := s.apply("refused", c)[0]
	if !errors.Is(r.Err, dialer.ErrConflict) || r.Version != 2 {
		t.Errorf("got %+v, want a conflict with version 2", r)
	}
	if got := s.user(ids[0]); got.Title != "One" || got.Version != 2 {
		t.Errorf("got %+v", got)
	}
	c.Version = 0
	s.apply("applied", c)
}

func testSettle(t *testing.T, s *suite) {
	u := plain(1)
	u.SettledHash, u.SettledPolicy = 1, 2
	ids := s.add(u)
	settled := func(hash, policy int64) {
		t.Helper()
		if got := s.user(ids[0]); got.SettledHash != hash || got.SettledPolicy != policy {
			t.Errorf("got %d and %d, want %d and %d", got.SettledHash, got.SettledPolicy, hash, policy)
		}
	}
	settled(1, 2)
	c := change(dialer.VerbSettle, ids[0], machine)
	c.User.SettledHash, c.User.SettledPolicy = 3, 4
	s.apply("applied", c)
	s.apply("unchanged", c)
	settled(3, 4)
	if got := s.user(ids[0]); got.Version != 1 || len(s.activity(dialer.ActivityQuery{})) != 1 {
		t.Errorf("settling is no change: version %d", got.Version)
	}
	// The sync's own edit settles, and so does finding nothing to edit.
	u.Title, u.SettledHash, u.SettledPolicy = "A", 5, 6
	s.apply("applied", edit(ids[0], u, dialer.FieldTitle))
	settled(5, 6)
	u.SettledHash = 7
	s.apply("unchanged", edit(ids[0], u, dialer.FieldTitle))
	settled(7, 6)
	// Anybody else's edit unsettles, but not one that changes nothing.
	p := edit(ids[0], u, dialer.FieldTitle)
	p.Actor = person
	s.apply("unchanged", p)
	settled(7, 6)
	p.User.Title = "B"
	s.apply("applied", p)
	settled(0, 0)
}

func testManyChanges(t *testing.T, s *suite) {
	s.seats("agent:1")
	ids := s.add(plain(1), plain(2))
	u := plain(1)
	u.Title = "Edited"
	seated := change(dialer.VerbActivate, ids[1], machine)
	seated.Seats = []string{"agent"}
	s.apply("applied applied applied applied applied",
		edit(ids[0], u, dialer.FieldTitle), deactivate(ids[0], machine), change(dialer.VerbActivate, ids[0], machine),
		deactivate(ids[0], machine), seated)
	if got := s.user(ids[0]); got.Status != dialer.StatusInactive || got.Version != 5 || got.Title != "Edited" {
		t.Errorf("got %+v", got)
	}
	var verbs []string
	for _, a := range s.activity(dialer.ActivityQuery{UserID: ids[0]}) {
		verbs = append(verbs, string(a.Verb))
	}
	if got := strings.Join(verbs, " "); got != "create update deactivate activate deactivate" {
		t.Errorf("got %s", got)
	}
}

func testAudit(t *testing.T, s *suite) {
	c := create(plain(1))
	c.RunID, c.Note, c.Reason = "run-1", "joined", "hired"
	id := s.apply("applied", c)[0].UserID
	u := plain(1)
	u.Title, u.Email = "Größe \"<&>\"", "new@example.com"
	u.SetGroups(dialer.KindTag, "vip", "west")
	e := edit(id, u, dialer.FieldTitle, dialer.FieldEmail, dialer.FieldLastName, dialer.GroupField(dialer.KindTag))
	e.Actor, e.RunID, e.Note = person, "run-2", "asked for"
	s.apply("applied", e)
	s.apply("refused unchanged", deactivate("nobody", machine), e)
	s.apply("applied", deactivate(id, machine))
	list := s.activity(dialer.ActivityQuery{})
	if len(list) != 3 {
		t.Fatalf("got %d entries, want 3", len(list))
	}
	first := list[0]
	if first.Verb != dialer.VerbCreate || first.Actor != machine || first.RunID != "run-1" || first.Note != "joined" ||
		first.Reason != "hired" || first.UserID != id || first.SalesforceID != sfid(1) || first.At.IsZero() {
		t.Errorf("got %+v", first)
	}
	var before, after map[string]any
	if err := errors.Join(json.Unmarshal(list[1].Before, &before), json.Unmarshal(list[1].After, &after)); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%v %v", before, after)
	want := `map[email:user1@example.com tag:[] title:] map[email:new@example.com tag:[vip west] title:Größe "<&>"]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if string(list[0].Before) != "{}" || !strings.Contains(string(list[0].After), `"status":"active"`) {
		t.Errorf("created: got %s, %s", list[0].Before, list[0].After)
	}
	for _, c := range []struct {
		q    dialer.ActivityQuery
		want int
	}{
		{dialer.ActivityQuery{UserID: id}, 3},
		{dialer.ActivityQuery{UserID: "x"}, 0},
		{dialer.ActivityQuery{Verb: dialer.VerbUpdate}, 1},
		{dialer.ActivityQuery{RunID: "run-2"}, 1},
		{dialer.ActivityQuery{After: list[0].Seq}, 2},
		{dialer.ActivityQuery{Limit: 2}, 2},
		{dialer.ActivityQuery{Newest: true, After: list[2].Seq}, 2},
		{dialer.ActivityQuery{Since: list[2].At.Add(time.Hour)}, 0},
		{dialer.ActivityQuery{Since: list[0].At}, 3},
	} {
		if got := len(s.activity(c.q)); got != c.want {
			t.Errorf("%+v: got %d entries, want %d", c.q, got, c.want)
		}
	}
}

func testSessions(t *testing.T, s *suite) {
	ctx := s.Context()
	ids := s.add(plain(1), plain(2), plain(3))
	for _, id := range ids {
		for range 2 {
			if _, err := s.d.OpenSession(ctx, id, "web", "192.0.2.1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.apply("applied applied", deactivate(ids[0], machine), change(dialer.VerbDelete, ids[1], person))
	for i, want := range []string{"deactivated", "deleted", ""} {
		list, err := s.d.Sessions(ctx, ids[i])
		if err != nil || len(list) != 2 {
			t.Fatalf("got %d sessions (%v)", len(list), err)
		}
		for _, l := range list {
			if string(l.EndReason) != want || l.EndedAt.IsZero() != (want == "") || l.Client != "web" || l.IP != "192.0.2.1" {
				t.Errorf("user %d: got %+v, want the end %q", i+1, l, want)
			}
		}
	}
	for _, id := range []string{ids[0], ids[1], "nobody"} {
		if _, err := s.d.OpenSession(ctx, id, "web", ""); err == nil {
			t.Error("a session opened for someone without access")
		}
	}
	// Coming back does not bring sessions back.
	s.apply("applied", change(dialer.VerbActivate, ids[0], machine))
	if list, err := s.d.Sessions(ctx, ids[0]); err != nil || list[0].EndedAt.IsZero() {
		t.Errorf("got %+v (%v)", list, err)
	}
}
