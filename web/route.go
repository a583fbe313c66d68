package web

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/rosterd/rosterd/control"
)

const maxForm = 1 << 20 // bytes of a form: a page of users is a few kB

// routes lists every page. Those of an org stand under its name, so that two
// tabs can be about two orgs, and an address can be sent to a colleague.
func (c *Console) routes(static fs.FS) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /static/", c.static(static))
	mux.HandleFunc("GET /login", c.loginPage)
	mux.HandleFunc("POST /login", c.login)
	mux.HandleFunc("POST /logout", c.logout)
	mux.HandleFunc("POST /preferences", c.preferences)
	mux.HandleFunc("/", c.nowhere)

	page := func(pattern string, h func(*visit) error) { mux.Handle(pattern, c.visits(h)) }
	page("GET /{$}", (*visit).home)
	page("GET /keys", (*visit).keys)
	page("GET /o/{org}/{$}", (*visit).home)

	page("GET /o/{org}/users", (*visit).users)
	page("POST /o/{org}/users/select", (*visit).selectUsers)
	page("GET /o/{org}/users/export", (*visit).exportUsers)
	page("GET /o/{org}/users/import", (*visit).importFile)
	page("POST /o/{org}/users/import", (*visit).previewImport)
	page("GET /o/{org}/users/{id}", (*visit).user)
	page("GET /o/{org}/users/{id}/edit/{tab}", (*visit).edit)
	page("POST /o/{org}/users/{id}/edit/{tab}", (*visit).save)
	page("GET /o/{org}/users/{id}/do/{act}", (*visit).askUser)
	page("POST /o/{org}/users/{id}/do/{act}", (*visit).doUser)

	page("GET /o/{org}/add", (*visit).add)
	page("POST /o/{org}/add/select", (*visit).pickPeople)
	page("POST /o/{org}/add/named", (*visit).addNamed)
	page("GET /o/{org}/add/review", (*visit).review)
	page("POST /o/{org}/add/review", (*visit).addUsers)
	page("GET /o/{org}/add/review/{id}", (*visit).personal)
	page("POST /o/{org}/add/review/{id}", (*visit).savePersonal)
	page("GET /o/{org}/why", (*visit).why)

	page("GET /o/{org}/mass", (*visit).mass)
	page("POST /o/{org}/mass", (*visit).previewMass)
	page("GET /o/{org}/mass/{id}", (*visit).massAction)
	page("GET /o/{org}/mass/{id}/live", (*visit).massLive)
	page("GET /o/{org}/mass/{id}/csv", (*visit).massCSV)
	page("POST /o/{org}/mass/{id}/do/{act}", (*visit).doMass)

	page("GET /o/{org}/sync", (*visit).sync)
	page("POST /o/{org}/sync", (*visit).startSync)
	page("GET /o/{org}/runs", (*visit).runs)
	page("GET /o/{org}/held", (*visit).held)
	page("GET /o/{org}/runs/{id}", (*visit).run)
	page("GET /o/{org}/runs/{id}/live", (*visit).runLive)
	page("POST /o/{org}/runs/{id}/do/{act}", (*visit).doRun)

	page("GET /o/{org}/licenses", (*visit).licenses)
	page("POST /o/{org}/licenses", (*visit).setLicense)
	page("GET /o/{org}/groups", (*visit).groups)
	page("POST /o/{org}/groups", (*visit).addGroup)
	page("GET /o/{org}/groups/{id}", (*visit).group)
	page("POST /o/{org}/groups/{id}", (*visit).saveGroup)
	page("POST /o/{org}/groups/{id}/delete", (*visit).deleteGroup)
	page("GET /o/{org}/numbers", (*visit).numbers)
	page("POST /o/{org}/numbers", (*visit).addNumber)
	page("POST /o/{org}/numbers/{act}", (*visit).doNumber)
	page("GET /o/{org}/settings", (*visit).settings)
	page("POST /o/{org}/settings", (*visit).saveSettings)
	page("GET /o/{org}/activity", (*visit).activity)
	page("GET /o/{org}/activity/live", (*visit).activityLive)
	page("GET /o/{org}/sessions", (*visit).sessions)
	page("POST /o/{org}/sessions", (*visit).endSessions)
	page("GET /o/{org}/leavers", (*visit).leavers)
	page("GET /o/{org}/leavers/csv", (*visit).leaversCSV)
	page("GET /o/{org}/attention", (*visit).attention)
	page("POST /o/{org}/attention/{id}", (*visit).settle)
	page("GET /o/{org}/health", (*visit).health)
	page("GET /o/{org}/health/live", (*visit).healthLive)
	page("POST /o/{org}/health", (*visit).doHealth)
	return secure(limited(mux))
}

// limited holds forms to a size. A file that is imported is passed on to the
// API, which has a limit of its own.
func limited(h http.Handler) http.Handler {
	forms := http.MaxBytesHandler(h, maxForm)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/users/import") {
			h.ServeHTTP(w, r)
			return
		}
		forms.ServeHTTP(w, r)
	})
}

// visits turns a page into a handler: it finds out who asks, and turns errors
// into pages.
func (c *Console) visits(h func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := c.enter(w, r)
		if errors.Is(err, errLogin) {
			to := "/login"
			if r.Method == http.MethodGet && r.URL.Path != "/" && !strings.HasSuffix(r.URL.Path, "/live") {
				to += "?to=" + queryEscape(r.URL.RequestURI())
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		if err == nil {
			err = legible(r)
		}
		if err == nil {
			err = h(v)
		}
		if err != nil {
			v.fail(err)
		}
	})
}

// legible refuses an address or a form with bytes that are no text: they would
// come back on a page, and no database would take them.
func legible(r *http.Request) error {
	if r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if err := r.ParseForm(); err != nil {
			if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
				return err
			}
			return &control.Problem{Status: http.StatusBadRequest, Code: control.CodeInvalid, Message: "the form cannot be read"}
		}
	}
	for _, values := range []url.Values{r.URL.Query(), r.PostForm} {
		for name, list := range values {
			for _, text := range append(list, name) {
				if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
					return &control.Problem{Status: http.StatusBadRequest, Code: control.CodeInvalid, Message: "something in it is no text", Hint: "type it anew"}
				}
			}
		}
	}
	return nil
}

// nowhere answers what is no page: without the frame of the console to whoever
// is not logged in.
func (c *Console) nowhere(w http.ResponseWriter, r *http.Request) {
	if _, err := c.enter(w, r); errors.Is(err, errLogin) {
		http.NotFound(w, r)
		return
	}
	c.visits((*visit).nowhere).ServeHTTP(w, r)
}

// static serves the embedded files. Their addresses change with their
// contents, so they may be kept for ever.
func (c *Console) static(static fs.FS) http.Handler {
	server := http.StripPrefix("/static/", http.FileServerFS(static))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		if r.URL.Query().Get("v") == c.version {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		server.ServeHTTP(w, r)
	})
}
