package simorg

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

type kind uint8

const (
	null kind = iota
	text
	boolean
	integer
	double
	datetime // n is Unix milliseconds
	date     // n is Unix milliseconds of midnight UTC
	raw      // s is JSON
)

// value is one cell. Its zero value is null.
type value struct {
	k kind
	s string
	n int64
}

const (
	datetimeLayout = "2006-01-02T15:04:05.000-0700"
	dateLayout     = "2006-01-02"
)

// textValue is null for the empty string: Salesforce stores no empty strings.
func textValue(s string) value {
	if s == "" {
		return value{}
	}
	return value{k: text, s: s}
}

func boolValue(b bool) value {
	v := value{k: boolean}
	if b {
		v.n = 1
	}
	return v
}

func timeValue(t time.Time) value {
	if t.IsZero() {
		return value{}
	}
	return value{k: datetime, n: t.UnixMilli()}
}

func dateValue(t time.Time) value {
	if t.IsZero() {
		return value{}
	}
	return value{k: date, n: t.UnixMilli()}
}

func intValue(n int) value { return value{k: integer, n: int64(n)} }

func doubleValue(f float64) value { return value{k: double, n: int64(math.Float64bits(f))} }

func (v value) float() float64 {
	if v.k == double {
		return math.Float64frombits(uint64(v.n))
	}
	return float64(v.n)
}

// compare orders two values of one kind; text ignores case.
func (v value) compare(w value) int {
	switch v.k {
	case text:
		return compareFold(v.s, w.s)
	case integer, double:
		a, b := v.float(), w.float()
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	default:
		switch {
		case v.n < w.n:
			return -1
		case v.n > w.n:
			return 1
		}
		return 0
	}
}

func compareFold(a, b string) int {
	if isLowerASCII(a) && isLowerASCII(b) {
		return strings.Compare(a, b)
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

func isLowerASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

func (v value) appendJSON(b []byte) []byte {
	switch v.k {
	case text:
		return appendString(b, v.s)
	case boolean:
		return strconv.AppendBool(b, v.n == 1)
	case integer:
		return strconv.AppendInt(b, v.n, 10)
	case double:
		f := v.float()
		if f == math.Trunc(f) && math.Abs(f) < 1e15 {
			return strconv.AppendFloat(b, f, 'f', 1, 64)
		}
		return strconv.AppendFloat(b, f, 'g', -1, 64)
	case datetime:
		return append(appendDatetime(append(b, '"'), v.n), '"')
	case date:
		b = append(b, '"')
		b = time.UnixMilli(v.n).UTC().AppendFormat(b, dateLayout)
		return append(b, '"')
	case raw:
		return append(b, v.s...)
	default:
		return append(b, "null"...)
	}
}

// appendDatetime is datetimeLayout in UTC, by hand: a page holds thousands of them.
func appendDatetime(b []byte, ms int64) []byte {
	t := time.UnixMilli(ms).UTC()
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	b = appendDigits(b, y, 4)
	b = appendDigits(append(b, '-'), int(mo), 2)
	b = appendDigits(append(b, '-'), d, 2)
	b = appendDigits(append(b, 'T'), h, 2)
	b = appendDigits(append(b, ':'), mi, 2)
	b = appendDigits(append(b, ':'), s, 2)
	b = appendDigits(append(b, '.'), t.Nanosecond()/int(time.Millisecond), 3)
	return append(b, "+0000"...)
}

func appendDigits(b []byte, n, width int) []byte {
	var d [4]byte
	for i := width - 1; i >= 0; i-- {
		d[i] = byte('0' + n%10)
		n /= 10
	}
	return append(b, d[:width]...)
}

func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
