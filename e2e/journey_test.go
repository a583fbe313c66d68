package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// What administrators and support do all day, in a real browser.
func TestConsoleJourneys(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		w := newConsole(t, database, 80, 30)
		b := newBrowser(t, w.base)
		b.theme("light")
		b.open("/")
		if b.path() != "/login" {
			t.Fatalf("without a session one is at %s", b.path())
		}
		b.fill("#token", adminToken)
		b.press("main button")
		b.says("h1", "Users")

		// Find a user: the slash leads to the search.
		who := w.staff[4]
		name := who.FirstName + " " + who.LastName
		b.keys("/")
		if at := eval[string](b, `document.activeElement.id`); at != "q" {
			t.Errorf("the slash leads to %q", at)
		}
		b.fill("#q", who.Username)
		b.press("form.filter button")
		b.says("tbody", name)
		b.shoot("find")
		b.press("tbody th a")
		b.says("h1", name)
		id := strings.TrimPrefix(b.path(), "/o/acme/users/")

		// Why is this user in this state?
		b.press(`.tabs a[href$="tab=why"]`)
		b.says(".verdict", "active in the dialer")
		b.says(".story", "in scope")
		b.shoot("why")

		// Deactivate: asked first, then the seat is free.
		b.press(`.head a[href$="/do/deactivate"]`)
		b.says("main", "Access ends now")
		b.fill("#reason", "CASE-1182")
		b.press("main form button.danger")
		b.says(".notes", "is deactivated")
		if u := w.user(t, id); u.Status != "inactive" || !u.AdminHold || len(u.LicenseTypes) != 0 {
			t.Errorf("after deactivating: %+v", u)
		}
		b.press(`.head a[href$="/do/activate"]`)
		b.press("main form button.primary")
		b.says(".notes", "is active")

		// Edit, while somebody else edits too: the second one is told.
		b.open("/o/acme/users/" + id + "/edit/dialing")
		b.fill("#f-ring_timeout_seconds", "45")
		w.ctl(t, "users", "edit", id, "sales_role=Closer").must(t)
		b.press(".sticky button.primary")
		b.says("main", "What changed meanwhile")
		b.says("main", "Closer")
		b.shoot("conflict")
		b.press(".sticky button.primary")
		b.says(".notes", "saved")
		b.says("main", "45 s")

		// Add from Salesforce: whoever cannot be added, it is said why.
		joiner := w.staff[40]
		b.open("/o/acme/add?q=" + joiner.Username)
		b.do("tick", click(`tbody input[name="pick"]`))
		b.says("[data-count]", "1")
		b.shoot("add")
		b.press(".bar button.primary")
		b.says("main", "left after this")
		b.press("main form button.primary")
		b.says("main", "1 user added")
		if u := w.user(t, joiner.Username); u.Status != "active" {
			t.Errorf("who was added is %s", u.Status)
		}

		// Four leave at once, which is more than the guard lets pass.
		for _, p := range w.staff[10:16] {
			w.sim.edit(t, p.ID, fields{"IsActive": false})
		}
		b.keys("g")
		b.keys("s")
		b.says("h1", "Update users from Salesforce")
		b.says("main", "users, about")
		b.fill("#reason", "CASE-1183")
		b.press("main form button.primary")
		b.says("h1", "Dry run")
		b.says("main", "what it would change")
		b.says("main", "would be held")
		b.shoot("dry-run")
		b.press("section header form button.primary")
		b.says("h1", "Run")
		b.says("main", "6 changes wait for approval")
		b.shoot("held")
		b.fill("#reason", "they did leave")
		b.press("form.bar button.danger")
		b.says(".notes", "approved")
		b.says("main", "set to leave")
		if n := scheduled(t, w.daemon); n != 6 {
			t.Errorf("%d people are to leave, want the 6 approved", n)
		}
		b.shoot("approved")

		// A slow sync shows its progress by itself.
		w.sim.fault(t, fields{"endpoint": "query", "effect": fields{"kind": "slow", "delay": 2_000_000_000}})
		b.open("/o/acme/sync")
		b.do("no dry run", click(`input[name="dry_run"]`))
		b.press("main form button.primary")
		b.says("main .state", "running")
		b.shoot("running")
		w.sim.clear(t)
		b.says("main .state", "done")
		if got := b.text("#said"); !strings.Contains(got, "done") {
			t.Errorf("readers of the screen are told %q", got)
		}

		// A new password is shown once.
		b.open("/o/acme/users/" + id + "?tab=signin")
		b.press(`a[href$="/do/reset-password"]`)
		b.press("main form button.danger")
		password := b.text("#password")
		if len(password) < 12 {
			t.Errorf("the new password is %d characters long", len(password))
		}
		b.press("main section a.button")
		b.says("main", "must be changed")
		if page := b.text("main"); strings.Contains(page, password) {
			t.Error("the password is shown again")
		}

		// Mass update: count, change, undo.
		b.open("/o/acme/mass?verb=set&field=ring_timeout_seconds&filter=status%3Dactive")
		b.fill("#f-ring_timeout_seconds", "30")
		b.press("main form button.primary")
		b.says("main", "nobody is changed yet")
		b.shoot("mass")
		b.press("main form.filter button")
		b.says("main .state", "done")
		b.press(`.actions form[action$="/undo"] button`)
		b.says("h1", "Undo")
		b.says("main .state", "done")
		if n := eval[int](b, `performance.getEntriesByType("resource").filter((r) => !r.name.startsWith(location.origin)).length`); n != 0 {
			t.Errorf("%d resources come from elsewhere", n)
		}
	})
}

// Nothing on any screen keeps people from using it, in both themes and on a
// phone.
func TestConsoleAccessible(t *testing.T) {
	t.Parallel()
	w := newConsole(t, "sqlite://{DIR}/db", 60, 20)
	w.ctl(t, "users", "deactivate", w.staff[2].ID).must(t)
	for _, p := range w.staff[5:10] {
		w.sim.edit(t, p.ID, fields{"IsActive": false})
	}
	held := w.full(t, 4)
	dry := w.sync(t, []string{"--full", "--dry-run"}, 0, 4)
	w.ctl(t, "org", "set", "two_person_superusers=true").must(t)
	w.ctl(t, "users", "superuser", w.staff[3].ID, "--reason", "on call in November").must(t)
	ask := "/o/acme/users/" + w.user(t, w.staff[4].ID).ID + "/do/ask-superuser"
	id := w.user(t, w.staff[3].ID).ID
	b := newBrowser(t, w.base)
	b.theme("light")
	b.open("/login")
	b.accessible("/login")
	b.fill("#token", adminToken)
	b.press("main button")
	user := "/o/acme/users/" + id
	b.open("/o/acme/mass?verb=set&field=recording_enabled&filter=status%3Dactive")
	b.press("main form button.primary")
	mass := b.path()
	b.open("/o/acme/groups?kind=role")
	b.fill("#name", "Closers")
	b.press("form.filter button")
	group := b.path()
	b.open("/o/acme/add")
	b.do("tick", click(`tbody input[name="pick"]`))
	b.press(".bar button.primary")
	own := eval[string](b, `document.querySelector('td a[href*="/add/review/"]').pathname`)
	b.open(own)
	b.fill(`[name="extension"]`, "4711")
	b.press("main form button.primary")
	for _, n := range []string{"+12025550143", "+12025550144"} {
		b.open("/o/acme/numbers")
		b.fill("#number", n)
		b.press("form.filter button")
	}
	pages := []string{
		"/o/acme/users", "/o/acme/users?q=nobody-is-called-this", user, user + "?tab=access", user + "?tab=dialing", user + "?tab=recording", user + "?tab=devices",
		user + "?tab=salesforce", user + "?tab=activity", user + "?tab=why", user + "?tab=signin", user + "?tab=more", user + "/do/reset-password", user + "/edit/contact", user + "/edit/access", user + "/edit/dialing", user + "/edit/devices",
		user + "/do/deactivate", user + "/do/delete", "/o/acme/add", "/o/acme/add?show=all", "/o/acme/why?who=" + w.staff[50].ID, "/o/acme/mass",
		"/o/acme/mass?verb=set", "/o/acme/mass?verb=add", "/o/acme/mass?verb=set&field=ring_timeout_seconds", mass, "/o/acme/sync", "/o/acme/runs",
		fmt.Sprintf("/o/acme/runs/%d", held.ID), fmt.Sprintf("/o/acme/runs/%d", dry.ID), "/o/acme/licenses", "/o/acme/activity", "/o/acme/leavers", "/o/acme/attention",
		"/o/acme/health", "/o/acme/sessions", "/o/acme/sessions?state=all", "/o/acme/groups", "/o/acme/groups?kind=permission_group", "/o/acme/settings",
		"/o/acme/users/import", "/o/acme/users?f=title&op=contains&v=e", "/o/acme/activity?verb=deactivate", group, "/o/acme/add/review", own, ask, "/o/acme/numbers",
		"/o/acme/numbers?show=available", "/o/acme/attention?show=ignored", "/keys", "/nowhere",
	}
	slashes := strings.NewReplacer("/o/acme", "", "/", "-", "?", "-")
	for _, theme := range []string{"light", "dark"} {
		b.theme(theme)
		for _, path := range pages {
			b.open(path)
			b.accessible(theme + " " + path)
			b.shoot(theme + slashes.Replace(path))
		}
	}
	b.size(360, 740)
	for _, path := range pages {
		b.open(path)
		b.accessible("phone " + path)
		b.shoot("phone" + slashes.Replace(path))
		if wide := eval[int](b, `document.documentElement.scrollWidth`); wide > 360 {
			t.Errorf("%s is %d pixels wide on a phone of 360", path, wide)
		}
	}
}

// Whoever is limited to groups finds the same ease.
func TestConsoleOfTheLimited(t *testing.T) {
	t.Parallel()
	w := newConsole(t, "sqlite://{DIR}/db", 20, 5)
	b := newBrowser(t, w.base)
	b.theme("light")
	b.open("/login")
	b.fill("#token", limitedToken)
	b.press("main button")
	look := func(name string) {
		t.Helper()
		for _, theme := range []string{"light", "dark"} {
			b.theme(theme)
			b.accessible(theme + " " + name)
			b.shoot(theme + "-" + name)
		}
	}
	look("users")
	b.open("/o/acme/add")
	look("add")
	b.fill("#who", w.staff[7].ID)
	b.press("main form button.primary")
	b.says("main", "nobody was added")
	b.says("main", w.staff[7].ID)
	look("refused")
	b.size(360, 740)
	look("phone")
	if wide := eval[int](b, `document.documentElement.scrollWidth`); wide > 360 {
		t.Errorf("it is %d pixels wide on a phone of 360", wide)
	}
}
