package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// CatalogDirectory holds what users are put together from: groups of every
// kind, the settings of the org, its numbers. *directory.Directory does.
type CatalogDirectory interface {
	Groups(ctx context.Context, kind dialer.Kind) ([]dialer.GroupInfo, error)
	Group(ctx context.Context, id int64) (dialer.GroupInfo, error)
	AddGroup(ctx context.Context, kind dialer.Kind, name string, settings map[dialer.Field]any, by dialer.Actor) (dialer.GroupInfo, error)
	EditGroup(ctx context.Context, id int64, ch dialer.GroupChange, by dialer.Actor) (dialer.GroupInfo, error)
	// DeleteGroup deletes a group, and moves its members to another of its kind.
	DeleteGroup(ctx context.Context, id int64, moveTo string, by dialer.Actor) (moved int64, err error)
	// Template returns what a template says.
	Template(ctx context.Context, name string) (dialer.Values, error)
	OrgSettings(ctx context.Context) (dialer.OrgSettings, error)
	SetOrgSettings(ctx context.Context, values map[dialer.Field]any, by dialer.Actor) (dialer.OrgSettings, error)
	Numbers(ctx context.Context, available bool, after string, limit int) ([]dialer.Number, error)
	AddNumber(ctx context.Context, n dialer.Number, by dialer.Actor) error
	RemoveNumber(ctx context.Context, number string, by dialer.Actor) error
	FreeExtensions(ctx context.Context, n int) ([]string, error)
	// MayReceive says whether a call from a number would reach a user.
	MayReceive(ctx context.Context, userID, number string) (allowed bool, why string, err error)
	// Deriver returns what works out what follows from a user's attributes.
	Deriver(ctx context.Context) (func(u *dialer.User) dialer.Derived, error)
}

// GroupPage is groups with their settings.
type GroupPage struct {
	Groups []dialer.GroupInfo `json:"groups" nullable:"false"`
}

// GroupKind is a kind of group, and the settings that groups of it have.
type GroupKind struct {
	Kind     dialer.Kind        `json:"kind"`
	Single   bool               `json:"single" doc:"a user is in at most one of them"`
	Settings []dialer.Attribute `json:"settings" nullable:"false"`
}

// GroupKindPage is every kind of group.
type GroupKindPage struct {
	Kinds []GroupKind `json:"kinds" nullable:"false"`
}

// NewGroup is a group that is to be added.
type NewGroup struct {
	Kind     dialer.Kind    `json:"kind" maxLength:"40" doc:"permission_group, role, department, location, tag, skill_group, desk, campaign, initiative, acd, area_code_group or template"`
	Name     string         `json:"name" maxLength:"255"`
	Settings map[string]any `json:"settings,omitempty" doc:"by name, as /v1/group-kinds describes them"`
}

// GroupEdit is what is to become of a group. What is left out stays.
type GroupEdit struct {
	Name     *string        `json:"name,omitempty" maxLength:"255"`
	Settings map[string]any `json:"settings,omitempty" doc:"by name; null brings one back to its default"`
}

// GroupDeleted is a group that is no more.
type GroupDeleted struct {
	ID    int64 `json:"id"`
	Moved int64 `json:"moved" doc:"members who were moved to another group"`
}

// OfGroup is embedded in the input of operations on one group.
type OfGroup struct {
	InOrg
	ID int64 `path:"id" doc:"id of the group"`
}

func (s *Server) routeGroups() {
	tags := []string{"groups"}
	handle(s, Viewer, huma.Operation{
		OperationID: "groups", Method: http.MethodGet, Path: "/v1/groups", Tags: tags, Summary: "Groups, with their settings and how many users are in them",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Kind string `query:"kind" maxLength:"40" doc:"only of this kind"`
	},
	) (*answer[GroupPage], error) {
		if in.Kind != "" && dialer.Field(in.Kind).Kind() == "" {
			return nil, invalid(fmt.Sprintf("%q is no kind of group", in.Kind), "GET /v1/group-kinds lists the kinds")
		}
		list, err := c.Directory.Groups(ctx, dialer.Kind(in.Kind))
		return &answer[GroupPage]{GroupPage{append([]dialer.GroupInfo{}, list...)}}, err
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "group-kinds", Method: http.MethodGet, Path: "/v1/group-kinds", Tags: tags, Summary: "The kinds of group, and the settings that each has",
	}, func(context.Context, call, *struct{}) (*answer[GroupKindPage], error) {
		var page GroupKindPage
		for _, k := range dialer.Kinds() {
			page.Kinds = append(page.Kinds, GroupKind{k, k.Single(), append([]dialer.Attribute{}, dialer.GroupAttributes(k)...)})
		}
		return &answer[GroupKindPage]{page}, nil
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "group", Method: http.MethodGet, Path: "/v1/groups/{id}", Tags: tags, Summary: "One group",
	}, func(ctx context.Context, c call, in *OfGroup) (*answer[dialer.GroupInfo], error) {
		g, err := c.Directory.Group(ctx, in.ID)
		return &answer[dialer.GroupInfo]{g}, ofGroup(err)
	})
	handle(s, Manager, huma.Operation{
		OperationID: "add-group", Method: http.MethodPost, Path: "/v1/groups", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Add a group", Description: "A permission group needs the role admin.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body NewGroup
	},
	) (*answer[dialer.GroupInfo], error) {
		if err := c.mayShape(in.Body.Kind); err != nil {
			return nil, err
		}
		g, err := c.Directory.AddGroup(ctx, in.Body.Kind, in.Body.Name, fieldsOf(in.Body.Settings), c.Actor())
		return &answer[dialer.GroupInfo]{g}, ofGroup(err)
	})
	handle(s, Manager, huma.Operation{
		OperationID: "edit-group", Method: http.MethodPatch, Path: "/v1/groups/{id}", Tags: tags,
		Summary: "Rename a group, or change its settings", Description: "A permission group needs the role admin.",
	}, func(ctx context.Context, c call, in *struct {
		OfGroup
		Body GroupEdit
	},
	) (*answer[dialer.GroupInfo], error) {
		g, err := c.shaped(ctx, in.ID)
		if err == nil {
			g, err = c.Directory.EditGroup(ctx, g.ID, dialer.GroupChange{Name: in.Body.Name, Settings: fieldsOf(in.Body.Settings)}, c.Actor())
		}
		return &answer[dialer.GroupInfo]{g}, ofGroup(err)
	})
	handle(s, Manager, huma.Operation{
		OperationID: "delete-group", Method: http.MethodDelete, Path: "/v1/groups/{id}", Tags: tags,
		Summary: "Delete a group", Description: "Its members must have another group of the kind to go to. A permission group needs the role admin.",
	}, func(ctx context.Context, c call, in *struct {
		OfGroup
		MoveTo string `query:"move_to" maxLength:"255" doc:"name of the group that its members go to"`
	},
	) (*answer[GroupDeleted], error) {
		g, err := c.shaped(ctx, in.ID)
		var moved int64
		if err == nil {
			moved, err = c.Directory.DeleteGroup(ctx, g.ID, in.MoveTo, c.Actor())
		}
		return &answer[GroupDeleted]{GroupDeleted{in.ID, moved}}, ofGroup(err)
	})
}

// mayShape refuses who may not say what groups of a kind mean: a permission
// group gives rights to all of its members.
func (c call) mayShape(k dialer.Kind) error {
	if k == dialer.KindPermissionGroup && !c.Role.May(Admin) {
		return forbidden(c.Caller, Admin)
	}
	return nil
}

// shaped finds a group that the caller may change.
func (c call) shaped(ctx context.Context, id int64) (dialer.GroupInfo, error) {
	g, err := c.Directory.Group(ctx, id)
	if err == nil {
		err = c.mayShape(g.Kind)
	}
	return g, err
}

// ofGroup says that it is a group which an error is about.
func ofGroup(err error) error {
	if errors.Is(err, dialer.ErrNotFound) {
		return newProblem(http.StatusNotFound, CodeNotFound, "no such group", "list the groups to see their ids")
	}
	if list := invalids(err); len(list) > 0 {
		return settingsProblem(err)
	}
	return err
}

// settingsProblem is the answer to settings that break rules.
func settingsProblem(err error) error {
	p := invalidProblem(err)
	list := invalids(err)
	p.Fields = p.Fields[:0]
	for _, e := range list {
		at := "body.settings."
		if e.Field == "name" || e.Field == "kind" || e.Field == "move_to" {
			at = "body."
		}
		p.Fields = append(p.Fields, FieldProblem{at + string(e.Field), e.Rule})
	}
	return p
}

func fieldsOf(m map[string]any) map[dialer.Field]any {
	if m == nil {
		return nil
	}
	out := make(map[dialer.Field]any, len(m))
	for name, v := range m {
		out[dialer.Field(name)] = v
	}
	return out
}
