package control

import (
	"encoding/csv"
	"io"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
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

// inBoth describes an answer that is a page in JSON, or all of it as CSV.
func inBoth[T any](s *Server, name, description string) map[string]*huma.Response {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, name)
	return map[string]*huma.Response{"200": {
		Description: description,
		Content:     map[string]*huma.MediaType{"application/json": {Schema: schema}, "text/csv": {Schema: &huma.Schema{Type: "string"}}},
	}}
}

// end writes what waits.
func (s sheet) end() error {
	s.Flush()
	return s.Error()
}
