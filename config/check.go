package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checker turns the file into the configuration, noting what cannot be meant.
type checker struct {
	*reader
	now    time.Time
	config *Config
}

// maxSocket is what sockaddr_un holds, less its final zero.
const maxSocket = 107

var orgName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

func (c *checker) file(f *file) {
	c.database(f.Database)
	c.control(f.Control)
	c.log(f.Log)
	if len(f.Orgs) == 0 {
		c.fail("orgs", "name at least one org, as config.example.yaml shows", "no org is configured")
	}
	seen := map[string]string{}
	for i := range f.Orgs {
		path := fmt.Sprintf("orgs[%d]", i)
		name := f.Orgs[i].Name
		switch first, twice := seen[strings.ToLower(name)]; {
		case !c.given(path + ".name"):
			c.fail(path+".name", "give it a short name, such as acme: commands, metrics and the database use it", "the org has no name")
		case !orgName.MatchString(name):
			c.fail(path+".name", "use up to 63 letters, digits, - and _, beginning with a letter or digit", "not a name for an org")
		case twice:
			c.fail(path+".name", "give every org a name of its own; upper and lower case are the same", "%q is the name of %s already", name, first)
		default:
			seen[strings.ToLower(name)] = path
		}
		c.org(path, &f.Orgs[i])
	}
}

func (c *checker) database(s string) {
	const forms = "write sqlite:///var/lib/rosterd/rosterd.db or postgres://user@host/rosterd"
	c.config.Database = s
	u, err := url.Parse(s)
	switch {
	case s == "":
		c.fail("database", forms, "is empty")
	case err != nil:
		c.fail("database", forms, "is not a URL")
	case u.Scheme == "sqlite" && u.Host != "":
		c.fail("database", "write three slashes: sqlite:///var/lib/rosterd/rosterd.db", "names a host, but SQLite is a local file")
	case u.Scheme == "sqlite" && (u.Opaque != "" || !filepath.IsAbs(u.Path) || strings.HasSuffix(u.Path, "/")):
		c.fail("database", forms, "does not hold the absolute path of a file")
	case u.Scheme == "sqlite" && u.RawQuery != "":
		c.fail("database", "leave out what follows the ?", "SQLite takes no parameters here")
	case u.Scheme == "sqlite":
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		c.fail("database", forms, "the scheme is neither sqlite nor postgres")
	case hasPassword(u):
		c.fail("database", "name a password file instead: ?passfile=${CREDENTIALS_DIRECTORY}/pgpass (lines HOST:PORT:NAME:USER:PASSWORD)",
			"holds a password")
	case strings.Trim(u.Path, "/") == "":
		c.fail("database", forms, "does not name a database")
	case !validPort(u.Port()):
		c.fail("database", "leave the port out, or give one from 1 to 65535", "has a port that does not exist")
	default:
		if pass := u.Query().Get("passfile"); pass != "" {
			c.secretFile("database", pass)
		}
	}
}

func hasPassword(u *url.URL) bool {
	_, inUser := u.User.Password()
	return inUser || u.Query().Has("password") || u.Query().Has("sslpassword")
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return s == "" || err == nil && n > 0 && n < 1<<16
}

func (c *checker) control(f fileControl) {
	c.config.Control = Control{Socket: f.Socket, Listen: f.Listen}
	if f.Socket == "" && f.Listen == "" {
		c.fail("control.socket", "set control.socket or control.listen", "nobody could ask or tell the daemon anything")
	}
	switch {
	case f.Socket == "":
	case !filepath.IsAbs(f.Socket):
		c.fail("control.socket", "write it from the root: /run/rosterd/control.sock", "is not an absolute path")
	case len(f.Socket) > maxSocket:
		c.fail("control.socket", "choose a shorter one: the system takes 107 bytes", "the path is %d bytes long", len(f.Socket))
	}
	readable := true
	if f.TokensFile != "" {
		c.config.Control.Tokens, readable = c.tokens("control.tokens_file", f.TokensFile)
	}
	if f.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(f.Listen)
	n, perr := strconv.Atoi(port)
	switch {
	case strings.Contains(f.Listen, "://"):
		c.fail("control.listen", "write host:port, such as 127.0.0.1:8470", "is a URL")
	case err != nil || strings.ContainsAny(host, "/ "):
		c.fail("control.listen", "write host:port, such as 127.0.0.1:8470 or [::1]:8470", "is not host:port")
	case perr != nil || n < 0 || n > 65535:
		c.fail("control.listen", "choose a port from 1 to 65535", "the port is not a number that exists")
	case !loopback(host) && f.TokensFile == "":
		c.fail("control.listen", "set control.tokens_file, or listen on 127.0.0.1", "other machines could reach the API, and no token guards it")
	case !loopback(host) && readable && c.config.Control.Tokens.Len() == 0:
		c.fail("control.listen", "put a line ROLE NAME TOKEN into control.tokens_file, or listen on 127.0.0.1", "other machines could reach the API, and no token is defined")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (c *checker) log(f fileLog) {
	switch f.Level {
	case "debug", "info", "warn", "error":
		if err := c.config.Log.Level.UnmarshalText([]byte(f.Level)); err != nil {
			c.config.Log.Level = slog.LevelInfo
		}
	default:
		c.oneOf("log.level", f.Level, "debug", "info", "warn", "error")
	}
	c.oneOf("log.format", f.Format, "json", "text")
	c.config.Log.JSON = f.Format == "json"
}

// oneOf notes a value that is none of a closed set.
func (c *checker) oneOf(key, got string, words ...string) bool {
	if slices.Contains(words, got) {
		return true
	}
	list := strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	if near := nearest(got, words); near != "" && got != "" {
		c.fail(key, "did you mean "+near+"?", "%q is not %s", printable(got), list)
		return false
	}
	c.fail(key, "write "+list, "%q is not known here", printable(got))
	return false
}

// between notes a number outside of a closed range.
func between[N int | float64](c *checker, key string, got, low, high N, unit string) {
	if got < low || got > high {
		c.fail(key, fmt.Sprintf("choose from %v to %v%s", low, high, unit), "%v is out of range", got)
	}
}

// warn notes something odd that can be lived with.
func (c *checker) warn(key, format string, args ...any) {
	c.config.Warnings = append(c.config.Warnings, key+": "+fmt.Sprintf(format, args...))
}
