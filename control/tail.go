package control

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

const (
	tailEvery = 500 * time.Millisecond // how often the activity log is looked at
	tailPage  = 500
)

func (s *Server) routeTail() {
	entry := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[dialer.Activity](), true, "Activity")
	handle(s, Viewer, huma.Operation{
		OperationID: "tail-activity", Method: http.MethodGet, Path: "/v1/activity:tail", Tags: []string{"activity"},
		Summary: "Follow the activity log, by server-sent events",
		Description: "Sends an event activity with each new entry, in the order of their seq, which is its id: a client that comes back says the last one in " +
			"Last-Event-ID and misses none. The first event, watching, has the seq from which on it watches. An event error holds a problem.",
		Responses: map[string]*huma.Response{"200": {
			Description: "Events, whose data is an entry",
			Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: entry}},
		}},
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		User  string `query:"user" maxLength:"320" doc:"only about this user"`
		After int64  `query:"after" minimum:"-1" default:"-1" doc:"also what came after this seq, 0 all there is; left out, only what comes from now on"`
		Last  int64  `header:"Last-Event-ID" minimum:"0" doc:"as after, which it beats"`
		LogFilter
	},
	) (*huma.StreamResponse, error) {
		q := dialer.ActivityQuery{After: in.After, Limit: tailPage}
		in.apply(&q)
		if in.Last > 0 {
			q.After = in.Last
		}
		if in.User != "" {
			u, err := c.Directory.User(ctx, in.User)
			if err != nil {
				return nil, err
			}
			q.UserID = u.ID
		}
		from, next, err := c.Directory.Follow(ctx, q)
		if err != nil {
			return nil, err
		}
		return s.streaming(0, func(ctx context.Context, steps chan step) { tail(ctx, from, next, steps) }), nil
	})
}

// watching is the data of the first event.
type watching struct {
	Seq int64 `json:"seq"`
}

// tail sends each entry that next returns.
func tail(ctx context.Context, from int64, next func(ctx context.Context) ([]dialer.Activity, error), steps chan step) {
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	put(ctx, steps, step{name: "watching", id: strconv.FormatInt(from, 10), data: watching{from}})
	for {
		list, err := next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			put(ctx, steps, broken(err))
			return
		}
		for _, a := range list {
			if !put(ctx, steps, step{name: "activity", id: strconv.FormatInt(a.Seq, 10), data: a}) {
				return
			}
		}
		if len(list) > 0 {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// put sends a step in its turn, unless nobody listens any more.
func put(ctx context.Context, steps chan step, st step) bool {
	select {
	case steps <- st:
		return true
	case <-ctx.Done():
		return false
	}
}
