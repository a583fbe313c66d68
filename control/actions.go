package control

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// Acted is a user after an action.
type Acted struct {
	User    User           `json:"user"`
	Outcome dialer.Outcome `json:"outcome" enum:"applied,unchanged"`
	Warning string         `json:"warning,omitempty" doc:"what the caller may not expect"`
}

// Added is how adding people to the dialer ended, one result for each.
type Added struct {
	Results []sync.AddResult `json:"results" nullable:"false"`
}

// actedOn is the input of an action on one user.
type actedOn struct {
	OfUser
	IfMatch string `header:"If-Match" doc:"the ETag of the user that the decision was made on"`
	Body    *struct {
		Reason   string   `json:"reason,omitempty" maxLength:"500" doc:"why, for the activity log"`
		Licenses []string `json:"license_types,omitempty" maxItems:"20" nullable:"false" doc:"for activate: seats to take; the default types when left out"`
	}
}

func (a *actedOn) reason() string {
	if a.Body == nil {
		return ""
	}
	return a.Body.Reason
}

func (a *actedOn) licenses() []string {
	if a.Body == nil {
		return nil
	}
	return a.Body.Licenses
}

func (s *Server) routeUserActions() {
	handle(s, Manager, huma.Operation{
		OperationID: "add-users", Method: http.MethodPost, Path: "/v1/users:add", Tags: []string{"users"},
		Summary: "Add Salesforce users to the dialer", Description: "From the mirror: it costs no API call. Each person succeeds or fails alone.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body NewPeople
	},
	) (*answer[Added], error) {
		results, err := c.add(ctx, &in.Body)
		return &answer[Added]{Added{append([]sync.AddResult{}, results...)}}, err
	})
	handle(s, Manager, huma.Operation{
		OperationID: "activate-user", Method: http.MethodPost, Path: "/v1/users/{id}:activate", Tags: []string{"users"},
		Summary: "Give a user access again", Description: "Takes a seat. Ends the hold that a deactivation by hand put on the user.",
	}, func(ctx context.Context, c call, in *actedOn) (*answer[Acted], error) {
		return c.act(ctx, in, dialer.VerbActivate)
	})
	handle(s, Manager, huma.Operation{
		OperationID: "deactivate-user", Method: http.MethodPost, Path: "/v1/users/{id}:deactivate", Tags: []string{"users"},
		Summary: "End a user's access now", Description: "Frees the seat and ends every session. The sync does not give access again; a person can.",
	}, func(ctx context.Context, c call, in *actedOn) (*answer[Acted], error) {
		return c.act(ctx, in, dialer.VerbDeactivate)
	})
	handle(s, Support, huma.Operation{
		OperationID: "refresh-user", Method: http.MethodPost, Path: "/v1/users/{id}:refresh", Tags: []string{"users"}, DefaultStatus: http.StatusAccepted,
		Summary: "Read one user from Salesforce and bring the dialer in step",
	}, func(ctx context.Context, c call, in *struct {
		OfUser
		Body *Why
	},
	) (*answer[Started], error) {
		return c.start(ctx, SyncRequest{Kind: sync.KindUser, Users: []string{in.ID}, Reason: in.Body.reason()})
	})
}

// seats are the license types of which an activation takes a seat: those asked
// for, else the default ones. Someone who is active keeps what they have.
func (c call) seats(ctx context.Context, u *dialer.User, asked []string) ([]string, error) {
	if len(asked) > 0 || u.Status == dialer.StatusActive {
		return asked, nil
	}
	types, err := c.Directory.Licenses(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range types {
		if l.Default && (u.SalesforceID != "" || !l.RequiresSalesforce) {
			asked = append(asked, l.Type)
		}
	}
	return asked, nil
}

// act activates or deactivates a user.
func (c call) act(ctx context.Context, in *actedOn, verb dialer.Verb) (*answer[Acted], error) {
	version, err := parseETag(in.IfMatch)
	if err != nil {
		return nil, err
	}
	u, err := c.Directory.User(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	change := dialer.Change{Verb: verb, UserID: u.ID, Note: in.reason(), Version: version, Actor: c.Actor()}
	if verb == dialer.VerbActivate {
		change.NoSeat = dialer.NoSeatReject
		if change.Seats, err = c.seats(ctx, &u, in.licenses()); err != nil {
			return nil, err
		}
	} else {
		change.Reason = dialer.ReasonManual
	}
	results := c.Directory.Apply(ctx, []dialer.Change{change})
	if len(results) != 1 {
		return nil, fmt.Errorf("%s a user: the directory gave %d results", verb, len(results))
	}
	if err := results[0].Err; err != nil {
		return nil, err
	}
	after, err := c.Directory.User(ctx, u.ID)
	if err != nil {
		return nil, fmt.Errorf("read the user back: %w", err)
	}
	return &answer[Acted]{Acted{view(&after), results[0].Outcome, warning(verb, &after)}}, nil
}

// warning tells what will become of an activation that Salesforce speaks
// against: Salesforce inactivity beats an administrator's wish.
func warning(verb dialer.Verb, u *dialer.User) string {
	if verb != dialer.VerbActivate {
		return ""
	}
	switch u.IntegrationInfo {
	case dialer.IntegrationInactive:
		return "Salesforce shows the user as inactive: the next sync will end their access again"
	case dialer.IntegrationFrozen:
		return "Salesforce shows the user as frozen: the next sync may end their access again"
	case dialer.IntegrationOutOfScope:
		return "the user is out of the sync's scope: the next sync will end their access again"
	}
	return ""
}

// parseETag reads the version of an If-Match header, 0 when there is none.
func parseETag(tag string) (int64, error) {
	tag = strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
	if tag == "" || tag == "*" {
		return 0, nil
	}
	version, err := strconv.ParseInt(tag, 10, 64)
	if err != nil || version < 1 {
		return 0, invalid("If-Match is not the ETag of a user", "send the ETag that the user was read with")
	}
	return version, nil
}
