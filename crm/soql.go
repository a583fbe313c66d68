package crm

import (
	"strings"
	"time"
)

// Quote writes s as a SOQL text literal.
func Quote(s string) string {
	return "'" + soqlEscapes.Replace(s) + "'"
}

var soqlEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// soqlTime writes t as a SOQL date-time literal. What the REST API prints
// (…+0000) is not accepted as one.
func soqlTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// CheckCondition looks over a SOQL condition: it must not end a quote or a
// bracket that it did not begin, nor carry clauses of its own. Whether its
// fields exist only Salesforce can say. An empty condition is fine.
func CheckCondition(s string) error {
	if len(s) > 4000 {
		return hinted("longer than 4,000 characters", "shorten it: scope is decided locally anyway")
	}
	bare, depth, err := strings.Builder{}, 0, error(nil)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\'':
			if i, err = endOfQuote(s, i); err != nil {
				return err
			}
			bare.WriteByte(' ')
		case '(':
			depth++
			bare.WriteByte(' ')
		case ')':
			if depth--; depth < 0 {
				return hinted("closes a bracket that it did not open", "count the brackets")
			}
			bare.WriteByte(' ')
		case ';':
			return hinted("holds a semicolon", "write one SOQL condition")
		default:
			if depth == 0 { // a bracket may hold a subselect
				bare.WriteByte(c)
			}
		}
	}
	if depth != 0 {
		return hinted("leaves a bracket open", "count the brackets")
	}
	words := strings.Fields(strings.ToUpper(bare.String()))
	for i, w := range words {
		switch {
		case w == "WHERE" && i == 0:
			return hinted("begins with WHERE", "leave the word out")
		case w == "LIMIT", w == "OFFSET", w == "ORDER", w == "GROUP", w == "HAVING", w == "FOR", w == "SELECT":
			return hinted("holds the word "+w, "write a condition only, such as UserType = 'Standard'")
		}
	}
	return nil
}

func endOfQuote(s string, i int) (int, error) {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\'':
			return i, nil
		}
	}
	return 0, hinted("leaves a quote open", "close it; a quote inside a text is written \\'")
}
