package controltest

import (
	"errors"
	"testing"

	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// What the real engine and directory refuse, these refuse.
func TestRefusals(t *testing.T) {
	ctx, e := t.Context(), NewEngine("acme")
	ada := dialer.Actor{Kind: "admin", Name: "ada"}
	apply := func(c dialer.Change) error {
		c.Actor = ada
		return e.Users.Apply(ctx, []dialer.Change{c})[0].Err
	}
	request := func(r rostersync.Request) error {
		r.Actor = ada
		_, _, err := e.Request(ctx, r)
		return err
	}
	id := Person(3).ID
	check := func(name string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	check("unknown user", apply(dialer.Change{Verb: dialer.VerbActivate, UserID: "nobody"}), dialer.ErrNotFound)
	check("old version", apply(dialer.Change{Verb: dialer.VerbActivate, UserID: id, Version: 9}), dialer.ErrConflict)
	check("seats", e.Users.SetPurchased(ctx, "powerdialer", 2, ada), nil)
	check("no seat", apply(dialer.Change{Verb: dialer.VerbActivate, UserID: id, Seats: []string{"powerdialer"}}), dialer.ErrNoSeat)
	if _, ok := errors.AsType[*dialer.InvalidError](e.Users.SetPurchased(ctx, "office", 2, ada)); !ok {
		t.Error("an unknown license type is taken")
	}
	if err := apply(dialer.Change{Verb: dialer.VerbDelete, UserID: id}); err == nil {
		t.Error("a verb that it does not know is taken")
	}

	check("unknown person", request(rostersync.Request{Kind: rostersync.KindUser, Users: []string{"x"}}), rostersync.ErrUnknownUser)
	check("run", request(rostersync.Request{}), nil)
	check("ended run", e.Cancel(ctx, 1, ada), rostersync.ErrRunEnded)
	check("unknown run", e.PauseRun(ctx, 2, ada), rostersync.ErrNoRun)
	_, err := e.Approve(ctx, 1, ada, "")
	check("nothing held", err, rostersync.ErrNothingHeld)
	e.Next.Outcome = rostersync.Held
	check("held run", request(rostersync.Request{}), nil)
	_, err = e.Approve(ctx, 2, ada, "")
	check("first approval", err, nil)
	_, err = e.Approve(ctx, 2, ada, "")
	check("second approval", err, rostersync.ErrHeldChanged)
	check("unknown item", e.ResolveAttention(ctx, 1, rostersync.Decision{}, ada), rostersync.ErrNoAttention)
	e.Cost.Allowed = false
	check("quota", request(rostersync.Request{}), rostersync.ErrQuota)
	check("override", request(rostersync.Request{Override: true}), nil)
	check("pause", e.Pause(ctx, ada, ""), nil)
	check("paused", request(rostersync.Request{}), rostersync.ErrPaused)
}
