package dialertest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/dialer"
)

func (s *suite) group(k dialer.Kind, name string, settings map[dialer.Field]any) dialer.GroupInfo {
	s.Helper()
	g, err := s.d.AddGroup(s.Context(), k, name, settings, person)
	if err != nil {
		s.Fatal(err)
	}
	return g
}

// groups lists the groups of a kind with their numbers of members.
func (s *suite) groups(k dialer.Kind) map[string]int64 {
	s.Helper()
	list, err := s.d.Groups(s.Context(), k)
	if err != nil {
		s.Fatal(err)
	}
	all := make(map[string]int64)
	for _, g := range list {
		all[g.Name] = g.Members
	}
	return all
}

func in(k dialer.Kind, n int, names ...string) dialer.User {
	u := plain(n)
	u.SetGroups(k, names...)
	return u
}

func testCatalog(t *testing.T, s *suite) {
	g := s.group(dialer.KindDesk, " EMEA ", map[dialer.Field]any{"description": "Europe and around"})
	if g.Name != "EMEA" || g.ID == 0 || g.Members != 0 || g.Settings["description"] != "Europe and around" {
		t.Errorf("got %+v", g)
	}
	for name, kind := range map[string]dialer.Kind{"emea": dialer.KindDesk, " ": dialer.KindDesk, strings.Repeat("x", 256): dialer.KindDesk, "x": "status"} {
		if _, err := s.d.AddGroup(t.Context(), kind, name, nil, person); err == nil {
			t.Errorf("added a %s called %q", kind, name)
		}
	}
	s.group(dialer.KindTag, "EMEA", nil) // of another kind
	name := "emea"
	if got, err := s.d.EditGroup(t.Context(), g.ID, dialer.GroupChange{Name: &name}, person); err != nil || got.Name != "emea" ||
		got.Settings["description"] != "Europe and around" {
		t.Errorf("renamed: %+v (%v)", got, err)
	}
	if _, err := s.d.EditGroup(t.Context(), g.ID+1000, dialer.GroupChange{Name: &name}, person); !errors.Is(err, dialer.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := s.d.DeleteGroup(t.Context(), g.ID, "", person); err != nil {
		t.Error(err)
	}
	if got := s.groups(""); len(got) != 1 || len(s.groups(dialer.KindDesk)) != 0 {
		t.Errorf("left: %v", got)
	}
	var verbs []string
	for _, a := range s.activity(dialer.ActivityQuery{}) {
		verbs = append(verbs, string(a.Verb))
	}
	if want := []string{"group_add", "group_add", "group_edit", "group_delete"}; !slices.Equal(verbs, want) {
		t.Errorf("activity: %v, want %v", verbs, want)
	}
	if a := s.activity(dialer.ActivityQuery{Verb: "group_edit"})[0]; string(a.Before)+string(a.After) != `{"name":"EMEA"}{"name":"emea"}` {
		t.Errorf("activity: %s %s", a.Before, a.After)
	}
}

func testGroupMembers(t *testing.T, s *suite) {
	ids := s.add(in(dialer.KindDepartment, 1, "Sales"), in(dialer.KindDepartment, 2, "Sales"), in(dialer.KindDepartment, 3, "Sales"), in(dialer.KindDepartment, 4, "Support"))
	s.apply("applied applied", deactivate(ids[1], person), change(dialer.VerbDelete, ids[2], person))
	list, err := s.d.Groups(t.Context(), dialer.KindDepartment)
	if err != nil || len(list) != 2 || list[0].Members != 2 || list[1].Members != 1 {
		t.Fatalf("got %+v (%v)", list, err)
	}
	s.settings(map[dialer.Field]any{dialer.OrgDefaultGroups: []any{map[string]any{"kind": "department", "name": "Sales"}}})
	version, name := s.user(ids[0]).Version, "Revenue"
	if _, err := s.d.EditGroup(t.Context(), list[0].ID, dialer.GroupChange{Name: &name}, person); err != nil {
		t.Fatal(err)
	}
	if u := s.user(ids[0]); u.One(dialer.KindDepartment) != "Revenue" || u.Version <= version {
		t.Errorf("a member has %s, version %d", u.One(dialer.KindDepartment), u.Version)
	}
	if u := s.user(s.add(plain(5))[0]); u.One(dialer.KindDepartment) != "Revenue" {
		t.Errorf("a new user has %v", u.Groups)
	}
	if _, err := s.d.DeleteGroup(t.Context(), list[0].ID, "", person); !errors.Is(err, dialer.ErrInUse) {
		t.Errorf("deleted under its members: %v", err)
	}
	for _, to := range []string{"Nowhere", "Revenue"} {
		if _, err := s.d.DeleteGroup(t.Context(), list[0].ID, to, person); err == nil {
			t.Errorf("moved to %s", to)
		}
	}
	moved, err := s.d.DeleteGroup(t.Context(), list[0].ID, "Support", person)
	if err != nil || moved != 3 || s.groups(dialer.KindDepartment)["Support"] != 4 || len(s.groups(dialer.KindDepartment)) != 1 {
		t.Errorf("moved %d: %v (%v)", moved, s.groups(dialer.KindDepartment), err)
	}
	a := s.activity(dialer.ActivityQuery{UserID: ids[0], Newest: true, Limit: 1})[0]
	if string(a.Before) != `{"department":["Revenue"]}` || string(a.After) != `{"department":["Support"]}` || a.Actor != person {
		t.Errorf("activity: %+v", a)
	}
}

func testGroupSettings(t *testing.T, s *suite) {
	for kind, settings := range map[dialer.Kind]map[dialer.Field]any{
		dialer.KindDepartment: {"dispositions": []any{"Won", "Lost", "Call back"}, "call_tags": "hot, cold", "after_call_work_seconds": 45},
		dialer.KindLocation:   {"country": "DE", "timezone": "Europe/Berlin", "main_number": "+49 30 901820"},
		dialer.KindCampaign:   {"active": false},
	} {
		g := s.group(kind, "One", settings)
		if len(g.Settings) != len(dialer.GroupAttributes(kind)) {
			t.Errorf("%s: %v", kind, g.Settings)
		}
		list, err := s.d.Groups(t.Context(), kind)
		if err != nil || len(list) != 1 || !reflect.DeepEqual(list[0], g) {
			t.Errorf("read back %+v, want %+v (%v)", list, g, err)
		}
	}
	list, err := s.d.Groups(t.Context(), dialer.KindDepartment)
	if got := list[0].Settings; err != nil || !reflect.DeepEqual(got["call_tags"], []string{"hot", "cold"}) || got["after_call_work_seconds"] != int64(45) {
		t.Errorf("got %v", got)
	}
	id := list[0].ID
	for _, wrong := range []map[dialer.Field]any{
		{"after_call_work_seconds": -1}, {"after_call_work_seconds": "soon"}, {"dispositions": strings.Repeat("x", 81)}, {"codes": "801"}, {"dispositions": 5},
	} {
		if _, err := s.d.EditGroup(t.Context(), id, dialer.GroupChange{Settings: wrong}, person); err == nil {
			t.Errorf("took %v", wrong)
		}
	}
	g, err := s.d.EditGroup(t.Context(), id, dialer.GroupChange{Settings: map[dialer.Field]any{"call_tags": nil}}, person)
	if err != nil || len(g.Settings["call_tags"].([]string)) != 0 || len(g.Settings["dispositions"].([]string)) != 3 {
		t.Errorf("cleared: %v (%v)", g.Settings, err)
	}
}

func testAreaCodes(t *testing.T, s *suite) {
	for _, wrong := range []string{"101", "80", "8011", "80x"} {
		if _, err := s.d.AddGroup(t.Context(), dialer.KindAreaCodeGroup, "Wrong", map[dialer.Field]any{"codes": wrong}, person); err == nil {
			t.Errorf("took area code %s", wrong)
		}
	}
	s.group(dialer.KindAreaCodeGroup, "Utah", map[dialer.Field]any{"codes": "801, 385, 435"})
	s.group(dialer.KindAreaCodeGroup, "Denver", map[dialer.Field]any{"codes": []any{"303", "720"}})
	ids := s.add(plain(1), in(dialer.KindAreaCodeGroup, 2, "Utah"), in(dialer.KindAreaCodeGroup, 3, "Utah", "Denver"), in(dialer.KindAreaCodeGroup, 4, "Empty"))
	for _, c := range []struct {
		number string
		want   string // whether each may take it
	}{
		{"+18015550100", "yyyn"}, {"(303) 555-0100", "ynyn"}, {"+12025550100", "ynnn"}, {"+4930901820", "ynnn"}, {"anonymous", "ynnn"},
	} {
		var got strings.Builder
		for _, id := range ids {
			ok, why, err := s.d.MayReceive(t.Context(), id, c.number)
			if err != nil || ok != (why == "") {
				t.Errorf("%s: %v, %q (%v)", c.number, ok, why, err)
			}
			got.WriteByte(map[bool]byte{true: 'y', false: 'n'}[ok])
		}
		if got.String() != c.want {
			t.Errorf("%s: got %s, want %s", c.number, &got, c.want)
		}
	}
	s.apply("applied", deactivate(ids[0], person))
	if ok, _, err := s.d.MayReceive(t.Context(), ids[0], "+18015550100"); ok || err != nil {
		t.Errorf("someone inactive takes calls (%v)", err)
	}
	if _, _, err := s.d.MayReceive(t.Context(), "nobody", "+18015550100"); !errors.Is(err, dialer.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func testTemplates(t *testing.T, s *suite) {
	s.seats("agent:5")
	for _, wrong := range []map[dialer.Field]any{
		{"username": "everybody"}, {"sip_password": "x"}, {"is_superuser": true}, {"ring_timeout_seconds": 500}, {"license_types": "gold"},
	} {
		if _, err := s.d.AddGroup(t.Context(), dialer.KindTemplate, "Wrong", wrong, person); err == nil {
			t.Errorf("took %v", wrong)
		}
	}
	g := s.group(dialer.KindTemplate, "Rep", map[dialer.Field]any{
		"license_types": "agent", "permission_group": "Closers", "tag": []any{"new", "remote"}, "recording_enabled": true, "call_waiting": false, "ring_timeout_seconds": 45,
	})
	if len(g.Settings) != 6 {
		t.Errorf("a template says %v", g.Settings)
	}
	v, err := s.d.Template(t.Context(), "Rep")
	if err != nil {
		t.Fatal(err)
	}
	u := plain(1)
	u.SetGroups(dialer.KindTag, "mine")
	licenses, err := dialer.ApplyTemplate(&u, v)
	if err != nil || !slices.Equal(licenses, []string{"agent"}) {
		t.Fatalf("licenses %v (%v)", licenses, err)
	}
	got := s.user(s.add(u)[0])
	if got.One(dialer.KindPermissionGroup) != "Closers" || !slices.Equal(got.In(dialer.KindTag), []string{"mine"}) ||
		!dialer.FieldRecordingEnabled.Flag(&got) || dialer.FieldCallWaiting.Flag(&got) || dialer.FieldRingTimeout.Text(&got) != "45" {
		t.Errorf("got %v, %v", got.Groups, got.Settings)
	}
	if _, err := s.d.Template(t.Context(), "None"); err == nil {
		t.Error("a template that is not there")
	}

	// Whoever is added with a template gets it, seats and all; the org's is for
	// those without.
	named := in(dialer.KindTemplate, 2, "Rep")
	got = s.user(s.add(named)[0])
	if !slices.Equal(got.LicenseTypes, []string{"agent"}) || dialer.FieldRingTimeout.Text(&got) != "45" || !slices.Equal(got.In(dialer.KindTag), []string{"new", "remote"}) {
		t.Errorf("by name: %v, %v, %v", got.LicenseTypes, got.Groups, got.Settings)
	}
	s.apply("refused", create(in(dialer.KindTemplate, 3, "None")))
	s.group(dialer.KindTemplate, "Plain", map[dialer.Field]any{"voicemail_drop": true})
	s.settings(map[dialer.Field]any{dialer.OrgDefaultTemplate: "Plain"})
	ids := s.add(plain(3), in(dialer.KindTemplate, 4, "Rep"))
	for i, want := range []string{"Plain", "Rep"} {
		if u := s.user(ids[i]); u.One(dialer.KindTemplate) != want || dialer.FieldVoicemailDrop.Flag(&u) != (i == 0) {
			t.Errorf("user %d has template %s, want %s", i, u.One(dialer.KindTemplate), want)
		}
	}
}

func testDerived(t *testing.T, s *suite) {
	g := s.group(dialer.KindPermissionGroup, "Closers", nil)
	u := in(dialer.KindPermissionGroup, 1, "Closers")
	u.Settings.CallerIDNumber, u.Settings.Country, u.Phone, u.Title = "+12025550100", "DE", "no number", "Rep"
	id := s.add(u)[0]
	s.apply("applied", s.set(id, dialer.FieldUserOverride, "+12025550102"))
	derived := func() dialer.Derived {
		t.Helper()
		derive, err := s.d.Deriver(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		u := s.user(id)
		return derive(&u)
	}
	d := derived()
	if d.EffectiveCallerID != "+12025550100" || d.EffectiveRegion != "US" || d.PhoneValid || len(d.Onboarding) != 8 || len(d.Missing) != 0 {
		t.Errorf("at first: %+v", d)
	}
	s.apply("applied", s.set(id, dialer.FieldClickToCall, "+12025550101", dialer.FieldPhone, "+1 202 555 0100", dialer.FieldTitle, nil))
	s.settings(map[dialer.Field]any{dialer.OrgRegions: []any{map[string]any{"country": "DE", "region": "EU"}}})
	d = derived()
	if d.EffectiveCallerID != "+12025550101" || d.EffectiveRegion != "US" || !d.PhoneValid || !slices.Equal(d.Missing, []dialer.Field{"title"}) {
		t.Errorf("then: %+v", d)
	}
	s.settings(map[dialer.Field]any{dialer.OrgInternational: true})
	if _, err := s.d.EditGroup(t.Context(), g.ID, dialer.GroupChange{Settings: map[dialer.Field]any{dialer.CanChangeCallerID: true}}, person); err != nil {
		t.Fatal(err)
	}
	if d = derived(); d.EffectiveCallerID != "+12025550102" || d.EffectiveRegion != "EU" {
		t.Errorf("entitled, and permitted: %+v", d)
	}

	// What is in force of the org's, the department's and the user's own.
	s.settings(map[dialer.Field]any{dialer.OrgFirstAttempts: 5, dialer.OrgSecondAttempts: 3})
	s.group(dialer.KindDepartment, "Sales", map[dialer.Field]any{"after_call_work_seconds": 30})
	s.apply("applied", s.set(id, dialer.FieldFirstAttempts, 9, dialer.FieldDepartment, "Sales", dialer.FieldDevices, []any{
		map[string]any{"name": "Desk", "caller_id": "+12025550109"}, map[string]any{"name": "Mobile", "enabled": false},
	}))
	d = derived()
	if d.FirstAttempts != 9 || d.SecondAttempts != 3 || d.CallSettings["after_call_work_seconds"] != int64(30) {
		t.Errorf("attempts %d and %d, of the department %v", d.FirstAttempts, d.SecondAttempts, d.CallSettings)
	}
	want := []dialer.DeviceState{
		{Name: "Desk", CallerID: "+12025550109", Registration: "disconnected"}, {Name: "Mobile", CallerID: "+12025550102", Registration: "disabled"},
	}
	if !slices.Equal(d.Devices, want) {
		t.Errorf("devices %v, want %v", d.Devices, want)
	}
}

// A member of all desks is found by each of them, by those to come too, but is
// not within the reach of who is limited to one.
func testAllDesks(t *testing.T, s *suite) {
	ids := s.add(in(dialer.KindDesk, 1, "EMEA"), plain(2), plain(3))
	s.group(dialer.KindDesk, "APAC", nil)
	s.apply("applied", s.set(ids[1], dialer.FieldMemberAllDesks, true))
	found := func(q dialer.Query) (list []string) {
		t.Helper()
		for u, err := range s.d.Users(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, u.ID)
		}
		return list
	}
	for name, want := range map[string][]string{"EMEA": ids[:2], "APAC": ids[1:2], "to come": ids[1:2]} {
		if got := found(dialer.Query{Groups: []dialer.Group{{Kind: dialer.KindDesk, Name: name}}}); !slices.Equal(got, want) {
			t.Errorf("on %s: %v, want %v", name, got, want)
		}
	}
	if got := found(dialer.Query{Groups: []dialer.Group{{Kind: dialer.KindTag, Name: "EMEA"}}}); len(got) != 0 {
		t.Errorf("with a tag: %v", got)
	}
	if got := found(dialer.Query{Within: []dialer.Group{{Kind: dialer.KindDesk, Name: "EMEA"}}}); !slices.Equal(got, ids[:1]) {
		t.Errorf("within a desk: %v", got)
	}
	derive, err := s.d.Deriver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"EMEA"}, {"APAC", "EMEA"}, {}} {
		u := s.user(ids[i])
		if got := derive(&u).EffectiveDesks; !slices.Equal(got, want) {
			t.Errorf("desks of user %d: %v, want %v", i, got, want)
		}
	}
	s.apply("applied", s.set(ids[1], dialer.FieldMemberAllDesks, false))
	if got := found(dialer.Query{Groups: []dialer.Group{{Kind: dialer.KindDesk, Name: "APAC"}}}); len(got) != 0 {
		t.Errorf("a member of no desk is on %v", got)
	}
}
