package sync

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
