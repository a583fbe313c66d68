package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/store"
)

const (
	// upkeepEvery is how often idle sessions are ended; what is stale is
	// removed every sweepEvery.
	upkeepEvery = time.Minute
	sweepEvery  = time.Hour
	// keptFor is how long mass actions that ended, and messages that were
	// delivered, are kept to be looked at. The audit trail is kept for ever.
	keptFor = 90 * 24 * time.Hour
)

// RunUpkeep ends idle sessions and removes what is stale, until ctx ends. Any
// number of programs may do so at once.
func (d *Directory) RunUpkeep(ctx context.Context) error {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	var said string
	var swept time.Time
	for {
		var err error
		if d.o.SessionIdle > 0 {
			_, err = d.ExpireSessions(ctx, d.o.SessionIdle)
		}
		if err == nil && time.Since(swept) >= sweepEvery {
			swept, err = time.Now(), d.Sweep(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && err.Error() != said:
			said = err.Error()
			d.o.Log.Error("upkeep of the directory is held up", "err", err)
		case err == nil && said != "":
			said = ""
			d.o.Log.Info("upkeep of the directory goes on")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep removes previews that nobody started, what users had before mass
// actions that can be undone no more, and mass actions and messages that ended
// long ago.
func (d *Directory) Sweep(ctx context.Context) error {
	now := d.now()
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		for _, s := range []struct {
			query string
			at    time.Time
		}{
			{"DELETE FROM mass_actions WHERE org_id = $1 AND state IN ('preparing', 'previewed') AND created_at < $2", now.Add(-staleAfter)},
			{`UPDATE mass_items SET was = '' WHERE was <> '' AND action_id IN
				(SELECT id FROM mass_actions WHERE org_id = $1 AND undo_until <> 0 AND undo_until <= $2)`, now},
			{"UPDATE mass_actions SET undo_until = 0 WHERE org_id = $1 AND undo_until <> 0 AND undo_until <= $2", now},
			{"DELETE FROM mass_actions WHERE org_id = $1 AND finished_at <> 0 AND finished_at < $2", now.Add(-keptFor)},
			{"DELETE FROM outbox WHERE org_id = $1 AND state = 'sent' AND settled_at < $2", now.Add(-keptFor)},
		} {
			if _, err := tx.Exec(ctx, s.query, d.org, s.at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove what is stale: %w", err)
	}
	return nil
}
