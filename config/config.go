// Package config turns config.yaml into the typed configurations of the rooms
// below: strict, with the line, the column and a remedy for every mistake, and
// as many mistakes at once as can be told apart. It opens no database and no
// connection, starts nothing, and must not know what the daemon does with what
// it reads; the only files it touches are those that the configuration names.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// Config is the whole configuration, checked. It holds no file names of
// secrets that were not readable when it was loaded.
type Config struct {
	Path     string // the file it was read from
	Database string // sqlite:///absolute/path or postgres://user@host/name; never holds a password
	Control  Control
	Log      Log
	Orgs     []Org    // at least one, names distinct
	Warnings []string // odd but usable: worth a line in the log, one sentence each
}

// Control says where the control API listens.
type Control struct {
	Socket string         // absolute path of a Unix socket; empty means none
	Listen string         // host:port; empty means no TCP
	Tokens control.Tokens // who may call over TCP; the zero value admits nobody
}

// Log says how the log is written.
type Log struct {
	Level slog.Level
	JSON  bool // false means text
}

// Org is one org: where its users are read, and what is done with them.
type Org struct {
	Name       string
	Salesforce crm.Config
	Sync       rostersync.Config
	PubSub     string        // where change events are; empty where changes are polled for
	SecretKey  dialer.Secret // encrypts what the directory must read again; empty leaves a key to the database
	Hooks      Hooks
}

// maxSize bounds what is read as a configuration; a thousand orgs fit well.
const maxSize = 1 << 20

// Load reads and checks the configuration file. Mistakes in it are of type
// Problems. ${NAME} in a value stands for the environment variable, which must
// be set.
func Load(path string) (*Config, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Problem{File: path, What: "no such file", Remedy: "name the configuration with --config, or copy config.example.yaml there"}
	case errors.Is(err, fs.ErrPermission):
		return nil, &Problem{File: path, What: "may not be read", Remedy: "let the user that runs rosterd read it: chmod 0644 " + path}
	case err != nil:
		return nil, fmt.Errorf("read configuration: %w", err)
	case info.IsDir():
		return nil, &Problem{File: path, What: "is a directory", Remedy: "name the file in it: --config " + path + "/config.yaml"}
	case info.Size() > maxSize:
		return nil, &Problem{File: path, What: "is larger than 1 MiB", Remedy: "is it the right file?"}
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, &Problem{File: path, What: "may not be read", Remedy: "let the user that runs rosterd read it: chmod 0644 " + path}
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return load(path, text, os.LookupEnv, time.Now())
}

// load is Load with the file's text, the environment and the clock given.
func load(path string, text []byte, env func(string) (string, bool), now time.Time) (*Config, error) {
	r := newReader(path, text, env)
	var f file
	f.defaults()
	if r.parse(&f) {
		c := checker{reader: r, now: now, config: &Config{Path: path}}
		c.file(&f)
		if len(r.problems) == 0 {
			return c.config, nil
		}
	}
	return nil, r.sorted()
}
