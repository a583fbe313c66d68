package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rosterd/rosterd/config"
	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/events"
	"github.com/rosterd/rosterd/store"
	rostersync "github.com/rosterd/rosterd/sync"
)

// checkWait bounds the check of one org.
const checkWait = 2 * time.Minute

// Checks says what Check shall look at.
type Checks struct {
	Online    bool              // ask the database and Salesforce, too
	Transport http.RoundTripper // carries the calls to Salesforce; nil means one of crm's own
	Report    func(rostersync.CheckResult)
}

// Check looks whether a daemon with this configuration could work, and reports
// each finding. It writes nothing anywhere, and returns whether all is well.
func Check(ctx context.Context, cfg *config.Config, o Checks) bool {
	c := &checking{report: o.Report, ok: true}
	c.good("configuration", "%d org(s), no mistake found", len(cfg.Orgs))
	for _, w := range cfg.Warnings {
		c.good("configuration", "note: %s", w)
	}
	if !o.Online {
		return c.ok
	}
	db := c.database(ctx, cfg.Database)
	if db != nil {
		defer func() { _ = db.Close() }()
	}
	for i := range cfg.Orgs {
		c.org(ctx, &cfg.Orgs[i], db, o.Transport)
	}
	return c.ok
}

type checking struct {
	report func(rostersync.CheckResult)
	ok     bool
}

func (c *checking) good(name, format string, args ...any) {
	c.report(rostersync.CheckResult{Name: name, OK: true, Detail: fmt.Sprintf(format, args...)})
}

func (c *checking) bad(name, hint, format string, args ...any) {
	c.ok = false
	c.report(rostersync.CheckResult{Name: name, Detail: fmt.Sprintf(format, args...), Hint: hint})
}

// fault reports err, and whether there was one.
func (c *checking) fault(name string, err error) bool {
	if err != nil {
		c.bad(name, Hint(err), "%s", err)
	}
	return err != nil
}

// org asks Salesforce for everything that a sync needs, in the order in which
// one thing builds on another.
func (c *checking) org(ctx context.Context, o *config.Org, db *store.DB, transport http.RoundTripper) {
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	name := func(what string) string { return "org " + o.Name + ": " + what }
	client, err := crm.New(o.Salesforce, crm.Options{Transport: transport, MaxRetries: 1})
	if c.fault(name("configuration"), err) {
		return
	}
	defer client.Close()
	session, err := client.Session(ctx)
	if c.fault(name("login"), err) {
		return
	}
	c.good(name("login"), "integration user %s at %s", session.UserID, session.InstanceURL)
	if c.fault(name("API version"), client.CheckVersion(ctx)) {
		return
	}
	c.good(name("API version"), "%s is served", o.Salesforce.APIVersion)
	org, err := client.Org(ctx)
	if !c.fault(name("Salesforce org"), err) {
		c.pin(ctx, name("Salesforce org"), o.Name, org, db)
	}
	fields, err := client.Describe(ctx)
	switch {
	case c.fault(name("fields"), err):
	case len(fields.Missing) > 0:
		c.bad(name("fields"), "give the integration user Read on them, or stop using them in scope and mapping",
			"hidden or gone: %s", strings.Join(fields.Missing, ", "))
	default:
		c.good(name("fields"), "%d fields of User can be read", len(fields.Select))
	}
	if n, err := client.CountUsers(ctx); !c.fault(name("users"), err) {
		c.users(name("users"), n)
	}
	c.frozen(ctx, name("frozen users"), o, client)
	c.stream(ctx, name("change events"), o, session)
	if l, err := client.Limits(ctx); !c.fault(name("API quota"), err) {
		c.good(name("API quota"), "%d of %d calls left today", l.DailyAPIRequests.Remaining, l.DailyAPIRequests.Max)
	}
}

// stream looks whether change events can be followed. Where polls stand in for
// them, that they cannot is only noted.
func (c *checking) stream(ctx context.Context, name string, o *config.Org, s crm.Session) {
	if o.Sync.Changes == rostersync.ChangesPoll || o.PubSub == "" {
		why := o.Sync.NoStream
		if why == "" {
			why = "changes are polled for, as configured"
		}
		c.good(name, "%s", why)
		return
	}
	client, err := events.New(o.PubSub, o.Salesforce.CAFile, events.Options{})
	if err == nil {
		err = client.Check(ctx, s)
	}
	switch {
	case err == nil:
		c.good(name, "%s can be followed at %s", events.Topic, o.PubSub)
	case o.Sync.Changes == rostersync.ChangesAuto:
		note := "note: " + err.Error() + "; changes are polled for instead"
		if hint := Hint(err); hint != "" {
			note += " (" + hint + ")"
		}
		c.good(name, "%s", note)
	default:
		c.bad(name, Hint(err), "%s", err)
	}
}

func (c *checking) users(name string, n int) {
	if n == 0 {
		c.bad(name, "loosen the prefilter, or give the integration user \"View All Users\"", "no user passes the prefilter")
		return
	}
	c.good(name, "%d pass the prefilter", n)
}

// frozen looks whether it can be told who is frozen, where that matters.
func (c *checking) frozen(ctx context.Context, name string, o *config.Org, client *crm.Client) {
	if o.Sync.Frozen == rostersync.FrozenIgnore {
		c.good(name, "not asked for: frozen is ignore")
		return
	}
	n := 0
	for _, err := range client.Frozen(ctx) {
		if c.fault(name, err) {
			return
		}
		n++
	}
	c.good(name, "%d", n)
}

// Hint is what the errors in err say about what to do, the outermost first,
// "" when none says anything.
func Hint(err error) string {
	for err != nil {
		if h, ok := err.(interface{ Hint() string }); ok && h.Hint() != "" {
			return h.Hint()
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				if hint := Hint(e); hint != "" {
					return hint
				}
			}
			return ""
		}
		err = errors.Unwrap(err)
	}
	return ""
}
