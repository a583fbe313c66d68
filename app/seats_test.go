package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/control"
)

const (
	atOnce = 64
	seats  = 16
)

// crowd is what many callers of the API were told at the same time.
type crowd struct {
	*control.Client
	t    *testing.T
	refs []string // people of Salesforce who can be added
	out  []string // users without access, for the crowd to let in

	mu     sync.Mutex // guards what follows
	active map[string]string
	denied int
}

// let notes that somebody was told that a user has access.
func (c *crowd) let(id, by string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active[id] = by
}

// refusal notes a refusal; only a lack of seats, or of an unchanged user, may be
// the reason.
func (c *crowd) refusal(what string, err error) {
	p, ok := errors.AsType[*control.Problem](err)
	if !ok || p.Code != control.CodeNoSeat && p.Code != control.CodeConflict {
		c.t.Errorf("%s: %v", what, err)
	}
	c.deny()
}

func (c *crowd) deny() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.denied++
}

// act does one of the things that can take seats, n of the crowd's.
func (c *crowd) act(ctx context.Context, n int) {
	switch n % 4 {
	case 0:
		i := 3 * (n / 4) % len(c.refs)
		added, err := c.Add(ctx, c.refs[i:min(i+3, len(c.refs))], "crowd")
		if err != nil {
			c.refusal("add", err)
		}
		for _, r := range added.Results {
			switch r.Outcome {
			case "added":
				c.let(r.UserID, "add")
			case "no_seat":
				c.deny()
			}
		}
	case 1:
		a, err := c.Activate(ctx, c.out[n/4%len(c.out)], control.Action{})
		if err != nil {
			c.refusal("activate", err)
			return
		}
		c.let(a.User.ID, "activate")
	case 2:
		c.mass(ctx)
	case 3:
		if _, err := c.Sync(ctx, control.SyncRequest{Kind: "full", Reason: "crowd"}); err != nil {
			c.refusal("sync", err)
		}
	}
}

func (c *crowd) mass(ctx context.Context) {
	m, err := c.PreviewMass(ctx, control.MassActionRequest{Scope: control.MassScope{IDs: c.out}, Action: "activate"})
	if err == nil {
		m, err = c.StartMass(ctx, m.ID, m.Total)
	}
	if err != nil {
		c.refusal("mass", err)
		return
	}
	for m, err = range c.WatchMass(ctx, m.ID) {
		if err != nil {
			c.t.Errorf("mass: %v", err)
			return
		}
	}
	if done := m.Done; m.State != "done" || done.Changed+done.Unchanged+done.Refused != m.Total || m.Total != int64(len(c.out)) {
		c.t.Errorf("mass action %d ended %s with %+v of %d", m.ID, m.State, done, m.Total)
	}
	page, err := c.MassResults(ctx, m.ID, control.MassResultFilter{Outcome: "changed"})
	if err != nil {
		c.t.Errorf("mass: %v", err)
	}
	for _, r := range page.Results {
		c.let(r.UserID, "mass")
	}
}

// seatsTaken watches until stop is closed that seats are never more than were
// bought.
func (c *crowd) seatsTaken(ctx context.Context, stop <-chan struct{}) {
	for looks := 0; ; looks++ {
		page, err := c.Licenses(ctx)
		if err != nil || len(page.Licenses) != 1 {
			c.t.Errorf("licenses: %v, %v", page, err)
			return
		}
		if l := page.Licenses[0]; l.Assigned > seats {
			c.t.Errorf("at look %d, %d seats of %d are taken", looks, l.Assigned, seats)
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// Whoever takes seats at the same time, by whichever way, there are never more
// taken than were bought, and nobody who was told that a user has access was
// told wrong.
func TestSeatCapUnderACrowd(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		w.seats, w.extra = seats, "    enrollment: selected\n"
		w.boot(Options{})
		c := &crowd{Client: w.client(), t: t, active: map[string]string{}}
		await(t, "the mirror", func() (string, bool) {
			s := w.status(c.Client, "acme")
			return fmt.Sprintf("%+v", s), s.Mirror >= people && s.State == "ok"
		})
		ctx := t.Context()
		page, err := c.People(ctx, control.PeopleFilter{Eligible: true, Limit: 500}, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.People {
			c.refs = append(c.refs, p.SalesforceID)
		}
		if len(c.refs) < 2*seats {
			t.Fatalf("only %d can be added", len(c.refs))
		}
		first, err := c.Add(ctx, c.refs[:seats/2], "")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range first.Results {
			if _, err := c.Deactivate(ctx, r.UserID, control.Action{}); err != nil {
				t.Fatal(err)
			}
			c.out = append(c.out, r.UserID)
		}

		stop := make(chan struct{})
		var looking, acting sync.WaitGroup
		looking.Go(func() { c.seatsTaken(ctx, stop) })
		for n := range atOnce {
			acting.Go(func() { c.act(ctx, n) })
		}
		acting.Wait()
		close(stop)
		looking.Wait()

		now := map[string]string{}
		taken := 0
		for u, err := range c.Users(ctx, control.UserFilter{Status: "all"}) {
			if err != nil {
				t.Fatal(err)
			}
			now[u.ID] = string(u.Status)
			if u.Status == "active" {
				taken++
			}
		}
		if taken != seats {
			t.Errorf("%d users have access, and there are %d seats and more who want one", taken, seats)
		}
		for id, by := range c.active {
			if now[id] != "active" {
				t.Errorf("%s said that user %s has access, who is %q", by, id, now[id])
			}
		}
		if len(c.active) == 0 || c.denied == 0 {
			t.Errorf("%d were let in and %d refused, which is no crowd", len(c.active), c.denied)
		}
	})
}
