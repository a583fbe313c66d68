package simorg

import (
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Endpoint names a kind of call, for counting and for faults.
type Endpoint string

// The endpoints of the org.
const (
	Token        Endpoint = "token"
	UserInfo     Endpoint = "userinfo"
	Introspect   Endpoint = "introspect"
	Revoke       Endpoint = "revoke"
	Versions     Endpoint = "versions"
	Resources    Endpoint = "resources"
	Limits       Endpoint = "limits"
	Query        Endpoint = "query"
	QueryMore    Endpoint = "query_more" // a further page by locator
	Describe     Endpoint = "describe"
	Record       Endpoint = "record"
	RecordUpdate Endpoint = "record_update"
	RecordCreate Endpoint = "record_create"
	Updated      Endpoint = "updated"
	Deleted      Endpoint = "deleted"
	Collections  Endpoint = "collections"
	Composite    Endpoint = "composite"
	Batch        Endpoint = "batch"
	SOAP         Endpoint = "soap"
	EventSchema  Endpoint = "event_schema"
	Unknown      Endpoint = "unknown" // any other path
)

// maxURI is the longest request URI that Salesforce takes.
const maxURI = 16384

// maxBody bounds request bodies: Salesforce's own limit is 50 MB, nothing here needs more than a few.
const maxBody = 8 << 20

// call is one request, or one part of a composite request.
type call struct {
	o       *Org
	req     *http.Request // of the outer request
	method  string
	path    string // unescaped
	rawPath string
	params  map[string][]string
	body    []byte
	version string
	args    []string
	kind    Endpoint
	sess    *session
	fault   *Effect // one that changes the answer of the handler
	inner   bool
}

func (c *call) param(name string) string {
	if v := c.params[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (o *Org) serve(w http.ResponseWriter, r *http.Request) {
	if len(r.RequestURI) > maxURI {
		o.count(Unknown)
		o.write(w, r, (&apiError{http.StatusRequestURITooLong, "URI_TOO_LONG", "The requested URI is too long"}).reply(), nil)
		return
	}
	c := &call{o: o, req: r, method: r.Method, path: r.URL.Path, rawPath: r.URL.EscapedPath(), params: r.URL.Query()}
	var bad *reply
	if c.body, bad = readBody(r); bad != nil {
		o.write(w, r, bad, nil)
		return
	}
	rt, early := o.route(c)
	o.count(c.kind)
	eff := o.faults.pick(c)
	if eff != nil {
		if rep, done := o.faults.before(w, r, eff); done {
			o.write(w, r, rep, eff)
			return
		}
		c.fault = eff
	}
	rep := early
	if rep == nil {
		rep = o.admit(c, rt)
	}
	if rep == nil {
		rep = rt.handle(c)
	}
	if deprecated(c.version) {
		rep.with("Warning", `299 - "This API is deprecated and will be removed by Summer '28. Please see https://help.salesforce.com for details."`)
	}
	if eff != nil {
		rep = eff.after(rep)
		if rep.stream != nil {
			eff.cutStream(o, rep)
		}
	}
	o.write(w, r, rep, eff)
}

// admit checks the session and the quota, and counts the call.
func (o *Org) admit(c *call, rt *route) *reply {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.settleLocked(now)
	if !rt.session {
		return nil
	}
	token, ok := strings.CutPrefix(c.req.Header.Get("Authorization"), "Bearer ")
	if !ok {
		token, ok = strings.CutPrefix(c.req.Header.Get("Authorization"), "OAuth ")
	}
	if ok {
		c.sess = o.sessionLocked(token, now)
	}
	if c.sess == nil {
		return invalidSession().reply().with("WWW-Authenticate", "Token")
	}
	if o.usage.total(now) >= o.usage.max {
		return (&apiError{http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."}).reply()
	}
	o.usage.add(now)
	return nil
}

func readBody(r *http.Request) ([]byte, *reply) {
	if r.Body == nil || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil, nil
	}
	in := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, (&apiError{400, "UNKNOWN_EXCEPTION", "Not in GZIP format"}).reply()
		}
		in = z
	}
	b, err := io.ReadAll(io.LimitReader(in, maxBody+1))
	switch {
	case err != nil:
		return nil, (&apiError{400, "JSON_PARSER_ERROR", "The HTTP entity body could not be read"}).reply()
	case len(b) > maxBody:
		return nil, (&apiError{413, "REQUEST_ENTITY_TOO_LARGE", "The HTTP entity body is too large"}).reply()
	}
	return b, nil
}

func (o *Org) count(k Endpoint) {
	o.mu.Lock()
	o.calls[k]++
	o.mu.Unlock()
}

// Calls is how often each endpoint was asked since the start or the last ResetCalls, refused calls among them.
func (o *Org) Calls() map[string]int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	m := make(map[string]int, len(o.calls))
	for k, n := range o.calls {
		m[string(k)] = n
	}
	return m
}

// ResetCalls sets the counts of Calls to zero.
func (o *Org) ResetCalls() {
	o.mu.Lock()
	clear(o.calls)
	o.mu.Unlock()
}

func newGzip() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid
	return z
}

type buffer struct{ b []byte }

func (b *buffer) Write(p []byte) (int, error) {
	b.b = append(b.b, p...)
	return len(p), nil
}

// write sends the reply with the headers of every Salesforce answer, cut as the effect says.
func (o *Org) write(w http.ResponseWriter, r *http.Request, rep *reply, eff *Effect) {
	h := w.Header()
	maps.Copy(h, rep.header)
	now := o.now().Add(o.faults.skew())
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	if rep.ctype == "" {
		rep.ctype = "application/json;charset=UTF-8"
	}
	if len(rep.body) > 0 || rep.stream != nil {
		h.Set("Content-Type", rep.ctype)
	}
	h.Set("Cache-Control", "no-cache,must-revalidate,max-age=0,no-store,private")
	if rep.limits {
		if line := o.limitInfo(); line != "" {
			h.Set("Sforce-Limit-Info", line)
		}
	}
	if rep.stream != nil {
		o.writeStream(w, r, rep, eff)
		return
	}
	body := rep.body
	if len(body) > 512 && acceptsGzip(r) {
		var buf buffer
		z := o.gzips.Get().(*gzip.Writer)
		z.Reset(&buf)
		_, _ = z.Write(body) // a buffer takes everything
		_ = z.Close()
		o.gzips.Put(z)
		body = buf.b
		h.Set("Content-Encoding", "gzip")
		h.Add("Vary", "Accept-Encoding")
	}
	kept, abort := eff.truncates(len(body))
	if rep.status != http.StatusNoContent && rep.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(rep.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body[:kept]) // the client may have gone
	}
	o.recycle(rep)
	if abort {
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler) // cuts the connection in the middle of the body
	}
}

// recycle takes back the buffer of a reply of which the body is no longer needed.
func (o *Org) recycle(rep *reply) {
	if rep.pooled != nil {
		o.bodies.Put(rep.pooled)
	}
}

func acceptsGzip(r *http.Request) bool {
	return slices.ContainsFunc(strings.Split(r.Header.Get("Accept-Encoding"), ","), func(s string) bool {
		name, q, _ := strings.Cut(strings.TrimSpace(s), ";")
		return name == "gzip" && strings.TrimSpace(q) != "q=0"
	})
}

// usage counts calls by the minute over the last 24 hours.
type usage struct {
	max     int
	base    int // of SetUsage: calls that others made
	minutes []usedMinute
	sum     int
}

type usedMinute struct {
	at int64
	n  int
}

func (u *usage) total(now time.Time) int {
	oldest := now.Unix()/60 - 24*60
	for len(u.minutes) > 0 && u.minutes[0].at <= oldest {
		u.sum -= u.minutes[0].n
		u.minutes = u.minutes[1:]
	}
	return u.base + u.sum
}

func (u *usage) add(now time.Time) {
	m := now.Unix() / 60
	if k := len(u.minutes); k == 0 || u.minutes[k-1].at != m {
		u.minutes = append(u.minutes, usedMinute{at: m})
	}
	u.minutes[len(u.minutes)-1].n++
	u.sum++
}

// SetUsage says how many calls count as made in the last 24 hours, and how many are allowed.
func (o *Org) SetUsage(used, most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.usage = usage{max: most, base: used}
}

// Usage is the number of calls in the last 24 hours and the number allowed.
func (o *Org) Usage() (used, most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.usage.total(o.now()), o.usage.max
}

func (o *Org) limitInfo() string {
	used, most := o.Usage()
	return o.faults.limitInfo("api-usage=" + strconv.Itoa(used) + "/" + strconv.Itoa(most))
}
