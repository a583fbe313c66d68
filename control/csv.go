package control

import (
	"encoding/csv"
	"io"
	"strings"
)

// sheet writes rows of CSV that a spreadsheet shows and does not compute.
type sheet struct{ *csv.Writer }

func newSheet(w io.Writer) sheet { return sheet{csv.NewWriter(w)} }

// row writes a row. What a spreadsheet would take for a formula gets an
// apostrophe before it.
func (s sheet) row(cells ...string) error {
	for i, c := range cells {
		if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
			cells[i] = "'" + c
		}
	}
	return s.Write(cells)
}

// end writes what waits.
func (s sheet) end() error {
	s.Flush()
	return s.Error()
}
