package simorg

import (
	"slices"
	"strings"
)

const noColumn = ". If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. " +
	"Please reference your WSDL or the describe call for the appropriate names."

// path is a resolved field, reached over parents.
type path struct {
	hops []hop
	f    *field
}

type hop struct {
	ref *field // holds the id of the parent
	to  *table
}

// query is a statement with every name resolved.
type query struct {
	t             *table
	count         bool
	sel           []selected
	where         cond
	order         []orderKey
	limit, offset int

	ids    idRange
	since  int64 // lower bound of SystemModstamp in Unix seconds, 0 for none
	before int64 // upper bound
}

type orderKey struct {
	p               *path
	desc, nullsLast bool
}

// binder resolves a statement against the schema of the org, minus the fields hidden from the API user.
type binder struct {
	o *Org
	q string
	t *table
}

// tableNamed finds an object that can be queried.
func (o *Org) tableNamed(name string) (*table, bool) {
	t, ok := o.tables[strings.ToLower(name)]
	return t, ok
}

func (o *Org) bind(s *statement) (*query, *apiError) {
	t, ok := o.tableNamed(s.object.text)
	if !ok {
		return nil, &apiError{400, "INVALID_TYPE", located(s.text, s.object.pos, "sObject type '"+s.object.text+
			"' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. "+
			"Please reference your WSDL or the describe call for the appropriate names.")}
	}
	b := &binder{o: o, q: s.text, t: t}
	q := &query{t: t, count: s.count, limit: s.limit, offset: max(s.offset, 0)}
	if err := b.bindFields(s, q); err != nil {
		return nil, err
	}
	if s.where != nil {
		var err *apiError
		if q.where, err = b.cond(s.where); err != nil {
			return nil, err
		}
		q.narrow(o, q.where)
	}
	for _, ob := range s.order {
		p, err := b.path(ob.path)
		if err != nil {
			return nil, err
		}
		if p.f.unfiltered {
			return nil, b.invalidField(ob.path.pos, "field '"+p.f.name+"' can not be sorted in a query call")
		}
		q.order = append(q.order, orderKey{p, ob.desc, ob.nullsLast})
	}
	return q, nil
}

func (b *binder) invalidField(pos int, text string) *apiError {
	return &apiError{400, "INVALID_FIELD", located(b.q, pos, text)}
}

func (b *binder) bindFields(s *statement, q *query) *apiError {
	if s.fieldsFunc != "" {
		if s.fieldsFunc != "STANDARD" && (s.limit < 0 || s.limit > 200) {
			return &apiError{400, "MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200"}
		}
		for _, f := range b.t.all() {
			if !b.o.faults.hides(b.t, f) && (s.fieldsFunc == "ALL" || f.custom == (s.fieldsFunc == "CUSTOM")) {
				q.sel = appendSelected(q.sel, &path{f: f})
			}
		}
	}
	for _, tok := range s.fields {
		p, err := b.path(tok)
		if err != nil {
			return err
		}
		if hasSelected(q.sel, p) {
			return &apiError{400, "INVALID_FIELD", "duplicate field selected: " + tok.text}
		}
		q.sel = appendSelected(q.sel, p)
	}
	return nil
}

// path resolves Parent.Parent.Field.
func (b *binder) path(tok token) (*path, *apiError) {
	p := &path{}
	t, pos := b.t, tok.pos
	parts := strings.Split(tok.text, ".")
	if len(parts) > 1 && strings.EqualFold(parts[0], b.t.name) && b.t.byRel[strings.ToLower(parts[0])] == nil {
		parts = parts[1:] // the object's own name may stand before a field
	}
	for _, rel := range parts[:len(parts)-1] {
		ref := t.byRel[strings.ToLower(rel)]
		if ref == nil || b.o.faults.hides(t, ref) {
			return nil, b.invalidField(pos, "Didn't understand relationship '"+rel+"' in field path. If you are attempting to use a "+
				"custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or "+
				"the describe call for the appropriate names.")
		}
		t = b.o.tables[strings.ToLower(ref.refTo)]
		p.hops = append(p.hops, hop{ref, t})
	}
	if len(p.hops) > 5 {
		return nil, malformed(b.q, pos, "SOQL relationship queries can not have more than 5 levels")
	}
	name := parts[len(parts)-1]
	if p.f = t.named(strings.ToLower(name)); p.f == nil || b.o.faults.hides(t, p.f) {
		return nil, b.invalidField(pos, "No such column '"+name+"' on entity '"+t.name+"'"+noColumn)
	}
	return p, nil
}

// read follows the path from r. A missing parent is null.
func (p *path) read(r *row) value {
	if len(p.hops) == 0 {
		return r.get(p.f)
	}
	return p.climb(r)
}

func (p *path) climb(r *row) value {
	at := r
	var parent row
	for _, h := range p.hops {
		id := at.get(h.ref)
		i, ok := r.v.find(h.to, id.s)
		if id.k == null || !ok || !r.v.at(h.to, i, &parent) {
			return value{}
		}
		at = &parent
	}
	return at.get(p.f)
}

// selected is one column of the answer: a field, or a parent with columns of its own.
type selected struct {
	key  string // "Name": with the quotes and the colon
	f    *field
	hop  *hop
	kids []selected
}

func hasSelected(sel []selected, p *path) bool {
	for _, h := range p.hops {
		k := slices.IndexFunc(sel, func(s selected) bool { return s.hop != nil && s.hop.ref == h.ref })
		if k < 0 {
			return false
		}
		sel = sel[k].kids
	}
	return slices.ContainsFunc(sel, func(s selected) bool { return s.hop == nil && s.f == p.f })
}

// appendSelected adds p, merging parents that are there already.
func appendSelected(sel []selected, p *path) []selected {
	if len(p.hops) == 0 {
		return append(sel, selected{key: `"` + p.f.name + `":`, f: p.f})
	}
	h := p.hops[0]
	k := slices.IndexFunc(sel, func(s selected) bool { return s.hop != nil && s.hop.ref == h.ref })
	if k < 0 {
		k = len(sel)
		sel = append(sel, selected{key: `"` + h.ref.rel + `":`, hop: &h})
	}
	sel[k].kids = appendSelected(sel[k].kids, &path{p.hops[1:], p.f})
	return sel
}
