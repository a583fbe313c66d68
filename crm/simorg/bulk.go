package simorg

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The endpoints of Bulk API 2.0 query jobs.
const (
	BulkCreate  Endpoint = "bulk_create"
	BulkList    Endpoint = "bulk_list"
	BulkPoll    Endpoint = "bulk_poll"
	BulkResults Endpoint = "bulk_results"
	BulkPages   Endpoint = "bulk_result_pages"
	BulkAbort   Endpoint = "bulk_abort"
	BulkDelete  Endpoint = "bulk_delete"
)

// What can go wrong with a query job, beside what befalls every call.
const (
	BulkFailed    EffectKind = "bulk_failed"    // of bulk_create: the job ends Failed, with Message
	BulkAborted   EffectKind = "bulk_aborted"   // of bulk_create: somebody aborts the job before it completes
	BulkStuck     EffectKind = "bulk_stuck"     // of bulk_create: the job stays InProgress
	BulkQuota     EffectKind = "bulk_quota"     // of bulk_create: 400 EXCEEDEDQUOTA
	BulkDisabled  EffectKind = "bulk_disabled"  // of bulk_create: 400 FEATURENOTENABLED
	BulkMiscount  EffectKind = "bulk_miscount"  // of bulk_results: Sforce-NumberOfRecords is N too high, or 1
	BulkProcessed EffectKind = "bulk_processed" // of bulk_poll: numberRecordsProcessed is N too high, or 1
)

func bulkEffects() []EffectKind {
	return []EffectKind{BulkFailed, BulkAborted, BulkStuck, BulkQuota, BulkDisabled, BulkMiscount, BulkProcessed}
}

func bulkRoutes() []*route {
	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	return []*route{
		{"/jobs/query", post, BulkCreate, true, (*call).bulkCreate, false, false},
		{"/jobs/query", get, BulkList, true, (*call).bulkList, false, false},
		{"/jobs/query/*", get, BulkPoll, true, (*call).bulkPoll, false, false},
		{"/jobs/query/*", []string{http.MethodPatch}, BulkAbort, true, (*call).bulkAbort, false, false},
		{"/jobs/query/*", []string{http.MethodDelete}, BulkDelete, true, (*call).bulkDelete, false, false},
		{"/jobs/query/*/results", get, BulkResults, true, (*call).bulkResults, false, false},
		{"/jobs/query/*/resultPages", get, BulkPages, true, (*call).bulkPages, false, false},
	}
}

const (
	bulkSince      = 47 // the API version that brought query jobs
	bulkPagesSince = 58
	bulkKept       = 7 * 24 * time.Hour
)

// bulkQueue is the query jobs of the org, guarded by Org.mu.
type bulkQueue struct {
	delay time.Duration // from creation to completion
	page  int           // rows of a page of results where the client does not say
	max   int           // jobs in any 24 hours
	base  int           // of SetBulkUsage: jobs that others made
	made  []time.Time
	jobs  map[string]*bulkJob
	order []string // ids, oldest first
}

func newBulkQueue() bulkQueue {
	return bulkQueue{delay: 250 * time.Millisecond, page: 50_000, max: 10_000, jobs: map[string]*bulkJob{}}
}

func (b *bulkQueue) usedLocked(now time.Time) int {
	for len(b.made) > 0 && now.Sub(b.made[0]) >= 24*time.Hour {
		b.made = b.made[1:]
	}
	return b.base + len(b.made)
}

// pruneLocked forgets the jobs of which the results are no longer kept.
func (b *bulkQueue) pruneLocked(now time.Time) {
	for len(b.order) > 0 {
		j, ok := b.jobs[b.order[0]]
		if ok && now.Sub(j.created.Add(j.delay)) < bulkKept {
			return
		}
		delete(b.jobs, b.order[0])
		b.order = b.order[1:]
	}
}

// SetBulkDelay is how long query jobs created from now on take to complete, by the org's clock; default 250 ms.
func (o *Org) SetBulkDelay(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bulk.delay = d
}

// SetBulkPage is how many rows a page of results has where the client asks for no fewer; default 50,000.
func (o *Org) SetBulkPage(rows int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bulk.page = max(rows, 1)
}

// SetBulkUsage says how many query jobs count as created in the last 24 hours, and how many are allowed; the default
// is none of 10,000.
func (o *Org) SetBulkUsage(used, most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bulk.made, o.bulk.base, o.bulk.max = nil, used, most
}

// BulkUsage is the number of query jobs created in the last 24 hours and the number allowed.
func (o *Org) BulkUsage() (used, most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bulk.usedLocked(o.now()), o.bulk.max
}

// ForgetBulkJobs deletes all query jobs and their results, as a week does.
func (o *Org) ForgetBulkJobs() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.bulk.jobs)
}

// BulkStates counts the query jobs that the org keeps by state.
func (o *Org) BulkStates() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	states := map[string]int{}
	for _, j := range o.bulk.jobs {
		states[j.state(o.now())]++
	}
	return states
}

// bulkRequest is the body of a create.
type bulkRequest struct {
	Operation       string `json:"operation"`
	Query           string `json:"query"`
	ContentType     string `json:"contentType"`
	ColumnDelimiter string `json:"columnDelimiter"`
	LineEnding      string `json:"lineEnding"`
}

var bulkDelimiters = map[string]byte{
	"": ',', "BACKQUOTE": '`', "CARET": '^', "COMMA": ',', "PIPE": '|', "SEMICOLON": ';', "TAB": '\t',
}

var bulkEndings = map[string]string{"": "\n", "LF": "\n", "CRLF": "\r\n"}

func invalidJob(text string) *apiError { return &apiError{400, "INVALIDJOB", text} }

// newEnough refuses versions older than the resource.
func (c *call) newEnough(since float64) *apiError {
	if v, err := strconv.ParseFloat(c.version, 64); err != nil || v < since {
		return notFound()
	}
	return nil
}

func (c *call) bulkCreate() *reply {
	in, bad := c.bulkBody()
	if bad == nil {
		bad = c.newEnough(bulkSince)
	}
	if bad != nil {
		return bad.reply()
	}
	j, bad := c.bulkJob(in)
	if bad != nil {
		return bad.reply()
	}
	if c.fault != nil {
		switch c.fault.Kind {
		case BulkFailed:
			j.end, j.message = bulkStateFailed, "InvalidBatch : Failed to process query: "+c.fault.Message
		case BulkAborted:
			j.end = bulkStateAborted
		case BulkStuck:
			j.end = ""
		case BulkDisabled:
			return (&apiError{400, "FEATURENOTENABLED", "Bulk API is not enabled for this organization"}).reply()
		}
	}
	o := c.o
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bulk.pruneLocked(j.created)
	most := o.bulk.max
	if o.bulk.usedLocked(j.created) >= most || c.fault != nil && c.fault.Kind == BulkQuota {
		return (&apiError{400, "EXCEEDEDQUOTA", "Max bulk v2 query jobs (" + itoa(most) + ") per 24 hrs has been reached"}).reply()
	}
	j.rows, j.v = bulkOrder(j.q, j.q.rows(&o.live)), o.live.clone()
	o.serial++
	j.id = makeID("750", o.serial*13)
	j.delay, j.page, j.user = o.bulk.delay, o.bulk.page, o.gen.id(c.sess.user)
	o.bulk.made = append(o.bulk.made, j.created)
	o.bulk.jobs[j.id] = j
	o.bulk.order = append(o.bulk.order, j.id)
	return jsonReply(http.StatusOK, j.basic(bulkStateUploaded))
}

// bulkOrder is the order of results: where the query asks for none, chunks of the table come as they are ready.
func bulkOrder(q *query, rows []int32) []int32 {
	if len(q.order) > 0 || q.limit >= 0 {
		return rows
	}
	k := len(rows) * 2 / 3
	return append(append(make([]int32, 0, len(rows)), rows[k:]...), rows[:k]...)
}

func (c *call) bulkBody() (*bulkRequest, *apiError) {
	if !strings.HasPrefix(c.req.Header.Get("Content-Type"), "application/json") {
		return nil, &apiError{http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content-Type not supported for this resource"}
	}
	in := &bulkRequest{}
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return nil, &apiError{400, "JSON_PARSER_ERROR", "The HTTP entity body is not a query job: " + err.Error()}
	}
	return in, nil
}

// bulkJob checks a create and makes the job, without its rows.
func (c *call) bulkJob(in *bulkRequest) (*bulkJob, *apiError) {
	sep, okSep := bulkDelimiters[in.ColumnDelimiter]
	eol, okEnd := bulkEndings[in.LineEnding]
	switch {
	case in.Operation != "query" && in.Operation != "queryAll":
		return nil, invalidJob("Unsupported operation '" + in.Operation + "' for a query job")
	case in.ContentType != "" && in.ContentType != "CSV":
		return nil, invalidJob("Unsupported contentType '" + in.ContentType + "': only CSV is supported")
	case !okSep:
		return nil, invalidJob("Unsupported columnDelimiter '" + in.ColumnDelimiter + "'")
	case !okEnd:
		return nil, invalidJob("Unsupported lineEnding '" + in.LineEnding + "'")
	case strings.TrimSpace(in.Query) == "":
		return nil, &apiError{400, "MALFORMED_QUERY", "A query string has to be specified"}
	}
	st, bad := parseSOQL(in.Query)
	if bad != nil {
		return nil, bad
	}
	q, bad := c.o.bind(st)
	if bad != nil {
		return nil, bad
	}
	j := &bulkJob{
		operation: in.Operation, version: c.version, q: q, created: c.o.now(), end: bulkStateComplete,
		delimiter: in.ColumnDelimiter, ending: in.LineEnding, sep: sep, eol: eol,
	}
	if j.delimiter == "" {
		j.delimiter = "COMMA"
	}
	if j.ending == "" {
		j.ending = "LF"
	}
	if bad = bulkSupports(st, q); bad != nil {
		return nil, bad
	}
	j.cols, bad = c.o.bulkColumns(st, q)
	return j, bad
}

// bulkSupports refuses the SOQL that query jobs do not have.
func bulkSupports(st *statement, q *query) *apiError {
	switch {
	case q.t.name == "UserLogin" || q.t.small == usageMetrics:
		return &apiError{400, "INVALIDENTITY", "Entity '" + q.t.name + "' is not supported by the Bulk API."}
	case st.count:
		return &apiError{400, "API_ERROR", "Aggregate functions are not supported in Bulk Query"}
	case st.offset >= 0:
		return &apiError{400, "API_ERROR", "OFFSET is not supported in Bulk Query"}
	}
	return nil
}
