package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/store"
)

// describeEvery is how often the rare look asks which fields may be read.
const describeEvery = time.Hour

// wish is how often to look for changes: rarely while events tell of them.
func (e *Engine) wish() time.Duration {
	cfg := e.config()
	if e.calm(cfg) {
		return max(cfg.Poll, cfg.lookEvery())
	}
	return cfg.Poll
}

// calm reports whether the rare look is enough.
func (e *Engine) calm(cfg *Config) bool {
	if cfg.Changes == ChangesPoll || e.noStream(cfg) != "" {
		return false
	}
	return cfg.Changes == ChangesStream || e.flow.stands()
}

// dueLook is when to look for changes next: at once where something may have
// been missed. Events that do not tell whom they are about can be many: then it
// is as often as without events.
func (e *Engine) dueLook(last time.Time, every, polls time.Duration) time.Time {
	missed, unclear := e.flow.behind()
	switch {
	case missed:
		return last
	case unclear:
		every = min(every, polls)
	}
	return last.Add(every)
}

// look reads in one call what emits no event, and as a guard who changed since
// the look before, and reconciles those. It is not done where one call cannot
// tell all of it.
func (e *Engine) look(ctx context.Context, run *running, crmc *crm.Client) (done bool, err error) {
	mark := e.remembered().watermark()
	if !mark.Until.IsZero() { // within a window that was interrupted
		return false, nil
	}
	r, err := e.quickReader(ctx, run, crmc, describeEvery)
	if err != nil {
		return false, err
	}
	r.dirty = true
	g, err := crmc.Glance(ctx, r.fields.Select, mark)
	if errors.Is(err, crm.ErrField) { // hidden since it was asked: the long way asks again
		return false, nil
	}
	if err != nil || g.Incomplete {
		return false, err
	}
	e.noteClock(crmc)
	e.noteDeliveries(g.Limits)
	if err := r.lookFrozen(ctx, &g); err != nil {
		return false, err
	}
	if err := e.readRenamed(ctx, run, r, crmc, &g); err != nil {
		return false, err
	}
	if err := r.page(ctx, g.Users, false, map[string]string{stateWatermark: encode(g.Mark)}); err != nil {
		return false, err
	}
	if err := r.flips(ctx); err != nil {
		return false, err
	}
	run.wrote = slices.Sorted(slices.Values(r.wrote))
	if err := e.remember(ctx, stateLastPoll, stamp(e.now())); err != nil {
		return false, err
	}
	return true, e.reconcileDirty(ctx, run, r.wrote)
}

// lookFrozen takes from a look who is frozen, as readFrozen reads it.
func (r *reader) lookFrozen(ctx context.Context, g *crm.Glance) error {
	switch {
	case r.e.config().Frozen == FrozenIgnore:
		r.frozen, r.run.frozen = map[string]bool{}, FrozenIgnore
		return nil
	case g.FrozenErr != nil:
		return r.e.attend(ctx, r.run, AttentionFrozen, "", detailFrozen)
	}
	r.frozen, r.run.frozen = map[string]bool{}, FrozenDeactivate
	for _, id := range g.Frozen {
		r.frozen[id] = true
	}
	return r.e.unattend(ctx, AttentionFrozen, "")
}

// readRenamed reads the users whose profile or role is called otherwise than at
// the look before. Before the first one there is only the full sync to go by:
// whatever was changed since it began may have been read by its old name.
func (e *Engine) readRenamed(ctx context.Context, run *running, r *reader, crmc *crm.Client, g *crm.Glance) error {
	was := map[string]string{}
	_ = json.Unmarshal([]byte(e.get(stateNames)), &was) // at first there is nothing
	is := maps.Clone(was)
	full := e.remembered().time(stateLastFull).Add(-maxSkew) // Salesforce's clock may be behind
	changed := func(list []crm.Named) (ids []string) {
		for _, n := range list {
			h := fnv.New64a()
			_, _ = h.Write([]byte(n.Names))
			sum := strconv.FormatUint(h.Sum64(), 36)
			if old, ok := was[n.ID]; ok && old != sum || !ok && n.Modified.After(full) {
				ids = append(ids, n.ID)
			}
			is[n.ID] = sum
		}
		return ids
	}
	profiles, roles := changed(g.Profiles), changed(g.Roles)
	for len(profiles)+len(roles) > 0 {
		p, q := profiles[:min(len(profiles), 100)], roles[:min(len(roles), 100)]
		profiles, roles = profiles[len(p):], roles[len(q):]
		for users, err := range crmc.NamedUsers(ctx, r.fields.Select, p, q) {
			if err != nil {
				return err
			}
			if err := run.wait(ctx); err != nil {
				return err
			}
			if err := r.page(ctx, users, false, nil); err != nil {
				return err
			}
		}
	}
	if maps.Equal(is, was) {
		return nil
	}
	return e.remember(ctx, stateNames, encode(is))
}

// limitDeliveries is Salesforce's name of the allocation of delivered events.
const limitDeliveries = "DailyDeliveredPlatformEvents"

func (e *Engine) noteDeliveries(limits map[string]crm.Limit) {
	l, ok := limits[limitDeliveries]
	if !ok || l.Max <= 0 {
		return
	}
	d := &Deliveries{Used: l.Max - l.Remaining, Max: l.Max, At: e.now()}
	e.flow.mu.Lock()
	e.flow.told = d
	e.flow.mu.Unlock()
	e.watch.Deliveries(e.name, d.Used, d.Max)
}

// tend begins a run for those who wait for their time or turn, which polls did
// as long as they came often. It costs no call.
func (e *Engine) tend(ctx context.Context) error {
	some, err := e.someoneWaits(ctx)
	if err != nil || !some {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == nil && len(e.queue) == 0 {
		run := e.beginLocalLocked(Run{Kind: KindChanges, Trigger: triggerPoll, Actor: syncActor()})
		run.tend = true
	}
	return nil
}

func (e *Engine) someoneWaits(ctx context.Context) (bool, error) {
	for _, kind := range []string{store.PendingDirty, store.PendingEnroll, store.PendingNoSeat} {
		if rows, err := e.journal.Pending(ctx, kind, 1); err != nil || len(rows) > 0 {
			return len(rows) > 0, err
		}
	}
	if due, err := e.journal.RetryDue(ctx, store.Micros(e.now())); err != nil || due {
		return due, err
	}
	edited, err := e.mirror.Edited(ctx)
	return len(edited) > 0, err
}

// streamReasons says what is wrong with change events: that they do not come
// where the configuration has nothing stand in for them, and that the org will
// soon have no more of them.
func (e *Engine) streamReasons() (why []string) {
	f := &e.flow
	wanted := e.config().Changes
	f.mu.Lock()
	defer f.mu.Unlock()
	if wanted == ChangesStream && f.state.Text != "" && f.state.Phase != streamLive && time.Since(f.stood) >= time.Minute {
		text := "change events do not come, and changes are looked for rarely: " + f.state.Text
		if f.state.Hint != "" {
			text += " (" + f.state.Hint + ")"
		}
		why = append(why, text)
	}
	if d := f.told; d != nil && f.state.Phase != streamOff && d.Used*10 >= d.Max*9 {
		why = append(why, fmt.Sprintf("%d of the %d events that Salesforce delivers in 24 hours to all who follow the org's events are used; beyond them changes are polled for", d.Used, d.Max))
	}
	return why
}

// changesStatus says how changes are found.
func (e *Engine) changesStatus(leads bool) ChangesStatus {
	cfg := e.config()
	wanted := cfg.Changes
	if wanted == "" {
		wanted = ChangesPoll
	}
	if !leads {
		return ChangesStatus{Mode: "poll", Wanted: wanted, State: streamOff, Reason: "another instance is in charge"}
	}
	f := &e.flow
	f.mu.Lock()
	defer f.mu.Unlock()
	s := ChangesStatus{
		Mode: "poll", Wanted: wanted, State: f.state.Phase, Since: f.since, Code: f.state.Code, Reason: f.state.Text, Hint: f.state.Hint,
		Retry: f.state.Retry, LastEvent: f.event, Waiting: len(f.waiting), Deliveries: f.told,
	}
	if s.State == streamLive {
		s.Mode = "stream"
	}
	return s
}
