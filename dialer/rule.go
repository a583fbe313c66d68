package dialer

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// What some values must be, in words.
const (
	ruleE164    = "must be a number such as +12025550100"
	ruleCountry = "must be two capital letters"
)

// Check returns what a value in its plain form must be and is not, or "". It
// looks at the value alone, not at what it needs beside it.
func (a *Attribute) Check(text string) string {
	if text == "" {
		return ""
	}
	switch a.Kind {
	case ValueChoice:
		if !slices.Contains(a.Choices, text) {
			return "must be " + alternatives(a.Choices)
		}
		return ""
	case ValueFlag:
		if text != "true" && text != "false" {
			return "must be true or false"
		}
		return ""
	case ValueNumber:
		n, err := strconv.Atoi(text)
		if err != nil || n < a.Min || n > a.most() {
			return "must be a whole number from " + strconv.Itoa(a.Min) + " to " + strconv.Itoa(a.most())
		}
		return ""
	case ValueList:
		return a.checkList(text)
	}
	n := utf8.RuneCountInString(text)
	switch {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return "must be text in UTF-8"
	case n > a.most():
		return "must have at most " + strconv.Itoa(a.most()) + " characters"
	case n < a.Min:
		return "must have at least " + strconv.Itoa(a.Min) + " characters"
	}
	return a.checkFormat(text)
}

func (a *Attribute) most() int {
	if a.Max == 0 {
		return maxText
	}
	return a.Max
}

// alternatives gives "a, b or c".
func alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// checkFormat looks at the form of a text.
func (a *Attribute) checkFormat(s string) string {
	ok, must := true, ""
	switch a.Format {
	case "email":
		ok, must = address(s), "must be an e-mail address"
	case "e164":
		ok, must = e164(s), ruleE164
	case "country":
		ok, must = country(s), ruleCountry
	case "digits":
		ok, must = digits(s), "must be digits"
	case "zone":
		ok, must = zone(s), "must be an IANA time zone"
	case "language":
		ok, must = tag(s), "must be a language tag such as en-US"
	case "cidr":
		ok, must = cidr(s), "must be an address range such as 192.0.2.0/24 or 2001:db8::/32"
	case "area_code":
		ok, must = areaCode(s), "must be area codes of three digits, such as 801"
	case "sip_uri":
		ok, must = sipURI(s), "must be an address such as sip:desk@pbx.example.com"
	case "url":
		ok, must = page(s), "must be an address such as https://dialer.example.com/connect"
	case "time":
		_, err := time.Parse(time.RFC3339, s)
		ok, must = err == nil, "must be a time such as 2026-01-31T12:00:00Z"
	}
	if ok {
		return ""
	}
	return must
}

func (a *Attribute) checkList(text string) string {
	if a.Columns == nil {
		var list []string
		if json.Unmarshal([]byte(text), &list) != nil {
			return "must be a list of text"
		}
		one := *a
		one.Kind, one.Min = ValueText, 1
		for _, s := range list {
			if must := one.Check(s); must != "" {
				return must
			}
		}
		return ""
	}
	var list []map[string]any
	if json.Unmarshal([]byte(text), &list) != nil {
		return "must be a list of records"
	}
	for _, record := range list {
		for i := range a.Columns {
			c := &a.Columns[i]
			v, err := c.Parse(record[string(c.Name)])
			if err != nil {
				return "must be a list of records"
			}
			if v == "" && c.Min > 0 {
				return "must have a " + string(c.Name) + " in every entry"
			}
			if must := c.Check(v); must != "" {
				return "must have entries whose " + string(c.Name) + " " + strings.Replace(must, "must be", "is", 1)
			}
		}
	}
	return ""
}

// settingRules holds what is set against the table, and against each other.
func settingRules(u *User, rule func(bool, Field, string)) {
	s := &u.Settings
	for _, m := range s.More {
		a := find(m.Field)
		if a == nil {
			rule(false, m.Field, "is not an attribute that can be written")
			continue
		}
		if a.Secret && Sealed(m.Text) {
			continue
		}
		must := a.Check(m.Text)
		rule(must == "", a.Name, must)
		for _, n := range a.Needs {
			if must := needs(u, a, n); must != "" {
				rule(false, a.Name, must)
			}
		}
	}
	if len(s.More) > 0 {
		dependent(u, rule)
	}
}

// needs returns what u lacks for a, or "". What the org is entitled to, a
// directory knows.
func needs(u *User, a *Attribute, what string) string {
	name, values, choice := strings.Cut(what, "=")
	if strings.HasPrefix(what, "org.") || a.Kind == ValueFlag && !a.Name.Flag(u) {
		return ""
	}
	text := Field(name).Text(u)
	switch {
	case !choice && (text == "" || text == "false" || text == "[]"):
		return "needs " + name + " to be set"
	case choice && !slices.Contains(strings.Split(values, "|"), text):
		return "needs " + name + " to be " + alternatives(strings.Split(values, "|"))
	}
	return ""
}

// dependent holds the settings together that depend on each other.
func dependent(u *User, rule func(bool, Field, string)) {
	switch FieldUnavailable.Text(u) {
	case "user", "ring_group", "queue", "call_flow":
		rule(FieldUnavailableTarget.Text(u) != "", FieldUnavailableTarget, "must be set for a redirect")
	}
	rule(FieldUnavailableTarget.Text(u) != u.ID || u.ID == "", FieldUnavailableTarget, "must be somebody else")
	rule(FieldRingback.Text(u) != "custom" || FieldRingbackAsset.Text(u) != "", FieldRingbackAsset, "must be set for a custom tone")
	switch FieldSIPOption.Text(u) {
	case "custom_uri":
		rule(FieldSIPURI.Text(u) != "", FieldSIPURI, "must be set for a custom address")
	case "pbx":
		rule((FieldSIPExtension.Text(u) != "") != FieldSIPDynamic.Flag(u), FieldSIPExtension,
			"must be set, or else be dynamic, and not both")
	}
	rule(unique(FieldDevices, u, "name"), FieldDevices, "must have different names")
	rule(unique(FieldScreenPopRules, u, "direction", "matched"), FieldScreenPopRules, "must have one rule for each direction and match")
	rule(unique(FieldProfileSettings, u, "name"), FieldProfileSettings, "must have different names")
}

// unique reports whether no two records of a list agree in the columns.
func unique(f Field, u *User, columns ...string) bool {
	if u.Settings.at(f) == nil {
		return true
	}
	seen := make(map[[2]any]bool)
	records, _ := f.Value(u).([]map[string]any)
	for _, r := range records {
		var k [2]any
		for i, c := range columns {
			k[i] = r[c]
		}
		if seen[k] {
			return false
		}
		seen[k] = true
	}
	return true
}

func cidr(s string) bool {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		return err == nil && a.Zone() == ""
	}
	return p == p.Masked()
}

func areaCode(s string) bool { return len(s) == 3 && s[0] >= '2' && s[0] <= '9' && digits(s) }

func sipURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	scheme = strings.ToLower(scheme)
	return ok && (scheme == "sip" || scheme == "sips") && rest != "" && !strings.ContainsAny(rest, " <>\"")
}

// page reports whether s is the address of a page on the web.
func page(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http") && !strings.ContainsFunc(s, unicode.IsSpace)
}
