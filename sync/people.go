package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Person is a Salesforce user as the mirror knows them, for whoever picks
// people to add.
type Person struct {
	SalesforceID string        `json:"salesforce_id"`
	Name         string        `json:"name"`
	Username     string        `json:"username"`
	Email        string        `json:"email"`
	Title        string        `json:"title"`
	Department   string        `json:"department"`
	Profile      string        `json:"profile"`
	Role         string        `json:"role"`
	License      string        `json:"license"` // Salesforce's own
	Country      string        `json:"country"`
	Active       bool          `json:"active"`
	Frozen       bool          `json:"frozen"`
	ReadAt       time.Time     `json:"read_at"`
	CanAdd       bool          `json:"can_add"`
	Why          string        `json:"why,omitempty"`     // why they cannot be added
	UserID       string        `json:"user_id,omitempty"` // of the dialer user they are linked to
	Status       dialer.Status `json:"status,omitempty"`  // of that user
}

// PeopleQuery selects Salesforce users of the mirror. Profile, Role,
// Department and Country are parts of those names, whatever their case.
type PeopleQuery struct {
	Search, Profile, Role, Department, Country string

	IDs      []string // only who has one of these Salesforce ids; nil means no such limit
	NotAdded bool     // only who is not in the dialer
	Eligible bool     // only who can be added
	Order    string
	Cursor   string // Next of the page before
	Limit    int
}

// PeoplePage is a page of Salesforce users.
type PeoplePage struct {
	People []Person `json:"people" nullable:"false"`
	Next   string   `json:"next,omitempty" doc:"pass as cursor for the next page; absent on the last one"`
}

// peopleLook is how many rows one page looks through at most. A filter that few
// people pass gives short pages rather than a slow one.
const peopleLook = 1600

// ErrPeopleCursor says that a cursor is none of those given out.
var ErrPeopleCursor = errors.New("the cursor is not one of this list")

// People lists Salesforce users from the mirror: it costs no call.
func (e *Engine) People(ctx context.Context, q PeopleQuery) (PeoplePage, error) {
	page := PeoplePage{People: []Person{}}
	order := store.MirrorOrder(q.Order)
	m := store.MirrorQuery{Search: dialer.Key(q.Search), IDs: q.IDs, Active: q.Eligible, NotLinked: q.NotAdded, Order: order, Limit: max(2*q.Limit, 200)}
	if q.Cursor != "" {
		var at [2]string
		if err := json.Unmarshal([]byte(q.Cursor), &at); err != nil {
			return page, ErrPeopleCursor
		}
		m.AfterKey, m.AfterID = at[0], at[1]
	}
	switch {
	case q.narrow():
		m.Limit = peopleLook / 2
	case !q.Eligible: // everybody whom the mirror gives passes
		m.Limit = q.Limit + 1
	}
	cfg := e.config()
	hidden := e.hiddenFields(cfg)
	for looked := 0; ; {
		rows, err := e.mirror.List(ctx, m)
		if err != nil {
			return page, fmt.Errorf("list the mirror: %w", err)
		}
		people := make([]Person, len(rows))
		var ids []string
		for i := range rows {
			if people[i] = read(&rows[i]); q.fits(&people[i]) {
				ids = append(ids, rows[i].ID)
			}
		}
		users, err := e.linkedTo(ctx, ids)
		if err != nil {
			return page, err
		}
		for i := range rows {
			r, p := &rows[i], &people[i]
			if q.fits(p) {
				cfg.tell(p, r, hidden, users[r.ID])
				if q.passes(p) {
					page.People = append(page.People, *p)
				}
			}
			m.AfterKey, m.AfterID = r.OrderKey(order), r.ID
			if len(page.People) == q.Limit && i < len(rows)-1 {
				return page, page.end(m)
			}
		}
		looked += len(rows)
		if len(rows) < m.Limit {
			return page, nil
		}
		if looked >= peopleLook || len(page.People) >= q.Limit {
			return page, page.end(m)
		}
	}
}

func (p *PeoplePage) end(m store.MirrorQuery) error {
	text, err := json.Marshal([2]string{m.AfterKey, m.AfterID})
	p.Next = string(text)
	return err
}

// linkedTo finds the dialer users of people, by Salesforce id.
func (e *Engine) linkedTo(ctx context.Context, ids []string) (map[string]dialer.User, error) {
	users := make(map[string]dialer.User, len(ids))
	if len(ids) == 0 {
		return users, nil
	}
	for u, err := range e.dir.Users(ctx, dialer.Query{SalesforceIDs: ids}) {
		if err != nil {
			return nil, fmt.Errorf("find the users they are linked to: %w", err)
		}
		users[u.SalesforceID] = u
	}
	return users, nil
}

// read tells of one row who it is.
func read(r *store.MirrorRow) Person {
	p := Person{SalesforceID: r.ID, Name: r.Name, Active: r.Active, Frozen: r.Frozen, ReadAt: store.Time(r.ReadAt)}
	var u crm.User
	if err := json.Unmarshal(r.Doc, &u); err == nil {
		p.Username, p.Email, p.Title, p.Department = u.Username, u.Email, u.Title, u.Department
		p.Profile, p.Role, p.License = u.Profile.Name, u.UserRole.Name, u.Profile.UserLicense.Name
		p.Country = u.CountryCode
		if p.Country == "" {
			p.Country = u.Country
		}
	}
	return p
}

// tell adds whether they can be added.
func (c *Config) tell(p *Person, r *store.MirrorRow, hidden []string, linked dialer.User) {
	p.UserID, p.Status = linked.ID, linked.Status
	d := c.judge(r, hidden)
	switch {
	case linked.Status == dialer.StatusActive:
		p.Why = "already in the dialer"
	case linked.AdminHold:
		p.Why = "deactivated by an administrator: activate the user instead"
	case d.Unknown:
		p.Why = "no longer visible in Salesforce"
	case d.Leave == dialer.ReasonSalesforceInactive:
		p.Why = "inactive in Salesforce"
	case d.Leave == dialer.ReasonSalesforceFrozen:
		p.Why = "frozen in Salesforce"
	case d.Leave == dialer.ReasonOutOfScope && p.License != "Salesforce":
		p.Why = "not in scope: holds the license " + strings.TrimSpace(p.License)
	case d.Leave == dialer.ReasonOutOfScope:
		p.Why = "not in scope"
	case d.Err != nil:
		p.Why = d.Err.Error()
	case d.Blind:
		p.Why = "the scope depends on a Salesforce field that cannot be read now"
	default:
		p.CanAdd = true
	}
}

// narrow reports whether few people may pass.
func (q *PeopleQuery) narrow() bool {
	return q.Profile != "" || q.Role != "" || q.Department != "" || q.Country != ""
}

// passes reports whether a person is one of those asked for, when it is known
// whether they can be added.
func (q *PeopleQuery) passes(p *Person) bool {
	return (!q.Eligible || p.CanAdd) && (!q.NotAdded || p.UserID == "")
}

// fits reports whether Salesforce says of a person what is asked for.
func (q *PeopleQuery) fits(p *Person) bool {
	for _, part := range [][2]string{{q.Profile, p.Profile}, {q.Role, p.Role}, {q.Department, p.Department}, {q.Country, p.Country}} {
		if part[0] != "" && !strings.Contains(strings.ToLower(part[1]), strings.ToLower(part[0])) {
			return false
		}
	}
	return true
}
