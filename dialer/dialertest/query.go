package dialertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// collect reads a whole stream.
func (s *suite) collect(q dialer.Query) []dialer.User {
	s.Helper()
	var list []dialer.User
	for u, err := range s.d.Users(s.Context(), q) {
		if err != nil {
			s.Fatal(err)
		}
		list = append(list, u)
	}
	return list
}

func testPaging(t *testing.T, s *suite) {
	const n = 25
	var changes []dialer.Change
	for i := range n {
		u := plain((i*7)%n + 1) // not in the order of any key
		u.Username = strings.ToUpper(u.Username[:1+i%4]) + u.Username[1+i%4:]
		changes = append(changes, create(u))
	}
	r := s.d.Apply(s.Context(), changes)
	s.apply("applied applied", change(dialer.VerbDelete, r[3].UserID, person), change(dialer.VerbDelete, r[4].UserID, person))
	key := map[dialer.Order]func(u dialer.User) string{
		dialer.OrderID:           func(u dialer.User) string { return u.ID },
		dialer.OrderSalesforceID: func(u dialer.User) string { return u.SalesforceID },
		dialer.OrderUsername:     func(u dialer.User) string { return dialer.Key(u.Username) },
	}
	for order, of := range key {
		for _, status := range []dialer.Status{"", dialer.StatusAll} {
			q := dialer.Query{Order: order, Status: status}
			all := s.collect(q)
			want := n - 2
			if status == dialer.StatusAll {
				want = n
			}
			if len(all) != want || !slices.IsSortedFunc(all, func(a, b dialer.User) int { return strings.Compare(of(a), of(b)) }) {
				t.Errorf("order %q, status %q: %d users, want %d in order", order, status, len(all), want)
			}
			var paged []string
			for q.Limit = 7; ; {
				page, next, err := s.d.List(s.Context(), q)
				if err != nil || len(page) == 0 {
					t.Fatalf("got %d users (%v)", len(page), err)
				}
				for _, u := range page {
					paged = append(paged, u.ID)
				}
				if q.After = next; next == "" {
					break
				}
			}
			for i, u := range all {
				if paged[i] != u.ID {
					t.Errorf("order %q: page differs at %d", order, i)
				}
			}
			// From a key that a caller knows, for so many.
			some := s.collect(dialer.Query{Order: order, Status: status, After: of(all[4]), Limit: 6})
			if len(some) != 6 || some[0].ID != all[5].ID || some[5].ID != all[10].ID {
				t.Errorf("order %q: got %d users after the fifth", order, len(some))
			}
		}
	}
	// Who stops early is not asked for more.
	for range s.d.Users(s.Context(), dialer.Query{}) {
		break
	}
}

func testFilters(t *testing.T, s *suite) {
	s.seats("agent:9")
	at := time.Now().Add(time.Hour)
	var users []dialer.User
	for i := range 6 {
		u := plain(i + 1)
		u.FirstName, u.LastName = [...]string{"Élodie", "Bob", "Cyd", "Dan", "Eve", "Fay"}[i], "O'100%_\\"
		u.Extension = fmt.Sprintf("20%d", i)
		u.SetGroups(dialer.KindRole, [...]string{"Agent", "Coach"}[i%2])
		users = append(users, u)
	}
	users[5].SalesforceID = ""
	ids := s.add(users...)
	seated := change(dialer.VerbActivate, ids[0], person)
	seated.Seats = []string{"agent"}
	s.apply("applied applied applied applied", seated, deactivate(ids[1], machine), change(dialer.VerbDelete, ids[2], person),
		dialer.Change{Verb: dialer.VerbSchedule, UserID: ids[3], At: at, Actor: machine, Reason: dialer.ReasonOutOfScope})
	for _, c := range []struct {
		name string
		q    dialer.Query
		want string // of the users' numbers
	}{
		{"all but deleted", dialer.Query{}, "0 1 3 4 5"},
		{"all", dialer.Query{Status: dialer.StatusAll}, "0 1 2 3 4 5"},
		{"active", dialer.Query{Status: dialer.StatusActive}, "0 3 4 5"},
		{"inactive", dialer.Query{Status: dialer.StatusInactive}, "1"},
		{"deleted", dialer.Query{Status: dialer.StatusDeleted}, "2"},
		{"linked", dialer.Query{Linked: true}, "0 1 3 4"},
		{"some ids", dialer.Query{SalesforceIDs: []string{sfid(4), sfid(1), sfid(3), sfid(77), sfid(1)}}, "0 3"},
		{"no ids", dialer.Query{SalesforceIDs: []string{}}, ""},
		{"search a name", dialer.Query{Search: "ÉLODIE o'"}, "0"},
		{"search decomposed", dialer.Query{Search: "e\u0301lod"}, "0"},
		{"search an address", dialer.Query{Search: "USER4@example"}, "3"},
		{"search a user name", dialer.Query{Search: "user5@acme"}, "4"},
		{"search an extension", dialer.Query{Search: "201"}, "1"},
		{"part of an extension", dialer.Query{Search: "20"}, ""},
		{"search pattern characters", dialer.Query{Search: "100%_\\"}, "0 1 3 4 5"},
		{"search nothing", dialer.Query{Search: "x%y"}, ""},
		{"license", dialer.Query{License: "agent"}, "0"},
		{"group", dialer.Query{Group: dialer.Group{Kind: dialer.KindRole, Name: "Coach"}}, "1 3 5"},
		{"group of another kind", dialer.Query{Group: dialer.Group{Kind: dialer.KindTag, Name: "Coach"}}, ""},
		{"due", dialer.Query{DueBefore: at.Add(time.Second)}, "3"},
		{"not yet due", dialer.Query{DueBefore: at}, ""},
		{"several", dialer.Query{Search: "o'100", Status: dialer.StatusActive, Linked: true, Order: dialer.OrderUsername}, "0 3 4"},
	} {
		var got []string
		for _, u := range s.collect(c.q) {
			got = append(got, fmt.Sprint(slices.Index(ids, u.ID)))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if n, err := s.d.Count(s.Context(), c.q); err != nil || int(n) != len(got) {
			t.Errorf("%s: counted %d, want %d (%v)", c.name, n, len(got), err)
		}
	}
}

func testFind(t *testing.T, s *suite) {
	a, b, c := plain(1), plain(2), plain(3)
	c.Username, c.SalesforceID = "user1@example.com", "" // somebody else's address
	ids := s.add(a, b, c)
	for ref, want := range map[string]string{
		ids[0]: ids[0], sfid(1): ids[0], sfid(2)[:15]: ids[1], "USER2@example.com": ids[1], " user2@ACME.example.com ": ids[1],
	} {
		if u, err := s.d.User(s.Context(), ref); err != nil || u.ID != want {
			t.Errorf("%s: got %s (%v), want %s", ref, u.ID, err, want)
		}
	}
	for ref, want := range map[string]error{
		"": dialer.ErrNotFound, "nobody": dialer.ErrNotFound, sfid(9): dialer.ErrNotFound, "user1@example.com": dialer.ErrAmbiguous,
		sfid(1)[:15] + "ZZZ": dialer.ErrNotFound, // an id whose letters have lost their case
	} {
		_, err := s.d.User(s.Context(), ref)
		if !errors.Is(err, want) || (ref != "" && strings.Contains(err.Error(), "@")) {
			t.Errorf("%s: got %v, want %v", ref, err, want)
		}
	}
	s.apply("applied", change(dialer.VerbDelete, ids[1], person))
	if u, err := s.d.User(s.Context(), sfid(2)); err != nil || u.Status != dialer.StatusDeleted {
		t.Errorf("someone deleted: got %+v (%v)", u, err)
	}
	found, err := s.d.FindByKey(s.Context(), dialer.FieldUsername, []string{"USER1@acme.example.com", "user1@example.com", "", "no"})
	if err != nil || len(found) != 2 || found["user1@acme.example.com"][0].ID != ids[0] || found["user1@example.com"][0].SalesforceID != "" {
		t.Errorf("got %v (%v)", found, err)
	}
	if _, err := s.d.FindByKey(s.Context(), dialer.FieldTitle, []string{"a"}); err == nil {
		t.Error("users were found by title")
	}
}

// More than fit one transaction, and more than fit one page.
func testManyAtOnce(t *testing.T, s *suite) {
	const n = 5_300
	s.seats(fmt.Sprintf("agent:%d", n))
	changes := joiners(1, n, "", "agent")
	for i := range changes {
		changes[i].User.SetGroups(dialer.KindDepartment, fmt.Sprintf("Department %d", i%40))
	}
	for i, r := range s.d.Apply(s.Context(), changes) {
		if r.Outcome != dialer.Applied {
			t.Fatalf("change %d: %s: %v", i, r.Outcome, r.Err)
		}
	}
	var ids []string
	var again []dialer.Change
	i := 0
	for u, err := range s.d.Users(s.Context(), dialer.Query{Linked: true, Order: dialer.OrderSalesforceID}) {
		if err != nil {
			t.Fatal(err)
		}
		want := changes[i].User
		if u.SalesforceID != want.SalesforceID || u.Email != want.Email || len(u.Groups) != 3 || len(u.LicenseTypes) != 1 ||
			u.One(dialer.KindDepartment) != want.One(dialer.KindDepartment) {
			t.Fatalf("user %d: got %+v", i, u)
		}
		ids = append(ids, u.SalesforceID)
		u.Title = "Rep"
		again = append(again, edit(u.ID, u, dialer.FieldTitle))
		i++
	}
	if i != n {
		t.Errorf("got %d users, want %d", i, n)
	}
	if got := len(s.collect(dialer.Query{SalesforceIDs: ids, Order: dialer.OrderSalesforceID, Limit: n - 3})); got != n-3 {
		t.Errorf("by id: got %d users, want %d", got, n-3)
	}
	if got := len(s.collect(dialer.Query{SalesforceIDs: ids})); got != n {
		t.Errorf("by id: got %d users, want %d", got, n)
	}
	if c := strings.Count(outcomes(s.d.Apply(s.Context(), again)), "applied"); c != n {
		t.Errorf("%d of %d edits applied", c, n)
	}
	if c := strings.Count(outcomes(s.d.Apply(s.Context(), again)), "unchanged"); c != n {
		t.Errorf("%d of %d edits unchanged the second time", c, n)
	}
	if l := s.license("agent"); l.Assigned != n {
		t.Errorf("got %+v", l)
	}
}
