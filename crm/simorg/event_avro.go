package simorg

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
)

// bits is a set of field indexes: index i is bit i%8 of byte i/8.
type bits []byte

func (b bits) with(i int) bits {
	for len(b) <= i/8 {
		b = append(b, 0)
	}
	b[i/8] |= 1 << (i % 8)
	return b
}

func (b bits) has(i int) bool { return i/8 < len(b) && b[i/8]>>(i%8)&1 == 1 }

// hex spells the set as Salesforce does: whole bytes, the highest first, none of the leading ones zero.
func (b bits) hex() string {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	if n == 0 {
		return ""
	}
	up := slices.Clone(b[:n])
	slices.Reverse(up)
	return "0x" + strings.ToUpper(hex.EncodeToString(up))
}

// fieldSet is a set of fields of a schema. The fields of compound fields stand in nested, and the compound field itself
// in top only when all of them are set.
type fieldSet struct {
	top           bits
	name, address bits
}

func (s *fieldSet) nested(i int) *bits {
	switch i {
	case nameIndex:
		return &s.name
	case addressIndex:
		return &s.address
	default:
		return nil
	}
}

// add puts field i in, or its nested field j.
func (s *fieldSet) add(i, j int) {
	if n := s.nested(i); n != nil {
		*n = n.with(j)
		return
	}
	s.top = s.top.with(i)
}

func (s *fieldSet) has(i, j int) bool {
	if n := s.nested(i); n != nil {
		return n.has(j)
	}
	return s.top.has(i)
}

func (s *fieldSet) anyOf(i int) bool {
	if n := s.nested(i); n != nil {
		return n.hex() != ""
	}
	return s.top.has(i)
}

// list is the set as the header spells it.
func (s *fieldSet) list() []string {
	var l []string
	if h := s.top.hex(); h != "" {
		l = append(l, h)
	}
	for _, i := range []int{nameIndex, addressIndex} {
		if h := s.nested(i).hex(); h != "" {
			l = append(l, strconv.Itoa(i)+"-"+h)
		}
	}
	return l
}

// The binary encoding of Avro.

func appendLong(b []byte, n int64) []byte { return binary.AppendUvarint(b, uint64(n<<1)^uint64(n>>63)) }

func appendAvroString(b []byte, s string) []byte { return append(appendLong(b, int64(len(s))), s...) }

func appendAvroStrings(b []byte, list []string) []byte {
	if len(list) > 0 {
		b = appendLong(b, int64(len(list)))
		for _, s := range list {
			b = appendAvroString(b, s)
		}
	}
	return appendLong(b, 0)
}

// appendUnion encodes a value under the union of null and f's type.
func (f *eventField) appendUnion(b []byte, v value) []byte {
	if v.k == null {
		return append(b, 0)
	}
	b = append(b, 2)
	switch f.typ {
	case "boolean":
		return append(b, byte(v.n))
	case "int":
		return appendLong(b, v.n)
	case "long":
		return appendLong(b, v.n)
	case "double":
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v.float()))
	case "array":
		if v.s == "" {
			return appendLong(b, 0)
		}
		return appendAvroStrings(b, strings.Split(v.s, ";"))
	default:
		return appendAvroString(b, v.s)
	}
}

// eventHeader is what a ChangeEventHeader says but for the fields.
type eventHeader struct {
	ids    []string
	typ    changeType
	origin string
	key    string
	seq    int
	at     int64 // Unix milliseconds of the commit
	number int64
	user   string
}

func (h *eventHeader) append(b []byte, changed, nulled []string) []byte {
	b = appendAvroString(b, "User")
	b = appendAvroStrings(b, h.ids)
	b = appendLong(b, int64(h.typ))
	b = appendAvroString(b, h.origin)
	b = appendAvroString(b, h.key)
	b = appendLong(b, int64(h.seq))
	b = appendLong(b, h.at)
	b = appendLong(b, h.number)
	b = appendAvroString(b, h.user)
	b = appendAvroStrings(b, nulled)
	b = appendAvroStrings(b, nil)
	return appendAvroStrings(b, changed)
}
