package simorg

import (
	"strconv"
	"strings"
)

// statement is a parsed SELECT, with names not yet resolved.
type statement struct {
	text          string
	count         bool // SELECT COUNT()
	fields        []token
	fieldsFunc    string // ALL, STANDARD or CUSTOM
	object        token
	where         node
	order         []orderBy
	limit, offset int // -1 when absent
}

type orderBy struct {
	path      token
	desc      bool
	nullsLast bool
}

// node is a condition: *logic, *negation or *comparison.
type node any

type logic struct {
	or    bool
	terms []node
}

type negation struct{ term node }

type comparison struct {
	path   token
	op     string // = != < <= > >= LIKE IN NOT IN
	values []token
}

type parser struct {
	q    string
	toks []token
	i    int
	deep int
}

const (
	maxStatement = 100_000 // characters
	maxOffset    = 2000
	maxDepth     = 100
)

func parseSOQL(q string) (*statement, *apiError) {
	if len(q) > maxStatement {
		return nil, &apiError{400, "MALFORMED_QUERY", "SOQL statements cannot be longer than 100000 characters."}
	}
	toks, err := lex(q)
	if err != nil {
		return nil, err
	}
	p := &parser{q: q, toks: toks}
	s := &statement{text: q, limit: -1, offset: -1}
	for _, part := range []func(*statement) *apiError{p.selected, p.from, p.filter, p.sorted, p.bounds} {
		if err := part(s); err != nil {
			return nil, err
		}
	}
	if t := p.peek(); t.kind != tokEOF {
		return nil, unexpected(t)
	}
	return s, nil
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tokEOF {
		p.i++
	}
	return t
}

// take consumes the next token if it is s.
func (p *parser) take(s string) bool {
	if p.peek().is(s) {
		p.i++
		return true
	}
	return false
}

func (p *parser) want(s string) *apiError {
	if !p.take(s) {
		return unexpected(p.peek())
	}
	return nil
}

// name consumes an identifier that is no keyword.
func (p *parser) name() (token, *apiError) {
	t := p.next()
	if t.kind != tokIdent || reserved(t.text) || strings.HasSuffix(t.text, ".") || strings.Contains(t.text, "..") {
		return t, unexpected(t)
	}
	return t, nil
}

func reserved(s string) bool {
	switch strings.ToUpper(s) {
	case "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "LIKE", "IN", "ORDER", "LIMIT", "OFFSET", "NULL", "TRUE", "FALSE",
		"GROUP", "HAVING", "USING", "WITH", "EXCLUDES", "INCLUDES", "ASC", "DESC", "NULLS":
		return true
	}
	return false
}

func (p *parser) selected(s *statement) *apiError {
	if err := p.want("SELECT"); err != nil {
		return err
	}
	for {
		t, err := p.name()
		if err != nil {
			return err
		}
		switch {
		case !p.take("("):
			s.fields = append(s.fields, t)
		case t.is("COUNT") && len(s.fields) == 0 && p.take(")"):
			s.count = true
			return nil
		case t.is("FIELDS"):
			what := p.next()
			if !what.is("ALL") && !what.is("STANDARD") && !what.is("CUSTOM") {
				return unexpected(what)
			}
			s.fieldsFunc = strings.ToUpper(what.text)
			if err := p.want(")"); err != nil {
				return err
			}
		default:
			return unexpected(p.peek())
		}
		if !p.take(",") {
			return nil
		}
	}
}

func (p *parser) from(s *statement) (err *apiError) {
	if err = p.want("FROM"); err != nil {
		return err
	}
	s.object, err = p.name()
	return err
}

func (p *parser) filter(s *statement) (err *apiError) {
	if p.take("WHERE") {
		s.where, err = p.condition()
	}
	return err
}

// condition reads terms joined by AND, or by OR: SOQL wants parentheses where both occur.
func (p *parser) condition() (node, *apiError) {
	if p.deep++; p.deep > maxDepth {
		return nil, &apiError{400, "QUERY_TOO_COMPLICATED", "Query is either selecting too many fields or the filter conditions are too complicated."}
	}
	defer func() { p.deep-- }()
	if p.take("NOT") {
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		return &negation{t}, nil // NOT a AND b needs parentheses too
	}
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	l := &logic{terms: []node{first}}
	for {
		switch {
		case p.peek().is("AND") && (len(l.terms) == 1 || !l.or):
			p.next()
		case p.peek().is("OR") && (len(l.terms) == 1 || l.or):
			p.next()
			l.or = true
		case p.peek().is("AND"), p.peek().is("OR"):
			return nil, unexpected(p.peek())
		default:
			if len(l.terms) == 1 {
				return first, nil
			}
			return l, nil
		}
		var t node
		if p.take("NOT") {
			t, err = p.term()
			t = &negation{t}
		} else {
			t, err = p.term()
		}
		if err != nil {
			return nil, err
		}
		l.terms = append(l.terms, t)
	}
}

func (p *parser) term() (node, *apiError) {
	if p.take("(") {
		c, err := p.condition()
		if err != nil {
			return nil, err
		}
		return c, p.want(")")
	}
	path, err := p.name()
	if err != nil {
		return nil, err
	}
	c := &comparison{path: path}
	switch op := p.next(); {
	case op.kind == tokPunct && isComparison(op.text):
		c.op = op.text
		v, err := p.literal()
		c.values = []token{v}
		return c, err
	case op.is("LIKE"):
		c.op = "LIKE"
		v, err := p.literal()
		c.values = []token{v}
		return c, err
	case op.is("IN"):
		c.op = "IN"
	case op.is("NOT") && p.take("IN"):
		c.op = "NOT IN"
	default:
		return nil, unexpected(op)
	}
	if err := p.want("("); err != nil {
		return nil, err
	}
	for {
		v, err := p.literal()
		if err != nil {
			return nil, err
		}
		c.values = append(c.values, v)
		if p.take(")") {
			return c, nil
		}
		if err := p.want(","); err != nil {
			return nil, err
		}
	}
}

func isComparison(op string) bool {
	switch op {
	case "=", "!=", "<", "<=", ">", ">=":
		return true
	}
	return false
}

func (p *parser) literal() (token, *apiError) {
	t := p.next()
	switch {
	case t.is(":"):
		return t, &apiError{400, "MALFORMED_QUERY", "Bind variables only allowed in Apex code"}
	case t.kind == tokString, t.is("null"), t.is("true"), t.is("false"):
		return t, nil
	case t.kind == tokNumber:
		if _, ok := parseNumber(t.text); !ok {
			return t, noViable(p.q, t.pos+badAt(t.text))
		}
		return t, nil
	default:
		return t, unexpected(t)
	}
}

func (p *parser) sorted(s *statement) *apiError {
	if !p.take("ORDER") {
		return nil
	}
	if err := p.want("BY"); err != nil {
		return err
	}
	for {
		path, err := p.name()
		if err != nil {
			return err
		}
		o := orderBy{path: path}
		if p.take("DESC") {
			o.desc = true
		} else {
			p.take("ASC")
		}
		if p.take("NULLS") {
			if o.nullsLast = p.take("LAST"); !o.nullsLast && !p.take("FIRST") {
				return unexpected(p.peek())
			}
		}
		s.order = append(s.order, o)
		if !p.take(",") {
			return nil
		}
	}
}

func (p *parser) bounds(s *statement) (err *apiError) {
	if p.take("LIMIT") {
		if s.limit, err = p.number(); err != nil {
			return err
		}
	}
	if p.take("OFFSET") {
		if s.offset, err = p.number(); err != nil {
			return err
		}
		if s.offset > maxOffset {
			return &apiError{400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"}
		}
	}
	return nil
}

func (p *parser) number() (int, *apiError) {
	t := p.next()
	n, err := strconv.Atoi(t.text)
	if t.kind != tokNumber || err != nil || n < 0 {
		return 0, unexpected(t)
	}
	return n, nil
}
