package simorg

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// oauthError answers as the token endpoint does: 400 and an object.
func oauthError(code, description string) *reply {
	rep := jsonReply(http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
	rep.limits = false
	return rep
}

// form reads a form body; anything else has no fields.
func (c *call) form() url.Values {
	if t, _, err := mime.ParseMediaType(c.req.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return url.Values{}
	}
	v, err := url.ParseQuery(string(c.body))
	if err != nil {
		return url.Values{}
	}
	return v
}

func (c *call) token() *reply {
	if c.method != http.MethodPost {
		return oauthError("invalid_request", "must use HTTP POST")
	}
	form := c.form()
	var bad *reply
	switch form.Get("grant_type") {
	case jwtBearer:
		bad = c.o.checkAssertion(form.Get("assertion"), baseURL(c.req))
	case "client_credentials":
		bad = c.clientCredentials(form)
	case "refresh_token":
		bad = oauthError("invalid_grant", "expired access/refresh token")
	case "password":
		bad = oauthError("invalid_grant", "authentication failure")
	default:
		bad = oauthError("unsupported_grant_type", "grant type not supported")
	}
	if bad != nil {
		return bad
	}
	return c.login()
}

// clientOf reads the client's id and secret from the form or from HTTP Basic.
func (c *call) clientOf(form url.Values) (id, secret string) {
	if id, secret, ok := c.req.BasicAuth(); ok {
		return id, secret
	}
	return form.Get("client_id"), form.Get("client_secret")
}

func (c *call) checkClient(form url.Values) *reply {
	id, secret := c.clientOf(form)
	switch {
	case id != c.o.opt.ClientID:
		return oauthError("invalid_client_id", "client identifier invalid")
	case c.o.opt.ClientSecret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(c.o.opt.ClientSecret)) == 0:
		return oauthError("invalid_client", "invalid client credentials")
	}
	return nil
}

func (c *call) clientCredentials(form url.Values) *reply {
	if c.o.opt.LoginHost != "" && c.req.Host == c.o.opt.LoginHost {
		return oauthError("invalid_grant", "request not supported on this domain")
	}
	if id, _ := c.clientOf(form); id == c.o.opt.ClientID && c.o.opt.ClientSecret == "" {
		return oauthError("invalid_grant", "no client credentials user enabled")
	}
	return c.checkClient(form)
}

// login opens a session of the integration user, if it may log in.
func (c *call) login() *reply {
	o := c.o
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	switch u := o.userLocked(0); {
	case !u.IsActive:
		return oauthError("invalid_grant", "inactive user")
	case o.frozenLocked(0):
		return oauthError("invalid_grant", "user is frozen")
	}
	o.logins1h = slices.DeleteFunc(o.logins1h, func(t time.Time) bool { return now.Sub(t) >= time.Hour })
	if len(o.logins1h) >= maxLogins {
		return oauthError("invalid_grant", "login rate exceeded")
	}
	o.logins1h = append(o.logins1h, now)

	s := o.openLocked(0, now)
	id := o.identityURL(baseURL(c.req), o.gen.id(0))
	inst := o.instanceURLFor(c.req)
	s.instance = inst
	rep := jsonReply(http.StatusOK, struct {
		AccessToken string `json:"access_token"`
		Signature   string `json:"signature"`
		Scope       string `json:"scope"`
		InstanceURL string `json:"instance_url"`
		ID          string `json:"id"`
		TokenType   string `json:"token_type"`
		IssuedAt    string `json:"issued_at"`
		APIInstance string `json:"api_instance_url"`
	}{s.token, o.signature(id, millis(now)), "api", inst, id, "Bearer", millis(now), "https://api.salesforce.example"})
	rep.limits = false
	return rep
}

func (o *Org) instanceURLFor(r *http.Request) string {
	switch moved := o.faults.instanceURL(); {
	case moved != "":
		return moved
	case o.opt.InstanceURL != "":
		return o.opt.InstanceURL
	default:
		return baseURL(r)
	}
}

// checkAssertion verifies a JWT: RS256, iss, sub, aud and exp.
func (o *Org) checkAssertion(assertion, base string) *reply {
	invalid := oauthError("invalid_grant", "invalid assertion")
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return invalid
	}
	var header struct{ Alg string }
	var claims struct {
		Iss, Sub string
		Aud      json.RawMessage
		Exp      json.RawMessage
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !decodePart(parts[0], &header) || !decodePart(parts[1], &claims) || header.Alg != "RS256" {
		return invalid
	}
	if claims.Iss != o.opt.ClientID {
		return oauthError("invalid_client_id", "client identifier invalid")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if o.opt.PublicKey == nil || rsa.VerifyPKCS1v15(o.opt.PublicKey, crypto.SHA256, sum[:], sig) != nil {
		return invalid
	}
	if !o.audienceFits(claims.Aud, base) {
		return oauthError("invalid_grant", "audience is invalid")
	}
	// Known clients send exp as a string of digits, and are accepted.
	exp, err := strconv.ParseFloat(strings.Trim(string(claims.Exp), `"`), 64)
	now := o.now()
	if at := time.Unix(int64(exp), 0); err != nil || !at.After(now) || at.Sub(now) > o.opt.AssertionLife+30*time.Second {
		return invalid
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	switch i, known := o.ownerLocked(claims.Sub); {
	case !known || claims.Sub == "":
		return oauthError("invalid_grant", "user hasn't approved this consumer")
	case i != 0:
		return oauthError("invalid_app_access", "user is not admin approved to access this app")
	}
	return nil
}

func decodePart(s string, into any) bool {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && json.Unmarshal(b, into) == nil
}

// audienceFits accepts the login host of the kind of org, its My Domain, and the token URL.
func (o *Org) audienceFits(aud json.RawMessage, base string) bool {
	var one string
	var many []string
	if json.Unmarshal(aud, &one) == nil {
		many = []string{one}
	} else if json.Unmarshal(aud, &many) != nil {
		return false
	}
	login := "https://login.salesforce.com"
	if o.opt.IsSandbox {
		login = "https://test.salesforce.com"
	}
	good := []string{login, login + "/services/oauth2/token", base, base + "/services/oauth2/token"}
	if o.opt.InstanceURL != "" {
		good = append(good, o.opt.InstanceURL)
	}
	return slices.ContainsFunc(many, func(a string) bool { return slices.Contains(good, strings.TrimSuffix(a, "/")) })
}

func (c *call) userinfo() *reply {
	o := c.o
	token := strings.TrimPrefix(c.req.Header.Get("Authorization"), "Bearer ")
	if t := c.form().Get("access_token"); t != "" {
		token = t
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.sessionLocked(token, o.now())
	if s == nil {
		return &reply{status: http.StatusForbidden, ctype: "text/plain;charset=UTF-8", body: []byte("Bad_OAuth_Token")}
	}
	u := o.userLocked(s.user)
	inst := o.instanceURLFor(c.req)
	rep := jsonReply(http.StatusOK, map[string]any{
		"sub": o.identityURL(baseURL(c.req), u.ID), "user_id": u.ID, "organization_id": o.opt.OrgID,
		"preferred_username": u.Username, "nickname": u.CommunityNickname, "name": u.Name(), "email": u.Email,
		"email_verified": true, "given_name": u.FirstName, "family_name": u.LastName, "zoneinfo": u.TimeZoneSidKey,
		"user_type": strings.ToUpper(u.UserType), "language": u.LanguageLocaleKey, "locale": u.LocaleSidKey,
		"utcOffset": -28800000, "active": u.IsActive, "is_app_installed": true,
		"urls": map[string]string{
			"rest": inst + "/services/data/v{version}/", "query": inst + "/services/data/v{version}/query/",
			"sobjects": inst + "/services/data/v{version}/sobjects/", "custom_domain": inst,
		},
	})
	rep.limits = false
	return rep
}

func (c *call) introspect() *reply {
	form := c.form()
	if bad := c.checkClient(form); bad != nil {
		bad.status = http.StatusUnauthorized
		return bad
	}
	o := c.o
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.sessions[form.Get("token")]
	rep := jsonReply(http.StatusOK, map[string]bool{"active": false})
	if s != nil && !o.expiredLocked(s, o.now()) {
		u := o.userLocked(s.user)
		rep = jsonReply(http.StatusOK, map[string]any{
			"active": true, "scope": "api", "client_id": o.opt.ClientID, "username": u.Username,
			"sub": o.identityURL(baseURL(c.req), u.ID), "token_type": "access_token",
			"exp": s.used.Add(o.opt.SessionTTL).Unix(), "iat": s.created.Unix(), "nbf": s.created.Unix(),
		})
	}
	rep.limits = false
	return rep
}

func (c *call) revoke() *reply {
	token := c.form().Get("token")
	if token == "" {
		token = c.param("token")
	}
	o := c.o
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.sessions[token]
	if s == nil || o.expiredLocked(s, o.now()) {
		return oauthError("invalid_token", "invalid token")
	}
	s.dead = true
	return &reply{status: http.StatusOK}
}

// soap refuses the SOAP login as new orgs do.
func (c *call) soap() *reply {
	const fault = `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body><soapenv:Fault><faultcode>INVALID_OPERATION</faultcode>` +
		`<faultstring>INVALID_OPERATION: SOAP API login() is disabled by default in this org. Contact the org administrator to enable ` +
		`SOAP API login().</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>`
	return &reply{status: http.StatusInternalServerError, ctype: "text/xml; charset=utf-8", body: []byte(fault)}
}
