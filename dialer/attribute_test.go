package dialer_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/dialer"
)

// tables are all the tables of attributes.
func tables() map[string][]dialer.Attribute {
	all := map[string][]dialer.Attribute{"user": dialer.Attributes(), "org": dialer.OrgAttributes()}
	for _, k := range dialer.Kinds() {
		all[string(k)] = dialer.GroupAttributes(k)
	}
	return all
}

func TestTables(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	for table, list := range tables() {
		seen := make(map[dialer.Field]bool)
		for _, a := range list {
			bad := func(what string) { t.Errorf("%s %s: %s", table, a.Name, what) }
			if !name.MatchString(string(a.Name)) || seen[a.Name] || a.Label == "" || a.Owner == "" {
				bad("name, label or owner")
			}
			seen[a.Name] = true
			if must := a.Check(a.Default); must != "" {
				bad("its default " + must)
			}
			if (a.Kind == dialer.ValueChoice) != (len(a.Choices) > 0) {
				bad("choices")
			}
			if table != "user" {
				continue
			}
			if !slices.Contains(dialer.Sections(), a.Section) {
				bad("section")
			}
			if (a.Kind == dialer.ValueGroups) != (a.Name.Kind() != "") || a.Single != a.Name.Kind().Single() {
				bad("groups")
			}
			if a.Secret && (a.Mass || a.Mapped) || a.Owner == dialer.OwnerSystem && (a.Mass || a.Mapped) || a.Derived == a.Name.Known() {
				bad("who may write it")
			}
			for _, n := range a.Needs {
				f, values, _ := strings.Cut(n, "=")
				if org, ok := strings.CutPrefix(n, "org."); ok {
					if !slices.ContainsFunc(dialer.OrgAttributes(), func(o dialer.Attribute) bool { return string(o.Name) == org }) {
						bad("needs " + n)
					}
				} else if other, ok := dialer.Field(f).Attribute(); !ok || other.Kind == dialer.ValueChoice &&
					slices.ContainsFunc(strings.Split(values, "|"), func(v string) bool { return !slices.Contains(other.Choices, v) }) {
					bad("needs " + n)
				}
			}
		}
	}
	for _, f := range []dialer.Field{dialer.FieldSuperuser, dialer.FieldProtected, dialer.FieldAdminHold, dialer.FieldSIPPassword, dialer.FieldSalesforceID} {
		if f.Mappable() || f.MassUpdatable() {
			t.Errorf("%s is for a person, one user at a time", f)
		}
	}
}

func TestSet(t *testing.T) {
	raw := func(s string) any { return json.RawMessage(s) }
	for _, c := range []struct {
		field dialer.Field
		in    any
		want  any // nil: refused
	}{
		{"ring_timeout_seconds", 30, int64(30)},
		{"ring_timeout_seconds", 30.0, int64(30)},
		{"ring_timeout_seconds", " 30 ", int64(30)},
		{"ring_timeout_seconds", json.Number("30"), int64(30)},
		{"ring_timeout_seconds", raw("30"), int64(30)},
		{"ring_timeout_seconds", raw(`"30"`), int64(30)},
		{"ring_timeout_seconds", jsontext.Value("30"), int64(30)},
		{"ring_timeout_seconds", nil, int64(20)},
		{"ring_timeout_seconds", "", int64(20)},
		{"ring_timeout_seconds", "30s", nil},
		{"ring_timeout_seconds", 30.5, nil},
		{"ring_timeout_seconds", true, nil},
		{"ring_timeout_seconds", []any{30}, nil},
		{"ring_timeout_seconds", 1e300, nil},
		{"call_waiting", "No", false},
		{"call_waiting", nil, true},
		{"call_waiting", raw("false"), false},
		{"recording_enabled", 1.0, true},
		{"recording_enabled", "ON", true},
		{"recording_enabled", "perhaps", nil},
		{"recording_enabled", map[string]any{}, nil},
		{"auto_dial", "preview", "preview"},
		{"sales_role", 5.0, "5"},
		{"sales_role", " a\tb\x00 ", "a b"},
		{"sales_role", []any{"x"}, nil},
		{"tag", "one, two", []string{"one, two"}},
		{"tag", []any{"b", "a", "b"}, []string{"a", "b"}},
		{"tag", raw(`["a"]`), []string{"a"}},
		{"tag", nil, []string{}},
		{"tag", 5, nil},
		{"ip_acl_entries", "192.0.2.0/24, 2001:db8::1", []map[string]any{{"cidr": "192.0.2.0/24", "note": ""}, {"cidr": "2001:db8::1", "note": ""}}},
		{"ip_acl_entries", raw(`[{"cidr":"192.0.2.1","note":"office"}]`), []map[string]any{{"cidr": "192.0.2.1", "note": "office"}}},
		{"ip_acl_entries", raw(`[{"cidr":"192.0.2.1","color":"red"}]`), nil},
		{"ip_acl_entries", `[`, nil},
		{"ip_acl_entries", `["` + strings.Repeat(`a","`, 600) + `b"]`, nil},
		{"devices", []any{map[string]any{"name": "Desk", "enabled": "no", "caller_id": "(202) 555-0100"}}, []map[string]any{
			{"name": "Desk", "kind": "desktop", "enabled": false, "caller_id": "+12025550100"},
		}},
		{"phone_valid", true, nil},
		{"shoe_size", 44, nil},
	} {
		var u dialer.User
		err := c.field.Set(&u, c.in)
		if c.want == nil {
			if err == nil || !reflect.DeepEqual(u, dialer.User{}) {
				t.Errorf("%s takes %v: %v", c.field, c.in, c.field.Value(&u))
			}
			continue
		}
		if diff := cmp.Diff(c.want, c.field.Value(&u)); diff != "" || err != nil {
			t.Errorf("%s of %v: %v\n%s", c.field, c.in, err, diff)
		}
	}
}

// Whatever is set comes back from JSON and from the settings as they are stored,
// and setting it again changes nothing.
func TestSetRoundTrip(t *testing.T) {
	attributes := dialer.Attributes()
	anything := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.String(), func(s string) any { return s }), rapid.Map(rapid.Int(), func(n int) any { return n }),
		rapid.Map(rapid.Float64(), func(n float64) any { return n }), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.SliceOf(rapid.String()), func(s []string) any { return s }),
		rapid.Map(rapid.SliceOf(rapid.MapOf(rapid.SampledFrom([]string{"cidr", "name", "kind", "enabled", "value"}), rapid.String())), func(l []map[string]string) any {
			list := []any{}
			for _, m := range l {
				record := map[string]any{}
				for k, v := range m {
					record[k] = v
				}
				list = append(list, record)
			}
			return list
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		var u dialer.User
		for range rapid.IntRange(1, 5).Draw(t, "attributes") {
			a := rapid.SampledFrom(attributes).Draw(t, "attribute")
			if a.Secret || a.Name.Set(&u, anything.Draw(t, "value")) != nil {
				continue
			}
			dialer.Normalize(&u)
			var again dialer.User
			again.Settings.Country = u.Settings.Country
			if err := a.Name.Set(&again, a.Name.Value(&u)); err != nil || !a.Name.Same(&u, &again) {
				t.Fatalf("%s: %v becomes %v (%v)", a.Name, a.Name.Value(&u), a.Name.Value(&again), err)
			}
		}
		stored, err := u.Settings.MarshalJSON()
		var back dialer.Settings
		if err2 := back.UnmarshalJSON(stored); err != nil || err2 != nil {
			t.Fatalf("%s: %v %v", stored, err, err2)
		}
		if diff := cmp.Diff(u.Settings, back); diff != "" {
			t.Fatalf("%s\n%s", stored, diff)
		}
		dialer.Validate(&u) // whatever it says, it says it
	})
}

// A secret that was not taken away is shown nowhere.
func TestSecretsAreNotShown(t *testing.T) {
	var u dialer.User
	if err := dialer.FieldSIPPassword.Set(&u, "hunter-two"); err != nil || len(u.Secrets()) != 1 {
		t.Fatalf("%v (%v)", u.Secrets(), err)
	}
	stored, err := u.Settings.MarshalJSON()
	before, after := dialer.Delta(&dialer.User{}, &u)
	if text := string(stored) + before + after + dialer.FieldSIPPassword.Text(&u); err != nil || strings.Contains(text, "hunter") {
		t.Errorf("shown: %s", text)
	}
	var other dialer.User
	dialer.FieldSIPPassword.SetText(&other, "hunter-three")
	if before, after := dialer.Delta(&u, &other); before == "{}" || strings.Contains(before+after, "hunter") {
		t.Errorf("another secret: %s %s", before, after)
	}
}

// Comparing users allocates nothing: the sync does it for everybody.
func TestEqualAllocatesNothing(t *testing.T) {
	a := dialer.User{Phone: "+12025550100", Title: "Rep", Username: "ann@acme.example.com"}
	a.SetGroups(dialer.KindRole, "Agent")
	if err := dialer.FieldRingTimeout.Set(&a, 30); err != nil {
		t.Fatal(err)
	}
	b := a
	var same bool
	if n := testing.AllocsPerRun(100, func() {
		same = true
		for _, f := range dialerFields {
			if f.Kind() == "" {
				same = same && f.Same(&a, &b)
			}
		}
		before, after := dialer.Delta(&a, &b)
		same = same && before == after
	}); n > 0 || !same {
		t.Errorf("%v allocations, same %v", n, same)
	}
}

var dialerFields = dialer.Fields()

func TestPhone(t *testing.T) {
	for _, c := range []struct {
		in, country, want string
		valid             bool
	}{
		{"(202) 555-0100", "", "+12025550100", true},
		{"1-202-555-0100", "US", "+12025550100", true},
		{"+1 202 555 0100", "DE", "+12025550100", true},
		{"202.555.0100 ext. 12", "US", "+12025550100 ext. 12", true},
		{"202-555-0100 x12", "", "+12025550100 ext. 12", true},
		{"+1 (202) 555-0100 ext 007", "DE", "+12025550100 ext. 007", true},
		{"ext 204", "US", "ext 204", false},
		{"x12", "US", "x12", false},
		{"٢٠٢ ٥٥٥ ٠١٠٠", "US", "+12025550100", true},
		{"+12025550100 ext. 12", "DE", "+12025550100 ext. 12", true},
		{"604 555 0123", "CA", "+16045550123", true},
		{"030 901820", "DE", "+4930901820", true},
		{"+49 (0)30 901820", "US", "+4930901820", true},
		{"+49 030 901820", "US", "+4930901820", true},
		{"+39 06 6982 0000", "US", "+390669820000", true},
		{"+44 20 7946 0123", "", "+442079460123", true},
		{"+44 (0)20 7946 0123 ext 4", "", "+442079460123 ext. 4", true},
		{"+49 30 90182000000", "", "+493090182000000", true},
		{"+44 20 7946", "", "+44207946", false},
		{"+999 30 901820", "", "+999 30 901820", false},
		{"030 901820", "US", "030 901820", false},
		{"101 555 0100", "US", "101 555 0100", false},
		{"555-0100", "US", "555-0100", false},
		{"call reception", "US", "call reception", false},
		{"", "US", "", false},
		{"+999999999999", "", "+999999999999", false},
		{"12", "XX", "12", false},
		{strings.Repeat("1", 300), "US", strings.Repeat("1", 300), false},
	} {
		got := dialer.Phone(c.in, c.country)
		if got != c.want || dialer.PhoneValid(got) != c.valid {
			t.Errorf("%q of %q: got %q, valid %v; want %q", c.in, c.country, got, dialer.PhoneValid(got), c.want)
		}
	}
}

func FuzzPhone(f *testing.F) {
	f.Add("(202) 555-0100 x12", "US")
	f.Add("+49 30 901820", "")
	f.Fuzz(func(t *testing.T, s, country string) {
		once := dialer.Phone(s, country)
		if twice := dialer.Phone(once, country); twice != once {
			t.Errorf("%q of %q: %q, and then %q", s, country, once, twice)
		}
		dialer.PhoneValid(once)
	})
}
