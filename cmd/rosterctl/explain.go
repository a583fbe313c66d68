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
// conclusion, then what it rests on in the order in which the sync decides.
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
	for i, a := range x.Actions {
		label := ""
		if i == 0 {
			label = "Last actions"
		}
		fmt.Fprintf(w, "%-16s  %s\n", label, plain(actionText(&a)))
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
	for _, k := range slices.Sorted(maps.Keys(s.Fields)) {
		if v := s.Fields[k]; v != nil && v != "" {
			line(w, "", fmt.Sprintf("%s = %v", k, v))
		}
	}
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
	for i, m := range x.Mapping {
		label := ""
		if i == 0 {
			label = "Rules"
		}
		text := fmt.Sprintf("%s = %s, from %s (%s)", m.Field, quote(m.Value), m.Rule, m.Own)
		if m.Held {
			text += ", kept as it is: a Salesforce field of the rule is not visible"
		}
		fmt.Fprintf(w, "%-16s  %s\n", label, plain(text))
	}
	for i, d := range x.Diff {
		label := ""
		if i == 0 {
			label = "To change"
		}
		fmt.Fprintf(w, "%-16s  %s\n", label, plain(fmt.Sprintf("%s: %s → %s", d.Field, quote(d.Have), quote(d.Want))))
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
