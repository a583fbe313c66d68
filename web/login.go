package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/rosterd/rosterd/control"
)

// loginForm is what the login page shows.
type loginForm struct {
	To    string // where to go afterwards
	Error string
	Hint  string
}

func (c *Console) loginPage(w http.ResponseWriter, r *http.Request) {
	c.showLogin(w, r, http.StatusOK, loginForm{To: within(r.URL.Query().Get("to"))})
}

func (c *Console) showLogin(w http.ResponseWriter, r *http.Request, status int, f loginForm) {
	v := &visit{c: c, w: w, r: r, prefs: readPrefs(r)}
	if err := v.show(status, "login", "Log in", f); err != nil {
		v.fail(err)
	}
}

// login checks a token by asking the API who it belongs to.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	f := loginForm{To: within(r.PostFormValue("to"))}
	if !c.throttle.open(r) {
		w.Header().Set("Retry-After", "6")
		f.Error, f.Hint = "Too many attempts.", "Wait a few seconds, then try again."
		c.showLogin(w, r, http.StatusTooManyRequests, f)
		return
	}
	token := strings.TrimSpace(r.PostFormValue("token"))
	if _, err := c.client(token, "").Me(r.Context()); token == "" || err != nil {
		status := http.StatusUnauthorized
		f.Error, f.Hint = "That token is not known.", "Tokens are lines of the daemon's tokens file. Whoever runs rosterd can add one for you."
		p, ok := errors.AsType[*control.Problem](err)
		if ok && p.Status == http.StatusForbidden {
			f.Error, f.Hint = "That token is not for people.", "It has a role for programs. Ask for one with the role viewer, support, manager or admin."
			c.throttle.failed(r)
		} else if token != "" && (!ok || p.Status != http.StatusUnauthorized) {
			c.log.Warn("login not checked", "err", err)
			status, f.Error, f.Hint = http.StatusServiceUnavailable, "The token could not be checked.", "Try again in a moment."
		} else {
			c.throttle.failed(r)
		}
		c.showLogin(w, r, status, f)
		return
	}
	c.sessions.end(r) // a new login is a new cookie
	setCookie(w, r, sessionCookie, c.sessions.open(token), sessionMost)
	http.Redirect(w, r, f.To, http.StatusSeeOther)
}

func (c *Console) logout(w http.ResponseWriter, r *http.Request) {
	c.sessions.end(r)
	setCookie(w, r, sessionCookie, "", -1)
	w.Header().Set("Clear-Site-Data", `"cache"`)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// within returns an address of this console, "/" when to is none.
func within(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(to, "/") ||
		strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return to
}

func queryEscape(s string) string { return url.QueryEscape(s) }
