package directory

import (
	"errors"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/dialer"
)

// Whatever a file holds, reading it ends, gives rows that are in order, and
// fails in words only.
func FuzzImportRows(f *testing.F) {
	for _, file := range []string{
		"username,email\na@example.com,b\n", "\xef\xbb\xbfusername\n\"x\ny\"\n", "username\n'=1\n", "id,tag\n1,[\"a;b\"]\n", "username,status\r\nxy,gone\r\n", "", "\n", "\"",
	} {
		f.Add("csv", file)
	}
	for _, file := range []string{
		`[{"username":"a@example.com","ring_timeout_seconds":30}]`, "[\n{},\n[]]", `[{"username":"\u0000"}]`, `[{"tag":{"a":1}}]`, "[", "null", `[{"username":1e999}]`,
	} {
		f.Add("json", file)
	}
	f.Fuzz(func(t *testing.T, format, file string) {
		rows, err := importRows(format, strings.NewReader(file))
		if err != nil {
			if format == "csv" || format == "json" {
				t.Fatal(err)
			}
			return
		}
		last := int64(0)
		for row, err := range rows {
			if err != nil {
				ie, ok := errors.AsType[*dialer.ImportError](err)
				if !ok || ie.Text == "" {
					t.Fatalf("got %v", err)
				}
				return
			}
			if row.line < last || row.line < 1 {
				t.Fatalf("line %d after %d", row.line, last)
			}
			last = row.line
			if text := row.text(); strings.ContainsRune(text, 0) || row.Err == "" && len(row.Values) == 0 {
				t.Fatalf("kept as %q", text)
			}
			if key := row.str(dialer.FieldUsername); !legible(key) {
				t.Fatalf("looked up as %q", key)
			}
		}
	})
}

// What stands in a cell comes back, and no spreadsheet takes it for a formula.
func FuzzCell(f *testing.F) {
	for _, s := range []string{"", "'", "''", "=1", "'=1", "+12025550100", "-", "@x", "\t=1", "\r", "plain", "'plain"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cell := disarm(s)
		if got := arm(cell); got != s {
			t.Errorf("%q became %q, and then %q", s, cell, got)
		}
		if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") {
			t.Errorf("%q is left as %q", s, cell)
		}
	})
}
