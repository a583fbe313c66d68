package dialer_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/dialer"
)

func TestFieldsAreWhole(t *testing.T) {
	seen := make(map[dialer.Field]bool)
	for _, f := range dialer.Fields() {
		if !f.Known() || seen[f] {
			t.Errorf("%s: known %v, twice %v", f, f.Known(), seen[f])
		}
		seen[f] = true
		var a, b dialer.User
		if !f.Equal(&a, &b) {
			t.Errorf("%s: two empty users differ", f)
		}
		at, there := f.Attribute()
		if !there || !f.SetText(&a, other(&at)) {
			t.Errorf("%s does not take %q", f, other(&at))
		}
		if f.Equal(&a, &b) {
			t.Errorf("%s: no difference after it was set", f)
		}
		before, after := dialer.Delta(&b, &a)
		if !strings.HasPrefix(after, `{"`+string(f)+`":`) || !strings.HasPrefix(before, `{"`+string(f)+`":`) {
			t.Errorf("%s: delta %s, %s", f, before, after)
		}
		f.Copy(&b, &a)
		if !f.Equal(&a, &b) || !reflect.DeepEqual(f.Value(&a), f.Value(&b)) {
			t.Errorf("%s: differs after it was copied", f)
		}
	}
	for _, f := range []dialer.Field{"", "shoe_size", "status", "license_types"} {
		var u dialer.User
		if f.Known() || f.SetText(&u, "x") {
			t.Errorf("%q is taken for an attribute", f)
		}
	}
}

// other is a value that an attribute can have beside its default.
func other(a *dialer.Attribute) string {
	switch {
	case a.Kind == dialer.ValueFlag && a.Default == "true":
		return "no"
	case a.Kind == dialer.ValueFlag:
		return "yes"
	case a.Kind == dialer.ValueNumber:
		return "7"
	case a.Kind == dialer.ValueChoice:
		return a.Choices[len(a.Choices)-1]
	case a.Kind == dialer.ValueList:
		return "[{}]"
	}
	return "x"
}

// A new text in User or Settings must be an attribute, or be named here.
func TestEveryTextIsAField(t *testing.T) {
	var u dialer.User
	fill(reflect.ValueOf(&u).Elem())
	for _, f := range dialer.Fields() {
		if f.Kind() == "" {
			f.Copy(&u, &dialer.User{})
		}
	}
	for _, p := range []*string{
		&u.ID, (*string)(&u.Status), (*string)(&u.StatusReason), (*string)(&u.DeactivateWhy), (*string)(&u.Origin),
	} {
		*p = ""
	}
	u.SettledHash, u.SettledPolicy, u.Version = 0, 0, 0
	if diff := cmp.Diff(dialer.User{}, u); diff != "" {
		t.Errorf("not written by any field:\n%s", diff)
	}
}

// fill sets every text, number and flag.
func fill(v reflect.Value) {
	for _, f := range v.Fields() {
		switch f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int64:
			f.SetInt(1)
		case reflect.Struct:
			if f.Type() != reflect.TypeFor[time.Time]() {
				fill(f)
			}
		}
	}
}

func TestKey(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"Ann@Example.com", " ann@example.COM\t", true},
		{"jos\u00e9@x.example", "JOSE\u0301@x.example", true},
		{"straße@x.example", "STRASSE@x.example", true},
		{"\u0130@x.example", "i\u0307@x.example", true},
		{"\u13a0@x.example", "\uab70@x.example", true}, // Cherokee
		{"I@x.example", "ı@x.example", false},
		{"a@x.example", "а@x.example", false}, // Cyrillic
		{"a@x.example", "a+b@x.example", false},
	} {
		if got := dialer.Key(c.a) == dialer.Key(c.b); got != c.same {
			t.Errorf("%q and %q: same %v, want %v", c.a, c.b, got, c.same)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		if k := dialer.Key(s); dialer.Key(k) != k {
			t.Fatalf("%q folds to %q, and that to %q", s, k, dialer.Key(k))
		}
		if dialer.Key(strings.ToValidUTF8(s, "")) != dialer.Key(" "+strings.ToValidUTF8(s, "")+"\n") {
			t.Fatalf("space around %q matters", s)
		}
	})
}

func anyUser() *rapid.Generator[dialer.User] {
	return rapid.Custom(func(t *rapid.T) dialer.User {
		u := rapid.MakeCustom[dialer.User](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
			reflect.TypeFor[time.Time](): rapid.Just[any](time.Unix(5, 7)),
		}}).Draw(t, "user")
		return u
	})
}

func TestNormalize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := anyUser().Draw(t, "user")
		groups, licenses := slices.Clone(u.Groups), slices.Clone(u.LicenseTypes)
		once := u
		dialer.Normalize(&once)
		if !slices.Equal(u.Groups, groups) || !slices.Equal(u.LicenseTypes, licenses) {
			t.Fatal("the caller's lists were changed")
		}
		twice := once
		dialer.Normalize(&twice)
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Fatalf("the second time changes something:\n%s", diff)
		}
		if before, after := dialer.Delta(&once, &twice); before != "{}" || after != "{}" {
			t.Fatalf("the same user differs: %s, %s", before, after)
		}
		for _, e := range dialer.Validate(&once) {
			if strings.Contains(e.Rule, "UTF-8") {
				t.Fatalf("still not clean: %v", e)
			}
		}
		before, after := dialer.Delta(&dialer.User{}, &once)
		if !json.Valid([]byte(before)) || !json.Valid([]byte(after)) {
			t.Fatalf("no JSON: %s, %s", before, after)
		}
	})
}

func TestValidate(t *testing.T) {
	good := dialer.User{
		SalesforceID: "005000000000001AAA", Username: "ann@acme.example.com", Email: "ann@example.com", SystemRole: "user",
		Status: dialer.StatusActive, Timezone: "America/Denver", Language: "en-US", Extension: "1001",
	}
	good.SetGroups(dialer.KindPermissionGroup, "Reps")
	good.SetGroups(dialer.KindRole, "Agent")
	if errs := dialer.Validate(&good); len(errs) != 0 {
		t.Fatalf("a good user: %v", errs)
	}
	for _, c := range []struct {
		field dialer.Field
		edit  func(u *dialer.User)
	}{
		{"username", func(u *dialer.User) { u.Username = "" }},
		{"username", func(u *dialer.User) { u.Username = strings.Repeat("é", 81) }},
		{"email", func(u *dialer.User) { u.Email = "a b@example.com" }},
		{"email", func(u *dialer.User) { u.Email = "@example.com" }},
		{"email", func(u *dialer.User) { u.Email = "ann@" }},
		{"email", func(u *dialer.User) { u.Email = strings.Repeat("x", 243) + "@example.com" }},
		{"salesforce_id", func(u *dialer.User) { u.SalesforceID = "005-00000000001AAA" }},
		{"timezone", func(u *dialer.User) { u.Timezone = "Local" }},
		{"timezone", func(u *dialer.User) { u.Timezone = "../../etc/passwd" }},
		{"language", func(u *dialer.User) { u.Language = "english please" }},
		{"system_role", func(u *dialer.User) { u.SystemRole = "" }},
		{"extension", func(u *dialer.User) { u.Extension = "١٢٣" }},
		{"title", func(u *dialer.User) { u.Title = "a\x00b" }},
		{"title", func(u *dialer.User) { u.Title = "\xff" }},
		{"country", func(u *dialer.User) { u.Settings.Country = "Us" }},
		{"caller_id_name", func(u *dialer.User) { u.Settings.CallerIDName = strings.Repeat("x", 41) }},
		{"caller_id_number", func(u *dialer.User) { u.Settings.CallerIDNumber = "+0123456789" }},
		{"permission_group", func(u *dialer.User) { u.SetGroups(dialer.KindPermissionGroup) }},
		{"permission_group", func(u *dialer.User) { u.SetGroups(dialer.KindPermissionGroup, "a", "b") }},
		{"role", func(u *dialer.User) { u.SetGroups(dialer.KindRole) }},
		{"tag", func(u *dialer.User) { u.SetGroups(dialer.KindTag, strings.Repeat("x", 256)) }},
		{"status_reason", func(u *dialer.User) { u.Status = dialer.StatusInactive }},
		{"status_reason", func(u *dialer.User) { u.StatusReason = dialer.ReasonManual }},
		{"deactivate_why", func(u *dialer.User) { u.DeactivateAt = time.Unix(1, 0) }},
		{"license_types", func(u *dialer.User) {
			u.LicenseTypes, u.Status, u.StatusReason = []string{"agent"}, dialer.StatusInactive, dialer.ReasonManual
		}},
	} {
		u := good
		c.edit(&u)
		errs := dialer.Validate(&u)
		if len(errs) != 1 || errs[0].Field != c.field {
			t.Errorf("%s: got %v", c.field, errs)
		}
	}
	local := good
	local.SalesforceID, local.Email, local.Timezone, local.Language, local.Extension = "", "", "", "", ""
	if errs := dialer.Validate(&local); len(errs) != 0 {
		t.Errorf("a local user without an address: %v", errs)
	}
}
