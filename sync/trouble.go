package sync

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// trouble is something that goes wrong, until it goes right.
type trouble struct {
	text   string
	hint   string
	at     time.Time
	person bool // only a person can end it
}

// trouble remembers for status that something went wrong, and logs it when it
// begins or becomes another one. A nil error changes nothing: see over.
func (e *Engine) trouble(what string, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	e.mu.Lock()
	was := e.troubles[what].text
	e.troubles[what] = trouble{err.Error(), hintOf(err), e.now(), onlyPerson(err)}
	e.mu.Unlock()
	if was != err.Error() {
		e.log.Error("trouble", "kind", what, "err", err)
	}
}

// blames reports whether trouble has something new to say of how a run ended.
func (e *Engine) blames(run *running, err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return err != nil && e.troubles[run.does()].text != err.Error()
}

// over forgets a trouble, if there was one.
func (e *Engine) over(what string) {
	e.mu.Lock()
	was, ok := e.troubles[what]
	delete(e.troubles, what)
	e.mu.Unlock()
	if ok {
		e.log.Info("trouble is over", "kind", what, "reason", was.text)
	}
}

// troubled returns the troubles, the newest last.
func (e *Engine) troubledLocked() []trouble {
	return slices.SortedStableFunc(maps.Values(e.troubles), func(a, b trouble) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		if a.text < b.text {
			return -1
		}
		return 1
	})
}

// onlyPerson reports whether time alone mends nothing: some error of the chain
// says that it must not be retried, and knows what to do.
func onlyPerson(err error) bool {
	if errors.Is(err, ErrQuota) {
		return false
	}
	r, ok := errors.AsType[interface {
		error
		Retryable() bool
	}](err)
	if ok {
		return !r.Retryable()
	}
	_, ok = errors.AsType[*hinted](err)
	return ok
}
