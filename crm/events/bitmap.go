package events

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var errBitmap = errors.New("not a bitmap of fields")

// names resolves bitmaps of an event header to the names of fields, by the
// schema of that very event: indexes shift when fields are added. The bits of a
// compound field are of its parts, which are named Parent.Part; all of them
// together are the parent.
//
//	0x400800    bits 11 and 22 of the event's fields
//	4-0x01      part 0 of field 4
func (s *schema) names(bitmaps []string) ([]string, error) {
	var names []string
	for _, text := range bitmaps {
		parent, bits, nested := strings.Cut(text, "-")
		if !nested {
			set, err := bitsOf(text)
			if err != nil {
				return nil, err
			}
			for _, i := range set {
				if i >= len(s.fields) {
					return nil, fmt.Errorf("%w: it names field %d of %d", errBitmap, i, len(s.fields))
				}
				names = append(names, s.fields[i].name)
			}
			continue
		}
		i, err := strconv.Atoi(parent)
		if err != nil || i < 0 || i >= len(s.fields) {
			return nil, fmt.Errorf("%w: a part of field %q", errBitmap, parent)
		}
		set, err := bitsOf(bits)
		if err != nil {
			return nil, err
		}
		f := s.fields[i]
		if len(set) >= len(f.parts) {
			names = append(names, f.name)
			continue
		}
		for _, j := range set {
			if j >= len(f.parts) {
				return nil, fmt.Errorf("%w: it names part %d of %d", errBitmap, j, len(f.parts))
			}
			names = append(names, f.name+"."+f.parts[j])
		}
	}
	return names, nil
}

// bitsOf returns the bits that are set, the lowest first, of hexadecimal digits
// whose first byte is the highest.
func bitsOf(text string) ([]int, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok {
		return nil, fmt.Errorf("%w: %.20q", errBitmap, text)
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("%w: %.20q", errBitmap, text)
	}
	var set []int
	for i := range raw {
		b := raw[len(raw)-1-i]
		for j := range 8 {
			if b&(1<<j) != 0 {
				set = append(set, 8*i+j)
			}
		}
	}
	return set, nil
}
