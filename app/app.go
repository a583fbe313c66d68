// Package app wires the rooms into one daemon and owns its life: what is
// started, in which order, and that all of it ends again, the last first. It
// decides nothing about users, and must not know how Salesforce is asked or what
// a configuration file looks like.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rosterd/rosterd/config"
	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/events"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/metrics"
	"github.com/rosterd/rosterd/store"
	rostersync "github.com/rosterd/rosterd/sync"
	"github.com/rosterd/rosterd/web"
)

const (
	startWait = time.Minute      // for a database that is just starting
	placeWait = 5 * time.Second  // for an engine to know whether it is in charge
	stopWait  = 45 * time.Second // in all; systemd gives up after 60 s
	stallTime = 3 * time.Minute  // without a turn of an engine's loop; one turn may wait for the database several times 15 s
)

// Options are what an App can do without. The zero value is right for a daemon
// that no service manager watches.
type Options struct {
	Version   string
	Log       *slog.Logger      // nil discards
	Level     *slog.LevelVar    // follows log.level when the configuration is reloaded; nil for none
	Notify    func(text string) // tells the service manager; nil for none
	Watchdog  time.Duration     // how often the service manager wants a sign of life; 0 for never
	Transport http.RoundTripper // carries the calls to Salesforce; nil means one of crm's own
	CallWait  time.Duration     // how long to wait for an answer of Salesforce; 0 means crm's own limit
	StartWait time.Duration     // how long to wait for the database; 0 means a minute
	Stream    events.Options    // of the change events; its Log is the App's
}

// App is one daemon. Start or Run it once.
type App struct {
	o        Options
	log      *slog.Logger
	started  time.Time
	registry *prometheus.Registry
	metrics  *metrics.Metrics
	life     *life

	db      *store.DB
	control *control.Server
	console *web.Console
	orgs    []*org // in the order of the configuration

	manager manager

	mu     sync.Mutex // guards what follows, and lets one reload run at a time
	config *config.Config
	up     bool
}

// org is one org's share of the daemon.
type org struct {
	name      string
	directory *directory.Directory
	engine    *rostersync.Engine
	senders   directory.Senders // of what the directory has to tell
	zone      *time.Location
	pulse     pulse // the engine, as the watch sees it
}

// pulse says whether an engine lives and how it stands.
type pulse interface {
	Alive() time.Time // when its loop last turned
	Status(ctx context.Context) (rostersync.Status, error)
}

// New prepares a daemon for a checked configuration. It opens nothing.
func New(cfg *config.Config, o Options) (*App, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	if o.StartWait <= 0 {
		o.StartWait = startWait
	}
	a := &App{o: o, log: o.Log, config: cfg, registry: prometheus.NewRegistry(), life: newLife(), manager: manager{tell: o.Notify}}
	orgs := make([]metrics.Org, len(cfg.Orgs))
	for i, c := range cfg.Orgs {
		orgs[i].Name = c.Name
		for _, l := range c.Sync.Licenses {
			orgs[i].Licenses = append(orgs[i].Licenses, l.Type)
		}
	}
	var err error
	if a.metrics, err = metrics.New(a.registry, metrics.Options{Version: o.Version, Orgs: orgs}); err != nil {
		return nil, err
	}
	return a, nil
}

// Run starts the daemon, waits until ctx ends or a part of it fails, and stops
// it.
func (a *App) Run(ctx context.Context) error {
	if err := a.Start(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-a.life.failed():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	return a.Stop(stop)
}

// Start opens the database and brings its schema up to date, then starts the
// orgs and the control API. When it fails, nothing is left running.
func (a *App) Start(ctx context.Context) (err error) {
	a.started = time.Now()
	defer func() {
		if err != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
			defer cancel()
			err = errors.Join(err, a.life.stop(stop))
		}
	}()
	for _, w := range a.config.Warnings {
		a.log.Warn("odd configuration", "reason", w)
	}
	if err := a.openStore(ctx); err != nil {
		return err
	}
	for i := range a.config.Orgs {
		if err := a.openOrg(ctx, &a.config.Orgs[i]); err != nil {
			return fmt.Errorf("start org %s: %w", a.config.Orgs[i].Name, err)
		}
	}
	if err := a.openControl(); err != nil {
		return err
	}
	for _, o := range a.orgs {
		a.life.run("org "+o.name, func(ctx context.Context) error { return a.runEngine(ctx, o) })
		a.runDirectory(o)
	}
	a.placed(ctx)
	a.life.run("control API", a.control.Run)
	a.closeConsole(a.console)
	a.ready(ctx)
	a.life.run("service manager", a.watch)
	return nil
}

// Stop ends the daemon, the last started first, and joins what went wrong. It
// may be called more than once.
func (a *App) Stop(ctx context.Context) error {
	a.mu.Lock()
	was := a.up
	a.up = false
	a.mu.Unlock()
	if was {
		a.manager.stop()
		a.log.Info("stopping", "took", time.Since(a.started).Round(time.Second))
	}
	return a.life.stop(ctx)
}

// Addr is the TCP address of the control API, "" when there is none.
func (a *App) Addr() string { return a.control.Addr() }

func (a *App) openStore(ctx context.Context) error {
	db, err := store.Open(ctx, a.config.Database, store.Options{Log: a.log, Wait: a.o.StartWait})
	if err != nil {
		return err
	}
	a.db = db
	a.life.onStop("database", func(context.Context) error { return db.Close() })
	return db.Migrate(ctx)
}

func (a *App) openOrg(ctx context.Context, c *config.Org) error {
	id, err := directory.EnsureOrg(ctx, a.db, c.Name)
	if err != nil {
		return err
	}
	log := a.log.With("org", c.Name)
	var engine *rostersync.Engine
	dir := directory.New(a.db, id, directory.Options{
		Log: log, DefaultTimezone: c.Sync.Zone.String(), SecretKey: []byte(c.SecretKey),
		Owners: func() map[dialer.Field]dialer.Owner { return engine.Owners() }, // a reload may change them
		Invite: c.Hooks.Invite, InviteURL: c.Hooks.InviteURL, InviteTTL: c.Hooks.InviteTTL,
	})
	tell, err := senders(&c.Hooks)
	if err != nil {
		return err
	}
	if err := dir.SetLicenses(ctx, c.Sync.Licenses); err != nil {
		return err
	}
	stream, err := a.openStream(c)
	if err != nil {
		return err
	}
	engine, err = rostersync.New(c.Sync,
		rostersync.Deps{OrgID: id, DB: a.db, Directory: dir, Salesforce: c.Salesforce, Stream: stream},
		rostersync.Options{
			Log: a.log, Observer: a.metrics.Sync,
			CRM: crm.Options{Log: log, Transport: a.o.Transport, RequestTimeout: a.o.CallWait, Observer: calls{a.metrics.CRM, c.Name}},
		})
	if err != nil {
		return err
	}
	a.orgs = append(a.orgs, &org{c.Name, dir, engine, tell, c.Sync.Zone, engine})
	return nil
}

func (a *App) openControl() error {
	orgs := map[string]control.Org{}
	for _, o := range a.orgs {
		orgs[o.name] = control.Org{Engine: o.engine, Directory: o.directory, Zone: o.zone}
	}
	c := a.config.Control
	server, console, err := a.faces(control.Options{
		Orgs: orgs, Tokens: c.Tokens, Socket: c.Socket, Listen: c.Listen,
		Metrics: metrics.Handler(a.registry), Ready: a.readiness, Ping: a.db.Ping, Log: a.log, Version: a.o.Version,
	})
	if err != nil {
		return fmt.Errorf("start control API: %w", err)
	}
	if err := server.Listen(); err != nil {
		return fmt.Errorf("start control API: %w", err)
	}
	a.control, a.console = server, console
	a.life.onStop("control API", func(context.Context) error { server.Close(); return nil })
	return nil
}

// placed waits for the orgs to know whether this instance is in charge of them,
// so that who asks for work as soon as it serves is not turned away. A database
// that takes long is waited for behind an API that says so.
func (a *App) placed(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, placeWait)
	defer cancel()
	for _, o := range a.orgs {
		select {
		case <-o.engine.Placed():
		case <-ctx.Done():
		}
	}
}

// runEngine keeps an org's engine running. One that gives up is started again:
// the other orgs and the control API must not end for it.
func (a *App) runEngine(ctx context.Context, o *org) error {
	wait := time.Second
	for {
		began := time.Now()
		err := o.engine.Run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > time.Hour {
			wait = time.Second
		}
		a.log.Error("the org's sync ended, it begins again", "org", o.name, "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, time.Minute)
	}
}

// calls tells the metrics of an org's calls to Salesforce.
type calls struct {
	m   *metrics.CRM
	org string
}

// Request counts one.
func (c calls) Request(op, code string, took time.Duration) { c.m.Request(c.org, op, code, took) }

// Quota notes what Salesforce said of the org's allocation.
func (c calls) Quota(l crm.LimitInfo) { c.m.Quota(c.org, l.Used, l.Max) }

// hinted is an error that says what to do about it.
type hinted struct {
	error
	hint string
}

// Hint says what to do.
func (h *hinted) Hint() string { return h.hint }

// Unwrap returns the error itself.
func (h *hinted) Unwrap() error { return h.error }
