package simorg

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The states of a query job.
const (
	bulkStateUploaded = "UploadComplete"
	bulkStateRunning  = "InProgress"
	bulkStateComplete = "JobComplete"
	bulkStateFailed   = "Failed"
	bulkStateAborted  = "Aborted"
)

// bulkJob is one query job, with the rows as they were when it was created.
type bulkJob struct {
	id, operation, user, version string
	delimiter, ending            string
	sep                          byte
	eol                          string
	created                      time.Time
	delay                        time.Duration
	aborted                      time.Time // zero unless a client aborted it
	end                          string    // the state that it comes to; empty for never
	message                      string    // of a failed job
	page                         int

	q    *query
	v    *view
	cols []bulkColumn
	rows []int32
}

// bulkBasic is a job as a create, an abort and a list show it.
type bulkBasic struct {
	ID              string          `json:"id"`
	Operation       string          `json:"operation"`
	Object          string          `json:"object"`
	CreatedByID     string          `json:"createdById"`
	CreatedDate     string          `json:"createdDate"`
	SystemModstamp  string          `json:"systemModstamp"`
	State           string          `json:"state"`
	ConcurrencyMode string          `json:"concurrencyMode"`
	ContentType     string          `json:"contentType"`
	APIVersion      json.RawMessage `json:"apiVersion"` // a number such as 66.0
	LineEnding      string          `json:"lineEnding"`
	ColumnDelimiter string          `json:"columnDelimiter"`
}

// bulkFull is what a poll shows beside.
type bulkFull struct {
	bulkBasic
	JobType             string `json:"jobType"`
	Processed           int    `json:"numberRecordsProcessed"`
	Retries             int    `json:"retries"`
	TotalProcessingTime int64  `json:"totalProcessingTime"` // milliseconds
	PKChunking          bool   `json:"isPkChunkingSupported"`
	ErrorMessage        string `json:"errorMessage,omitempty"`
}

// state is where the job is at a time: a tenth of its delay it waits, the rest it works.
func (j *bulkJob) state(now time.Time) string {
	since := now.Sub(j.created)
	switch {
	case !j.aborted.IsZero():
		return bulkStateAborted
	case j.end != "" && since >= j.delay:
		return j.end
	case since < j.delay/10:
		return bulkStateUploaded
	}
	return bulkStateRunning
}

func (j *bulkJob) basic(state string) bulkBasic {
	return bulkBasic{
		ID: j.id, Operation: j.operation, Object: j.q.t.name, CreatedByID: j.user, State: state,
		CreatedDate: j.created.UTC().Format(datetimeLayout), SystemModstamp: j.created.UTC().Format(datetimeLayout),
		ConcurrencyMode: "Parallel", ContentType: "CSV", APIVersion: json.RawMessage(j.version),
		LineEnding: j.ending, ColumnDelimiter: j.delimiter,
	}
}

func (j *bulkJob) full(now time.Time) bulkFull {
	f := bulkFull{
		bulkBasic: j.basic(j.state(now)), JobType: "V2Query", PKChunking: len(j.q.order) == 0 && j.q.limit < 0,
		TotalProcessingTime: max(0, min(now.Sub(j.created), j.delay)).Milliseconds(),
	}
	switch f.State {
	case bulkStateRunning:
		if j.delay > 0 && j.end == bulkStateComplete {
			f.Processed = int(float64(len(j.rows)) * float64(now.Sub(j.created)) / float64(j.delay))
		}
	case bulkStateComplete:
		f.Processed = len(j.rows)
	case bulkStateFailed:
		f.ErrorMessage = j.message
	}
	return f
}

// job finds the job that the path names. The id may be of 15 or 18 characters.
func (c *call) job() (*bulkJob, *apiError) {
	if bad := c.newEnough(bulkSince); bad != nil {
		return nil, bad
	}
	id, _ := normalID(c.args[0])
	c.o.mu.Lock()
	defer c.o.mu.Unlock()
	c.o.bulk.pruneLocked(c.o.now())
	j := c.o.bulk.jobs[id]
	if j == nil {
		return nil, notFound()
	}
	return j, nil
}

func (c *call) bulkPoll() *reply {
	j, bad := c.job()
	if bad != nil {
		return bad.reply()
	}
	c.o.mu.RLock()
	f := j.full(c.o.now())
	c.o.mu.RUnlock()
	if c.fault != nil && c.fault.Kind == BulkProcessed {
		f.Processed += max(c.fault.N, 1)
	}
	return jsonReply(http.StatusOK, f)
}

func (c *call) bulkAbort() *reply {
	j, bad := c.job()
	if bad != nil {
		return bad.reply()
	}
	var in struct {
		State string `json:"state"`
	}
	if bad := c.jsonBody(&in); bad != nil {
		return bad.reply()
	}
	if in.State != bulkStateAborted {
		return (&apiError{400, "INVALIDJOBSTATE", "A query job can only be set to Aborted, not to '" + in.State + "'"}).reply()
	}
	c.o.mu.Lock()
	defer c.o.mu.Unlock()
	now := c.o.now()
	if s := j.state(now); s != bulkStateUploaded && s != bulkStateRunning {
		return (&apiError{400, "INVALIDJOBSTATE", "Aborting already Completed Job not allowed"}).reply()
	}
	j.aborted = now
	return jsonReply(http.StatusOK, j.basic(bulkStateAborted))
}

func (c *call) bulkDelete() *reply {
	j, bad := c.job()
	if bad != nil {
		return bad.reply()
	}
	c.o.mu.Lock()
	defer c.o.mu.Unlock()
	if s := j.state(c.o.now()); s == bulkStateUploaded || s == bulkStateRunning {
		return (&apiError{400, "API_ERROR", "Error encountered when deleting the job because the job is not terminated"}).reply()
	}
	delete(c.o.bulk.jobs, j.id)
	return &reply{status: http.StatusNoContent, limits: true}
}

const bulkListed = 1000

// bulkList shows the jobs, newest first.
func (c *call) bulkList() *reply {
	if bad := c.newEnough(bulkSince); bad != nil {
		return bad.reply()
	}
	type list struct {
		Done    bool        `json:"done"`
		Records []bulkBasic `json:"records"`
		Next    *string     `json:"nextRecordsUrl"`
	}
	from := 0
	if at := c.param("queryLocator"); at != "" {
		n, err := strconv.Atoi(at)
		if err != nil || n < 0 {
			return (&apiError{400, "INVALID_QUERY_LOCATOR", "invalid query locator"}).reply()
		}
		from = n
	}
	o := c.o
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.bulk.pruneLocked(now)
	out := list{Done: true, Records: []bulkBasic{}}
	seen := 0
	for _, id := range slices.Backward(o.bulk.order) {
		j := o.bulk.jobs[id]
		if j == nil || !c.lists(j) {
			continue
		}
		if seen++; seen <= from {
			continue
		}
		if len(out.Records) == bulkListed {
			next := "/services/data/v" + c.version + "/jobs/query?queryLocator=" + itoa(from+bulkListed)
			out.Done, out.Next = false, &next
			break
		}
		out.Records = append(out.Records, j.basic(j.state(now)))
	}
	return jsonReply(http.StatusOK, out)
}

// lists applies the filters of a list.
func (c *call) lists(j *bulkJob) bool {
	if t := c.param("jobType"); t != "" && !strings.EqualFold(t, "V2Query") {
		return false
	}
	if m := c.param("concurrencyMode"); m != "" && !strings.EqualFold(m, "Parallel") {
		return false
	}
	pk, err := strconv.ParseBool(c.param("isPkChunkingEnabled"))
	return err != nil || pk == (len(j.q.order) == 0 && j.q.limit < 0)
}
