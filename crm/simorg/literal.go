package simorg

import (
	"strconv"
	"time"
)

// parseNumber reads what SOQL writes without quotes: a number, a date or a datetime.
func parseNumber(s string) (value, bool) {
	if t, err := time.Parse(dateLayout, s); err == nil {
		return dateValue(t), true
	}
	if len(s) > 10 && s[10] == 'T' {
		return parseDatetime(s)
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return value{k: integer, n: n}, true
	}
	for _, c := range []byte(s) {
		if !isDigit(c) && c != '.' && c != '-' {
			return value{}, false
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return doubleValue(f), err == nil
}

// parseDatetime wants seconds and a zone: Z or an offset with a colon. What REST returns, +0000, is refused.
func parseDatetime(s string) (value, bool) {
	for _, layout := range []string{"2006-01-02T15:04:05Z", "2006-01-02T15:04:05-07:00"} {
		// time.Parse accepts a fraction after the seconds that the layout does not show.
		if t, err := time.Parse(layout, s); err == nil {
			return timeValue(t), true
		}
	}
	return value{}, false
}

// badAt is where a broken unquoted literal stops making sense: the character after its longest good beginning.
func badAt(s string) int {
	const shape = "dddd-dd-ddTdd:dd:dd"
	for i := range len(s) {
		if i >= len(shape) {
			break
		}
		if ok := shape[i] == 'd' && isDigit(s[i]) || shape[i] == s[i]; !ok {
			return i
		}
	}
	if len(s) <= len(shape) {
		return len(s)
	}
	i := len(shape)
	if s[i] == '.' {
		for i++; i < len(s) && isDigit(s[i]); i++ {
			continue
		}
	}
	for k, c := range []byte("+dd:dd") {
		if i+k >= len(s) {
			return len(s)
		}
		got := s[i+k]
		if fits := c == 'd' && isDigit(got) || c == got || k == 0 && got == '-'; !fits {
			return i + k
		}
	}
	return len(s)
}
