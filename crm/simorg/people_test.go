package simorg

import (
	"net/mail"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func collect(o *Org) (all []User) {
	for u := range o.Users() {
		all = append(all, u)
	}
	return all
}

func TestPeopleArePlausible(t *testing.T) {
	o := New(Options{Users: 20_000, Seed: 5, StateCountryPicklists: true})
	scripts := map[string]*unicode.RangeTable{
		"Latin": unicode.Latin, "Cyrillic": unicode.Cyrillic, "Greek": unicode.Greek, "Han": unicode.Han, "Hangul": unicode.Hangul,
		"Katakana": unicode.Katakana, "Hiragana": unicode.Hiragana, "Arabic": unicode.Arabic, "Hebrew": unicode.Hebrew,
		"Devanagari": unicode.Devanagari, "Thai": unicode.Thai,
	}
	types, emails, zones, depts := map[string]int{}, map[string]int{}, map[string]bool{}, map[string]bool{}
	profilesSeen, rolesSeen := map[string]bool{}, map[string]bool{}
	reserved := regexp.MustCompile(`555|\b7946 0|0161 496|7700 900|07700|99 00|39 98|23125|39200|390 06|1740 6|^(ask|n/a|see|ext|TBD|\+$)`)
	invalid, shared, scoped := 0, 0, 0
	usernames, nicks := map[string]bool{}, map[string]bool{}
	for _, u := range collect(o) {
		types[u.UserType]++
		emails[u.Email]++
		zones[u.TimeZoneSidKey], depts[u.Department], profilesSeen[u.ProfileID], rolesSeen[u.UserRoleID] = true, true, true, true
		for name, table := range scripts {
			if strings.IndexFunc(u.Name(), func(r rune) bool { return unicode.Is(table, r) }) >= 0 {
				delete(scripts, name)
			}
		}
		if usernames[strings.ToLower(u.Username)] || nicks[strings.ToLower(u.CommunityNickname)] {
			t.Fatalf("user name %s or nickname %s is taken twice", u.Username, u.CommunityNickname)
		}
		usernames[strings.ToLower(u.Username)], nicks[strings.ToLower(u.CommunityNickname)] = true, true
		for _, a := range []string{u.Email, u.Username} {
			if _, err := mail.ParseAddress(a); err != nil {
				t.Errorf("%q is no address: %v", a, err)
			}
			if !strings.HasSuffix(a, "example.com") && !strings.HasSuffix(a, ".example") && !strings.HasSuffix(a, ".invalid") {
				t.Errorf("%q is not synthetic", a)
			}
		}
		for _, p := range []string{u.Phone, u.MobilePhone, u.Fax} {
			if p != "" && !reserved.MatchString(p) {
				t.Errorf("phone %q is in no reserved range", p)
			}
		}
		if strings.HasSuffix(u.Email, ".invalid") {
			invalid++
		}
		if u.UserType == "Standard" && u.IsActive && u.ProfileID != "" && o.cell(profiles, "Id", u.ProfileID, "UserLicenseId") == o.cell(licenses, "Name", "Salesforce", "Id") {
			scoped++
		}
		if (u.ContactID != "") != (u.UserType == "PowerPartner" || u.UserType == "CspLitePortal") {
			t.Errorf("%s user %s has contact %q", u.UserType, u.ID, u.ContactID)
		}
		if len([]rune(u.Alias)) > 8 || u.LastName == "" || u.SystemModstamp.Before(u.LastModifiedDate) || u.LastModifiedDate.Before(u.CreatedDate) {
			t.Errorf("user %s is not well-formed: %+v", u.ID, u)
		}
	}
	for _, n := range emails {
		if n > 1 {
			shared++
		}
	}
	if len(scripts) > 0 {
		t.Errorf("no name in %v", scripts)
	}
	for _, typ := range []string{"Standard", "PowerPartner", "CspLitePortal", "CsnOnly", "Guest", "AutomatedProcess", "CloudIntegrationUser"} {
		if types[typ] == 0 {
			t.Errorf("nobody is of type %s: %v", typ, types)
		}
	}
	if scoped < 15_000 || scoped > 17_000 {
		t.Errorf("%d of 20000 are active standard users on the Salesforce license, want about 80%%", scoped)
	}
	if invalid == 0 || shared == 0 || len(zones) < 10 || len(depts) < 5 || len(profilesSeen) < 10 || len(rolesSeen) < 10 {
		t.Errorf("invalid %d, shared %d, zones %d, departments %d, profiles %d, roles %d", invalid, shared, len(zones), len(depts), len(profilesSeen), len(rolesSeen))
	}
}

func TestEveryNullableFieldIsNullSomewhereAndSetSomewhere(t *testing.T) {
	o := New(Options{Users: 20_000, Seed: 5, StateCountryPicklists: true})
	unset, set := map[string]bool{}, map[string]bool{}
	for u := range o.Users() {
		for _, f := range o.users.fields {
			if v := f.get(&u); v.k == null {
				unset[f.name] = true
			} else {
				set[f.name] = true
			}
		}
	}
	for _, f := range o.users.fields {
		// Every user has a type and photos, though describe calls them nullable.
		if f.nillable && !unset[f.name] && f.name != "UserType" && !strings.HasSuffix(f.name, "PhotoUrl") {
			t.Errorf("%s is nullable and never null", f.name)
		}
		if !f.nillable && unset[f.name] {
			t.Errorf("%s is not nullable and null", f.name)
		}
		if !set[f.name] {
			t.Errorf("%s is always null", f.name)
		}
	}
}

// The quick readers exist for scans; they must agree with the row itself.
func TestQuickReadersAgreeWithTheRow(t *testing.T) {
	for _, plain := range []bool{false, true} {
		o := New(Options{Users: 3000, Seed: 11, Plain: plain})
		for i := range o.gen.n {
			u := o.gen.user(i)
			for _, f := range o.users.fields {
				if f.quick == nil {
					continue
				}
				if got, want := f.quick(o, i), f.get(u); got != want {
					t.Fatalf("plain %v row %d %s: got %v, want %v", plain, i, f.name, got, want)
				}
			}
		}
	}
}

func TestPlainOrg(t *testing.T) {
	o := New(Options{Users: 3000, Plain: true})
	all := collect(o)
	if len(all) != 3001 {
		t.Fatalf("got %d users, want 3000 people and the integration user", len(all))
	}
	emails := map[string]bool{}
	salesforce := o.cell(licenses, "Name", "Salesforce", "Id")
	for _, u := range all[1:] {
		frozen, err := o.Frozen(u.ID)
		if err != nil || frozen || !u.IsActive || u.UserType != "Standard" || emails[u.Email] ||
			o.cell(profiles, "Id", u.ProfileID, "UserLicenseId") != salesforce || u.Phone == "" || u.FirstName == "" {
			t.Fatalf("not plain: frozen %v, %+v", frozen, u)
		}
		emails[u.Email] = true
	}
}

func TestSeedChoosesThePeople(t *testing.T) {
	now := New(Options{}).opt.Now()
	names := func(seed uint64) (out []string) {
		for _, u := range collect(New(Options{Users: 200, Seed: seed, Now: fixed(now)})) {
			out = append(out, u.Name()+u.Email+u.Phone+u.ID)
		}
		return out
	}
	if diff := cmp.Diff(names(1), names(1)); diff != "" {
		t.Errorf("the same seed gave other people:\n%s", diff)
	}
	if reflect.DeepEqual(names(1), names(2)) {
		t.Error("another seed gave the same people")
	}
}

func TestAMillionUsersCostNothingUntilEdited(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	o := New(Options{Users: 1_000_000})
	if err := o.Deactivate(o.gen.id(500_000)); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("an org of a million users holds %d bytes", grown)
	}
	runtime.KeepAlive(o)
}
