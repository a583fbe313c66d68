package directory

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Export writes users as csv or json, a user a row, and says how many. What it
// writes can be imported. There is no whole file without its entry in the audit
// trail, and of a part there is one too.
func (d *Directory) Export(ctx context.Context, w io.Writer, r dialer.ExportRequest) (int64, error) {
	columns := r.Columns
	if columns == nil {
		columns = ExportColumns()
	}
	for _, f := range columns {
		if !slices.Contains(ExportColumns(), f) {
			return 0, fmt.Errorf("export users: %w", &dialer.InvalidError{Field: f, Rule: "is not an attribute that can be exported"})
		}
	}
	out := exporter(nil)
	switch r.Format {
	case "csv":
		out = &csvExport{w: csv.NewWriter(w), columns: columns}
	case "json":
		out = &jsonExport{w: w, columns: columns}
	default:
		return 0, fmt.Errorf("export users: %w", &dialer.InvalidError{Field: "format", Rule: "must be csv or json"})
	}
	n, err := d.export(ctx, out, r.Query)
	if kept := d.recordExport(ctx, &r, n, err == nil); err == nil {
		err = kept
	}
	if err == nil {
		err = out.end()
	}
	if err != nil {
		return n, fmt.Errorf("export users: %w", err)
	}
	return n, nil
}

// export writes the users but for the end of the file.
func (d *Directory) export(ctx context.Context, out exporter, q dialer.Query) (n int64, err error) {
	if err := out.begin(); err != nil {
		return 0, err
	}
	for u, err := range d.Users(ctx, q) {
		if err == nil {
			err = out.user(&u)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// recordExport notes who took how many users away, though they hung up.
func (d *Directory) recordExport(ctx context.Context, r *dialer.ExportRequest, n int64, whole bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	after := map[string]any{"users": n, "format": r.Format, "whole": whole}
	if r.Filter != "" {
		after["filter"] = tidy(r.Filter)
	}
	if r.Columns != nil {
		after["columns"] = r.Columns
	}
	return d.db.Update(ctx, func(tx *store.Tx) error {
		return d.record(ctx, tx, record{verb: dialer.VerbExport, note: tidy(r.Reason), by: r.Actor, after: text(after)})
	})
}

// ExportColumns lists what can be exported, in the order of the table of
// attributes. Secrets and what follows from other attributes cannot.
func ExportColumns() []dialer.Field {
	list := []dialer.Field{columnID, dialer.FieldSalesforceID, columnStatus, columnLicenses}
	for _, a := range dialer.Attributes() {
		if !a.Secret && !a.Derived && !slices.Contains(list, a.Name) {
			list = append(list, a.Name)
		}
	}
	return list
}

// exporter writes users, one by one.
type exporter interface {
	begin() error
	user(u *dialer.User) error
	end() error
}

// exported is a column of u.
func exported(f dialer.Field, u *dialer.User) any {
	switch f {
	case columnID:
		return u.ID
	case columnStatus:
		return string(u.Status)
	case columnLicenses:
		return append([]string{}, u.LicenseTypes...)
	}
	return f.Value(u)
}

type csvExport struct {
	w       *csv.Writer
	columns []dialer.Field
	record  []string
}

func (e *csvExport) begin() error {
	for _, f := range e.columns {
		e.record = append(e.record, string(f))
	}
	return e.w.Write(e.record)
}

func (e *csvExport) user(u *dialer.User) error {
	for i, f := range e.columns {
		e.record[i] = toCell(f, u)
	}
	return e.w.Write(e.record)
}

func (e *csvExport) end() error {
	e.w.Flush()
	return e.w.Error()
}

// toCell is a column of u in a table. A list of groups is separated by
// semicolons, or is JSON where a name has one; other lists are JSON.
func toCell(f dialer.Field, u *dialer.User) string {
	text := ""
	switch v := exported(f, u).(type) {
	case string:
		text = v
	case []string:
		text = strings.Join(v, "; ")
		if slices.ContainsFunc(v, func(s string) bool { return strings.Contains(s, ";") || strings.HasPrefix(s, "[") }) {
			text = jsonText(v)
		} else if f.Kind() == "" && f != columnLicenses {
			text = f.Text(u)
		}
	default:
		text = f.Text(u)
	}
	return disarm(text)
}

// fromCell is the inverse of toCell.
func fromCell(f dialer.Field, cell string) any {
	cell = arm(cell)
	if f.Kind() == "" {
		return cell
	}
	list := []any{}
	if strings.HasPrefix(strings.TrimSpace(cell), "[") {
		if json.Unmarshal([]byte(cell), &list) == nil {
			return list
		}
		list = []any{}
	}
	for name := range strings.SplitSeq(cell, ";") {
		if name = strings.TrimSpace(name); name != "" {
			list = append(list, name)
		}
	}
	return list
}

// formula are the characters with which a cell begins that a spreadsheet takes
// for a formula. The apostrophe, which says that it is text, is one of them so
// that nothing is lost.
const formula = "=+-@\t\r\n'"

// disarm has a spreadsheet take a cell for text.
func disarm(s string) string {
	if s != "" && strings.IndexByte(formula, s[0]) >= 0 {
		return "'" + s
	}
	return s
}

// arm is the inverse of disarm.
func arm(s string) string {
	if len(s) > 1 && s[0] == '\'' && strings.IndexByte(formula, s[1]) >= 0 {
		return s[1:]
	}
	return s
}

type jsonExport struct {
	w       io.Writer
	columns []dialer.Field
	line    []byte
	begun   bool
}

func (e *jsonExport) begin() error {
	_, err := io.WriteString(e.w, "[")
	return err
}

// user writes an object on a line of its own, with its members in the order of
// the columns.
func (e *jsonExport) user(u *dialer.User) error {
	e.line = append(e.line[:0], ',', '\n')
	if !e.begun {
		e.line, e.begun = append(e.line[:0], '\n'), true
	}
	for i, f := range e.columns {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		e.line = append(append(append(append(e.line, sep), '"'), f...), `":`...)
		e.line = append(e.line, jsonText(exported(f, u))...)
	}
	_, err := e.w.Write(append(e.line, '}'))
	return err
}

func (e *jsonExport) end() error {
	_, err := io.WriteString(e.w, "\n]\n")
	return err
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // text, numbers, flags, and lists of them
	}
	return string(b)
}
