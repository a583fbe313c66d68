package crm

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// LimitInfo is what an answer said of the org's API allocation in its
// Sforce-Limit-Info header.
type LimitInfo struct {
	Used, Max int // the org's calls in the last 24 h, of all apps, and its allocation; Used may exceed Max

	App             string // our connected app, where it has a quota of its own
	AppUsed, AppMax int    // 0, 0 where it has none

	BurstUsed, BurstMax int // 0, 0 where the org does not report it
}

// Remaining is how many calls the org has left, never less than 0.
func (i LimitInfo) Remaining() int { return max(0, i.Max-i.Used) }

// ParseLimitInfo reads a Sforce-Limit-Info header, such as
//
//	api-usage=25/5000; per-app-api-usage=17/250(appName=sample); api-bursts=1/750
//
// in any order, with parts it does not know. It returns false where the header does
// not say the org's own usage: unknown, which is never the same as none used.
func ParseLimitInfo(h string) (LimitInfo, bool) {
	var info LimitInfo
	known := false
	for part := range limitParts(h) {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			continue
		}
		counts, app := value, ""
		if i := strings.IndexByte(value, '('); i >= 0 {
			counts = value[:i]
			app = strings.TrimSuffix(strings.TrimPrefix(value[i:], "(appName="), ")")
		}
		used, limit, ok := parseUsage(counts)
		if !ok {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "api-usage":
			if known { // said twice: neither can be trusted
				return LimitInfo{}, false
			}
			info.Used, info.Max, known = used, limit, true
		case "per-app-api-usage":
			info.App, info.AppUsed, info.AppMax = app, used, limit
		case "api-bursts":
			info.BurstUsed, info.BurstMax = used, limit
		}
	}
	if !known {
		return LimitInfo{}, false
	}
	return info, true
}

// limitParts splits at semicolons and commas, but not inside the brackets that hold
// an app's name, which may contain either.
func limitParts(h string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, depth := 0, 0
		for i := 0; i <= len(h); i++ {
			switch {
			case i == len(h) || depth == 0 && (h[i] == ';' || h[i] == ','):
				if part := strings.TrimSpace(h[start:i]); part != "" && !yield(part) {
					return
				}
				start = i + 1
			case h[i] == '(':
				depth++
			case h[i] == ')' && depth > 0:
				depth--
			}
		}
	}
}

func parseUsage(s string) (used, limit int, ok bool) {
	a, b, ok := strings.Cut(strings.TrimSpace(s), "/")
	if !ok {
		return 0, 0, false
	}
	used, err1 := strconv.Atoi(a)
	limit, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || a[0] == '+' || a[0] == '-' || b[0] == '+' || limit <= 0 {
		return 0, 0, false
	}
	return used, limit, true
}

func limitInfoOf(h http.Header) (LimitInfo, bool) {
	return ParseLimitInfo(strings.Join(h.Values("Sforce-Limit-Info"), ";"))
}

// usage is the last LimitInfo seen.
type usage struct {
	mu    sync.Mutex // guards what follows
	info  LimitInfo
	known bool
}

func (u *usage) store(i LimitInfo) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.info, u.known = i, true
}

// Usage returns what the last answer that said so told of the org's allocation;
// false where none has.
func (c *Client) Usage() (LimitInfo, bool) {
	c.usage.mu.Lock()
	defer c.usage.mu.Unlock()
	return c.usage.info, c.usage.known
}

// clock is Salesforce's, read off the Date header of its last good answer.
type clock struct {
	mu     sync.Mutex // guards what follows
	server time.Time
	local  time.Time // when that was, with its monotonic reading
}

func (c *clock) set(date string) {
	t, err := http.ParseTime(date)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server, c.local = t.UTC(), time.Now()
}

// Now returns the time by Salesforce's clock: what its last answer said and the time
// gone by since, whatever this host's clock says. It is false before the first
// answer. It is as exact as the header, to the second.
func (c *Client) Now() (time.Time, bool) {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	if c.clock.server.IsZero() {
		return time.Time{}, false
	}
	return c.clock.server.Add(time.Since(c.clock.local)), true
}
