package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/rosterd/rosterd/control"
)

// pages are the templates by name: each is the layout and the shared parts
// with the content of one page. One is parsed when it is first shown: all of
// them take megabytes, and a daemon may run for months without a visitor.
type pages map[string]func() (*template.Template, error)

// parse finds every page of templates/. A file that starts with an underscore
// is shared by all.
func parse(fsys fs.FS) (pages, error) {
	names, err := fs.Glob(fsys, "templates/[a-z]*.html")
	if err != nil {
		return nil, fmt.Errorf("list the templates: %w", err)
	}
	static, err := fs.Sub(fsys, "static")
	if err != nil {
		return nil, fmt.Errorf("open the static files: %w", err)
	}
	version, err := fingerprint(static)
	if err != nil {
		return nil, err
	}
	all := pages{}
	for _, name := range names {
		all[strings.TrimSuffix(path.Base(name), ".html")] = sync.OnceValues(func() (*template.Template, error) {
			one, err := template.New("").Funcs(funcs(version)).ParseFS(fsys, "templates/_*.html", name)
			if err != nil {
				return nil, fmt.Errorf("parse a template: %w", err)
			}
			return one, nil
		})
	}
	return all, nil
}

// part is what a fragment is made of.
type part struct {
	V    *visit
	Data any
}

func (p pages) write(w io.Writer, page, name string, data any) error {
	parsed := p[page]
	if parsed == nil {
		return fmt.Errorf("there is no page %s", page)
	}
	t, err := parsed()
	if err != nil {
		return err
	}
	return t.ExecuteTemplate(w, name, data)
}

// fingerprint is a short hash of files, which changes when one of them does.
func fingerprint(fsys fs.FS) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(fsys, name)
		fmt.Fprintf(sum, "%s %d ", name, len(text))
		sum.Write(text)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the static files: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6]), nil
}

// shell is what surrounds every page.
type shell struct {
	V      *visit
	Title  string
	Name   string // of the page
	Path   string // address of the page, for forms that return to it
	Data   any
	Theme  string
	Keys   bool
	Notes  []note
	Status *control.OrgStatus // nil when it could not be had
	Nav    []place
	Lively bool // the page moves by itself: without JavaScript it is loaded again
}

// place is an entry of the navigation.
type place struct {
	Label, Href, Icon string
	Here              bool
	Badge             int
	Key               string // after g, where it leads
}

// load fills what needs the API. A page is shown even if that fails: the state
// is a help, not the point.
func (s *shell) load() {
	v := s.V
	s.Notes = v.session.heard()
	if v.api != nil {
		if st, err := v.api.Status(v.r.Context()); err == nil && len(st.Orgs) == 1 {
			s.Status = &st.Orgs[0]
		}
	}
	wait := 0
	if s.Status != nil {
		wait = s.Status.Attention
	}
	for _, p := range []place{
		{Label: "Users", Href: v.At("/users"), Icon: "users", Key: "u"},
		{Label: "Add users", Href: v.At("/add"), Icon: "add", Key: "a"},
		{Label: "Mass update", Href: v.At("/mass"), Icon: "mass", Key: "m"},
		{Label: "Sync", Href: v.At("/sync"), Icon: "sync", Key: "s"},
		{Label: "Licenses", Href: v.At("/licenses"), Icon: "seat", Key: "l"},
		{Label: "Groups", Href: v.At("/groups"), Icon: "group", Key: "p"},
		{Label: "Numbers", Href: v.At("/numbers"), Icon: "phone", Key: "n"},
		{Label: "Sessions", Href: v.At("/sessions"), Icon: "session", Key: "o"},
		{Label: "Activity", Href: v.At("/activity"), Icon: "activity", Key: "c"},
		{Label: "Leavers", Href: v.At("/leavers"), Icon: "leave", Key: "e"},
		{Label: "Attention", Href: v.At("/attention"), Icon: "bell", Badge: wait, Key: "t"},
		{Label: "Health", Href: v.At("/health"), Icon: "health", Key: "h"},
		{Label: "Org settings", Href: v.At("/settings"), Icon: "gear", Key: "x"},
	} {
		at := v.r.URL.Path
		p.Here = at == p.Href || strings.HasPrefix(at, p.Href+"/") || p.Label == "Sync" && strings.HasPrefix(at, v.At("/runs"))
		s.Nav = append(s.Nav, p)
	}
}

// Trouble says what of the org's state everybody should know, "" for nothing.
func (s *shell) Trouble() string {
	if s.Status == nil {
		return "The state of the sync cannot be read at the moment."
	}
	switch s.Status.State {
	case "ok", "running":
		return ""
	}
	if len(s.Status.Reasons) == 0 {
		return "The sync is " + s.Status.State + "."
	}
	return sentence(s.Status.Reasons[0])
}

// nowhere answers addresses that lead nowhere.
func (v *visit) nowhere() error { return missing("There is no such page.") }

// home is the users page.
func (v *visit) home() error {
	http.Redirect(v.w, v.r, v.At("/users"), http.StatusSeeOther)
	return nil
}

// keys lists the keyboard shortcuts.
func (v *visit) keys() error { return v.page("keys", "Keyboard shortcuts", nil) }
