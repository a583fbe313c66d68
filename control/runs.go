package control

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// SyncRequest asks for a run.
type SyncRequest struct {
	Kind     sync.Kind `json:"kind,omitempty" enum:"full,changes,user" default:"changes" doc:"what to read from Salesforce"`
	Users    []string  `json:"users,omitempty" maxItems:"2000" nullable:"false" doc:"for kind user: Salesforce id, dialer id, user name or e-mail address"`
	DryRun   bool      `json:"dry_run,omitempty" doc:"only say what would be done"`
	Override bool      `json:"override,omitempty" doc:"cross the quota budget if need be; needs a reason and the role admin"`
	Reason   string    `json:"reason,omitempty" maxLength:"500" doc:"why, for the journal"`
}

// Started is a run that was asked for.
type Started struct {
	Run    sync.Run `json:"run"`
	Joined bool     `json:"joined" doc:"the run was there already"`
}

// RunPage is a page of runs, newest first.
type RunPage struct {
	Runs []sync.Run `json:"runs" nullable:"false"`
	Next int64      `json:"next,omitempty" doc:"pass as before for the next page; absent on the last one"`
}

// OfRun is embedded in the input of operations on one run.
type OfRun struct {
	InOrg
	ID int64 `path:"id" doc:"id of the run"`
}

func (s *Server) routeRuns() {
	handle(s, Support, huma.Operation{
		OperationID: "sync", Method: http.MethodPost, Path: "/v1/sync", Tags: []string{"runs"}, DefaultStatus: http.StatusAccepted,
		Summary: "Ask for a run", Description: "Joins a run under way that does what is asked. The role support must give a reason " +
			"unless it asks for single users or a dry run.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body SyncRequest
	},
	) (*answer[Started], error) {
		return c.start(ctx, in.Body)
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "preflight", Method: http.MethodPost, Path: "/v1/sync:preflight", Tags: []string{"runs"},
		Summary: "What a run would cost, without starting it",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body struct {
			Kind sync.Kind `json:"kind,omitempty" enum:"full,changes,user" default:"changes"`
		}
	},
	) (*answer[sync.Cost], error) {
		cost, err := c.Engine.Preview(ctx, in.Body.Kind)
		return &answer[sync.Cost]{cost}, err
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "runs", Method: http.MethodGet, Path: "/v1/runs", Tags: []string{"runs"}, Summary: "The runs, newest first",
	}, listRuns)
	handle(s, Viewer, huma.Operation{
		OperationID: "run", Method: http.MethodGet, Path: "/v1/runs/{id}", Tags: []string{"runs"}, Summary: "One run",
	}, func(ctx context.Context, c call, in *OfRun) (*answer[sync.Run], error) {
		run, err := c.Engine.RunByID(ctx, in.ID)
		return &answer[sync.Run]{run}, ofRun(in.ID, err)
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "run-changes", Method: http.MethodGet, Path: "/v1/runs/{id}/changes", Tags: []string{"runs"},
		Summary: "What a run changed, newest first",
	}, runChanges)
	s.routeEvents()
	s.routeRunActions()
}

func (s *Server) routeRunActions() {
	type act func(Engine, context.Context, int64, dialer.Actor) error
	for _, a := range []struct {
		name, summary string
		act           act
	}{
		{"pause", "Halt a run until it is resumed", Engine.PauseRun},
		{"resume", "Let a halted run go on", Engine.ResumeRun},
		{"cancel", "End a run; what it did stays done", Engine.Cancel},
	} {
		handle(s, Support, huma.Operation{
			OperationID: a.name + "-run", Method: http.MethodPost, Path: "/v1/runs/{id}:" + a.name, Tags: []string{"runs"}, Summary: a.summary,
		}, func(ctx context.Context, c call, in *OfRun) (*answer[sync.Run], error) {
			if err := a.act(c.Engine, ctx, in.ID, c.Actor()); err != nil {
				return nil, ofRun(in.ID, err)
			}
			run, err := c.Engine.RunByID(ctx, in.ID)
			return &answer[sync.Run]{run}, ofRun(in.ID, err)
		})
	}
	handle(s, Admin, huma.Operation{
		OperationID: "approve-run", Method: http.MethodPost, Path: "/v1/runs/{id}:approve", Tags: []string{"runs"}, DefaultStatus: http.StatusAccepted,
		Summary: "Approve what a run holds", Description: "Starts a run that applies it, which is the answer.",
	}, func(ctx context.Context, c call, in *struct {
		OfRun
		Body *Why
	},
	) (*answer[sync.Run], error) {
		run, err := c.Engine.Approve(ctx, in.ID, c.Actor(), in.Body.reason())
		return &answer[sync.Run]{run}, ofRun(in.ID, err)
	})
}

// ofRun says which run an error is about.
func ofRun(id int64, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("run %d: %w", id, err)
}

// start checks what the schema cannot say, and asks for the run.
func (c call) start(ctx context.Context, r SyncRequest) (*answer[Started], error) {
	switch {
	case r.Kind == sync.KindUser && len(r.Users) == 0:
		return nil, invalid("a run of kind user needs users", "name them by Salesforce id, dialer id, user name or e-mail address")
	case r.Kind != sync.KindUser && len(r.Users) > 0:
		return nil, invalid("users go with kind user only", "")
	case r.Override && r.Reason == "":
		return nil, invalid("an override needs a reason", "say why the quota budget may be crossed; it is kept in the journal")
	case r.Override && !c.Role.May(Admin):
		return nil, forbidden(c.Caller, Admin)
	case c.Role == Support && r.Reason == "" && !r.DryRun && r.Kind != sync.KindUser:
		return nil, invalid("the role support must give a reason for this", "name the ticket, for example; it is kept in the journal")
	}
	run, joined, err := c.Engine.Request(ctx, sync.Request{
		Kind: r.Kind, Users: r.Users, DryRun: r.DryRun, Override: r.Override, Reason: r.Reason, Actor: c.Actor(),
	})
	return &answer[Started]{Started{run, joined}}, err
}

func listRuns(ctx context.Context, c call, in *struct {
	InOrg
	Before int64 `query:"before" doc:"only runs older than this one"`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"50"`
},
) (*answer[RunPage], error) {
	runs, err := c.Engine.Runs(ctx, in.Before, in.Limit)
	page := RunPage{Runs: append([]sync.Run{}, runs...)}
	if len(runs) == in.Limit {
		page.Next = runs[len(runs)-1].ID
	}
	return &answer[RunPage]{page}, err
}

func runChanges(ctx context.Context, c call, in *struct {
	OfRun
	LogPage
},
) (*answer[ActivityPage], error) {
	if _, err := c.Engine.RunByID(ctx, in.ID); err != nil {
		return nil, ofRun(in.ID, err)
	}
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	q.RunID = strconv.FormatInt(in.ID, 10)
	return c.activity(ctx, q)
}
