package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/control"
)

// errLogin says that nobody is logged in, or not any more.
var errLogin = errors.New("log in first")

// visit is one request of somebody who is logged in.
type visit struct {
	c     *Console
	w     http.ResponseWriter
	r     *http.Request
	prefs prefs

	session *session
	me      control.Me
	org     string
	zone    *time.Location
	api     *control.Client
}

// enter finds out who asks. The token is looked at anew for every page, so
// that one which was taken away opens nothing any more.
func (c *Console) enter(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v := &visit{c: c, w: w, r: r, prefs: readPrefs(r), zone: time.UTC}
	s := c.sessions.find(r, r.Header.Get("Accept") != "text/event-stream")
	if s == nil {
		return v, errLogin
	}
	me, err := c.client(s.token, "").Me(r.Context())
	if p, ok := errors.AsType[*control.Problem](err); ok && p.Status == http.StatusUnauthorized {
		c.sessions.end(r)
		setCookie(w, r, sessionCookie, "", -1)
		return v, errLogin
	}
	if err != nil {
		return v, err
	}
	v.session, v.me = s, me
	v.org = r.PathValue("org")
	if v.org == "" {
		v.org = me.Orgs[0]
	} else if !slices.Contains(me.Orgs, v.org) {
		v.org = me.Orgs[0]
		return v, missing("There is no such org.")
	}
	if zone := c.o.Zones[v.org]; zone != nil {
		v.zone = zone
	}
	v.api = c.client(s.token, v.org)
	return v, nil
}

// Me is who is logged in.
func (v *visit) Me() control.Me { return v.me }

// Org is the org that the page is about.
func (v *visit) Org() string { return v.org }

// May reports whether the caller's role suffices. Only what the API says
// counts; this is for not offering what it would refuse.
func (v *visit) May(role control.Role) bool { return v.me.Role.May(role) }

// At is the address of a page of the org.
func (v *visit) At(format string, args ...any) string {
	for i, a := range args {
		switch a.(type) {
		case int, int64:
		default:
			args[i] = url.PathEscape(fmt.Sprint(a))
		}
	}
	return "/o/" + url.PathEscape(v.org) + fmt.Sprintf(format, args...)
}

// query is a value of the address.
func (v *visit) query(name string) string { return v.r.URL.Query().Get(name) }

// form is a value of the form that was sent.
func (v *visit) form(name string) string { return v.r.PostFormValue(name) }

// see sends the browser on, with a message for the page that it comes to.
func (v *visit) see(to string, notes ...note) error {
	for _, n := range notes {
		v.session.say(n)
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// back sends the browser on and tells what went wrong.
func (v *visit) back(to string, err error) error {
	p, ok := errors.AsType[*control.Problem](err)
	if !ok {
		return err
	}
	return v.see(to, note{"bad", sentence(p.Message), sentence(p.Hint)})
}

// page shows a page.
func (v *visit) page(name, title string, data any) error {
	return v.show(http.StatusOK, name, title, data)
}

// show shows a page with a status. It is made whole before anything is sent,
// so that an error is a page of its own.
func (v *visit) show(status int, name, title string, data any) error {
	shell := &shell{V: v, Title: title, Name: name, Data: data, Path: v.r.URL.RequestURI(), Theme: v.prefs.Theme, Keys: v.prefs.Keys == "on"}
	if l, ok := data.(interface{ lively() bool }); ok {
		shell.Lively = l.lively()
	}
	if v.session != nil {
		shell.load()
	}
	var out bytes.Buffer
	if err := v.c.pages.write(&out, name, "layout", shell); err != nil {
		return fmt.Errorf("make page %s: %w", name, err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Add("Vary", "Accept-Encoding")
	if strings.Contains(v.r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed) // there is such a level
		_, _ = out.WriteTo(z)                                // a buffer takes everything
		_ = z.Close()
		out = packed
	}
	v.w.WriteHeader(status)
	_, _ = out.WriteTo(v.w) // the reader is gone when this fails
	return nil
}

// fragment makes a part of a page, for streams.
func (v *visit) fragment(page, name string, data any) (string, error) {
	var out bytes.Buffer
	if err := v.c.pages.write(&out, page, name, part{v, data}); err != nil {
		return "", fmt.Errorf("make part %s of page %s: %w", name, page, err)
	}
	return out.String(), nil
}

// failure is what an error page shows.
type failure struct {
	Status int
	Text   string
	Hint   string
}

func missing(text string) error {
	return &control.Problem{Status: http.StatusNotFound, Code: control.CodeNotFound, Message: text}
}

// fail shows an error. What the API refused is told in its words; anything
// else is ours, and its words go to the log.
func (v *visit) fail(err error) {
	f := failure{Status: http.StatusInternalServerError, Text: "Something went wrong here.", Hint: "Try again. If it stays, the daemon's log says more."}
	if p, ok := errors.AsType[*control.Problem](err); ok {
		f = failure{p.Status, sentence(p.Message), sentence(p.Hint)}
	} else if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		f = failure{http.StatusRequestEntityTooLarge, fmt.Sprintf("The form is larger than %d kB.", tooLarge.Limit>>10), ""}
	}
	if f.Status >= http.StatusInternalServerError && v.r.Context().Err() == nil {
		v.c.log.Error("page not answered", "verb", v.r.Method, "org", v.org, "err", err)
	}
	title := http.StatusText(f.Status)
	if title == "" {
		title = "Error"
	}
	if err := v.show(f.Status, "failure", title, f); err != nil {
		v.c.log.Error("page not answered", "verb", v.r.Method, "org", v.org, "err", err)
		http.Error(v.w, title, http.StatusInternalServerError)
	}
}
