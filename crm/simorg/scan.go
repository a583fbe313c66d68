package simorg

import (
	"cmp"
	"slices"
	"strings"
)

// idRange bounds the ids of the rows that a query can return, so that a page of a keyset costs a page.
type idRange struct {
	from      string // ids at or above, or above
	fromEqual bool
	to        string // ids at or below, or below
	toEqual   bool
	only      []string // of Id = and Id IN
	exact     bool
}

// narrow reads bounds off the conditions that every row must meet.
func (q *query) narrow(o *Org, c cond) {
	switch c := c.(type) {
	case allOf:
		for _, t := range c {
			q.narrow(o, t)
		}
	case *test:
		if len(c.p.hops) > 0 {
			return
		}
		switch c.p.f {
		case q.t.byName["id"]:
			q.narrowID(c)
		case o.users.byName["systemmodstamp"], o.users.byName["lastmodifieddate"]:
			q.narrowStamp(c, c.p.f.name == "SystemModstamp")
		}
	}
}

func (q *query) narrowID(c *test) {
	switch {
	case c.op == "IN":
		q.ids.exact = true
		for v := range c.in {
			q.ids.only = append(q.ids.only, v.s)
		}
	case c.is.k == null:
	case c.op == "=":
		q.ids.exact, q.ids.only = true, []string{c.is.s}
	case c.op == ">" || c.op == ">=":
		if q.ids.from == "" || c.is.s > q.ids.from {
			q.ids.from, q.ids.fromEqual = c.is.s, c.op == ">="
		}
	case c.op == "<" || c.op == "<=":
		if q.ids.to == "" || c.is.s < q.ids.to {
			q.ids.to, q.ids.toEqual = c.is.s, c.op == "<="
		}
	}
}

// narrowStamp uses that LastModifiedDate is never above SystemModstamp.
func (q *query) narrowStamp(c *test, modstamp bool) {
	sec := c.is.n / 1000
	switch {
	case c.is.k != datetime:
	case c.op == ">" || c.op == ">=" || c.op == "=":
		q.since = max(q.since, sec)
	case modstamp && (c.op == "<" || c.op == "<=") && (q.before == 0 || sec+1 < q.before):
		q.before = sec + 1
	}
}

// rows lists the row numbers that match, in order, after OFFSET and LIMIT.
func (q *query) rows(v *view) []int32 {
	if q.limit == 0 {
		return nil
	}
	sorted := q.naturalOrder()
	stop := -1
	if sorted && q.limit > 0 {
		stop = q.offset + q.limit
	}
	var out []int32
	q.matches(v, func(i int) bool {
		out = append(out, int32(i))
		return len(out) != stop
	})
	if !sorted {
		q.sort(v, out)
	}
	out = out[min(q.offset, len(out)):]
	if q.limit > 0 {
		out = out[:min(q.limit, len(out))]
	}
	return out
}

// total counts the rows that match, after LIMIT, without listing them.
func (q *query) total(v *view) int {
	n := 0
	if q.limit != 0 {
		q.matches(v, func(int) bool {
			n++
			return n != q.limit
		})
	}
	return n
}

// matches calls found with every row number that matches, ascending, until found says stop.
func (q *query) matches(v *view, found func(i int) bool) {
	var r row
	q.visit(v, func(i int) bool {
		if v.at(q.t, i, &r) && (q.where == nil || q.where.match(&r)) {
			return found(i)
		}
		return true
	})
}

// naturalOrder is true when the order asked for is that of the row numbers: none, or Id ascending.
func (q *query) naturalOrder() bool {
	if len(q.order) == 0 {
		return true
	}
	first := q.order[0]
	return len(first.p.hops) == 0 && first.p.f == q.t.byName["id"] && !first.desc && q.t.small < 0
}

// visit calls try on every row that can match, ascending, until try says stop.
func (q *query) visit(v *view, try func(i int) bool) {
	lo, hi := 0, v.count(q.t)
	byID := q.t.small < 0
	switch {
	case q.ids.exact:
		var at []int
		for _, id := range q.ids.only {
			if i, ok := v.find(q.t, string(appendSuffix([]byte(id), id))); ok {
				at = append(at, i)
			}
		}
		slices.Sort(at)
		for _, i := range slices.Compact(at) {
			if !try(i) {
				return
			}
		}
		return
	case q.t == v.o.users && q.since > v.o.gen.epoch:
		for _, i := range v.o.stampedInLocked(q.since, cmp.Or(q.before, 1<<62)) {
			if !try(int(i)) {
				return
			}
		}
		return
	}
	if byID && q.ids.from != "" {
		lo = v.firstFrom(q.t, q.ids.from, q.ids.fromEqual)
	}
	if byID && q.ids.to != "" {
		hi = v.firstFrom(q.t, q.ids.to, !q.ids.toEqual)
	}
	for i := lo; i < hi; i++ {
		if !try(i) {
			return
		}
	}
}

func (q *query) sort(v *view, rows []int32) {
	type keyed struct {
		i    int32
		keys []value
	}
	all := make([]keyed, len(rows))
	keys := make([]value, len(rows)*len(q.order))
	var r row
	for n, i := range rows {
		v.at(q.t, int(i), &r)
		all[n] = keyed{i, keys[n*len(q.order) : (n+1)*len(q.order)]}
		for k, o := range q.order {
			all[n].keys[k] = o.p.read(&r)
		}
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		for k, o := range q.order {
			if c := o.compare(a.keys[k], b.keys[k]); c != 0 {
				return c
			}
		}
		return 0
	})
	for n := range all {
		rows[n] = all[n].i
	}
}

func (o orderKey) compare(a, b value) int {
	if a.k == null || b.k == null {
		c := 0
		switch {
		case a.k != null:
			c = 1
		case b.k != null:
			c = -1
		}
		if o.nullsLast {
			c = -c
		}
		return c
	}
	c := 0
	if o.p.f.isID() {
		c = strings.Compare(a.s, b.s)
	} else {
		c = a.compare(b)
	}
	if o.desc {
		c = -c
	}
	return c
}
