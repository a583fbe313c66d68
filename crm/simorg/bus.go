package simorg

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// The topics by number.
const (
	userTopic = iota
	changeTopic
	topics
)

// retention is how long events are kept.
const retention = 72 * time.Hour

// bus is the log of change events, bounded by retention and by number. Org.mu guards it.
type bus struct {
	o       *Org
	rand    *rand.Rand
	log     []event // ascending by replay id
	base    uint64  // how many entries went before log[0]
	last    [topics]uint64
	moved   chan struct{} // closed and replaced at every change that streams must see
	schema  *eventSchema
	schemas map[string]*eventSchema // by id, all there ever were
	number  int64                   // the last commit number

	deliveries usage
	blind      bool          // the API user has lost View All Users
	keepalive  time.Duration // 0 for that of the endpoint, below 0 for none
	streams    map[*stream]bool
	peak       int // most streams at a time
	opened     int
	overasked  int
	calls      map[Endpoint]int
}

func newBus(o *Org) *bus {
	b := &bus{
		o: o, rand: rand.New(rand.NewPCG(o.opt.Seed, 0x9e3779b97f4a7c15)), moved: make(chan struct{}), schemas: map[string]*eventSchema{},
		number: 1652977933433528300, streams: map[*stream]bool{}, calls: map[Endpoint]int{},
	}
	b.deliveries.max = o.opt.Deliveries
	b.reset()
	b.learn()
	return b
}

// reset begins a new space of replay ids.
func (b *bus) reset() {
	b.base += uint64(len(b.log))
	b.log = nil
	for t := range b.last {
		b.last[t] = 1_000_000 + b.rand.Uint64N(1<<40)
	}
}

// learn makes the schema that fits the fields of User now.
func (b *bus) learn() {
	b.schema = newEventSchema(b.o)
	b.schemas[b.schema.id] = b.schema
}

// wake tells the streams to look again.
func (b *bus) wake() {
	close(b.moved)
	b.moved = make(chan struct{})
}

// push puts e at the end of the log. An event that shares gets the replay id of the entry before it.
func (b *bus) push(e event, share bool) {
	for t := range b.last {
		if !share {
			b.last[t] += 1 + b.rand.Uint64N(10)
		}
		e.replay[t] = b.last[t]
	}
	b.log = append(b.log, e)
	if len(b.log) > b.o.opt.EventLog+b.o.opt.EventLog/4 {
		b.drop(len(b.log) - b.o.opt.EventLog)
	}
}

// drop forgets the n oldest entries.
func (b *bus) drop(n int) {
	if n > 0 {
		b.log = slices.Clone(b.log[n:])
		b.base += uint64(n)
	}
}

// prune forgets what is too old.
func (b *bus) prune(now time.Time) {
	b.drop(sort.Search(len(b.log), func(i int) bool { return now.Sub(b.log[i].at) < retention }))
}

// settle makes the position of a quiet log a young one, so that who saves it can come back.
func (b *bus) settle(now time.Time) {
	if n := len(b.log); n == 0 || now.Sub(b.log[n-1].at) >= time.Minute {
		b.push(event{mark: true, at: now}, false)
	}
}

// end is the position after the newest entry.
func (b *bus) end() uint64 { return b.base + uint64(len(b.log)) }

// after is the position behind all entries of a replay id, if the id stands in the log.
func (b *bus) after(topic int, id uint64) (uint64, bool) {
	i := sort.Search(len(b.log), func(i int) bool { return b.log[i].replay[topic] > id })
	if i == 0 || b.log[i-1].replay[topic] != id {
		return 0, false
	}
	return b.base + uint64(i), true
}

// rowEdit is what a transaction did to a row; was is nil for a new one.
type rowEdit struct{ was, is *User }

// publish appends the events of a transaction that commits now.
func (b *bus) publish(now time.Time, by author, edits []rowEdit) {
	if len(edits) == 0 {
		return
	}
	var all []*event
	open := map[uint64][]*event{} // updates that may take more record ids, by their hash
	changes := 0
	for _, edit := range edits {
		e := &event{schema: b.schema, head: eventHeader{ids: []string{edit.is.ID}, typ: created}}
		if edit.was == nil {
			e.user = edit.is
			changes++
		} else {
			e.head.typ = updated
			changes += e.compare(edit.was, edit.is)
		}
		if changes > b.o.opt.OverflowAt {
			over := &event{schema: b.schema, head: eventHeader{ids: []string{overflowID}, typ: gapOverflow}}
			all = append(all, over)
			break
		}
		if len(edits) > 1 && e.head.typ == updated && merge(open, e) {
			continue
		}
		all = append(all, e)
	}
	b.commit(now, by, all)
}

// publishLogin appends the event of a login, which touches nothing but LastLoginDate.
func (b *bus) publishLogin(now time.Time, u *User) {
	e := &event{schema: b.schema, head: eventHeader{ids: []string{u.ID}, typ: updated}}
	e.changed.add(lastLoginIndex, 0)
	e.cells = []eventCell{{lastLoginIndex, 0, timeValue(u.LastLoginDate)}}
	b.commit(now, author{id: u.ID}, []*event{e})
}

// merge adds the record of e to an event that says the same, or makes e such an event.
func merge(open map[uint64][]*event, e *event) bool {
	h := e.hash()
	for _, x := range open[h] {
		if len(x.head.ids) < mergedMost && x.sameAs(e) {
			x.head.ids = append(x.head.ids, e.head.ids...)
			return true
		}
	}
	open[h] = []*event{e}
	return false
}

// commit gives the events of a transaction their headers and puts them into the log, as the faults say.
func (b *bus) commit(now time.Time, by author, all []*event) {
	b.prune(now)
	b.number += 1 + b.rand.Int64N(1000)
	key := fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", b.rand.Uint32(), b.rand.Uint32()&0xffff, b.rand.Uint32()&0xffff,
		b.rand.Uint32()&0xffff, b.rand.Uint64()&0xffffffffffff)
	share := false
	for k, e := range all {
		e.at = now
		h := &e.head
		h.origin, h.key, h.seq, h.at, h.number, h.user = by.origin, key, k+1, now.UnixMilli(), b.number, by.id
		switch fault := b.o.faults.pickEvent(e); fault {
		case LoseEvent:
			continue
		case GapEvent:
			if h.typ < gapFrom {
				h.typ += gapFrom
			}
			e.empty()
		case Duplicate:
			b.push(*e, share)
			share = true
		case SharedReplayID:
			for _, id := range h.ids[:len(h.ids)-1] {
				one := *e
				one.head.ids = []string{id}
				b.push(one, share)
				share = true
			}
			h.ids = h.ids[len(h.ids)-1:]
			b.push(*e, share)
			share = true // with the next of the transaction
			continue
		}
		b.push(*e, share)
		share = false
	}
	b.wake()
}
