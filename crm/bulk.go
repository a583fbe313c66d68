package crm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

const (
	bulkPage     = 50_000
	bulkPollMost = time.Minute
	bulkSince    = 47.0 // the API version that brought query jobs
	// bulkPolls is how often a job of a million users is asked for, about: the waits
	// double, so it is eight times in 51 seconds.
	bulkPolls = 8
)

// BulkError says why a snapshot cannot be taken in bulk, where REST may well do.
type BulkError struct {
	Job    string // empty where none was created
	Reason string
	Err    error // what Salesforce answered, if it refused
}

func (e *BulkError) Error() string {
	text := ErrBulk.Error() + ": " + e.Reason
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *BulkError) Unwrap() error { return e.Err }

// Is makes errors.Is(err, ErrBulk) work.
func (*BulkError) Is(target error) bool { return target == ErrBulk }

// Hint says what an operator can do.
func (e *BulkError) Hint() string {
	if api, ok := errors.AsType[*APIError](e.Err); ok && api.Hint() != "" {
		return api.Hint()
	}
	return "it is tried again with the next snapshot; set snapshot: rest to do without the Bulk API"
}

// Retryable is true: the next job may well go through.
func (*BulkError) Retryable() bool { return true }

// BulkSnapshot is Snapshot by the Bulk API: the same users, with the same contract,
// for far fewer calls where there are many. Its job is gone from Salesforce when it
// ends, however it ends.
func (c *Client) BulkSnapshot(ctx context.Context, fields []string) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		job, done := "", false
		defer func() {
			if job != "" && !done {
				_ = c.DropBulk(context.WithoutCancel(ctx), job) // Salesforce forgets it after 7 days
			}
		}()
		for page, err := range c.BulkSnapshotFrom(ctx, fields, Cursor{}) {
			if err != nil {
				yield(User{}, err)
				return
			}
			job, done = page.Cursor.Job, page.Last
			for i := range page.Users {
				if !yield(page.Users[i], nil) {
					done = false
					return
				}
			}
		}
	}
}

// BulkSnapshotFrom is SnapshotFrom by the Bulk API: a query job is created, waited
// for, and its results are read, a stream of pages of Options.PageSize users whatever
// their number. From is a Cursor that it gave, or Begin's, or the zero one.
//
// The first Page has no users: it comes as soon as the job is there, so that its
// Cursor can be stored before anything is waited for. More such pages come while the
// job is at work. A job whose caller stops in the middle is kept, to go on with; once
// everything was read it is deleted. A caller that gives up a Cursor drops its job
// with DropBulk.
//
// Proof of completeness: every page of results has as many rows as its header says,
// all of them as many as the job says it processed, and those are no fewer than
// COUNT() gave before, as with SnapshotFrom. Where the Bulk API itself is what fails,
// the error is ErrBulk. ErrCursor also means that the results are no longer there.
func (c *Client) BulkSnapshotFrom(ctx context.Context, fields []string, from Cursor) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		if err := c.bulkSnapshot(ctx, fields, from, yield); err != nil {
			c.learn(err)
			yield(Page{}, fmt.Errorf("read all users in bulk: %w", err))
		}
	}
}

// BulkCalls is about how many API calls a snapshot of n users takes in bulk.
func (c *Client) BulkCalls(n int) int {
	const count, create, drop = 1, 1, 1
	return count + create + bulkPolls + max(1, (n+c.opts.BulkPageSize-1)/c.opts.BulkPageSize) + drop
}

func (c *Client) bulkSnapshot(ctx context.Context, fields []string, from Cursor, yield func(Page, error) bool) error {
	sel, err := newSelection(fields, c.cfg.CustomFields)
	if err != nil {
		return err
	}
	if from.Job == "" && from.Seen > 0 || from.Job != "" && !jobForm.MatchString(from.Job) {
		return ErrCursor
	}
	if c.version() < bulkSince {
		return &BulkError{Reason: "api_version " + c.cfg.APIVersion + " is too old for it"}
	}
	types, err := c.customTypes(ctx)
	if err != nil {
		return err
	}
	cur, err := c.begin(ctx, sel, from)
	if err != nil {
		return err
	}
	if cur.Job == "" {
		if cur.Job, err = c.createJob(ctx, sel); err != nil {
			return err
		}
		if !yield(Page{Cursor: cur}, nil) {
			return nil
		}
	}
	err = c.bulkRead(ctx, newCSVDecoder(sel, types), cur, from.Job != "", yield)
	if errors.Is(err, ErrBulk) || errors.Is(err, ErrIncomplete) {
		c.dropQuietly(ctx, cur.Job)
	}
	return err
}

// bulkRead waits for a job and reads its results. Of one that was resumed, a refusal
// means that it is no longer there to go on with.
func (c *Client) bulkRead(ctx context.Context, dec *csvDecoder, cur Cursor, resumed bool, yield func(Page, error) bool) error {
	if cur.Records == 0 {
		more, err := c.awaitJob(ctx, &cur, resumed, yield)
		if err != nil || !more {
			return err
		}
	}
	if cur.Seen > 0 && cur.Seen == cur.Records { // it was stopped at its very end
		return c.bulkEnd(ctx, bulkBatch{cur: cur}, yield)
	}
	ctx, cancel := context.WithCancel(ctx)
	ahead := newBulkAhead(c, dec, cur, resumed)
	defer ahead.wg.Wait()
	defer cancel()
	ahead.start(ctx)
	for {
		p, err := ahead.take(ctx)
		if err != nil {
			return err
		}
		if p.last {
			return c.bulkEnd(ctx, p, yield)
		}
		if !yield(Page{Users: p.users, Cursor: p.cur}, nil) {
			return nil
		}
		ahead.give(p.users)
	}
}

// bulkEnd hands over the last users, with the proof that they are all.
func (c *Client) bulkEnd(ctx context.Context, p bulkBatch, yield func(Page, error) bool) error {
	if p.cur.Seen != p.cur.Records {
		return &BulkError{Job: p.cur.Job, Reason: fmt.Sprintf("the job processed %d records and its results have %d", p.cur.Records, p.cur.Seen)}
	}
	unproven := c.prove(ctx, p.cur)
	if !yield(Page{Users: p.users, Cursor: p.cur, Last: unproven == nil}, nil) {
		return nil
	}
	if unproven == nil { // stored by now, so that nobody comes back for it
		c.dropQuietly(ctx, p.cur.Job)
	}
	return unproven
}
