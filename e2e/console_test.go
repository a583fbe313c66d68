package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	adminToken   = "admin-token-0123456789"
	supportToken = "support-token-0123456789"
	viewerToken  = "viewer-token-0123456789"
	limitedToken = "limited-token-0123456789"
)

// consoleWorld is a daemon with a console, and an org of whom some are added.
type consoleWorld struct {
	*daemon
	sim   *sim
	base  string
	staff []person
}

// newConsole boots a daemon whose administrator picks the users, and adds the
// first of them.
func newConsole(t testing.TB, database string, people, added int) *consoleWorld {
	t.Helper()
	s := newSim(t, people, "--plain")
	d := prepare(t, "control: {socket: {DIR}/s, listen: \"127.0.0.1:0\", tokens_file: {DIR}/tokens}\n"+
		s.config(database, quiet, "enrollment: selected", "guard: {users: 3, percent: 1}", "deactivate: next_midnight", "time_zone: America/Denver",
			fmt.Sprintf("licenses: [{type: powerdialer, seats: %d, default: true}]", added+3)))
	write(t, d.dir+"/tokens", "admin dana "+adminToken+"\nsupport sam "+supportToken+"\nviewer vera "+viewerToken+"\nmanager(tag=vip) lim "+limitedToken+"\n")
	d.run(t)
	d.serves(t)
	d.mended(t, time.Minute)
	w := &consoleWorld{daemon: d, sim: s, base: d.url(t), staff: s.staff(t)}
	args := []string{"users", "add"}
	for _, p := range w.staff[:added] {
		args = append(args, p.ID)
	}
	d.ctl(t, args...).must(t)
	return w
}

// visitor is a browser without JavaScript.
type visitor struct {
	*http.Client
	t    testing.TB
	base string
}

// visit logs in.
func (w *consoleWorld) visit(t testing.TB, token string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{Client: &http.Client{Jar: jar, Transport: &http.Transport{}, Timeout: time.Minute}, t: t, base: w.base}
	t.Cleanup(v.CloseIdleConnections)
	if token != "" {
		if code, at, page := v.send("/login", url.Values{"token": {token}}); code != http.StatusOK || !strings.HasSuffix(at, "/users") {
			t.Fatalf("log in: %d at %s\n%.1000s", code, at, page)
		}
	}
	return v
}

func (v *visitor) answer(r *http.Response, err error) (code int, at, page string) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return r.StatusCode, r.Request.URL.RequestURI(), string(text)
}

func (v *visitor) get(path string) (code int, at, page string) {
	v.t.Helper()
	return v.answer(v.Get(v.base + path))
}

func (v *visitor) send(path string, form url.Values) (code int, at, page string) {
	v.t.Helper()
	return v.answer(v.PostForm(v.base+path, form))
}

var (
	links   = regexp.MustCompile(`(?:href|src)="([^"]+)"`)
	deferOK = regexp.MustCompile(`<script src="/static/app\.js\?v=[0-9a-f]+" defer></script>`)
)

// Every page that a page leads to is there, small, and needs no script; none
// loads anything from elsewhere or holds a script or a style.
func TestConsoleWalk(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		w := newConsole(t, database, 60, 20)
		w.ctl(t, "users", "deactivate", w.staff[2].ID).must(t)
		w.full(t)
		v := w.visit(t, adminToken)
		seen, queue := map[string]bool{}, []string{"/"}
		for len(queue) > 0 && len(seen) < 400 {
			path := queue[0]
			queue = queue[1:]
			if seen[path] {
				continue
			}
			seen[path] = true
			code, _, page := v.get(path)
			if code != http.StatusOK {
				t.Errorf("%s: %d\n%.600s", path, code, page)
				continue
			}
			if strings.HasPrefix(path, "/static/") || strings.Contains(path, "/export") || strings.Contains(path, "/csv") {
				continue
			}
			if len(page) > 150_000 {
				t.Errorf("%s has %d bytes", path, len(page))
			}
			if n := strings.Count(page, "<script"); n != 1 || !deferOK.MatchString(page) {
				t.Errorf("%s: %d scripts", path, n)
			}
			if strings.Contains(page, "<style") || strings.Contains(page, ` style="`) || regexp.MustCompile(`<[^>]* on[a-z]+="`).MatchString(page) {
				t.Errorf("%s holds a style or a handler", path)
			}
			if n := strings.Count(page, "<h1"); n != 1 {
				t.Errorf("%s: %d headings of the first level", path, n)
			}
			for _, link := range links.FindAllStringSubmatch(page, -1) {
				to := strings.ReplaceAll(strings.SplitN(link[1], "#", 2)[0], "&amp;", "&")
				switch {
				case to == "":
				case strings.HasPrefix(to, "?"):
					queue = append(queue, strings.SplitN(path, "?", 2)[0]+to)
				case !strings.HasPrefix(to, "/"):
					t.Errorf("%s loads or leads to %s", path, to)
				default:
					queue = append(queue, to)
				}
			}
		}
		for _, must := range []string{
			"/o/acme/users", "/o/acme/add", "/o/acme/sync", "/o/acme/runs", "/o/acme/licenses", "/o/acme/activity", "/o/acme/leavers",
			"/o/acme/attention", "/o/acme/health", "/o/acme/mass", "/o/acme/sessions", "/o/acme/groups", "/o/acme/settings", "/keys",
		} {
			if !seen[must] {
				t.Errorf("nothing leads to %s", must)
			}
		}
		t.Logf("%d pages", len(seen))
	})
}

// First views are small even with the style, the script and the icon.
func TestConsoleFirstView(t *testing.T) {
	t.Parallel()
	w := newConsole(t, "sqlite://{DIR}/db", 260, 220)
	v := w.visit(t, adminToken)
	_, _, page := v.get("/o/acme/users")
	total := len(page)
	for _, link := range links.FindAllStringSubmatch(page, -1) {
		if strings.HasPrefix(link[1], "/static/") {
			_, _, file := v.get(link[1])
			total += len(file)
		}
	}
	if n := strings.Count(page, `name="pick"`); n != 50 {
		t.Errorf("%d users on the page, want 50", n)
	}
	if total > 150_000 {
		t.Errorf("the first view has %d bytes", total)
	}
	// Page after page, each user comes once, and what is ticked stays ticked.
	all := map[string]int{}
	ids := regexp.MustCompile(`name="shown" value="([^"]+)"`)
	next := regexp.MustCompile(`name="go" value="([^"]+)" rel="next"`)
	for path := "/o/acme/users"; ; {
		_, _, page = v.get(path)
		found := ids.FindAllStringSubmatch(page, -1)
		for _, id := range found {
			all[id[1]]++
		}
		to := next.FindStringSubmatch(page)
		if to == nil {
			break
		}
		path = strings.ReplaceAll(to[1], "&amp;", "&")
		v.send("/o/acme/users/select", url.Values{"go": {path}, "shown": {found[0][1], found[1][1]}, "pick": {found[0][1]}})
	}
	for id, n := range all {
		if n > 1 {
			t.Errorf("%s comes %d times", id, n)
		}
	}
	if len(all) != 220 {
		t.Errorf("%d users on all pages, want 220", len(all))
	}
	if _, _, page = v.get("/o/acme/users"); !strings.Contains(page, `data-count="4">4`) || strings.Count(page, " checked>") != 1 {
		t.Errorf("the ticks of four pages are not kept: %q", regexp.MustCompile(`.{60} checked.{20}`).FindAllString(page, -1))
	}
}

// A session is as good as its token, and forms of other sites are refused.
func TestConsoleLogin(t *testing.T) {
	t.Parallel()
	w := newConsole(t, "sqlite://{DIR}/db", 20, 3)
	v := w.visit(t, "")
	if _, at, _ := v.get("/o/acme/health"); at != "/login?to=%2Fo%2Facme%2Fhealth" {
		t.Errorf("without a session the health page leads to %s", at)
	}
	if code, _, page := v.send("/login", url.Values{"token": {"a-token-that-nobody-has"}}); code != http.StatusUnauthorized || !strings.Contains(page, "not known") {
		t.Errorf("a wrong token: %d", code)
	}
	for _, to := range []string{"https://evil.example/", "//evil.example", `/\evil.example`} {
		if _, at, _ := v.send("/login", url.Values{"token": {viewerToken}, "to": {to}}); at != "/o/acme/users" {
			t.Errorf("after the login one is at %s", at)
		}
	}

	// A viewer is offered nothing that they may not do, and gets a clear no.
	_, _, page := v.get("/o/acme/users")
	for _, no := range []string{"Deactivate", "Add from Salesforce"} {
		if strings.Contains(page, no) {
			t.Errorf("a viewer is offered %q", no)
		}
	}
	id := w.users(t)[0].ID
	if _, _, page := v.send("/o/acme/users/"+id+"/do/deactivate", nil); !strings.Contains(page, "needs the role manager") {
		t.Errorf("a viewer who deactivates is told %.400s", page)
	}
	if u := w.user(t, id); u.Status != "active" {
		t.Errorf("a viewer made a user %s", u.Status)
	}

	// A page of another site cannot send a form.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base+"/o/acme/users/"+id+"/do/deactivate", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://evil.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if code, _, _ := w.visit(t, adminToken).answer(v.Do(req)); code != http.StatusForbidden {
		t.Errorf("a form of another site: %d", code)
	}

	resp, err := v.Get(w.base + "/o/acme/users")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self'; style-src 'self'") || strings.Contains(csp, "unsafe") {
		t.Errorf("the policy is %q", csp)
	}
	at, _ := url.Parse(w.base)
	if c := v.Jar.Cookies(at); len(c) != 1 || c[0].Name != "rosterd_session" || strings.Contains(c[0].Value, viewerToken) {
		t.Errorf("cookies: %v", c)
	}

	// Whoever's token is taken away is out at the next page.
	write(t, w.dir+"/tokens", "admin dana "+adminToken+"\n")
	w.reload(t)
	if _, at, _ := v.get("/o/acme/users"); !strings.HasPrefix(at, "/login") {
		t.Errorf("after the token was taken away one is at %s", at)
	}
	admin := w.visit(t, adminToken)
	if _, at, _ := admin.send("/logout", nil); at != "/login" {
		t.Errorf("log out leads to %s", at)
	}
	if _, at, _ := admin.get("/o/acme/users"); !strings.HasPrefix(at, "/login") {
		t.Errorf("after logging out one is at %s", at)
	}

	// Guessing is slowed down.
	codes := []int{}
	for range 15 {
		code, _, _ := v.send("/login", url.Values{"token": {"a-token-that-nobody-has"}})
		codes = append(codes, code)
	}
	if !slices.Contains(codes, http.StatusTooManyRequests) {
		t.Errorf("fifteen wrong tokens in a row: %v", codes)
	}
	if log := read(t, w.log); strings.Contains(log, "a-token-that") || strings.Contains(log, adminToken) {
		t.Error("the log holds a token")
	}
}

// Whatever is typed comes back as text, and what is nonsense is a clear no.
func TestConsoleHostileInput(t *testing.T) {
	t.Parallel()
	w := newConsole(t, "sqlite://{DIR}/db", 20, 3)
	v := w.visit(t, adminToken)
	id := w.users(t)[0].ID
	hostile := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' OR 1=1 --`, `=HYPERLINK("http://evil.example")`, "{{.}}", "%", "_", `\`,
		strings.Repeat("a", 5000), "\xff\xfe", "a\x00b", "../../etc/passwd", "\u202eevil", "javascript:alert(1)",
	}
	before := everything(t, w.daemon)
	for _, text := range hostile {
		q := url.QueryEscape(text)
		for _, path := range []string{
			"/o/acme/users?q=" + q, "/o/acme/users?status=" + q, "/o/acme/users?kind=" + q + "&value=" + q, "/o/acme/users?cursor=" + q, "/o/acme/users?order=" + q,
			"/o/acme/add?show=all&q=" + q, "/o/acme/add?profile=" + q, "/o/acme/add?cursor=" + q, "/o/acme/why?who=" + q, "/o/acme/activity?user=" + q,
			"/o/acme/activity?before=" + q, "/o/acme/runs/" + url.PathEscape(text), "/o/acme/users/" + url.PathEscape(text), "/o/" + url.PathEscape(text) + "/users",
			"/o/acme/users/" + id + "?tab=" + q, "/o/acme/mass?verb=set&field=" + q, "/o/acme/mass?filter=" + q, "/o/acme/mass/" + url.PathEscape(text), "/login?to=" + q,
			"/o/acme/users?f=" + q + "&op=" + q + "&v=" + q, "/o/acme/users?f=title&op=contains&v=" + q, "/o/acme/groups?kind=" + q, "/o/acme/groups/" + url.PathEscape(text),
			"/o/acme/leavers?month=" + q, "/o/acme/leavers/csv?month=" + q, "/o/acme/sessions?state=" + q + "&cursor=" + q, "/o/acme/activity?verb=" + q + "&text=" + q,
		} {
			code, _, page := v.get(path)
			if code >= 500 {
				t.Errorf("%.200s: %d", path, code)
			}
			if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img src=x") || strings.Contains(page, `href="javascript:`) {
				t.Errorf("%.200s gives the text back as markup", path)
			}
		}
		form := url.Values{}
		for _, name := range []string{"reason", "version", "confirm", "kind", "type", "purchased", "act", "verb", "field", "scope", "filter", "go", "pick", "shown", "id"} {
			form.Set(name, text)
		}
		for _, path := range []string{
			"/o/acme/users/select", "/o/acme/users/" + id + "/edit/contact", "/o/acme/users/" + id + "/do/" + url.PathEscape(text), "/o/acme/licenses", "/o/acme/mass",
			"/o/acme/attention/1", "/o/acme/runs/1/do/approve", "/o/acme/health", "/o/acme/sync", "/preferences", "/o/acme/mass/1/do/start", "/o/acme/add/select",
			"/o/acme/groups/1", "/o/acme/settings", "/o/acme/sessions", "/o/acme/users/import", "/o/acme/users/" + id + "/edit/dialing",
		} {
			code, _, page := v.send(path, form)
			if code >= 500 || strings.Contains(page, "<script>alert") {
				t.Errorf("%.200s with %.40q: %d", path, text, code)
			}
		}
	}
	if after := everything(t, w.daemon); after != before {
		t.Errorf("the users were\n%.600s\nand are\n%.600s", before, after)
	}
	if log := read(t, w.log); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("the log tells of errors:\n%.1500s", log[strings.Index(log, `"level":"ERROR"`):])
	}
}
