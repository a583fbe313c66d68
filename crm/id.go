package crm

import (
	"errors"
	"fmt"
)

// ID is a Salesforce record id in its 18-character form, the only form that is
// stored and compared. ParseID makes one. It is an alias so that mapping rules
// can compare ids with plain strings.
type ID = string

// ErrID says that a text is not a Salesforce record id.
var ErrID = errors.New("not a Salesforce record id")

const suffixAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

// ParseID reads a 15- or 18-character record id and returns the 18-character
// form. The suffix of an 18-character id tells which letters are capitals, so an
// id whose case was lost on the way is repaired rather than refused.
func ParseID(s string) (ID, error) {
	if len(s) != 15 && len(s) != 18 {
		return "", fmt.Errorf("%w: %d characters, want 15 or 18", ErrID, len(s))
	}
	var id [18]byte
	copy(id[:], s[:15])
	for _, c := range id[:15] {
		if !alphanumeric(c) {
			return "", fmt.Errorf("%w: a character that is neither letter nor digit", ErrID)
		}
	}
	if len(s) == 18 {
		for g := range 3 {
			if !repair(id[g*5:g*5+5], s[15+g]) {
				return "", fmt.Errorf("%w: the last three characters do not fit the others", ErrID)
			}
		}
	}
	for g := range 3 {
		id[15+g] = suffix(id[g*5 : g*5+5])
	}
	if string(id[:]) == s {
		return s, nil
	}
	return string(id[:]), nil
}

// suffix returns the checksum character of a group of five: bit j is set when
// character j is a capital.
func suffix(group []byte) byte {
	var bits int
	for j, c := range group {
		if c >= 'A' && c <= 'Z' {
			bits |= 1 << j
		}
	}
	return suffixAlphabet[bits]
}

// repair gives the letters of a group the case that its checksum character asks
// for, and reports whether that is possible.
func repair(group []byte, check byte) bool {
	if check >= 'a' && check <= 'z' {
		check -= 'a' - 'A'
	}
	var bits int
	switch {
	case check >= 'A' && check <= 'Z':
		bits = int(check - 'A')
	case check >= '0' && check <= '5':
		bits = int(check-'0') + 26
	default:
		return false
	}
	for j, c := range group {
		capital := bits&(1<<j) != 0
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		switch {
		case capital && !letter:
			return false
		case capital:
			group[j] = c &^ 0x20
		case letter:
			group[j] = c | 0x20
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
