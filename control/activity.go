package control

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// ActivityPage is a page of the activity log, newest first.
type ActivityPage struct {
	Activity []dialer.Activity `json:"activity" nullable:"false"`
	Next     int64             `json:"next,omitempty" doc:"pass as before for the next page; absent on the last one"`
}

// LogPage is embedded in the input of operations that read the activity
// log.
type LogPage struct {
	Since string `query:"since" maxLength:"40" doc:"only what happened since: a time (RFC 3339) or an age such as 24h"`
	Until string `query:"until" maxLength:"40" doc:"only what happened before: a time or an age"`
	LogFilter
	Before int64 `query:"before" doc:"only entries older than this one, by seq"`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// LogFilter says which entries of the activity log.
type LogFilter struct {
	Verb      string `query:"verb" maxLength:"50" doc:"only of this verb, such as deactivate or reset_password"`
	Actor     string `query:"actor" maxLength:"200" doc:"only by the actor of this name"`
	ActorKind string `query:"actor_kind" maxLength:"50" doc:"only by actors of this kind, such as sync, admin or manager"`
	Text      string `query:"text" maxLength:"200" doc:"only with this text in the note, the actor's name, or the values before and after; a page looks through 15,000 entries, and may be empty though there is a next one"`
}

func (f *LogFilter) apply(q *dialer.ActivityQuery) {
	q.Verb, q.Actor, q.ActorKind, q.Text = dialer.Verb(f.Verb), f.Actor, f.ActorKind, f.Text
}

func (p *LogPage) query() (dialer.ActivityQuery, error) {
	q := dialer.ActivityQuery{Newest: true, After: p.Before, Limit: p.Limit}
	p.apply(&q)
	var err error
	if q.Since, err = moment("since", p.Since); err == nil {
		q.Until, err = moment("until", p.Until)
	}
	return q, err
}

// moment reads a time, or an age, which is a time ago.
func moment(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return time.Now().Add(-age), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Year() < 1970 || at.Year() > 9999 {
		return time.Time{}, invalid(name+" is neither a time nor an age", "for example 2026-11-20T00:00:00Z or 24h")
	}
	return at, nil
}

func (s *Server) routeActivity() {
	handle(s, Viewer, huma.Operation{
		OperationID: "activity", Method: http.MethodGet, Path: "/v1/activity", Tags: []string{"activity"}, Summary: "Who did what, newest first",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		User string `query:"user" maxLength:"320" doc:"only about this user: id, Salesforce id, user name or e-mail address"`
		LogPage
	},
	) (*answer[ActivityPage], error) {
		return c.activityOf(ctx, in.User, &in.LogPage)
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "user-activity", Method: http.MethodGet, Path: "/v1/users/{id}/activity", Tags: []string{"activity"}, Summary: "What was done to a user, newest first",
	}, func(ctx context.Context, c call, in *struct {
		OfUser
		LogPage
	},
	) (*answer[ActivityPage], error) {
		return c.activityOf(ctx, in.ID, &in.LogPage)
	})
}

func (c call) activityOf(ctx context.Context, ref string, p *LogPage) (*answer[ActivityPage], error) {
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	if ref != "" {
		u, err := c.Directory.User(ctx, ref)
		if err != nil {
			return nil, err
		}
		q.UserID = u.ID
	}
	return c.activity(ctx, q)
}

// lookThrough is how many entries of the log one page of a search for a text
// looks through at most.
const lookThrough = 15_000

func (c call) activity(ctx context.Context, q dialer.ActivityQuery) (*answer[ActivityPage], error) {
	if q.Text != "" && q.Newest {
		if q.After == 0 {
			newest, err := c.Directory.Activity(ctx, dialer.ActivityQuery{Newest: true, Limit: 1})
			if err != nil || len(newest) == 0 {
				return &answer[ActivityPage]{ActivityPage{Activity: []dialer.Activity{}}}, err
			}
			q.After = newest[0].Seq + 1
		}
		q.From = max(q.After-lookThrough, 0)
	}
	list, err := c.Directory.Activity(ctx, q)
	page := ActivityPage{Activity: append([]dialer.Activity{}, list...), Next: q.From}
	if len(list) == q.Limit {
		page.Next = list[len(list)-1].Seq
	}
	return &answer[ActivityPage]{page}, err
}
