package dialertest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rosterd/rosterd/dialer"
)

// whole is a user with everything set.
func whole() dialer.User {
	u := plain(1)
	u.DisplayName, u.Title, u.EmployeeNumber, u.ManagerID = "Dr. Testa Person1", "Rep", "E-1", sfid(9)
	u.FirstName, u.LastName = "Žofie", "Öz日本'\"\\<script>"
	u.Phone, u.Mobile, u.Extension = "+12025550100", "+12025550101", "0123"
	u.Timezone, u.Language, u.SystemRole = "Europe/Prague", "pt-BR", dialer.SystemRoleSupervisor
	u.Settings = dialer.Settings{
		Country: "US", CallerIDName: "Testa P.", CallerIDNumber: "+12025550102", SalesRole: "AE", TargetMarket: "SMB",
	}
	for i, k := range dialer.Kinds() {
		names := []string{fmt.Sprintf("one %d", i)}
		if !k.Single() {
			names = append(names, "two "+string(k))
		}
		u.SetGroups(k, names...)
	}
	u.Protected, u.MatchMethod, u.IntegrationInfo = true, "email", dialer.IntegrationOK
	u.SettledHash, u.SettledPolicy = -5, 1<<62
	return u
}

func testCreate(t *testing.T, s *suite) {
	s.seats("agent:1", "office:1")
	want := whole()
	for _, name := range want.In(dialer.KindTemplate) {
		s.group(dialer.KindTemplate, name, nil)
	}
	r := s.apply("applied", create(want, "office", "agent"))[0]
	got := s.user(r.UserID)
	want.ID, want.Version, want.Status, want.Origin = r.UserID, 1, dialer.StatusActive, dialer.OriginSalesforce
	want.LicenseTypes = []string{"agent", "office"}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(dialer.User{}, "CreatedAt", "UpdatedAt")); diff != "" {
		t.Errorf("read back, -want +got:\n%s", diff)
	}
	if got.CreatedAt.IsZero() || got.CreatedAt != got.UpdatedAt || got.CreatedAt.Location() != time.UTC || r.Version != 1 {
		t.Errorf("created at %v, updated at %v, version %d", got.CreatedAt, got.UpdatedAt, r.Version)
	}
	// Everything changed at once.
	want = plain(2)
	want.SalesforceID, want.Timezone, want.Language, want.SystemRole = got.SalesforceID, "UTC", "de", "user"
	want.SetGroups(dialer.KindPermissionGroup, "Managers")
	want.SetGroups(dialer.KindRole, "Agent", "Coach")
	c := edit(r.UserID, want, dialer.Fields()...)
	c.Actor = person
	s.apply("applied", c)
	want.ID, want.Version, want.Status, want.Origin = r.UserID, 2, dialer.StatusActive, dialer.OriginSalesforce
	want.LicenseTypes = got.LicenseTypes
	if diff := cmp.Diff(want, s.user(r.UserID), cmpopts.IgnoreFields(dialer.User{}, "CreatedAt", "UpdatedAt")); diff != "" {
		t.Errorf("after the edit, -want +got:\n%s", diff)
	}
}

func testCreateDefaults(t *testing.T, s *suite) {
	u := s.user(s.add(plain(1))[0])
	if u.One(dialer.KindPermissionGroup) != dialer.DefaultPermissionGroup || u.One(dialer.KindRole) != dialer.DefaultRole {
		t.Errorf("groups: got %v", u.Groups)
	}
	if u.Timezone == "" || u.Language == "" || u.SystemRole != dialer.SystemRoleUser || u.Status != dialer.StatusActive ||
		u.Origin != dialer.OriginSalesforce || u.StatusReason != "" {
		t.Errorf("got %+v", u)
	}
	local := plain(2)
	local.SalesforceID, local.Status = "", dialer.StatusInactive
	u = s.user(s.add(local)[0])
	if u.Origin != dialer.OriginLocal || u.Status != dialer.StatusInactive || u.StatusReason != dialer.ReasonManual {
		t.Errorf("a local user: got %+v", u)
	}
}

func testCreateTwice(t *testing.T, s *suite) {
	first := s.apply("applied unchanged", create(plain(1)), create(plain(1)))
	again := s.apply("unchanged", create(plain(1)))
	if again[0].UserID != first[0].UserID || first[1].UserID != first[0].UserID || again[0].Version != 1 || first[1].Version != 1 {
		t.Errorf("got %+v, then %+v", first, again)
	}
	named := plain(2)
	named.ID = "00000000-0000-7000-8000-000000000002"
	s.apply("applied", create(named))
	s.apply("unchanged", create(named))
	if n := len(s.activity(dialer.ActivityQuery{})); n != 2 {
		t.Errorf("got %d entries of activity, want 2", n)
	}
	taken := plain(3)
	taken.Username = "USER1@acme.example.com"
	err := s.apply("refused", create(taken))[0].Err
	if e, ok := errors.AsType[*dialer.TakenError](err); !ok || e.Field != dialer.FieldUsername || e.UserID != first[0].UserID {
		t.Errorf("got %v, want who has the user name", err)
	}
	if strings.Contains(err.Error(), "@") {
		t.Errorf("the error shows an address: %v", err)
	}
}

func testExtension(t *testing.T, s *suite) {
	with := func(n int, ext string) dialer.User {
		u := plain(n)
		u.Extension = ext
		return u
	}
	ids := s.add(with(1, "1001"), with(2, "1001"), with(3, "x12"), with(4, "12"), with(5, "1234567"), with(6, "654321"))
	for i, want := range []string{"1001", "", "", "", "", "654321"} {
		if got := s.user(ids[i]).Extension; got != want {
			t.Errorf("user %d: got %q, want %q", i+1, got, want)
		}
	}
	for i, note := range map[int]string{1: "another user has it", 2: "3 to 6 digits"} {
		if a := s.activity(dialer.ActivityQuery{UserID: ids[i]}); len(a) != 1 || !strings.Contains(a[0].Note, note) {
			t.Errorf("user %d: got %+v, want the note %q", i+1, a, note)
		}
	}
	// It stays taken while its user is inactive, and is free when deleted.
	s.apply("applied", deactivate(ids[0], person))
	err := s.apply("refused", edit(ids[1], with(2, "1001"), dialer.FieldExtension))[0].Err
	if _, ok := errors.AsType[*dialer.TakenError](err); !ok {
		t.Errorf("got %v, want a TakenError", err)
	}
	s.apply("refused applied", edit(ids[1], with(2, "1001"), dialer.FieldExtension), change(dialer.VerbDelete, ids[0], person))
	s.apply("refused", edit(ids[1], with(2, "1001"), dialer.FieldExtension)) // it rests
	back := s.add(with(1, "1001"))[0]                                        // whose it was comes back to it
	if got := s.user(back).Extension; got != "1001" {
		t.Errorf("someone who comes back has %q", got)
	}
	s.apply("applied", change(dialer.VerbDelete, back, person))
	s.settings(map[dialer.Field]any{dialer.OrgQuarantineDays: 0})
	s.apply("applied", edit(ids[1], with(2, "1001"), dialer.FieldExtension))
	s.apply("refused", edit(ids[2], with(3, "abc"), dialer.FieldExtension))
}

func testInvalid(t *testing.T, s *suite) {
	ids := s.add(plain(1))
	for _, c := range []struct {
		name  string
		field dialer.Field
		edit  func(u *dialer.User)
	}{
		{"no user name", dialer.FieldUsername, func(u *dialer.User) { u.Username = " \t" }},
		{"short user name", dialer.FieldUsername, func(u *dialer.User) { u.Username = "x" }},
		{"long user name", dialer.FieldUsername, func(u *dialer.User) { u.Username = strings.Repeat("x", 81) }},
		{"no address", dialer.FieldEmail, func(u *dialer.User) { u.Email = "" }},
		{"no at", dialer.FieldEmail, func(u *dialer.User) { u.Email = "example.com" }},
		{"two at", dialer.FieldEmail, func(u *dialer.User) { u.Email = "a@b@example.com" }},
		{"long text", dialer.FieldTitle, func(u *dialer.User) { u.Title = strings.Repeat("é", 256) }},
		{"zone", dialer.FieldTimezone, func(u *dialer.User) { u.Timezone = "Mars/Olympus" }},
		{"language", dialer.FieldLanguage, func(u *dialer.User) { u.Language = "not a language" }},
		{"role", dialer.FieldSystemRole, func(u *dialer.User) { u.SystemRole = "root" }},
		{"country", dialer.FieldCountry, func(u *dialer.User) { u.Settings.Country = "usa" }},
		{"caller id", dialer.FieldCallerIDNumber, func(u *dialer.User) { u.Settings.CallerIDNumber = "555" }},
		{"two departments", "department", func(u *dialer.User) { u.SetGroups(dialer.KindDepartment, "a", "b") }},
		{"kind", "fleet", func(u *dialer.User) { u.Groups = append(u.Groups, dialer.Group{Kind: "fleet", Name: "a"}) }},
		{"salesforce id", dialer.FieldSalesforceID, func(u *dialer.User) { u.SalesforceID = "005000000000001" }},
	} {
		u := plain(100)
		c.edit(&u)
		r := s.apply("refused", create(u))[0]
		if e, ok := errors.AsType[*dialer.InvalidError](r.Err); !ok || e.Field != c.field {
			t.Errorf("%s: got %v, want one about %s", c.name, r.Err, c.field)
		}
		if c.field.Known() && c.field != dialer.FieldSalesforceID {
			s.apply("refused", edit(ids[0], u, c.field))
		}
	}
	s.apply("refused", edit(ids[0], plain(1), "shoe_size"))
	s.apply("refused", edit(ids[0], dialer.User{}, dialer.GroupField(dialer.KindRole)))
	s.apply("refused", dialer.Change{Verb: "explode", UserID: ids[0], Actor: person})
	s.apply("refused", dialer.Change{Verb: dialer.VerbSchedule, UserID: ids[0], Actor: person})
	if n := len(s.activity(dialer.ActivityQuery{})); n != 1 {
		t.Errorf("got %d entries of activity, want 1", n)
	}
	// What can be stored is cleaned, not refused.
	u := plain(101)
	u.FirstName, u.LastName, u.Email = " A\x00b\xff ", "line\nline", "  Clean@example.com "
	got := s.user(s.add(u)[0])
	if got.FirstName != "A b\uFFFD" || got.LastName != "line line" || got.Email != "Clean@example.com" {
		t.Errorf("got %q %q %q", got.FirstName, got.LastName, got.Email)
	}
}

func testIsolation(t *testing.T, s *suite) {
	s.seats("agent:20")
	var changes []dialer.Change
	var want []string
	for n := range 60 {
		u, word := plain(n+1), "applied"
		switch {
		case n%5 == 0:
			u.Email, word = "nowhere", "refused"
		case n%5 == 1 && n > 5:
			u.Username, word = plain(2).Username, "refused"
		case n%5 == 2 && n > 5:
			u.Email, word = plain(3).Email, "refused"
		}
		changes, want = append(changes, create(u)), append(want, word)
	}
	changes = append(changes, change(dialer.VerbActivate, "nobody", machine), create(plain(99), "unknown"))
	s.apply(strings.Join(append(want, "refused", "refused"), " "), changes...)
	s.apply(strings.ReplaceAll(strings.Join(want, " "), "applied", "unchanged"), changes[:60]...)
	applied := strings.Count(strings.Join(want, " "), "applied")
	if n := len(s.all()); n != applied {
		t.Errorf("got %d users, want %d", n, applied)
	}
	if n := len(s.activity(dialer.ActivityQuery{})); n != applied {
		t.Errorf("got %d entries of activity, want %d", n, applied)
	}
}

func testFolding(t *testing.T, s *suite) {
	// One address in two spellings, by each way that spellings differ.
	for i, pair := range [][2]string{
		{"ann@example.com", "Ann@Example.COM"},
		{"JOSÉ@example.com", "josé@example.com"},                   // composed
		{"zoe\u0308@example.com", "ZO\u00cb@example.com"},          // decomposed and composed
		{"straße@example.com", "STRASSE@example.com"},              // full folding
		{"ΣΑΣ@example.com", "σας@example.com"},                     // final sigma
		{"\u212bngstrom@example.com", "ångstrom@example.com"},      // the unit and the letter
		{"trail@example.com ", "\tTRAIL@example.com"},              // space around
		{"ilia\u0130@example.com", "ilia" + "i\u0307@example.com"}, // dotted capital I
	} {
		a, b := plain(2*i+10), plain(2*i+11)
		a.Email, b.Email = pair[0], pair[1]
		ids := s.add(a)
		s.apply("refused", create(b))
		found, err := s.d.FindByKey(s.Context(), dialer.FieldEmail, []string{pair[1]})
		if err != nil || len(found[dialer.Key(pair[0])]) != 1 || found[dialer.Key(pair[0])][0].ID != ids[0] {
			t.Errorf("%q by %q: got %v (%v)", pair[0], pair[1], found, err)
		}
		// The new spelling of one's own address is an edit like any other.
		a.Email = strings.TrimSpace(pair[1])
		s.apply("applied", edit(ids[0], a, dialer.FieldEmail))
		if got := s.user(ids[0]).Email; got != a.Email {
			t.Errorf("got %q, want %q", got, a.Email)
		}
	}
	// Turkish dotless i is another letter.
	a, b := plain(1), plain(2)
	a.Username, b.Username = "isil@example.com", "ısıl@example.com"
	s.add(a, b)
}
