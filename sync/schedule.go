package sync

import (
	"fmt"
	"time"

	cron "github.com/netresearch/go-cron"
)

// Schedule says when a full sync is due: a five-field cron expression read in
// the org's time zone. A run whose local time is skipped by daylight saving
// is due when the gap ends; one whose local time comes twice is due at the
// first of them.
type Schedule struct {
	spec string
	cron cron.Schedule
	zone *time.Location
}

// ParseSchedule compiles a five-field cron expression for a time zone. An
// expression that never fires, such as one for the 30th of February, is an
// error.
func ParseSchedule(spec string, zone *time.Location) (*Schedule, error) {
	p, err := cron.TryNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom)
	if err != nil {
		return nil, fmt.Errorf("set up the cron parser: %w", err)
	}
	c, err := p.Parse(spec)
	if err != nil {
		return nil, fmt.Errorf("read cron expression %q: %w", spec, err)
	}
	if ss, ok := c.(*cron.SpecSchedule); ok {
		ss.Location = time.UTC // wall-clock times travel as UTC, see Next
	}
	s := &Schedule{spec: spec, cron: c, zone: zone}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("cron expression %q never fires", spec)
	}
	return s, nil
}

// String returns the expression.
func (s *Schedule) String() string { return s.spec }

// Next returns the first time after t at which the schedule is due.
func (s *Schedule) Next(t time.Time) time.Time {
	wall := toWall(t, s.zone)
	// After a repeated hour the wall clock is behind the walls already served:
	// each of those resolves to an instant not after t and is passed over. A
	// clock is put back by a day at most, which has 1,440 minutes.
	for range 1500 {
		wall = s.cron.Next(wall)
		if wall.IsZero() {
			return time.Time{}
		}
		if at := fromWall(wall, s.zone); at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// Due returns the latest time at or before now at which the schedule was due
// and that lies after last, or the zero time. Runs missed while nobody ran are
// thereby caught up once, not once each.
func (s *Schedule) Due(last, now time.Time) time.Time {
	if last.IsZero() {
		return time.Time{}
	}
	// From a long way back, skip ahead: only the latest missed run counts.
	from := last
	if far := now.AddDate(-5, 0, 0); from.Before(far) {
		from = far
	}
	next := s.Next(from)
	if next.IsZero() || next.After(now) {
		return time.Time{}
	}
	lo := now
	for step := time.Minute; ; step *= 2 {
		lo = now.Add(-step)
		if !lo.After(from) {
			lo = from
			break
		}
		if n := s.Next(lo); !n.IsZero() && !n.After(now) {
			break
		}
	}
	var due time.Time
	for n := s.Next(lo); !n.IsZero() && !n.After(now); n = s.Next(n) {
		due = n
	}
	return due
}

// NextMidnight returns 00:00 of the next local date after t in zone, or the
// first instant of that date where daylight saving skips its midnight.
func NextMidnight(t time.Time, zone *time.Location) time.Time {
	local := t.In(zone)
	y, m, d := local.Date()
	wall := time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
	if at := fromWall(wall, zone); at.After(t) {
		return at
	}
	// The clock was put back over midnight, and comes to it once more.
	_, offset := local.Zone()
	return wall.Add(-time.Duration(offset) * time.Second)
}

// toWall returns what a clock on the wall in zone shows at t, as a UTC time.
func toWall(t time.Time, zone *time.Location) time.Time {
	l := t.In(zone)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), time.UTC)
}

// fromWall returns the first instant at which a clock on the wall in zone
// shows wall, or the end of the gap in which it never does.
func fromWall(wall time.Time, zone *time.Location) time.Time {
	// The offsets in force half a day either side are the only candidates.
	_, before := wall.Add(-26 * time.Hour).In(zone).Zone()
	_, after := wall.Add(26 * time.Hour).In(zone).Zone()
	a := wall.Add(-time.Duration(before) * time.Second)
	b := wall.Add(-time.Duration(after) * time.Second)
	if b.Before(a) {
		a, b = b, a
	}
	for _, at := range []time.Time{a, b} {
		if toWall(at, zone).Equal(wall) {
			return at.UTC()
		}
	}
	if _, end := a.In(zone).ZoneBounds(); !end.IsZero() {
		return end.UTC()
	}
	return a.UTC()
}
