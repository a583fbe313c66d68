package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// The words of the answers have names here, so that a program that calls the
// API needs no other package for them.
type (
	// OrgStatus is how one org stands.
	OrgStatus = sync.Status
	// ChangesStatus is how changes are found between full syncs.
	ChangesStatus = sync.ChangesStatus
	// Run is one pass.
	Run = sync.Run
	// Kind is what a run reads.
	Kind = sync.Kind
	// RunOutcome is how a run ended.
	RunOutcome = sync.RunOutcome
	// Cost is what a run would cost.
	Cost = sync.Cost
	// Explanation says why a person is in the state that they are in.
	Explanation = sync.Explanation
	// ScopeVerdict is what the scope says of a Salesforce user.
	ScopeVerdict = sync.ScopeVerdict
	// MappedField is what a rule gives for an attribute.
	MappedField = sync.MappedField
	// FieldDiff is an attribute that differs from what it shall be.
	FieldDiff = sync.FieldDiff
	// AttentionItem is something only a person can decide.
	AttentionItem = sync.AttentionItem
	// QuotaStatus is how the API quota stands.
	QuotaStatus = sync.QuotaStatus
	// QuotaWork is how one kind of work stands in it.
	QuotaWork = sync.QuotaWork
	// QuotaForecast is what comes if calls are spent on as lately.
	QuotaForecast = sync.QuotaForecast
	// QuotaHour is the calls of an hour.
	QuotaHour = sync.QuotaHour
	// AddResult is how adding one person ended.
	AddResult = sync.AddResult
	// License is a license type with its seats.
	License = dialer.License
	// Activity is one entry of the activity log.
	Activity = dialer.Activity
	// Actor is who did something.
	Actor = dialer.Actor
)

// Sync asks for a run.
func (c *Client) Sync(ctx context.Context, r SyncRequest) (Started, error) {
	return post[Started](ctx, c, "/v1/sync", r)
}

// Preflight says what a run would cost.
func (c *Client) Preflight(ctx context.Context, k Kind) (Cost, error) {
	return post[Cost](ctx, c, "/v1/sync:preflight", SyncRequest{Kind: k})
}

// Runs returns a page of runs older than before, newest first.
func (c *Client) Runs(ctx context.Context, before int64, limit int) (RunPage, error) {
	return get[RunPage](ctx, c, "/v1/runs", older(before, limit))
}

// older asks for a page of what is older than before, unless that is 0.
func older(before int64, limit int) url.Values {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if before != 0 {
		q.Set("before", strconv.FormatInt(before, 10))
	}
	return q
}

func runPath(id int64, rest string) string { return fmt.Sprintf("/v1/runs/%d%s", id, rest) }

// Run returns one run.
func (c *Client) Run(ctx context.Context, id int64) (Run, error) {
	return get[Run](ctx, c, runPath(id, ""), nil)
}

// RunChanges returns what a run changed, newest first.
func (c *Client) RunChanges(ctx context.Context, id int64, q ActivityFilter) (ActivityPage, error) {
	return get[ActivityPage](ctx, c, runPath(id, "/changes"), q.values())
}

// PauseRun halts a run.
func (c *Client) PauseRun(ctx context.Context, id int64) (Run, error) {
	return post[Run](ctx, c, runPath(id, ":pause"), nil)
}

// ResumeRun lets a halted run go on.
func (c *Client) ResumeRun(ctx context.Context, id int64) (Run, error) {
	return post[Run](ctx, c, runPath(id, ":resume"), nil)
}

// CancelRun ends a run.
func (c *Client) CancelRun(ctx context.Context, id int64) (Run, error) {
	return post[Run](ctx, c, runPath(id, ":cancel"), nil)
}

// ApproveRun approves what a run holds, and returns the run that applies it.
func (c *Client) ApproveRun(ctx context.Context, id int64, reason string) (Run, error) {
	return post[Run](ctx, c, runPath(id, ":approve"), Why{reason})
}

// reopenTries is how often Watch opens a stream again before it gives up: with
// a second between, a daemon has half a minute to restart.
const reopenTries = 30

// Watch yields a run whenever it moved, and last how it ended. A stream that
// is cut off, because the daemon restarts for example, is opened again.
func (c *Client) Watch(ctx context.Context, id int64) iter.Seq2[Run, error] {
	return rewatch(ctx, func(yield func(Run, error) bool) (bool, bool, error) { return c.follow(ctx, id, yield) })
}

// rewatch yields what once does, again and again until it is done.
func rewatch[T any](ctx context.Context, once func(yield func(T, error) bool) (done, seen bool, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for tries := 0; ; tries++ {
			done, seen, err := once(yield)
			if done {
				return
			}
			if seen {
				tries = 0
			}
			if _, refused := errors.AsType[*Problem](err); refused || ctx.Err() != nil || tries >= reopenTries {
				var none T
				yield(none, err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// follow reads one stream of a run's events.
func (c *Client) follow(ctx context.Context, id int64, yield func(Run, error) bool) (done, seen bool, err error) {
	return followEvents(ctx, c, runPath(id, "/events"), nil, yield)
}

// followEvents reads one stream of events. It is done when an event end came or
// nobody listens any more, and has seen something when at least one event came.
func followEvents[T any](ctx context.Context, c *Client, path string, q url.Values, yield func(T, error) bool) (done, seen bool, err error) {
	resp, err := c.send(ctx, request{method: http.MethodGet, path: path, query: q, header: http.Header{"Accept": {"text/event-stream"}}})
	if err != nil {
		return false, false, err
	}
	defer resp.Body.Close()
	for name, data := range events(resp.Body) {
		if name == "error" {
			var p Problem
			if err := json.Unmarshal(data, &p); err != nil {
				return false, seen, fmt.Errorf("read the events of %s: %w", path, err)
			}
			return false, seen, &p
		}
		var one T
		if err := json.Unmarshal(data, &one); err != nil {
			return false, seen, fmt.Errorf("read the events of %s: %w", path, err)
		}
		seen = true
		if !yield(one, nil) || name == "end" {
			return true, true, nil
		}
	}
	if ctx.Err() != nil {
		return false, seen, ctx.Err()
	}
	return false, seen, &ConnectError{c.where, io.ErrUnexpectedEOF}
}

// events reads server-sent events until the stream ends.
func events(r io.Reader) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		lines := bufio.NewReader(r)
		name, data := "", ""
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return // an event that is cut off is none
			}
			line = strings.TrimRight(line, "\r\n")
			key, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case line == "":
				if data != "" && !yield(name, []byte(data)) {
					return
				}
				name, data = "", ""
			case key == "event":
				name = value
			case key == "data":
				data += value
			}
		}
	}
}
