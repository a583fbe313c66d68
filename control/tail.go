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
	// tailWait is how long an entry may take to be committed after one of a
	// higher number was: two programs that write at the same time commit in
	// either order.
	tailWait = 10 * time.Second
)

func (s *Server) routeTail() {
	entry := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[dialer.Activity](), true, "Activity")
	handle(s, Viewer, huma.Operation{
		OperationID: "tail-activity", Method: http.MethodGet, Path: "/v1/activity:tail", Tags: []string{"activity"},
		Summary: "Follow the activity log, by server-sent events",
		Description: "Sends an event activity with each new entry, whose id is its seq: a client that comes back says the last one in " +
			"Last-Event-ID and misses none. An event error holds a problem.",
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
		if q.After < 0 {
			last, err := c.Directory.Activity(ctx, dialer.ActivityQuery{Newest: true, Limit: 1})
			if err != nil {
				return nil, err
			}
			if q.After = 0; len(last) > 0 {
				q.After = last[0].Seq
			}
		}
		sent, err := lately(ctx, c.Directory, &q)
		if err != nil {
			return nil, err
		}
		return s.streaming(0, func(ctx context.Context, steps chan step) { tail(ctx, c.Directory, q, sent, steps) }), nil
	})
}

// tailBack is how many entries before the first that is sent are watched for
// others that are committed late, between them.
const tailBack = 200

// lately moves q back a little, and returns what is there already from there on
// and counts as sent.
func lately(ctx context.Context, d Directory, q *dialer.ActivityQuery) (map[int64]time.Time, error) {
	sent, until := map[int64]time.Time{}, q.After
	q.After = max(until-tailBack, 0)
	back := *q
	for back.After < until {
		list, err := d.Activity(ctx, back)
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			if a.Seq <= until {
				sent[a.Seq] = time.Now()
			}
		}
		if len(list) < back.Limit {
			break
		}
		back.After = list[len(list)-1].Seq
	}
	return sent, nil
}

// tail sends each entry once, also one that is committed after others of higher
// numbers were: what is young is read again, and what was sent is remembered,
// with when, of those beyond q.After.
func tail(ctx context.Context, d Directory, q dialer.ActivityQuery, sent map[int64]time.Time, steps chan step) {
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		more, err := tailPages(ctx, d, q, sent, steps)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			put(ctx, steps, broken(err))
			return
		}
		for seq, at := range sent {
			if time.Since(at) > tailWait {
				q.After = max(q.After, seq)
			}
		}
		for seq := range sent {
			if seq <= q.After {
				delete(sent, seq)
			}
		}
		if more {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tailPages sends what was not sent yet, and reports whether anything was.
func tailPages(ctx context.Context, d Directory, q dialer.ActivityQuery, sent map[int64]time.Time, steps chan step) (more bool, err error) {
	for {
		list, err := d.Activity(ctx, q)
		if err != nil {
			return more, err
		}
		for _, a := range list {
			if _, was := sent[a.Seq]; was {
				continue
			}
			if !put(ctx, steps, step{name: "activity", id: strconv.FormatInt(a.Seq, 10), data: a}) {
				return false, ctx.Err()
			}
			sent[a.Seq], more = time.Now(), true
		}
		if len(list) < q.Limit {
			return more, nil
		}
		q.After = list[len(list)-1].Seq
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
