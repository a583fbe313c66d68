package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/control"
)

// activityPage is what the activity page shows.
type activityPage struct {
	User, Since string
	Sinces      [][2]string
	Entries     []entry
	Newest      int64 // where the live part goes on
	Live        string
	First, Next string
	Error       string
}

func (v *visit) activity() error {
	q := v.r.URL.Query()
	p := activityPage{
		User: strings.TrimSpace(q.Get("user")), Since: q.Get("since"),
		Sinces: [][2]string{{"", "any time"}, {"1h", "last hour"}, {"24h", "last day"}, {"168h", "last week"}, {"720h", "last 30 days"}},
	}
	if !slices.ContainsFunc(p.Sinces, func(s [2]string) bool { return s[0] == p.Since }) {
		p.Since = ""
	}
	before := number64(q.Get("before"))
	page, err := v.api.Activity(v.r.Context(), control.ActivityFilter{User: p.User, Since: p.Since, Before: before, Limit: 50})
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
		for k, s := range map[string]string{"user": p.User, "since": p.Since} {
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
		if len(page.Activity) > 0 {
			p.Newest = page.Activity[0].Seq
		}
		p.Live = v.At("/activity/live") + "?" + url.Values{"after": {strconv.FormatInt(p.Newest, 10)}, "user": {p.User}}.Encode()
	}
	return v.page("activity", "Activity", p)
}

// leaversPage lists who lost access lately, with the proof.
type leaversPage struct {
	Since   string
	Entries []entry
	Leaving []control.User
	Overdue int
}

func (v *visit) leavers() error {
	ctx := v.r.Context()
	p := leaversPage{Since: "720h"}
	before := int64(0)
	for range 20 { // pages of a thousand entries: enough for a month of a large org, bounded for a page
		page, err := v.api.Activity(ctx, control.ActivityFilter{Since: p.Since, Before: before, Limit: 1000})
		if err != nil {
			return err
		}
		for _, a := range page.Activity {
			if a.Verb == "deactivate" && len(p.Entries) < 200 {
				p.Entries = append(p.Entries, entry{a, changes(a.Before, a.After), true, ""})
			}
		}
		if before = page.Next; before == 0 || len(p.Entries) >= 200 {
			break
		}
	}
	v.names(ctx, p.Entries)
	st, err := v.api.Status(ctx)
	if err != nil {
		return err
	}
	p.Overdue = st.Orgs[0].Overdue
	return v.page("leavers", "Leavers", p)
}
