package crm

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// csvColumn is how to read one column of a page.
type csvColumn struct {
	name   string
	column *column // nil for a custom field, and for what was not asked for
	typ    string  // of a custom field, as describe spells it
}

// csvDecoder reads pages of results into the same Users that decoder makes of JSON:
// what Bulk API and REST write differently, stamps above all, comes out alike.
type csvDecoder struct {
	d       *decoder // for its text, and the values it keeps one copy of
	in      csvReader
	wanted  []csvColumn
	columns []csvColumn // in the order of the page
}

// newCSVDecoder needs the types of the custom fields, since CSV has only text.
func newCSVDecoder(sel *selection, types map[string]string) *csvDecoder {
	d := &csvDecoder{d: newDecoder(sel)}
	for _, name := range sel.names {
		w := csvColumn{name: name, typ: types[name]}
		if i := slices.IndexFunc(columns, func(c column) bool { return c.name == name }); i >= 0 {
			w.column = &columns[i]
		}
		d.wanted = append(d.wanted, w)
	}
	return d
}

// begin reads the header of a page. All that was asked for must be there.
func (d *csvDecoder) begin(r io.Reader) error {
	d.in.reset(r)
	d.columns = d.columns[:0]
	seen := make(map[string]bool, len(d.wanted))
	for last := false; !last; {
		var head []byte
		var err error
		if head, last, err = d.in.cell(); err != nil {
			return err
		}
		if len(d.columns) == maxFields {
			return shape("more than %d columns", maxFields)
		}
		c := csvColumn{}
		if i := slices.IndexFunc(d.wanted, func(w csvColumn) bool { return strings.EqualFold(w.name, string(head)) }); i >= 0 {
			c = d.wanted[i]
			if seen[c.name] {
				return shape("column %s stands there twice", c.name)
			}
			seen[c.name] = true
		}
		d.columns = append(d.columns, c)
	}
	for _, w := range d.wanted {
		if !seen[w.name] {
			return shape("no column %s", w.name)
		}
	}
	return nil
}

// more reports whether there is another row. False is the well-formed end.
func (d *csvDecoder) more() (bool, error) { return d.in.more() }

// row reads one row into u, which must be empty.
func (d *csvDecoder) row(u *User) error {
	d.d.clear()
	for i := range d.columns {
		text, last, err := d.in.cell()
		if err != nil {
			return err
		}
		if last != (i == len(d.columns)-1) {
			return shape("a row of %d values under %d columns", i+1, len(d.columns))
		}
		if len(text) == 0 { // nothing, and nothing it is in JSON too
			continue
		}
		if err := d.value(u, &d.columns[i], text); err != nil {
			return err
		}
	}
	return d.d.complete(u)
}

func (d *csvDecoder) value(u *User, c *csvColumn, text []byte) error {
	switch {
	case c.name == "":
		return nil
	case c.column == nil:
		return d.custom(u, c, text)
	case c.column.flag != nil:
		on, err := parseFlag(text)
		if err != nil {
			return shape("%s is neither true nor false", c.name)
		}
		*c.column.flag(u) = on
		return nil
	case c.column.stamp != nil:
		t, err := parseTime(text)
		if err != nil {
			return shape("%s is not a time", c.name)
		}
		*c.column.stamp(u) = t
		return nil
	}
	text, err := d.text(text)
	if err != nil {
		return err
	}
	d.d.put(c.column.text(u), text, c.column.repeats)
	return nil
}

// restTime is how REST writes a stamp.
const restTime = "2006-01-02T15:04:05.000-0700"

// custom gives a value the type that it has in JSON.
func (d *csvDecoder) custom(u *User, c *csvColumn, text []byte) error {
	var v any
	switch c.typ {
	case "boolean":
		on, err := parseFlag(text)
		if err != nil {
			return shape("%s is neither true nor false", c.name)
		}
		v = on
	case "double", "currency", "percent", "int", "long":
		f, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			return shape("%s is not a number", c.name)
		}
		v = f
	case "datetime":
		t, err := parseTime(text)
		if err != nil {
			return shape("%s is not a time", c.name)
		}
		v = d.d.intern([]byte(t.Format(restTime)))
	default:
		text, err := d.text(text)
		if err != nil || len(text) == 0 {
			return err
		}
		v = d.d.intern(text)
	}
	if u.Custom == nil {
		u.Custom = map[string]any{}
	}
	u.Custom[c.name] = v
	return nil
}

// text is a text without what databases refuse, as unquote has it.
func (d *csvDecoder) text(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, shape("text that is not UTF-8")
	}
	if bytes.IndexByte(text, 0) >= 0 {
		text = slices.DeleteFunc(text, func(b byte) bool { return b == 0 })
	}
	return text, nil
}

var errFlag = errors.New("not a flag")

func parseFlag(text []byte) (bool, error) {
	switch string(text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errFlag
}
