package control

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/sync"
)

// AttentionPage is what waits for a person, oldest first.
type AttentionPage struct {
	Attention []sync.AttentionItem `json:"attention" nullable:"false"`
}

// Resolved is an attention item that was settled.
type Resolved struct {
	ID int64 `json:"id"`
}

// Settlement is how a person settles an attention item.
type Settlement struct {
	How    sync.How `json:"how,omitempty" enum:"retry,accept,ignore" default:"retry" doc:"retry: try again what it is about; accept: link the user who is the person; ignore: leave it until the Salesforce user, or what is wrong, changes"`
	User   string   `json:"user,omitempty" maxLength:"320" doc:"for accept: the dialer user; id, user name or e-mail address"`
	Reason string   `json:"reason,omitempty" maxLength:"500" doc:"why; needed to ignore"`
}

func (s *Server) routeAttention() {
	handle(s, Viewer, huma.Operation{
		OperationID: "attention", Method: http.MethodGet, Path: "/v1/attention", Tags: []string{"attention"}, Summary: "What only a person can decide",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Ignored bool `query:"ignored" doc:"those that were ignored instead, by whom and why"`
	},
	) (*answer[AttentionPage], error) {
		items, err := c.Engine.Attention(ctx, in.Ignored)
		return &answer[AttentionPage]{AttentionPage{append([]sync.AttentionItem{}, items...)}}, err
	})
	handle(s, Manager, huma.Operation{
		OperationID: "resolve-attention", Method: http.MethodPost, Path: "/v1/attention/{id}:resolve", Tags: []string{"attention"},
		Summary: "Settle an item", Description: "What it was about is tried again; if nothing changed, it comes back. Of several dialer users who could be a person, one can be accepted, who is linked; " +
			"what shall stay as it is can be ignored, and comes back when the Salesforce user changes. To retry what was ignored ends that.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		ID   int64 `path:"id"`
		Body *Settlement
	},
	) (*answer[Resolved], error) {
		d := sync.Decision{How: sync.Retry}
		if in.Body != nil {
			d = sync.Decision{How: in.Body.How, User: in.Body.User, Reason: in.Body.Reason}
		}
		switch {
		case (d.How == sync.Accept) != (d.User != ""):
			return nil, invalid("user goes with accept, and is needed for it", "the detail of the item names who could be the person")
		case d.How == sync.Ignore && d.Reason == "":
			return nil, invalid("to ignore an item needs a reason", "")
		}
		if d.How == sync.Accept { // whoever may not touch their way in may not hand them to the sync
			u, err := c.privileged(ctx, d.User)
			if err != nil {
				return nil, err
			}
			d.User = u.ID
		}
		err := c.Engine.ResolveAttention(ctx, in.ID, d, c.Actor())
		if err != nil {
			err = fmt.Errorf("resolve item %d: %w", in.ID, err)
		}
		return &answer[Resolved]{Resolved{in.ID}}, err
	})
}
