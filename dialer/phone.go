package dialer

import (
	"strings"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// HomeCountry is where a number is taken to be from that says nothing else, of
// a user whose country is not known: where the dialer is.
const HomeCountry = "US"

// phones normalizes the telephone numbers of a user.
func phones(u *User) {
	c := u.Settings.Country
	for _, p := range [...]*string{&u.Phone, &u.Mobile, &u.Settings.CallerIDNumber} {
		if *p != "" {
			*p = Phone(*p, c)
		}
	}
	for _, f := range [...]Field{FieldClickToCall, FieldUserOverride, FieldPersonalNumber} {
		if len(u.Settings.More) == 0 {
			return
		}
		if m := u.Settings.at(f); m != nil {
			u.Settings.set(find(f), Phone(m.Text, c))
		}
	}
}

// Phone returns a telephone number as the directory stores it: in E.164, with
// " ext. 12" behind it where it has an extension, or as it is where it is no
// number that could be called. country, of two letters or none, is where a
// number without a country code is from.
func Phone(s, country string) string {
	s = clean(s)
	if e164(s) || hopeless(s) {
		return s
	}
	if country == "" {
		country = HomeCountry
	}
	if country == "US" || country == "CA" || s[0] == '+' {
		head, ext := cutExtension(s)
		if n, ok := nanp(head); ok {
			return n + ext
		}
	}
	if n, ok := international(s); ok {
		return n
	}
	if n := parsePhone(s, country); n != nil && phonenumbers.IsValidNumber(n) {
		e := phonenumbers.Format(n, phonenumbers.E164)
		if x := n.GetExtension(); x != "" {
			e += " ext. " + x
		}
		return e
	}
	return s
}

// PhoneValid reports whether s is a telephone number of which the numbering
// plan of its country knows.
func PhoneValid(s string) bool {
	if !strings.HasPrefix(s, "+") {
		return false
	}
	n := parsePhone(s, "ZZ")
	return n != nil && phonenumbers.IsValidNumber(n)
}

// maxPhone is how long a text can be that is looked at for a number.
const maxPhone = 60

func parsePhone(s, country string) *phonenumbers.PhoneNumber {
	if len(s) > maxPhone {
		return nil
	}
	n, err := phonenumbers.Parse(s, country)
	if err != nil {
		return nil
	}
	return n
}

// hopeless reports whether s has too few digits to be a number anywhere, in
// ASCII: other scripts have digits of their own.
func hopeless(s string) bool {
	n := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			return false
		case c >= '0' && c <= '9':
			n++
		}
	}
	return n < 3
}

// cutExtension cuts off an extension as most write it: x12, ext 12, ext. 12. It
// returns it as Phone does, or "" where s has none.
func cutExtension(s string) (head, ext string) {
	head = strings.TrimRight(s, "0123456789")
	n := s[len(head):]
	if len(n) == 0 || len(n) > 7 {
		return s, ""
	}
	head = strings.TrimRight(head, " ")
	for _, label := range [...]string{"ext.", "ext", "x"} {
		if before, ok := strings.CutSuffix(head, label); ok {
			return strings.TrimRight(before, " "), " ext. " + n
		}
	}
	return s, ""
}

// nanp reads a number of North America as most write it: ten digits, or eleven
// after a 1, between the usual signs. It saves most of the time that looking up
// numbering plans takes.
func nanp(s string) (string, bool) {
	var d [11]byte
	n := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			if n == len(d) {
				return "", false
			}
			d[n] = c
			n++
		case c == ' ', c == '-', c == '.', c == '(', c == ')', c == '+' && i == 0:
		default:
			return "", false
		}
	}
	digits := d[:n]
	if n == 11 && d[0] == '1' {
		digits = d[1:n]
	} else if n != 10 || s[0] == '+' {
		return "", false
	}
	if digits[0] < '2' || digits[3] < '2' || digits[1] == '9' {
		return "", false
	}
	return "+1" + string(digits), true
}

// international reads a number that begins with a country code, without looking
// whether the numbering plan has it. Where a zero follows, which most countries
// dial at home only, or the text has more to it, it leaves that to those who
// know the plans.
func international(s string) (string, bool) {
	if s[0] != '+' {
		return "", false
	}
	var d [16]byte
	n := 1
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			if n == len(d) {
				return "", false
			}
			d[n] = c
			n++
		case c == ' ', c == '-', c == '.', c == '/', c == '(', c == ')':
		default:
			return "", false
		}
	}
	d[0] = '+'
	if !e164(string(d[:n])) || d[1] == '1' {
		return "", false
	}
	code := 0
	for i := 1; i <= 3; i++ {
		code = code*10 + int(d[i]-'0')
		if phonenumbers.GetRegionCodeForCountryCode(code) != "ZZ" {
			return string(d[:n]), d[i+1] != '0'
		}
	}
	return "", false
}

// AreaCode returns the area code of a number of North America in E.164, or "".
func AreaCode(number string) string {
	if strings.HasPrefix(number, "+1") && len(number) == 12 && digits(number[1:]) {
		return number[2:5]
	}
	return ""
}
