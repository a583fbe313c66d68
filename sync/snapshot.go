package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/rosterd/rosterd/crm"
)

// checkpointPages is after how many pages a snapshot notes how far it has
// come: one of 100,000 users needs no such note.
const checkpointPages = 64

// checkpoint is how far an interrupted snapshot came.
type checkpoint struct {
	Cursor crm.Cursor `json:"cursor"`
	Seen   bitmap     `json:"seen"`
}

func (e *Engine) snapshot(ctx context.Context, run *running, crmc *crm.Client) error {
	r, err := e.newReader(ctx, run, crmc)
	if err != nil {
		return err
	}
	at := e.resumed(ctx, run, r, crmc)
	n, err := e.everyone(ctx, run, r, crmc, &at)
	if err != nil {
		return e.leaveOff(context.WithoutCancel(ctx), run, r, crmc, at, err)
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
		stateWatermark, encode(crm.Watermark{Upper: at.Started}),
		stateLastFull, stamp(run.Started), stateLastPoll, stamp(run.Started),
		stateListed, strconv.Itoa(n), statePrefilter, e.prefilter(), stateCustom, customFields(r.fields), stateShown, "")
}

// everyone reads the snapshot: from a cursor on as it was begun, otherwise by
// the way that is best, and by REST where the Bulk API turns out not to do.
func (e *Engine) everyone(ctx context.Context, run *running, r *reader, crmc *crm.Client, at *crm.Cursor) (int, error) {
	wish, way, why := e.config().Snapshot, wayOf(*at), "it went on where it was interrupted"
	n, err := 0, crm.ErrCursor
	if *at != (crm.Cursor{}) {
		n, err = e.pages(ctx, run, r, crmc, at, way, why)
	}
	if errors.Is(err, crm.ErrCursor) { // another field list or prefilter by now
		e.dropJob(ctx, crmc, at.Job)
		if err := e.anew(ctx, run, r, crmc, at); err != nil {
			return 0, err
		}
		way, why = e.way(crmc, wish, at.Total)
		n, err = e.pages(ctx, run, r, crmc, at, way, why)
	}
	if way != SnapshotBulk || wish == SnapshotBulk || !errors.Is(err, crm.ErrBulk) || ctx.Err() != nil {
		return n, err
	}
	e.log.Warn("everyone is read by REST after all", "run", run.number(), "err", err)
	if aerr := e.anew(ctx, run, r, crmc, at); aerr != nil {
		return 0, errors.Join(err, aerr)
	}
	return e.pages(ctx, run, r, crmc, at, SnapshotREST, bulkFailure(err))
}

// bulkFailure says in a few words why the Bulk API did not do.
func bulkFailure(err error) string {
	if b, ok := errors.AsType[*crm.BulkError](err); ok {
		return b.Error()
	}
	return crm.ErrBulk.Error()
}

// anew begins a snapshot: at is its beginning, and nobody was seen yet.
func (e *Engine) anew(ctx context.Context, run *running, r *reader, crmc *crm.Client, at *crm.Cursor) error {
	begin, err := crmc.Begin(ctx, r.fields.Select)
	if err != nil {
		return err
	}
	*at, r.seen = begin, nil
	run.update(func(run *Run) { run.Progress.Done = 0 })
	return nil
}

// wayOf is how the snapshot of a cursor is taken.
func wayOf(at crm.Cursor) Snapshot {
	if at.Job != "" {
		return SnapshotBulk
	}
	return SnapshotREST
}

// bulkFrom is the number of users beyond which the Bulk API is always taken: it
// costs about as many calls for a million users as REST for 50,000. Up to that,
// REST is sooner done, since no job has to be waited for.
const bulkFrom = 50_000

// way decides how n users are read, and says why.
func (e *Engine) way(crmc *crm.Client, wish Snapshot, n int) (Snapshot, string) {
	rest, bulk := crmc.SnapshotCalls(n), crmc.BulkCalls(n)
	// A tenth of what a full sync may spend is much.
	left := e.quota.left(workFull)
	scarce := left < unlimited && rest*10 > left
	switch {
	case wish == SnapshotREST, wish == SnapshotBulk:
		return wish, "the configuration says so"
	case n > bulkFrom:
		return SnapshotBulk, fmt.Sprintf("%d users take about %s in bulk, and %d by REST", n, calls(bulk), rest)
	case scarce && bulk < rest:
		return SnapshotBulk, fmt.Sprintf("calls are short, and %d users take about %d in bulk, and %d by REST", n, bulk, rest)
	}
	return SnapshotREST, fmt.Sprintf("%d users take about %s by REST, at once", n, calls(rest))
}

// snapshotCalls is about how many calls a snapshot of n users takes.
func (e *Engine) snapshotCalls(n int) int {
	crmc := e.crm()
	if way, _ := e.way(crmc, e.config().Snapshot, n); way == SnapshotBulk {
		return crmc.BulkCalls(n)
	}
	return crmc.SnapshotCalls(n)
}

// pages reads the snapshot from a cursor on, which it moves with each page that
// is stored. It returns how many users the whole snapshot has.
func (e *Engine) pages(ctx context.Context, run *running, r *reader, crmc *crm.Client, at *crm.Cursor, way Snapshot, why string) (int, error) {
	run.update(func(run *Run) { run.Snapshot, run.SnapshotWhy = way, why })
	var seq iter.Seq2[crm.Page, error]
	if way == SnapshotBulk {
		seq = crmc.BulkSnapshotFrom(ctx, r.fields.Select, *at)
	} else {
		seq = crmc.SnapshotFrom(ctx, r.fields.Select, *at)
	}
	n, pages, complete := at.Seen, 0, false
	for page, err := range seq {
		if err != nil {
			return n, err
		}
		run.alive()
		if err := run.wait(ctx); err != nil {
			return n, err
		}
		if len(page.Users) > 0 {
			if err := r.page(ctx, page.Users, true, nil); err != nil {
				return n, err
			}
			pages++
		}
		n += len(page.Users)
		*at, complete = page.Cursor, page.Last
		run.update(func(run *Run) { run.Progress.Total = max(page.Cursor.Total, run.Progress.Done) })
		// A page without users tells of a job, which is not to be begun twice.
		if (len(page.Users) == 0 || pages%checkpointPages == 0) && !run.DryRun {
			if err := e.remember(ctx, stateSnapshot, encode(checkpoint{page.Cursor, r.seen})); err != nil {
				return n, err
			}
		}
	}
	if !complete {
		return n, &crm.IncompleteError{Seen: n, Before: at.Total, After: -1, Reason: "it ended early"}
	}
	return n, nil
}

// leaveOff notes how far a snapshot came that ended with an error, so that the
// next one goes on there and spends no call twice. One that turned out to be
// incomplete, or whose job failed, begins anew.
func (e *Engine) leaveOff(ctx context.Context, run *running, r *reader, crmc *crm.Client, at crm.Cursor, err error) error {
	gone, incomplete := errors.AsType[*crm.IncompleteError](err)
	if run.DryRun {
		e.dropJob(ctx, crmc, at.Job)
		return err
	}
	left := ""
	if !incomplete && !errors.Is(err, crm.ErrBulk) && (at.After != "" || at.Job != "") {
		left = encode(checkpoint{at, r.seen})
	}
	if rerr := e.remember(ctx, stateSnapshot, left); rerr != nil {
		return errors.Join(err, rerr)
	}
	if incomplete && gone.Seen == 0 {
		return e.shrunk(ctx, run, 0, e.lastListed())
	}
	return err
}

// resumed returns where an interrupted snapshot goes on. A job that nothing
// goes on with is dropped.
func (e *Engine) resumed(ctx context.Context, run *running, r *reader, crmc *crm.Client) crm.Cursor {
	var c checkpoint
	if run.DryRun || json.Unmarshal([]byte(e.get(stateSnapshot)), &c) != nil || c.Cursor.After == "" && c.Cursor.Job == "" {
		return crm.Cursor{}
	}
	wish := e.config().Snapshot
	wrong := wish == SnapshotREST && c.Cursor.Job != "" || wish == SnapshotBulk && c.Cursor.Job == ""
	if age := e.now().Sub(c.Cursor.Started); wrong || age.Abs() > maxResume {
		e.dropJob(ctx, crmc, c.Cursor.Job)
		return crm.Cursor{}
	}
	r.seen = c.Seen
	run.repeat() // what was read before the interruption may have changed since
	run.update(func(run *Run) { run.Progress.Done = c.Cursor.Seen })
	return c.Cursor
}

// dropTime is how long a run stays for the sake of a job that nobody needs.
const dropTime = 30 * time.Second

// dropJob drops a job at Salesforce, if there is one. Where that fails,
// Salesforce forgets it after 7 days.
func (e *Engine) dropJob(ctx context.Context, crmc *crm.Client, job string) {
	if job == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTime)
	defer cancel()
	if err := crmc.DropBulk(ctx, job); err != nil {
		e.log.Debug("bulk job not dropped", "err", err)
	}
}

// alive notes that a run comes on, though there is nothing to show for it: a job
// at Salesforce is at work.
func (r *running) alive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moved = time.Now()
}
