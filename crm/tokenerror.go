package crm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// TokenError says why Salesforce gave no token.
type TokenError struct {
	Status      int    // HTTP status; 0 where no answer came
	Code        string // OAuth error, such as invalid_grant; empty where none was named
	Description string // Salesforce's words, which name no person
	Skew        time.Duration

	transient bool
	err       error
}

func (e *TokenError) Error() string {
	var parts []string
	if e.Status != 0 && e.Status != http.StatusBadRequest && e.Status != http.StatusOK {
		parts = append(parts, fmt.Sprint("status ", e.Status))
	}
	for _, s := range []string{e.Code, e.Description} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if e.err != nil {
		parts = append(parts, e.err.Error())
	}
	return "salesforce gave no token: " + strings.Join(parts, ": ")
}

func (e *TokenError) Unwrap() error { return e.err }

// Retryable reports whether asking again may help without anyone changing anything.
func (e *TokenError) Retryable() bool {
	return e.transient || e.Status >= 500 || e.Status == 420 || e.Status == http.StatusTooManyRequests ||
		e.Code == "unknown_error" || e.Code == "server_error"
}

func (e *TokenError) rateLimited() bool {
	return e.Code == "rate_limit_exceeded" || strings.Contains(e.Description, "login rate exceeded")
}

// tokenHints goes by the first entry whose code and words are found.
var tokenHints = []struct{ code, words, hint string }{
	{"invalid_grant", "hasn't approved", "in the connected app set Permitted Users to \"Admin approved users are pre-authorized\" and assign the integration user's profile or permission set to it"},
	{"invalid_grant", "audience is invalid", "use https://test.salesforce.com as login_url for a sandbox, https://login.salesforce.com for production"},
	{"invalid_grant", "invalid assertion", "the private key does not match the certificate of the connected app, or this host's clock is wrong"},
	{"invalid_grant", "not supported on this domain", "client credentials need the org's My Domain as login_url"},
	{"invalid_grant", "no client credentials user", "in the connected app choose a Run As user for the client credentials flow"},
	{"invalid_grant", "ip restricted", "allow this host's address in the profile's login IP ranges, or relax them for the connected app"},
	{"invalid_grant", "login hours", "the profile's login hours shut the integration user out now"},
	{"invalid_grant", "frozen", "unfreeze the integration user"},
	{"invalid_grant", "inactive", "activate the integration user"},
	{"invalid_grant", "login rate", "too many logins in an hour; it is tried again later"},
	{"invalid_grant", "user", "check username: it is the Username of the integration user, not the e-mail address"},
	{"invalid_grant", "", "check username and key; the certificate must be the one in the connected app"},
	{"inactive_user", "", "activate the integration user"},
	{"invalid_client_id", "", "check client_id; a new connected app takes up to 10 minutes to be known"},
	{"invalid_client", "", "check the client secret"},
	{"invalid_app_access", "", "assign the integration user's profile or permission set to the connected app"},
	{"unsupported_grant_type", "", "check login_url, and that the flow is enabled in the connected app"},
	{"app_not_found", "", "install the connected app in this org"},
	{"rate_limit_exceeded", "", "too many logins in an hour; it is tried again later"},
}

// Hint says what an operator can do.
func (e *TokenError) Hint() string {
	if e.Skew >= time.Minute || e.Skew <= -time.Minute {
		way := "ahead of"
		if e.Skew < 0 {
			way = "behind"
		}
		return fmt.Sprintf("set this host's clock: it is %s %s Salesforce's", e.Skew.Abs().Round(time.Second), way)
	}
	for _, h := range tokenHints {
		if h.code == e.Code && strings.Contains(strings.ToLower(e.Description), h.words) {
			return h.hint
		}
	}
	if e.Status == 0 {
		return "check login_url, the network, the proxy and ca_file"
	}
	if e.Status == http.StatusNotFound {
		return "check login_url"
	}
	return ""
}

// tokenError reads what x/oauth2 reports. Its own text is dropped: it holds the body.
func tokenError(err error) error {
	re, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return &TokenError{transient: true, err: scrubNetwork(err)}
	}
	e := &TokenError{Status: re.Response.StatusCode}
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(re.Body, &body) // a web page has neither
	if oauthCode.MatchString(body.Error) {
		e.Code = body.Error
	}
	if len(body.Description) <= 200 && !strings.ContainsAny(body.Description, "@<\n") {
		e.Description = body.Description
	}
	if e.Code == "" && e.Status < 500 {
		e.transient = e.Status != http.StatusNotFound // a proxy's page, most likely
	}
	if e.Code == "invalid_grant" {
		if date, err := http.ParseTime(re.Response.Header.Get("Date")); err == nil {
			e.Skew = time.Since(date).Round(time.Second)
		}
	}
	return e
}
