package dialertest

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/dialer"
)

// settings sets settings of the org.
func (s *suite) settings(values map[dialer.Field]any) {
	s.Helper()
	if _, err := s.d.SetOrgSettings(s.Context(), values, person); err != nil {
		s.Fatal(err)
	}
}

// set is a person's change of attributes, given as name, value, name, value.
func (s *suite) set(id string, pairs ...any) dialer.Change {
	s.Helper()
	c := dialer.Change{Verb: dialer.VerbUpdate, UserID: id, Actor: person}
	for i := 0; i < len(pairs); i += 2 {
		f := pairs[i].(dialer.Field)
		if err := f.Set(&c.User, pairs[i+1]); err != nil {
			s.Fatal(err)
		}
		c.Fields = append(c.Fields, f)
	}
	return c
}

// sample is a valid value of an attribute that stands for itself.
func sample(a *dialer.Attribute) any {
	switch a.Kind {
	case dialer.ValueFlag:
		return a.Default != "true"
	case dialer.ValueNumber:
		return max(a.Min, 7)
	case dialer.ValueChoice:
		return a.Choices[len(a.Choices)-1]
	case dialer.ValuePhone:
		return "(202) 555-0143"
	case dialer.ValueGroups:
		return "Some group"
	case dialer.ValueList:
		record := map[string]any{}
		for i := range a.Columns {
			record[string(a.Columns[i].Name)] = sample(&a.Columns[i])
		}
		return []any{record}
	}
	return map[string]string{
		"email": "some@example.com", "country": "CA", "zone": "Asia/Tokyo", "language": "de-CH", "digits": "4711", "cidr": "192.0.2.0/24",
		"sip_uri": "sip:desk@pbx.example.com", "time": "2026-01-31T12:00:00Z", "salesforce_id": "005000000000077AAA",
	}[a.Format] + strings.Repeat("some text", min(len(a.Format), 1)^1)
}

// testAttributes writes every attribute, and reads it back.
func testAttributes(t *testing.T, s *suite) {
	s.settings(map[dialer.Field]any{dialer.OrgPersonalNumbers: true})
	s.number("+12025550143")
	other := s.add(plain(2))[0]
	for i, a := range dialer.Attributes() {
		if a.Derived || a.Name == dialer.FieldAdminHold {
			continue
		}
		id := s.add(plain(100 + i))[0]
		pairs := []any{a.Name, sample(&a)}
		switch a.Name { // what it needs
		case dialer.FieldInternationalDialing, dialer.FieldLocalPresence:
			pairs = append(pairs, dialer.FieldCountry, "US")
		case dialer.FieldIPACLEnabled:
			pairs = append(pairs, dialer.FieldIPACLEntries, "2001:db8::/32")
		case dialer.FieldRingback:
			pairs = append(pairs, dialer.FieldRingbackAsset, "tone")
		case dialer.FieldRingbackAsset:
			pairs = append(pairs, dialer.FieldRingback, "custom")
		case dialer.FieldUnavailableTarget:
			pairs = []any{a.Name, other, dialer.FieldUnavailable, "user"}
		case dialer.FieldPersonalNumberEnabled:
			continue // with the number
		case dialer.FieldPersonalNumber:
			pairs = append(pairs, dialer.FieldPersonalNumberEnabled, true)
		case dialer.FieldSIPOption:
			pairs = append(pairs, dialer.FieldSIPDynamic, true)
		case dialer.FieldSIPURI:
			pairs = append(pairs, dialer.FieldSIPOption, "custom_uri")
		case dialer.FieldSIPUsername, dialer.FieldSIPPassword:
			pairs = append(pairs, dialer.FieldSIPOption, "pbx", dialer.FieldSIPDynamic, true)
		case dialer.FieldSIPExtension, dialer.FieldSIPDynamic:
			pairs = append(pairs, dialer.FieldSIPOption, "pbx")
		case dialer.FieldMassEmailCap:
			pairs = append(pairs, dialer.FieldMassEmail, true)
		case dialer.FieldMassFaxCap:
			pairs = append(pairs, dialer.FieldMassFax, true)
		case dialer.FieldVirtualExtension:
			pairs[1] = "4712"
		}
		c := s.set(id, pairs...)
		want := c.User
		dialer.Normalize(&want)
		s.apply("applied", c)
		got := s.user(id)
		for _, f := range c.Fields {
			if !reflect.DeepEqual(f.Value(&got), f.Value(&want)) {
				t.Errorf("%s: got %v, want %v", f, f.Value(&got), f.Value(&want))
			}
		}
		if got.Version != 2 || len(s.activity(dialer.ActivityQuery{UserID: id})) != 2 {
			t.Errorf("%s: version %d", a.Name, got.Version)
		}
		s.apply("unchanged", dialer.Change{Verb: dialer.VerbUpdate, UserID: id, User: got, Fields: c.Fields, Actor: person})
	}
}

// invalid expects a change to be refused because of one attribute.
func (s *suite) invalid(f dialer.Field, c dialer.Change) {
	s.Helper()
	before := s.user(c.UserID)
	err := s.apply("refused", c)[0].Err
	if e, ok := errors.AsType[*dialer.InvalidError](err); !ok || e.Field != f {
		s.Errorf("got %v, want an error about %s", err, f)
	}
	if after := s.user(c.UserID); after.Version != before.Version {
		s.Errorf("refused over %s, and yet written", f)
	}
}

func testAttributeRules(t *testing.T, s *suite) {
	id := s.add(plain(1))[0]
	pop := func(direction string, matched bool) any {
		return map[string]any{"direction": direction, "matched": matched, "open": "lead"}
	}
	for _, c := range []struct {
		field dialer.Field
		pairs []any
	}{
		{dialer.FieldInternationalDialing, []any{dialer.FieldInternationalDialing, true}},
		{dialer.FieldLocalPresence, []any{dialer.FieldLocalPresence, true, dialer.FieldCountry, "DE"}},
		{dialer.FieldRingTimeout, []any{dialer.FieldRingTimeout, 4}},
		{dialer.FieldRingTimeout, []any{dialer.FieldRingTimeout, 121}},
		{dialer.FieldRecordingRatio, []any{dialer.FieldRecordingRatio, 101}},
		{dialer.FieldRecordingMinSeconds, []any{dialer.FieldRecordingMinSeconds, -1}},
		{dialer.FieldAutoDial, []any{dialer.FieldAutoDial, "sometimes"}},
		{dialer.FieldIPACLEnabled, []any{dialer.FieldIPACLEnabled, true}},
		{dialer.FieldIPACLEntries, []any{dialer.FieldIPACLEntries, "192.0.2.0/24,192.0.2.1/24"}},
		{dialer.FieldIPACLEntries, []any{dialer.FieldIPACLEntries, "office"}},
		{dialer.FieldUnavailableTarget, []any{dialer.FieldUnavailable, "queue"}},
		{dialer.FieldUnavailableTarget, []any{dialer.FieldUnavailableTarget, "queue of support"}},
		{dialer.FieldSIPURI, []any{dialer.FieldSIPOption, "custom_uri"}},
		{dialer.FieldSIPURI, []any{dialer.FieldSIPOption, "custom_uri", dialer.FieldSIPURI, "http://pbx.example.com"}},
		{dialer.FieldSIPExtension, []any{dialer.FieldSIPOption, "pbx"}},
		{dialer.FieldSIPExtension, []any{dialer.FieldSIPOption, "pbx", dialer.FieldSIPDynamic, true, dialer.FieldSIPExtension, "12"}},
		{dialer.FieldSIPUsername, []any{dialer.FieldSIPUsername, "desk"}},
		{dialer.FieldClickToCall, []any{dialer.FieldClickToCall, "555-0100"}},
		{dialer.FieldCallerIDNumber, []any{dialer.FieldCallerIDNumber, "reception"}},
		{dialer.FieldDevices, []any{dialer.FieldDevices, []any{map[string]any{"name": "a"}, map[string]any{"name": "a"}}}},
		{dialer.FieldDevices, []any{dialer.FieldDevices, []any{map[string]any{"kind": "mobile"}}}},
		{dialer.FieldScreenPopRules, []any{dialer.FieldScreenPopRules, []any{pop("inbound", true), pop("inbound", true)}}},
		{dialer.FieldMassEmailCap, []any{dialer.FieldMassEmailCap, 5}},
		{dialer.FieldPersonalNumber, []any{dialer.FieldPersonalNumber, "+12025550143"}},
		{dialer.FieldOAuthEmail, []any{dialer.FieldOAuthEmail, "nobody"}},
		{dialer.FieldVirtualExtension, []any{dialer.FieldVirtualExtension, "12"}},
		{dialer.FieldVirtualExtension, []any{dialer.FieldVirtualExtension, "1234", dialer.FieldExtension, "1234"}},
	} {
		before := s.user(id)
		err := s.apply("refused", s.set(id, c.pairs...))[0].Err
		if e, ok := errors.AsType[*dialer.InvalidError](err); !ok || e.Field != c.field {
			t.Errorf("%v: got %v, want an error about %s", c.pairs, err, c.field)
		}
		if s.user(id).Version != before.Version {
			t.Errorf("%v: refused, and yet written", c.pairs)
		}
	}
	local := plain(2)
	local.SalesforceID = ""
	s.invalid(dialer.FieldScreenPopEnabled, s.set(s.add(local)[0], dialer.FieldScreenPopEnabled, true))
	s.apply("applied", s.set(id, dialer.FieldScreenPopRules, []any{pop("inbound", true), pop("inbound", false), pop("outbound", true)}))
}

// testNeeded clears what another attribute needs: the blame falls on what is
// cleared, so that the rest of a sync's change can be made without it.
func testNeeded(t *testing.T, s *suite) {
	id := s.add(plain(1))[0]
	s.apply("applied", s.set(id, dialer.FieldCountry, "DE", dialer.FieldInternationalDialing, true))
	c := edit(id, dialer.User{Title: "Rep"}, dialer.FieldCountry, dialer.FieldTitle)
	s.invalid(dialer.FieldCountry, c)
	c.Fields = []dialer.Field{dialer.FieldTitle}
	s.apply("applied", c)
	if u := s.user(id); u.Settings.Country != "DE" || u.Title != "Rep" {
		t.Errorf("got %q, %q", u.Settings.Country, u.Title)
	}
	s.apply("applied", s.set(id, dialer.FieldCountry, nil, dialer.FieldInternationalDialing, false))

	// A number without a country code is from the country of the user.
	s.apply("applied", edit(id, dialer.User{Phone: "030 901820"}, dialer.FieldPhone))
	if u := s.user(id); u.Phone != "030 901820" || dialer.PhoneValid(u.Phone) {
		t.Errorf("a number of nowhere: %q", u.Phone)
	}
	s.apply("applied", s.set(id, dialer.FieldCountry, "DE"))
	if u := s.user(id); u.Phone != "+4930901820" || !dialer.PhoneValid(u.Phone) {
		t.Errorf("a number of Germany: %q", u.Phone)
	}
	s.apply("applied", edit(id, dialer.User{Phone: "030 901821"}, dialer.FieldPhone)) // from where the user is
	s.apply("unchanged", edit(id, dialer.User{Phone: "+49 30 901821"}, dialer.FieldPhone))
}

func testRedirects(t *testing.T, s *suite) {
	ids := s.add(plain(1), plain(2))
	to := func(target string) dialer.Change {
		return s.set(ids[0], dialer.FieldUnavailable, "user", dialer.FieldUnavailableTarget, target)
	}
	s.invalid(dialer.FieldUnavailableTarget, to("nobody"))
	s.invalid(dialer.FieldUnavailableTarget, to(ids[0]))
	s.apply("applied", to(ids[1]))
	stand := func(how string, want ...string) {
		t.Helper()
		var got []string
		for u, err := range s.d.Users(t.Context(), dialer.Query{Terms: []dialer.Term{{Field: dialer.FieldRedirect, Op: dialer.OpIs, Value: how}}}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, u.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", how, got, want)
		}
	}
	stand("ok", ids[0])
	stand("none", ids[1])
	s.apply("applied", deactivate(ids[1], person))
	stand("ok")
	stand(dialer.RedirectDangling, ids[0])
	s.apply("applied", s.set(ids[0], dialer.FieldTitle, "Rep")) // what was so before is not held against it
	s.apply("applied", s.set(ids[0], dialer.FieldUnavailable, "queue", dialer.FieldUnavailableTarget, "Support"))
	s.invalid(dialer.FieldUnavailableTarget, to(ids[1]))
	if u := s.user(ids[0]); dialer.FieldUnavailableTarget.Text(&u) != "Support" {
		t.Errorf("calls go to %s", dialer.FieldUnavailableTarget.Text(&u))
	}
}

func testSecrets(t *testing.T, s *suite) {
	u := plain(1)
	if !dialer.FieldCalDAVToken.SetText(&u, "token-of-the-calendar") {
		t.Fatal("not set")
	}
	u.SalesforceID = ""
	id := s.add(u)[0]
	s.apply("applied", s.set(id, dialer.FieldSIPOption, "pbx", dialer.FieldSIPDynamic, true, dialer.FieldSIPPassword, "hunter-two"))
	secret := func(f dialer.Field, want dialer.Secret) {
		t.Helper()
		if got, err := s.d.Secret(t.Context(), id, f); err != nil || got != want {
			t.Errorf("%s: not what was set (%v)", f, err)
		}
	}
	secret(dialer.FieldCalDAVToken, "token-of-the-calendar")
	secret(dialer.FieldSIPPassword, "hunter-two")
	is := s.user(id)
	if dialer.FieldSIPPassword.Value(&is) != dialer.SecretSet {
		t.Errorf("the user has %v", dialer.FieldSIPPassword.Value(&is))
	}
	stored, err := is.Settings.MarshalJSON()
	shown := [][]byte{stored}
	for _, a := range s.activity(dialer.ActivityQuery{UserID: id}) {
		shown = append(shown, a.Before, a.After)
	}
	text := string(bytes.Join(shown, nil))
	if err != nil || strings.Contains(text, "hunter") || strings.Contains(text, "calendar\"") {
		t.Errorf("shown: %s (%v)", text, err)
	}
	s.apply("unchanged", dialer.Change{Verb: dialer.VerbUpdate, UserID: id, User: is, Fields: []dialer.Field{dialer.FieldSIPPassword}, Actor: person})
	s.invalid(dialer.FieldSIPPassword, s.set(id, dialer.FieldSIPPassword, dialer.Seal("of somebody else")))
	s.apply("applied", s.set(id, dialer.FieldSIPPassword, "hunter-three"))
	secret(dialer.FieldSIPPassword, "hunter-three")
	s.apply("applied", s.set(id, dialer.FieldSIPPassword, nil, dialer.FieldCalDAVToken, nil))
	secret(dialer.FieldSIPPassword, "")
	secret(dialer.FieldCalDAVToken, "")
}

func testLastAdmin(t *testing.T, s *suite) {
	ids := s.add(plain(1), plain(2), plain(3))
	s.apply("refused", edit(ids[0], dialer.User{SystemRole: dialer.SystemRoleAdmin}, dialer.FieldSystemRole)) // by the sync
	s.apply("refused", edit(ids[0], dialer.User{Superuser: true}, dialer.FieldSuperuser))
	s.apply("applied", s.set(ids[0], dialer.FieldSystemRole, dialer.SystemRoleAdmin))
	last := func(changes ...dialer.Change) {
		t.Helper()
		for _, c := range changes {
			if err := s.apply("refused", c)[0].Err; !errors.Is(err, dialer.ErrLastAdmin) {
				t.Errorf("%s by %s: %v", c.Verb, c.Actor.Kind, err)
			}
		}
	}
	leave := change(dialer.VerbSchedule, ids[0], machine)
	leave.At, leave.Reason = sometime, dialer.ReasonOutOfScope
	demote := s.set(ids[0], dialer.FieldSystemRole, dialer.SystemRoleUser)
	last(deactivate(ids[0], person), deactivate(ids[0], machine), change(dialer.VerbDelete, ids[0], person), leave, demote)
	if u := s.user(ids[0]); u.Status != dialer.StatusActive || u.SystemRole != dialer.SystemRoleAdmin || u.Version != 2 {
		t.Errorf("got %s %s, version %d", u.Status, u.SystemRole, u.Version)
	}
	s.apply("applied", s.set(ids[1], dialer.FieldSuperuser, true)) // is one too
	refused := 0
	for _, r := range s.d.Apply(t.Context(), []dialer.Change{demote, deactivate(ids[1], machine)}) {
		if errors.Is(r.Err, dialer.ErrLastAdmin) {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("of two administrators who go at once %d stay", refused)
	}
	s.apply("applied", s.set(ids[2], dialer.FieldSystemRole, dialer.SystemRoleAdmin))
	s.apply("unchanged", deactivate(ids[1], machine))
	s.apply("applied", demote)
	last(deactivate(ids[2], person))

	// Of many who go at the same time, one stays.
	s.apply("applied", s.set(ids[0], dialer.FieldSuperuser, true))
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() { s.d.Apply(t.Context(), []dialer.Change{deactivate(id, machine)}) })
	}
	wg.Wait()
	left := 0
	for _, u := range s.all() {
		if u.Status == dialer.StatusActive && (u.Superuser || u.SystemRole == dialer.SystemRoleAdmin) {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d administrators are left", left)
	}
	fresh := plain(4)
	fresh.SystemRole, fresh.Superuser = dialer.SystemRoleAdmin, true
	if u := s.user(s.add(fresh)[0]); u.Superuser || u.SystemRole != dialer.SystemRoleUser {
		t.Error("the sync made an administrator")
	}
}
