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
	tagged := plain(0)
	tagged.SetGroups(dialer.KindTag, "new")
	s.apply("applied applied applied", edit(ids[3], tagged, dialer.FieldTag), edit(ids[4], tagged, dialer.FieldTag),
		s.set(ids[4], dialer.FieldTitle, "Rep", dialer.FieldRingTimeout, 30, dialer.FieldCallWaiting, false, dialer.FieldIPACLEntries, "192.0.2.0/24"))
	role := func(name string) dialer.Group { return dialer.Group{Kind: dialer.KindRole, Name: name} }
	terms := func(f dialer.Field, op dialer.Op, v string) dialer.Query {
		return dialer.Query{Terms: []dialer.Term{{Field: f, Op: op, Value: v}}}
	}
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
		{"licenses", dialer.Query{Licenses: []string{"agent", "gold"}}, "0"},
		{"no licenses", dialer.Query{Licenses: []string{}}, ""},
		{"either role", dialer.Query{Groups: []dialer.Group{role("Coach"), role("Agent")}}, "0 1 3 4 5"},
		{"role and tag", dialer.Query{Groups: []dialer.Group{role("Coach"), {Kind: dialer.KindTag, Name: "new"}}}, "3"},
		{"within", dialer.Query{Within: []dialer.Group{{Kind: dialer.KindTag, Name: "new"}, {Kind: dialer.KindDesk, Name: "x"}}}, "3 4"},
		{"within nothing", dialer.Query{Within: []dialer.Group{}}, ""},
		{"first name is", terms("first_name", dialer.OpIs, "BOB"), "1"},
		{"first name is not", terms("first_name", dialer.OpIsNot, "bob"), "0 3 4 5"},
		{"name contains", terms("name", dialer.OpContains, "É"), "0"},
		{"last name starts", terms("last_name", dialer.OpStarts, "o'100%_"), "0 1 3 4 5"},
		{"title empty", terms("title", dialer.OpEmpty, ""), "0 1 3 5"},
		{"title set", terms("title", dialer.OpSet, ""), "4"},
		{"a setting", terms("ring_timeout_seconds", dialer.OpIs, "30"), "4"},
		{"a setting by default", terms("ring_timeout_seconds", dialer.OpIs, "20"), "0 1 3 5"},
		{"a flag off by hand", terms("call_waiting", dialer.OpIs, "false"), "4"},
		{"a flag on by default", terms("call_waiting", dialer.OpIs, "true"), "0 1 3 5"},
		{"a list set", terms("ip_acl_entries", dialer.OpSet, ""), "4"},
		{"a list contains", terms("ip_acl_entries", dialer.OpContains, "192.0.2"), "4"},
		{"a secret is not searched", terms("sip_password", dialer.OpContains, "x"), "error"},
		{"held", terms("admin_hold", dialer.OpIs, "true"), ""},
		{"status reason", terms("status_reason", dialer.OpIs, "salesforce_inactive"), "1"},
		{"integrated", terms("integration_status", dialer.OpIs, "integrated"), "0 1 3 4"},
		{"no such attribute", terms("shoe_size'", dialer.OpIs, "44"), "error"},
		{"no such comparison", terms("title", "like", "x"), "error"},
		{"no such order", dialer.Query{Order: "settings"}, "error"},
		{"several", dialer.Query{Search: "o'100", Status: dialer.StatusActive, Linked: true, Order: dialer.OrderUsername}, "0 3 4"},
	} {
		if c.want == "error" {
			if _, err := s.d.Count(s.Context(), c.q); err == nil || c.q.Check() == nil {
				t.Errorf("%s: understood", c.name)
			}
			continue
		}
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

// testSort pages through users in every order, both ways.
func testSort(t *testing.T, s *suite) {
	var users []dialer.User
	for i := range 25 {
		u := plain(i)
		u.LastName, u.FirstName = fmt.Sprintf("Person%d", i%4), fmt.Sprint(i%3)
		if i%2 == 0 {
			u.Extension = fmt.Sprint(100 + i*7%25)
		}
		users = append(users, u)
	}
	s.add(users...)
	for _, o := range dialer.Orders() {
		up, down := s.sorted(o, false), s.sorted(o, true)
		slices.Reverse(down)
		if len(up) != 25 || !slices.Equal(up, down) {
			t.Errorf("order %s: %d users, the other way round %d", o, len(up), len(down))
		}
	}
	names := make([]string, 0, 25)
	for _, u := range s.collect(dialer.Query{Order: dialer.OrderLastName}) {
		names = append(names, u.LastName)
	}
	if !slices.IsSorted(names) {
		t.Errorf("by last name: %v", names)
	}
}

// sorted returns the ids of all users, who come a few at a time.
func (s *suite) sorted(o dialer.Order, desc bool) (ids []string) {
	s.Helper()
	q := dialer.Query{Order: o, Desc: desc, Limit: 7}
	for {
		page, next, err := s.d.List(s.Context(), q)
		if err != nil {
			s.Fatal(err)
		}
		for _, u := range page {
			ids = append(ids, u.ID)
		}
		if next == "" {
			return ids
		}
		q.After = next
	}
}
