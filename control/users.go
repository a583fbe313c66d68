package control

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// UserPage is a page of users.
type UserPage struct {
	Users []User `json:"users" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"pass as cursor for the next page; absent on the last one"`
}

// OfUser is embedded in the input of operations on one user.
type OfUser struct {
	InOrg
	ID string `path:"id" maxLength:"320" doc:"id, Salesforce id, user name or e-mail address"`
}

type userAnswer struct {
	ETag string `header:"ETag"`
	Body User
}

func answerUser(u *dialer.User) *userAnswer {
	return &userAnswer{etag(u), whole(u)}
}

func (s *Server) routeUsers() {
	handle(s, Viewer, huma.Operation{
		OperationID: "users", Method: http.MethodGet, Path: "/v1/users", Tags: []string{"users"}, Summary: "The dialer's users",
	}, listUsers)
	handle(s, Viewer, huma.Operation{
		OperationID: "user", Method: http.MethodGet, Path: "/v1/users/{id}", Tags: []string{"users"}, Summary: "One user",
	}, func(ctx context.Context, c call, in *OfUser) (*userAnswer, error) {
		u, err := c.Directory.User(ctx, in.ID)
		return answerUser(&u), err
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "explain-user", Method: http.MethodGet, Path: "/v1/users/{id}/explain", Tags: []string{"users"},
		Summary: "Why a person is in the state that they are in", Description: "From local state: it costs no API call.",
	}, func(ctx context.Context, c call, in *OfUser) (*answer[sync.Explanation], error) {
		e, err := c.Engine.Explain(ctx, in.ID)
		return &answer[sync.Explanation]{e}, err
	})
}

func listUsers(ctx context.Context, c call, in *struct {
	InOrg
	Status  string `query:"status" doc:"active, inactive, deleted or all; active and inactive when left out"`
	Search  string `query:"search" maxLength:"200" doc:"part of a name, user name or e-mail address, or an extension"`
	License string `query:"license" doc:"only who holds a seat of this type"`
	Filter  string `query:"filter" maxLength:"500" doc:"terms key=value separated by spaces: status, search, license, linked or a kind of group"`
	Order   string `query:"order" enum:"id,username,salesforce_id" default:"id"`
	Cursor  string `query:"cursor" doc:"next of the page before, with the same order"`
	Limit   int    `query:"limit" minimum:"1" maximum:"2000" default:"100"`
},
) (*answer[UserPage], error) {
	st, err := status(in.Status)
	if err != nil {
		return nil, err
	}
	q := dialer.Query{Status: st, Search: in.Search, License: in.License, Limit: in.Limit}
	if in.Order != "id" {
		q.Order = dialer.Order(in.Order)
	}
	if q.After, err = openCursor(in.Order, in.Cursor); err != nil {
		return nil, err
	}
	if err := applyFilter(&q, in.Filter); err != nil {
		return nil, err
	}
	users, next, err := c.Directory.List(ctx, q)
	page := UserPage{Users: make([]User, 0, len(users)), Next: sealCursor(in.Order, next)}
	for i := range users {
		page.Users = append(page.Users, view(&users[i]))
	}
	return &answer[UserPage]{page}, err
}

// sealCursor makes of where the directory goes on what the caller passes back,
// "" at the end. That it is not for reading keeps user names out of addresses,
// and lets a cursor that nobody gave out be told from one.
func sealCursor(order, next string) string {
	if next == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(order + ":" + next))
}

// openCursor is the reverse. A cursor that sealCursor did not make, or made for
// another order, is refused: nobody could tell an empty page from the end.
func openCursor(order, cursor string) (after string, err error) {
	if cursor == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	after, ok := strings.CutPrefix(string(text), order+":")
	if err != nil || !ok || after == "" {
		return "", invalid("the cursor is not one that a page of this order gave", "pass next of the page before as it is, with the same order, or leave it out to begin anew")
	}
	return after, nil
}
