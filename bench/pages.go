package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/control"
)

const (
	manyUsers = 50_000 // of an org whose people are administered
	pageTimes = 30     // how often each page is asked for
	maxPage   = 100 * time.Millisecond
	maxView   = 150.0 // kB
	floorPath = "/readyz"
)

// visitor is a browser that is logged in to the console.
type visitor struct {
	*http.Client
	base string
}

// visitAs logs in.
func visitAs(ctx context.Context, base, token string) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := &visitor{&http.Client{Jar: jar, Transport: &http.Transport{DisableCompression: true}, Timeout: time.Minute}, base}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/login", strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := v.Do(req)
	if err != nil {
		return nil, fmt.Errorf("log in to the console: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if !strings.HasSuffix(resp.Request.URL.Path, "/users") {
		return nil, fmt.Errorf("log in to the console: %s at %s", resp.Status, resp.Request.URL.Path)
	}
	return v, nil
}

// get returns a page, how many bytes of it were sent, and how long it took.
func (v *visitor) get(ctx context.Context, path string) (page []byte, sent int, took time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+path, nil)
	if err != nil {
		return nil, 0, 0, err
	}
	req.Header.Set("Accept-Encoding", "gzip") // as a browser does
	began := time.Now()
	resp, err := v.Do(req)
	if err != nil {
		return nil, 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	page, err = io.ReadAll(resp.Body)
	took, sent = time.Since(began), len(page)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("page %s: %s", path, resp.Status)
	}
	if err == nil && resp.Header.Get("Content-Encoding") == "gzip" {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(page)); err == nil {
			page, err = io.ReadAll(z)
		}
	}
	return page, sent, took, err
}

// many asks for a page again and again.
func (v *visitor) many(ctx context.Context, path string) ([]time.Duration, error) {
	var took []time.Duration
	for i := range pageTimes + 1 {
		_, _, t, err := v.get(ctx, path)
		if err != nil {
			return nil, err
		}
		if i > 0 { // the first parses its template
			took = append(took, t)
		}
	}
	return took, nil
}

// tick ticks n people of Salesforce, to be added.
func (v *visitor) tick(ctx context.Context, d *daemon, n int) error {
	form := url.Values{}
	for u, err := range d.Users(ctx, control.UserFilter{Limit: n}) {
		if err != nil {
			return err
		}
		form.Add("pick", u.SalesforceID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.base+"/o/acme/add/select", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := v.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// place is a page of the console.
type place struct{ name, path string }

// places lists every kind of page, and of the lists what is hardest to find.
func (d *daemon) places(ctx context.Context) ([]place, error) {
	var u control.User
	for one, err := range d.Users(ctx, control.UserFilter{Limit: 1}) {
		if err != nil {
			return nil, err
		}
		u = one
	}
	mass, err := d.PreviewMass(ctx, control.MassActionRequest{Action: "set", Field: "ring_timeout_seconds", Value: []byte("33"), Scope: control.MassScope{All: true}})
	if err != nil {
		return nil, err
	}
	user := "/users/" + u.ID
	return []place{
		{"users", "/users"},
		{"users, all", "/users?status=all"},
		{"users, inactive", "/users?status=inactive"},
		{"users, deleted", "/users?status=deleted"},
		{"users, backwards", "/users?desc=1"},
		{"users, 200 of them", "/users?size=200"},
		{"users by first name", "/users?order=first_name"},
		{"users by user name", "/users?order=username"},
		{"users by e-mail", "/users?order=email"},
		{"users by extension", "/users?order=extension"},
		{"users by change", "/users?order=updated_at&desc=1"},
		{"users by age", "/users?order=created_at"},
		{"users found: one", "/users?q=" + url.QueryEscape(u.Username)},
		{"users found: many", "/users?q=example"},
		{"users found: part", "/users?q=" + url.QueryEscape(u.Username[2:min(8, len(u.Username))])},
		{"users found: nobody", "/users?q=xqzzyxqz"},
		{"users found: two letters", "/users?q=xq"},
		{"users of a seat", "/users?license=powerdialer"},
		{"users of a group", "/users?f=permission_group&op=is&v=Reps"},
		{"users of a setting", "/users?f=ring_timeout_seconds&op=is&v=44"},
		{"users of a title", "/users?f=title&op=contains&v=xqzzy"},
		{"user", user},
		{"user, dialing", user + "?tab=dialing"},
		{"user, why", user + "?tab=why"},
		{"user, activity", user + "?tab=activity"},
		{"user, sign-in", user + "?tab=signin"},
		{"user, edit", user + "/edit/dialing"},
		{"user, deactivate", user + "/do/deactivate"},
		{"add", "/add"},
		{"add, everybody", "/add?show=all"},
		{"add, found: one", "/add?q=" + url.QueryEscape(u.Username)},
		{"add, found: nobody", "/add?q=xqzzyxqz"},
		{"add, of a profile", "/add?show=all&profile=xqzzy"},
		{"why", "/why?who=" + url.QueryEscape(u.Username)},
		{"mass update", "/mass"},
		{"mass update, setting", "/mass?verb=set"},
		{"mass action", fmt.Sprintf("/mass/%d", mass.ID)},
		{"sync", "/sync"},
		{"runs", "/runs"},
		{"run", "/runs/1"},
		{"licenses", "/licenses"},
		{"groups", "/groups"},
		{"org settings", "/settings"},
		{"activity", "/activity"},
		{"activity of a user", "/activity?user=" + url.QueryEscape(u.Username)},
		{"activity of a verb", "/activity?verb=delete"},
		{"activity found: nothing", "/activity?text=xqzzyxqz"},
		{"sessions", "/sessions"},
		{"numbers", "/numbers"},
		{"add, review of 50", "/add/review"},
		{"leavers", "/leavers"},
		{"attention", "/attention"},
		{"health", "/health"},
		{"import", "/users/import"},
	}, nil
}

var statics = regexp.MustCompile(`"(/static/[^"]+)"`)

// view is what a first view of a page takes, in bytes as sent: the page and
// all that it loads.
func (v *visitor) view(ctx context.Context, path string) (int, error) {
	page, all, _, err := v.get(ctx, path)
	if err != nil {
		return 0, err
	}
	var seen []string
	for _, m := range statics.FindAllStringSubmatch(string(page), -1) {
		if slices.Contains(seen, m[1]) {
			continue
		}
		seen = append(seen, m[1])
		_, sent, _, err := v.get(ctx, m[1])
		if err != nil {
			return 0, err
		}
		all += sent
	}
	return all, nil
}

// pageRows measures every page of the console of an org of n users who are all
// in the dialer, beside an answer that asks the database nothing but whether it
// is there.
func (b *bench) pageRows(ctx context.Context, s *sim, store string, n int) ([]row, error) {
	at, drop, err := b.database(ctx, store)
	if err != nil {
		return nil, err
	}
	defer drop()
	d, err := b.startConsole(ctx, s, at, n)
	if err != nil {
		return nil, err
	}
	defer d.stop()
	if _, err := d.first(ctx); err != nil {
		return nil, err
	}
	places, err := d.places(ctx)
	if err != nil {
		return nil, err
	}
	v, err := visitAs(ctx, d.console, benchToken)
	if err != nil {
		return nil, err
	}
	defer v.CloseIdleConnections()
	if err := v.tick(ctx, d, 50); err != nil {
		return nil, err
	}
	floor, err := v.many(ctx, floorPath)
	if err != nil {
		return nil, err
	}
	most, largest := 0, ""
	var list []row
	for _, p := range places {
		took, err := v.many(ctx, "/o/acme"+p.path)
		if err != nil {
			return list, err
		}
		bytes, err := v.view(ctx, "/o/acme"+p.path)
		if err != nil {
			return list, err
		}
		if bytes > most {
			most, largest = bytes, p.name
		}
		list = append(list, row{
			Name: "page: " + p.name, Store: store, Users: n, Unit: "ms", Value: millis(p99(took)), Floor: millis(p99(floor)),
			Target: millis(maxPage), Note: fmt.Sprintf("p50 %s ms", number(millis(p50(took)))),
		})
	}
	return append(list, row{
		Name: "largest first view", Store: store, Users: n, Unit: "kB", Value: float64(most) / 1000, Target: maxView, Note: "of " + largest,
	}), nil
}
