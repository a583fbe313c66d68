package control

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rosterd/rosterd/dialer"
)

// More words of the answers.
type (
	// Group is a group with its settings.
	Group = dialer.GroupInfo
	// GroupKindName names a kind of group.
	GroupKindName = dialer.Kind
	// Number is a telephone number of an org.
	Number = dialer.Number
)

// Groups lists the groups of a kind, or of every kind for "".
func (c *Client) Groups(ctx context.Context, kind string) (GroupPage, error) {
	q := url.Values{}
	if kind != "" {
		q.Set("kind", kind)
	}
	return get[GroupPage](ctx, c, "/v1/groups", q)
}

// GroupKinds lists the kinds of group, and the settings that each has.
func (c *Client) GroupKinds(ctx context.Context) (GroupKindPage, error) {
	return get[GroupKindPage](ctx, c, "/v1/group-kinds", nil)
}

func groupPath(id int64) string { return "/v1/groups/" + strconv.FormatInt(id, 10) }

// Group returns one group.
func (c *Client) Group(ctx context.Context, id int64) (Group, error) {
	return get[Group](ctx, c, groupPath(id), nil)
}

// AddGroup adds a group.
func (c *Client) AddGroup(ctx context.Context, g NewGroup) (Group, error) {
	return post[Group](ctx, c, "/v1/groups", g)
}

// EditGroup renames a group, or changes its settings.
func (c *Client) EditGroup(ctx context.Context, id int64, e GroupEdit) (Group, error) {
	return doJSON[Group](ctx, c, request{method: http.MethodPatch, path: groupPath(id), body: e})
}

// DeleteGroup deletes a group, whose members go to the group moveTo of the same
// kind.
func (c *Client) DeleteGroup(ctx context.Context, id int64, moveTo string) (GroupDeleted, error) {
	q := url.Values{}
	if moveTo != "" {
		q.Set("move_to", moveTo)
	}
	return doJSON[GroupDeleted](ctx, c, request{method: http.MethodDelete, path: groupPath(id), query: q})
}

// OrgSettings says what the org is entitled to, and its defaults.
func (c *Client) OrgSettings(ctx context.Context) (OrgView, error) {
	return get[OrgView](ctx, c, "/v1/org", nil)
}

// EditOrg changes settings of the org; nil brings one back to its default.
func (c *Client) EditOrg(ctx context.Context, settings map[string]any) (OrgView, error) {
	return doJSON[OrgView](ctx, c, request{method: http.MethodPatch, path: "/v1/org", body: map[string]any{"settings": settings}})
}

// Region says which dial region serves a country.
func (c *Client) Region(ctx context.Context, country string) (Region, error) {
	return get[Region](ctx, c, "/v1/org/region", url.Values{"country": {country}})
}

// FreeExtensions lists the next n extensions that nobody has.
func (c *Client) FreeExtensions(ctx context.Context, n int) (ExtensionPage, error) {
	return get[ExtensionPage](ctx, c, "/v1/org/extensions", url.Values{"count": {strconv.Itoa(n)}})
}

// Inbound says whether a call from a number would reach a user.
func (c *Client) Inbound(ctx context.Context, ref, number string) (Inbound, error) {
	return get[Inbound](ctx, c, userPath(ref, "/inbound"), url.Values{"number": {number}})
}

// Numbers lists telephone numbers of the org beyond after.
func (c *Client) Numbers(ctx context.Context, available bool, after string) (NumberPage, error) {
	q := url.Values{}
	if available {
		q.Set("available", "true")
	}
	if after != "" {
		q.Set("after", after)
	}
	return get[NumberPage](ctx, c, "/v1/numbers", q)
}

// AddNumber adds a telephone number that the org has.
func (c *Client) AddNumber(ctx context.Context, n Number) (Number, error) {
	return post[Number](ctx, c, "/v1/numbers", map[string]string{"number": n.Number, "kind": n.Kind, "location": n.Location, "note": n.Note})
}

// RemoveNumber removes a telephone number that nobody has.
func (c *Client) RemoveNumber(ctx context.Context, number string) (Number, error) {
	return doJSON[Number](ctx, c, request{method: http.MethodDelete, path: "/v1/numbers/" + url.PathEscape(number)})
}

// LicenseHistory says when the seats of a license type were set.
func (c *Client) LicenseHistory(ctx context.Context, licenseType string) (PurchasePage, error) {
	return get[PurchasePage](ctx, c, "/v1/licenses/"+url.PathEscape(licenseType)+"/history", nil)
}

// AddPeople adds people of Salesforce, and gives them what they shall have.
func (c *Client) AddPeople(ctx context.Context, p NewPeople) (Added, error) {
	return post[Added](ctx, c, "/v1/users:add", p)
}
