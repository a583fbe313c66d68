package crm

import (
	"io"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
)

// composite reads the answer to several queries sent as one call, appends their rows
// to users and counts the answers; more says that one of them is not done. The call
// as a whole succeeds even where every query failed, so the first that failed is the
// error.
func (d *decoder) composite(r io.Reader, users []User, op string, limit int) (_ []User, pages int, more bool, _ error) {
	d.dec.Reset(r, jsontext.AllowDuplicateNames(true))
	if err := d.begin('{'); err != nil {
		return users, 0, false, err
	}
	for d.dec.PeekKind() != '}' {
		key, err := d.key()
		if err != nil {
			return users, pages, more, err
		}
		if string(key) != "compositeResponse" {
			if err := d.dec.SkipValue(); err != nil {
				return users, pages, more, err
			}
			continue
		}
		if err := d.begin('['); err != nil {
			return users, pages, more, err
		}
		for d.dec.PeekKind() == '{' {
			var done bool
			if users, done, err = d.answer(users, op, limit); err != nil {
				return users, pages, more, err
			}
			pages, more = pages+1, more || !done
		}
		if err := d.begin(']'); err != nil {
			return users, pages, more, err
		}
	}
	return users, pages, more, d.begin('}')
}

// answer reads one answer of a composite, and whether it is done.
func (d *decoder) answer(users []User, op string, limit int) (_ []User, done bool, _ error) {
	if err := d.begin('{'); err != nil {
		return users, false, err
	}
	status, page := 0, false
	var failure []byte
	for d.dec.PeekKind() != '}' {
		key, err := d.key()
		if err != nil {
			return users, false, err
		}
		switch string(key) {
		case "body":
			if d.dec.PeekKind() == '{' {
				var head pageHead
				users, head, err = d.object(users, limit)
				page, done = true, head.done
				break
			}
			var raw jsontext.Value
			raw, err = d.dec.ReadValue()
			failure = raw.Clone()
		case "httpStatusCode":
			status, err = d.integer()
		default:
			err = d.dec.SkipValue()
		}
		if err != nil {
			return users, false, err
		}
	}
	if err := d.begin('}'); err != nil {
		return users, false, err
	}
	if status != http.StatusOK {
		e := &APIError{Op: op, Status: status}
		e.Code, e.Message = parseErrorBody(failure)
		return users, false, &innerError{e}
	}
	if !page {
		return users, false, shape("an answer without a page")
	}
	return users, done, nil
}
