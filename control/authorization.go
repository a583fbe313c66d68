package control

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// Asking has a user asked to authorize the dialer in Salesforce.
type Asking struct {
	Again  bool   `json:"again,omitempty" doc:"though they were asked, or have authorized"`
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"why, for the activity log"`
}

// Authorization is what became of a user's authorization.
type Authorization struct {
	State  string `json:"state" enum:"not_started,authorized,revoked,expired,error"`
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"how it is known, for the activity log"`
}

func (s *Server) routeAuthorization() {
	tags := []string{"users"}
	handle(s, Manager, huma.Operation{
		OperationID: "ask-authorization", Method: http.MethodPost, Path: "/v1/users/{id}:ask-authorization", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Ask a user to let the dialer act for them in Salesforce",
		Description: "Writes to them, with the page and the words that the org has set. Whoever was asked, or has authorized, is not asked again, unless again is true. " +
			"To ask many, use a mass action.",
	}, func(ctx context.Context, c call, in *struct {
		OfUser
		Body *Asking
	},
	) (*actedAnswer, error) {
		u, err := c.alive(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		change := dialer.Change{Verb: dialer.VerbAsk, UserID: u.ID, Actor: c.Actor()}
		if in.Body != nil {
			change.Again, change.Note = in.Body.Again, in.Body.Reason
		}
		r, err := c.apply(ctx, change)
		return c.after(ctx, u.ID, r, err)
	})
	handle(s, Admin, huma.Operation{
		OperationID: "set-authorization", Method: http.MethodPost, Path: "/v1/users/{id}:set-authorization", Tags: tags,
		Summary: "Say what became of a user's authorization in Salesforce", Description: "The dialer's programs say so by themselves, when the user does it; this is for what they cannot know.",
	}, func(ctx context.Context, c call, in *struct {
		OfUser
		Body Authorization
	},
	) (*actedAnswer, error) {
		u, err := c.alive(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		r, err := c.Directory.Authorize(ctx, u.ID, in.Body.State, in.Body.Reason, c.Actor())
		return c.after(ctx, u.ID, r, err)
	})
	handle(s, Dialer, huma.Operation{
		OperationID: "authorize-self", Method: http.MethodPost, Path: "/v1/sessions:authorization", Tags: []string{"sign-in"},
		Summary: "Say what became of the authorization in Salesforce of who is signed in",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body struct {
			WithToken
			State string `json:"state,omitempty" enum:"authorized,revoked,expired,error" default:"authorized"`
		}
	},
	) (*actedAnswer, error) {
		c, err := c.asSelf(ctx, &in.Body.WithToken)
		if err != nil {
			return nil, err
		}
		r, err := c.Directory.Authorize(ctx, c.Name, in.Body.State, "", c.Actor())
		return c.after(ctx, c.Name, r, err)
	})
}
