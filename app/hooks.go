package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/rosterd/rosterd/config"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/dialer/directory/courier"
)

// hookTime is how long another system may take to acknowledge a message.
const hookTime = 15 * time.Second

// Sessions that were not in use for sessionIdle end; it is looked every
// sessionLook.
const (
	sessionIdle = 12 * time.Hour
	sessionLook = 5 * time.Minute
)

// senders makes who delivers what the directory of an org has to tell.
func senders(h *config.Hooks) (directory.Senders, error) {
	client := &http.Client{Timeout: hookTime}
	var s directory.Senders
	if h.Leads != nil {
		w, err := courier.NewWebhook(h.Leads.URL, []byte(h.Leads.Secret), client)
		if err != nil {
			return s, fmt.Errorf("leads: %w", err)
		}
		s.Leads = w
	}
	switch {
	case h.InviteWebhook != nil:
		w, err := courier.NewWebhook(h.InviteWebhook.URL, []byte(h.InviteWebhook.Secret), client)
		if err != nil {
			return s, fmt.Errorf("invitations: %w", err)
		}
		s.Invitations = w
	case h.InviteMail != nil:
		m, err := courier.NewMail(*h.InviteMail)
		if err != nil {
			return s, fmt.Errorf("invitations: %w", err)
		}
		s.Invitations = m
	}
	return s, nil
}

// runDirectory starts what an org's directory does by itself: mass actions, and
// messages to other systems.
func (a *App) runDirectory(o *org) {
	a.life.run("mass actions of org "+o.name, o.directory.RunMass)
	a.life.run("sessions of org "+o.name, func(ctx context.Context) error { return a.expire(ctx, o) })
	a.life.run("outbox of org "+o.name, func(ctx context.Context) error { return o.directory.RunOutbox(ctx, o.senders) })
}

// expire ends sessions that nobody uses any more. A database that is away is
// told of elsewhere; what is due then is done at the next look.
func (a *App) expire(ctx context.Context, o *org) error {
	tick := time.NewTicker(sessionLook)
	defer tick.Stop()
	for {
		if n, err := o.directory.ExpireSessions(ctx, sessionIdle); err == nil && n > 0 {
			a.log.Info("idle sessions ended", "org", o.name, "count", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
