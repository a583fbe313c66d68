package simorg

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// locator is an open cursor: the rows of a query as they were when it ran.
type locator struct {
	sess    *session
	q       *query
	v       *view
	rows    []int32
	created time.Time
	dead    bool
}

const (
	maxPage         = 2000
	minPage         = 200
	locatorLifetime = 48 * time.Hour
)

// pageSize reads the batch size the client asked for, within what Salesforce grants.
func (c *call) pageSize() int {
	size := maxPage
	for opt := range strings.SplitSeq(c.req.Header.Get("Sforce-Query-Options"), ",") {
		key, val, _ := strings.Cut(strings.TrimSpace(opt), "=")
		if n, err := strconv.Atoi(strings.TrimSpace(val)); err == nil && strings.EqualFold(strings.TrimSpace(key), "batchSize") {
			size = min(max(n, minPage), maxPage)
		}
	}
	if c.fault != nil && c.fault.Kind == ShortPage {
		size = min(size, max(c.fault.N, 1))
	}
	return size
}

func (c *call) query() *reply {
	o := c.o
	soql := strings.TrimSpace(c.param("q"))
	if soql == "" {
		return (&apiError{400, "MALFORMED_QUERY", "A query string has to be specified"}).reply()
	}
	st, bad := parseSOQL(soql)
	if bad != nil {
		return bad.reply()
	}
	switch strings.ToLower(st.object.text) {
	case "userlicense":
		o.countSeats()
	case "platformeventusagemetric":
		o.countDelivered()
	}
	q, bad := o.bind(st)
	if bad != nil {
		return bad.reply()
	}
	if c.fault != nil && c.fault.Kind == EmptyResult {
		return &reply{status: http.StatusOK, body: []byte(`{"totalSize":0,"done":true,"records":[]}`), limits: true}
	}
	size := c.pageSize()

	o.mu.RLock()
	if q.count {
		n := q.total(&o.live)
		o.mu.RUnlock()
		return &reply{status: http.StatusOK, body: fmt.Appendf(nil, `{"totalSize":%d,"done":true,"records":[]}`, n), limits: true}
	}
	rows := q.rows(&o.live)
	cur := &locator{sess: c.sess, q: q, v: &o.live, rows: rows, created: o.now()}
	oneBatch := q.offset > 0 || len(rows) <= size
	if oneBatch {
		rep := c.page(cur, "", 0, size)
		o.mu.RUnlock()
		return rep
	}
	cur.v = o.live.clone()
	o.mu.RUnlock()

	o.mu.Lock()
	o.serial++
	id := makeID("0r8", o.serial*13)
	o.locators[id] = cur
	for k, l := range o.locators {
		if cur.created.Sub(l.created) > locatorLifetime {
			delete(o.locators, k)
		}
	}
	o.mu.Unlock()
	return c.page(cur, id, 0, size)
}

// page encodes the rows of a cursor from one row on.
func (c *call) page(cur *locator, id string, from, size int) *reply {
	to := min(from+size, len(cur.rows))
	rep := &reply{status: http.StatusOK, limits: true, pooled: c.o.bodies.Get().(*buffer)}
	b := rep.pooled.b[:0]
	b = append(b, `{"totalSize":`...)
	b = strconv.AppendInt(b, int64(len(cur.rows)), 10)
	done := to == len(cur.rows) || id == ""
	b = append(b, `,"done":`...)
	b = strconv.AppendBool(b, done)
	if !done {
		b = fmt.Appendf(b, `,"nextRecordsUrl":"/services/data/v%s/query/%s-%d"`, c.version, id, to)
	}
	b = append(b, `,"records":[`...)
	e := newEncoder(cur.v, c.version)
	var r row
	for k, i := range cur.rows[from:to] {
		if k > 0 {
			b = append(b, ',')
		}
		cur.v.at(cur.q.t, int(i), &r)
		b = e.record(b, &r, cur.q.sel)
		if k == 15 { // enough rows to tell how long the page will be
			b = slices.Grow(b, len(b)*(to-from)/14)
		}
	}
	b = append(b, "]}"...)
	rep.body, rep.pooled.b = b, b
	return rep
}

func (c *call) queryMore() *reply {
	bad := (&apiError{400, "INVALID_QUERY_LOCATOR", "invalid query locator"}).reply()
	id, at, ok := strings.Cut(c.args[0], "-")
	from, err := strconv.Atoi(at)
	full, okID := normalID(id)
	o := c.o
	o.mu.Lock()
	cur := o.locators[full]
	now := o.now()
	live := ok && err == nil && okID && cur != nil && !cur.dead && now.Sub(cur.created) < locatorLifetime &&
		!o.expiredLocked(cur.sess, now) && cur.sess.user == c.sess.user
	o.mu.Unlock()
	if !live || from <= 0 || from >= len(cur.rows) {
		return bad
	}
	return c.page(cur, full, from, c.pageSize())
}

// countSeats recomputes UsedLicenses, at most once a minute: Salesforce too counts them in its own time.
func (o *Org) countSeats() {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if !o.seatsAt.IsZero() && now.Sub(o.seatsAt) < time.Minute {
		return
	}
	o.seatsAt = now
	used := map[string]int64{} // by profile
	var r row
	active, profile := o.users.byName["isactive"], o.users.byName["profileid"]
	v := o.live
	v.hide = nil
	for i := range v.n {
		if v.at(o.users, i, &r) && r.get(active).n == 1 {
			used[r.get(profile).s]++
		}
	}
	byLicense := map[string]int64{}
	pt := o.smallTable(profiles)
	for _, p := range v.small[profiles] {
		byLicense[p[pt.byName["userlicenseid"].col].s] += used[p[0].s]
	}
	lt := o.smallTable(licenses)
	rows := make([][]value, 0, len(v.small[licenses]))
	for _, l := range v.small[licenses] {
		l = append([]value(nil), l...)
		n := byLicense[l[0].s]
		l[lt.byName["usedlicenses"].col] = value{k: integer, n: n}
		total := &l[lt.byName["totallicenses"].col]
		total.n = max(total.n, n+n/10+5)
		l[lt.byName["usedlicenseslastupdated"].col] = timeValue(second(now))
		rows = append(rows, l)
	}
	o.live.small[licenses] = rows
}
