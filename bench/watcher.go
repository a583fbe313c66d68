package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	watchEvery = 5 * time.Millisecond
	watchBack  = 64 // entries that may be committed after later ones
	markText   = "Bench change "
)

// mark is the title of a change, by which it is told from all others.
func mark(n int) string { return fmt.Sprintf("%s%06d", markText, n) }

// watcher looks into the database of a daemon from outside, and notes when it
// first sees each change committed: users and log entries are written in one
// transaction.
type watcher struct {
	t    *tables
	end  context.CancelFunc
	done chan struct{}

	mu    sync.Mutex // guards what follows
	seen  map[string]time.Time
	times map[string]int // how often each was written
	err   error
}

func watch(ctx context.Context, url string) (*watcher, error) {
	t, err := openTables(ctx, url)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	w := &watcher{t: t, end: end, done: make(chan struct{}), seen: map[string]time.Time{}, times: map[string]int{}}
	entries, err := w.t.marks(ctx, 0)
	last := int64(0)
	for _, e := range entries {
		last = max(last, e.seq)
	}
	if err != nil {
		end()
		t.close()
		return nil, fmt.Errorf("watch the directory: %w", err)
	}
	go w.run(ctx, last)
	return w, nil
}

func (w *watcher) run(ctx context.Context, last int64) {
	defer close(w.done)
	known := map[int64]bool{}
	first := last
	for pause(ctx, watchEvery) {
		entries, err := w.t.marks(ctx, max(last-watchBack, first))
		now := time.Now()
		w.mu.Lock()
		if err != nil && ctx.Err() == nil {
			w.err = err
		}
		for _, e := range entries {
			if known[e.seq] {
				continue
			}
			known[e.seq] = true
			last = max(last, e.seq)
			if w.times[e.mark]++; w.times[e.mark] == 1 {
				w.seen[e.mark] = now
			}
		}
		w.mu.Unlock()
	}
}

// when returns when a change was seen in the directory.
func (w *watcher) when(mark string) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.seen[mark]
	return at, ok
}

// await waits until changes are in the directory.
func (w *watcher) await(ctx context.Context, marks []string, limit time.Duration) error {
	until := time.Now().Add(limit)
	for _, m := range marks {
		for {
			if _, ok := w.when(m); ok {
				break
			}
			if time.Now().After(until) || !pause(ctx, watchEvery) {
				w.mu.Lock()
				defer w.mu.Unlock()
				return errors.Join(fmt.Errorf("%q is not in the directory after %s", m, limit), w.err)
			}
		}
	}
	return nil
}

// repeated lists what was written more than once.
func (w *watcher) repeated(marks []string) (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range marks {
		if w.times[m] > 1 {
			list = append(list, m)
		}
	}
	return list
}

func (w *watcher) stop() {
	w.end()
	<-w.done
	w.t.close()
}

// marked is a log entry of a change.
type marked struct {
	seq  int64
	mark string
}

// marks reads the log entries after seq.
func (t *tables) marks(ctx context.Context, seq int64) (list []marked, err error) {
	var rows interface {
		Next() bool
		Scan(into ...any) error
		Err() error
	}
	const read = "SELECT seq, after FROM activity WHERE seq > $1 ORDER BY seq"
	if t.pg != nil {
		of, err := t.pg.Query(ctx, read, seq)
		if err != nil {
			return nil, err
		}
		defer of.Close()
		rows = of
	} else {
		of, err := t.db.QueryContext(ctx, read, seq)
		if err != nil {
			return nil, err
		}
		defer func() { _ = of.Close() }()
		rows = of
	}
	for rows.Next() {
		var m marked
		var after string
		if err := rows.Scan(&m.seq, &after); err != nil {
			return list, err
		}
		if _, rest, ok := strings.Cut(after, markText); ok {
			n, _, _ := strings.Cut(rest, `"`)
			m.mark = markText + n
		}
		list = append(list, m)
	}
	return list, rows.Err()
}
