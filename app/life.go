package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// life owns the daemon's goroutines and what must be closed after them. What
// was added last ends first.
type life struct {
	group *errgroup.Group
	ended context.Context // done when a part failed

	mu      sync.Mutex // guards what follows
	parts   []part
	stopped bool
	result  error
}

type part struct {
	name string
	stop func(context.Context) error
}

func newLife() *life {
	group, ctx := errgroup.WithContext(context.Background())
	return &life{group: group, ended: ctx}
}

// failed is closed when a part has ended with an error.
func (l *life) failed() <-chan struct{} { return l.ended.Done() }

// onStop adds something to close.
func (l *life) onStop(name string, stop func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts = append(l.parts, part{name, stop})
}

// run starts fn. Stopping cancels its context and waits until it returns.
func (l *life) run(name string, fn func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	l.onStop(name, func(limit context.Context) error {
		cancel()
		select {
		case <-done:
			return nil // its error is the group's
		case <-limit.Done():
			return fmt.Errorf("%s: did not stop in time", name)
		}
	})
	l.group.Go(func() error {
		defer close(done)
		if err := fn(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}

// stop ends all parts, the last added first, and returns what went wrong with
// any of them. Calling it again returns the same.
func (l *life) stop(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return l.result
	}
	l.stopped = true
	var errs []error
	late := false
	for _, p := range slices.Backward(l.parts) {
		if err := p.stop(ctx); err != nil {
			errs = append(errs, err)
			late = late || ctx.Err() != nil
		}
	}
	if !late { // else the group may never end
		errs = append(errs, l.group.Wait())
	}
	l.result = errors.Join(errs...)
	return l.result
}
