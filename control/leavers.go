package control

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// LeaverDirectory proves who lost access, and when. *directory.Directory does.
type LeaverDirectory interface {
	// Leavers returns those who lost access, the latest first.
	Leavers(ctx context.Context, q dialer.LeaverQuery) ([]dialer.Leaver, error)
}

// LeaverPage is a page of leavers, the latest first.
type LeaverPage struct {
	Leavers []dialer.Leaver `json:"leavers" nullable:"false"`
	Next    int64           `json:"next,omitempty" doc:"pass as after for the next page; absent on the last one"`
}

const leaverPage = 1000

type leaversInput struct {
	InOrg
	Month  string `query:"month" maxLength:"7" doc:"only of this month of the org's time zone, such as 2026-10"`
	Since  string `query:"since" maxLength:"40" doc:"only who lost access since: a time (RFC 3339) or an age such as 720h"`
	Until  string `query:"until" maxLength:"40" doc:"only who lost it before: a time or an age"`
	After  int64  `query:"after" minimum:"0" doc:"next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"of json; csv holds all of them"`
	Format string `query:"format" enum:"json,csv" default:"json"`
}

// query turns what was asked into what the directory understands.
func (in *leaversInput) query(zone *time.Location) (q dialer.LeaverQuery, err error) {
	q = dialer.LeaverQuery{After: in.After, Limit: in.Limit}
	if q.Since, err = moment("since", in.Since); err != nil {
		return q, err
	}
	if q.Until, err = moment("until", in.Until); err != nil || in.Month == "" {
		return q, err
	}
	if in.Since != "" || in.Until != "" {
		return q, invalid("month goes with neither since nor until", "")
	}
	if zone == nil {
		zone = time.UTC
	}
	first, err := time.ParseInLocation("2006-01", in.Month, zone)
	if err != nil || first.Year() < 1970 {
		return q, invalid("month is not one", "for example 2026-10")
	}
	q.Since, q.Until = first, first.AddDate(0, 1, 0)
	return q, nil
}

func (s *Server) routeLeavers() {
	handle(s, Viewer, huma.Operation{
		OperationID: "leavers", Method: http.MethodGet, Path: "/v1/reports/leavers", Tags: []string{"activity"},
		Summary: "Who lost access, when, and what proves it", Description: "A csv that is not whole is cut off without its end.",
		Responses: inBoth[LeaverPage](s, "LeaverPage", "A page of leavers, or all of them as csv"),
	}, func(ctx context.Context, c call, in *leaversInput) (*huma.StreamResponse, error) {
		q, err := in.query(c.Zone)
		if err != nil {
			return nil, err
		}
		if in.Format == "csv" {
			q.Limit = leaverPage
		}
		list, err := c.Directory.Leavers(ctx, q)
		if err != nil {
			return nil, err
		}
		if in.Format == "csv" {
			return download("leavers.csv", func(ctx context.Context, w io.Writer) error {
				return writeLeavers(w, list, func(after int64) ([]dialer.Leaver, error) {
					q.After = after
					return c.Directory.Leavers(ctx, q)
				})
			}), nil
		}
		page := LeaverPage{Leavers: append([]dialer.Leaver{}, list...)}
		if len(list) == in.Limit {
			page.Next = list[len(list)-1].Proof
		}
		return inJSON(page), nil
	})
}

// writeLeavers writes a page of leavers and those that follow it.
func writeLeavers(w io.Writer, page []dialer.Leaver, next func(after int64) ([]dialer.Leaver, error)) error {
	out := newSheet(w)
	if err := out.row("user_id", "salesforce_id", "username", "display_name", "reason", "actor_kind", "actor", "left_salesforce",
		"scheduled", "due", "left_dialer", "delay_seconds", "sessions_ended", "redirects", "proof"); err != nil {
		return err
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	for {
		for _, l := range page {
			if err := out.row(l.UserID, l.SalesforceID, l.Username, l.DisplayName, string(l.Reason), l.Actor.Kind, l.Actor.Name, at(l.LeftSource),
				at(l.Scheduled), at(l.Due), at(l.LeftDialer), strconv.FormatInt(l.DelaySeconds, 10), strconv.FormatInt(l.SessionsEnded, 10),
				strconv.FormatInt(l.Redirects, 10), strconv.FormatInt(l.Proof, 10)); err != nil {
				return err
			}
		}
		if len(page) < leaverPage {
			return out.end()
		}
		var err error
		if page, err = next(page[len(page)-1].Proof); err != nil {
			return err
		}
	}
}
