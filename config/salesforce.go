package config

import (
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/crm"
	rostersync "github.com/rosterd/rosterd/sync"
)

// oldestAPI is the oldest version that Salesforce serves: 21.0 to 30.0 were
// retired in Summer '25.
const oldestAPI = 31

var versionForm = regexp.MustCompile(`^([1-9][0-9]{1,2})\.0$`)

func (c *checker) salesforce(key string, f *fileSalesforce) crm.Config {
	out := crm.Config{
		LoginURL: strings.TrimSuffix(f.LoginURL, "/"), ClientID: f.ClientID, Username: f.Username,
		APIVersion: f.APIVersion, CAFile: f.CAFile,
	}
	c.loginURL(key+".login_url", f.LoginURL)
	switch {
	case f.ClientID == "":
		c.fail(key+".client_id", "give the consumer key of the connected app", "is required")
	case strings.ContainsAny(f.ClientID, " \t\n"):
		c.fail(key+".client_id", "copy the consumer key without spaces and line breaks", "holds white space")
	}
	c.flow(key, f, &out)
	c.apiVersion(key+".api_version", f.APIVersion)
	c.oneOf(key+".changes", f.Changes, "auto", "poll", "stream")
	if c.oneOf(key+".snapshot", f.Snapshot, "auto", "rest", "bulk") && f.Snapshot == "bulk" && !bulkVersion(f.APIVersion) {
		c.fail(key+".snapshot", "write auto or rest, or set a newer api_version", "version %s has no bulk queries", printable(f.APIVersion))
	}
	c.pubsub(key+".pubsub_endpoint", f.PubSubEndpoint)
	c.caFile(key+".ca_file", f.CAFile)
	return out
}

// stream says by what changes are found, and where their events are. The
// public endpoint knows nothing of an org at a loopback address, and must not be
// shown its tokens.
func (c *checker) stream(key string, f *fileSalesforce, o *Org) {
	o.Sync.Changes = rostersync.Changes(f.Changes)
	login, err := url.Parse(f.LoginURL)
	if err != nil || !loopback(login.Hostname()) || loopbackEndpoint(f.PubSubEndpoint) {
		o.PubSub = f.PubSubEndpoint
		return
	}
	o.Sync.NoStream = "login_url is a loopback address and pubsub_endpoint is not, so that there are no change events of that org"
	if f.Changes == "stream" {
		c.fail(key+".pubsub_endpoint", "write http://127.0.0.1:PORT, or set changes to auto or poll", "is not of the org at login_url, which is a loopback address")
	}
}

func loopbackEndpoint(s string) bool {
	host, _, ok := splitPort(strings.TrimPrefix(s, "http://"))
	return ok && loopback(host)
}

func (c *checker) loginURL(key, s string) {
	const production = "for production it is https://login.salesforce.com, for a sandbox https://test.salesforce.com"
	u, err := url.Parse(s)
	switch {
	case s == "":
		c.fail(key, production, "is empty")
	case err != nil || u.Hostname() == "":
		c.fail(key, production, "is not the URL of a host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		c.fail(key, "leave out what follows the host: "+u.Scheme+"://"+u.Hostname(), "has more than a scheme and a host")
	case !validPort(u.Port()):
		c.fail(key, "leave the port out", "has a port that does not exist")
	case strings.HasSuffix(strings.ToLower(u.Hostname()), ".lightning.force.com"):
		c.fail(key, "use the My Domain: https://NAME.my.salesforce.com", "is the address of the web interface, which does not log in programs")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		c.fail(key, "write https://"+u.Hostname()+"; plain http is for loopback addresses only", "would send the login unencrypted")
	case u.Scheme != "https" && u.Scheme != "http":
		c.fail(key, production, "is not an https URL")
	}
}

// flow decides between JWT bearer and client credentials.
func (c *checker) flow(key string, f *fileSalesforce, out *crm.Config) {
	jwt, secret := f.PrivateKeyFile != "", f.ClientSecretFile != ""
	switch {
	case jwt && secret:
		c.fail(key+".client_secret_file", "keep private_key_file (JWT bearer) or client_secret_file (client credentials)", "both a private key and a client secret are set")
		return
	case !jwt && !secret:
		c.fail(key, "set username and private_key_file (JWT bearer), or client_secret_file (client credentials)", "neither a private key nor a client secret is set")
		return
	case jwt:
		switch {
		case f.Username == "":
			c.fail(key+".username", "give the Username of the integration user, such as rosterd@acme.com", "JWT bearer needs the user to log in as")
		case !strings.Contains(strings.Trim(f.Username, "@"), "@") || strings.ContainsAny(f.Username, " \t\n"):
			c.fail(key+".username", "a Salesforce Username has the form of an e-mail address", "is not a Salesforce Username")
		}
		out.PrivateKey = c.privateKey(key+".private_key_file", f.PrivateKeyFile)
		return
	}
	u, err := url.Parse(f.LoginURL)
	if err == nil && (u.Hostname() == "login.salesforce.com" || u.Hostname() == "test.salesforce.com") {
		c.fail(key+".login_url", "use the org's My Domain: https://NAME.my.salesforce.com", "client credentials do not work on %s", u.Hostname())
	}
	out.Username = ""
	if text, ok := c.secretFile(key+".client_secret_file", f.ClientSecretFile); ok {
		line := strings.TrimSpace(string(text))
		if strings.ContainsAny(line, " \t\n") {
			c.fail(key+".client_secret_file", "the file must hold the consumer secret and nothing else", "the file holds more than one word")
		}
		out.ClientSecret = crm.Secret(line)
	}
}

func (c *checker) apiVersion(key, s string) {
	m := versionForm.FindStringSubmatch(s)
	if m == nil {
		c.fail(key, `write it like "66.0"`, "%q is not an API version", printable(s))
		return
	}
	if n, err := strconv.Atoi(m[1]); err != nil || n < oldestAPI {
		c.fail(key, `use "`+crm.DefaultAPIVersion+`"`, "Salesforce has retired version %s", s)
	}
}

// bulkVersion reports whether an API version has query jobs, which 47.0 brought.
func bulkVersion(s string) bool {
	m := versionForm.FindStringSubmatch(s)
	if m == nil {
		return true // that is another mistake
	}
	n, err := strconv.Atoi(m[1])
	return err != nil || n >= 47
}

func (c *checker) pubsub(key, s string) {
	const remedy = "write host:port, such as api.pubsub.salesforce.com:7443"
	if plain, ok := strings.CutPrefix(s, "http://"); ok {
		host, port, ok := splitPort(plain)
		switch {
		case !ok || port == "" || !validPort(port):
			c.fail(key, "write http://127.0.0.1:PORT", "is not http://host:port")
		case !loopback(host):
			c.fail(key, "leave http:// out; plaintext is for loopback addresses only", "would send the token unencrypted")
		}
		return
	}
	if host, port, ok := splitPort(s); !ok || host == "" || port == "" || !validPort(port) || strings.ContainsAny(host, "/ ") {
		c.fail(key, remedy, "is not host:port")
	}
}

func splitPort(s string) (host, port string, ok bool) {
	u, err := url.Parse("//" + s)
	if err != nil || u.Host != s {
		return "", "", false
	}
	return u.Hostname(), u.Port(), true
}

// checkURL says what is wrong with a URL that a secret is sent to, or "".
func checkURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "":
		return "is not a URL"
	case u.User != nil:
		return "holds a user or a password"
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	}
	return "is not https"
}

func (c *checker) caFile(key, name string) {
	if name == "" {
		return
	}
	text, ok := c.read(key, name)
	if !ok {
		return
	}
	found := 0
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			c.fail(key, "export the certificates anew, in PEM form", "certificate %d in the file cannot be read", found+1)
			return
		}
		found++
	}
	if found == 0 {
		c.fail(key, "give a file with lines -----BEGIN CERTIFICATE-----", "the file holds no PEM certificate")
	}
}
