package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// show prints v as JSON, or else as text.
func (t *tool) show(v any, text func(w io.Writer)) error {
	if t.format != "json" {
		text(t.out)
		return nil
	}
	e := json.NewEncoder(t.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// table prints rows in columns. Cells are separated by tabs.
func table(w io.Writer, head string, rows func(row func(cells ...any))) {
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if head != "" {
		fmt.Fprintln(tab, head)
	}
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(tab, "\t")
			}
			fmt.Fprint(tab, cell(c))
		}
		fmt.Fprintln(tab)
	})
	_ = tab.Flush()
}

// cell is how a value stands in a table: on one line, and visible when empty.
func cell(v any) string {
	s := ""
	switch v := v.(type) {
	case time.Time:
		return at(v)
	case *time.Time:
		if v == nil {
			return "-"
		}
		return at(*v)
	case []string:
		s = strings.Join(v, ",")
	default:
		s = fmt.Sprint(v)
	}
	if s == "" {
		return "-"
	}
	return plain(s)
}

// plain takes control characters out of text that comes from elsewhere, so
// that a name cannot steer the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// at is a time, to the second, in UTC.
func at(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// line prints a label and a value, unless the value is empty.
func line(w io.Writer, label string, v any) {
	if s := cell(v); s != "-" {
		fmt.Fprintf(w, "%-16s  %s\n", label, s)
	}
}

func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
