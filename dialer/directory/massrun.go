package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

const (
	// chunkSize is how many users one transaction of a mass action takes, and of
	// its dry run. The sync and people wait for no more than those, and what is
	// kept of users in memory is theirs alone.
	chunkSize = 500
	// massPoll is how often it is looked whether another program started a mass
	// action, or died in the middle of one.
	massPoll = 2 * time.Second
)

// RunMass carries out mass actions as they are started, until ctx ends. Any
// number of programs may do so at once: each user is dealt with once.
func (d *Directory) RunMass(ctx context.Context) error {
	tick := time.NewTicker(massPoll)
	defer tick.Stop()
	var said string
	for {
		err := d.stepsOfMass(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && err.Error() != said:
			said = err.Error()
			d.o.Log.Error("mass actions are held up", "err", err)
		case err == nil && said != "":
			said = ""
			d.o.Log.Info("mass actions go on")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.massDue:
		case <-tick.C:
		}
	}
}

// stepsOfMass carries on until no mass action runs.
func (d *Directory) stepsOfMass(ctx context.Context) error {
	for {
		more, err := d.StepMass(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// StepMass deals with the next users of the oldest mass action that runs, in
// one transaction: what they become, what came of each, and how far it is.
// Killed at any moment, it goes on where it was. It reports whether there may
// be more to do.
func (d *Directory) StepMass(ctx context.Context) (more bool, err error) {
	for size := chunkSize; ; size = max(size/2, 1) {
		more, err = d.chunk(ctx, size, false)
		kind, what := store.Violated(err)
		switch {
		case err == nil:
			return more, nil
		case kind == "":
			return false, fmt.Errorf("carry out a mass action: %w", err)
		}
		// Every constraint was looked at before: somebody writes to the tables
		// beside us. Fewer at a time, down to the one that cannot be written.
		d.o.Log.Warn("a mass action violates a constraint", "count", size, "err", what)
		if size == 1 {
			return d.chunk(ctx, 1, true)
		}
	}
}

// chunk is StepMass for at most size users. skip refuses them.
func (d *Directory) chunk(ctx context.Context, size int, skip bool) (more bool, err error) {
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		more = false
		// The lock of Apply comes first, and serializes the runners too.
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		list, err := d.readMass(ctx, tx, "state = 'running' ORDER BY id LIMIT 1"+tx.ForUpdate())
		if err != nil || len(list) == 0 {
			return err
		}
		more = true
		m := &list[0]
		j, err := d.job(m)
		if err != nil { // as of another release: it must not stand in the way of others
			m.State = dialer.MassCanceled
			return errors.Join(d.finishMass(ctx, tx, m), d.recordMass(ctx, tx, m, "given up: "+err.Error(), system))
		}
		items, err := readItems(ctx, tx, m.ID, m.nextSeq, size)
		if err != nil {
			return err
		}
		if len(items) > 0 {
			if err := j.carryOut(ctx, tx, items, skip); err != nil {
				return err
			}
			m.nextSeq = items[len(items)-1].seq + 1
		}
		done, err := countsText(&m.Done)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE mass_actions SET next_seq = $3, done = $4 WHERE org_id = $1 AND id = $2",
			d.org, m.ID, m.nextSeq, done); err != nil {
			return err
		}
		if len(items) == size {
			return nil
		}
		m.State = dialer.MassDone
		if err := d.finishMass(ctx, tx, m); err != nil {
			return err
		}
		tx.AfterCommit(func() {
			d.o.Log.Info("mass action finished", "run", massRun(m.ID), "verb", m.Action, "count", m.Done.Changed)
			kick(d.mailDue)
		})
		return d.recordMass(ctx, tx, m, "finished", m.Actor)
	})
	return more, err
}

// carryOut decides and writes what comes of items.
func (j *massJob) carryOut(ctx context.Context, tx *store.Tx, items []massItem, skip bool) error {
	if skip {
		for i := range items {
			items[i].outcome = dialer.ItemRefused
			items[i].reason, items[i].detail = reasonOf(errConstraint)
		}
	} else {
		b := newBatch(j.d, tx, len(items))
		steps, err := j.decide(ctx, b, items)
		if err != nil {
			return err
		}
		j.settle(b, items, steps)
		if err := b.write(ctx); err != nil {
			return err
		}
	}
	for i := range items {
		count(&j.m.Done, &items[i])
	}
	_, err := tx.Rewrite(ctx, "mass_items", []string{"user_id", "outcome", "detail", "was", "action_id", "seq"}, []string{"action_id", "seq"},
		func(yield func([]any) bool) {
			row := make([]any, 6)
			for i := range items {
				it := &items[i]
				row[0], row[1], row[2], row[3], row[4], row[5] = it.userID, it.outcome, it.detail, it.was, j.m.ID, it.seq
				if !yield(row) {
					return
				}
			}
		})
	return err
}

// readItems reads items in their order, from seq on.
func readItems(ctx context.Context, tx *store.Tx, id, from int64, limit int) ([]massItem, error) {
	rows, err := tx.Query(ctx, "SELECT seq, line, user_id, payload FROM mass_items WHERE action_id = $1 AND seq >= $2 ORDER BY seq LIMIT "+
		strconv.Itoa(limit), id, from)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	items := make([]massItem, 0, limit)
	for rows.Next() {
		var it massItem
		if err := rows.Scan(&it.seq, &it.line, &it.userID, &it.payload); err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, rows.Err()
}

func countsText(c *dialer.MassCounts) (string, error) {
	b, err := json.Marshal(c)
	return string(b), err
}
