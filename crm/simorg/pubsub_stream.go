package simorg

import (
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// maxCredit is the most events a client can have asked for and not got.
const maxCredit = 100

// maxResponse is about the most a response may hold.
const maxResponse = 3 << 20

// The replay presets.
const (
	presetLatest = iota
	presetEarliest
	presetCustom
)

// stream is a Subscribe call.
type stream struct {
	*rpc
	topic    int
	name     string
	credit   int
	next     uint64      // position in the log
	sent     time.Time   // when anything was last sent
	empty    time.Time   // since when there is no credit
	breaks   chan Effect // of Faults.BreakStreams
	requests chan fetch
}

// fetch is a FetchRequest, or how the requests ended.
type fetch struct {
	topic  string
	preset uint64
	replay string
	num    int32
	auth   string
	end    *rpcError
}

func (c *rpc) fetch() fetch {
	b, err := readMessage(c.r.Body)
	if errors.Is(err, io.EOF) {
		return fetch{end: &rpcError{}} // the client wants no more
	}
	if err != nil {
		return fetch{end: refuseMessage(err)}
	}
	m, err := parseMessage(b)
	if err != nil {
		return fetch{end: refuse(grpcInternal, "", "Invalid protobuf byte sequence")}
	}
	return fetch{topic: m.text[1], preset: m.number[2], replay: m.text[3], num: int32(m.number[4]), auth: m.text[5]}
}

// subscribe serves a stream until it ends.
func (c *rpc) subscribe() *rpcError {
	if bad := c.authenticate(); bad != nil {
		return bad
	}
	first := c.fetch()
	if first.end != nil {
		return first.end
	}
	text := first.topic + " " + [...]string{"LATEST", "EARLIEST", "CUSTOM"}[min(first.preset, presetCustom)]
	fault := c.p.o.faults.pickRPC(Subscribe, text, first.preset == presetCustom)
	if fault != nil {
		if bad := c.suffer(fault); bad != nil {
			return bad
		}
		if bad := c.authenticate(); bad != nil {
			return bad
		}
	}
	s := &stream{rpc: c, name: first.topic, breaks: make(chan Effect, 1), requests: make(chan fetch), sent: time.Now()}
	if bad := s.open(first); bad != nil {
		return bad
	}
	defer s.leave()
	if fault == nil || fault.Kind != LateAnswer {
		c.flush() // Salesforce does not document when the head of its answer comes
	}
	done := make(chan struct{})
	read := make(chan struct{})
	go func() {
		defer close(read)
		s.listen(done)
	}()
	defer func() {
		close(done)
		_ = c.r.Body.Close() // ends a read
		<-read
	}()
	return s.run()
}

// listen hands on the further requests.
func (s *stream) listen(done chan struct{}) {
	for {
		f := s.fetch()
		select {
		case s.requests <- f:
		case <-done:
			return
		}
		if f.end != nil {
			return
		}
	}
}

// open checks the first request and finds where to begin.
func (s *stream) open(f fetch) (bad *rpcError) {
	if s.topic, bad = topicNumber(f.topic); bad != nil {
		return bad
	}
	if bad := checkFetch(f); bad != nil {
		return bad
	}
	invalid := func(code, message string) *rpcError {
		return refuse(grpcInvalidArgument, "subscription.fetch."+code, message)
	}
	switch {
	case f.preset > presetCustom:
		return invalid("request.invalid", "The replay preset is unknown.")
	case f.preset == presetCustom && f.replay == "":
		return invalid("replayid.validation.failed", "A Replay ID is required with the CUSTOM replay preset.")
	case f.preset != presetCustom && f.replay != "":
		return invalid("replayid.validation.failed", "A Replay ID is only allowed with the CUSTOM replay preset.")
	}
	o := s.p.o
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.settleLocked(now)
	b := o.bus
	if bad := b.allowed(s.topic); bad != nil {
		return bad
	}
	if used := b.deliveries.total(now); used >= b.deliveries.max {
		return refuse(grpcResourceExhausted, codeLimit, messageLimit)
	}
	b.prune(now)
	switch f.preset {
	case presetLatest:
		s.next = b.end()
	case presetEarliest:
		s.next = b.base
	default:
		ok := false
		if len(f.replay) == 8 {
			s.next, ok = b.after(s.topic, binary.BigEndian.Uint64([]byte(f.replay)))
		}
		if !ok {
			return refuse(grpcInvalidArgument, codeReplayCorrupted, messageReplayCorrupted)
		}
	}
	s.grant(f.num)
	b.streams[s] = true
	b.opened++
	b.peak = max(b.peak, len(b.streams))
	return nil
}

func (s *stream) leave() {
	s.p.o.mu.Lock()
	delete(s.p.o.bus.streams, s)
	s.p.o.mu.Unlock()
}

func checkFetch(f fetch) *rpcError {
	switch {
	case f.auth != "":
		return refuse(grpcInvalidArgument, "service.auth.refresh.invalid", "The auth refresh is invalid.")
	case f.num <= 0:
		return refuse(grpcInvalidArgument, "subscription.fetch.requested.events.invalid", "The number of requested events must be greater than zero.")
	default:
		return nil
	}
}

// more takes a further request.
func (s *stream) more(f fetch) *rpcError {
	if bad := checkFetch(f); bad != nil {
		return bad
	}
	switch {
	case f.topic != "" && f.topic != s.name:
		return refuse(grpcInvalidArgument, "subscription.fetch.topic.mismatch", "The topic can't change within a stream.")
	case f.preset != presetLatest || f.replay != "":
		return refuse(grpcInvalidArgument, "subscription.fetch.replay.repeated", "The replay can only be chosen in the first request of a stream.")
	}
	s.p.o.mu.Lock()
	s.grant(f.num)
	s.p.o.mu.Unlock()
	s.empty = time.Time{}
	return nil
}

// grant adds credit, up to what a stream can have. Org.mu is held.
func (s *stream) grant(num int32) {
	s.credit += int(num)
	if s.credit > maxCredit {
		s.credit = maxCredit
		s.p.o.bus.overasked++
	}
}

// run sends events as credit allows, and keepalives.
func (s *stream) run() *rpcError {
	wait := time.NewTimer(time.Hour)
	defer wait.Stop()
	for {
		due, moved, bad := s.step()
		if bad != nil {
			return bad
		}
		wait.Reset(max(0, time.Until(due)))
		select {
		case <-s.r.Context().Done():
			return refuse(grpcUnavailable, "", "the client is gone")
		case f := <-s.requests:
			if f.end != nil {
				return f.end
			}
			if bad := s.more(f); bad != nil {
				return bad
			}
		case e := <-s.breaks:
			if bad := s.suffer(&e); bad != nil {
				return bad
			}
		case <-moved:
		case <-wait.C:
		}
	}
}

// step sends what can be sent now. It returns when to look again, and what tells of it before.
func (s *stream) step() (due time.Time, moved <-chan struct{}, bad *rpcError) {
	o := s.p.o
	now := time.Now()
	for {
		var batch []event
		var latest uint64
		if batch, latest, moved, due, bad = s.take(); bad != nil {
			return due, moved, bad
		}
		if len(batch) == 0 {
			break
		}
		if bad := s.suffer(o.faults.pickRPC(Delivery, s.name, false)); bad != nil {
			return due, moved, bad
		}
		if bad := s.deliver(batch, latest); bad != nil {
			return due, moved, bad
		}
		now = time.Now()
	}
	if s.credit == 0 {
		if s.empty.IsZero() {
			s.empty = now
		}
		end := s.empty.Add(s.p.grace)
		if !now.Before(end) {
			return due, moved, &rpcError{}
		}
		return earlier(due, end), moved, nil
	}
	every := s.keepalive()
	if every < 0 {
		return due, moved, nil
	}
	if !now.Before(s.sent.Add(every)) {
		if bad := s.respond(nil, s.latest()); bad != nil {
			return due, moved, bad
		}
	}
	return earlier(due, s.sent.Add(every)), moved, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// keepalive is how long the stream may be silent, below zero for ever.
func (s *stream) keepalive() time.Duration {
	s.p.o.mu.Lock()
	defer s.p.o.mu.Unlock()
	if d := s.p.o.bus.keepalive; d != 0 {
		return d
	}
	return s.p.keepalive
}

// latest is the newest replay id of a topic that is quiet for this stream.
func (s *stream) latest() uint64 {
	o := s.p.o
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bus.settle(o.now())
	return o.bus.last[s.topic]
}

// take takes the events that the credit covers out of the log, and counts them as delivered.
func (s *stream) take() (batch []event, latest uint64, moved <-chan struct{}, due time.Time, bad *rpcError) {
	o := s.p.o
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.settleLocked(now)
	b := o.bus
	due = time.Now().Add(time.Hour)
	for _, tx := range o.open {
		if !tx.due.IsZero() {
			due = earlier(due, time.Now().Add(tx.due.Sub(now)))
		}
	}
	if s.next < b.base {
		return nil, 0, b.moved, due, refuse(grpcInternal, "subscription.internal.error", "The subscription fell behind what is kept.")
	}
	left := b.deliveries.max - b.deliveries.total(now)
	size := 0
	for s.next < b.end() && len(batch) < s.credit && size < maxResponse {
		e := b.log[s.next-b.base]
		if e.mark || b.blind {
			s.next++
			continue
		}
		if left <= len(batch) {
			if len(batch) == 0 {
				bad = refuse(grpcResourceExhausted, codeLimit, messageLimit)
			}
			break
		}
		s.next++
		size += 1024 + 24*len(e.head.ids)
		batch = append(batch, e)
	}
	for range batch {
		b.deliveries.add(now)
	}
	return batch, b.last[s.topic], b.moved, due, bad
}

// deliver sends a response with events.
func (s *stream) deliver(batch []event, latest uint64) *rpcError {
	hidden := s.p.o.faults.hider()
	var b []byte
	for i := range batch {
		e := &batch[i]
		replay := replayBytes(e.replay[s.topic])
		producer := appendText(nil, 1, e.uuid())
		producer = appendText(producer, 2, e.schema.id)
		producer = appendBytes(producer, 3, e.payload(hidden))
		b = appendBytes(b, 1, appendBytes(appendBytes(nil, 1, producer), 2, replay))
	}
	s.credit -= len(batch)
	return s.respond(b, latest)
}

// respond sends a FetchResponse.
func (s *stream) respond(events []byte, latest uint64) *rpcError {
	b := appendBytes(events, 2, replayBytes(latest))
	b = appendText(b, 3, s.id)
	s.sent = time.Now()
	return s.send(appendNumber(b, 4, uint64(s.credit)))
}
