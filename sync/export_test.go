package sync

import (
	"context"
	"time"
)

// Idle makes the run that works one that has not come on for so long.
func (e *Engine) Idle(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.current.mu.Lock()
	defer e.current.mu.Unlock()
	e.current.moved = time.Now().Add(-d)
}

// Poll looks for changes as the loop does by itself, and returns how it ended:
// nobody asked for it, so nothing is forced.
func (e *Engine) Poll() Run {
	e.mu.Lock()
	run, _ := e.beginLocked(Run{Kind: KindChanges, Trigger: triggerPoll, Actor: syncActor()})
	e.mu.Unlock()
	<-run.ended
	v, _ := run.view()
	return v
}

// ReadBack reads back people as if events had named them.
func (e *Engine) ReadBack(ctx context.Context, ids ...string) error {
	people := map[string]named{}
	for _, id := range ids {
		people[id] = named{since: time.Now()}
	}
	return e.readBack(ctx, people)
}
