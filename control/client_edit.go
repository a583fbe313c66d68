package control

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/dialer"
)

// Attribute describes an attribute of a user.
type Attribute = dialer.Attribute

// Attributes is the table of attributes, with the org's owners.
func (c *Client) Attributes(ctx context.Context) (AttributePage, error) {
	return get[AttributePage](ctx, c, "/v1/attributes", nil)
}

// matching is the header that refuses an act on another version; 0 is any.
func matching(version int64) http.Header {
	if version == 0 {
		return nil
	}
	return http.Header{"If-Match": {strconv.Quote(strconv.FormatInt(version, 10))}}
}

// EditUser changes attributes of a user, who must be at version unless that is
// 0.
func (c *Client) EditUser(ctx context.Context, ref string, e Edit, version int64) (Acted, error) {
	return doJSON[Acted](ctx, c, request{method: http.MethodPatch, path: userPath(ref, ""), body: e, header: matching(version)})
}

// CreateUser creates a user who is not of Salesforce.
func (c *Client) CreateUser(ctx context.Context, u NewUser) (Acted, error) {
	return post[Acted](ctx, c, "/v1/users", u)
}

// DeleteUser deletes a user, who must be at version unless that is 0.
func (c *Client) DeleteUser(ctx context.Context, ref, reason string, version int64) (Acted, error) {
	q := url.Values{}
	if reason != "" {
		q.Set("reason", reason)
	}
	return doJSON[Acted](ctx, c, request{method: http.MethodDelete, path: userPath(ref, ""), query: q, header: matching(version)})
}

// ReseedUser writes again what Salesforce gave at creation: the attributes
// named, or all that are seeded.
func (c *Client) ReseedUser(ctx context.Context, ref string, fields []string, reason string) (Acted, error) {
	return post[Acted](ctx, c, userPath(ref, ":reseed"), struct {
		Fields []string `json:"fields,omitempty"`
		Reason string   `json:"reason,omitempty"`
	}{fields, reason})
}

// ExportUsers opens a file of the users that f selects, csv or json, with some
// columns or, for nil, all. The caller closes it; it ends with an error where
// it was cut off.
func (c *Client) ExportUsers(ctx context.Context, f UserFilter, format string, columns []string) (io.ReadCloser, error) {
	q := f.values()
	q.Set("format", format)
	if len(columns) > 0 {
		q.Set("columns", strings.Join(columns, ","))
	}
	resp, err := c.send(ctx, request{method: http.MethodGet, path: "/v1/users:export", query: q})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// ImportOptions say how users are imported.
type ImportOptions struct {
	Format   string   // csv or json
	Licenses []string // seats of users who are created; nil means the default types
	NoInvite bool     // users who are created get no invitation
	Reason   string
}

// ImportUsers prepares an import of users: a dry run.
func (c *Client) ImportUsers(ctx context.Context, file io.Reader, o ImportOptions) (MassAction, error) {
	q := url.Values{}
	if o.Reason != "" {
		q.Set("reason", o.Reason)
	}
	if o.NoInvite {
		q.Set("no_invite", "true")
	}
	if len(o.Licenses) > 0 {
		q.Set("license_types", strings.Join(o.Licenses, ","))
	}
	return doJSON[MassAction](ctx, c, request{
		method: http.MethodPost, path: "/v1/users:import", query: q, file: file, header: http.Header{"Content-Type": {fileType(o.Format)}},
	})
}
