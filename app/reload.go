package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/rosterd/rosterd/config"
	"github.com/rosterd/rosterd/crm"
)

// Reload puts another configuration in force, whole or not at all. What cannot
// change while the daemon runs is an error that names it, and then nothing
// changes. read gives the new configuration.
func (a *App) Reload(ctx context.Context, read func() (*config.Config, error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.up {
		return errors.New("reload: the daemon is not up")
	}
	a.manager.notify(reloading())
	defer a.manager.notify("READY=1")
	next, err := read()
	if err == nil {
		err = a.adopt(ctx, next)
	}
	a.metrics.Reloaded(err == nil)
	if err != nil {
		return fmt.Errorf("reload configuration: %w", err)
	}
	for _, w := range next.Warnings {
		a.log.Warn("odd configuration", "reason", w)
	}
	a.log.Info("configuration reloaded", "count", len(next.Orgs))
	return nil
}

// adopt changes the running parts over from a.config to next.
func (a *App) adopt(ctx context.Context, next *config.Config) error {
	if fixed := restartNeeded(a.config, next); len(fixed) > 0 {
		return &hinted{
			fmt.Errorf("a change of %s needs a restart", strings.Join(fixed, ", ")),
			"systemctl restart rosterd, or take that change back and reload",
		}
	}
	// All that can fail for the configuration's sake fails here.
	for i := range next.Orgs {
		if _, err := crm.New(next.Orgs[i].Salesforce, crm.Options{Transport: a.o.Transport}); err != nil {
			return fmt.Errorf("org %s: %w", next.Orgs[i].Name, err)
		}
	}
	for i, o := range a.orgs {
		c := named(next, o.name)
		err := o.directory.SetLicenses(ctx, c.Sync.Licenses)
		if err == nil {
			err = o.engine.Reload(c.Sync, c.Salesforce)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("org %s: %w", o.name, err), a.restore(ctx, a.orgs[:i+1]))
		}
	}
	a.control.Reload(next.Control.Tokens)
	if a.o.Level != nil {
		a.o.Level.Set(next.Log.Level)
	}
	a.config = next
	return nil
}

// restore puts orgs back under the configuration in force.
func (a *App) restore(ctx context.Context, orgs []*org) error {
	var errs []error
	for _, o := range orgs {
		c := named(a.config, o.name)
		errs = append(errs, o.directory.SetLicenses(ctx, c.Sync.Licenses), o.engine.Reload(c.Sync, c.Salesforce))
	}
	return errors.Join(errs...)
}

// restartNeeded lists the keys that differ and cannot change in a running
// daemon.
func restartNeeded(was, next *config.Config) []string {
	var keys []string
	for _, k := range []struct {
		name    string
		differs bool
	}{
		{"database", was.Database != next.Database},
		{"control.socket", was.Control.Socket != next.Control.Socket},
		{"control.listen", was.Control.Listen != next.Control.Listen},
		{"log.format", was.Log.JSON != next.Log.JSON},
	} {
		if k.differs {
			keys = append(keys, k.name)
		}
	}
	for _, o := range next.Orgs {
		old := named(was, o.Name)
		switch {
		case old == nil:
			keys = append(keys, "orgs (new: "+o.Name+")")
		case old.SecretKey != o.SecretKey:
			keys = append(keys, "secret_key_file of "+o.Name)
		case old.PubSub != o.PubSub || o.PubSub != "" && old.Salesforce.CAFile != o.Salesforce.CAFile:
			keys = append(keys, "pubsub_endpoint or ca_file of "+o.Name)
		case !reflect.DeepEqual(old.Hooks, o.Hooks):
			keys = append(keys, "leads or invitations of "+o.Name)
		}
	}
	for _, o := range was.Orgs {
		if named(next, o.Name) == nil {
			keys = append(keys, "orgs (gone: "+o.Name+")")
		}
	}
	return keys
}

// named returns an org of a configuration, nil when it has none of that name.
func named(c *config.Config, name string) *config.Org {
	for i := range c.Orgs {
		if c.Orgs[i].Name == name {
			return &c.Orgs[i]
		}
	}
	return nil
}
