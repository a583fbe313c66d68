package sync

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rosterd/rosterd/crm"
)

// How long users named by events wait for others to be read back with: a
// moment when it is quiet, longer under load.
const (
	gatherQuiet = 50 * time.Millisecond
	gatherBusy  = 250 * time.Millisecond
	busyFor     = time.Second
	readMost    = 2000 // users a call reads
)

// streamGrace is how long a stream that stood may be away before polls step in,
// unless it is known to be away for longer.
const streamGrace = 30 * time.Second

// named is someone whom an event named.
type named struct {
	since     time.Time
	committed time.Time
	urgent    bool // may be leaving
}

// flow is what an engine knows of its stream. What is waiting here is in the
// database, too.
type flow struct {
	intake sync.Mutex // one at a time notes or forgets whom events named
	wake   chan struct{}

	mu      sync.Mutex // guards what follows
	state   StreamState
	news    bool      // whether the state was set since somebody asked
	since   time.Time // of the phase
	stood   time.Time // when it last stood
	event   time.Time // when one last arrived
	missed  time.Time // when something may have been missed; zero for never
	unclear time.Time // when an event did not tell whom it is about; zero for never
	restart func()
	waiting map[string]named
	read    time.Time // when someone was last read back
	last    Run       // the run that goes on while they come thick
	told    *Deliveries

	client *crm.Client // whose fields these are
	fields crm.Fields
	asked  time.Time
}

func newFlow() flow {
	return flow{wake: make(chan struct{}, 1), waiting: map[string]named{}, state: StreamState{Phase: streamOff}, restart: func() {}}
}

// hasNews reports whether the stream's state was set since it was last asked.
func (f *flow) hasNews() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	news := f.news
	f.news = false
	return news
}

// renew has the state be news once more.
func (f *flow) renew() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.news = true
}

func (f *flow) kick() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// set notes a state and returns the one before.
func (f *flow) set(s StreamState) (was StreamState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was = f.state
	if s.Phase == streamConnecting { // why it was down goes on to be the news
		s.Code, s.Text, s.Hint, s.Person = was.Code, was.Text, was.Hint, was.Person
	}
	f.news = true
	if f.state = s; was.Phase != s.Phase {
		f.since = time.Now()
	}
	if was.Phase == streamLive {
		f.stood = time.Now()
	}
	return was
}

// stands reports whether events come, or did a moment ago and will again.
func (f *flow) stands() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state.Phase == streamLive {
		return true
	}
	until := f.stood.Add(streamGrace)
	return !f.state.Person && !f.stood.IsZero() && time.Now().Before(until) && f.state.Retry.Before(until)
}

// miss notes that something may have been missed, for a look to find.
func (f *flow) miss() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.missed = time.Now()
}

// caughtUp notes that all was read that changed before a time.
func (f *flow) caughtUp(began time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range []*time.Time{&f.missed, &f.unclear} {
		if began.After(*t) {
			*t = time.Time{}
		}
	}
}

// behind reports whether something may have been missed, and whether events
// did not tell whom they are about.
func (f *flow) behind() (missed, unclear bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.missed.IsZero(), !f.unclear.IsZero()
}

// puzzle notes that an event did not tell whom it is about.
func (f *flow) puzzle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unclear = time.Now()
}

// add has people read back. One who waits already goes on waiting.
func (f *flow) add(people map[string]named) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, n := range people {
		if old, ok := f.waiting[id]; ok {
			old.urgent = old.urgent || n.urgent
			n = old
		}
		f.waiting[id] = n
	}
	f.kick()
}

// ripe takes whom to read back now, or says after how long to ask again; less
// than zero is when someone is added. They wait a moment for others, unless
// they fill a call, and as long as the quota asks: since they were named, and
// since the call before. Whoever may be leaving comes first.
func (f *flow) ripe(now time.Time, least pace) (people map[string]named, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.waiting) == 0 {
		return nil, -1
	}
	gather := gatherQuiet
	switch {
	case len(f.waiting) >= readMost:
		gather = 0
	case now.Sub(f.read) < busyFor:
		gather = gatherBusy
	}
	var first time.Time
	for _, n := range f.waiting {
		wait := least.changes
		if n.urgent {
			wait = least.leavers
		}
		due := later(n.since.Add(gather), later(n.since, f.read).Add(wait))
		if first.IsZero() || due.Before(first) {
			first = due
		}
	}
	if first.After(now) {
		return nil, first.Sub(now)
	}
	if len(f.waiting) <= readMost {
		people, f.waiting = f.waiting, map[string]named{}
		return people, 0
	}
	people = map[string]named{}
	order := slices.SortedFunc(maps.Keys(f.waiting), func(a, b string) int {
		x, y := f.waiting[a], f.waiting[b]
		switch {
		case x.urgent != y.urgent && x.urgent:
			return -1
		case x.urgent != y.urgent:
			return 1
		}
		return cmp.Or(x.since.Compare(y.since), strings.Compare(a, b))
	})
	for _, id := range order[:readMost] {
		people[id] = f.waiting[id]
		delete(f.waiting, id)
	}
	return people, 0
}

// again puts people back who could not be read.
func (f *flow) again(people map[string]named) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, n := range people {
		if newer, ok := f.waiting[id]; ok {
			n.urgent = n.urgent || newer.urgent
		}
		f.waiting[id] = n
	}
}

// done returns those of people whom no event named since they were taken.
func (f *flow) done(people map[string]named) (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read = time.Now()
	for id := range people {
		if _, anew := f.waiting[id]; !anew {
			ids = append(ids, id)
		}
	}
	return ids
}

// known returns the fields that users are read with, if they were asked for
// by this client, lately enough.
func (f *flow) known(c *crm.Client, age time.Duration) (crm.Fields, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fields, f.client == c && time.Since(f.asked) < age
}

func (f *flow) know(c *crm.Client, fields crm.Fields) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.client, f.fields, f.asked = c, fields, time.Now()
}

// forget has the fields be asked for again.
func (f *flow) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.client = nil
}
