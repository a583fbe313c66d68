package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// output is standard output. It remembers that it could not be written, so that
// one place tells of it whatever was being written.
type output struct {
	w   io.Writer
	err error
}

// Write writes, until it fails once.
func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	o.err = err
	return n, err
}

// check returns how a command ended: an answer that nobody could read is an
// error, however well it ended otherwise.
func (o *output) check(err error) error {
	_, ended := errors.AsType[codeError](err)
	if o.err == nil || err != nil && !ended && !errors.Is(err, o.err) {
		return err
	}
	return &writeError{o.err}
}

// writeError says that the output could not be written.
type writeError struct{ err error }

// Error gives the cause.
func (e *writeError) Error() string { return fmt.Sprintf("write the output: %v", e.err) }

// Unwrap returns the cause.
func (e *writeError) Unwrap() error { return e.err }

// Hint says that only the output is missing.
func (e *writeError) Hint() string {
	if errors.Is(e.err, syscall.ENOSPC) {
		return "the disk is full; what was asked for may be done all the same"
	}
	return "what was asked for may be done all the same"
}

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

// table prints rows in columns. Whether they could be written shows in the end:
// see output.
func table(w io.Writer, head string, rows func(row func(cells ...any))) {
	_ = writeTable(w, head, rows)
}

// writeTable is table for those who go on only while the output can be written.
// Cells are separated by tabs.
func writeTable(w io.Writer, head string, rows func(row func(cells ...any))) error {
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
	return tab.Flush()
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
