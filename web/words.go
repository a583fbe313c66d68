package web

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// words are what the console calls the API's words. What is missing is shown
// as it is, with spaces.
func words() map[string]string {
	return map[string]string{
		"manual": "by hand", "salesforce_inactive": "inactive in Salesforce", "salesforce_frozen": "frozen in Salesforce",
		"out_of_scope": "out of scope", "no_seat": "no seat left", "delete": "deleted",
		"ok": "OK", "no_match": "no match", "multiple_matches": "several matches", "email_mismatch": "e-mail differs",
		"sf_inactive": "inactive there", "sf_frozen": "frozen there", "not_visible": "not visible", "sf_unreachable": "not reachable",
		"succeeded_with_issues": "done, with issues", "succeeded": "done", "paused_quota": "waits for quota", "cancelled": "canceled",
		"changes": "changes only", "full": "full", "user": "single users",
		"duplicate_source": "Same address twice in Salesforce", "ambiguous_match": "Several dialer users match",
		"value_taken": "Address or user name is taken", "lost_visibility": "Not visible in Salesforce any more",
		"parked": "A change fails again and again", "field_not_visible": "A Salesforce field is not visible",
		"source_shrink": "Far fewer users than before", "frozen_unreadable": "Frozen users cannot be read",
		"sandbox_refreshed": "Sandbox was refreshed", "wrong_org": "Another Salesforce org answers",
		"no_events":  "Change events do not come",
		"permission": "The integration user lacks a permission", "powerdialer": "PowerDialer", "lmp": "LMP",
		"create": "added", "link": "linked", "update": "changed", "schedule": "set to leave", "unschedule": "stays after all",
		"deactivate": "deactivated", "activate": "activated", "settle": "settled", "ask": "asked to authorize", "ask_superuser": "superuser asked for",
		"integrated": "in step", "not_integrated": "not in step", "replicate": "reading Salesforce", "reconcile": "comparing and applying",
		"queued": "waiting to start", "previewed": "counted, not started", "changed": "changed", "unchanged": "already so", "canceled": "stopped", "done": "done", "held": "held",
	}
}

// word is how the console calls one of the API's words.
func word(known map[string]string) func(any) string {
	return func(v any) string {
		s := fmt.Sprint(v)
		if w, ok := known[s]; ok {
			return w
		}
		return strings.ReplaceAll(s, "_", " ")
	}
}

// sentence gives a message a capital and a full stop.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(r)) + s[n:]
	if !strings.ContainsAny(s[len(s)-1:], ".!?") {
		s += "."
	}
	return s
}

// number writes an integer with a narrow space at each thousand.
func number(v any) string {
	s := fmt.Sprint(v)
	digits := strings.TrimLeft(s, "-")
	if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
		return s
	}
	sign := s[:len(s)-len(digits)]
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return sign + digits
}

// span says how long something is in the two largest units.
func span(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return strconv.FormatFloat(math.Round(d.Seconds()*10)/10, 'f', -1, 64) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		if m := int(d.Minutes()) % 60; m > 0 {
			return fmt.Sprintf("%d h %d min", int(d.Hours()), m)
		}
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// lasting says in words how long something is that the API says as "1m30s".
func lasting(text string) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return text
	}
	if s := int(d.Seconds()) % 60; d > time.Minute && d < time.Hour && s > 0 {
		return fmt.Sprintf("%s %d s", span(d), s)
	}
	return span(d)
}

// instant reads a time that may be absent.
func instant(v any) time.Time {
	switch t := v.(type) {
	case time.Time:
		return t
	case *time.Time:
		if t != nil {
			return *t
		}
	}
	return time.Time{}
}

// When writes a time in the org's zone.
func (v *visit) When(at any) template.HTML {
	t := instant(at)
	if t.IsZero() {
		return "–"
	}
	layout := "2 Jan 15:04 MST"
	if now := time.Now(); t.In(v.zone).Year() != now.In(v.zone).Year() {
		layout = "2 Jan 2006 15:04 MST"
	}
	return clock(t, t.In(v.zone).Format(layout), v.zone)
}

// Ago writes how long ago a time was, or how long until it is.
func (v *visit) Ago(at any) template.HTML {
	t := instant(at)
	if t.IsZero() {
		return "never"
	}
	d := time.Since(t)
	d = d.Round(time.Second)
	text := span(d) + " ago"
	switch {
	case d.Abs() < 5*time.Second:
		text = "just now"
	case d < 0:
		text = "in " + span(d)
	case d > 14*24*time.Hour:
		return v.When(t)
	}
	return clock(t, text, v.zone)
}

func clock(t time.Time, text string, zone *time.Location) template.HTML {
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // nothing but times
		t.UTC().Format(time.RFC3339), template.HTMLEscapeString(t.In(zone).Format("Mon 2 Jan 2006 15:04:05 MST")), template.HTMLEscapeString(text)))
}

// dict makes a map of pairs, to hand several things to a template.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict has %d arguments", len(pairs))
	}
	m := map[string]any{}
	for pair := range slices.Chunk(pairs, 2) {
		m[fmt.Sprint(pair[0])] = pair[1]
	}
	return m, nil
}

// plural writes a count with its noun.
func plural(n any, one, many string) string {
	if fmt.Sprint(n) == "1" {
		return "1 " + one
	}
	return number(n) + " " + many
}

// tone is the color of a state: ok, warn, bad or quiet.
func tone(v any) string {
	switch fmt.Sprint(v) {
	case "active", "succeeded", "done", "changed", "created", "ok", "integrated", "added", "linked", "normal", "true", "live", "runs":
		return "ok"
	case "running", "queued", "connecting", "previewed", "replicate", "reconcile":
		return "info"
	case "failed", "deleted", "blocked", "refused", "exhausted", "parked", "wrong_org", "down", "stops":
		return "bad"
	case "inactive", "cancelled", "standby", "already", "not_integrated", "unchanged", "pending", "canceled":
		return "quiet"
	}
	return "warn"
}

func funcs(version string) template.FuncMap {
	return template.FuncMap{
		"word": word(words()), "number": number, "plural": plural, "tone": tone, "dict": dict, "sentence": sentence, "title": sentenceCase,
		"lasting": lasting,
		"span":    func(ms int64) string { return span(time.Duration(ms) * time.Millisecond) },
		"seconds": func(n int64) string { return span(time.Duration(n) * time.Second) },
		"static":  func(name string) string { return "/static/" + name + "?v=" + version },
		"join":    strings.Join,
		"icon":    icon(icons()), "mass": massWords,
		"list": func(v ...string) []string { return v },
		"neg":  func(n int64) int64 { return -n },
		"add":  func(a, b int) int { return a + b },
	}
}
