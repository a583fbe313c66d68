package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/store"
)

// What is remembered of the stream.
const (
	statePosition   = "stream_position" // of the last event that was stored, in JSON
	stateEverything = "stream_everyone" // when an event told that only a full sync can find what changed
	stateNames      = "stream_names"    // what profiles and roles were called at the last look, in JSON
)

// position is where the stream goes on. Another org's is no use.
type position struct {
	Org    string `json:"org"`
	Replay []byte `json:"replay"`
}

// fieldActive is the field by which people leave.
const fieldActive = "IsActive"

// sessions is the engine's client, whichever it is by now.
type sessions struct{ e *Engine }

// Session returns the current token.
func (s sessions) Session(ctx context.Context) (crm.Session, error) { return s.e.crm().Session(ctx) }

// Renew asks for another token.
func (s sessions) Renew(ctx context.Context, stale crm.Session) (crm.Session, error) {
	return s.e.crm().Renew(ctx, stale)
}

// follow keeps the stream going, as the configuration in force wants it.
func (e *Engine) follow(ctx context.Context) {
	for ctx.Err() == nil {
		run, restart := context.WithCancel(ctx)
		e.flow.mu.Lock()
		e.flow.restart = restart
		e.flow.mu.Unlock()
		cfg := e.config()
		if why := e.noStream(cfg); why != "" {
			e.streamState(StreamState{Phase: streamOff, Text: why})
			<-run.Done()
		} else {
			e.stream.Follow(run, sessions{e}, follower{e})
		}
		restart()
	}
	e.streamState(StreamState{Phase: streamOff})
}

// noStream says why no stream is followed, or nothing.
func (e *Engine) noStream(cfg *Config) string {
	switch {
	case cfg.Changes == ChangesPoll || cfg.Changes == "":
		return "changes are polled for, as configured"
	case cfg.NoStream != "":
		return cfg.NoStream
	case e.stream == nil:
		return "there is nothing to follow change events with"
	}
	return ""
}

// restartStream has the stream begin anew, with the configuration in force.
func (e *Engine) restartStream() {
	e.flow.mu.Lock()
	restart := e.flow.restart
	e.flow.mu.Unlock()
	restart()
}

// kickStream has a stream that is down be tried again now.
func (e *Engine) kickStream() {
	e.flow.mu.Lock()
	down := e.flow.state.Phase == streamDown
	e.flow.mu.Unlock()
	if down && e.stream != nil {
		e.stream.Kick()
	}
}

func (e *Engine) streamState(s StreamState) {
	was := e.flow.set(s)
	if was.Phase != s.Phase {
		e.watch.StreamState(e.name, s.Phase)
	}
	switch {
	case s.Phase == streamDown:
		e.watch.StreamEnded(e.name, s.Code)
		e.log.Debug("change events stopped", "reason", s.Code, "err", s.Text)
	case s.Phase == streamLive && was.Phase != streamLive:
		e.log.Debug("change events come")
	}
}

// follower takes what the stream brings.
type follower struct{ e *Engine }

// State notes how the stream stands.
func (f follower) State(s StreamState) { f.e.streamState(s) }

// Position returns where to go on.
func (f follower) Position(context.Context) ([]byte, error) {
	var p position
	s := f.e.remembered()
	if json.Unmarshal([]byte(s[statePosition]), &p) != nil || p.Org != s[stateOrgID] {
		return nil, nil
	}
	return p.Replay, nil
}

// Begun decides what must be read because the stream cannot have brought it.
func (f follower) Begun(ctx context.Context, s StreamStart) error {
	e := f.e
	switch {
	case s.Lost:
		e.log.Warn("the position of the change events is not known to Salesforce any more, taking a full snapshot")
		return e.remember(ctx, statePosition, "", stateEverything, stamp(e.now()))
	case s.After == nil:
		e.flow.miss()
	}
	return nil
}

// Take stores whom events named, together with the position after them.
func (f follower) Take(ctx context.Context, b StreamBatch) error {
	e := f.e
	now := time.Now()
	people, everyone := e.concerned(b.Changes, now)
	more := map[string]string{}
	if b.Position != nil {
		more[statePosition] = encode(position{Org: e.get(stateOrgID), Replay: b.Position})
	}
	if everyone {
		more[stateEverything] = stamp(e.now())
	}
	ids := make([]string, 0, len(people))
	for id := range people {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	e.flow.intake.Lock()
	defer e.flow.intake.Unlock()
	err := e.db.Update(ctx, func(tx *store.Tx) error {
		if err := e.journal.PutUnreadTx(ctx, tx, ids, store.Micros(now)); err != nil {
			return err
		}
		return e.journal.SetStateTx(ctx, tx, more)
	})
	if err != nil {
		return err
	}
	e.recall(more)
	if b.Unreadable > 0 || everyone {
		e.flow.puzzle()
	}
	if len(b.Changes) > 0 {
		e.flow.mu.Lock()
		e.flow.event = now
		e.flow.mu.Unlock()
	}
	e.flow.add(people)
	return nil
}

// concerned says who must be read back. An update of what is not read concerns
// nobody.
func (e *Engine) concerned(changes []StreamChange, now time.Time) (people map[string]named, everyone bool) {
	fields, ok := e.flow.known(e.crm(), 365*24*time.Hour)
	var reads map[string]bool
	if ok {
		reads = crm.EventFields(slices.Concat(fields.Select, fields.Missing))
	}
	people = map[string]named{}
	kinds := map[string]int{}
	for i := range changes {
		c := &changes[i]
		kinds[c.Kind]++
		everyone = everyone || c.Everyone
		if reads != nil && len(c.Fields) > 0 && !slices.ContainsFunc(c.Fields, func(f string) bool { return reads[f] }) {
			continue
		}
		urgent := len(c.Fields) == 0 || slices.Contains(c.Fields, fieldActive)
		for _, id := range c.IDs {
			n := named{since: now, committed: c.Committed, urgent: urgent}
			if old, ok := people[id]; ok {
				old.urgent = old.urgent || urgent
				n = old
			}
			people[id] = n
		}
	}
	for kind, n := range kinds {
		e.watch.StreamEvents(e.name, kind, n)
	}
	return people, everyone
}

// streamServed notes what a run has made good that the stream could not bring.
func (e *Engine) streamServed(ctx context.Context, run *running) error {
	e.flow.caughtUp(run.Started)
	since := e.remembered().time(stateEverything)
	if run.Kind != KindFull || since.IsZero() || !run.Started.After(past(since, e.now())) {
		return nil
	}
	return e.remember(ctx, stateEverything, "")
}

// attendStream keeps the item that says what a person must do for change
// events to come.
func (e *Engine) attendStream(ctx context.Context) {
	e.flow.mu.Lock()
	s := e.flow.state
	e.flow.mu.Unlock()
	var err error
	switch {
	case s.Phase == streamDown && s.Person:
		detail := "change events do not come, and changes are found later than they could be: " + s.Text
		if s.Hint != "" {
			detail += " (" + s.Hint + ")"
		}
		_, err = e.journal.OpenAttention(ctx, []store.AttentionRow{{Kind: AttentionStream, Detail: detail, Since: store.Micros(e.now())}})
	case s.Phase == streamLive || s.Phase == streamOff:
		err = e.journal.CloseAttention(ctx, []string{AttentionStream}, []string{""}, "sync", store.Micros(e.now()))
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		e.trouble("journal", fmt.Errorf("note how the stream stands: %w", err))
		e.flow.renew()
	}
}
