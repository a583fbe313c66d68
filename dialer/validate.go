package dialer

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// The lengths that text can have, in characters.
const (
	maxText         = 255
	minUsername     = 2
	maxUsername     = 80 // Salesforce's own limit
	maxEmail        = 254
	maxCallerIDName = 40
)

// FieldLicenses names the seats of a user in errors; a change carries them
// apart from its fields.
const FieldLicenses Field = "license_types"

// Normalize brings a user into the form that the directory stores: text is
// trimmed and has no control characters, groups and license types are sorted
// and unique, times are UTC with microseconds. Comparing a user with a stored
// one makes sense only after it.
func Normalize(u *User) {
	for _, f := range plain {
		if p := f.text(u); p != nil {
			*p = clean(*p)
		}
	}
	if len(u.Settings.More) > 0 {
		u.Settings.normalize()
	}
	phones(u)
	for i, g := range u.Groups {
		if c := clean(g.Name); c != g.Name {
			u.Groups = slices.Clone(u.Groups)
			u.Groups[i].Name = c
		}
	}
	if !slices.IsSortedFunc(u.Groups, func(a, b Group) int { // and unique
		if c := a.Compare(b); c != 0 {
			return c
		}
		return 1
	}) {
		u.Groups = slices.Clone(u.Groups)
		slices.SortFunc(u.Groups, Group.Compare)
		u.Groups = slices.Compact(u.Groups)
	}
	if len(u.LicenseTypes) > 1 {
		u.LicenseTypes = slices.Compact(slices.Sorted(slices.Values(u.LicenseTypes)))
	}
	for _, t := range []*time.Time{&u.DeactivateAt, &u.CreatedAt, &u.UpdatedAt, &u.DeletedAt} {
		if !t.IsZero() {
			*t = t.UTC().Truncate(time.Microsecond)
		}
	}
}

// clean trims s and turns control characters and bytes that are not UTF-8 into
// what can be stored and shown.
func clean(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || (c == ' ' && (i == 0 || i == len(s)-1)) {
			s = strings.ToValidUTF8(s, "\uFFFD")
			return strings.TrimSpace(strings.Map(func(r rune) rune {
				if unicode.IsControl(r) {
					return ' '
				}
				return r
			}, s))
		}
	}
	return s
}

// Validate returns every rule of the dialer that u breaks. It is Check of a
// new Validator; who checks many users keeps one.
func Validate(u *User) []*InvalidError { return new(Validator).Check(u) }

// Validator checks users against the rules of the dialer, and remembers what is
// costly to find out. The zero value is ready; it is safe for concurrent use.
type Validator struct {
	mu    sync.Mutex
	known map[string]bool // time zones and languages, guarded by mu
}

// Check returns every rule of the dialer that u breaks.
func (v *Validator) Check(u *User) []*InvalidError {
	var errs []*InvalidError
	rule := func(holds bool, f Field, text string) {
		if !holds {
			errs = append(errs, &InvalidError{f, text})
		}
	}
	for _, f := range plain {
		p := f.text(u)
		if p == nil || len(*p) == 0 {
			continue
		}
		rule(utf8.ValidString(*p) && !strings.ContainsRune(*p, 0), f, "must be text in UTF-8")
		rule(len(*p) <= maxText || utf8.RuneCountInString(*p) <= maxText, f, "must have at most 255 characters")
	}
	n := utf8.RuneCountInString(u.Username)
	rule(n >= minUsername && n <= maxUsername && Key(u.Username) != "", FieldUsername, "must have 2 to 80 characters")
	rule(u.Email != "" || u.SalesforceID == "", FieldEmail, "must be set for a user of Salesforce")
	rule(u.Email == "" || address(u.Email), FieldEmail, "must be an e-mail address")
	rule(u.SalesforceID == "" || SalesforceID(u.SalesforceID), FieldSalesforceID, "must be a Salesforce id of 18 characters")
	rule(u.Extension == "" || Extension(u.Extension), FieldExtension, "must have 3 to 6 digits")
	rule(v.is("zone "+u.Timezone, zone), FieldTimezone, "must be an IANA time zone")
	rule(v.is("lang "+u.Language, tag), FieldLanguage, "must be a language tag such as en-US")
	rule(slices.Contains([]string{SystemRoleUser, SystemRoleSupervisor, SystemRoleAdmin}, u.SystemRole),
		FieldSystemRole, "must be user, supervisor or admin")
	s := &u.Settings
	rule(s.Country == "" || country(s.Country), FieldCountry, ruleCountry)
	rule(utf8.RuneCountInString(s.CallerIDName) <= maxCallerIDName, FieldCallerIDName, "must have at most 40 characters")
	rule(s.CallerIDNumber == "" || e164(s.CallerIDNumber), FieldCallerIDNumber, ruleE164)
	rule(u.VirtualExtension == "" || Extension(u.VirtualExtension), FieldVirtualExtension, "must have 3 to 6 digits")
	rule(u.VirtualExtension == "" || u.VirtualExtension != u.Extension, FieldVirtualExtension, "must differ from the extension")
	v.groups(u, rule)
	settingRules(u, rule)
	rule((u.StatusReason == ReasonNone) == (u.Status == StatusActive), "status_reason", "must be set unless the user is active")
	rule(u.DeactivateAt.IsZero() == (u.DeactivateWhy == ReasonNone), "deactivate_why", "must be set when the user is to leave")
	rule(len(u.LicenseTypes) == 0 || u.Status == StatusActive, FieldLicenses, "must be empty unless the user is active")
	return errs
}

func (v *Validator) groups(u *User, rule func(bool, Field, string)) {
	var count [16]int // there are 12 kinds
	kinds := Kinds()
	for _, g := range u.Groups {
		i := slices.Index(kinds, g.Kind)
		if i < 0 {
			rule(false, Field(g.Kind), "must be a kind of group")
			continue
		}
		count[i]++
		rule(g.Name != "" && len(g.Name) <= maxText && utf8.ValidString(g.Name), Field(g.Kind), "must be a name of 1 to 255 bytes")
	}
	for i, k := range kinds {
		rule(count[i] <= 1 || !k.Single(), Field(k), "must be one group")
		rule(count[i] > 0 || u.Status != StatusActive || (k != KindPermissionGroup && k != KindRole),
			Field(k), "must be set for an active user")
	}
}

// is remembers the answer of test.
func (v *Validator) is(what string, test func(string) bool) bool {
	_, value, _ := strings.Cut(what, " ")
	if value == "" {
		return true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	answer, ok := v.known[what]
	if !ok {
		if v.known == nil || len(v.known) > 10_000 {
			v.known = make(map[string]bool)
		}
		answer = test(value)
		v.known[what] = answer
	}
	return answer
}

func zone(s string) bool {
	_, err := time.LoadLocation(s)
	return err == nil && s != "Local"
}

func tag(s string) bool {
	_, err := language.Parse(s)
	return err == nil
}

func address(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && len(s) <= maxEmail &&
		!strings.ContainsRune(domain, '@') && !strings.ContainsFunc(s, unicode.IsSpace)
}

// SalesforceID reports whether s has the form of a Salesforce id with its check
// characters.
func SalesforceID(s string) bool {
	return len(s) == 18 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// Extension reports whether s can be an extension: 3 to 6 digits.
func Extension(s string) bool { return len(s) >= 3 && len(s) <= 6 && digits(s) }

func e164(s string) bool {
	return len(s) >= 8 && len(s) <= 16 && s[0] == '+' && s[1] != '0' && digits(s[1:])
}

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func country(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}
