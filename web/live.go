package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/sync"
)

const (
	streamMost  = 10 * time.Minute // then the page asks again, and its login is looked at anew
	streamBeat  = 15 * time.Second
	streamWrite = 10 * time.Second
	healthEvery = 5 * time.Second
)

// stream sends parts of a page to it. It ends when the reader leaves, the
// console closes, or after a while.
type stream struct {
	v    *visit
	out  *http.ResponseController
	over <-chan time.Time
	beat *time.Ticker
}

func (v *visit) stream() *stream {
	s := &stream{v: v, out: http.NewResponseController(v.w), over: time.After(streamMost), beat: time.NewTicker(streamBeat)}
	_ = s.out.SetReadDeadline(time.Time{}) // the server's limits are for requests that end
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no")
	return s
}

// context ends with the request, or when the console closes.
func (s *stream) context() context.Context {
	ctx, cancel := context.WithTimeout(s.v.r.Context(), streamMost)
	go func() {
		select {
		case <-s.v.c.closing:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx
}

func (s *stream) write(text string) error {
	_ = s.out.SetWriteDeadline(time.Now().Add(streamWrite))
	if _, err := s.v.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.out.Flush()
}

// send sends an event whose data is HTML.
func (s *stream) send(event, html string) error { return s.mark("", event, html) }

// mark sends an event after which a page that comes back goes on.
func (s *stream) mark(id, event, html string) error {
	var b strings.Builder
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	fmt.Fprintf(&b, "event: %s\n", event)
	for line := range strings.Lines(html) {
		b.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	b.WriteByte('\n')
	return s.write(b.String())
}

// wait waits for tick. It reports false when the stream shall end.
func (s *stream) wait(tick <-chan time.Time) bool {
	for {
		select {
		case <-tick:
			return true
		case <-s.beat.C:
			if s.write(": still here\n\n") != nil {
				return false
			}
		case <-s.over:
			return false
		case <-s.v.c.closing:
			return false
		case <-s.v.r.Context().Done():
			return false
		}
	}
}

// runLive follows a run.
func (v *visit) runLive() error {
	id, err := v.runID()
	if err != nil {
		return err
	}
	if _, err := v.api.Run(v.r.Context(), id); err != nil {
		return err
	}
	s := v.stream()
	defer s.beat.Stop()
	for r, err := range v.api.Follow(s.context(), id) {
		if _, refused := errors.AsType[*control.Problem](err); refused {
			s.ended("gone", "")
			return nil
		}
		if err != nil {
			return nil // the page asks again
		}
		html, err := v.fragment("run", "progress", pageOf(r))
		if err != nil {
			s.ended("gone", "")
			return nil
		}
		if r.Outcome != sync.Running {
			s.ended("end", html)
			return nil
		}
		if s.send("part", html) != nil {
			return nil
		}
	}
	return nil
}

// ended sends the last event. That the reader is gone is no error.
func (s *stream) ended(event, html string) { _ = s.send(event, html+" ") }

// activityLive sends what happens while the page is open.
func (v *visit) activityLive() error {
	s := v.stream()
	defer s.beat.Stop()
	f := control.ActivityFilter{User: v.query("user"), Verb: v.query("verb"), Text: v.query("text")}
	if s.write(": watching\n\n") != nil {
		return nil
	}
	after, shown := number64(v.query("after")), strings.Split(v.query("shown"), ",")
	if last := number64(v.r.Header.Get("Last-Event-ID")); last != 0 {
		after = last
	}
	for a, err := range v.api.Tail(s.context(), f, after) {
		if err != nil {
			return nil // the page asks again
		}
		id := strconv.FormatInt(a.Seq, 10)
		if slices.Contains(shown, id) {
			continue
		}
		lines := entries([]control.Activity{a}, true)
		v.names(v.r.Context(), lines)
		html, err := v.fragment("activity", "rows", lines)
		if err != nil || s.mark(id, "rows", html) != nil {
			return nil
		}
	}
	return nil
}

// healthLive sends the health page's parts as they change.
func (v *visit) healthLive() error {
	s := v.stream()
	defer s.beat.Stop()
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for first := true; first || s.wait(tick.C); first = false {
		p, err := v.healthNow()
		if err != nil {
			return nil
		}
		html, err := v.fragment("health", "now", p)
		if err != nil || s.send("part", html) != nil {
			return nil
		}
	}
	return nil
}
