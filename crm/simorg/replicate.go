package simorg

import (
	"encoding/json"
	"net/http"
	"time"
)

// window reads start and end of a replication call, to the minute, and checks them.
func (c *call) window(maxAge time.Duration) (start, end time.Time, bad *apiError) {
	read := func(name string) (time.Time, bool) {
		s := c.param(name)
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700"} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.UTC().Truncate(time.Minute), true
			}
		}
		return time.Time{}, false
	}
	start, ok1 := read("start")
	end, ok2 := read("end")
	now := c.o.now()
	switch {
	case !ok1 || !ok2:
		bad = &apiError{400, "INVALID_REPLICATION_DATE", "start and end must be in the format yyyy-MM-ddTHH:mm:ss+HH:MM"}
	case !start.Before(end):
		bad = &apiError{400, "INVALID_REPLICATION_DATE", "startDate cannot be the same as or later than endDate"}
	case now.Sub(start) > maxAge:
		bad = &apiError{400, "INVALID_REPLICATION_DATE", "startDate is before the available data window"}
	}
	return start, end, bad
}

// covered is latestDateCovered: the start of the oldest open transaction is the limit of what is known.
func (c *call) coveredLocked(end time.Time) string {
	at := c.o.now()
	if end.Before(at) {
		at = end
	}
	for _, tx := range c.o.open {
		if tx.start.Before(at) {
			at = tx.start
		}
	}
	return string(appendDatetime(nil, at.UTC().Truncate(time.Minute).UnixMilli()))
}

func (c *call) updated() *reply {
	t, bad := c.objectArg()
	if bad == nil && t != c.o.users {
		bad = &apiError{400, "INVALID_TYPE", "object type '" + t.name + "' is not replicateable"}
	}
	if bad != nil {
		return bad.reply()
	}
	start, end, bad := c.window(30 * 24 * time.Hour)
	if bad != nil {
		return bad.reply()
	}
	o := c.o
	o.mu.RLock()
	defer o.mu.RUnlock()
	ids := []string{}
	stamp := o.users.byName["systemmodstamp"]
	q := &query{t: o.users, since: start.Unix(), before: end.Unix(), limit: -1}
	var r row
	q.visit(&o.live, func(i int) bool {
		if o.live.at(o.users, i, &r) {
			if at := r.get(stamp).n / 1000; at >= start.Unix() && at < end.Unix() {
				ids = append(ids, o.gen.id(i))
			}
		}
		return true
	})
	if len(ids) > 600_000 {
		return (&apiError{400, "EXCEEDED_ID_LIMIT", "exceeded the limit of 600000 ids"}).reply()
	}
	return jsonReply(http.StatusOK, map[string]any{"ids": ids, "latestDateCovered": c.coveredLocked(end)})
}

// deleted is always empty: users cannot be deleted.
func (c *call) deleted() *reply {
	t, bad := c.objectArg()
	if bad == nil && t != c.o.users {
		bad = &apiError{400, "INVALID_TYPE", "object type '" + t.name + "' is not replicateable"}
	}
	if bad != nil {
		return bad.reply()
	}
	_, end, bad := c.window(15 * 24 * time.Hour)
	if bad != nil {
		return bad.reply()
	}
	c.o.mu.RLock()
	defer c.o.mu.RUnlock()
	return jsonReply(http.StatusOK, map[string]any{
		"deletedRecords": []json.RawMessage{}, "latestDateCovered": c.coveredLocked(end),
		"earliestDateAvailable": string(appendDatetime(nil, unix(c.o.gen.epoch-history).UnixMilli())),
	})
}
