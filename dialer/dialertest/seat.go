package dialertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/dialer"
)

func joiners(from, n int, policy dialer.OnNoSeat, seats ...string) []dialer.Change {
	var list []dialer.Change
	for i := range n {
		c := create(plain(from+i), seats...)
		c.NoSeat = policy
		list = append(list, c)
	}
	return list
}

func testSeatPolicies(t *testing.T, s *suite) {
	s.seats("agent:2")
	for _, policy := range []dialer.OnNoSeat{dialer.NoSeatReject, dialer.NoSeatWaitlist, ""} {
		for _, r := range s.apply("applied applied refused", joiners(1, 3, policy, "agent")...)[2:] {
			if !errors.Is(r.Err, dialer.ErrNoSeat) {
				t.Errorf("%s: got %v, want ErrNoSeat", policy, r.Err)
			}
		}
		for _, u := range s.all() {
			if u.Status != dialer.StatusDeleted {
				s.apply("applied", change(dialer.VerbDelete, u.ID, person))
			}
		}
	}
	r := s.apply("applied applied applied-no-seat", joiners(11, 3, dialer.NoSeatCreateInactive, "agent")...)
	u := s.user(r[2].UserID)
	if u.Status != dialer.StatusInactive || u.StatusReason != dialer.ReasonNoSeat || len(u.LicenseTypes) != 0 {
		t.Errorf("got %+v", u)
	}
	promote := change(dialer.VerbActivate, u.ID, machine)
	promote.Seats, promote.NoSeat = []string{"agent"}, dialer.NoSeatCreateInactive
	s.apply("unchanged-no-seat", promote)
	s.apply("unchanged-no-seat", joiners(13, 1, dialer.NoSeatCreateInactive, "agent")[0])
	s.apply("applied applied", promote, deactivate(r[0].UserID, machine))
	if l := s.license("agent"); l.Assigned != 2 || l.Left != 0 {
		t.Errorf("got %+v", l)
	}
	// Who left comes back too late.
	back := change(dialer.VerbActivate, r[0].UserID, machine)
	back.Seats, back.NoSeat = []string{"agent"}, dialer.NoSeatReject
	s.apply("refused", back)
	back.NoSeat = dialer.NoSeatCreateInactive
	s.apply("applied-no-seat", back)
	if u := s.user(r[0].UserID); u.StatusReason != dialer.ReasonNoSeat {
		t.Errorf("got %+v", u)
	}
}

// Story 22: 3 free seats, 5 leavers, 12 joiners.
func testLeaversFirst(t *testing.T, s *suite) {
	s.seats("agent:8")
	var changes []dialer.Change
	r := s.apply(strings.TrimSpace(strings.Repeat("applied ", 5)), joiners(1, 5, "", "agent")...)
	changes = append(changes, joiners(11, 12, dialer.NoSeatWaitlist, "agent")...)
	for _, left := range r {
		changes = append(changes, deactivate(left.UserID, machine))
	}
	s.apply(strings.Repeat("applied ", 8)+strings.Repeat("refused ", 4)+"applied applied applied applied applied", changes...)
	if l := s.license("agent"); l.Assigned != 8 {
		t.Errorf("got %+v", l)
	}
}

func testTwoTypes(t *testing.T, s *suite) {
	s.seats("agent:2", "office:1")
	r := s.apply("applied refused applied", append(joiners(1, 2, "", "agent", "office"), create(plain(3), "agent"))...)
	if a, o := s.license("agent"), s.license("office"); a.Left != 0 || o.Left != 0 {
		t.Errorf("got %+v and %+v", a, o)
	}
	// A seat more for someone active who has one already.
	s.apply("applied", deactivate(r[0].UserID, machine))
	more := change(dialer.VerbActivate, r[2].UserID, person)
	more.Seats = []string{"office"}
	s.apply("applied", more)
	if u := s.user(r[2].UserID); !slices.Equal(u.LicenseTypes, []string{"agent", "office"}) {
		t.Errorf("got %v", u.LicenseTypes)
	}
	s.apply("unchanged", more)
	// A type for users of Salesforce only.
	err := s.d.SetLicenses(s.Context(), []dialer.License{{Type: "agent", Purchased: 9, RequiresSalesforce: true}, {Type: "office", Purchased: 9}})
	if err != nil {
		t.Fatal(err)
	}
	local := create(plain(4), "agent")
	local.User.SalesforceID, local.Actor = "", person
	s.apply("refused", local)
	local.Seats = []string{"office"}
	s.apply("applied", local)
}

func testOverAllocated(t *testing.T, s *suite) {
	s.seats("agent:5")
	r := s.apply("applied applied applied", joiners(1, 3, "", "agent")...)
	if err := s.d.SetPurchased(s.Context(), "agent", 1, person); err != nil {
		t.Fatal(err)
	}
	if l := s.license("agent"); l.Assigned != 3 || l.Left != -2 {
		t.Errorf("got %+v, want nobody evicted", l)
	}
	s.apply("refused", create(plain(9), "agent"))
	s.apply("applied refused", deactivate(r[0].UserID, machine), create(plain(9), "agent"))
	s.apply("applied refused", deactivate(r[1].UserID, machine), create(plain(9), "agent"))
	s.apply("applied applied", deactivate(r[2].UserID, machine), create(plain(9), "agent"))
	a := s.activity(dialer.ActivityQuery{Verb: "purchase"})
	if len(a) != 1 || string(a[0].Before) != `{"purchased":5}` || string(a[0].After) != `{"purchased":1}` || a[0].Actor != person {
		t.Errorf("got %+v", a)
	}
	if err := errors.Join(s.d.SetPurchased(s.Context(), "agent", -1, person)); err == nil {
		t.Error("a negative number of seats was taken")
	}
	if err := errors.Join(s.d.SetPurchased(s.Context(), "none", 1, person)); err == nil {
		t.Error("seats of a type that does not exist were taken")
	}
}

// Sixty-four at once, each joining, leaving and coming back: never more than
// there are seats, and in the end every seat can be used.
func testSeatsConcurrent(t *testing.T, s *suite) {
	const people, seats = 64, 20
	s.seats(fmt.Sprintf("agent:%d", seats))
	ids := make([]string, people)
	for i, r := range s.d.Apply(s.Context(), joiners(1, people, dialer.NoSeatCreateInactive)) {
		ids[i] = r.UserID
		s.apply("applied", deactivate(r.UserID, machine))
	}
	var group sync.WaitGroup
	for i, id := range ids {
		group.Go(func() {
			for n := range 3 {
				c := change(dialer.VerbActivate, id, machine)
				c.Seats = []string{"agent"}
				if r := s.d.Apply(s.Context(), []dialer.Change{c})[0]; r.Err != nil && !errors.Is(r.Err, dialer.ErrNoSeat) {
					t.Errorf("activate: %v", r.Err)
				}
				if list, err := s.d.Licenses(s.Context()); err != nil || list[0].Assigned > seats {
					t.Errorf("got %+v (%v), want at most %d", list, err, seats)
				}
				if n < 2 || i%2 == 0 {
					if r := s.d.Apply(s.Context(), []dialer.Change{deactivate(id, machine)})[0]; r.Err != nil {
						t.Errorf("deactivate: %v", r.Err)
					}
				}
			}
		})
	}
	group.Wait()
	held := s.license("agent").Assigned
	var changes []dialer.Change
	for _, u := range s.all() {
		if u.Status == dialer.StatusInactive {
			c := change(dialer.VerbActivate, u.ID, machine)
			c.Seats = []string{"agent"}
			changes = append(changes, c)
		}
	}
	got := strings.Count(outcomes(s.d.Apply(s.Context(), changes)), "applied")
	if l := s.license("agent"); l.Assigned != seats || int64(got) != seats-held {
		t.Errorf("%d + %d seats: %+v", held, got, l)
	}
}

// Sixteen want one name; one gets it.
func testNamesConcurrent(t *testing.T, s *suite) {
	var mu sync.Mutex
	won := make(map[string]int)
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			name, mail, id := plain(i+1), plain(i+101), plain(201)
			name.Username, mail.Email = "one@example.com", "one@example.com"
			id.Username, id.Email = plain(i+301).Username, plain(i+301).Email
			for what, u := range map[string]dialer.User{"name": name, "mail": mail, "id": id} {
				r := s.d.Apply(s.Context(), []dialer.Change{create(u)})[0]
				if _, taken := errors.AsType[*dialer.TakenError](r.Err); r.Err != nil && !taken {
					t.Errorf("%s: %v", what, r.Err)
				}
				if r.Outcome == dialer.Applied {
					mu.Lock()
					won[what]++
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	if fmt.Sprint(won) != "map[id:1 mail:1 name:1]" {
		t.Errorf("got %v", won)
	}
}

func testLicenseSettings(t *testing.T, s *suite) {
	ctx := s.Context()
	set := func(want string, licenses ...dialer.License) {
		t.Helper()
		if err := s.d.SetLicenses(ctx, licenses); err != nil {
			t.Fatal(err)
		}
		list, err := s.d.Licenses(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range list {
			got = append(got, fmt.Sprintf("%s:%d/%d", l.Type, l.Assigned, l.Purchased))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	agent := dialer.License{Type: "agent", Purchased: 3, Default: true}
	set("agent:0/3 lmp:0/1", agent, dialer.License{Type: "lmp", Purchased: 1})
	s.apply("applied", create(plain(1), "agent"))
	// What a person set stays until the configuration says something new.
	if err := s.d.SetPurchased(ctx, "agent", 7, person); err != nil {
		t.Fatal(err)
	}
	set("agent:1/7", agent)
	agent.Purchased = 4
	set("agent:1/4 new:0/2", agent, dialer.License{Type: "new", Purchased: 2})
	// Gone from the configuration, but somebody has a seat.
	set("agent:1/0 new:0/2", dialer.License{Type: "new", Purchased: 2})
	s.apply("refused", create(plain(2), "agent"))
	set("agent:1/4 new:0/2", agent, dialer.License{Type: "new", Purchased: 2})
	if err := s.d.SetLicenses(ctx, []dialer.License{{Type: "", Purchased: 1}}); err == nil {
		t.Error("a license type without a name was taken")
	}
}

// A screen pop needs a seat with the CTI in Salesforce when it is switched on;
// to lose the seat leaves the setting alone.
func testScreenPop(t *testing.T, s *suite) {
	err := s.d.SetLicenses(t.Context(), []dialer.License{{Type: "agent", Purchased: 9}, {Type: "office", Purchased: 9, NoCTI: true}})
	if err != nil {
		t.Fatal(err)
	}
	if a, o := s.license("agent"), s.license("office"); a.NoCTI || !o.NoCTI {
		t.Errorf("without CTI: agent %t, office %t", a.NoCTI, o.NoCTI)
	}
	r := s.apply("applied applied", create(plain(1), "office"), create(plain(2), "agent"))
	pop := func(i int) dialer.Change { return s.set(r[i].UserID, dialer.FieldScreenPopEnabled, true) }
	s.invalid(dialer.FieldScreenPopEnabled, pop(0))
	s.apply("applied", pop(1))
	more := change(dialer.VerbActivate, r[0].UserID, person)
	more.Seats = []string{"agent"}
	s.apply("applied", more)
	s.apply("applied", pop(0))
	s.apply("applied", deactivate(r[0].UserID, person))
	again := change(dialer.VerbActivate, r[0].UserID, person)
	again.Seats = []string{"office"}
	s.apply("applied", again)
	if u := s.user(r[0].UserID); !dialer.FieldScreenPopEnabled.Flag(&u) {
		t.Error("the setting was lost with the seat")
	}
	u := plain(3)
	dialer.FieldScreenPopEnabled.SetText(&u, "true")
	s.apply("refused", create(u, "office"))
	s.apply("applied", create(u, "office", "agent"))
}
