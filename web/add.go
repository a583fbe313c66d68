package web

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/control"
)

// addPage is what the page for picking people shows.
type addPage struct {
	Filter   control.PeopleFilter
	Shown    string // who is shown: fit, new or all
	People   []control.Person
	Licenses []control.License
	Picked   map[string]bool
	Count    int
	Here     string
	First    string
	Next     string
	Further  bool // not everybody was looked at of whom this page could be full
	Age      any  // when the oldest of these was read
}

// Any reports whether the filter leaves anybody out.
func (p addPage) Any() bool {
	f := p.Filter
	return f.Search != "" || f.Profile != "" || f.Role != "" || f.Department != "" || f.Country != ""
}

// peopleSet is where ticked Salesforce users are kept in a session, apart from
// ticked dialer users.
func (v *visit) peopleSet() string { return v.org + "\x00people" }

func (v *visit) add() error {
	if v.limited() && v.May(control.Manager) {
		p, err := v.named()
		if err != nil {
			return err
		}
		return v.page("named", "Add users from Salesforce", p)
	}
	q := v.r.URL.Query()
	f := control.PeopleFilter{
		Search: strings.TrimSpace(q.Get("q")), Profile: strings.TrimSpace(q.Get("profile")), Role: strings.TrimSpace(q.Get("role")),
		Department: strings.TrimSpace(q.Get("department")), Country: strings.TrimSpace(q.Get("country")), Order: "name", Limit: pageSize,
	}
	p := addPage{Filter: f, Shown: q.Get("show"), Picked: map[string]bool{}}
	switch p.Shown {
	case "new":
		f.NotAdded = true
	case "all":
	default:
		p.Shown, f.Eligible, f.NotAdded = "fit", true, true
	}
	if f.Search != "" && !q.Has("show") { // whoever looks for a name wants to know why it cannot be added
		p.Shown, f.Eligible, f.NotAdded = "all", false, false
	}
	page, err := v.lookForPeople(f, q.Get("cursor"))
	if err != nil {
		return err
	}
	licenses, err := v.api.Licenses(v.r.Context())
	if err != nil {
		return err
	}
	p.Licenses, p.People = licenses.Licenses, page.People
	for _, one := range page.People {
		if at := instant(p.Age); at.IsZero() || one.ReadAt.Before(at) {
			p.Age = one.ReadAt
		}
	}
	at := func(cursor string) string {
		q := url.Values{"show": {p.Shown}}
		for k, s := range map[string]string{
			"q": f.Search, "profile": f.Profile, "role": f.Role, "department": f.Department, "country": f.Country, "cursor": cursor,
		} {
			if s != "" {
				q.Set(k, s)
			}
		}
		return v.At("/add") + "?" + q.Encode()
	}
	p.Here = at(q.Get("cursor"))
	if q.Get("cursor") != "" {
		p.First = at("")
	}
	if page.Next != "" {
		p.Next, p.Further = at(page.Next), len(page.People) < f.Limit
	}
	for _, id := range v.session.chosen(v.peopleSet()) {
		p.Picked[id] = true
		p.Count++
	}
	return v.page("add", "Add users from Salesforce", p)
}

// lookFor is how long a page goes on to look for more people: with what the rest
// takes, it is there within a tenth of a second.
const lookFor = 50 * time.Millisecond

// lookForPeople reads a page of people. The API looks through a part of them at
// a time, and may find few of a filter there: so it is asked on for a while.
func (v *visit) lookForPeople(f control.PeopleFilter, cursor string) (control.PeoplePage, error) {
	began := time.Now()
	all, err := v.api.People(v.r.Context(), f, cursor)
	for err == nil && all.Next != "" && len(all.People) < f.Limit && time.Since(began) < v.c.lookFor {
		more := f
		more.Limit -= len(all.People)
		var page control.PeoplePage
		page, err = v.api.People(v.r.Context(), more, all.Next)
		all.People, all.Next = append(all.People, page.People...), page.Next
	}
	return all, err
}

// pickPeople keeps what was ticked on one page of the list, and goes on.
func (v *visit) pickPeople() error {
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	to := within(cmp.Or(v.form("go"), v.form("here")))
	if v.form("clear") != "" {
		v.session.unpick(v.peopleSet())
		return v.see(to)
	}
	v.session.pick(v.peopleSet(), v.r.PostForm["shown"], v.r.PostForm["pick"])
	return v.see(to)
}

// reviewPage shows who is about to be added, and afterwards what became of it.
type reviewPage struct {
	People    []control.Person
	Licenses  []control.License
	Left      int64 // seats of the default type that would be left
	Default   string
	Template  string
	Templates []string
	Seats     map[string]bool // license types to take beside the default ones
	Results   []control.AddResult
	Names     map[string]string
	Added     int
	Own       map[string]ownSettings // of single people
}

// OwnOf counts what a person shall have of their own.
func (p reviewPage) OwnOf(id string) int { return len(p.Own[id].Values) + len(p.Own[id].Seats) }

// reviewMost is how many people can be added in one go.
const reviewMost = 500

func (v *visit) review() error {
	p, err := v.reviewOf(v.session.chosen(v.peopleSet()))
	if err != nil {
		return err
	}
	if len(p.People) == 0 {
		return v.see(v.At("/add"), note{"warn", "Tick somebody first.", ""})
	}
	return v.page("review", "Review and add", p)
}

func (v *visit) reviewOf(ids []string) (reviewPage, error) {
	p := reviewPage{Names: map[string]string{}, Seats: map[string]bool{}, Own: v.session.ownOf(v.org)}
	templates, err := v.api.Groups(v.r.Context(), "template")
	if err != nil {
		return p, err
	}
	for _, t := range templates.Groups {
		p.Templates = append(p.Templates, t.Name)
	}
	licenses, err := v.api.Licenses(v.r.Context())
	if err != nil {
		return p, err
	}
	p.Licenses = licenses.Licenses
	for some := range slices.Chunk(ids[:min(len(ids), reviewMost)], 100) { // an address must not grow too long
		page, err := v.api.People(v.r.Context(), control.PeopleFilter{IDs: some, Limit: len(some)}, "")
		if err != nil {
			return p, err
		}
		for _, one := range page.People {
			p.People = append(p.People, one)
			p.Names[one.SalesforceID] = one.Name
		}
	}
	slices.SortFunc(p.People, func(a, b control.Person) int { return strings.Compare(a.Name, b.Name) })
	for _, l := range p.Licenses {
		if l.Default {
			p.Default, p.Left = l.Type, l.Left-int64(len(p.People))
			break
		}
	}
	return p, nil
}

// addUsers adds those who were ticked.
func (v *visit) addUsers() error {
	ids := v.session.chosen(v.peopleSet())
	if len(ids) == 0 {
		return v.see(v.At("/add"), note{"warn", "Tick somebody first.", ""})
	}
	ids = ids[:min(len(ids), reviewMost)]
	p, err := v.reviewOf(ids)
	if err != nil {
		return err
	}
	added, err := v.addOwn(control.NewPeople{
		Users: ids, Template: v.form("template"), Licenses: v.r.PostForm["seat"], Reason: v.form("reason"),
	})
	if err != nil && len(added.Results) == 0 {
		return v.back(v.At("/add/review"), err)
	}
	if err != nil { // of those who take other seats, who stay ticked
		v.session.say(note{"bad", "Some could not be added.", sentence(err.Error())})
	}
	p.Results, p.Added = added.Results, gained(added.Results)
	var done []string
	for _, r := range added.Results {
		if r.Outcome != "refused" {
			done = append(done, r.SalesforceID)
		}
	}
	v.session.pick(v.peopleSet(), done, nil)
	return v.page("review", "Added", p)
}
