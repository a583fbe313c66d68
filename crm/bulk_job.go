package crm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

// The states of a query job that end it.
const (
	jobComplete = "JobComplete"
	jobFailed   = "Failed"
	jobAborted  = "Aborted"
)

var (
	jobForm  = regexp.MustCompile(`^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$`)
	jobState = regexp.MustCompile(`^[A-Za-z]{1,40}$`)
	// jobReason is the part of an errorMessage before its text, which may quote values.
	jobReason = regexp.MustCompile(`^([A-Za-z_ ]{1,60}?)\s*:`)
)

// job is what is read of a query job.
type job struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	Processed int    `json:"numberRecordsProcessed"`
	Error     string `json:"errorMessage"`
}

func (c *Client) version() float64 {
	v, err := strconv.ParseFloat(c.cfg.APIVersion, 64)
	if err != nil {
		return 0
	}
	return v
}

func (c *Client) jobPath(id string) string { return c.data("/jobs/query/" + id) }

// job makes a call whose answer is a query job.
func (c *Client) job(ctx context.Context, r request) (job, error) {
	var j job
	_, err := c.call(ctx, r, func(resp *http.Response) error {
		j = job{}
		if err := json.UnmarshalRead(resp.Body, &j); err != nil {
			return err
		}
		if !jobForm.MatchString(j.ID) || !jobState.MatchString(j.State) || j.Processed < 0 {
			return shape("not a query job")
		}
		return nil
	})
	return j, err
}

// createJob begins a query job. Where the answer is lost the call is made again, and
// a job may stay behind that nobody reads; Salesforce forgets it after 7 days.
func (c *Client) createJob(ctx context.Context, sel *selection) (string, error) {
	soql := "SELECT " + sel.list + " FROM User"
	if where := c.prefilter(); where != "" {
		soql += " WHERE " + where
	}
	body, err := json.Marshal(map[string]string{
		"operation": "query", "query": soql, "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF",
	})
	if err != nil {
		return "", fmt.Errorf("encode query job: %w", err)
	}
	j, err := c.job(ctx, request{op: opBulkCreate, path: c.data("/jobs/query"), body: body})
	if err != nil {
		return "", bulkRefusal("", "no job can be created", err)
	}
	return j.ID, nil
}

// bulkRefusal tells what is wrong with the Bulk API from what is wrong with
// everything: a spent quota, a network that is down, a field that is gone.
func bulkRefusal(id, reason string, err error) error {
	if e, ok := errors.AsType[*APIError](err); ok {
		if errors.Is(e, ErrQuota) || errors.Is(e, ErrField) || e.Status == http.StatusUnauthorized || e.Status == http.StatusGone {
			return err
		}
		return &BulkError{Job: id, Reason: reason, Err: err}
	}
	if _, ok := errors.AsType[*AnswerError](err); ok {
		return &BulkError{Job: id, Reason: reason, Err: err}
	}
	return err
}

// awaitJob waits until a job is complete, and notes how many records it has.
func (c *Client) awaitJob(ctx context.Context, cur *Cursor, resumed bool, yield func(Page, error) bool) (more bool, err error) {
	var last job
	moved := time.Now()
	wait := c.opts.BulkPoll
	for first := true; ; first = false {
		if !first || !resumed { // one that was resumed has had its time
			if err := sleep(ctx, wait); err != nil {
				return false, err
			}
			wait = min(wait*2, max(bulkPollMost, c.opts.BulkPoll))
		}
		j, err := c.job(ctx, request{op: opBulkPoll, path: c.jobPath(cur.Job)})
		if err != nil {
			if resumed && refused(err) {
				return false, ErrCursor
			}
			return false, bulkRefusal(cur.Job, "the job cannot be asked for", err)
		}
		switch j.State {
		case jobComplete:
			cur.Records = j.Processed
			return true, nil
		case jobFailed:
			return false, &BulkError{Job: cur.Job, Reason: "the job failed" + failure(j.Error)}
		case jobAborted:
			return false, &BulkError{Job: cur.Job, Reason: "somebody aborted the job"}
		}
		if j.State != last.State || j.Processed != last.Processed {
			last, moved = j, time.Now()
		}
		if time.Since(moved) >= c.opts.BulkWait {
			return false, &BulkError{Job: cur.Job, Reason: "the job made no progress for " + c.opts.BulkWait.String()}
		}
		if !yield(Page{Cursor: *cur}, nil) {
			return false, nil
		}
	}
}

// failure is what may be told of an errorMessage.
func failure(message string) string {
	if m := jobReason.FindStringSubmatch(message); m != nil {
		return " (" + m[1] + ")"
	}
	return ""
}

// refused reports whether Salesforce has said no to this very request, and will again.
func refused(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	return ok && !e.Retryable() && e.Status >= 400 && e.Status < 500 && e.Status != http.StatusUnauthorized
}

// DropBulk ends a query job and has Salesforce forget its results. One that is not
// there any more is fine. It costs one call, and two more where the job is at work.
func (c *Client) DropBulk(ctx context.Context, id string) error {
	if !jobForm.MatchString(id) {
		return fmt.Errorf("drop bulk job: %w", ErrCursor)
	}
	nothing := func(*http.Response) error { return nil }
	drop := request{op: opBulkDrop, path: c.jobPath(id), method: http.MethodDelete}
	_, err := c.call(ctx, drop, nothing)
	if e, ok := errors.AsType[*APIError](err); ok && e.Status == http.StatusBadRequest {
		// It is at work still. Where it completes just now, deleting works at once.
		abort := request{op: opBulkDrop, path: c.jobPath(id), method: http.MethodPatch, body: []byte(`{"state":"Aborted"}`)}
		if _, err := c.call(ctx, abort, nothing); err != nil && !refused(err) {
			return fmt.Errorf("abort bulk job: %w", err)
		}
		_, err = c.call(ctx, drop, nothing)
	}
	if e, ok := errors.AsType[*APIError](err); ok && e.Status == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("drop bulk job: %w", err)
	}
	return nil
}

// dropTime bounds the tidying up after a snapshot.
const dropTime = 30 * time.Second

// dropQuietly is DropBulk where nothing depends on it.
func (c *Client) dropQuietly(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTime)
	defer cancel()
	if err := c.DropBulk(ctx, id); err != nil {
		c.opts.Log.DebugContext(ctx, "bulk job not dropped", "err", err)
	}
}
