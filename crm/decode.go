package crm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxInterned bounds the table of repeated values: an org with more distinct
// departments than this only pays for copies.
const maxInterned = 1 << 14

// pageHead is what a page of a query says about itself.
type pageHead struct {
	total int
	done  bool
}

// decoder reads pages of a query straight into Users: one allocation a row, and one
// for each new value of the fields that repeat. It is for one goroutine at a time.
type decoder struct {
	sel      *selection
	dec      *jsontext.Decoder
	interned map[string]string
	text     []byte // the unshared texts of the row under way
	spans    []span // where they go
	scratch  []byte
}

type span struct {
	to         *string
	start, end int
}

func newDecoder(sel *selection) *decoder {
	return &decoder{sel: sel, dec: jsontext.NewDecoder(bytes.NewReader(nil)), interned: map[string]string{}}
}

// errShape says that JSON is sound but is not what the API promises.
var errShape = errors.New("not the shape of a query page")

func shape(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errShape, fmt.Sprintf(format, args...))
}

// page reads a whole page from r, appends its rows to users, and checks the page
// against itself. No more than limit rows are accepted.
func (d *decoder) page(r io.Reader, users []User, limit int) ([]User, pageHead, error) {
	d.dec.Reset(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	users, head, err := d.object(users, limit)
	if err != nil {
		return users, head, err
	}
	if _, err := d.dec.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = shape("text after the page")
		}
		return users, head, err
	}
	return users, head, nil
}

// object reads one page object, the decoder standing before it.
func (d *decoder) object(users []User, limit int) ([]User, pageHead, error) {
	head := pageHead{total: -1}
	first, records, done := len(users), false, false
	if err := d.begin('{'); err != nil {
		return users, head, err
	}
	for d.dec.PeekKind() != '}' {
		key, err := d.key()
		if err != nil {
			return users, head, err
		}
		switch string(key) {
		case "totalSize":
			head.total, err = d.integer()
		case "done":
			head.done, err = d.boolean()
			done = true
		case "records":
			records = true
			users, err = d.rows(users, limit)
		default:
			err = d.dec.SkipValue()
		}
		if err != nil {
			return users, head, err
		}
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return users, head, err
	}
	n := len(users) - first
	switch {
	case !records || !done || head.total < 0:
		return users, head, shape("totalSize, done or records is absent")
	case n > head.total:
		return users, head, shape("%d rows, yet totalSize is %d", n, head.total)
	case head.done && n != head.total:
		return users, head, shape("%d rows of %d, yet done", n, head.total)
	case !head.done && n == 0:
		return users, head, shape("no rows, yet not done")
	}
	return users, head, nil
}

func (d *decoder) rows(users []User, limit int) ([]User, error) {
	if err := d.begin('['); err != nil {
		return users, err
	}
	first := len(users)
	for d.dec.PeekKind() == '{' {
		if len(users)-first == limit {
			return users, shape("more than %d rows", limit)
		}
		users = append(users, User{})
		u := &users[len(users)-1]
		if err := d.row(u); err != nil {
			return users, err
		}
		if len(users)-first > 1 && users[len(users)-2].ID == u.ID {
			return users, shape("a row stands there twice")
		}
	}
	return users, d.begin(']')
}

// row reads one record. All that was asked for must be there.
func (d *decoder) row(u *User) error {
	d.clear()
	if err := d.record(u, d.sel.nodes); err != nil {
		return err
	}
	return d.complete(u)
}

// clear forgets the texts of the row before.
func (d *decoder) clear() { d.text, d.spans = d.text[:0], d.spans[:0] }

// complete gives u its texts and checks what no row is without.
func (d *decoder) complete(u *User) error {
	if all := string(d.text); all != "" {
		for _, s := range d.spans {
			*s.to = all[s.start:s.end]
		}
	}
	id, err := ParseID(u.ID)
	if err != nil {
		return shape("a row without a valid Id")
	}
	u.ID = id
	if u.SystemModstamp.IsZero() {
		return shape("a row without SystemModstamp")
	}
	return nil
}

func (d *decoder) record(u *User, nodes []node) error {
	if err := d.begin('{'); err != nil {
		return err
	}
	var seen [(maxFields + 63) / 64]uint64
	next, count := 0, 0
	for d.dec.PeekKind() != '}' {
		key, err := d.key()
		if err != nil {
			return err
		}
		// Keys come in the order of the SELECT list; anything else is looked for.
		i := next
		if i >= len(nodes) || nodes[i].name != string(key) {
			if i = find(nodes, key); i < 0 {
				if err := d.dec.SkipValue(); err != nil {
					return err
				}
				continue
			}
		}
		next = i + 1
		if bit := uint64(1) << (i % 64); seen[i/64]&bit == 0 {
			seen[i/64] |= bit
			count++
		}
		if err := d.value(u, &nodes[i]); err != nil {
			return err
		}
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	if count != len(nodes) {
		for i := range nodes {
			if seen[i/64]&(1<<(i%64)) == 0 {
				return shape("a row without %s", nodes[i].name)
			}
		}
	}
	return nil
}

func find(nodes []node, key []byte) int {
	for i := range nodes {
		if nodes[i].name == string(key) {
			return i
		}
	}
	return -1
}

func (d *decoder) value(u *User, n *node) error {
	if n.children != nil {
		if d.dec.PeekKind() == 'n' { // no such parent: all that was asked of it is empty
			return d.dec.SkipValue()
		}
		return d.record(u, n.children)
	}
	raw, err := d.dec.ReadValue()
	if err != nil {
		return err
	}
	switch kind := raw.Kind(); {
	case kind == 'n':
		return nil
	case n.column == nil:
		return d.custom(u, n.name, raw)
	case n.column.text != nil && kind == '"':
		return d.setText(n.column.text(u), raw, n.column.repeats)
	case n.column.flag != nil && (kind == 't' || kind == 'f'):
		*n.column.flag(u) = kind == 't'
		return nil
	case n.column.stamp != nil && kind == '"':
		t, err := parseTime(raw[1 : len(raw)-1])
		if err != nil {
			return shape("%s is not a time", n.name)
		}
		*n.column.stamp(u) = t
		return nil
	}
	return shape("%s has the wrong type", n.name)
}

func (d *decoder) setText(to *string, raw jsontext.Value, repeats bool) error {
	text, err := d.unquote(raw)
	if err != nil {
		return err
	}
	d.put(to, text, repeats)
	return nil
}

// put has a text stand at to once the row is complete.
func (d *decoder) put(to *string, text []byte, repeats bool) {
	if repeats {
		*to = d.intern(text)
		return
	}
	start := len(d.text)
	d.text = append(d.text, text...)
	d.spans = append(d.spans, span{to, start, len(d.text)})
}

func (d *decoder) custom(u *User, name string, raw jsontext.Value) error {
	var v any
	switch raw.Kind() {
	case '"':
		text, err := d.unquote(raw)
		if err != nil || len(text) == 0 {
			return err
		}
		v = d.intern(text)
	case 't', 'f':
		v = raw[0] == 't'
	case '0':
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			return shape("%s is not a number", name)
		}
		v = f
	default:
		return shape("%s is a compound value", name)
	}
	if u.Custom == nil {
		u.Custom = map[string]any{}
	}
	u.Custom[name] = v
	return nil
}

func (d *decoder) intern(text []byte) string {
	if s, ok := d.interned[string(text)]; ok {
		return s
	}
	s := string(text)
	if len(d.interned) < maxInterned {
		d.interned[s] = s
	}
	return s
}

// unquote returns the text of a JSON string; it is valid until the next call.
//
// Bytes that are not UTF-8 were damaged on the way. But an odd character that
// someone has typed must not cost everybody the page: where Salesforce cut a pair
// of surrogates in two the replacement character stands, and a NUL, which
// databases refuse, is left out.
func (d *decoder) unquote(raw jsontext.Value) ([]byte, error) {
	if !utf8.Valid(raw) {
		return nil, shape("text that is not UTF-8")
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	// The reader has checked the syntax, so an error can only be about half a pair.
	d.scratch, _ = jsontext.AppendUnquote(d.scratch[:0], raw)
	d.scratch = slices.DeleteFunc(d.scratch, func(b byte) bool { return b == 0 })
	return d.scratch, nil
}

func (d *decoder) begin(kind jsontext.Kind) error {
	token, err := d.dec.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != kind {
		return shape("%s where %s belongs", token.Kind(), kind)
	}
	return nil
}

func (d *decoder) key() ([]byte, error) {
	raw, err := d.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	return d.unquote(raw)
}

func (d *decoder) integer() (int, error) {
	raw, err := d.dec.ReadValue()
	if err != nil {
		return -1, err
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 0 {
		return -1, shape("totalSize is not a number")
	}
	return n, nil
}

func (d *decoder) boolean() (bool, error) {
	token, err := d.dec.ReadToken()
	if err != nil {
		return false, err
	}
	if k := token.Kind(); k != 't' && k != 'f' {
		return false, shape("done is not true or false")
	}
	return token.Bool(), nil
}

// parseTime reads what the REST API prints, 2026-01-01T00:00:00.000+0000, and what
// Bulk and newer resources print, with Z or +00:00. The result is in UTC.
func parseTime(b []byte) (time.Time, error) {
	if t, ok := parseUTC(b); ok {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999-0700", time.RFC3339Nano} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errShape
}

// parseUTC is the usual form of either, without going through a layout: three times
// a row.
func parseUTC(b []byte) (time.Time, bool) {
	form := "0000-00-00T00:00:00.000+0000"
	if len(b) == len("0000-00-00T00:00:00.000Z") {
		form = "0000-00-00T00:00:00.000Z"
	}
	if len(b) != len(form) {
		return time.Time{}, false
	}
	for i := range form {
		if digit := b[i] >= '0' && b[i] <= '9'; form[i] == '0' != digit || !digit && b[i] != form[i] {
			return time.Time{}, false
		}
	}
	num := func(i, j int) (n int) {
		for _, c := range b[i:j] {
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day, hour, minute, second := num(0, 4), num(5, 7), num(8, 10), num(11, 13), num(14, 16), num(17, 19)
	if len(b) > 24 && num(24, 28) != 0 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, num(20, 23)*1e6, time.UTC)
	return t, t.Day() == day
}
