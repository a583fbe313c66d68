package crm

import (
	"io"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
)

// composite reads the answer to several queries sent as one call, appends their rows
// to users and counts the answers. The call as a whole succeeds even where every
// query failed, so the first that failed is the error.
func (d *decoder) composite(r io.Reader, users []User, op string, limit int) ([]User, int, error) {
	d.dec.Reset(r, jsontext.AllowDuplicateNames(true))
	if err := d.begin('{'); err != nil {
		return users, 0, err
	}
	pages := 0
	for d.dec.PeekKind() != '}' {
		key, err := d.key()
		if err != nil {
			return users, pages, err
		}
		if string(key) != "compositeResponse" {
			if err := d.dec.SkipValue(); err != nil {
				return users, pages, err
			}
			continue
		}
		if err := d.begin('['); err != nil {
			return users, pages, err
		}
		for d.dec.PeekKind() == '{' {
			if users, err = d.answer(users, op, limit); err != nil {
				return users, pages, err
			}
			pages++
		}
		if err := d.begin(']'); err != nil {
			return users, pages, err
		}
	}
	return users, pages, d.begin('}')
}

// answer reads one answer of a composite.
func (d *decoder) answer(users []User, op string, limit int) ([]User, error) {
	if err := d.begin('{'); err != nil {
		return users, err
	}
	status, page := 0, false
	var failure []byte
	for d.dec.PeekKind() != '}' {
		key, err := d.key()
		if err != nil {
			return users, err
		}
		switch string(key) {
		case "body":
			if d.dec.PeekKind() == '{' {
				var head pageHead
				if users, head, err = d.object(users, limit); err == nil && !head.done {
					err = shape("not done with ids")
				}
				page = true
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
			return users, err
		}
	}
	if err := d.begin('}'); err != nil {
		return users, err
	}
	if status != http.StatusOK {
		e := &APIError{Op: op, Status: status}
		e.Code, e.Message = parseErrorBody(failure)
		return users, &innerError{e}
	}
	if !page {
		return users, shape("an answer without a page")
	}
	return users, nil
}
