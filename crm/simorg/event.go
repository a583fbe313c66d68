package simorg

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"time"
)

// changeType is an index into changeTypes.
type changeType int

const (
	created      changeType = 0
	updated      changeType = 1
	gapFrom      changeType = 4 // added to the types above
	gapOverflow  changeType = 8
	mergedMost              = 200    // record ids of one event: Salesforce saves rows by the 200
	wildcardID              = "005*" // every user
	overflowID              = "000000000000000AAA"
	originByHand            = "com/salesforce/api/soap/66.0;client=SfdcInternalAPI/"
)

// event is one entry of the event log: a change event, or a mark, which is only a position.
type event struct {
	replay          [topics]uint64
	at              time.Time // when it came into the log
	mark            bool
	schema          *eventSchema
	head            eventHeader
	changed, nulled fieldSet
	cells           []eventCell // the values of an update, ascending by field
	user            *User       // of a creation
}

// eventCell is the new value of field i of an update, or of its nested field j.
type eventCell struct {
	i, j int
	v    value
}

// compare makes e tell what became of a user. LastModifiedDate counts as changed always.
func (e *event) compare(was, is *User) (changes int) {
	for i := 1; i < len(e.schema.fields); i++ {
		f := &e.schema.fields[i]
		if f.sub == nil {
			changes += e.compareCell(f, i, 0, was, is)
			continue
		}
		for j := range f.sub {
			changes += e.compareCell(&f.sub[j], i, j, was, is)
		}
	}
	return changes
}

func (e *event) compareCell(f *eventField, i, j int, was, is *User) (changes int) {
	if f.get == nil {
		return 0
	}
	v, old := f.get(is), f.get(was)
	if v == old && i != lastModifiedIndex {
		return 0
	}
	e.changed.add(i, j)
	if v.k == null && old.k != null {
		e.nulled.add(i, j)
	}
	e.cells = append(e.cells, eventCell{i, j, v})
	if i == lastModifiedIndex {
		return 0
	}
	return 1
}

// sameAs reports whether two updates change the same fields to the same values.
func (e *event) sameAs(x *event) bool {
	return e.head.typ == updated && x.head.typ == updated && slices.Equal(e.cells, x.cells) && slices.Equal(e.nulled.list(), x.nulled.list())
}

// empty leaves nothing but the header.
func (e *event) empty() { e.changed, e.nulled, e.cells, e.user = fieldSet{}, fieldSet{}, nil, nil }

// payload is the event in Avro, without the fields that are hidden: they look unchanged.
func (e *event) payload(hidden func(name string) bool) []byte {
	var changed, nulled fieldSet
	cells := make([]eventCell, 0, len(e.cells))
	for _, c := range e.cells {
		f := &e.schema.fields[c.i]
		name := f.name
		if hidden(name) || f.sub != nil && hidden(f.sub[c.j].name) {
			continue
		}
		cells = append(cells, c)
		changed.add(c.i, c.j)
		if e.nulled.has(c.i, c.j) {
			nulled.add(c.i, c.j)
		}
	}
	b := e.head.append(make([]byte, 0, 512), changed.list(), nulled.list())
	take := func(f *eventField, i, j int) value {
		switch {
		case e.user != nil && f.get != nil && !hidden(f.name):
			return f.get(e.user)
		case len(cells) > 0 && cells[0].i == i && cells[0].j == j:
			v := cells[0].v
			cells = cells[1:]
			return v
		}
		return value{}
	}
	for i := 1; i < len(e.schema.fields); i++ {
		f := &e.schema.fields[i]
		switch {
		case f.sub == nil:
			b = f.appendUnion(b, take(f, i, 0))
		case e.user != nil && hidden(f.name) || e.user == nil && !changed.anyOf(i):
			b = append(b, 0)
		default:
			b = append(b, 2)
			for j := range f.sub {
				b = f.sub[j].appendUnion(b, take(&f.sub[j], i, j))
			}
		}
	}
	return b
}

// hash is equal for events that are the same to [event.sameAs].
func (e *event) hash() uint64 {
	h := fnv.New64a()
	var n [8]byte
	for _, c := range e.cells {
		binary.LittleEndian.PutUint64(n[:], uint64(c.v.n)+uint64(c.i)<<40+uint64(c.j)<<50)
		_, _ = h.Write(n[:]) // a hash takes everything
		_, _ = h.Write([]byte(c.v.s))
	}
	return h.Sum64()
}

// uuid is the id of the event, the same in every copy.
func (e *event) uuid() string {
	sum := md5.Sum(fmt.Appendf(nil, "%d %d %v", e.head.number, e.head.seq, e.head.ids))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
}
