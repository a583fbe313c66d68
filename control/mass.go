package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// MassDirectory acts on many users at once. *directory.Directory does.
type MassDirectory interface {
	// PreviewMass fixes whom a mass action is for and finds out what would
	// come of each of them.
	PreviewMass(ctx context.Context, r dialer.MassRequest) (dialer.MassAction, error)
	StartMass(ctx context.Context, id, confirm int64, by dialer.Actor) (dialer.MassAction, error)
	CancelMass(ctx context.Context, id int64, by dialer.Actor) (dialer.MassAction, error)
	UndoMass(ctx context.Context, id int64, by dialer.Actor) (dialer.MassAction, error)
	MassAction(ctx context.Context, id int64) (dialer.MassAction, error)
	MassActions(ctx context.Context, before int64, limit int) ([]dialer.MassAction, error)
	MassItems(ctx context.Context, id int64, q dialer.MassItemQuery) ([]dialer.MassItem, error)
}

const maxMassBody = 4 << 20 // bytes: 50,000 ids of 36 characters are 1.9 MiB

// MassActionRequest asks for a mass action.
type MassActionRequest struct {
	Scope  MassScope       `json:"scope" doc:"whom it is for; fixed from now on"`
	Action dialer.MassVerb `json:"action" enum:"set,add,remove,replace,activate,deactivate,delete,ask" doc:"ask asks users to authorize the dialer in Salesforce"`
	Field  dialer.Field    `json:"field,omitempty" maxLength:"100" doc:"the attribute; for set, add, remove and replace"`
	Value  json.RawMessage `json:"value,omitempty" doc:"for the same: text, a number, true or false, or a list of group names"`
	Seats  []string        `json:"license_types,omitempty" maxItems:"20" nullable:"false" doc:"for activate: seats to take; the default types when left out"`
	Reason string          `json:"reason,omitempty" maxLength:"500" doc:"why, for the activity log"`
}

// MassScope says whom a mass action is for: one of its members.
type MassScope struct {
	IDs    []string `json:"ids,omitempty" maxItems:"50000" nullable:"false" doc:"dialer ids"`
	Filter string   `json:"filter,omitempty" maxLength:"500" doc:"a filter as of the list of users"`
	All    bool     `json:"all,omitempty" doc:"everyone who is not protected; needs the role admin"`
}

// MassPage is a page of mass actions, the latest first.
type MassPage struct {
	MassActions []dialer.MassAction `json:"mass_actions" nullable:"false"`
	Next        int64               `json:"next,omitempty" doc:"pass as before for the next page; absent on the last one"`
}

// OfMass is embedded in the input of operations on one mass action.
type OfMass struct {
	InOrg
	ID int64 `path:"id" doc:"id of the mass action"`
}

func (s *Server) routeMass() {
	tags := []string{"mass actions"}
	handle(s, Manager, huma.Operation{
		OperationID: "preview-mass", Method: http.MethodPost, Path: "/v1/mass-actions", Tags: tags,
		DefaultStatus: http.StatusCreated, MaxBodyBytes: maxMassBody,
		Summary: "Prepare a mass action: a dry run", Description: "Fixes the users and says what would come of them. Nobody is changed until it is started. " +
			"To act on all needs the role admin.",
	}, previewMass)
	handle(s, Viewer, huma.Operation{
		OperationID: "mass-actions", Method: http.MethodGet, Path: "/v1/mass-actions", Tags: tags, Summary: "The mass actions, the latest first",
	}, listMass)
	handle(s, Viewer, huma.Operation{
		OperationID: "mass-action", Method: http.MethodGet, Path: "/v1/mass-actions/{id}", Tags: tags, Summary: "One mass action",
	}, func(ctx context.Context, c call, in *OfMass) (*answer[dialer.MassAction], error) {
		m, err := c.Directory.MassAction(ctx, in.ID)
		return &answer[dialer.MassAction]{m}, ofMass(in.ID, err)
	})
	handle(s, Manager, huma.Operation{
		OperationID: "start-mass", Method: http.MethodPost, Path: "/v1/mass-actions/{id}:start", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Carry out a mass action that was prepared",
	}, func(ctx context.Context, c call, in *struct {
		OfMass
		Body struct {
			Confirm int64 `json:"confirm_count" minimum:"0" doc:"total of the mass action: how many users it is for"`
		}
	},
	) (*answer[dialer.MassAction], error) {
		return c.steerMass(ctx, in.ID, func(id int64, by dialer.Actor) (dialer.MassAction, error) {
			return c.Directory.StartMass(ctx, id, in.Body.Confirm, by)
		})
	})
	handle(s, Manager, huma.Operation{
		OperationID: "cancel-mass", Method: http.MethodPost, Path: "/v1/mass-actions/{id}:cancel", Tags: tags,
		Summary: "Stop a mass action; what it did stays done",
	}, func(ctx context.Context, c call, in *OfMass) (*answer[dialer.MassAction], error) {
		m, err := c.Directory.CancelMass(ctx, in.ID, c.Actor())
		return &answer[dialer.MassAction]{m}, ofMass(in.ID, err)
	})
	handle(s, Manager, huma.Operation{
		OperationID: "undo-mass", Method: http.MethodPost, Path: "/v1/mass-actions/{id}:undo", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Give back what a mass action changed", Description: "Starts a mass action that does, which is the answer. Users in whom the attribute was changed again since are left alone.",
	}, func(ctx context.Context, c call, in *OfMass) (*answer[dialer.MassAction], error) {
		return c.steerMass(ctx, in.ID, func(id int64, by dialer.Actor) (dialer.MassAction, error) { return c.Directory.UndoMass(ctx, id, by) })
	})
	s.routeMassResults()
	s.routeMassEvents()
}

// ofMass says which mass action an error is about.
func ofMass(id int64, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("mass action %d: %w", id, err)
}

// mayMass refuses what a manager may not do with many users.
func (c call) mayMass(all bool) error {
	if all && !c.Role.May(Admin) {
		return forbidden(c.Caller, Admin)
	}
	return nil
}

func previewMass(ctx context.Context, c call, in *struct {
	InOrg
	Body MassActionRequest
},
) (*answer[dialer.MassAction], error) {
	b := &in.Body
	if err := c.mayMass(b.Scope.All); err != nil {
		return nil, err
	}
	r := dialer.MassRequest{
		Scope:  dialer.MassScope{IDs: b.Scope.IDs, FilterText: b.Scope.Filter, All: b.Scope.All, Within: c.Within},
		Action: b.Action, Field: b.Field, Value: b.Value, Seats: b.Seats, Reason: b.Reason, Actor: c.Actor(),
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	if c.governs(b.Field.Kind()) || b.Field == dialer.FieldMemberAllDesks && c.governs(dialer.KindDesk) {
		return nil, newProblem(http.StatusForbidden, CodeForbidden, fmt.Sprintf("%s is limited to users of %s, and cannot change that for many", c.Name, c.limits()), "")
	}
	if b.Scope.Filter != "" {
		r.Scope.Filter = &dialer.Query{}
		if err := applyFilter(r.Scope.Filter, b.Scope.Filter); err != nil {
			return nil, err
		}
	}
	m, err := c.Directory.PreviewMass(ctx, r)
	if err != nil {
		err = fmt.Errorf("prepare a mass action: %w", err)
	}
	return &answer[dialer.MassAction]{m}, err
}

// check refuses what the schema lets through and cannot be meant.
func (r *MassActionRequest) check() error {
	scopes := 0
	for _, given := range []bool{len(r.Scope.IDs) > 0, r.Scope.Filter != "", r.Scope.All} {
		if given {
			scopes++
		}
	}
	writes := false
	switch r.Action {
	case dialer.MassSet, dialer.MassAdd, dialer.MassRemove, dialer.MassReplace:
		writes = true
	}
	switch {
	case scopes != 1:
		return invalid("a mass action needs one scope: ids, a filter, or all", "")
	case writes && (r.Field == "" || len(r.Value) == 0):
		return invalid(fmt.Sprintf("to %s needs a field and a value", r.Action), "list the attributes to see which can be set for many users")
	case !writes && (r.Field != "" || len(r.Value) > 0):
		return invalid(fmt.Sprintf("to %s takes no field and no value", r.Action), "")
	case r.Action != dialer.MassActivate && len(r.Seats) > 0:
		return invalid("license_types go with activate only", "")
	}
	return nil
}

func listMass(ctx context.Context, c call, in *struct {
	InOrg
	Before int64 `query:"before" minimum:"0" doc:"only mass actions older than this one"`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"50"`
},
) (*answer[MassPage], error) {
	list, err := c.Directory.MassActions(ctx, in.Before, in.Limit)
	page := MassPage{MassActions: append([]dialer.MassAction{}, list...)}
	if len(c.Within) > 0 { // of others, they would see who and why
		page.MassActions = slices.DeleteFunc(page.MassActions, func(m dialer.MassAction) bool { return m.Actor.Name != c.Name })
	}
	if len(list) == in.Limit {
		page.Next = list[len(list)-1].ID
	}
	return &answer[MassPage]{page}, err
}

// scopeAll is the scope of a mass action on everybody, in words.
const scopeAll = "all"

// steerMass starts or undoes a mass action, if the caller may.
func (c call) steerMass(ctx context.Context, id int64, act func(id int64, by dialer.Actor) (dialer.MassAction, error)) (*answer[dialer.MassAction], error) {
	m, err := c.Directory.MassAction(ctx, id)
	if err != nil {
		return nil, ofMass(id, err)
	}
	if err := c.mayMass(m.Scope == scopeAll); err != nil {
		return nil, err
	}
	m, err = act(id, c.Actor())
	return &answer[dialer.MassAction]{m}, ofMass(id, err)
}
