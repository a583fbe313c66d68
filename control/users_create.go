package control

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// NewUser is a user who is not of Salesforce, and is to be created.
type NewUser struct {
	Attributes map[string]any `json:"attributes" doc:"values by attribute; username and email are needed"`
	Template   string         `json:"template,omitempty" maxLength:"255" doc:"name of the template that the user is set up from; what attributes says outweighs it"`
	Licenses   []string       `json:"license_types,omitempty" maxItems:"20" nullable:"false" doc:"seats to take; the default types that need no Salesforce user when left out"`
	Inactive   bool           `json:"inactive,omitempty" doc:"without access, and without a seat"`
	Reason     string         `json:"reason,omitempty" maxLength:"500" doc:"why, for the activity log"`
}

func (s *Server) routeUserCreate() {
	handle(s, Manager, huma.Operation{
		OperationID: "create-user", Method: http.MethodPost, Path: "/v1/users", Tags: []string{"users"}, DefaultStatus: http.StatusCreated,
		Summary:     "Create a user who is not of Salesforce",
		Description: "For license types that do not need a Salesforce user. People of Salesforce are added with /v1/users:add.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body NewUser
	},
	) (*actedAnswer, error) {
		return c.create(ctx, &in.Body)
	})
}

func (c call) create(ctx context.Context, n *NewUser) (*actedAnswer, error) {
	seats, err := c.localSeats(ctx, n.Licenses)
	if err != nil {
		return nil, err
	}
	u, err := c.local(n)
	if err != nil {
		return nil, err
	}
	if err := c.mayCreate(ctx, u, n.Template); err != nil {
		return nil, err
	}
	if u.Status == dialer.StatusInactive {
		seats = nil
	}
	r, err := c.apply(ctx, dialer.Change{
		Verb: dialer.VerbCreate, User: u, Note: n.Reason, Seats: seats, NoSeat: dialer.NoSeatReject, Actor: c.Actor(), Reason: u.StatusReason,
	})
	return c.after(ctx, r.UserID, r, err)
}

// local is the user that a request describes.
func (c call) local(n *NewUser) (dialer.User, error) {
	var found findings
	u, _ := c.set(&dialer.User{}, &Edit{Attributes: n.Attributes}, &found)
	u.Origin, u.Status = dialer.OriginLocal, dialer.StatusActive
	if n.Template != "" {
		u.SetGroups(dialer.KindTemplate, n.Template)
	}
	if n.Inactive {
		u.Status, u.StatusReason = dialer.StatusInactive, dialer.ReasonManual
	}
	if u.Email == "" {
		found.add("body.attributes.email", "must be set")
	}
	// The rest the directory fills in.
	whole := u
	if whole.One(dialer.KindPermissionGroup) == "" {
		whole.SetGroups(dialer.KindPermissionGroup, dialer.DefaultPermissionGroup)
	}
	if whole.One(dialer.KindRole) == "" {
		whole.SetGroups(dialer.KindRole, dialer.DefaultRole)
	}
	if whole.SystemRole == "" {
		whole.SystemRole = dialer.SystemRoleUser
	}
	found.check(&dialer.User{}, &whole)
	return u, found.err()
}

// localSeats are the seats that somebody gets who is not of Salesforce.
func (c call) localSeats(ctx context.Context, asked []string) ([]string, error) {
	types, err := c.Directory.Licenses(ctx)
	if err != nil {
		return nil, err
	}
	refuse := func(message string) error {
		return newProblem(http.StatusUnprocessableEntity, CodeNotSalesforce, message,
			"add people of Salesforce with users:add, or name a license type that needs no Salesforce user")
	}
	var seats []string
	open := false
	for _, l := range types {
		wanted := slices.Contains(asked, l.Type)
		if wanted && l.RequiresSalesforce {
			return nil, refuse(fmt.Sprintf("the license type %s is for users of Salesforce only", l.Type))
		}
		open = open || !l.RequiresSalesforce
		if wanted || len(asked) == 0 && l.Default && !l.RequiresSalesforce {
			seats = append(seats, l.Type)
		}
	}
	for _, name := range asked {
		if !slices.Contains(seats, name) {
			return nil, invalid(fmt.Sprintf("there is no license type %q", name), "list the licenses to see the types")
		}
	}
	if !open {
		return nil, refuse("every license type of the org is for users of Salesforce only")
	}
	if len(seats) == 0 {
		return nil, refuse("no license type that new users get is for people who are not of Salesforce: name one")
	}
	return seats, nil
}
