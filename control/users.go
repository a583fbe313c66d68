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

// answerUser is the answer about one user, with what follows from their
// attributes.
func (c call) answerUser(ctx context.Context, u *dialer.User) (*userAnswer, error) {
	v, err := c.whole(ctx, u)
	return &userAnswer{etag(u), v}, err
}

func (s *Server) routeUsers() {
	handle(s, Viewer, huma.Operation{
		OperationID: "users", Method: http.MethodGet, Path: "/v1/users", Tags: []string{"users"}, Summary: "The dialer's users",
	}, listUsers)
	handle(s, Viewer, huma.Operation{
		OperationID: "user", Method: http.MethodGet, Path: "/v1/users/{id}", Tags: []string{"users"}, Summary: "One user",
	}, func(ctx context.Context, c call, in *OfUser) (*userAnswer, error) {
		u, err := c.Directory.User(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return c.answerUser(ctx, &u)
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "explain-user", Method: http.MethodGet, Path: "/v1/users/{id}/explain", Tags: []string{"users"},
		Summary: "Why a person is in the state that they are in", Description: "From local state: it costs no API call.",
	}, func(ctx context.Context, c call, in *OfUser) (*answer[sync.Explanation], error) {
		e, err := c.Engine.Explain(ctx, in.ID)
		return &answer[sync.Explanation]{e}, err
	})
}

// UserList is embedded in the input of operations on users that a query
// selects.
type UserList struct {
	Status  string `query:"status" doc:"active, inactive, deleted or all; active and inactive when left out"`
	Search  string `query:"search" maxLength:"200" doc:"part of a name, user name or e-mail address, or an extension"`
	License string `query:"license" doc:"only who holds a seat of this type"`
	Filter  string `query:"filter" maxLength:"2000" doc:"terms key=value separated by spaces: status, search, license, linked, a kind of group (a|b: one of them) or an attribute (also != ~ ^, empty=NAME, set=NAME); all must hold"`
}

func (l *UserList) query() (dialer.Query, error) {
	st, err := status(l.Status)
	if err != nil {
		return dialer.Query{}, err
	}
	q := dialer.Query{Status: st, Search: l.Search, License: l.License}
	err = applyFilter(&q, l.Filter)
	return q, err
}

// words is the selection as a filter says it, for the activity log.
func (l *UserList) words() string {
	var terms []string
	for _, t := range [][2]string{{"status", l.Status}, {"search", l.Search}, {"license", l.License}} {
		if t[1] != "" {
			terms = append(terms, t[0]+"="+t[1])
		}
	}
	return strings.TrimSpace(strings.Join(terms, " ") + " " + l.Filter)
}

func listUsers(ctx context.Context, c call, in *struct {
	InOrg
	UserList
	Order   string   `query:"order" enum:"id,username,salesforce_id,last_name,first_name,email,extension,updated_at,created_at" default:"id"`
	Desc    bool     `query:"desc" doc:"the other way round"`
	IDs     []string `query:"ids" maxItems:"500" nullable:"false" doc:"only the users of these dialer ids"`
	Columns []string `query:"columns" maxItems:"200" doc:"attributes to show of each user, by name; those that every user has are there anyway"`
	Cursor  string   `query:"cursor" doc:"next of the page before, with the same order"`
	Limit   int      `query:"limit" minimum:"1" maximum:"2000" default:"100"`
},
) (*answer[UserPage], error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	q.Limit, q.Desc, q.Within, q.IDs = in.Limit, in.Desc, c.Within, in.IDs
	sorted := in.Order
	if in.Desc {
		sorted += " desc"
	}
	if in.Order != "id" {
		q.Order = dialer.Order(in.Order)
	}
	columns, err := columnsOf(in.Columns)
	if err != nil {
		return nil, err
	}
	if q.After, err = openCursor(sorted, in.Cursor); err != nil {
		return nil, err
	}
	users, next, err := c.Directory.List(ctx, q)
	page := UserPage{Users: make([]User, 0, len(users)), Next: sealCursor(sorted, next)}
	for i := range users {
		v := view(&users[i])
		if columns != nil {
			v.Attributes = attributes(&users[i], columns)
		}
		page.Users = append(page.Users, v)
	}
	return &answer[UserPage]{page}, err
}

// columnsOf are the attributes of those names.
func columnsOf(names []string) (columns []dialer.Field, err error) {
	var found findings
	for _, name := range names {
		f := dialer.Field(name)
		if _, ok := f.Attribute(); !ok {
			found.add("query.columns."+name, "is no attribute")
		}
		columns = append(columns, f)
	}
	return columns, found.err()
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
