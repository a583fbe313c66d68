package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/control"
)

func (t *tool) explainCommand() *cobra.Command {
	return command("explain ID", "Say why a person is in the state that they are in", 1, 1, func(ctx context.Context, args []string) error {
		x, err := t.client.Explain(ctx, args[0])
		if err != nil {
			return err
		}
		return t.show(x, func(w io.Writer) { printExplanation(w, &x) })
	})
}

// printExplanation reads as an answer that can be pasted into a ticket: the
// conclusion, then what it rests on in the order in which the sync decides. The
// rules come last: they are many, and mostly not the point.
func printExplanation(w io.Writer, x *control.Explanation) {
	fmt.Fprintf(w, "%s\n\n", plain(x.Conclusion))
	printSource(w, x)
	printScope(w, x)
	line(w, "Match", x.Match)
	printDialer(w, x)
	line(w, "Seat", x.Seat)
	for _, p := range x.Pending {
		text := strings.ReplaceAll(p.Kind, "_", " ")
		if p.Attempts > 0 {
			text += fmt.Sprintf(", tried %s", count(p.Attempts, "time"))
		}
		if !p.Since.IsZero() {
			text += ", since " + at(p.Since)
		}
		if !p.Next.IsZero() {
			text += ", next at " + at(p.Next)
		}
		if p.Detail != "" {
			text += ": " + p.Detail
		}
		line(w, "Pending", text)
	}
	for _, a := range x.Attention {
		line(w, "Attention", fmt.Sprintf("%d %s: %s (since %s)", a.ID, a.Kind, a.Detail, at(a.Since)))
	}
	block(w, "To change", x.Diff, func(d control.FieldDiff) string {
		return fmt.Sprintf("%s: %s → %s", d.Field, quote(d.Have), quote(d.Want))
	})
	block(w, "Last actions", x.Actions, func(a control.Activity) string { return actionText(&a) })
	block(w, "Rules", x.Mapping, func(m control.MappedField) string {
		text := fmt.Sprintf("%s = %s, from %s (%s)", m.Field, quote(m.Value), m.Rule, m.Own)
		if m.Held {
			text += ", kept as it is: a Salesforce field of the rule is not visible"
		}
		return text
	})
}

// block prints a line for each item, the first with a label.
func block[T any](w io.Writer, label string, items []T, text func(T) string) {
	for _, item := range items {
		fmt.Fprintf(w, "%-16s  %s\n", label, plain(text(item)))
		label = ""
	}
}

func printSource(w io.Writer, x *control.Explanation) {
	s := x.Source
	if s == nil {
		fmt.Fprintf(w, "%-16s  shows no such user, as last read\n", "Salesforce")
		return
	}
	text := s.ID
	if !s.Visible {
		text += ", no longer visible"
	}
	if s.Frozen {
		text += ", frozen"
	}
	line(w, "Salesforce", text)
	line(w, "", fmt.Sprintf("changed %s, read %s", at(s.Modified), at(s.ReadAt)))
	flat := map[string]any{}
	flatten(flat, "", s.Fields)
	for _, k := range slices.Sorted(maps.Keys(flat)) {
		if telling(k, x.Scope) && flat[k] != nil {
			line(w, "", fmt.Sprintf("%s = %v", k, flat[k]))
		}
	}
}

// flatten makes Profile.Name of a Name within a Profile.
func flatten(out map[string]any, prefix string, fields map[string]any) {
	for k, v := range fields {
		if inner, ok := v.(map[string]any); ok {
			flatten(out, prefix+k+".", inner)
			continue
		}
		out[prefix+k] = v
	}
}

// telling reports whether a Salesforce field says why someone is in or out.
// Those that are only copied stand with their rules.
func telling(field string, s *control.ScopeVerdict) bool {
	switch field {
	case "IsActive", "UserType", "Username", "Email", "Profile.Name":
		return true
	}
	return s != nil && strings.Contains(s.Expression, "user."+field)
}

func printScope(w io.Writer, x *control.Explanation) {
	s := x.Scope
	if s == nil {
		return
	}
	text := "out"
	if s.In {
		text = "in"
	}
	if s.Error != "" {
		text = "cannot be decided: " + s.Error
	}
	line(w, "Scope", text)
	for _, c := range s.Clauses {
		line(w, "", mark(c.True)+" "+c.Expression)
	}
}

func printDialer(w io.Writer, x *control.Explanation) {
	u := x.User
	if u == nil {
		line(w, "Dialer", "not in it")
		return
	}
	text := fmt.Sprintf("%s, %s", u.Username, u.Status)
	if u.StatusReason != "" {
		text += fmt.Sprintf(" (%s)", u.StatusReason)
	}
	if !u.DeactivateAt.IsZero() {
		text += ", leaves " + at(u.DeactivateAt)
	}
	line(w, "Dialer", text)
	line(w, "", "id "+u.ID)
	if u.AdminHold {
		line(w, "", "deactivated by hand: the sync does not reactivate")
	}
	if u.Protected {
		line(w, "", "protected: the sync never touches this user")
	}
}

// quote shows a value so that an empty one can be seen.
func quote(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return fmt.Sprintf("%q", v)
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, quote(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}
