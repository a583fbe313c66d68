package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/store"
)

// full takes a complete snapshot, then reconciles everyone unsettled.
func (e *Engine) full(ctx context.Context, run *running, crmc *crm.Client) error {
	run.stage(stageReplicate, e.lastListed())
	err := e.snapshot(ctx, run, crmc)
	if err != nil && (run.Mirrored == 0 || ctx.Err() != nil) {
		return err
	}
	// What was read is true even when not everything could be read.
	run.partial = err != nil
	n, _, cerr := e.mirror.Count(ctx)
	if cerr != nil {
		return errors.Join(err, cerr)
	}
	run.stage(stageReconcile, n)
	return errors.Join(err, e.reconcile(ctx, run, nil))
}

// customFields lists the custom fields that were asked for, whether they can be
// read or not: what cannot be read is remembered by itself.
func customFields(f crm.Fields) string {
	var custom []string
	for _, name := range slices.Concat(f.Select, f.Missing) {
		if strings.HasSuffix(name, "__c") {
			custom = append(custom, name)
		}
	}
	return encodeList(custom)
}

func (e *Engine) prefilter() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sf.Prefilter
}

// checkShrink distrusts a snapshot that is complete by its own word but shows
// far fewer users than the last good one: most likely a permission was lost or
// a filter is wrong, and nobody's absence may be concluded from it.
func (e *Engine) checkShrink(ctx context.Context, run *running, n int) error {
	was := e.lastListed()
	if e.get(statePrefilter) != e.prefilter() {
		was = 0
	}
	if n >= was || n*10 >= was*9 || was-n <= 10 {
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
		if err := e.attend(ctx, run, AttentionShrink, "", detail); err != nil {
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
	count := r.seen.count()
	if r.run.DryRun {
		count = -1 // what pages carried is not noted as listed
	}
	ids, err := e.mirror.Unlisted(ctx, r.seen.has, count)
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
	run.stage(stageReplicate, 0)
	if run.Trigger == triggerPoll {
		if done, err := e.look(ctx, run, crmc); done || err != nil {
			return err
		}
	}
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
	run.wrote = slices.Sorted(slices.Values(r.wrote))
	if !run.DryRun {
		if err := e.remember(ctx, stateLastPoll, stamp(e.now())); err != nil {
			return err
		}
	}
	return e.reconcileDirty(ctx, run, r.wrote)
}

// users reads some users by id and reconciles them.
func (e *Engine) users(ctx context.Context, run *running, crmc *crm.Client) error {
	run.stage(stageReplicate, len(run.Users))
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
	run.wrote = slices.Sorted(slices.Values(r.wrote))
	ids := slices.Concat(r.wrote, run.Users)
	run.stage(stageReconcile, len(ids))
	return e.reconcileNamed(ctx, run, ids)
}

// reconcileNamed reconciles some users, who may be noted as changed.
func (e *Engine) reconcileNamed(ctx context.Context, run *running, ids []string) error {
	var noted []store.PendingRow
	for part := range slices.Chunk(ids, chunk*4) {
		if run.DryRun {
			break
		}
		rows, err := e.journal.PendingOf(ctx, part)
		if err != nil {
			return err
		}
		noted = append(noted, slices.DeleteFunc(rows, func(p store.PendingRow) bool { return p.Kind != store.PendingDirty })...)
	}
	return e.reconcileNoted(ctx, run, noted, ids)
}

// reconcileDirty reconciles everyone who was noted as changed, now or before,
// in Salesforce or in the dialer.
func (e *Engine) reconcileDirty(ctx context.Context, run *running, wrote []string) error {
	ids := wrote
	var noted []store.PendingRow
	if !run.DryRun {
		var err error
		if noted, err = e.journal.Pending(ctx, store.PendingDirty, 0); err != nil {
			return err
		}
		ids = ids[:0]
		for _, p := range noted {
			ids = append(ids, p.SalesforceID)
		}
	}
	edited, err := e.mirror.Edited(ctx)
	if err != nil {
		return err
	}
	ids = append(ids, edited...)
	run.stage(stageReconcile, len(ids))
	return e.reconcileNoted(ctx, run, noted, ids)
}

// reconcileNoted reconciles some users, and then forgets the notes that they
// were changed. What is noted meanwhile by another run stays: this one may have
// looked before.
func (e *Engine) reconcileNoted(ctx context.Context, run *running, noted []store.PendingRow, ids []string) error {
	if err := e.reconcile(ctx, run, ids); err != nil {
		return err
	}
	return e.journal.DropRead(ctx, noted)
}
