package control

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/sync"
)

// UserFilter selects users. The zero value selects active and inactive ones.
type UserFilter struct {
	Status  string
	Search  string
	License string
	Filter  string   // terms key=value
	Order   string   // id, username, salesforce_id, last_name, first_name, email, extension, updated_at or created_at
	Desc    bool     // the order is the other way round
	Limit   int      // 0 means all
	IDs     []string // only the users of these dialer ids; nil means no such limit
	Columns []string // attributes to show of each user
}

// values are f as the API has it, but for the limit.
func (f *UserFilter) values() url.Values {
	q := url.Values{}
	for k, v := range map[string]string{
		"status": f.Status, "search": f.Search, "license": f.License, "filter": f.Filter, "order": f.Order, "columns": strings.Join(f.Columns, ","),
		"ids": strings.Join(f.IDs, ","),
	} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if f.Desc {
		q.Set("desc", "true")
	}
	return q
}

// userPage is how many users a page holds.
const userPage = 1000

// Users yields the users that f selects, page by page.
func (c *Client) Users(ctx context.Context, f UserFilter) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		q := f.values()
		for left := f.Limit; ; {
			size := userPage
			if f.Limit > 0 {
				size = min(size, left)
			}
			q.Set("limit", strconv.Itoa(size))
			page, err := get[UserPage](ctx, c, "/v1/users", q)
			if err != nil {
				yield(User{}, err)
				return
			}
			for _, u := range page.Users {
				if !yield(u, nil) {
					return
				}
			}
			left -= len(page.Users)
			if page.Next == "" || f.Limit > 0 && left <= 0 {
				return
			}
			q.Set("cursor", page.Next)
		}
	}
}

// userPath names a user in an address. Dots alone would be taken for a place in
// the tree, however they are escaped, so they travel with a space, which users
// are found without.
func userPath(ref, rest string) string {
	if ref == "." || ref == ".." {
		ref += " "
	}
	return "/v1/users/" + url.PathEscape(ref) + rest
}

// User returns one user, by id, Salesforce id, user name or e-mail address.
func (c *Client) User(ctx context.Context, ref string) (User, error) {
	return get[User](ctx, c, userPath(ref, ""), nil)
}

// Explain says why a person is in the state that they are in.
func (c *Client) Explain(ctx context.Context, ref string) (Explanation, error) {
	return get[Explanation](ctx, c, userPath(ref, "/explain"), nil)
}

// ActivityFilter selects entries of the activity log.
type ActivityFilter struct {
	User   string // id, Salesforce id, user name or e-mail address
	Since  string // a time (RFC 3339) or an age such as 24h
	Until  string // the same
	Verb   string // such as deactivate
	Actor  string // name of who did it
	Kind   string // of the actor, such as sync or admin
	Text   string // in the note, the actor's name or the values
	Before int64  // only entries older than this one
	Limit  int    // 0 means 100
}

func (f ActivityFilter) values() url.Values {
	q := url.Values{}
	if f.User != "" {
		q.Set("user", f.User)
	}
	for k, v := range map[string]string{
		"since": f.Since, "until": f.Until, "verb": f.Verb, "actor": f.Actor, "actor_kind": f.Kind, "text": f.Text,
	} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if f.Before != 0 {
		q.Set("before", strconv.FormatInt(f.Before, 10))
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return q
}

// Activity returns a page of the activity log, newest first.
func (c *Client) Activity(ctx context.Context, f ActivityFilter) (ActivityPage, error) {
	return get[ActivityPage](ctx, c, "/v1/activity", f.values())
}

// Action says how to activate or deactivate a user.
type Action struct {
	Reason   string   `json:"reason,omitempty"`
	Licenses []string `json:"license_types,omitempty"` // seats to take; nil means the default types
	Version  int64    `json:"-"`                       // refuse if the user is not at it any more; 0 for any
}

// Activate gives a user access again.
func (c *Client) Activate(ctx context.Context, ref string, a Action) (Acted, error) {
	return c.act(ctx, ref, ":activate", a)
}

// Deactivate ends a user's access now.
func (c *Client) Deactivate(ctx context.Context, ref string, a Action) (Acted, error) {
	return c.act(ctx, ref, ":deactivate", a)
}

func (c *Client) act(ctx context.Context, ref, action string, a Action) (Acted, error) {
	r := request{method: http.MethodPost, path: userPath(ref, action), body: a}
	if a.Version != 0 {
		r.header = http.Header{"If-Match": {strconv.Quote(strconv.FormatInt(a.Version, 10))}}
	}
	return doJSON[Acted](ctx, c, r)
}

// Refresh reads one user from Salesforce and brings the dialer in step.
func (c *Client) Refresh(ctx context.Context, ref, reason string) (Started, error) {
	return post[Started](ctx, c, userPath(ref, ":refresh"), Why{reason})
}

// Add adds Salesforce users to the dialer.
func (c *Client) Add(ctx context.Context, refs []string, reason string) (Added, error) {
	return post[Added](ctx, c, "/v1/users:add", map[string]any{"users": refs, "reason": reason})
}

// Licenses lists the license types and their seats.
func (c *Client) Licenses(ctx context.Context) (LicensePage, error) {
	return get[LicensePage](ctx, c, "/v1/licenses", nil)
}

// SetLicense says how many seats of a type are purchased.
func (c *Client) SetLicense(ctx context.Context, licenseType string, purchased int64) (License, error) {
	return doJSON[License](ctx, c, request{
		method: http.MethodPatch, path: "/v1/licenses/" + url.PathEscape(licenseType), body: map[string]int64{"purchased": purchased},
	})
}

// Attention lists what only a person can decide.
func (c *Client) Attention(ctx context.Context) (AttentionPage, error) {
	return get[AttentionPage](ctx, c, "/v1/attention", nil)
}

// IgnoredAttention lists what was ignored, by whom and why.
func (c *Client) IgnoredAttention(ctx context.Context) (AttentionPage, error) {
	return get[AttentionPage](ctx, c, "/v1/attention", url.Values{"ignored": {"true"}})
}

// Resolve settles an attention item; the zero Settlement tries it again.
func (c *Client) Resolve(ctx context.Context, id int64, how Settlement) (Resolved, error) {
	if how.How == "" {
		how.How = sync.Retry
	}
	return post[Resolved](ctx, c, "/v1/attention/"+strconv.FormatInt(id, 10)+":resolve", how)
}
