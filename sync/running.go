package sync

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rosterd/rosterd/store"
)

// running is a run while it runs. What others than the goroutine of the run
// may write, of the embedded Run its number and whether it is paused, is read
// by view, number and forced; the rest that goroutine may read freely.
type running struct {
	entering sync.Mutex // held while the run gets its number or its end

	mu sync.Mutex // guards Run and what follows
	Run
	cancel  context.CancelCauseFunc
	changed chan struct{} // closed and replaced at each change
	resume  chan struct{} // not nil while paused; closed to go on
	force   bool          // a person asked: try again at once what failed
	again   bool          // someone joined: read once more what changed
	moved   time.Time     // when it last came on; a call is not enough
	closed  bool          // nobody can join any more
	first   bool          // nothing was read before from which it could go on
	stopped error         // why it shall end
	due     time.Time     // the scheduled time that it serves

	ended       chan struct{}
	empty       bool     // a dry run against an empty directory
	overlay     *overlay // in a dry run, what Salesforce said
	seats       []string // what who is added gets; nil for the default types
	hidden      []string // in a dry run, what cannot be read
	wrote       []string // whose mirror rows changed, in a run that reads changes or some users
	partial     bool     // not everyone could be read
	frozen      Frozen   // what frozen meant when the run read who is, or did not
	skips       map[string]int
	bookkeeping error
	local       bool      // reads nothing from Salesforce, and looks at everyone unsettled
	tend        bool      // of those: at who waits for their time or turn
	sure        bool      // only makes sure: whoever may be leaving is read by others
	named       []string  // whom change events named; nil for any other run
	goesOn      time.Time // when it began, where its row in the journal began before
}

// plannedMost is how many changes a dry run lists.
const plannedMost = 500

func newRunning(r Run) *running {
	return &running{
		Run: r, moved: time.Now(), cancel: func(error) {}, changed: make(chan struct{}), ended: make(chan struct{}), skips: map[string]int{},
	}
}

func (r *running) number() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ID
}

func (r *running) forced() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.force
}

// join has the run serve another request too, unless it is about to end or
// does something else. What it has read so far may be older than what the
// joiner knows, so what changed is read once more before it ends. A dry run can
// be joined until it begins.
func (r *running) join(want Run) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed || r.local || r.Outcome != Running || r.DryRun != want.DryRun:
		return false
	case r.Kind == KindUser && !slices.Equal(r.Users, want.Users):
		return false
	case r.Kind != want.Kind && (r.Kind != KindFull || want.Kind != KindChanges || r.DryRun):
		return false
	case r.DryRun && r.Stage != stageQueued:
		return false
	}
	r.again = r.again || r.Stage != stageQueued
	r.force = r.force || want.Trigger == triggerRequest
	r.Override = r.Override || want.Override
	return true
}

// serve notes that the run does what is scheduled for a time.
func (r *running) serve(due time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if due.After(r.due) {
		r.due = due
	}
}

// begin gives the run what ends it, which may have happened already.
func (r *running) begin(cancel context.CancelCauseFunc) {
	r.mu.Lock()
	r.cancel = cancel
	stopped := r.stopped
	r.mu.Unlock()
	if stopped != nil {
		cancel(stopped)
	}
}

// stop ends the run at its next step, or before its first.
func (r *running) stop(cause error) {
	r.mu.Lock()
	r.stopped = cause
	cancel := r.cancel
	r.mu.Unlock()
	cancel(cause)
}

// close keeps others from joining.
func (r *running) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// unread notes whether nothing was read before from which the run could go on.
func (r *running) unread(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.first = yes && r.Kind == KindFull
}

// repeat makes the run read what changed once more before it ends.
func (r *running) repeat() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.again = true
}

// more reports whether someone joined since the last time. If not, the run is
// closed to joiners.
func (r *running) more() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	again := r.again
	r.again, r.closed = false, !again
	return again
}

// update changes the run and wakes those who watch it.
func (r *running) update(fn func(*Run)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.step()
	fn(&r.Run)
	if r.step() != was {
		r.moved = time.Now()
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// step is how far a run has come.
type step struct {
	stage  string
	paused bool
	Progress
	Counts
}

func (r *Run) step() step {
	s := step{r.Stage, r.Paused, r.Progress, r.Counts}
	s.SalesforceCalls = 0
	return s
}

// stuck returns since when the run has not come on, if that is long ago.
func (r *running) stuck() (since time.Time, yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moved, r.Outcome == Running && !r.Paused && r.Stage != stageQueued && time.Since(r.moved) > stuckAfter
}

// stuckAfter is how long a run may take for a step before status wonders.
const stuckAfter = 2 * time.Minute

func (r *running) count(fn func(*Counts)) { r.update(func(run *Run) { fn(&run.Counts) }) }

// skip counts a user who is left alone on purpose.
func (r *running) skip(reason string) {
	r.skips[reason]++
	r.count(func(c *Counts) { c.Skipped++ })
}

func (r *running) progress(n int) {
	r.update(func(run *Run) {
		run.Progress.Done += n
		run.Progress.Total = max(run.Progress.Total, run.Progress.Done)
	})
}

func (r *running) stage(name string, total int) {
	r.update(func(run *Run) { run.Stage, run.Progress = name, Progress{Total: total} })
}

// planned notes what a dry run would do.
func (r *running) planned(p PlannedItem) {
	if !r.DryRun {
		return
	}
	r.update(func(run *Run) {
		if len(run.Changes) < plannedMost {
			run.Changes = append(run.Changes, p)
		}
	})
}

// view returns the run as it is now, and a channel that closes when it changes.
func (r *running) view() (Run, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.Run
	v.Changes, v.Users, v.SkippedBy = slices.Clone(v.Changes), slices.Clone(v.Users), maps.Clone(v.SkippedBy)
	if v.Outcome == Running {
		v.TookMS = time.Since(v.Started).Milliseconds()
	}
	return v, r.changed
}

// wait returns at once, or when a paused run is resumed, or with the reason
// why the run must stop.
func (r *running) wait(ctx context.Context) error {
	for {
		r.mu.Lock()
		resume := r.resume
		r.mu.Unlock()
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if resume == nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-resume:
		}
	}
}

// pause makes the run wait at its next step, or go on.
func (r *running) pause(on bool) {
	r.update(func(run *Run) {
		switch {
		case on && r.resume == nil:
			r.resume = make(chan struct{})
		case !on && r.resume != nil:
			close(r.resume)
			r.resume = nil
		}
		run.Paused = on
	})
}

// rowOfRun is a run as the journal keeps it.
func rowOfRun(v Run) store.RunRow {
	doc, err := json.Marshal(v)
	if err != nil {
		doc = []byte("{}")
	}
	return store.RunRow{
		ID: v.ID, Kind: string(v.Kind), Outcome: string(v.Outcome),
		Started: store.Micros(v.Started), Finished: store.Micros(v.Finished), Doc: doc,
	}
}

func runOf(r store.RunRow) Run {
	var run Run
	_ = json.Unmarshal(r.Doc, &run) // what a newer version wrote is shown as far as it is understood
	run.ID, run.Kind, run.Outcome = r.ID, Kind(r.Kind), RunOutcome(r.Outcome)
	return run
}

// overlay holds, in a dry run, the rows that a real run would have written to
// the mirror.
type overlay struct{ rows map[string]store.MirrorRow }

// merge yields the overlay's rows beside, and in place of, the stored ones.
func (o *overlay) merge(stored iter.Seq2[store.MirrorRow, error]) iter.Seq2[store.MirrorRow, error] {
	return func(yield func(store.MirrorRow, error) bool) {
		ids := make([]string, 0, len(o.rows))
		for id := range o.rows {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for r, err := range stored {
			if err != nil {
				yield(r, err)
				return
			}
			for len(ids) > 0 && ids[0] < r.ID {
				if !yield(o.rows[ids[0]], nil) {
					return
				}
				ids = ids[1:]
			}
			if len(ids) > 0 && ids[0] == r.ID {
				r, ids = o.rows[r.ID], ids[1:]
			}
			if !yield(r, nil) {
				return
			}
		}
		for _, id := range ids {
			if !yield(o.rows[id], nil) {
				return
			}
		}
	}
}

// replace puts the overlay's rows with these ids in place of the stored ones.
func (o *overlay) replace(stored []store.MirrorRow, ids []string) []store.MirrorRow {
	stored = slices.DeleteFunc(stored, func(r store.MirrorRow) bool { _, ok := o.rows[r.ID]; return ok })
	for _, id := range ids {
		if r, ok := o.rows[id]; ok {
			stored = append(stored, r)
		}
	}
	slices.SortFunc(stored, func(a, b store.MirrorRow) int { return strings.Compare(a.ID, b.ID) })
	return stored
}
