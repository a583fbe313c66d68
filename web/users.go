package web

import (
	"cmp"
	"encoding/csv"
	"fmt"
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
	Users    []control.User
	Licenses []control.License
	Here     string // address of this page
	Next     string // address of the next page, "" on the last
	First    string // address of the first page, "" on it
	Picked   map[string]bool
	Count    int // of all picked
	Export   string
	Mass     string // address of the mass update for everybody who matches
	Sorts    map[string]sortLink
}

// usersFilter is what the filter bar says.
type usersFilter struct {
	Search, Status, License, Kind, Value, Order string
	Cursor                                      string
	Size                                        int
}

// Any reports whether the filter leaves anybody out beside the deleted.
func (f usersFilter) Any() bool {
	return f.Search != "" || f.Status != "active" || f.License != "" || f.Value != ""
}

// sortLink is the head of a column by which the list can be ordered.
type sortLink struct {
	Href string
	On   bool
}

const (
	pageSize = 50
	pageMost = 200
)

func (v *visit) usersFilter() usersFilter {
	q := v.r.URL.Query()
	f := usersFilter{
		Search: strings.TrimSpace(q.Get("q")), Status: q.Get("status"), License: q.Get("license"),
		Kind: q.Get("kind"), Value: strings.TrimSpace(q.Get("value")), Order: q.Get("order"), Cursor: q.Get("cursor"), Size: pageSize,
	}
	if !slices.Contains([]string{"active", "inactive", "deleted", "all"}, f.Status) {
		f.Status = "active"
	}
	if !slices.Contains([]string{"id", "username", "salesforce_id"}, f.Order) {
		f.Order = "username"
	}
	if !slices.Contains(groupKinds(), f.Kind) {
		f.Kind = groupKinds()[0]
	}
	if n, err := strconv.Atoi(q.Get("size")); err == nil && n > 0 {
		f.Size = min(n, pageMost)
	}
	return f
}

// groupKinds are the kinds of group that the list can be filtered by, the most
// used first.
func groupKinds() []string {
	return []string{
		"role", "permission_group", "department", "location", "tag", "skill_group", "desk", "campaign", "initiative", "acd", "area_code_group", "template",
	}
}

// GroupKinds lists them for the form.
func (f usersFilter) GroupKinds() []string { return groupKinds() }

func (f usersFilter) api() control.UserFilter {
	a := control.UserFilter{Status: f.Status, Search: f.Search, License: f.License, Order: f.Order, Limit: f.Size}
	if value := strings.ReplaceAll(f.Value, `"`, ""); value != "" {
		a.Filter = fmt.Sprintf(`%s="%s"`, f.Kind, value)
	}
	return a
}

// terms writes the filter as the API does.
func (f usersFilter) terms() string {
	terms := []string{"status=" + f.Status}
	for _, t := range [][2]string{{"search", f.Search}, {"license", f.License}, {f.Kind, f.Value}} {
		if value := strings.ReplaceAll(t[1], `"`, ""); value != "" {
			terms = append(terms, t[0]+`="`+value+`"`)
		}
	}
	return strings.Join(terms, " ")
}

// address writes the filter into an address.
func (f usersFilter) address(path string) string {
	q := url.Values{}
	for k, s := range map[string]string{"q": f.Search, "license": f.License, "value": f.Value, "cursor": f.Cursor} {
		if s != "" {
			q.Set(k, s)
		}
	}
	if f.Value != "" {
		q.Set("kind", f.Kind)
	}
	if f.Status != "active" {
		q.Set("status", f.Status)
	}
	if f.Order != "username" {
		q.Set("order", f.Order)
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
	page, err := v.api.UserPage(v.r.Context(), f.api(), f.Cursor)
	if err != nil {
		return err
	}
	licenses, err := v.api.Licenses(v.r.Context())
	if err != nil {
		return err
	}
	at := v.At("/users")
	d := usersPage{
		Filter: f, Users: page.Users, Licenses: licenses.Licenses, Here: f.address(at), Picked: map[string]bool{}, Sorts: map[string]sortLink{},
	}
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
	for _, order := range []string{"id", "username", "salesforce_id"} {
		other := first
		other.Order = order
		d.Sorts[order] = sortLink{other.address(at), f.Order == order}
	}
	for _, id := range v.session.chosen(v.org) {
		d.Picked[id] = true
		d.Count++
	}
	return v.page("users", "Users", d)
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

// exportUsers sends everybody who matches the filter as CSV.
func (v *visit) exportUsers() error {
	f := v.usersFilter().api()
	f.Limit = 0
	out := csv.NewWriter(v.w)
	head := false
	for u, err := range v.api.Users(v.r.Context(), f) {
		if !head {
			if err != nil {
				return err // nothing is sent yet: a page can say it
			}
			v.startCSV("users.csv")
			head = true
			_ = out.Write([]string{
				"id", "salesforce_id", "username", "email", "first_name", "last_name", "extension", "status", "status_reason",
				"license_types", "permission_group", "roles", "department", "timezone", "integration_status", "integration_reason", "updated_at",
			})
		}
		if err != nil { // the file must not look complete
			panic(http.ErrAbortHandler)
		}
		_ = out.Write(harmless(
			u.ID, u.SalesforceID, u.Username, u.Email, u.FirstName, u.LastName, u.Extension, string(u.Status), string(u.StatusReason),
			strings.Join(u.LicenseTypes, ";"), u.PermissionGroup, strings.Join(u.Roles, ";"), u.Department, u.Timezone,
			u.IntegrationStatus, u.IntegrationReason, u.UpdatedAt.UTC().Format("2006-01-02T15:04:05Z"),
		))
	}
	if !head {
		v.startCSV("users.csv")
		_ = out.Write([]string{"id"})
	}
	out.Flush()
	return nil
}

func (v *visit) startCSV(name string) {
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
}

// harmless keeps a spreadsheet from taking a cell for a formula.
func harmless(cells ...string) []string {
	for i, c := range cells {
		if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
			cells[i] = "'" + c
		}
	}
	return cells
}
