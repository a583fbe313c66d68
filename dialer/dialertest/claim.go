package dialertest

import (
	"errors"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// named lists who has which address and user name.
func (s *suite) named(ids []string) (emails, names string) {
	for i, id := range ids {
		u := s.user(id)
		if i > 0 {
			emails, names = emails+" ", names+" "
		}
		emails, names = emails+u.Email[:5], names+u.Username[:5]
	}
	return emails, names
}

// given returns an edit that gives user i the address and user name of user j.
func given(ids []string, i, j int) dialer.Change {
	u := plain(j + 1)
	u.Extension = [...]string{"101", "102", "103", "104"}[j]
	return edit(ids[i], u, dialer.FieldEmail, dialer.FieldUsername, dialer.FieldExtension)
}

func (s *suite) four() []string {
	s.Helper()
	var users []dialer.User
	for i := range 4 {
		u := plain(i + 1)
		u.Extension = [...]string{"101", "102", "103", "104"}[i]
		users = append(users, u)
	}
	return s.add(users...)
}

func testSwap(t *testing.T, s *suite) {
	ids := s.four()
	s.apply("applied applied", given(ids, 0, 1), given(ids, 1, 0))
	if e, n := s.named(ids); e != "user2 user1 user3 user4" || n != e {
		t.Errorf("after the swap: %s, %s", e, n)
	}
	s.apply("applied applied applied applied", given(ids, 3, 0), given(ids, 0, 2), given(ids, 1, 3), given(ids, 2, 1))
	if e, n := s.named(ids); e != "user3 user4 user2 user1" || n != e {
		t.Errorf("after the ring: %s, %s", e, n)
	}
	// Back to their own, and a newcomer gets what nobody has any more.
	free := plain(9)
	fresh := plain(5)
	fresh.Email, fresh.Username, fresh.Extension = plain(3).Email, plain(3).Username, "103"
	s.apply("applied applied", create(fresh), edit(ids[0], free, dialer.FieldEmail, dialer.FieldUsername, dialer.FieldExtension))
	if e, n := s.named(ids); e != "user9 user4 user2 user1" || n != e {
		t.Errorf("after the newcomer: %s, %s", e, n)
	}
}

// Who cannot move keeps what others were to get: they are refused too, and
// nobody else is.
func testSwapCascade(t *testing.T, s *suite) {
	ids := s.four()
	bad := given(ids, 1, 2)
	bad.User.Email = "nowhere"
	s.apply("refused refused applied", given(ids, 0, 1), bad, edit(ids[3], plain(9), dialer.FieldEmail))
	if e, n := s.named(ids); e != "user1 user2 user3 user9" || n != "user1 user2 user3 user4" {
		t.Errorf("got %s, %s", e, n)
	}
	// 0 takes 1's, 1 takes 2's, and 2 wants what 3 keeps.
	r := s.apply("refused refused refused", given(ids, 0, 1), given(ids, 1, 2), given(ids, 2, 3))
	for i, who := range []string{ids[1], ids[2], ids[3]} {
		if e, ok := errors.AsType[*dialer.TakenError](r[i].Err); !ok || e.UserID != who {
			t.Errorf("change %d: got %v, want that %s has it", i, r[i].Err, who)
		}
	}
	if n := len(s.activity(dialer.ActivityQuery{})); n != 5 {
		t.Errorf("got %d entries of activity, want 5", n)
	}
}

func testHandMeDown(t *testing.T, s *suite) {
	at := time.Now().Add(time.Hour)
	for i, leave := range []dialer.Change{
		{Verb: dialer.VerbDeactivate, Reason: dialer.ReasonSalesforceInactive},
		{Verb: dialer.VerbSchedule, Reason: dialer.ReasonSalesforceInactive, User: dialer.User{DeactivateAt: at}},
		{Verb: dialer.VerbDelete, Actor: person},
	} {
		for j, joinerFirst := range []bool{true, false} {
			n := 10*i + 2*j + 1
			a, b := plain(n), plain(n+1)
			b.Email = a.Email
			leave.UserID = s.add(a)[0]
			if leave.Actor == (dialer.Actor{}) {
				leave.Actor = machine
			}
			changes := []dialer.Change{leave, create(b)}
			if joinerFirst {
				changes[0], changes[1] = changes[1], changes[0]
			}
			s.apply("applied applied", changes...)
			if got := s.user(leave.UserID).Email; got != a.Email {
				t.Errorf("the leaver's address reads %q, want it kept for display", got)
			}
			found, err := s.d.FindByKey(s.Context(), dialer.FieldEmail, []string{a.Email})
			want := 2
			if leave.Verb == dialer.VerbDelete {
				want = 1
			}
			if err != nil || len(found[a.Email]) != want {
				t.Errorf("%s: %d have the address, want %d (%v)", leave.Verb, len(found[a.Email]), want, err)
			}
		}
	}
}

func testAddressOfLeaver(t *testing.T, s *suite) {
	a, b := plain(1), plain(2)
	b.Email = a.Email
	ids := s.add(a)
	s.apply("applied", deactivate(ids[0], machine))
	ids = append(ids, s.add(b)...)
	// The former owner cannot come back while the address is needed.
	err := s.apply("refused", change(dialer.VerbActivate, ids[0], machine))[0].Err
	if e, ok := errors.AsType[*dialer.TakenError](err); !ok || e.Field != dialer.FieldEmail || e.UserID != ids[1] {
		t.Errorf("got %v, want that user 2 has the address", err)
	}
	// An edit that has nothing to do with it goes through, before and after.
	a.Title = "Emerita"
	s.apply("applied", edit(ids[0], a, dialer.FieldTitle))
	// The other gives the address up in the same call.
	b.Email = "elsewhere@example.com"
	s.apply("applied applied", change(dialer.VerbActivate, ids[0], machine), edit(ids[1], b, dialer.FieldEmail))
	c := plain(3)
	c.Email = a.Email
	s.apply("refused", create(c))
	// A leaver who comes back in time, and whose address went to someone else.
	at := time.Now().Add(time.Hour)
	s.apply("applied", dialer.Change{
		Verb: dialer.VerbSchedule, UserID: ids[0], User: dialer.User{DeactivateAt: at}, Reason: dialer.ReasonOutOfScope, Actor: machine,
	})
	s.apply("applied", create(c))
	s.apply("refused", change(dialer.VerbUnschedule, ids[0], machine))
}

func testInactiveKeepsNames(t *testing.T, s *suite) {
	ids := s.add(plain(1))
	s.apply("applied", deactivate(ids[0], machine))
	b := plain(2)
	b.Username = plain(1).Username
	s.apply("refused", create(b))
	s.apply("applied applied", create(b), change(dialer.VerbDelete, ids[0], person))
	// The Salesforce id of someone deleted can be added again.
	again := plain(1)
	again.Username = "again@example.com"
	s.apply("applied", create(again))
}
