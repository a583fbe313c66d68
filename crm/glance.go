package crm

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Named is a profile or a role, with all of its names that users are read with.
type Named struct {
	ID       ID
	Names    string
	Modified time.Time // by Salesforce's clock
}

// Glance is what one call tells of an org that is not followed by change events
// alone.
type Glance struct {
	Frozen     []ID    // who is frozen
	FrozenErr  error   // a *FrozenError where that cannot be known
	Profiles   []Named // those modified last, up to 500
	Roles      []Named // likewise
	Users      []User  // changed since the watermark
	Mark       Watermark
	Limits     map[string]Limit // every allocation, as /limits has it
	Incomplete bool             // there is more than one call can tell: read it the long way
}

// opGlance is the operation of a glance, as it appears in metrics and errors.
const opGlance = "glance"

// namesMost is how many profiles and roles a glance looks at: they are renamed by
// hand, and rarely.
const namesMost = 500

// subAnswer is one answer of a composite call.
type subAnswer struct {
	Body   jsontext.Value `json:"body"`
	Status int            `json:"httpStatusCode"`
	Ref    string         `json:"referenceId"`
}

// Glance reads in one call who is frozen, the names of profiles and roles, who
// changed since w, and the org's allocations. What it tells of users is what
// ChangedSince would, as far as it fits a page; where it does not, nothing of Users
// and Mark may be used.
func (c *Client) Glance(ctx context.Context, fields []string, w Watermark) (Glance, error) {
	g, err := c.glance(ctx, fields, w)
	if err != nil {
		c.learn(err)
		return Glance{}, err
	}
	return g, nil
}

func (c *Client) glance(ctx context.Context, fields []string, w Watermark) (g Glance, err error) {
	sel, err := newSelection(fields, c.cfg.CustomFields)
	if err != nil {
		return g, err
	}
	win, err := newWindow(Watermark{Upper: w.Upper}, c.opts.Overlap)
	if err != nil {
		return g, err
	}
	limit := strconv.Itoa(maxPage)
	var body composite
	query := func(ref, soql string) { body.get(ref, c.data("/query?q=")+url.QueryEscape(soql)) }
	query("frozen", "SELECT Id, UserId FROM UserLogin WHERE IsFrozen = true ORDER BY Id LIMIT "+limit)
	query("logins", "SELECT COUNT() FROM UserLogin")
	query("profiles", "SELECT Id, Name, UserLicense.Name, SystemModstamp FROM Profile ORDER BY SystemModstamp DESC LIMIT "+strconv.Itoa(namesMost))
	query("roles", "SELECT Id, Name, DeveloperName, SystemModstamp FROM UserRole ORDER BY SystemModstamp DESC LIMIT "+strconv.Itoa(namesMost))
	query("users", "SELECT "+sel.list+" FROM User WHERE "+win.where()+" ORDER BY SystemModstamp, Id LIMIT "+limit)
	body.get("limits", c.data("/limits"))
	raw, err := json.Marshal(body)
	if err != nil {
		return g, err
	}
	var answers struct {
		List []subAnswer `json:"compositeResponse"`
	}
	date, err := c.call(ctx, request{op: opGlance, path: c.data("/composite"), body: raw}, func(resp *http.Response) error {
		answers.List = nil
		if err := json.UnmarshalRead(resp.Body, &answers); err != nil {
			return err
		}
		if len(answers.List) != len(body.Requests) {
			return shape("%d answers to %d queries", len(answers.List), len(body.Requests))
		}
		return c.readGlance(&g, answers.List, newDecoder(sel))
	})
	if err != nil || g.Incomplete {
		return g, err
	}
	if err := win.clock(date, c.opts.Overlap); err != nil {
		return g, err
	}
	if _, err := win.advance(fetched{users: g.Users}); err != nil {
		return g, err
	}
	g.Mark = win.mark(true)
	return g, nil
}

// readGlance reads each answer by what it was asked for.
func (c *Client) readGlance(g *Glance, answers []subAnswer, d *decoder) error {
	*g = Glance{}
	logins := -1
	for _, a := range answers {
		if a.Status != http.StatusOK {
			e := &APIError{Op: opGlance, Status: a.Status}
			e.Code, e.Message = parseErrorBody(a.Body)
			var frozen *FrozenError
			switch {
			case (a.Ref == "frozen" || a.Ref == "logins") && errors.As(unreadable(e), &frozen):
				g.FrozenErr = frozen
				continue
			case a.Ref == "limits":
				continue // it is told elsewhere, too
			}
			return &innerError{e}
		}
		switch a.Ref {
		case "frozen":
			var p recordPage[struct {
				UserID string `json:"UserId"`
			}]
			if err := json.Unmarshal(a.Body, &p); err != nil {
				return err
			}
			g.Incomplete = g.Incomplete || p.Done == nil || !*p.Done || len(p.Records) == maxPage
			for _, r := range p.Records {
				id, err := ParseID(r.UserID)
				if err != nil {
					return shape("a login without a user")
				}
				g.Frozen = append(g.Frozen, id)
			}
		case "logins":
			var p recordPage[struct{}]
			if err := json.Unmarshal(a.Body, &p); err != nil || p.Total == nil {
				return shape("a count without totalSize")
			}
			logins = *p.Total
		case "profiles", "roles":
			if err := g.names(a); err != nil {
				return err
			}
		case "users":
			users, head, err := d.page(bytes.NewReader(a.Body), nil, maxPage)
			if err != nil {
				return err
			}
			g.Users = users
			g.Incomplete = g.Incomplete || !head.done || len(users) == maxPage
		case "limits":
			g.Limits = limitsOf(a.Body)
		}
	}
	if logins == 0 && g.FrozenErr == nil {
		g.FrozenErr = &FrozenError{Err: errors.New("not a single row of UserLogin is visible")}
	}
	return nil
}

func (g *Glance) names(a subAnswer) error {
	var p recordPage[struct {
		ID             string `json:"Id"`
		Name           string
		DeveloperName  string
		SystemModstamp string
		UserLicense    *struct{ Name string }
	}]
	if err := json.Unmarshal(a.Body, &p); err != nil {
		return err
	}
	list := make([]Named, 0, len(p.Records))
	for _, r := range p.Records {
		id, err := ParseID(r.ID)
		if err != nil {
			return shape("a profile or role without an id")
		}
		modified, err := parseTime([]byte(r.SystemModstamp))
		if err != nil {
			return shape("a profile or role without the time of its last change")
		}
		names := r.Name + "\x00" + r.DeveloperName
		if r.UserLicense != nil {
			names += "\x00" + r.UserLicense.Name
		}
		list = append(list, Named{id, names, modified})
	}
	if a.Ref == "profiles" {
		g.Profiles = list
		return nil
	}
	g.Roles = list
	return nil
}

// limitsOf reads allocations, passing over what has another form.
func limitsOf(raw jsontext.Value) map[string]Limit {
	var all map[string]jsontext.Value
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	limits := map[string]Limit{}
	for name, value := range all {
		var l struct{ Max, Remaining *int }
		if json.Unmarshal(value, &l) == nil && l.Max != nil && l.Remaining != nil {
			limits[name] = Limit{*l.Max, *l.Remaining}
		}
	}
	return limits
}

// NamedUsers reads the users who have one of some profiles or roles, within the
// prefilter, by pages as ChangePages does but without a watermark. A complete read
// costs a call for each page.
func (c *Client) NamedUsers(ctx context.Context, fields []string, profiles, roles []ID) func(yield func([]User, error) bool) {
	return func(yield func([]User, error) bool) {
		if err := c.namedUsers(ctx, fields, profiles, roles, yield); err != nil {
			c.learn(err)
			yield(nil, err)
		}
	}
}

func (c *Client) namedUsers(ctx context.Context, fields []string, profiles, roles []ID, yield func([]User, error) bool) error {
	sel, err := newSelection(fields, c.cfg.CustomFields)
	if err != nil {
		return err
	}
	var some []string
	if len(profiles) > 0 {
		some = append(some, "ProfileId IN ("+quoteAll(profiles)+")")
	}
	if len(roles) > 0 {
		some = append(some, "UserRoleId IN ("+quoteAll(roles)+")")
	}
	if len(some) == 0 {
		return nil
	}
	where := "(" + strings.Join(some, " OR ") + ")"
	if c.cfg.Prefilter != "" {
		where = "(" + c.cfg.Prefilter + ") AND " + where
	}
	dec, after := newDecoder(sel), ""
	for {
		cond := where
		if after != "" {
			cond += " AND Id > " + Quote(after)
		}
		p, err := c.fetch(ctx, dec, opChanges, cond, "Id", c.opts.PageSize, nil)
		if err != nil {
			return err
		}
		if len(p.users) == 0 {
			return nil
		}
		if after = p.users[len(p.users)-1].ID; !yield(p.users, nil) || !p.more {
			return nil
		}
	}
}

func quoteAll(ids []ID) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = Quote(id)
	}
	return strings.Join(quoted, ",")
}
