package control

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// roleUser is who changes something about themselves, in the activity log. As
// a role it suffices for nothing.
const roleUser Role = "user"

// SelfEdit is what somebody who is signed in wants to change about themselves.
type SelfEdit struct {
	WithToken
	Attributes map[string]any `json:"attributes" minProperties:"1" doc:"new values by attribute; null brings one back to its default"`
}

func (s *Server) routeSelf(tags []string) {
	handle(s, Dialer, huma.Operation{
		OperationID: "edit-self", Method: http.MethodPost, Path: "/v1/sessions:edit", Tags: tags,
		Summary: "Change what users may set for themselves", Description: "The attributes that say self, such as the own caller ID, where the permission group allows it.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body SelfEdit
	},
	) (*actedAnswer, error) {
		c, err := c.asSelf(ctx, &in.Body.WithToken)
		if err != nil {
			return nil, err
		}
		return c.edit(ctx, c.Name, "", "", func(u *dialer.User) (dialer.User, []dialer.Field, error) {
			if err := c.self(ctx, u, in.Body.Attributes); err != nil {
				return *u, nil, err
			}
			return c.edited(u, &Edit{Attributes: in.Body.Attributes})
		})
	})
}

// asSelf is the call as one of who is signed in.
func (c call) asSelf(ctx context.Context, w *WithToken) (call, error) {
	who, err := c.present(ctx, w)
	c.Caller = Caller{Name: who.User.ID, Role: roleUser}
	return c, err
}

// self refuses what users may not set for themselves.
func (c call) self(ctx context.Context, u *dialer.User, values map[string]any) error {
	groups, err := c.Directory.Groups(ctx, dialer.KindPermissionGroup)
	if err != nil {
		return err
	}
	allowed := slices.ContainsFunc(groups, func(g dialer.GroupInfo) bool {
		return g.Name == u.One(dialer.KindPermissionGroup) && g.Settings[dialer.CanChangeCallerID] == true
	})
	found := findings{denied: true}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if a, _ := dialer.Field(name).Attribute(); !a.Self {
			found.add("body.attributes."+name, "is not for users to change")
		} else if !allowed {
			found.add("body.attributes."+name, "is not for users of this permission group to change")
		}
	}
	return found.err()
}
