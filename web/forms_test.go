package web

import (
	"fmt"
	"html"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
	"github.com/rosterd/rosterd/sync"
)

const (
	supportToken = "support-token-0123456789"
	limitedToken = "limited-token-0123456789"
	betaMark     = "secretbeta" // stands in all that there is of the other org
)

// siege is a console of two orgs with real directories, under attack from one of
// them.
type siege struct {
	*house
	dirs  map[string]*directory.Directory
	forms []form
}

// form is one form of a page, as it would be sent untouched.
type form struct {
	page, action string
	fields       url.Values
}

func newSiege(t *testing.T) *siege {
	t.Helper()
	db, err := store.Open(t.Context(), storetest.SQLite(t), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &siege{house: &house{t: t}, dirs: map[string]*directory.Directory{}}
	orgs := map[string]control.Org{}
	admin := dialer.Actor{Kind: "admin", Name: "setup"}
	for _, org := range []string{"acme", "beta"} {
		people := []dialer.User{controltest.Person(1), controltest.Person(2), controltest.Person(4)}
		if org == "beta" {
			for i := range people {
				people[i].LastName, people[i].Username = betaMark, fmt.Sprintf("%s%d@example.com", betaMark, i)
				people[i].Email, people[i].Extension = people[i].Username, fmt.Sprint(900+i)
				people[i].SalesforceID = fmt.Sprintf("00500000000B%03dAAA", i)
			}
		}
		d := controltest.NewReal(t, db, org, 5, directory.Options{}, people...)
		s.dirs[org] = d
		mark := map[string]string{"acme": "Closers", "beta": betaMark}[org]
		if _, err := d.AddGroup(t.Context(), dialer.KindTag, mark, nil, admin); err != nil {
			t.Fatal(err)
		}
		number := map[string]string{"acme": "+12025550143", "beta": "+12025550199"}[org]
		if err := d.AddNumber(t.Context(), dialer.Number{Number: number, Kind: "personal", Note: mark}, admin); err != nil {
			t.Fatal(err)
		}
		if _, err := d.PreviewMass(t.Context(), dialer.MassRequest{Action: dialer.MassSet, Field: "ring_timeout_seconds", Value: []byte("33"), Scope: dialer.MassScope{All: true}, Reason: mark, Actor: admin}); err != nil {
			t.Fatal(err)
		}
		e := &crowd{controltest.NewEngine(org), d, []sync.Person{{SalesforceID: "005000000000900AAA", Name: "Jo Smith", CanAdd: true, Active: true}}}
		e.Items = []sync.AttentionItem{{ID: 7, Kind: "ambiguous_match", User: "005000000000001AAA", Detail: "two users could be this person"}}
		orgs[org] = control.Org{Directory: d, Engine: e}
	}
	s.api, err = control.New(control.Options{Orgs: orgs, Tokens: tokens(t, strings.Join([]string{
		"admin dana " + adminToken, "viewer vera " + viewerToken, "support sam " + supportToken, "manager(permission_group=Nobody) lim " + limitedToken, "",
	}, "\n"))})
	if err != nil {
		t.Fatal(err)
	}
	if s.Console, err = New(s.api.Handler(false), Options{}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Console)
	t.Cleanup(server.Close)
	t.Cleanup(s.Close)
	s.url = server.URL
	s.as(adminToken)
	s.send("/o/acme/add/select", url.Values{"go": {"/o/acme/add/review"}, "shown": {"005000000000900AAA"}, "pick": {"005000000000900AAA"}})
	s.send("/o/acme/sync", url.Values{"kind": {"full"}, "reason": {"CASE-1"}})
	return s
}

// as logs in anew.
func (s *siege) as(token string) {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.http = &http.Client{Jar: jar, Transport: &http.Transport{}, Timeout: 20 * time.Second}
	s.t.Cleanup(s.http.CloseIdleConnections)
	s.login(token)
}

var (
	formTag  = regexp.MustCompile(`(?s)<form([^>]*)>(.*?)</form>`)
	fieldTag = regexp.MustCompile(`(?s)<(input|button|textarea|select)([^>]*)>`)
	option   = regexp.MustCompile(`<option(?: value="([^"]*)")?[^>]*>([^<]*)`)
	oddID    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9]+\b|005\w{15}`)
	linkTag  = regexp.MustCompile(`href="(/o/acme[^"#]*)"`)
)

func attr(tag, name string) string {
	m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// walk finds every form that a page which can be reached shows: of pages and
// forms that differ by their ids only, the first.
func (s *siege) walk() {
	s.t.Helper()
	seen, known, alike := map[string]bool{}, map[string]bool{}, map[string]int{}
	for queue := []string{"/o/acme/users?status=all", "/o/acme/add/review"}; len(queue) > 0; queue = queue[1:] {
		path := queue[0]
		kind := oddID.ReplaceAllString(strings.SplitN(path, "cursor=", 2)[0], "N")
		if seen[kind] || strings.Contains(path, "/static/") {
			continue
		}
		seen[kind] = true
		status, _, page := s.get(path)
		if status >= 500 {
			s.t.Errorf("%s: %d", path, status)
		}
		for _, m := range formTag.FindAllStringSubmatch(page, -1) {
			f := form{page: path, action: attr(m[1], "action"), fields: url.Values{}}
			if attr(m[1], "method") != "post" || f.action == "/logout" {
				continue
			}
			for _, tag := range fieldTag.FindAllStringSubmatchIndex(m[2], -1) {
				name, text := attr(m[2][tag[4]:tag[5]], "name"), attr(m[2][tag[4]:tag[5]], "value")
				if m[2][tag[2]:tag[3]] == "select" {
					if o := option.FindStringSubmatch(m[2][tag[1]:]); o != nil {
						text = html.UnescapeString(o[1])
					}
				}
				if name != "" && !f.fields.Has(name) {
					f.fields.Set(name, text)
				}
			}
			key := oddID.ReplaceAllString(f.action, "N") + fmt.Sprint(slices.Sorted(func(yield func(string) bool) {
				for n := range f.fields {
					if !yield(n) {
						return
					}
				}
			}))
			kind := oddID.ReplaceAllString(f.action, "N")
			if !known[key] && alike[kind] < 3 { // the form of a mass action has another field for each attribute
				known[key] = true
				alike[kind]++
				s.forms = append(s.forms, f)
			}
		}
		for _, l := range linkTag.FindAllStringSubmatch(page, -1) {
			queue = append(queue, html.UnescapeString(l[1]))
		}
	}
}

// state is all of an org that a form could have changed.
func (s *siege) state(org string) string {
	s.t.Helper()
	d := s.dirs[org]
	var b strings.Builder
	for u, err := range d.Users(s.t.Context(), dialer.Query{Status: dialer.StatusAll}) {
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&b, "%+v\n", u)
	}
	licenses, err1 := d.Licenses(s.t.Context())
	masses, err2 := d.MassActions(s.t.Context(), 0, 100)
	numbers, err3 := d.Numbers(s.t.Context(), false, "", 100)
	log, err4 := d.Activity(s.t.Context(), dialer.ActivityQuery{Newest: true, Limit: 1})
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	masses = slices.DeleteFunc(masses, func(m dialer.MassAction) bool { return m.State == dialer.MassPreviewed }) // which changes nobody
	fmt.Fprintf(&b, "%+v %+v %+v %d", licenses, masses, numbers, log[0].Seq)
	return b.String()
}

// strike sends a form; whatever is in it, the answer is a page that is no
// failure of ours, and that neither gives markup back nor tells of the other org.
func (s *siege) strike(what, action string, fields url.Values) (status int, page string) {
	s.t.Helper()
	status, _, page = s.send(action, fields)
	low := strings.ToLower(page)
	switch {
	case status >= 500:
		s.t.Errorf("%s: %.120s: %d\n%.400s", what, action, status, page)
	case strings.Contains(low, "<script>alert") || strings.Contains(low, "<img src=x") || strings.Contains(low, `href="javascript:`):
		s.t.Errorf("%s: %.120s gives the text back as markup", what, action)
	case !utf8.ValidString(page):
		s.t.Errorf("%s: %.120s gives bytes that are no text", what, action)
	case (strings.ContainsAny(fields.Encode(), "\x00") || !utf8.ValidString(strings.Join(slices.Concat(slices.Collect(maps.Values(fields))...), ""))) && strings.HasPrefix(action, "/o/") && status != http.StatusBadRequest:
		s.t.Errorf("%s: %.120s takes what is no text: %d", what, action, status)
	case strings.Contains(page, betaMark) && !strings.HasPrefix(action, "/o/beta/"):
		s.t.Errorf("%s: %.120s tells of the other org", what, action)
	}
	return status, page
}

// Every form that there is, found by walking the pages, stands whatever is put
// into it.
func TestEveryFormUnderAttack(t *testing.T) {
	evil := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' OR '1'='1' --`, `'; DROP TABLE dialer_users; --`, `=HYPERLINK("http://x.invalid")`,
		"@SUM(1+1)", "javascript:alert(1)", "{{.}}", "\xff\xfe\xfa", "a\x00b", "\u202egnp.exe", "../../../etc/passwd", "//evil.invalid", "-1", "99999999999999999999", "", strings.Repeat("A", 6000),
	}
	s := newSiege(t)
	s.walk()
	for _, must := range []string{
		"/users/select", "/edit/contact", "/edit/dialing", "/do/deactivate", "/do/delete", "/add/select", "/add/review", "/add/review/005", "/mass", "/do/start", "/sync", "/licenses", "/groups", "/settings",
		"/numbers", "/numbers/assign", "/numbers/remove", "/attention/7", "/health", "/preferences", "/users/import",
	} {
		if !slices.ContainsFunc(s.forms, func(f form) bool { return strings.Contains(f.action, must) }) {
			t.Errorf("no page shows a form for %s", must)
		}
	}
	t.Logf("%d forms", len(s.forms))
	whole := map[string]string{"acme": s.state("acme"), "beta": s.state("beta")}

	// Who may only look changes nothing by any form, nor does who is limited to
	// users of whom there are none.
	for _, token := range []string{viewerToken, limitedToken} {
		s.as(token)
		for _, f := range s.forms {
			s.strike("role too low", f.action, f.fields)
			s.strike("role too low", strings.Replace(f.action, "/o/acme/", "/o/beta/", 1), f.fields)
		}
	}
	for org, was := range whole {
		if now := s.state(org); token(was, now) != "" {
			t.Errorf("%s was changed by who may not: %s", org, token(was, now))
		}
	}

	// Ids of the other org name nobody here.
	s.as(adminToken)
	ids := map[string][2]string{}
	for i := range 3 {
		theirs, err := s.dirs["beta"].User(t.Context(), fmt.Sprintf("%s%d@example.com", betaMark, i))
		if err != nil {
			t.Fatal(err)
		}
		ids[fmt.Sprintf("rep%d@acme.example.com", []int{1, 2, 4}[i])] = [2]string{theirs.ID, theirs.SalesforceID}
	}
	var pairs []string
	for name, theirs := range ids {
		ours, err := s.dirs["acme"].User(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, ours.ID, theirs[0], ours.SalesforceID, theirs[1], "+12025550143", "+12025550199")
	}
	pairs = append(pairs, "/mass/1", "/mass/2", "/groups/1", "/groups/9999")
	forge := strings.NewReplacer(pairs...)
	for _, f := range s.forms {
		fields := url.Values{}
		for name, values := range f.fields {
			for _, v := range values {
				fields.Add(name, forge.Replace(v))
			}
		}
		if action := forge.Replace(f.action); action != f.action || fields.Encode() != f.fields.Encode() {
			s.strike("forged ids", action, fields)
		}
	}

	// Hostile text in one field after the other, and in all at once.
	for _, f := range s.forms {
		if strings.Contains(f.action, "/users/import") { // takes a file: control tests what may be in it
			continue
		}
		for i, text := range evil {
			all := url.Values{}
			for name := range f.fields {
				all.Set(name, text)
				one := maps.Clone(f.fields)
				one.Set(name, text)
				if i%4 == 0 && (i == 0 || len(f.fields) < 20) { // forms with a hundred fields take their time
					s.strike(fmt.Sprintf("%s = %.30q", name, text), f.action, one)
				}
			}
			s.strike(fmt.Sprintf("everything = %.30q", text), f.action, all)
		}
	}
	if now := s.state("beta"); now != whole["beta"] {
		t.Errorf("the other org was changed: %s", token(whole["beta"], now))
	}
	for u, err := range s.dirs["acme"].Users(t.Context(), dialer.Query{Status: dialer.StatusAll}) {
		if text := fmt.Sprintf("%+v", u); err != nil || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\u202e") {
			t.Errorf("a user holds what is no text: %.600q, %v", text, err)
		}
	}
	if _, _, file := s.get("/o/acme/users/export?status=all"); regexp.MustCompile(`(?m)(^|,)"?[=@]`).MatchString(file) {
		t.Errorf("the export holds a formula: %.600s", file)
	}
}

// token is where two states begin to differ.
func token(was, now string) string {
	if was == now {
		return ""
	}
	i := 0
	for i < min(len(was), len(now)) && was[i] == now[i] {
		i++
	}
	from := max(i-80, 0)
	return fmt.Sprintf("…%s… is now …%s…", was[from:min(i+80, len(was))], now[from:min(i+80, len(now))])
}
