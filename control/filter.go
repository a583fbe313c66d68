package control

import (
	"fmt"
	"strings"

	"github.com/rosterd/rosterd/dialer"
)

// filterKeys are what a filter can name beside kinds of groups.
const filterKeys = "status, search, license, linked, or a kind of group such as role, permission_group, department"

// applyFilter adds the terms of a filter to a query. Terms are key=value,
// separated by spaces; a value with spaces stands in double quotes.
func applyFilter(q *dialer.Query, filter string) error {
	terms, err := splitTerms(filter)
	if err != nil {
		return err
	}
	for _, term := range terms {
		key, value, ok := strings.Cut(term, "=")
		if !ok || key == "" || value == "" {
			return invalid(fmt.Sprintf("filter term %q is not key=value", term), "keys are "+filterKeys)
		}
		switch kind := dialer.Field(key).Kind(); {
		case kind != "" && q.Group != dialer.Group{}:
			return invalid("a filter can name one group at a time", "")
		case kind != "":
			q.Group = dialer.Group{Kind: kind, Name: value}
		case key == "search":
			q.Search = value
		case key == "license":
			q.License = value
		case key == "status":
			if q.Status, err = status(value); err != nil {
				return err
			}
		case key == "linked" && value == "true":
			q.Linked = true
		default:
			return invalid(fmt.Sprintf("filter term %q is not known", term), "keys are "+filterKeys)
		}
	}
	return nil
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
