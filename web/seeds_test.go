package web

import (
	"bufio"
	"context"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
	"github.com/rosterd/rosterd/sync"
)

// crowd is an engine that knows people of Salesforce, over a real directory.
type crowd struct {
	*controltest.Engine
	d      *directory.Directory
	people []sync.Person
}

func (c *crowd) People(_ context.Context, q sync.PeopleQuery) (sync.PeoplePage, error) {
	page := sync.PeoplePage{People: []sync.Person{}}
	if q.Role+q.Department != "" { // nobody has a role, and there is no end of them; somebody in the third part is of the department
		at, _ := strconv.Atoi(q.Cursor)
		if page.Next = strconv.Itoa(at + 1); at == 2 && q.Department != "" {
			page.People, page.Next = c.people[:1], ""
		}
		return page, nil
	}
	for _, p := range c.people {
		if (!q.Eligible || p.CanAdd) && strings.Contains(p.Name+p.SalesforceID, q.Search) && (q.IDs == nil || slices.Contains(q.IDs, p.SalesforceID)) {
			page.People = append(page.People, p)
		}
	}
	return page, nil
}

func (c *crowd) Explain(_ context.Context, ref string) (sync.Explanation, error) {
	return sync.Explanation{Asked: ref, Match: "linked", Seat: "powerdialer", Conclusion: "Active."}, nil
}

func (c *crowd) Trend(context.Context, int) (sync.Trend, error) { return sync.Trend{}, nil }

func (c *crowd) Add(ctx context.Context, refs, _ []string, by dialer.Actor, _ string) ([]sync.AddResult, error) {
	var out []sync.AddResult
	for _, ref := range refs {
		r := c.d.Apply(ctx, []dialer.Change{{Verb: dialer.VerbCreate, Actor: by, Seats: []string{"powerdialer"}, NoSeat: dialer.NoSeatReject, User: dialer.User{
			SalesforceID: ref, Username: "jo@acme.example.com", Email: "jo@example.com", FirstName: "Jo", LastName: "Smith",
		}}})[0]
		out = append(out, sync.AddResult{Ref: ref, SalesforceID: ref, UserID: r.UserID, Outcome: "added"})
		if r.Err != nil {
			out[len(out)-1].Outcome = "refused"
		}
	}
	return out, nil
}

// newCrowd is a console of one org with a real directory: two users, one who
// has left, three seats, and two people of Salesforce, one of whom fits.
func newCrowd(t *testing.T) (*house, *directory.Directory) {
	t.Helper()
	db, err := store.Open(t.Context(), storetest.SQLite(t), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	gone := controltest.Person(3)
	gone.Status, gone.StatusReason, gone.LicenseTypes = dialer.StatusInactive, dialer.ReasonSalesforceInactive, nil
	d := controltest.NewReal(t, db, "acme", 3, directory.Options{}, controltest.Person(1), controltest.Person(2), gone)
	h := &house{t: t}
	h.api, err = control.New(control.Options{
		Orgs: map[string]control.Org{"acme": {Directory: d, Engine: &crowd{controltest.NewEngine("acme"), d, []sync.Person{
			{SalesforceID: "005000000000900AAA", Name: "Jo Smith", CanAdd: true, Active: true},
			{SalesforceID: "005000000000901AAA", Name: "Pat Smith", Why: "not the Salesforce license", Active: true},
		}}}},
		Tokens: tokens(t, "admin dana "+adminToken+"\nadmin erin "+secondToken+"\nviewer vera "+viewerToken+"\nmanager(tag=vip) lim "+limitedToken+"\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if h.Console, err = New(h.api.Handler(false), Options{}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h.Console)
	t.Cleanup(server.Close)
	t.Cleanup(h.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.url, h.http = server.URL, &http.Client{Jar: jar, Transport: &http.Transport{}, Timeout: 20 * time.Second}
	t.Cleanup(h.http.CloseIdleConnections)
	h.login(adminToken)
	return h, d
}

// idOf is the id of a user of the directory.
func idOf(t *testing.T, d *directory.Directory, u dialer.User) string {
	t.Helper()
	u, err := d.User(t.Context(), u.Username)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

// has checks what a page says.
func has(t *testing.T, page string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("the page lacks %q", w)
		}
	}
}

// Search, tick, next, add: whoever cannot be added has no box, and a reason.
func TestAddInThreeScreens(t *testing.T) {
	h, d := newCrowd(t)
	_, _, page := h.get("/o/acme/add?q=Smith")
	has(t, page, "Jo Smith", "Pat Smith", "not the Salesforce license", `value="005000000000900AAA" aria-label="Tick Jo Smith"`)
	if strings.Contains(page, "Tick Pat Smith") {
		t.Error("somebody can be ticked who cannot be added")
	}
	_, at, page := h.send("/o/acme/add/select", url.Values{
		"go": {"/o/acme/add/review"}, "shown": {"005000000000900AAA"}, "pick": {"005000000000900AAA"},
	})
	if at != "/o/acme/add/review" {
		t.Errorf("next leads to %s", at)
	}
	has(t, page, "Jo Smith", "0 left after this", "Add 1 user")
	if _, _, page = h.get("/o/acme/add"); !strings.Contains(page, `data-count="1"`) {
		t.Error("the tick is lost on the way back")
	}
	_, _, page = h.send("/o/acme/add/review", url.Values{"reason": {"CASE-1"}})
	has(t, page, "<h1>Added</h1>", "1 user added")
	if _, _, page = h.get("/o/acme/add"); !strings.Contains(page, `data-count="0"`) {
		t.Error("who was added is still ticked")
	}
	if u, err := d.User(t.Context(), "005000000000900AAA"); err != nil || u.Status != dialer.StatusActive || len(u.LicenseTypes) != 1 {
		t.Errorf("added is %+v, %v", u, err)
	}
}

// The list shows the active ones first, is searched and filtered by one form,
// and offers each act beside its user.
func TestUsersScreen(t *testing.T) {
	h, d := newCrowd(t)
	one, gone := controltest.Person(1), controltest.Person(3)
	one.ID = idOf(t, d, one)
	_, _, page := h.get("/o/acme/users")
	has(t, page, one.Username, `name="q"`, `name="f"`, `name="op"`, `name="v"`, `name="status"`, `<option value="role">`, "Export as CSV", "Add from Salesforce")
	if strings.Contains(page, gone.Username) {
		t.Error("who has left is listed among the active")
	}
	for _, act := range []string{"", "/edit/dialing", "?tab=activity", "/do/refresh", "/do/deactivate", "/do/delete"} {
		has(t, page, `href="/o/acme/users/`+one.ID+act+`"`)
	}
	for query, want := range map[string]bool{
		"status=all": true, "status=inactive": true, "status=all&q=Number3": true, "status=all&q=Number1": false,
		"status=all&f=last_name&op=is&v=Number3": true, "status=all&f=extension&op=is&v=101": false, "status=all&f=role&op=is&v=Nobody": false,
	} {
		if _, _, page := h.get("/o/acme/users?" + query); strings.Contains(page, gone.Username) != want {
			t.Errorf("%s: who has left is listed %v", query, !want)
		}
	}
	ticked := regexp.MustCompile(`name="pick" value="` + one.ID + `"[^>]* checked`)
	_, _, page = h.send("/o/acme/users/select", url.Values{"go": {"/o/acme/users?q=rep1"}, "shown": {one.ID}, "pick": {one.ID}})
	if !ticked.MatchString(page) {
		t.Error("a tick is lost between two lists")
	}
	_, _, page = h.get("/o/acme/mass?verb=deactivate")
	has(t, page, "the 1 ticked", "everybody who is not protected")
}

// A profile is read by all and edited by some: viewing and editing are two
// pages, the contact data that Salesforce owns is locked on both.
func TestProfileIsReadThenEdited(t *testing.T) {
	h, d := newCrowd(t)
	h.login(viewerToken)
	at := "/o/acme/users/" + idOf(t, d, controltest.Person(1))
	_, _, page := h.get(at)
	has(t, page, "Rep Number1", "<h2>Contact</h2>", "First name", "E-mail", "from Salesforce: change it there")
	if strings.Contains(page, "/edit/contact") {
		t.Error("a viewer is offered to edit")
	}
	h.login(adminToken)
	_, _, page = h.get(at)
	has(t, page, at+"/edit/contact")
	_, _, page = h.get(at + "/edit/contact")
	has(t, page, `<button class="primary">Save</button>`, `name="sales_role"`, "from Salesforce: change it there")
	if strings.Contains(page, `name="first_name"`) {
		t.Error("what Salesforce owns can be typed in")
	}
	for tab, want := range map[string][]string{
		"dialing":   {"country", "international_dialing", "local_presence", "caller_id_click_to_call", "ring_timeout_seconds", "unavailable_kind", "auto_dial", "virtual_extension", "ringback"},
		"recording": {"recording_enabled", "recording_mode", "recording_min_seconds", "recording_ratio"},
		"access":    {"system_role", "permission_group", "role", "tag", "skill_group", "campaign", "initiative", "acd", "data_view_level", "site_permission_level", "ip_acl_enabled"},
		"devices":   {"sip_option", "sip_custom_uri", "sip_password", "devices.0.name", "devices.0.enabled", "devices.0.caller_id"},
		"more":      {"mass_email_enabled", "mass_fax_enabled", "oauth_email", "caldav_token"},
	} {
		_, _, page := h.get(at + "/edit/" + tab)
		for _, name := range want {
			if !strings.Contains(page, `name="`+name+`"`) && !strings.Contains(page, `name="`+name+`.boxes"`) {
				t.Errorf("tab %s has no control for %s", tab, name)
			}
		}
	}
}

// What happens shows up while one looks.
func TestActivityIsLive(t *testing.T) {
	h, d := newCrowd(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, _, page := h.get("/o/acme/activity")
	live := regexp.MustCompile(`data-live="([^"]+)"`).FindStringSubmatch(page)
	if live == nil {
		t.Fatal("the page follows nothing")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+strings.ReplaceAll(live[1], "&amp;", "&"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := h.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	id := idOf(t, d, controltest.Person(1))
	d.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbDeactivate, UserID: id, Note: "CASE-7", Actor: dialer.Actor{Kind: "admin", Name: "dana"}}})
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if strings.Contains(lines.Text(), "CASE-7") {
			return
		}
	}
	t.Error("the stream ends without the news")
}

// Who has not let the dialer act for them in Salesforce is asked beside their
// link to it.
func TestAskToAuthorize(t *testing.T) {
	h, d := newCrowd(t)
	at := "/o/acme/users/" + idOf(t, d, controltest.Person(1))
	_, _, page := h.get(at + "?tab=salesforce")
	has(t, page, "not asked", "Ask to authorize")
	if _, _, page := h.send(at+"/do/ask-authorization", nil); !strings.Contains(page, "note bad") {
		t.Errorf("asked with nothing to say: %.600s", page)
	}
	if _, err := d.SetOrgSettings(t.Context(), map[dialer.Field]any{dialer.OrgAuthText: "Ask the help desk."}, dialer.Actor{Kind: "admin", Name: "dana"}); err != nil {
		t.Fatal(err)
	}
	_, _, page = h.send(at+"/do/ask-authorization", nil)
	has(t, page, "is asked to authorize")
	_, _, page = h.get(at + "?tab=salesforce")
	has(t, page, "asked, not answered yet", "Ask again")
}
