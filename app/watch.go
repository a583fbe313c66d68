package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rosterd/rosterd/control"
	rostersync "github.com/rosterd/rosterd/sync"
)

const (
	statusEvery = 15 * time.Second // how often the service manager's text is looked after
	statusWait  = 5 * time.Second  // for the database to say how an org stands
	pingWait    = 2 * time.Second  // for the database to answer at all
)

// readiness is what /readyz answers. The daemon is unready for what keeps it
// from its work; what only waits for a person, such as a held plan, is told
// and nothing more.
func (a *App) readiness(ctx context.Context) control.Readiness {
	if err := a.ping(ctx); err != nil {
		return control.Readiness{Reasons: []string{"the database does not answer"}}
	}
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	r := control.Readiness{Ready: true}
	for _, o := range a.orgs {
		text, how := stand(ctx, o)
		if how != well {
			r.Reasons = append(r.Reasons, "org "+o.name+": "+text)
		}
		r.Ready = r.Ready && how != unable
	}
	return r
}

func (a *App) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingWait)
	defer cancel()
	return a.db.Ping(ctx)
}

// health is how well an org does its work.
type health int

const (
	well   health = iota
	odd           // it works, and something waits for a person or for time
	unable        // it does not work: stuck, blocked, or what it tried last failed
)

// stand says in a few words how an org stands, and how well it does its work.
func stand(ctx context.Context, o *org) (text string, how health) {
	if since := time.Since(o.pulse.Alive()); since > stallTime {
		return fmt.Sprintf("stuck for %s", since.Round(time.Second)), unable
	}
	s, err := o.pulse.Status(ctx)
	if err != nil {
		return "its state cannot be read", unable
	}
	switch s.State {
	case "degraded", "blocked":
		how = odd
		if s.State == "blocked" || s.LastError != "" { // an error is forgotten once it is over
			how = unable
		}
		text = s.State
		if len(s.Reasons) > 0 {
			text += ": " + strings.Join(s.Reasons, "; ")
		}
		return text, how
	}
	return standing(s), well
}

func standing(s rostersync.Status) string {
	text := fmt.Sprintf("%s, %d enrolled", s.State, s.Enrolled)
	if s.Held > 0 {
		text += fmt.Sprintf(", %d held", s.Held)
	}
	return text
}

// summary is one line on all orgs, for systemctl status.
func (a *App) summary(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	var parts []string
	for _, o := range a.orgs {
		text, _ := stand(ctx, o)
		parts = append(parts, o.name+": "+text)
		if len(parts) == 10 && len(a.orgs) > 10 {
			parts = append(parts, fmt.Sprintf("and %d more", len(a.orgs)-10))
			break
		}
	}
	// The text ends at the first line break, and what follows would be read as
	// further assignments.
	return strings.Join(strings.Fields(strings.Join(parts, " | ")), " ")
}

// ready tells the service manager that the daemon serves.
func (a *App) ready(ctx context.Context) {
	a.mu.Lock()
	a.up = true
	a.mu.Unlock()
	a.metrics.Reloaded(true)
	text := a.summary(ctx)
	a.manager.notify("READY=1\nSTATUS=" + text)
	a.log.Info("ready", "version", a.o.Version, "url", a.Addr(), "count", len(a.orgs), "took", time.Since(a.started).Round(time.Millisecond))
}

// watch feeds the watchdog while every engine's loop turns, and keeps the
// service manager's status text true.
func (a *App) watch(ctx context.Context) error {
	every := statusEvery
	if a.o.Watchdog > 0 {
		every = min(every, a.o.Watchdog/3)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	said, last, stuck := "", time.Time{}, false
	for {
		alive := a.alive()
		if alive && a.o.Watchdog > 0 {
			a.manager.notify("WATCHDOG=1")
		}
		if stuck != !alive {
			if stuck = !alive; stuck {
				a.log.Error("an engine's loop is stuck, the watchdog is no longer fed")
			}
		}
		if time.Since(last) >= statusEvery {
			last = time.Now()
			if text := a.summary(ctx); text != said && ctx.Err() == nil {
				said = text
				a.manager.notify("STATUS=" + text)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// alive reports whether every engine's loop has turned of late.
func (a *App) alive() bool {
	for _, o := range a.orgs {
		if time.Since(o.pulse.Alive()) > stallTime {
			return false
		}
	}
	return true
}
