package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rosterd/rosterd/sync"
)

const (
	eventEvery = 100 * time.Millisecond // at most; what lies between is left out
	eventBeat  = 15 * time.Second       // so that proxies and clients see that the stream lives
	eventWrite = 10 * time.Second       // for a client to take one event
)

func (s *Server) routeEvents() {
	run := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[sync.Run](), true, "Run")
	handle(s, Viewer, huma.Operation{
		OperationID: "run-events", Method: http.MethodGet, Path: "/v1/runs/{id}/events", Tags: []string{"runs"},
		Summary: "Follow a run, by server-sent events",
		Description: "Sends an event run with the run whenever it moved, and an event end with the run when it ended. " +
			"An event error holds a problem. A stream that ends without end was cut off: open it again.",
		Responses: map[string]*huma.Response{"200": {
			Description: "Events, whose data is a run",
			Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: run}},
		}},
	}, func(ctx context.Context, c call, in *OfRun) (*huma.StreamResponse, error) {
		if _, err := c.Engine.RunByID(ctx, in.ID); err != nil {
			return nil, ofRun(in.ID, err)
		}
		return s.streaming(eventEvery, func(ctx context.Context, steps chan step) { watch(ctx, c.Engine, in.ID, steps) }), nil
	})
}

// step is one event of a stream.
type step struct {
	name string // of the event
	id   string // where the client would go on; "" for none
	data any
	last bool
}

func (st *step) event() string {
	text, err := json.Marshal(st.data)
	if err != nil {
		return ""
	}
	id := ""
	if st.id != "" {
		id = "id: " + st.id + "\n"
	}
	return fmt.Sprintf("%sevent: %s\ndata: %s\n\n", id, st.name, text)
}

// broken is the step that ends a stream with an error.
func broken(err error) step { return step{name: "error", data: problemOf(err), last: true} }

// streaming answers with a stream of the steps that follow puts into the
// channel, which it closes when there are no more. At least every lies between
// two events.
func (s *Server) streaming(every time.Duration, follow func(ctx context.Context, steps chan step)) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		steps := make(chan step, 1)
		go func() {
			defer close(steps)
			follow(ctx, steps)
		}()
		s.stream(ctx, w, every, steps)
	}}
}

// stream sends steps until the last one, the client leaves or the server stops.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, every time.Duration, steps <-chan step) {
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // the server's limits are for requests that end
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	send := func(text string) bool {
		_ = out.SetWriteDeadline(time.Now().Add(eventWrite))
		_, err := w.Write([]byte(text))
		return err == nil && out.Flush() == nil
	}
	beat := time.NewTicker(eventBeat)
	defer beat.Stop()
	if !send(": watching\n\n") {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.closing:
			return
		case <-beat.C:
			if !send(": still here\n\n") {
				return
			}
		case st, ok := <-steps:
			if !ok || !send(st.event()) || st.last {
				return
			}
			if every > 0 {
				select { // what comes meanwhile replaces what waits
				case <-time.After(every):
				case <-ctx.Done():
				}
			}
		}
	}
}

// offer puts a step into the channel in place of one that waits there. It never
// blocks: who offers is the only sender, and there is room for one.
func offer(steps chan step, st step) {
	select {
	case <-steps:
	default:
	}
	steps <- st
}

// watch offers each step of a run: a client that is slower than the run misses
// some, never the last.
func watch(ctx context.Context, e Engine, id int64, steps chan step) {
	for run, err := range e.Watch(ctx, id) {
		st := step{name: "run", data: run}
		switch {
		case err != nil:
			st = broken(err)
		case run.Outcome != sync.Running:
			st.name, st.last = "end", true
		}
		offer(steps, st)
		if ctx.Err() != nil {
			return
		}
	}
}
