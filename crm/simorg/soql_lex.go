package simorg

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokIdent
	tokString
	tokNumber // numbers, dates and datetimes, unparsed
	tokPunct  // ( ) , = != < <= > >= :
)

type token struct {
	kind tokenKind
	text string // of a string: its value, with \% and \_ kept
	pos  int    // byte offset
}

// is reports whether the token is the keyword or punctuation s.
func (t token) is(s string) bool {
	return (t.kind == tokIdent || t.kind == tokPunct) && strings.EqualFold(t.text, s)
}

// lex splits a SOQL statement.
func lex(q string) ([]token, *apiError) {
	var out []token
	for i := 0; i < len(q); {
		c := q[i]
		start := i
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case isLetter(c):
			for i < len(q) && (isLetter(q[i]) || isDigit(q[i]) || q[i] == '_' || q[i] == '.') {
				i++
			}
			out = append(out, token{tokIdent, q[start:i], start})
		case isDigit(c) || c == '-' && i+1 < len(q) && isDigit(q[i+1]):
			for i++; i < len(q) && (isLetter(q[i]) || isDigit(q[i]) || strings.IndexByte(":.+-", q[i]) >= 0); {
				i++
			}
			out = append(out, token{tokNumber, q[start:i], start})
		case c == '\'':
			s, end, err := lexString(q, i)
			if err != nil {
				return nil, err
			}
			i = end
			out = append(out, token{tokString, s, start})
		case strings.IndexByte("(),=:", c) >= 0:
			i++
			out = append(out, token{tokPunct, q[start:i], start})
		case c == '<' || c == '>' || c == '!':
			i++
			if i < len(q) && (q[i] == '=' || c == '<' && q[i] == '>') {
				i++
			}
			op := q[start:i]
			switch op {
			case "!":
				return nil, noViable(q, start)
			case "<>":
				op = "!="
			}
			out = append(out, token{tokPunct, op, start})
		default:
			return nil, noViable(q, start)
		}
	}
	return append(out, token{tokEOF, "<EOF>", len(q)}), nil
}

func lexString(q string, start int) (s string, end int, err *apiError) {
	var b strings.Builder
	for i := start + 1; i < len(q); i++ {
		switch c := q[i]; c {
		case '\'':
			if b.Len() > 4000 {
				return "", 0, malformed(q, start, "string literal is longer than 4000 characters")
			}
			return b.String(), i + 1, nil
		case '\\':
			i++
			if i == len(q) {
				return "", 0, noViable(q, len(q))
			}
			const from, to = `nrtbf'"\NRTBF`, "\n\r\t\b\f'\"\\\n\r\t\b\f"
			switch k := strings.IndexByte(from, q[i]); {
			case k >= 0:
				b.WriteByte(to[k])
			case q[i] == '%' || q[i] == '_':
				b.WriteByte('\\')
				b.WriteByte(q[i])
			default:
				return "", 0, malformed(q, i, "Invalid string literal. Illegal character sequence '\\"+string(q[i])+"' in string literal")
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, noViable(q, len(q))
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// located is a SOQL error text with the excerpt and the caret that Salesforce prints before it.
func located(q string, pos int, text string) string {
	line := strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(q)
	pos = min(pos, len(line))
	length := utf8.RuneCountInString
	from := max(0, pos-33)
	for from > 0 && !utf8.RuneStart(line[from]) {
		from--
	}
	to := min(len(line), pos+33)
	for to < len(line) && !utf8.RuneStart(line[to]) {
		to++
	}
	row := 1 + strings.Count(q[:pos], "\n")
	col := 1 + length(q[strings.LastIndexByte(q[:pos], '\n')+1:pos])
	return "\n" + line[from:to] + "\n" + strings.Repeat(" ", length(line[from:pos])) + "^\nERROR at Row:" + itoa(row) + ":Column:" + itoa(col) + "\n" + text
}

func malformed(q string, pos int, text string) *apiError {
	return &apiError{400, "MALFORMED_QUERY", located(q, pos, text)}
}

func noViable(q string, pos int) *apiError {
	what := "<EOF>"
	if pos < len(q) {
		r, _ := utf8.DecodeRuneInString(q[pos:])
		what = string(r)
	}
	return malformed(q, pos, "line 1:"+itoa(pos+1)+" no viable alternative at character '"+what+"'")
}

func unexpected(t token) *apiError {
	text := t.text
	if t.kind == tokString {
		text = "'" + text + "'"
	}
	return &apiError{400, "MALFORMED_QUERY", "unexpected token: " + text}
}
