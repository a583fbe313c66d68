package sync

import (
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // zones wherever the test runs
)

// zoneNames are all names of the time zone database.
//
//go:embed testdata/zones.txt
var zoneNames string

func loadZones(t *testing.T) []*time.Location {
	t.Helper()
	var zones []*time.Location
	for name := range strings.FieldsSeq(zoneNames) {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, zone)
	}
	if len(zones) < 500 {
		t.Fatalf("only %d zones", len(zones))
	}
	return zones
}

// A span is a time during which a zone keeps its offset, and what its clocks
// show at its beginning and end, as seconds since 1970.
type span struct{ from, to, wallFrom, wallTo int64 }

// era is a few days in a zone, most often around a change of its clocks.
type era struct {
	zone     *time.Location
	from, to time.Time
	middle   time.Time
	spans    []span
}

func drawEra(r *rand.Rand, zones []*time.Location) era {
	e := era{zone: zones[r.IntN(len(zones))]}
	// From 1880, for the clocks of old, to 2090, for the rules of now.
	e.middle = time.Unix(r.Int64N(210*365*86400)-90*365*86400, r.Int64N(1e9)).UTC()
	if chance(r, 30) {
		e.middle = e.middle.Truncate(time.Minute)
	}
	if _, end := e.middle.In(e.zone).ZoneBounds(); !end.IsZero() && chance(r, 90) {
		e.middle = end.UTC()
	}
	e.from, e.to = e.middle.Truncate(time.Second).Add(-60*time.Hour), e.middle.Truncate(time.Second).Add(60*time.Hour)
	for at := e.from; at.Before(e.to); {
		_, off := at.In(e.zone).Zone()
		end := e.to
		if _, b := at.In(e.zone).ZoneBounds(); !b.IsZero() && b.Before(end) {
			end = b.UTC()
		}
		if !end.After(at) { // far ahead, ZoneBounds knows no 366th day of a year
			end = at.Add(time.Hour)
		}
		e.spans = append(e.spans, span{at.Unix(), end.Unix(), at.Unix() + int64(off), end.Unix() + int64(off)})
		at = end
	}
	return e
}

// at draws an instant of the era, most often close to its middle.
func (e *era) at(r *rand.Rand) time.Time {
	within := oneOf(r, time.Hour, 4*time.Hour, 30*time.Hour)
	return e.middle.Add(time.Duration(r.Int64N(int64(2*within))) - within)
}

// minBefore is a full day before all eras, so that divisions round down.
const minBefore = -200 * 365 * 86400

// due walks the clock of the era: a minute on it is due when the clock first
// comes to it or past it.
func (e *era) due(c *cronFields) []int64 {
	var all []int64
	high := e.spans[0].wallFrom // the latest that the clock has shown
	for _, s := range e.spans {
		for wall := (high-minBefore)/60*60 + minBefore; wall < s.wallTo || wall <= s.wallFrom; wall += 60 {
			if wall <= high || !c.match(wall) {
				continue
			}
			if at := max(s.from, s.from+wall-s.wallFrom); len(all) == 0 || all[len(all)-1] != at {
				all = append(all, at)
			}
		}
		high = max(high, s.wallFrom, s.wallTo-1)
	}
	return all
}

// cronFields is an expression as sets of bits.
type cronFields struct {
	spec                          string
	minute, hour, dom, month, dow uint64
}

func drawCron(r *rand.Rand) *cronFields {
	field := func(lo, hi, percentStar int) (string, uint64) {
		if chance(r, percentStar) {
			if step := 2 + r.IntN(20); chance(r, 20) && lo == 0 && hi > 20 {
				var set uint64
				for v := lo; v <= hi; v += step {
					set |= 1 << v
				}
				return "*/" + strconv.Itoa(step), set
			}
			return "*", 1<<63 | (1<<(hi+1) - 1)
		}
		var list []string
		var set uint64
		for range 1 + r.IntN(3) {
			v := lo + r.IntN(hi-lo+1)
			if chance(r, 30) {
				v = lo
			}
			list, set = append(list, strconv.Itoa(v)), set|1<<v
		}
		return strings.Join(list, ","), set
	}
	var c cronFields
	var s [5]string
	s[0], c.minute = field(0, 59, 15)
	s[1], c.hour = field(0, 23, 40)
	s[2], c.dom = field(1, 28, 85)
	if s[2] == "*" {
		c.dom |= 1<<29 | 1<<30 | 1<<31
	}
	s[3], c.month = field(1, 12, 95)
	s[4], c.dow = field(0, 6, 85)
	c.spec = strings.Join(s[:], " ")
	return &c
}

func (c *cronFields) match(wall int64) bool {
	if c.minute>>((wall-minBefore)/60%60)&1 == 0 {
		return false
	}
	t := time.Unix(wall, 0).UTC()
	dom, dow := c.dom>>t.Day()&1 == 1, c.dow>>t.Weekday()&1 == 1
	day := dom && dow
	if c.dom>>63 == 0 && c.dow>>63 == 0 { // both restricted: either will do
		day = dom || dow
	}
	return day && c.hour>>t.Hour()&1 == 1 && c.month>>t.Month()&1 == 1
}

func (c *cronFields) String() string { return strconv.Quote(c.spec) }

// Next is the next minute on the wall that the expression names: after t, none
// left out, at the end of a gap, once where the clock shows it twice.
func TestNextFollowsTheClockOnTheWall(t *testing.T) {
	zones := loadZones(t)
	eachSeed(t, func(r *rand.Rand, _ int) error {
		e, c := drawEra(r, zones), drawCron(r)
		s, err := ParseSchedule(c.spec, e.zone)
		if err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		due, from := e.due(c), e.at(r)
		for range 24 {
			next := s.Next(from)
			if !next.After(from) {
				return fmt.Errorf("%s in %s: after %s comes %s", c, e.zone, from, next)
			}
			i := slices.IndexFunc(due, func(u int64) bool { return time.Unix(u, 0).After(from) })
			if i < 0 {
				if next.Before(e.to) {
					return fmt.Errorf("%s in %s: after %s comes %s, want none before %s", c, e.zone, from.In(e.zone), next.In(e.zone), e.to.In(e.zone))
				}
				break
			}
			if next.Unix() != due[i] || next.Nanosecond() != 0 {
				return fmt.Errorf("%s in %s: after %s comes %s, want %s", c, e.zone, from.In(e.zone), next.In(e.zone), time.Unix(due[i], 0).In(e.zone))
			}
			from = next
		}
		return nil
	})
}

// Due is the last of the times that Next steps through, and none again once it
// was served.
func TestDueCatchesUpOnce(t *testing.T) {
	zones := loadZones(t)
	eachSeed(t, func(r *rand.Rand, _ int) error {
		e, c := drawEra(r, zones), drawCron(r)
		s, err := ParseSchedule(c.spec, e.zone)
		if err != nil {
			return err
		}
		due, last, now := e.due(c), e.at(r), e.from
		if chance(r, 10) {
			last = last.AddDate(-r.IntN(12), 0, 0)
		}
		for range 6 {
			if now = e.at(r); now.Before(last) {
				continue
			}
			want := time.Time{}
			for _, u := range due {
				if at := time.Unix(u, 0).UTC(); at.After(last) && !at.After(now) {
					want = at
				}
			}
			got := s.Due(last, now)
			if want.IsZero() && last.Before(e.from) { // not in the era: then before it
				if got.After(e.from) || !got.IsZero() && (!got.After(last) || !s.Next(got).After(now)) {
					return fmt.Errorf("%s in %s: since %s, at %s, due is %s", c, e.zone, last, now, got)
				}
				want = got
			}
			if !got.Equal(want) {
				return fmt.Errorf("%s in %s: since %s, at %s, due is %s, want %s", c, e.zone, last, now, got, want)
			}
			if got.IsZero() {
				continue
			}
			if again := s.Due(got, now); !again.IsZero() {
				return fmt.Errorf("%s in %s: %s was served, and at %s %s is due", c, e.zone, got, now, again)
			}
			last = got
		}
		if at := s.Due(time.Time{}, now); !at.IsZero() {
			return errors.New("something is due before there was anything to count from")
		}
		return nil
	})
}

// NextMidnight is the first instant after t of a later local date.
func TestNextMidnightBeginsTheNextDate(t *testing.T) {
	zones := loadZones(t)
	eachSeed(t, func(r *rand.Rand, _ int) error {
		e := drawEra(r, zones)
		for range 20 {
			at := e.at(r)
			got, want := NextMidnight(at, e.zone), e.midnight(at)
			if !want.IsZero() && !got.Equal(want) {
				return fmt.Errorf("in %s after %s: %s, want %s", e.zone, at.In(e.zone), got.In(e.zone), want.In(e.zone))
			}
		}
		return nil
	})
}

func (e *era) midnight(t time.Time) time.Time {
	const day = 86400
	date := func(wall int64) int64 { return (wall - minBefore) / day } // a number for each date
	var today int64
	for _, s := range e.spans {
		if t.Unix() >= s.to {
			continue
		}
		from := max(s.from, t.Unix())
		wall := s.wallFrom + from - s.from
		switch {
		case today == 0:
			today = date(wall)
		case date(wall) > today:
			return time.Unix(from, 0)
		}
		if until := from + day - (wall-minBefore)%day; until < s.to {
			return time.Unix(until, 0)
		}
	}
	return time.Time{}
}

// However long ago Salesforce changed, nobody leaves later than if it had been
// seen at once, and nobody before it was changed.
func TestLeavingIsNeverLaterThanFromSeen(t *testing.T) {
	zones := loadZones(t)
	eachSeed(t, func(r *rand.Rand, _ int) error {
		e := drawEra(r, zones)
		l := oneOf(r, Leaving{Zone: e.zone}, Leaving{Zone: e.zone, Midnight: true}, Leaving{Zone: e.zone, Midnight: true}, Leaving{Zone: e.zone, After: time.Duration(r.IntN(100)) * time.Minute})
		seen, changed := e.at(r), e.at(r)
		switch r.IntN(10) {
		case 0:
			changed = time.Time{}
		case 1, 2, 3, 4, 5:
			changed = seen.Add(-time.Duration(r.Int64N(int64(2 * time.Hour))))
		}
		at, most := l.At(changed, seen), l.At(seen, seen)
		known := !changed.IsZero() && !changed.After(seen)
		switch {
		case at.After(most):
			return fmt.Errorf("%+v: changed %s, seen %s: at %s, later than %s", l, changed, seen, at, most)
		case !known && !at.Equal(most):
			return fmt.Errorf("%+v: seen %s: at %s, want %s", l, seen, at, most)
		case known && at.Before(changed), most.Before(seen), l.Midnight && !most.After(seen):
			return fmt.Errorf("%+v: changed %s, seen %s: at %s, at most %s", l, changed, seen, at, most)
		case !l.Midnight && known && !at.Equal(changed.Add(l.After)):
			return fmt.Errorf("%+v: changed %s: at %s", l, changed, at)
		}
		return nil
	})
}

// At 00:01 the clocks of Newfoundland went back to 23:01 of the day before.
func TestMidnightThatComesTwice(t *testing.T) {
	zone, err := time.LoadLocation("America/St_Johns")
	if err != nil {
		t.Fatal(err)
	}
	first := time.Date(2010, 11, 7, 2, 30, 0, 0, time.UTC)
	second := first.Add(time.Hour)
	l := Leaving{Midnight: true, Zone: zone}
	for _, c := range []struct{ changed, seen, want time.Duration }{ // since the first midnight
		{-time.Minute, -time.Minute, 0},
		{-time.Minute, 30 * time.Second, 0},
		{30 * time.Second, 30 * time.Second, 25 * time.Hour},
		{30 * time.Second, 2 * time.Minute, time.Hour},
		{2 * time.Minute, 2 * time.Minute, time.Hour},
		{2 * time.Minute, 90 * time.Minute, time.Hour},
	} {
		if got, want := l.At(first.Add(c.changed), first.Add(c.seen)), first.Add(c.want); !got.Equal(want) {
			t.Errorf("changed %s and seen %s after midnight: leaves %s, want %s", c.changed, c.seen, got, want)
		}
	}
	s, err := ParseSchedule("0 0 * * *", zone)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Next(first.Add(-time.Hour)); !got.Equal(first) {
		t.Errorf("due at %s, want %s", got, first)
	}
	if got, want := s.Next(first), second.Add(24*time.Hour); !got.Equal(want) {
		t.Errorf("due again at %s, want %s", got, want)
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"0 0 * * *", "*/15 * * * *", "0 2 29 2 *", "0 0 30 2 *", "5 4 * * sun", "60 * * * *", "0 0 * *", "@daily", "0 0 1-5,L * ?", "TZ=UTC 0 0 * * *", "0-59/0 * * * *", ""} {
		f.Add(s, int64(1_774_000_000))
	}
	zone, err := time.LoadLocation("America/Denver")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, spec string, at int64) {
		s, err := ParseSchedule(spec, zone)
		if err != nil {
			return
		}
		from := time.Unix(at%(1<<33), 0)
		if next := s.Next(from); !next.IsZero() && !next.After(from) {
			t.Errorf("%q: after %s comes %s", spec, from, next)
		}
		if s.String() != spec {
			t.Errorf("%q: taken for %q", spec, s)
		}
	})
}
