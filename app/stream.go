package app

import (
	"context"

	"github.com/rosterd/rosterd/config"
	"github.com/rosterd/rosterd/crm/events"
	rostersync "github.com/rosterd/rosterd/sync"
)

// openStream makes what an org's change events come by, nil where the
// configuration has them polled for.
func (a *App) openStream(c *config.Org) (rostersync.Stream, error) {
	if c.PubSub == "" {
		return nil, nil
	}
	o := a.o.Stream
	o.Log = a.log.With("org", c.Name)
	client, err := events.New(c.PubSub, c.Salesforce.CAFile, o)
	if err != nil {
		return nil, err
	}
	return stream{client}, nil
}

// stream joins the room that speaks the Pub/Sub API with the one that knows
// what a change means: neither knows the other.
type stream struct{ client *events.Client }

// Follow keeps the stream alive until ctx ends.
func (s stream) Follow(ctx context.Context, sessions rostersync.StreamSessions, h rostersync.StreamHandler) {
	s.client.Follow(ctx, sessions, handler{h})
}

// Kick has the next try be now.
func (s stream) Kick() { s.client.Kick() }

type handler struct{ to rostersync.StreamHandler }

// Position returns where to go on.
func (h handler) Position(ctx context.Context) ([]byte, error) { return h.to.Position(ctx) }

// Begun says that a stream stands.
func (h handler) Begun(ctx context.Context, s events.Start) error {
	return h.to.Begun(ctx, rostersync.StreamStart{After: s.After, Lost: s.Lost})
}

// Take hands a batch on.
func (h handler) Take(ctx context.Context, b events.Batch) error {
	changes := make([]rostersync.StreamChange, len(b.Changes))
	for i, c := range b.Changes {
		changes[i] = rostersync.StreamChange{Kind: string(c.Kind), IDs: c.IDs, Everyone: c.Everyone, Fields: c.Fields, Committed: c.Committed}
	}
	return h.to.Take(ctx, rostersync.StreamBatch{Changes: changes, Unreadable: b.Unreadable, Position: b.Position})
}

// State tells how the stream stands.
func (h handler) State(s events.State) {
	out := rostersync.StreamState{Phase: string(s.Phase), Code: string(s.Reason), Hint: s.Hint, Person: s.Person, Retry: s.Retry}
	if s.Err != nil {
		out.Text = s.Err.Error()
	}
	h.to.State(out)
}
