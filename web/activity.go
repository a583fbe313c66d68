package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/control"
)

// activityPage is what the activity page shows.
type activityPage struct {
	User, Since string
	Verb, Text  string
	Verbs       []string
	Sinces      [][2]string
	Entries     []entry
	Live        string // where new entries come from
	First, Next string
	Error       string
}

// verbs are what the log can be searched for.
func verbs() []string {
	return []string{"create", "link", "update", "schedule", "unschedule", "deactivate", "activate", "delete", "reset_password", "end_sessions"}
}

// activity lists who did what.
func (v *visit) activity() error {
	q := v.r.URL.Query()
	p := activityPage{
		User: strings.TrimSpace(q.Get("user")), Since: q.Get("since"),
		Sinces: [][2]string{{"", "any time"}, {"1h", "last hour"}, {"24h", "last day"}, {"168h", "last week"}, {"720h", "last 30 days"}},
	}
	if !slices.ContainsFunc(p.Sinces, func(s [2]string) bool { return s[0] == p.Since }) {
		p.Since = ""
	}
	p.Verb, p.Text, p.Verbs = q.Get("verb"), strings.TrimSpace(q.Get("text")), verbs()
	if !slices.Contains(p.Verbs, p.Verb) {
		p.Verb = ""
	}
	before := number64(q.Get("before"))
	f := control.ActivityFilter{User: p.User, Since: p.Since, Verb: p.Verb, Text: p.Text, Before: before, Limit: 50}
	page, after, err := v.logPage(f)
	if problem := refused(err); problem != nil {
		p.Error = sentence(problem.Message)
		err = nil
	}
	if err != nil {
		return err
	}
	p.Entries = entries(page.Activity, true)
	v.names(v.r.Context(), p.Entries)
	at := func(before int64) string {
		q := url.Values{}
		for k, s := range map[string]string{"user": p.User, "since": p.Since, "verb": p.Verb, "text": p.Text} {
			if s != "" {
				q.Set(k, s)
			}
		}
		if before != 0 {
			q.Set("before", strconv.FormatInt(before, 10))
		}
		if len(q) == 0 {
			return v.At("/activity")
		}
		return v.At("/activity") + "?" + q.Encode()
	}
	if page.Next != 0 {
		p.Next = at(page.Next)
	}
	if before != 0 {
		p.First = at(0)
	} else if p.Error == "" {
		shown := make([]string, len(page.Activity))
		for i, a := range page.Activity {
			shown[i] = strconv.FormatInt(a.Seq, 10)
		}
		p.Live = v.At("/activity/live") + "?" + url.Values{
			"after": {strconv.FormatInt(after, 10)}, "user": {p.User}, "verb": {p.Verb}, "text": {p.Text}, "shown": {strings.Join(shown, ",")},
		}.Encode()
	}
	return v.page("activity", "Activity", p)
}

// logPage reads a page of the log, and after which entry to look for more: that
// is its oldest, since what is committed late can come between two that are
// there.
func (v *visit) logPage(f control.ActivityFilter) (page control.ActivityPage, after int64, err error) {
	ctx := v.r.Context()
	if page, err = v.api.Activity(ctx, f); err != nil {
		return page, 0, err
	}
	if n := len(page.Activity); n > 0 {
		return page, page.Activity[n-1].Seq, nil
	}
	newest, err := v.api.Activity(ctx, control.ActivityFilter{Limit: 1})
	if err != nil {
		return page, 0, err
	}
	for _, a := range newest.Activity {
		after = a.Seq
	}
	page, err = v.api.Activity(ctx, f) // again: something may have come meanwhile
	return page, after, err
}

// leaversPage lists who lost access, with the proof.
type leaversPage struct {
	Month   string
	Leavers []control.Leaver
	Next    string
	First   string
	CSV     string
	Error   string
	Overdue int
}

// leavers reports who lost access in a month, or lately.
func (v *visit) leavers() error {
	ctx := v.r.Context()
	f := control.LeaverFilter{Month: strings.TrimSpace(v.query("month")), After: number64(v.query("after")), Limit: 100}
	if f.Month == "" {
		f.Since = "720h"
	}
	p := leaversPage{Month: f.Month}
	page, err := v.api.Leavers(ctx, f)
	if problem := refused(err); problem != nil {
		p.Error, err = sentence(problem.Message), nil
	}
	if err != nil {
		return err
	}
	st, err := v.api.Status(ctx)
	if err != nil {
		return err
	}
	p.Leavers, p.Overdue = page.Leavers, st.Orgs[0].Overdue
	at := func(path string, after int64) string {
		q := url.Values{}
		if p.Month != "" {
			q.Set("month", p.Month)
		}
		if after != 0 {
			q.Set("after", strconv.FormatInt(after, 10))
		}
		return v.At("/leavers") + path + "?" + q.Encode()
	}
	p.CSV = at("/csv", 0)
	if f.After != 0 {
		p.First = at("", 0)
	}
	if page.Next != 0 {
		p.Next = at("", page.Next)
	}
	return v.page("leavers", "Leavers", p)
}

// leaversCSV sends the report as a file.
func (v *visit) leaversCSV() error {
	f := control.LeaverFilter{Month: strings.TrimSpace(v.query("month"))}
	if f.Month == "" {
		f.Since = "720h"
	}
	if _, err := v.api.Leavers(v.r.Context(), f); err != nil {
		return err // before the file begins, a page can say what is wrong
	}
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", v.org+"-leavers.csv"))
	if err := v.api.LeaversCSV(v.r.Context(), v.w, f); err != nil {
		panic(http.ErrAbortHandler) // the file must not look complete
	}
	return nil
}
