package simorg

import (
	"strings"
	"unicode/utf8"
)

// cond is a resolved condition.
type cond interface{ match(r *row) bool }

type (
	allOf  []cond
	anyOf  []cond
	negate struct{ c cond }
	// test compares one field. Text is compared in lower case, ids by their first 15 characters.
	test struct {
		p    *path
		op   string
		is   value          // of every operator but IN and LIKE
		in   map[value]bool // of IN and NOT IN
		like []wildcard
	}
)

func (a allOf) match(r *row) bool {
	for _, c := range a {
		if !c.match(r) {
			return false
		}
	}
	return true
}

func (a anyOf) match(r *row) bool {
	for _, c := range a {
		if c.match(r) {
			return true
		}
	}
	return false
}

func (n negate) match(r *row) bool { return !n.c.match(r) }

func (t *test) match(r *row) bool {
	v := t.p.read(r)
	switch t.op {
	case "IN":
		return t.in[t.key(v)]
	case "NOT IN":
		return !t.in[t.key(v)]
	case "LIKE":
		return v.k == text && likeMatch(t.like, strings.ToLower(v.s))
	case "=":
		return t.equal(v)
	case "!=":
		return !t.equal(v)
	}
	if v.k == null || t.is.k == null {
		return false
	}
	c := 0
	if t.p.f.isID() {
		c = strings.Compare(v.s[:min(15, len(v.s))], t.is.s)
	} else {
		c = v.compare(t.is)
	}
	switch t.op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	default:
		return c >= 0
	}
}

func (t *test) equal(v value) bool {
	switch {
	case v.k == null || t.is.k == null:
		return v.k == t.is.k
	case t.p.f.isID():
		return len(v.s) >= 15 && v.s[:15] == t.is.s
	case v.k == text:
		return v.s == t.is.s || strings.EqualFold(v.s, t.is.s)
	default:
		return v.compare(t.is) == 0
	}
}

// key is what v is looked up by in a list.
func (t *test) key(v value) value {
	switch {
	case v.k != text:
		if v.k == integer {
			return doubleValue(v.float())
		}
		return v
	case t.p.f.isID():
		v.s = v.s[:min(15, len(v.s))]
	default:
		v.s = strings.ToLower(v.s)
	}
	return v
}

// cond resolves a parsed condition and checks that every literal is of the type of its field.
func (b *binder) cond(n node) (cond, *apiError) {
	switch n := n.(type) {
	case *logic:
		terms := make([]cond, len(n.terms))
		for i, t := range n.terms {
			var err *apiError
			if terms[i], err = b.cond(t); err != nil {
				return nil, err
			}
		}
		if n.or {
			return anyOf(terms), nil
		}
		return allOf(terms), nil
	case *negation:
		c, err := b.cond(n.term)
		return negate{c}, err
	default:
		return b.test(n.(*comparison))
	}
}

func (b *binder) test(c *comparison) (cond, *apiError) {
	p, err := b.path(c.path)
	if err != nil {
		return nil, err
	}
	if p.f.unfiltered {
		return nil, b.invalidField(c.path.pos, "field '"+p.f.name+"' can not be filtered in a query call")
	}
	t := &test{p: p, op: c.op}
	if !operatorFits(p.f, c.op) {
		return nil, &apiError{400, "INVALID_QUERY_FILTER_OPERATOR", located(b.q, c.path.pos, "invalid operator on "+soqlType(p.f)+" field")}
	}
	if c.op == "IN" || c.op == "NOT IN" {
		t.in = make(map[value]bool, len(c.values))
	}
	for _, lit := range c.values {
		v, err := b.literal(p.f, lit, c.path.pos)
		if err != nil {
			return nil, err
		}
		if p.f.isID() && v.k == null && lit.kind == tokString && isOrdering(c.op) {
			return nil, &apiError{400, "INVALID_QUERY_FILTER_OPERATOR", located(b.q, lit.pos, "invalid ID field: ")}
		}
		switch {
		case t.in != nil:
			t.in[t.key(v)] = true
		case c.op == "LIKE":
			t.like = wildcards(strings.ToLower(v.s))
		default:
			t.is = t.key(v)
		}
	}
	if c.op != "LIKE" && t.is.k == double && p.f.typ == "int" {
		t.is = value{k: integer, n: int64(t.is.float())}
	}
	return t, nil
}

func operatorFits(f *field, op string) bool {
	switch {
	case op == "LIKE":
		return f.textual()
	case isOrdering(op):
		return f.typ != "boolean"
	}
	return true
}

func isOrdering(op string) bool { return op[0] == '<' || op[0] == '>' }

func soqlType(f *field) string {
	switch {
	case f.typ == "datetime":
		return "dateTime"
	case f.isID():
		return "id"
	case f.textual():
		return "string"
	default:
		return f.typ
	}
}

// literal turns a token into a value of the field's type, or says how it should have been written.
func (b *binder) literal(f *field, t token, pos int) (value, *apiError) {
	if t.is("null") {
		return value{}, nil
	}
	criterion := func(must string) *apiError {
		return b.invalidField(pos, "value of filter criterion for field '"+f.name+"' must be of type "+must)
	}
	if f.isID() || f.textual() {
		if t.kind != tokString {
			return value{}, criterion("string and should be enclosed in quotes")
		}
		if f.isID() {
			return b.idLiteral(t.text)
		}
		return textValue(t.text), nil
	}
	bad := criterion(soqlType(f) + " and should not be enclosed in quotes")
	v, _ := parseNumber(t.text)
	switch f.typ {
	case "boolean":
		if t.kind != tokIdent {
			return value{}, bad
		}
		return boolValue(t.is("true")), nil
	case "datetime", "date":
		if t.kind != tokNumber || v.k != map[string]kind{"datetime": datetime, "date": date}[f.typ] {
			return value{}, bad
		}
	default:
		if t.kind != tokNumber || v.k != integer && v.k != double {
			return value{}, bad
		}
	}
	return v, nil
}

func (b *binder) idLiteral(s string) (value, *apiError) {
	if s == "" {
		return value{}, nil
	}
	id, ok := normalID(s)
	if !ok {
		return value{}, &apiError{400, "INVALID_QUERY_FILTER_OPERATOR", located(b.q, max(0, strings.Index(b.q, s)), "invalid ID field: "+s)}
	}
	return value{k: text, s: id}, nil
}

// wildcard is one piece of a LIKE pattern: % and _ are 'any' and 'one', all else stands for itself.
type wildcard struct {
	any, one bool
	r        rune
}

func wildcards(pattern string) (out []wildcard) {
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			out, escaped = append(out, wildcard{r: r}), false
		case r == '\\':
			escaped = true
		case r == '%':
			out = append(out, wildcard{any: true})
		case r == '_':
			out = append(out, wildcard{one: true})
		default:
			out = append(out, wildcard{r: r})
		}
	}
	return out
}

// likeMatch matches greedily with one point to come back to, so it is never exponential.
func likeMatch(pat []wildcard, s string) bool {
	i, back, backAt := 0, -1, ""
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case i < len(pat) && pat[i].any:
			back, backAt = i, s
			i++
		case i < len(pat) && (pat[i].one || pat[i].r == r):
			i++
			s = s[size:]
		case back >= 0:
			_, size = utf8.DecodeRuneInString(backAt)
			backAt = backAt[size:]
			s, i = backAt, back+1
		default:
			return false
		}
	}
	for i < len(pat) && pat[i].any {
		i++
	}
	return i == len(pat)
}
