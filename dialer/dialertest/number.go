package dialertest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// sometime is far ahead.
var sometime = time.Unix(1<<33, 0)

func (s *suite) number(n string) {
	s.Helper()
	if err := s.d.AddNumber(s.Context(), dialer.Number{Number: n, Kind: "location"}, person); err != nil {
		s.Fatal(err)
	}
}

func testOrgSettings(t *testing.T, s *suite) {
	o, err := s.d.OrgSettings(t.Context())
	if err != nil || o.International() || o.Region("DE") != "US" || o.Quarantine() != 30*24*time.Hour {
		t.Errorf("at first: %+v (%v)", o, err)
	}
	s.settings(map[dialer.Field]any{
		dialer.OrgInternational: true, dialer.OrgDefaultCountry: "CA", dialer.OrgRegions: []any{map[string]any{"country": "DE", "region": "EU"}},
		dialer.OrgDefaultGroups: []any{map[string]any{"kind": "desk", "name": "Everybody"}, map[string]any{"kind": "role", "name": "Closer"}},
	})
	s.settings(map[dialer.Field]any{dialer.OrgQuarantineDays: "7", dialer.OrgInternational: true})
	o, err = s.d.OrgSettings(t.Context())
	if err != nil || !o.International() || o.Region("DE") != "EU" || o.Region("FR") != "US" || o.Quarantine() != 7*24*time.Hour {
		t.Errorf("then: %+v (%v)", o, err)
	}
	for name, values := range map[string]map[dialer.Field]any{
		"no such setting": {"shoe_size": 1}, "half a range": {dialer.OrgExtensionFirst: "100"},
		"upside down": {dialer.OrgExtensionFirst: "200", dialer.OrgExtensionLast: "100"}, "a word": {dialer.OrgQuarantineDays: "many"},
		"two lengths": {dialer.OrgExtensionFirst: "100", dialer.OrgExtensionLast: "1000"}, "no country": {dialer.OrgDefaultCountry: "Utopia"},
	} {
		if _, err := s.d.SetOrgSettings(t.Context(), values, person); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	log := s.activity(dialer.ActivityQuery{Verb: "org_settings"})
	if len(log) != 2 || log[1].Actor != person || string(log[1].After) != `{"extension_quarantine_days":7}` ||
		string(log[1].Before) != `{"extension_quarantine_days":30}` {
		t.Errorf("activity: %+v", log)
	}
	u := s.user(s.add(plain(1))[0])
	if u.Settings.Country != "CA" || u.One(dialer.KindDesk) != "Everybody" || !slices.Equal(u.In(dialer.KindRole), []string{"Closer"}) {
		t.Errorf("a new user: %q, %v", u.Settings.Country, u.Groups)
	}
}

// testOrgRules has the org ask for more than the dialer does.
func testOrgRules(t *testing.T, s *suite) {
	nameless := plain(1)
	nameless.FirstName = ""
	before := s.add(nameless)[0]
	s.number("+12025550101")
	s.settings(map[dialer.Field]any{dialer.OrgNamesRequired: true, dialer.OrgOwnCallerIDs: true})
	s.apply("applied", s.set(before, dialer.FieldTitle, "Rep")) // was so before
	s.invalid(dialer.FieldLastName, edit(before, dialer.User{}, dialer.FieldLastName))
	nameless = plain(2)
	nameless.FirstName = ""
	if u := s.user(s.add(nameless)[0]); u.FirstName != "user2" || u.LastName != "Person2" {
		t.Errorf("the sync adds %q %q", u.FirstName, u.LastName)
	}
	nameless = plain(3)
	nameless.FirstName = ""
	c := create(nameless)
	c.Actor = person
	s.apply("refused", c)
	for _, f := range []dialer.Field{dialer.FieldCallerIDNumber, dialer.FieldClickToCall, dialer.FieldUserOverride} {
		s.invalid(f, s.set(before, f, "+12025550109"))
		s.apply("applied", s.set(before, f, "(202) 555-0101"))
	}

	// Who leaves can use the dialer's way into Salesforce no more.
	s.apply("applied", s.set(before, dialer.FieldSFAuthorization, "authorized"))
	s.apply("applied", deactivate(before, machine))
	if u := s.user(before); dialer.FieldSFAuthorization.Text(&u) != "revoked" {
		t.Errorf("authorization of a leaver: %s", dialer.FieldSFAuthorization.Text(&u))
	}
}

// testAllocate gives out the extensions of a range, one of which is taken.
func testAllocate(t *testing.T, s *suite) {
	s.settings(map[dialer.Field]any{dialer.OrgExtensionFirst: "0100", dialer.OrgExtensionLast: "0104"})
	has := func(id string) string { return s.user(id).Extension }
	virtual := plain(1)
	virtual.Extension, virtual.VirtualExtension = "0102", "0100"
	ids := s.add(plain(2), virtual, plain(3))
	if has(ids[0]) != "0101" || has(ids[1]) != "0102" || has(ids[2]) != "0103" {
		t.Errorf("got %s, %s, %s", has(ids[0]), has(ids[1]), has(ids[2]))
	}
	s.apply("applied", deactivate(ids[0], person)) // keeps it
	s.apply("applied", change(dialer.VerbDelete, ids[2], person))
	clash := plain(4)
	clash.Extension = "0101"
	clashing := s.add(clash)[0]
	if has(clashing) != "0104" {
		t.Errorf("for one that is taken: %s", has(clashing))
	}
	late := s.add(plain(5))[0]
	if has(late) != "" {
		t.Errorf("none is left, but %s is given out", has(late))
	}
	if free, err := s.d.FreeExtensions(t.Context(), 3); err != nil || len(free) != 0 {
		t.Errorf("free: %v (%v)", free, err)
	}
	s.invalid(dialer.FieldExtension, s.set(late, dialer.FieldExtension, "auto"))
	s.settings(map[dialer.Field]any{dialer.OrgQuarantineDays: 0})
	if free, err := s.d.FreeExtensions(t.Context(), 3); err != nil || !slices.Equal(free, []string{"0103"}) {
		t.Errorf("free after the quarantine: %v (%v)", free, err)
	}
	s.apply("applied", s.set(late, dialer.FieldExtension, "auto"))
	if has(late) != "0103" {
		t.Errorf("on request: %s", has(late))
	}
	s.apply("unchanged", s.set(late, dialer.FieldExtension, "auto"))
}

func testAllocateConcurrent(t *testing.T, s *suite) {
	s.settings(map[dialer.Field]any{dialer.OrgExtensionFirst: "200", dialer.OrgExtensionLast: "299"})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			var changes []dialer.Change
			for j := range 5 {
				changes = append(changes, create(plain(i*10+j)))
			}
			for _, r := range s.d.Apply(t.Context(), changes) {
				if r.Err != nil {
					t.Error(r.Err)
				}
			}
		})
	}
	wg.Wait()
	seen := make(map[string]bool)
	for _, u := range s.all() {
		if u.Extension == "" || seen[u.Extension] || u.Extension > "239" {
			t.Errorf("extension %q: twice %v", u.Extension, seen[u.Extension])
		}
		seen[u.Extension] = true
	}
	if len(seen) != 40 {
		t.Errorf("%d extensions", len(seen))
	}
}

// testVirtualExtension moves numbers within the one space that both kinds share.
func testVirtualExtension(t *testing.T, s *suite) {
	ids := s.add(plain(1), plain(2))
	s.apply("applied", s.set(ids[0], dialer.FieldExtension, "1001", dialer.FieldVirtualExtension, "1002"))
	taken := func(f dialer.Field, c dialer.Change) {
		t.Helper()
		err := s.apply("refused", c)[0].Err
		if e, ok := errors.AsType[*dialer.TakenError](err); !ok || e.Field != f || e.UserID != ids[0] {
			t.Errorf("got %v, want %s to be taken", err, f)
		}
	}
	taken(dialer.FieldExtension, s.set(ids[1], dialer.FieldExtension, "1002"))
	taken(dialer.FieldVirtualExtension, s.set(ids[1], dialer.FieldVirtualExtension, "1001"))
	s.apply("applied", s.set(ids[0], dialer.FieldExtension, "1002", dialer.FieldVirtualExtension, "1001")) // swapped
	s.apply("applied applied",                                                                             // both ways at once
		s.set(ids[0], dialer.FieldExtension, "1003", dialer.FieldVirtualExtension, nil),
		s.set(ids[1], dialer.FieldExtension, "1001", dialer.FieldVirtualExtension, "1002"))
	if u := s.user(ids[1]); u.Extension != "1001" || u.VirtualExtension != "1002" {
		t.Errorf("got %s, %s", u.Extension, u.VirtualExtension)
	}
	s.apply("applied", change(dialer.VerbDelete, ids[1], person))
	s.apply("refused", s.set(ids[0], dialer.FieldExtension, "1002")) // it rests
}

func testPersonalNumbers(t *testing.T, s *suite) {
	ids := s.add(plain(1), plain(2))
	give := func(id, n string) dialer.Change { return s.set(id, dialer.FieldPersonalNumber, n) }
	s.number("(202) 555-0101")
	s.number("+12025550102")
	s.invalid(dialer.FieldPersonalNumber, give(ids[0], "+12025550101")) // not entitled
	s.settings(map[dialer.Field]any{dialer.OrgPersonalNumbers: true})
	s.invalid(dialer.FieldPersonalNumber, give(ids[0], "+12025550109")) // not the org's
	s.invalid(dialer.FieldPersonalNumberEnabled, s.set(ids[0], dialer.FieldPersonalNumberEnabled, true))
	s.apply("applied", give(ids[0], "+12025550101"))
	if e, ok := errors.AsType[*dialer.TakenError](s.apply("refused", give(ids[1], "+12025550101"))[0].Err); !ok || e.UserID != ids[0] {
		t.Errorf("got %v", e)
	}
	owners := func(want string) {
		t.Helper()
		list, err := s.d.Numbers(t.Context(), false, "", 10)
		var got []string
		for _, n := range list {
			got = append(got, map[string]string{"": "-", ids[0]: "0", ids[1]: "1"}[n.UserID])
		}
		if strings.Join(got, "") != want || err != nil {
			t.Errorf("got %v, want %s (%v)", got, want, err)
		}
	}
	owners("0-")
	if free, err := s.d.Numbers(t.Context(), true, "", 10); err != nil || len(free) != 1 || free[0].Number != "+12025550102" {
		t.Errorf("available: %v (%v)", free, err)
	}
	s.apply("applied applied", give(ids[0], "+12025550102"), give(ids[1], "+12025550101")) // handed on
	owners("10")
	s.apply("applied", deactivate(ids[0], person)) // kept
	owners("10")
	if err := s.d.RemoveNumber(t.Context(), "+12025550102", person); !errors.Is(err, dialer.ErrInUse) {
		t.Errorf("removed from its user: %v", err)
	}
	s.apply("applied", change(dialer.VerbDelete, ids[0], person))
	owners("1-")
	if err := s.d.RemoveNumber(t.Context(), "+12025550102", person); err != nil {
		t.Error(err)
	}
	owners("1")
	if err := s.d.AddNumber(t.Context(), dialer.Number{Number: "no number", Kind: "location"}, person); err == nil {
		t.Error("a number that is none was added")
	}
}
