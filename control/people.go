package control

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/sync"
)

type (
	// Person is a Salesforce user as the mirror knows them.
	Person = sync.Person
	// PeoplePage is a page of Salesforce users.
	PeoplePage = sync.PeoplePage
)

func (s *Server) routePeople() {
	handle(s, Viewer, huma.Operation{
		OperationID: "salesforce-users", Method: http.MethodGet, Path: "/v1/salesforce/users", Tags: []string{"users"},
		Summary: "Salesforce users, and who of them can be added", Description: "From the copy that the last sync left: it costs no API call. " +
			"A page can be short, even empty, and have a next one.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Search     string   `query:"search" maxLength:"200" doc:"part of a name, user name or e-mail address, or a Salesforce id"`
		Profile    string   `query:"profile" maxLength:"100" doc:"part of the profile's name"`
		Role       string   `query:"role" maxLength:"100" doc:"part of the role's name"`
		Department string   `query:"department" maxLength:"100" doc:"part of the department"`
		Country    string   `query:"country" maxLength:"100" doc:"part of the country or its code"`
		IDs        []string `query:"ids" maxItems:"500" nullable:"false" doc:"only who has one of these Salesforce ids of 18 characters"`
		NotAdded   bool     `query:"not_added" doc:"only who is not in the dialer"`
		Eligible   bool     `query:"eligible" doc:"only who can be added"`
		Order      string   `query:"order" enum:"name,username,email,id" default:"name"`
		Cursor     string   `query:"cursor" maxLength:"1000" doc:"next of the page before"`
		Limit      int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
	},
	) (*answer[sync.PeoplePage], error) {
		after, err := openCursor(in.Order, in.Cursor)
		if err != nil {
			return nil, err
		}
		page, err := c.Engine.People(ctx, sync.PeopleQuery{
			Search: in.Search, Profile: in.Profile, Role: in.Role, Department: in.Department, Country: in.Country,
			IDs: in.IDs, NotAdded: in.NotAdded, Eligible: in.Eligible, Order: in.Order, Cursor: after, Limit: in.Limit,
		})
		if errors.Is(err, sync.ErrPeopleCursor) {
			err = invalid(err.Error(), "take the list from its first page")
		}
		page.Next = sealCursor(in.Order, page.Next)
		return &answer[sync.PeoplePage]{page}, err
	})
}

// PeopleFilter selects Salesforce users.
type PeopleFilter struct {
	Search, Profile, Role, Department, Country string

	IDs                []string // Salesforce ids; nil means no such limit
	NotAdded, Eligible bool
	Order              string // name, username, email or id
	Limit              int
}

// People returns one page of the Salesforce users that f selects.
func (c *Client) People(ctx context.Context, f PeopleFilter, cursor string) (PeoplePage, error) {
	q := url.Values{}
	for k, v := range map[string]string{
		"search": f.Search, "profile": f.Profile, "role": f.Role, "department": f.Department, "country": f.Country, "order": f.Order, "cursor": cursor,
		"ids": strings.Join(f.IDs, ","),
	} {
		if v != "" {
			q.Set(k, v)
		}
	}
	for k, v := range map[string]bool{"not_added": f.NotAdded, "eligible": f.Eligible} {
		if v {
			q.Set(k, "true")
		}
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return get[PeoplePage](ctx, c, "/v1/salesforce/users", q)
}
