package directory

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/rosterd/rosterd/dialer"
)

// importRows reads the rows of a file one by one. What is wrong with the whole
// file is its last error, an *dialer.ImportError.
func importRows(format string, file io.Reader) (iter.Seq2[importRow, error], error) {
	switch format {
	case "csv":
		return csvRows(file), nil
	case "json":
		return jsonRows(file), nil
	}
	return nil, &dialer.InvalidError{Field: "format", Rule: "must be csv or json"}
}

// importable reports whether a column of that name can be imported, and why
// not.
func importable(f dialer.Field) error {
	a, ok := f.Attribute()
	switch {
	case f == columnID || f == columnStatus || f == columnLicenses:
	case !ok:
		return fmt.Errorf("column %q is not an attribute", clip(string(f)))
	case a.Secret:
		return fmt.Errorf("column %s is a secret: set it user by user", f)
	}
	return nil
}

// clip shortens a name that somebody else chose.
func clip(s string) string {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func fault(line int64, format string, args ...any) *dialer.ImportError {
	text := fmt.Sprintf(format, args...)
	if line > 0 {
		text = fmt.Sprintf("line %d: %s", line, text)
	}
	return &dialer.ImportError{Line: line, Text: text}
}

// csvRows reads a table whose first row names the columns.
func csvRows(file io.Reader) iter.Seq2[importRow, error] {
	return func(yield func(importRow, error) bool) {
		in := bufio.NewReader(file)
		if bom, _ := in.Peek(3); string(bom) == "\xef\xbb\xbf" {
			_, _ = in.Discard(3)
		}
		r := csv.NewReader(in)
		r.FieldsPerRecord, r.ReuseRecord = -1, true
		header, err := r.Read()
		if err != nil {
			yield(importRow{}, fault(1, "the file has no row that names the columns"))
			return
		}
		columns := make([]dialer.Field, len(header))
		for i, name := range header {
			columns[i] = dialer.Field(strings.ToLower(strings.TrimSpace(name)))
			if err := importable(columns[i]); err != nil {
				yield(importRow{}, fault(1, "%v", err))
				return
			}
			if slices.Contains(columns[:i], columns[i]) {
				yield(importRow{}, fault(1, "column %s comes twice", columns[i]))
				return
			}
		}
		for {
			record, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				line := int64(0)
				if pe, ok := errors.AsType[*csv.ParseError](err); ok {
					line, err = int64(pe.StartLine), pe.Err
				}
				yield(importRow{}, fault(line, "%v", err))
				return
			}
			line, _ := r.FieldPos(0)
			if !yield(csvRow(columns, record, int64(line)), nil) {
				return
			}
		}
	}
}

func csvRow(columns []dialer.Field, record []string, line int64) importRow {
	row := importRow{line: line, Values: make(map[dialer.Field]any, len(columns))}
	if len(record) != len(columns) {
		row.Err = fmt.Sprintf("has %d cells, the first row has %d", len(record), len(columns))
		return row
	}
	for i, f := range columns {
		row.Values[f] = fromCell(f, record[i])
	}
	row.check()
	return row
}

// check finds out whether each value is one of its attribute.
func (r *importRow) check() {
	var errs []string
	var scratch dialer.User
	for _, f := range slices.Sorted(fieldsOf(r.Values)) {
		if f.Known() {
			if err := f.Set(&scratch, r.Values[f]); err != nil {
				errs = append(errs, err.Error())
			}
		}
	}
	switch dialer.Status(r.str(columnStatus)) {
	case "", dialer.StatusActive, dialer.StatusInactive:
	case dialer.StatusDeleted:
		errs = append(errs, "status: nobody is deleted by a file")
	default:
		errs = append(errs, "status must be active or inactive")
	}
	if r.str(columnID) == "" && r.str(dialer.FieldSalesforceID) == "" && r.str(dialer.FieldUsername) == "" {
		errs = append(errs, "has neither id nor salesforce_id nor username")
	}
	r.Err = strings.Join(errs, "; ")
}

// jsonRows reads an array of objects.
func jsonRows(file io.Reader) iter.Seq2[importRow, error] {
	return func(yield func(importRow, error) bool) {
		lines := &lineReader{r: file}
		dec := jsontext.NewDecoder(lines)
		broken := func(err error) {
			text := "it is not JSON"
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				text = "it ends too early"
			}
			at := dec.InputOffset()
			if se, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
				at = se.ByteOffset
			}
			yield(importRow{}, fault(lines.at(at), "%s", text))
		}
		if t, err := dec.ReadToken(); err != nil {
			broken(err)
			return
		} else if t.Kind() != '[' {
			yield(importRow{}, fault(1, "the file must be an array of objects"))
			return
		}
		for dec.PeekKind() != ']' {
			v, err := dec.ReadValue()
			if err != nil {
				broken(err)
				return
			}
			line := lines.at(dec.InputOffset() - int64(len(v)))
			row := importRow{line: line}
			if v.Kind() != '{' || json.Unmarshal(v, &row.Values) != nil {
				row.Err = "must be an object"
			} else if row.Err = unknown(row.Values); row.Err == "" {
				row.check()
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// unknown says which members of an object cannot be imported.
func unknown(values map[dialer.Field]any) string {
	var errs []string
	for _, f := range slices.Sorted(fieldsOf(values)) {
		if err := importable(f); err != nil {
			errs = append(errs, err.Error())
		}
	}
	return strings.Join(errs, "; ")
}

// lineReader remembers where lines end.
type lineReader struct {
	r    io.Reader
	n    int64
	ends []int64
}

func (l *lineReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			l.ends = append(l.ends, l.n+int64(i))
		}
	}
	l.n += int64(n)
	return n, err
}

// at returns the line of a place.
func (l *lineReader) at(offset int64) int64 {
	return int64(sort.Search(len(l.ends), func(i int) bool { return l.ends[i] >= offset })) + 1
}
