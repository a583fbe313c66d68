package crm

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// DefaultAPIVersion is used where Config.APIVersion is empty.
const DefaultAPIVersion = "66.0"

// Config says which org is read, as whom, and what of it.
type Config struct {
	// LoginURL is https://login.salesforce.com, https://test.salesforce.com or the
	// My Domain of the org. Plain http is accepted for loopback hosts only.
	LoginURL string
	// ClientID is the consumer key of the connected app.
	ClientID string
	// Username and PrivateKey choose the JWT bearer flow: the integration user's
	// Username, and the RSA key (PEM) whose certificate the app holds.
	Username   string
	PrivateKey Key
	// ClientSecret chooses the client credentials flow instead. LoginURL must then be
	// the My Domain.
	ClientSecret Secret
	// Audience of the JWT; empty means LoginURL, or Salesforce's generic host where
	// LoginURL is a My Domain of a sandbox or of production.
	Audience string
	// APIVersion is like "66.0"; empty means DefaultAPIVersion.
	APIVersion string
	// Prefilter is a SOQL condition on User that makes snapshots cheaper; empty means
	// every user.
	Prefilter string
	// CAFile holds PEM certificates trusted beside the system's; empty means none.
	CAFile string
	// CustomFields are API names (X__c) read beside the standard fields.
	CustomFields []string
	// OrgID pins the org. Empty means that the first org seen is pinned for the life
	// of the Client; the caller stores Org.ID and gives it back next time.
	OrgID ID
	// Sandbox pins whether the org is a sandbox; nil means not pinned.
	Sandbox *bool
}

var versionForm = regexp.MustCompile(`^[1-9][0-9]{1,2}\.0$`)

// normalize checks the whole of c without any I/O and fills in what is empty.
func (c Config) normalize() (Config, error) {
	login, err := parseHost(c.LoginURL)
	if err != nil {
		return c, fmt.Errorf("login_url: %w", err)
	}
	c.LoginURL = login
	if c.ClientID == "" {
		return c, hinted("client_id is empty", "give the consumer key of the connected app")
	}
	if err := c.checkFlow(); err != nil {
		return c, err
	}
	if c.APIVersion == "" {
		c.APIVersion = DefaultAPIVersion
	}
	if !versionForm.MatchString(c.APIVersion) {
		return c, hinted(fmt.Sprintf("api_version %q is not a version", c.APIVersion), `write it like "66.0"`)
	}
	c.Prefilter = strings.TrimSpace(c.Prefilter)
	if err := CheckCondition(c.Prefilter); err != nil {
		return c, fmt.Errorf("prefilter: %w", err)
	}
	seen := map[string]bool{}
	for _, f := range c.CustomFields {
		if !customForm.MatchString(f) || len(f) > 80 {
			return c, hinted(fmt.Sprintf("custom field %q is not an API name", f), "custom fields end in __c")
		}
		if seen[strings.ToLower(f)] {
			return c, hinted(fmt.Sprintf("custom field %q is named twice", f), "name it once")
		}
		seen[strings.ToLower(f)] = true
	}
	if c.OrgID != "" {
		if c.OrgID, err = ParseID(c.OrgID); err != nil {
			return c, fmt.Errorf("org id: %w", err)
		}
	}
	return c, nil
}

func (c Config) checkFlow() error {
	switch {
	case c.ClientSecret != "" && len(c.PrivateKey) > 0:
		return hinted("both a private key and a client secret are given", "keep one of the two")
	case c.ClientSecret != "":
		if h := hostOf(c.LoginURL); h == "login.salesforce.com" || h == "test.salesforce.com" {
			return hinted("client credentials do not work on "+h, "set login_url to the org's My Domain")
		}
		return nil
	case len(c.PrivateKey) == 0:
		return hinted("neither a private key nor a client secret is given", "give one of the two")
	case c.Username == "":
		return hinted("username is empty", "the JWT flow needs the integration user's Username")
	}
	return checkKey(c.PrivateKey)
}

// parseHost accepts https URLs, and http ones of loopback hosts, that name a host
// and nothing more, and returns them without a trailing slash.
func parseHost(raw string) (string, error) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return "", hinted("empty", "for production it is https://login.salesforce.com")
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "", hinted("not a URL of a host", "for production it is https://login.salesforce.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return "", hinted("has more than scheme and host", "leave out the path: https://login.salesforce.com")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u.Scheme + "://" + strings.ToLower(u.Host), nil
	}
	return "", hinted("is not https", "only loopback addresses may be plain http")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// configError is a mistake in the configuration, with its remedy.
type configError struct{ text, hint string }

func hinted(text, hint string) error { return &configError{text, hint} }

func (e *configError) Error() string { return e.text }

// Hint says what an operator can do.
func (e *configError) Hint() string { return e.hint }

// Retryable is false: only a person can mend it.
func (*configError) Retryable() bool { return false }
