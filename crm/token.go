package crm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"
	"golang.org/x/sync/singleflight"
)

const (
	tokenPath    = "/services/oauth2/token"
	tokenTimeout = 30 * time.Second
	// assertionLife is how long a signed assertion holds: 3 minutes is the most that
	// Salesforce promises to accept.
	assertionLife = 3 * time.Minute
	loginHold     = time.Hour // 3,600 logins an hour and user
)

// Session is a token with what Salesforce said beside it. The instance can change
// with each token.
type Session struct {
	Token       Secret
	InstanceURL string
	OrgID       ID
	UserID      ID // the integration user
	Issued      time.Time
}

// tokens keeps one session for all, renews it in single flight, and remembers a
// refusal so that a mistake in the configuration does not lock the user out.
type tokens struct {
	cfg      Config
	hold     time.Duration
	age      time.Duration
	fetch    func(ctx context.Context) (*oauth2.Token, error)
	inflight singleflight.Group

	mu      sync.Mutex // guards what follows
	current Session
	renewAt time.Time // when to renew though the session works; zero for never
	orgID   ID        // pinned
	refused error
	until   time.Time // till when refused stands
}

func newTokens(cfg Config, opts Options, transport http.RoundTripper) *tokens {
	t := &tokens{cfg: cfg, hold: opts.TokenHold, age: opts.TokenAge, orgID: cfg.OrgID}
	hc := &http.Client{Transport: transport, Timeout: tokenTimeout, CheckRedirect: noRedirect}
	source := t.source()
	t.fetch = func(ctx context.Context) (*oauth2.Token, error) {
		return source(context.WithValue(ctx, oauth2.HTTPClient, hc))
	}
	return t
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// source is one of the two flows. Each call asks for a new token: Salesforce sends no
// expires_in, so a source of x/oauth2 that is kept believes its token lives for ever.
func (t *tokens) source() func(context.Context) (*oauth2.Token, error) {
	if t.cfg.ClientSecret != "" {
		cc := &clientcredentials.Config{
			ClientID: t.cfg.ClientID, ClientSecret: string(t.cfg.ClientSecret),
			TokenURL: t.cfg.LoginURL + tokenPath, AuthStyle: oauth2.AuthStyleInParams,
		}
		return cc.Token
	}
	jc := &jwt.Config{
		Email: t.cfg.ClientID, Subject: t.cfg.Username, PrivateKey: t.cfg.PrivateKey,
		TokenURL: t.cfg.LoginURL + tokenPath, Audience: audience(t.cfg), Expires: assertionLife,
	}
	return func(ctx context.Context) (*oauth2.Token, error) { return jc.TokenSource(ctx).Token() }
}

// audience is what Salesforce compares with: its generic host, whatever My Domain the
// assertion is sent to.
func audience(cfg Config) string {
	host := hostOf(cfg.LoginURL)
	switch {
	case cfg.Audience != "":
		return cfg.Audience
	case strings.HasSuffix(host, ".sandbox.my.salesforce.com"):
		return "https://test.salesforce.com"
	case strings.HasSuffix(host, ".my.salesforce.com"):
		return "https://login.salesforce.com"
	}
	return cfg.LoginURL
}

// session returns the current session, or a first one.
func (t *tokens) session(ctx context.Context) (Session, error) {
	t.mu.Lock()
	s, due := t.current, !t.renewAt.IsZero() && !time.Now().Before(t.renewAt)
	t.mu.Unlock()
	switch {
	case s.Token == "":
		return t.renew(ctx, s.Token)
	case due:
		fresh, err := t.renew(ctx, s.Token)
		if err == nil {
			return fresh, nil
		}
		if _, wrong := errors.AsType[*OrgMismatchError](err); wrong || ctx.Err() != nil {
			return Session{}, err
		}
		t.postpone() // the one at hand still works, as far as anyone knows
	}
	return s, nil
}

func (t *tokens) postpone() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.renewAt = time.Now().Add(t.hold)
}

// renew returns a session whose token is not stale. However many ask, one request is
// under way; it goes on though one who waits gives up.
func (t *tokens) renew(ctx context.Context, stale Secret) (Session, error) {
	t.mu.Lock()
	s, refused := t.current, t.refused
	if refused != nil && !time.Now().Before(t.until) {
		t.refused, refused = nil, nil
	}
	t.mu.Unlock()
	switch {
	case refused != nil:
		return Session{}, refused
	case s.Token != "" && s.Token != stale:
		return s, nil
	}
	ch := t.inflight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tokenTimeout)
		defer cancel()
		return t.login(ctx, stale)
	})
	select {
	case r := <-ch:
		if r.Err != nil {
			return Session{}, r.Err
		}
		return r.Val.(Session), nil
	case <-ctx.Done():
		return Session{}, ctx.Err()
	}
}

func (t *tokens) login(ctx context.Context, stale Secret) (Session, error) {
	t.mu.Lock()
	if s := t.current; s.Token != "" && s.Token != stale { // renewed while we came here
		t.mu.Unlock()
		return s, nil
	}
	t.mu.Unlock()
	tok, err := t.fetch(ctx)
	if err != nil {
		return Session{}, t.keep(tokenError(err))
	}
	s, err := t.read(tok)
	if err != nil {
		return Session{}, t.keep(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current, t.refused = s, nil
	if t.age > 0 {
		t.renewAt = time.Now().Add(t.age)
	}
	return s, nil
}

// keep remembers an error that asking again at once cannot mend.
func (t *tokens) keep(err error) error {
	hold := t.hold
	if e, ok := errors.AsType[*TokenError](err); ok {
		if e.rateLimited() {
			hold = max(hold, loginHold)
		} else if e.Retryable() {
			return err
		}
	}
	t.refuse(err, hold)
	return err
}

func (t *tokens) refuse(err error, hold time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused, t.until = err, time.Now().Add(hold)
}

// read takes what Salesforce sends beside the token, and refuses a token of another
// org or for a host that is not Salesforce's.
func (t *tokens) read(tok *oauth2.Token) (Session, error) {
	s := Session{Token: Secret(tok.AccessToken), Issued: time.Now()}
	if tok.AccessToken == "" {
		return s, &TokenError{Description: "the answer holds no token", transient: true}
	}
	instance, _ := tok.Extra("instance_url").(string)
	var err error
	if s.InstanceURL, err = t.instance(instance); err != nil {
		return s, err
	}
	identity, _ := tok.Extra("id").(string)
	u, err := url.Parse(identity)
	if err != nil || identity == "" {
		return s, &TokenError{Description: "the answer names no org", transient: true}
	}
	org, user := path.Split(strings.TrimSuffix(u.Path, "/"))
	if s.OrgID, err = ParseID(path.Base(org)); err != nil {
		return s, &TokenError{Description: "the answer names no org", transient: true}
	}
	if s.UserID, err = ParseID(user); err != nil {
		return s, &TokenError{Description: "the answer names no user", transient: true}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.orgID != "" && t.orgID != s.OrgID {
		return s, &OrgMismatchError{Want: t.orgID, Got: s.OrgID, Sandbox: strings.Contains(instance, ".sandbox.")}
	}
	t.orgID = s.OrgID
	return s, nil
}

// instanceDomains are those under which Salesforce serves orgs.
var instanceDomains = []string{
	".salesforce.com", ".force.com", ".salesforce.mil", ".cloudforce.com", ".database.com", ".sfcrmapps.cn", ".sfcrmproducts.cn",
}

// instance accepts the host that a token is to be sent to: one of Salesforce's, or the
// one that we logged in at. A loopback host is accepted from a loopback host only.
func (t *tokens) instance(raw string) (string, error) {
	instance, err := parseHost(raw)
	if err != nil {
		return "", fmt.Errorf("instance_url of the token: %w", err)
	}
	host, login := hostOf(instance), hostOf(t.cfg.LoginURL)
	ok := host == login || loopback(host) && loopback(login)
	for _, d := range instanceDomains {
		ok = ok || strings.HasSuffix(host, d)
	}
	if !ok {
		return "", hinted("the token is for a host that is not Salesforce's", "check login_url: something else answers there")
	}
	return instance, nil
}

// Session returns the current token and instance, fetching them where there are none.
// It is for what speaks to Salesforce beside REST.
func (c *Client) Session(ctx context.Context) (Session, error) {
	s, err := c.tokens.session(ctx)
	if err != nil {
		return Session{}, fmt.Errorf("log in: %w", err)
	}
	return s, nil
}

// Unhold has the next call log in again though Salesforce refused that a moment
// ago: for a person who asks, having perhaps just mended the reason. A limit on
// logins stands.
func (c *Client) Unhold() {
	t := c.tokens
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := errors.AsType[*TokenError](t.refused); !ok || !e.rateLimited() {
		t.refused = nil
	}
}

// Renew returns a session with another token than stale's, which Salesforce has
// refused.
func (c *Client) Renew(ctx context.Context, stale Session) (Session, error) {
	s, err := c.tokens.renew(ctx, stale.Token)
	if err != nil {
		return Session{}, fmt.Errorf("log in: %w", err)
	}
	return s, nil
}

// authorized adds token and instance, and renews the token once when it is refused.
type authorized struct {
	next   http.RoundTripper
	op     string
	tokens *tokens
}

func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	s, err := a.tokens.session(r.Context())
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	resp, err := a.send(r, s)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err // a 403 is never about the session
	}
	e := readAPIError(a.op, resp)
	if strings.Contains(e.Message, "not valid for use with the REST API") || strings.Contains(e.Message, "not attached to Agent") {
		a.tokens.reject(s.Token, e)
		return resp, nil // no token of this user and app is any better
	}
	if s, err = a.tokens.renew(r.Context(), s.Token); err != nil {
		return nil, fmt.Errorf("log in again: %w", err)
	}
	resp, err = a.send(r, s)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		a.tokens.reject(s.Token, readAPIError(a.op, resp))
	}
	return resp, err
}

// reject gives up a token that was refused while fresh, and with it logging in, for a
// while.
func (t *tokens) reject(token Secret, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.Token == token {
		t.current, t.refused, t.until = Session{}, err, time.Now().Add(t.hold)
	}
}

func (a *authorized) send(r *http.Request, s Session) (*http.Response, error) {
	r2, err := again(r)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(s.InstanceURL)
	if err != nil {
		return nil, fmt.Errorf("read instance url: %w", err)
	}
	r2.URL.Scheme, r2.URL.Host, r2.Host = u.Scheme, u.Host, ""
	r2.Header.Set("Authorization", "Bearer "+string(s.Token))
	return a.next.RoundTrip(r2)
}
