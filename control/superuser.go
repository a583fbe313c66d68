package control

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// SuperuserDirectory keeps who is to be a superuser, where the org asks for two
// administrators. *directory.Directory does.
type SuperuserDirectory interface {
	// SuperuserRequests returns those that wait.
	SuperuserRequests(ctx context.Context) ([]dialer.SuperuserRequest, error)
	SuperuserRequest(ctx context.Context, userID string) (dialer.SuperuserRequest, error)
	AskSuperuser(ctx context.Context, userID, reason string, by dialer.Actor) (dialer.SuperuserRequest, error)
	WithdrawSuperuser(ctx context.Context, userID, reason string, by dialer.Actor) error
	// ConfirmSuperuser makes a user a superuser whom somebody else asked for.
	ConfirmSuperuser(ctx context.Context, userID string, by dialer.Actor) (dialer.Result, error)
}

// SuperuserState is whether a user is to be a superuser.
type SuperuserState struct {
	Request *dialer.SuperuserRequest `json:"request" doc:"null where nobody asked"`
}

// SuperuserPage is the requests for superusers that wait.
type SuperuserPage struct {
	Requests []dialer.SuperuserRequest `json:"requests" nullable:"false"`
}

func (s *Server) routeSuperusers() {
	tags := []string{"users"}
	handle(s, Viewer, huma.Operation{
		OperationID: "superuser-requests", Method: http.MethodGet, Path: "/v1/superuser-requests", Tags: tags,
		Summary: "Who is to be a superuser, and waits for a second administrator",
	}, func(ctx context.Context, c call, _ *struct{ InOrg }) (*answer[SuperuserPage], error) {
		list, err := c.Directory.SuperuserRequests(ctx)
		return &answer[SuperuserPage]{SuperuserPage{append([]dialer.SuperuserRequest{}, list...)}}, err
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "superuser-request", Method: http.MethodGet, Path: "/v1/users/{id}/superuser-request", Tags: tags,
		Summary: "Who wants a user to be a superuser",
	}, func(ctx context.Context, c call, in *OfUser) (*answer[SuperuserState], error) {
		u, err := c.alive(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		r, err := c.Directory.SuperuserRequest(ctx, u.ID)
		if errors.Is(err, dialer.ErrNoRequest) {
			return &answer[SuperuserState]{}, nil
		}
		return &answer[SuperuserState]{SuperuserState{&r}}, err
	})
	handle(s, Admin, huma.Operation{
		OperationID: "ask-superuser", Method: http.MethodPost, Path: "/v1/users/{id}:ask-superuser", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Ask for a user to be a superuser", Description: "Where the org setting two_person_superusers is on; another administrator confirms it within a day.",
	}, func(ctx context.Context, c call, in *struct {
		OfUser
		Body struct {
			Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"why, for the other and for the activity log"`
		}
	},
	) (*answer[dialer.SuperuserRequest], error) {
		u, err := c.alive(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		settings, err := c.Directory.OrgSettings(ctx)
		switch {
		case err != nil:
			return nil, err
		case !settings.TwoPersons():
			return nil, newProblem(http.StatusConflict, CodeConflict, "one administrator suffices for a superuser in this org",
				"edit is_superuser, or set two_person_superusers of the org")
		case u.Superuser:
			return nil, newProblem(http.StatusConflict, CodeConflict, "the user is a superuser", "")
		}
		r, err := c.Directory.AskSuperuser(ctx, u.ID, in.Body.Reason, c.Actor())
		return &answer[dialer.SuperuserRequest]{r}, err
	})
	handle(s, Admin, huma.Operation{
		OperationID: "confirm-superuser", Method: http.MethodPost, Path: "/v1/users/{id}:confirm-superuser", Tags: tags,
		Summary: "Make a user a superuser whom another administrator asked for",
	}, func(ctx context.Context, c call, in *OfUser) (*actedAnswer, error) {
		u, err := c.alive(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		r, err := c.Directory.ConfirmSuperuser(ctx, u.ID, c.Actor())
		return c.after(ctx, u.ID, r, err)
	})
	handle(s, Admin, huma.Operation{
		OperationID: "withdraw-superuser", Method: http.MethodPost, Path: "/v1/users/{id}:withdraw-superuser", Tags: tags,
		Summary: "End a request for a superuser, which is the answer",
	}, func(ctx context.Context, c call, in *struct {
		OfUser
		Body *Why
	},
	) (*answer[dialer.SuperuserRequest], error) {
		u, err := c.alive(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		r, err := c.Directory.SuperuserRequest(ctx, u.ID)
		if err == nil {
			err = c.Directory.WithdrawSuperuser(ctx, u.ID, in.Body.reason(), c.Actor())
		}
		return &answer[dialer.SuperuserRequest]{r}, err
	})
}
