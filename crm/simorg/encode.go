package simorg

// encoder appends records as Salesforce writes them: attributes first, then the fields in the order of the SELECT.
type encoder struct {
	v       *view
	base    string               // "/services/data/v66.0/sobjects/"
	parents map[parentKey][]byte // the same few profiles and roles stand in every row
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
	i, ok := e.v.find(s.hop.to, id.s)
	var p row
	if !ok || !e.v.at(s.hop.to, i, &p) {
		return append(b, "null"...)
	}
	if s.hop.to.small < 0 {
		return e.record(b, &p, s.kids)
	}
	key := parentKey{s, id.s}
	if cached, ok := e.parents[key]; ok {
		return append(b, cached...)
	}
	from := len(b)
	b = e.record(b, &p, s.kids)
	e.parents[key] = append([]byte(nil), b[from:]...)
	return b
}
