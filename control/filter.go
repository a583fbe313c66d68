package control

import (
	"fmt"
	"strings"

	"github.com/rosterd/rosterd/dialer"
)

// filterKeys are what a filter can name beside attributes.
const filterKeys = "status, search, license, linked, redirect (dangling: to somebody who is not active), a kind of group such as role or department, or an attribute; " +
	"=, != (is not), ~ (contains) and ^ (starts with) compare attributes, empty=NAME and set=NAME ask whether one is set"

// applyFilter adds the terms of a filter to a query. Terms are key=value,
// separated by spaces; a value with spaces stands in double quotes. All terms
// must hold; of groups and licenses, one of several: given as a|b, or by terms
// with the same key.
func applyFilter(q *dialer.Query, filter string) error {
	terms, err := splitTerms(filter)
	if err != nil {
		return err
	}
	for _, text := range terms {
		if err := applyTerm(q, text); err != nil {
			return err
		}
	}
	if err := q.Check(); err != nil {
		return invalid("the filter is wrong: "+err.Error(), "keys are "+filterKeys)
	}
	return nil
}

// splitTerm takes a term apart: what it names, how it compares, and the value.
func splitTerm(text string) (key string, op dialer.Op, value string, ok bool) {
	i := strings.IndexAny(text, "=~^!")
	if i < 1 {
		return "", "", "", false
	}
	key, op, value = text[:i], dialer.OpIs, text[i+1:]
	switch text[i] {
	case '~':
		op = dialer.OpContains
	case '^':
		op = dialer.OpStarts
	case '!':
		if !strings.HasPrefix(value, "=") {
			return "", "", "", false
		}
		op, value = dialer.OpIsNot, value[1:]
	}
	return key, op, value, value != ""
}

func applyTerm(q *dialer.Query, text string) (err error) {
	key, op, value, ok := splitTerm(text)
	if !ok {
		return invalid(fmt.Sprintf("filter term %q is not key=value", text), "keys are "+filterKeys)
	}
	kind := dialer.Field(key).Kind()
	switch {
	case op != dialer.OpIs && (kind != "" || key == "status" || key == "license" || key == "search" || key == "linked"):
		return invalid(fmt.Sprintf("filter term %q compares what can only be equal", text), "say "+key+"=...")
	case kind != "":
		for name := range strings.SplitSeq(value, "|") {
			q.Groups = append(q.Groups, dialer.Group{Kind: kind, Name: name})
		}
	case key == "search":
		q.Search = value
	case key == "license":
		q.Licenses = append(q.Licenses, strings.Split(value, "|")...)
	case key == "status":
		q.Status, err = status(value)
	case key == "linked" && value == "true":
		q.Linked = true
	case key == "empty" || key == "set":
		q.Terms = append(q.Terms, dialer.Term{Field: dialer.Field(value), Op: dialer.Op(key)})
	default:
		q.Terms = append(q.Terms, dialer.Term{Field: dialer.Field(key), Op: op, Value: value})
		if q.Check() != nil {
			return invalid(fmt.Sprintf("filter term %q is not known", text), "keys are "+filterKeys)
		}
	}
	return err
}

func status(name string) (dialer.Status, error) {
	switch s := dialer.Status(name); s {
	case "", dialer.StatusActive, dialer.StatusInactive, dialer.StatusDeleted, dialer.StatusAll:
		return s, nil
	}
	return "", invalid(fmt.Sprintf("status %q is not known", name), "it is active, inactive, deleted or all")
}

// splitTerms splits at spaces outside of double quotes, and takes the quotes
// off.
func splitTerms(s string) ([]string, error) {
	var terms []string
	var term strings.Builder
	quoted, open := false, false
	for _, r := range s {
		switch {
		case r == '"':
			quoted, open = !quoted, true
		case r == ' ' && !quoted:
			if open {
				terms = append(terms, term.String())
			}
			term.Reset()
			open = false
		default:
			term.WriteRune(r)
			open = true
		}
	}
	if quoted {
		return nil, invalid("the filter has a quote that is not closed", "")
	}
	if open {
		terms = append(terms, term.String())
	}
	return terms, nil
}
