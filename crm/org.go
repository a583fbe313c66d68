package crm

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
)

// Org is the Salesforce org behind a Client.
type Org struct {
	ID          ID
	Name        string
	Type        string // edition
	Instance    string // NA123, CS42, ...
	IsSandbox   bool
	InstanceURL string
	UserID      ID // the integration user
}

// Org says which org the token is for, and compares it with what Config pins: another
// org, or a sandbox where production was, is an *OrgMismatchError. It costs one call
// the first time. The org's id is compared on every token whether Org is called or not.
func (c *Client) Org(ctx context.Context) (Org, error) {
	s, err := c.Session(ctx)
	if err != nil {
		return Org{}, fmt.Errorf("read org: %w", err)
	}
	c.mu.Lock()
	org := c.org
	c.mu.Unlock()
	if org.ID == "" {
		if org, err = c.readOrg(ctx, s); err != nil {
			return Org{}, fmt.Errorf("read org: %w", err)
		}
		c.mu.Lock()
		c.org = org
		c.mu.Unlock()
	}
	org.InstanceURL, org.UserID = s.InstanceURL, s.UserID
	return org, nil
}

func (c *Client) readOrg(ctx context.Context, s Session) (Org, error) {
	type row struct {
		ID        string `json:"Id"`
		Name      string
		IsSandbox bool
		Instance  string `json:"InstanceName"`
		Type      string `json:"OrganizationType"`
	}
	rows, _, err := records[row](ctx, c, opOrg, "SELECT Id, Name, IsSandbox, InstanceName, OrganizationType FROM Organization LIMIT 1", 0)
	if err != nil {
		return Org{}, err
	}
	if len(rows) != 1 {
		return Org{}, &AnswerError{Op: opOrg, Reason: "no organization"}
	}
	id, err := ParseID(rows[0].ID)
	if err != nil {
		return Org{}, &AnswerError{Op: opOrg, Reason: "no organization id"}
	}
	r := rows[0]
	switch {
	case id != s.OrgID:
		return Org{}, &OrgMismatchError{Want: s.OrgID, Got: id, Sandbox: r.IsSandbox}
	case c.cfg.Sandbox != nil && *c.cfg.Sandbox != r.IsSandbox:
		return Org{}, &OrgMismatchError{Want: id, Got: id, Sandbox: r.IsSandbox, Kind: true}
	}
	return Org{ID: id, Name: r.Name, Type: r.Type, Instance: r.Instance, IsSandbox: r.IsSandbox}, nil
}

// Versions returns the API versions that the org serves, oldest first. Asking takes
// no token and is not counted.
func (c *Client) Versions(ctx context.Context) ([]string, error) {
	s, err := c.Session(ctx) // only the token says where the org is
	if err != nil {
		return nil, fmt.Errorf("read api versions: %w", err)
	}
	var versions []struct {
		Version string `json:"version"`
	}
	r := request{op: opVersions, path: "/services/data/", open: true, host: s.InstanceURL}
	_, err = c.call(ctx, r, func(resp *http.Response) error {
		versions = nil
		return json.UnmarshalRead(resp.Body, &versions)
	})
	if err != nil {
		return nil, fmt.Errorf("read api versions: %w", err)
	}
	list := make([]string, 0, len(versions))
	for _, v := range versions {
		if versionForm.MatchString(v.Version) {
			list = append(list, v.Version)
		}
	}
	return list, nil
}

// CheckVersion returns a *VersionError where the org does not serve the configured
// API version.
func (c *Client) CheckVersion(ctx context.Context) error {
	have, err := c.Versions(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(have, c.cfg.APIVersion) {
		return &VersionError{Want: c.cfg.APIVersion, Have: have}
	}
	return nil
}
