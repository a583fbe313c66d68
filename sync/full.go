package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/store"
)

// checkpointPages is after how many pages a snapshot notes how far it has
// come: one of 100,000 users needs no such note.
const checkpointPages = 64

// checkpoint is how far an interrupted snapshot came.
type checkpoint struct {
	Cursor crm.Cursor `json:"cursor"`
	Seen   bitmap     `json:"seen"`
}

// full takes a complete snapshot, then reconciles everyone unsettled.
func (e *Engine) full(ctx context.Context, run *running, crmc *crm.Client) error {
	run.stage("replicate", e.lastListed())
	err := e.snapshot(ctx, run, crmc)
	if err != nil && (run.Mirrored == 0 || context.Cause(ctx) != nil) {
		return err
	}
	// What was read is true even when not everything could be read.
	n, _, cerr := e.mirror.Count(ctx)
	if cerr != nil {
		return errors.Join(err, cerr)
	}
	run.stage("reconcile", n)
	return errors.Join(err, e.reconcile(ctx, run, nil, run.force))
}

func (e *Engine) snapshot(ctx context.Context, run *running, crmc *crm.Client) error {
	r, err := e.newReader(ctx, run, crmc)
	if err != nil {
		return err
	}
	from := e.resumed(run, r)
	n, pages := from.Seen, 0
	var last crm.Cursor
	complete := false
	for page, err := range crmc.SnapshotFrom(ctx, r.fields.Select, from) {
		if errors.Is(err, crm.ErrCursor) {
			err = errors.Join(err, e.remember(ctx, stateSnapshot, ""))
		}
		if err != nil {
			return err
		}
		if err := run.wait(ctx); err != nil {
			return err
		}
		if err := r.page(ctx, page.Users, true, nil); err != nil {
			return err
		}
		n += len(page.Users)
		last, complete = page.Cursor, page.Last
		run.update(func(run *Run) { run.Progress.Total = max(page.Cursor.Total, run.Progress.Done) })
		if pages++; pages%checkpointPages == 0 && !run.DryRun {
			if err := e.remember(ctx, stateSnapshot, encode(checkpoint{page.Cursor, r.seen})); err != nil {
				return err
			}
		}
	}
	if !complete {
		return &crm.IncompleteError{}
	}
	if err := e.checkShrink(ctx, run, n); err != nil {
		return err
	}
	if err := e.unlisted(ctx, r, crmc); err != nil {
		return err
	}
	if err := r.flips(ctx); err != nil {
		return err
	}
	if run.DryRun {
		return nil
	}
	return e.remember(ctx,
		stateSnapshot, "",
		stateWatermark, encode(crm.Watermark{Upper: last.Started}),
		stateLastFull, stamp(run.Started), stateLastPoll, stamp(run.Started),
		stateListed, strconv.Itoa(n), statePrefilter, e.sf.Prefilter)
}

// resumed returns where an interrupted snapshot goes on.
func (e *Engine) resumed(run *running, r *reader) crm.Cursor {
	var c checkpoint
	if run.DryRun || json.Unmarshal([]byte(e.get(stateSnapshot)), &c) != nil || c.Cursor.After == "" {
		return crm.Cursor{}
	}
	if e.now().Sub(c.Cursor.Started) > maxResume {
		return crm.Cursor{}
	}
	r.seen = c.Seen
	run.update(func(run *Run) { run.Progress.Done = c.Cursor.Seen })
	return c.Cursor
}

// checkShrink distrusts a snapshot that is complete by its own word but shows
// far fewer users than the last good one: most likely a permission was lost or
// a filter is wrong, and nobody's absence may be concluded from it.
func (e *Engine) checkShrink(ctx context.Context, run *running, n int) error {
	was := e.lastListed()
	if e.get(statePrefilter) != e.sf.Prefilter {
		was = 0
	}
	if n >= was || (n > 0 && (n*10 >= was*9 || was-n <= 10)) {
		if n == 0 && was == 0 {
			return e.shrunk(ctx, run, n, was)
		}
		if run.DryRun {
			return nil
		}
		return e.unattend(ctx, AttentionShrink, "")
	}
	return e.shrunk(ctx, run, n, was)
}

func (e *Engine) shrunk(ctx context.Context, run *running, n, was int) error {
	if !run.DryRun {
		detail := fmt.Sprintf("the snapshot shows %d users and the last good one showed %d: check View All Users and the prefilter; resolve this item to accept the smaller number", n, was)
		if err := e.attend(ctx, AttentionShrink, "", detail); err != nil {
			return err
		}
	}
	return &hinted{
		fmt.Errorf("the snapshot shows %d users and the last good one showed %d: nothing was concluded from it", n, was),
		"check that the integration user has View All Users and that the prefilter is right; if the number is right, resolve the source_shrink item with 'rosterctl attention resolve'",
	}
}

// unlisted reads back by id those whom the snapshot should have carried and
// did not: they left the prefilter, or their visibility was lost.
func (e *Engine) unlisted(ctx context.Context, r *reader, crmc *crm.Client) error {
	ids, err := e.mirror.Unlisted(ctx, r.seen.has)
	if err != nil {
		return err
	}
	unknown, err := e.mirror.Unknown(ctx)
	if err != nil {
		return err
	}
	ids = append(ids, unknown...)
	if len(ids) == 0 {
		return nil
	}
	if err := r.byID(ctx, crmc, ids); err != nil {
		return err
	}
	if r.run.DryRun {
		return nil
	}
	return e.mirror.Unlist(ctx, ids)
}

// changes reads what changed since the watermark, and who was frozen, and
// reconciles those.
func (e *Engine) changes(ctx context.Context, run *running, crmc *crm.Client) error {
	run.stage("replicate", 0)
	r, err := e.newReader(ctx, run, crmc)
	if err != nil {
		return err
	}
	r.dirty = true
	mark := e.remembered().watermark()
	for page, err := range crmc.ChangePages(ctx, r.fields.Select, mark) {
		if err != nil {
			return err
		}
		if err := run.wait(ctx); err != nil {
			return err
		}
		more := map[string]string{stateWatermark: encode(page.Mark)}
		if run.DryRun {
			more = nil
		}
		if err := r.page(ctx, page.Users, false, more); err != nil {
			return err
		}
	}
	if err := r.flips(ctx); err != nil {
		return err
	}
	if !run.DryRun {
		if err := e.remember(ctx, stateLastPoll, stamp(e.now())); err != nil {
			return err
		}
	}
	return e.reconcileDirty(ctx, run, r.wrote)
}

// users reads some users by id and reconciles them.
func (e *Engine) users(ctx context.Context, run *running, crmc *crm.Client) error {
	run.stage("replicate", len(run.Users))
	r, err := e.newReader(ctx, run, crmc)
	if err != nil {
		return err
	}
	r.dirty = true
	if err := r.byID(ctx, crmc, run.Users); err != nil {
		return err
	}
	if r.frozen != nil {
		if err := r.flips(ctx); err != nil {
			return err
		}
	}
	ids := append(r.wrote, run.Users...)
	run.stage("reconcile", len(ids))
	return e.reconcileIDs(ctx, run, ids)
}

// reconcileDirty reconciles everyone who was noted as changed, now or before.
func (e *Engine) reconcileDirty(ctx context.Context, run *running, wrote []string) error {
	ids := wrote
	if !run.DryRun {
		rows, err := e.journal.Pending(ctx, store.PendingDirty, 0, 0)
		if err != nil {
			return err
		}
		ids = ids[:0]
		for _, p := range rows {
			ids = append(ids, p.SalesforceID)
		}
	}
	run.stage("reconcile", len(ids))
	return e.reconcileIDs(ctx, run, ids)
}

// reconcileIDs reconciles some users, and then forgets that they were dirty.
func (e *Engine) reconcileIDs(ctx context.Context, run *running, ids []string) error {
	if ids == nil {
		ids = []string{}
	}
	if err := e.reconcile(ctx, run, ids, run.force); err != nil || run.DryRun {
		return err
	}
	return e.journal.DropPending(ctx, store.PendingDirty, ids)
}
