package control

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rosterd/rosterd/dialer"
)

// massPoll is how often a mass action is looked at for those who follow it. It
// may run in another instance, so that nobody here is told.
const massPoll = 250 * time.Millisecond

// massItemPage is how many items are read at a time.
const massItemPage = 1000

// MassResultPage is what came of the users of a mass action, in their order.
type MassResultPage struct {
	Results []dialer.MassItem `json:"results" nullable:"false"`
	Next    int64             `json:"next,omitempty" doc:"pass as after for the next page; absent on the last one"`
}

type massResults struct {
	OfMass
	Outcome  string `query:"outcome" enum:"pending,created,changed,unchanged,refused" doc:"only those of this outcome"`
	Expected bool   `query:"expected" doc:"only those whom the dry run foretells to be refused"`
	After    int64  `query:"after" minimum:"0" doc:"only those beyond this seq"`
	Limit    int    `query:"limit" minimum:"1" maximum:"5000" default:"500" doc:"of json; csv holds all of them"`
	Format   string `query:"format" enum:"json,csv" default:"json"`
}

func (s *Server) routeMassResults() {
	handle(s, Viewer, huma.Operation{
		OperationID: "mass-results", Method: http.MethodGet, Path: "/v1/mass-actions/{id}/results", Tags: []string{"mass actions"},
		Summary: "What came of each user", Description: "Before it is started, what is expected of each. A csv that is not whole is cut off without its end.",
		Responses: inBoth[MassResultPage](s, "MassResultPage", "A page of results, or all of them as csv"),
	}, func(ctx context.Context, c call, in *massResults) (*huma.StreamResponse, error) {
		if _, err := c.Directory.MassAction(ctx, in.ID); err != nil {
			return nil, ofMass(in.ID, err)
		}
		q := dialer.MassItemQuery{Outcome: in.Outcome, Expected: in.Expected, After: in.After, Limit: in.Limit}
		if in.Format == "csv" {
			q.Limit = massItemPage
		}
		items, err := c.Directory.MassItems(ctx, in.ID, q)
		if err != nil {
			return nil, ofMass(in.ID, err)
		}
		if in.Format == "csv" {
			return download("mass-action-"+strconv.FormatInt(in.ID, 10)+".csv", func(ctx context.Context, w io.Writer) error {
				return writeMassItems(w, items, func(after int64) ([]dialer.MassItem, error) {
					q.After = after
					return c.Directory.MassItems(ctx, in.ID, q)
				})
			}), nil
		}
		page := MassResultPage{Results: append([]dialer.MassItem{}, items...)}
		if len(items) == in.Limit {
			page.Next = items[len(items)-1].Seq
		}
		return inJSON(page), nil
	})
}

// inJSON answers in JSON where an operation has other forms to answer in too.
func inJSON(v any) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/json")
		_ = json.NewEncoder(hc.BodyWriter()).Encode(v)
	}}
}

// download answers with a file of CSV. When write fails, the answer is cut off,
// so that nobody takes a part for the whole.
func download(name string, write func(ctx context.Context, w io.Writer) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		if write(r.Context(), patient{w, http.NewResponseController(w)}) != nil {
			panic(http.ErrAbortHandler)
		}
	}}
}

// patient is an answer that may take long as a whole, as long as it goes on.
type patient struct {
	io.Writer
	out *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	_ = p.out.SetWriteDeadline(time.Now().Add(requestTime))
	return p.Writer.Write(b)
}

// writeMassItems writes a page of items and those that follow it.
func writeMassItems(w io.Writer, page []dialer.MassItem, next func(after int64) ([]dialer.MassItem, error)) error {
	out := newSheet(w)
	if err := out.row("seq", "line", "user_id", "username", "outcome", "detail", "expected"); err != nil {
		return err
	}
	for {
		for _, i := range page {
			line := ""
			if i.Line > 0 {
				line = strconv.FormatInt(i.Line, 10)
			}
			if err := out.row(strconv.FormatInt(i.Seq, 10), line, i.UserID, i.Username, i.Outcome, i.Detail, i.Expected); err != nil {
				return err
			}
		}
		if len(page) < massItemPage {
			return out.end()
		}
		var err error
		if page, err = next(page[len(page)-1].Seq); err != nil {
			return err
		}
	}
}

func (s *Server) routeMassEvents() {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[dialer.MassAction](), true, "MassAction")
	handle(s, Viewer, huma.Operation{
		OperationID: "mass-events", Method: http.MethodGet, Path: "/v1/mass-actions/{id}/events", Tags: []string{"mass actions"},
		Summary: "Follow a mass action, by server-sent events",
		Description: "Sends an event mass with the mass action whenever it moved, and an event end with it when it was done or canceled. " +
			"An event error holds a problem. A stream that ends without end was cut off: open it again.",
		Responses: map[string]*huma.Response{"200": {
			Description: "Events, whose data is a mass action",
			Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: schema}},
		}},
	}, func(ctx context.Context, c call, in *OfMass) (*huma.StreamResponse, error) {
		if _, err := c.Directory.MassAction(ctx, in.ID); err != nil {
			return nil, ofMass(in.ID, err)
		}
		return s.streaming(eventEvery, func(ctx context.Context, steps chan step) { watchMass(ctx, c.Directory, in.ID, steps) }), nil
	})
}

// watchMass offers a mass action whenever it moved.
func watchMass(ctx context.Context, d MassDirectory, id int64, steps chan step) {
	tick := time.NewTicker(massPoll)
	defer tick.Stop()
	var last dialer.MassAction
	for {
		m, err := d.MassAction(ctx, id)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			offer(steps, broken(ofMass(id, err)))
			return
		case m.State == dialer.MassDone || m.State == dialer.MassCanceled:
			offer(steps, step{name: "end", data: m, last: true})
			return
		case !reflect.DeepEqual(m, last):
			offer(steps, step{name: "mass", data: m})
			last = m
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
