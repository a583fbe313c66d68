package simorg

import (
	"encoding/base64"
	"hash/fnv"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// bulkColumn is one column of results.
type bulkColumn struct {
	head string // as written in the SELECT
	p    *path
}

// bulkColumns resolves the columns in the order of the SELECT.
func (o *Org) bulkColumns(st *statement, q *query) ([]bulkColumn, *apiError) {
	var cols []bulkColumn
	if st.fieldsFunc != "" {
		for i := range q.sel {
			if s := &q.sel[i]; s.hop == nil && (st.fieldsFunc == "ALL" || s.f.custom == (st.fieldsFunc == "CUSTOM")) {
				cols = append(cols, bulkColumn{s.f.name, &path{f: s.f}})
			}
		}
	}
	b := &binder{o: o, q: st.text, t: q.t}
	for _, tok := range st.fields {
		p, bad := b.path(tok)
		if bad != nil {
			return nil, bad
		}
		cols = append(cols, bulkColumn{tok.text, p})
	}
	for _, c := range cols {
		if c.p.f.typ == "address" {
			return nil, &apiError{400, "API_ERROR", "Selecting compound data not supported in Bulk Query"}
		}
	}
	return cols, nil
}

// mark is the locator of the rows from one on. It is as opaque as Salesforce's: a client that makes one up is found out.
func (j *bulkJob) mark(from int) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, j.id+"/"+itoa(from)) // a hash takes everything
	return base64.RawURLEncoding.EncodeToString([]byte(itoa(from) + "." + strconv.FormatUint(uint64(h.Sum32()), 36)))
}

func (j *bulkJob) unmark(locator string) (int, bool) {
	b, err := base64.RawURLEncoding.DecodeString(locator)
	if err != nil {
		return 0, false
	}
	at, _, _ := strings.Cut(string(b), ".")
	from, err := strconv.Atoi(at)
	return from, err == nil && from >= 0 && (from < len(j.rows) || from == 0) && j.mark(from) == locator
}

// finished finds a job of which results can be read, and where a request wants to begin.
func (c *call) finished() (*bulkJob, int, *apiError) {
	j, bad := c.job()
	if bad != nil {
		return nil, 0, bad
	}
	c.o.mu.RLock()
	state := j.state(c.o.now())
	c.o.mu.RUnlock()
	from, ok := 0, true
	if l, given := c.params["locator"]; given {
		from, ok = j.unmark(l[0])
	}
	switch {
	case j.version != c.version:
		bad = &apiError{http.StatusConflict, "CONFLICT", "The job was created with API version " + j.version + ", not " + c.version}
	case state != bulkStateComplete:
		bad = &apiError{400, "INVALIDJOBSTATE", "Results can only be read of a job that is JobComplete; this one is " + state}
	case !ok:
		bad = &apiError{400, "INVALID_QUERY_LOCATOR", "invalid query locator"}
	}
	return j, from, bad
}

func (c *call) bulkResults() *reply {
	j, from, bad := c.finished()
	if bad != nil {
		return bad.reply()
	}
	size := j.page
	if s := c.param("maxRecords"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return (&apiError{400, "NUMBER_OUTSIDE_VALID_RANGE", "maxRecords must be a positive number"}).reply()
		}
		size = min(size, n)
	}
	if c.fault != nil && c.fault.Kind == ShortPage {
		size = min(size, max(c.fault.N, 1))
	}
	to := min(from+size, len(j.rows))
	next, said := "null", to-from
	if to < len(j.rows) {
		next = j.mark(to)
	}
	if c.fault != nil && c.fault.Kind == BulkMiscount {
		said += max(c.fault.N, 1)
	}
	rep := &reply{status: http.StatusOK, ctype: "text/csv; charset=UTF-8", limits: true}
	rep.stream = func(w io.Writer) error { return j.csv(w, from, to) }
	return rep.with("Sforce-Locator", next).with("Sforce-NumberOfRecords", itoa(said))
}

const bulkPagesListed = 5

func (c *call) bulkPages() *reply {
	j, from, bad := c.finished()
	if bad == nil {
		bad = c.newEnough(bulkPagesSince)
	}
	if bad != nil {
		return bad.reply()
	}
	type page struct {
		URL string `json:"resultUrl"`
	}
	base := "/services/data/v" + c.version + "/jobs/query/" + j.id + "/"
	out := struct {
		Pages []page `json:"resultPages"`
		Next  string `json:"nextRecordsUrl,omitempty"`
		Done  bool   `json:"done"`
	}{Pages: []page{}, Done: true}
	for at := from; at < len(j.rows) || at == 0; at += j.page {
		if len(out.Pages) == bulkPagesListed {
			// Salesforce writes the resource in lower case here.
			out.Next, out.Done = base+"resultpages?locator="+j.mark(at), false
			break
		}
		out.Pages = append(out.Pages, page{base + "results?locator=" + j.mark(at)})
	}
	return jsonReply(http.StatusOK, out)
}

// csv writes the header and some rows. It holds one buffer, however many rows there are.
func (j *bulkJob) csv(w io.Writer, from, to int) error {
	type parent struct {
		col int
		id  string
	}
	const enough = 64 << 10
	parents := map[parent][]byte{}
	b := make([]byte, 0, enough+16<<10)
	for i, c := range j.cols {
		if i > 0 {
			b = append(b, j.sep)
		}
		b = appendQuoted(b, c.head)
	}
	b = append(b, j.eol...)
	var r row
	for _, n := range j.rows[from:to] {
		j.v.at(j.q.t, int(n), &r)
		for i := range j.cols {
			if i > 0 {
				b = append(b, j.sep)
			}
			p := j.cols[i].p
			if len(p.hops) == 0 {
				b = r.get(p.f).appendCSV(b)
				continue
			}
			key := parent{i, r.get(p.hops[0].ref).s}
			cell, ok := parents[key]
			if !ok {
				cell = p.climb(&r).appendCSV(nil)
				parents[key] = cell
			}
			b = append(b, cell...)
		}
		b = append(b, j.eol...)
		if len(b) >= enough {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

// appendCSV quotes every value; nothing is "".
func (v value) appendCSV(b []byte) []byte {
	switch v.k {
	case null:
		return append(b, `""`...)
	case text:
		return appendQuoted(b, v.s)
	case datetime: // Z, where REST has +0000
		b = appendDatetime(append(b, '"'), v.n)
		return append(b[:len(b)-len("+0000")], 'Z', '"')
	case date: // it brings its own quotes
		return v.appendJSON(b)
	default:
		return append(v.appendJSON(append(b, '"')), '"')
	}
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			break
		}
		b = append(append(b, s[:i+1]...), '"')
		s = s[i+1:]
	}
	return append(append(b, s...), '"')
}
