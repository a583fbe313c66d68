package simorg

// encoder appends records as Salesforce writes them: attributes first, then the fields in the order of the SELECT.
type encoder struct {
	v       *view
	base    string               // "/services/data/v66.0/sobjects/"
	parents map[parentKey][]byte // the same profiles, roles and managers stand in many rows
}

type parentKey struct {
	s  *selected
	id string
}

func newEncoder(v *view, version string) *encoder {
	return &encoder{v: v, base: "/services/data/v" + version + "/sobjects/", parents: map[parentKey][]byte{}}
}

func (e *encoder) record(b []byte, r *row, sel []selected) []byte {
	b = append(b, `{"attributes":{"type":"`...)
	b = append(b, r.t.name...)
	b = append(b, `","url":"`...)
	b = append(b, e.base...)
	b = append(b, r.t.name...)
	b = append(b, '/')
	b = append(b, r.get(r.t.fields[0]).s...)
	b = append(b, `"}`...)
	for i := range sel {
		s := &sel[i]
		b = append(b, ',')
		b = append(b, s.key...)
		if s.hop == nil {
			b = r.get(s.f).appendJSON(b)
		} else {
			b = e.parent(b, r, s)
		}
	}
	return append(b, '}')
}

func (e *encoder) parent(b []byte, r *row, s *selected) []byte {
	id := r.get(s.hop.ref)
	if id.k == null {
		return append(b, "null"...)
	}
	key := parentKey{s, id.s}
	if cached, ok := e.parents[key]; ok {
		return append(b, cached...)
	}
	from := len(b)
	var p row
	if i, ok := e.v.find(s.hop.to, id.s); ok && e.v.at(s.hop.to, i, &p) {
		b = e.record(b, &p, s.kids)
	} else {
		b = append(b, "null"...)
	}
	e.parents[key] = append([]byte(nil), b[from:]...)
	return b
}
