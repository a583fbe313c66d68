package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// tries is how often an edit that named no version is made anew when somebody
// else was faster.
const tries = 5

// actedAnswer is a user after an action, with the ETag of what they are now.
type actedAnswer struct {
	ETag string `header:"ETag"`
	Body Acted
}

func (s *Server) routeUserEdits() {
	handle(s, Manager, huma.Operation{
		OperationID: "edit-user", Method: http.MethodPatch, Path: "/v1/users/{id}", Tags: []string{"users"},
		Summary: "Change attributes of a user",
		Description: "All or nothing. With If-Match, the ETag that the user was read with, an edit of what somebody else changed meanwhile is refused, and told what and by whom. " +
			"Without, only the attributes that it names are written.",
	}, editUser)
	handle(s, Manager, huma.Operation{
		OperationID: "delete-user", Method: http.MethodDelete, Path: "/v1/users/{id}", Tags: []string{"users"},
		Summary: "Delete a user", Description: "Ends access and every session, frees the seats, and has the leads unassigned. The seats purchased stay.",
	}, deleteUser)
	handle(s, Manager, huma.Operation{
		OperationID: "reseed-user", Method: http.MethodPost, Path: "/v1/users/{id}:reseed", Tags: []string{"users"},
		Summary: "Write what Salesforce gave at creation once more", Description: "Only attributes that are seeded, from the mirror: it costs no API call.",
	}, reseedUser)
}

func editUser(ctx context.Context, c call, in *struct {
	OfUser
	IfMatch string `header:"If-Match" doc:"the ETag of the user that the decision was made on"`
	Body    Edit
},
) (*actedAnswer, error) {
	return c.edit(ctx, in.ID, in.IfMatch, in.Body.Reason, func(u *dialer.User) (dialer.User, []dialer.Field, error) {
		if len(in.Body.Attributes)+len(in.Body.Add)+len(in.Body.Remove) == 0 {
			return *u, nil, invalid("the edit names no attribute", "for example {\"attributes\": {\"ring_timeout_seconds\": 30}}")
		}
		return c.edited(u, &in.Body)
	})
}

// edit writes what f makes of a user.
func (c call) edit(ctx context.Context, ref, ifMatch, reason string, f func(*dialer.User) (dialer.User, []dialer.Field, error)) (*actedAnswer, error) {
	version, err := parseETag(ifMatch)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		u, err := c.alive(ctx, ref)
		switch {
		case err != nil:
			return nil, err
		case version != 0 && version != u.Version:
			return nil, c.conflict(ctx, &u, version)
		}
		next, fields, err := f(&u)
		if err == nil {
			err = c.keeps(&u, &next)
		}
		if err != nil {
			return nil, err
		}
		r, err := c.apply(ctx, dialer.Change{
			Verb: dialer.VerbUpdate, UserID: u.ID, User: next, Fields: fields, Note: reason, Version: u.Version, Actor: c.Actor(),
		})
		if errors.Is(err, dialer.ErrConflict) && try < tries {
			continue
		}
		return c.after(ctx, u.ID, r, err)
	}
}

// alive finds a user who was not deleted.
func (c call) alive(ctx context.Context, ref string) (dialer.User, error) {
	u, err := c.Directory.User(ctx, ref)
	if err == nil && u.Status == dialer.StatusDeleted {
		err = fmt.Errorf("%w: they were deleted", dialer.ErrNotFound)
	}
	return u, err
}

// apply makes one change.
func (c call) apply(ctx context.Context, ch dialer.Change) (dialer.Result, error) {
	results := c.Directory.Apply(ctx, []dialer.Change{ch})
	if len(results) != 1 {
		return dialer.Result{}, fmt.Errorf("%s a user: the directory gave %d results", ch.Verb, len(results))
	}
	return results[0], results[0].Err
}

// after answers with the user as they are after a change.
func (c call) after(ctx context.Context, id string, r dialer.Result, err error) (*actedAnswer, error) {
	if err != nil {
		return nil, err
	}
	u, err := c.Directory.User(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read the user back: %w", err)
	}
	v, err := c.whole(ctx, &u)
	return &actedAnswer{etag(&u), Acted{User: v, Outcome: r.Outcome}}, err
}

func deleteUser(ctx context.Context, c call, in *struct {
	OfUser
	IfMatch string `header:"If-Match" doc:"the ETag of the user that the decision was made on"`
	Reason  string `query:"reason" maxLength:"500" doc:"why, for the activity log"`
},
) (*actedAnswer, error) {
	version, err := parseETag(in.IfMatch)
	if err != nil {
		return nil, err
	}
	u, err := c.Directory.User(ctx, in.ID)
	switch {
	case err != nil:
		return nil, err
	case u.Status == dialer.StatusDeleted:
		return c.after(ctx, u.ID, dialer.Result{Outcome: dialer.Unchanged}, nil)
	case version != 0 && version != u.Version:
		return nil, c.conflict(ctx, &u, version)
	case u.Protected:
		return nil, newProblem(http.StatusConflict, CodeProtected, dialer.ErrProtected.Error(), "an administrator can set protected to false first")
	}
	r, err := c.apply(ctx, dialer.Change{Verb: dialer.VerbDelete, UserID: u.ID, Note: in.Reason, Version: version, Actor: c.Actor()})
	return c.after(ctx, u.ID, r, err)
}

func reseedUser(ctx context.Context, c call, in *struct {
	OfUser
	IfMatch string `header:"If-Match" doc:"the ETag of the user that the decision was made on"`
	Body    *struct {
		Fields []dialer.Field `json:"fields,omitempty" maxItems:"200" nullable:"false" doc:"attributes to write; all seeded ones when left out"`
		Reason string         `json:"reason,omitempty" maxLength:"500" doc:"why, for the activity log"`
	}
},
) (*actedAnswer, error) {
	var names []dialer.Field
	reason := ""
	if in.Body != nil {
		names, reason = in.Body.Fields, in.Body.Reason
	}
	return c.edit(ctx, in.ID, in.IfMatch, reason, func(u *dialer.User) (dialer.User, []dialer.Field, error) {
		if u.SalesforceID == "" {
			return *u, nil, invalid("the user is not linked to Salesforce, so there is nothing to seed from", "")
		}
		x, err := c.Engine.Explain(ctx, u.SalesforceID)
		if err != nil {
			return *u, nil, err
		}
		return reseeded(u, x.Mapping, names)
	})
}

// reseeded makes of u what the seeding rules say.
func reseeded(u *dialer.User, mapping []sync.MappedField, names []dialer.Field) (dialer.User, []dialer.Field, error) {
	next := *u
	var fields []dialer.Field
	var found findings
	for _, m := range mapping {
		f := dialer.Field(m.Field)
		if m.Own != sync.OwnSeeded || m.Held || names != nil && !slices.Contains(names, f) {
			continue
		}
		if err := f.Set(&next, m.Value); err != nil {
			found.add("body.fields."+m.Field, rule(err))
			continue
		}
		fields = append(fields, f)
	}
	for _, f := range names {
		if !slices.Contains(fields, f) {
			found.add("body.fields."+string(f), "is not seeded by a rule, or its Salesforce field cannot be read")
		}
	}
	found.check(u, &next)
	return next, fields, found.err()
}
