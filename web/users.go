package web

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/control"
)

// usersPage is what the users page shows.
type usersPage struct {
	Filter   usersFilter
	Error    *control.Problem // the filter is wrong
	Terms    []termLink
	Fields   []massSection // attributes to filter by
	Users    []control.User
	Licenses []control.License
	Here     string // address of this page
	Next     string // address of the next page, "" on the last
	First    string // address of the first page, "" on it
	Picked   map[string]bool
	Count    int // of all picked
	Export   string
	Mass     string // address of the mass update for everybody who matches
	Heads    []columnHead
}

// usersFilter is what the filter bar says.
type usersFilter struct {
	Search, Status, License, Order, Cursor string
	Desc                                   bool
	Size                                   int
	Terms                                  []term
}

// term is one condition on an attribute.
type term struct{ Field, Op, Value string }

// termLink is a condition with the address of the list without it.
type termLink struct {
	term
	Label, Words, Without string
}

// columnHead is the head of a column, by which the list is ordered or can be.
type columnHead struct {
	Label, Href, Sort string // Sort as ARIA says it
	On, Desc          bool
}

// Any reports whether the filter leaves anybody out beside who is not active.
func (f usersFilter) Any() bool {
	return f.Search != "" || f.Status != "active" || f.License != "" || len(f.Terms) > 0
}

const (
	pageSize  = 50
	pageMost  = 200
	termsMost = 8
)

// ops are how a condition compares, as the form has them.
func ops() [][2]string {
	return [][2]string{{"is", "is"}, {"not", "is not"}, {"contains", "contains"}, {"starts", "starts with"}, {"empty", "is empty"}, {"set", "is set"}}
}

// Ops lists them for the form.
func (f usersFilter) Ops() [][2]string { return ops() }

// sorts are the orders of the list that a column's head offers.
func sorts() [][2]string {
	return [][2]string{{"Name", "last_name"}, {"Ext.", "extension"}, {"Role, group", ""}, {"Seats", ""}, {"Status", ""}, {"Salesforce", ""}, {"Changed", "updated_at"}}
}

func (v *visit) usersFilter() usersFilter {
	q := v.r.URL.Query()
	f := usersFilter{
		Search: strings.TrimSpace(q.Get("q")), Status: q.Get("status"), License: q.Get("license"),
		Order: q.Get("order"), Desc: q.Get("desc") != "", Cursor: q.Get("cursor"), Size: pageSize,
	}
	if !slices.Contains([]string{"active", "inactive", "deleted", "all"}, f.Status) {
		f.Status = "active"
	}
	if !slices.Contains([]string{"id", "username", "salesforce_id", "last_name", "first_name", "email", "extension", "updated_at", "created_at"}, f.Order) {
		f.Order = "last_name"
	}
	if n, err := strconv.Atoi(q.Get("size")); err == nil && n > 0 {
		f.Size = min(n, pageMost)
	}
	for i, field := range q["f"] {
		t := term{Field: field}
		if i < len(q["op"]) {
			t.Op = q["op"][i]
		}
		if i < len(q["v"]) {
			t.Value = strings.TrimSpace(q["v"][i])
		}
		alone := t.Op == "empty" || t.Op == "set"
		if t.Field == "" || !alone && t.Value == "" || slices.Contains(f.Terms, t) || len(f.Terms) == termsMost {
			continue
		}
		if alone {
			t.Value = ""
		}
		f.Terms = append(f.Terms, t)
	}
	return f
}

func (t term) api() string {
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, "") + `"` }
	field := strings.Map(letters, t.Field)
	field = strings.ReplaceAll(field, "-", "_")
	switch t.Op {
	case "not":
		return field + "!=" + quote(t.Value)
	case "contains":
		return field + "~" + quote(t.Value)
	case "starts":
		return field + "^" + quote(t.Value)
	case "empty", "set":
		return t.Op + "=" + field
	}
	return field + "=" + quote(t.Value)
}

func (f usersFilter) api() control.UserFilter {
	a := control.UserFilter{Status: f.Status, Search: f.Search, License: f.License, Order: f.Order, Desc: f.Desc, Limit: f.Size}
	terms := make([]string, len(f.Terms))
	for i, t := range f.Terms {
		terms[i] = t.api()
	}
	a.Filter = strings.Join(terms, " ")
	return a
}

// terms writes the whole filter as the API does.
func (f usersFilter) terms() string {
	terms := []string{"status=" + f.Status}
	for _, t := range [][2]string{{"search", f.Search}, {"license", f.License}} {
		if t[1] != "" {
			terms = append(terms, term{t[0], "is", t[1]}.api())
		}
	}
	for _, t := range f.Terms {
		terms = append(terms, t.api())
	}
	return strings.Join(terms, " ")
}

// address writes the filter into an address.
func (f usersFilter) address(path string) string {
	q := url.Values{}
	for k, s := range map[string]string{"q": f.Search, "license": f.License, "cursor": f.Cursor} {
		if s != "" {
			q.Set(k, s)
		}
	}
	for _, t := range f.Terms {
		q.Add("f", t.Field)
		q.Add("op", t.Op)
		q.Add("v", t.Value)
	}
	if f.Status != "active" {
		q.Set("status", f.Status)
	}
	if f.Order != "last_name" {
		q.Set("order", f.Order)
	}
	if f.Desc {
		q.Set("desc", "1")
	}
	if f.Size != pageSize {
		q.Set("size", strconv.Itoa(f.Size))
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// users lists the dialer's users.
func (v *visit) users() error {
	f := v.usersFilter()
	d := usersPage{Filter: f, Picked: map[string]bool{}}
	page, err := v.api.UserPage(v.r.Context(), f.api(), f.Cursor)
	d.Error = refused(err)
	if err != nil && d.Error == nil {
		return err
	}
	licenses, err := v.api.Licenses(v.r.Context())
	if err != nil {
		return err
	}
	table, err := v.api.Attributes(v.r.Context())
	if err != nil {
		return err
	}
	at := v.At("/users")
	d.Users, d.Licenses, d.Here = page.Users, licenses.Licenses, f.address(at)
	d.columns(at, table)
	first := f
	first.Cursor = ""
	d.Mass = v.At("/mass") + "?" + url.Values{"filter": {f.terms()}}.Encode()
	d.Export = first.address(v.At("/users/export"))
	if f.Cursor != "" {
		d.First = first.address(at)
	}
	if page.Next != "" {
		next := f
		next.Cursor = page.Next
		d.Next = next.address(at)
	}
	for _, id := range v.session.chosen(v.org) {
		d.Picked[id] = true
		d.Count++
	}
	status := http.StatusOK
	if d.Error != nil {
		status = d.Error.Status
	}
	return v.show(status, "users", "Users", d)
}

// columns makes the heads of the table and the conditions of the filter bar.
func (d *usersPage) columns(at string, table control.AttributePage) {
	first := d.Filter
	first.Cursor = ""
	for _, s := range sorts() {
		h := columnHead{Label: s[0]}
		if s[1] != "" {
			other := first
			other.Order, other.Desc = s[1], first.Order == s[1] && !first.Desc
			h.Href, h.On, h.Desc = other.address(at), first.Order == s[1], first.Order == s[1] && first.Desc
		}
		if h.On {
			h.Sort = map[bool]string{true: "descending", false: "ascending"}[h.Desc]
		}
		d.Heads = append(d.Heads, h)
	}
	labels := map[string]string{}
	for _, section := range table.Sections {
		s := massSection{Title: sentenceCase(section)}
		for _, a := range table.Attributes {
			if a.Section == section && !a.Secret && len(a.Columns) == 0 {
				s.Attrs = append(s.Attrs, a)
				labels[string(a.Name)] = a.Label
			}
		}
		if len(s.Attrs) > 0 {
			d.Fields = append(d.Fields, s)
		}
	}
	for i, t := range d.Filter.Terms {
		other := first
		other.Terms = slices.Delete(slices.Clone(first.Terms), i, i+1)
		link := termLink{term: t, Label: cmp.Or(labels[t.Field], t.Field), Words: "is", Without: other.address(at)}
		for _, op := range ops() {
			if op[0] == t.Op {
				link.Words = op[1]
			}
		}
		d.Terms = append(d.Terms, link)
	}
}

// selectUsers keeps what was ticked on one page, and goes on to another.
func (v *visit) selectUsers() error {
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	to := within(cmp.Or(v.form("go"), v.form("here")))
	if v.form("clear") != "" {
		v.session.unpick(v.org)
		return v.see(to)
	}
	if !v.session.pick(v.org, v.r.PostForm["shown"], v.r.PostForm["pick"]) {
		return v.see(to, note{"warn", fmt.Sprintf("No more than %s users can be ticked.", number(maxPicked)), "Use a filter, and change everybody who matches it."})
	}
	return v.see(to)
}

// exportUsers sends everybody who matches the filter as a file.
func (v *visit) exportUsers() error {
	format := v.query("format")
	if format != "json" {
		format = "csv"
	}
	f := v.usersFilter().api()
	f.Order, f.Desc, f.Limit = "", false, 0
	file, err := v.api.ExportUsers(v.r.Context(), f, format, nil)
	if err != nil {
		return err
	}
	defer file.Close()
	v.w.Header().Set("Content-Type", map[string]string{"csv": "text/csv; charset=utf-8", "json": "application/json"}[format])
	v.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", v.org+"-users."+format))
	if _, err := io.Copy(v.w, file); err != nil {
		panic(http.ErrAbortHandler) // the file must not look complete
	}
	return nil
}
