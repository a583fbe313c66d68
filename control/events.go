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
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			s.stream(r.Context(), w, c.Engine, in.ID)
		}}, nil
	})
}

// step is one thing that Watch yielded.
type step struct {
	run sync.Run
	err error
}

// stream sends a run's progress until it ends, the client leaves or the server
// stops. A client that is slower than the run misses steps, never the last one.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, e Engine, id int64) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // the server's limits are for requests that end
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")

	steps := make(chan step, 1)
	go watch(ctx, e, id, steps)
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
			if !ok || !send(st.event()) || st.last() {
				return
			}
			select { // what comes meanwhile replaces what waits
			case <-time.After(eventEvery):
			case <-ctx.Done():
			}
		}
	}
}

// watch keeps the newest step in the channel, and closes it after the last.
func watch(ctx context.Context, e Engine, id int64, steps chan step) {
	defer close(steps)
	for run, err := range e.Watch(ctx, id) {
		select {
		case <-steps:
		default:
		}
		steps <- step{run, err} // never blocks: this is the only sender and there is room
		if ctx.Err() != nil {
			return
		}
	}
}

func (st step) last() bool { return st.err != nil || st.run.Outcome != sync.Running }

func (st step) event() string {
	name, data := "run", any(st.run)
	switch {
	case st.err != nil:
		name, data = "error", problemOf(st.err)
	case st.last():
		name = "end"
	}
	text, err := json.Marshal(data)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("event: %s\ndata: %s\n\n", name, text)
}
