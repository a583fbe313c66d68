package sync

import (
	"fmt"
	"strings"
	"time"
)

// Leaving says when someone who may no longer use the dialer loses access.
type Leaving struct {
	Midnight bool          // at 00:00 of the next local date
	After    time.Duration // otherwise this long after Salesforce changed; zero is at once
	Zone     *time.Location
}

// ParseLeaving reads next_midnight, immediate, or after:DURATION.
func ParseLeaving(s string, zone *time.Location) (Leaving, error) {
	switch {
	case s == "next_midnight":
		return Leaving{Midnight: true, Zone: zone}, nil
	case s == "immediate":
		return Leaving{Zone: zone}, nil
	case strings.HasPrefix(s, "after:"):
		d, err := time.ParseDuration(strings.TrimPrefix(s, "after:"))
		if err != nil || d < 0 {
			return Leaving{}, fmt.Errorf("read %q: after: wants a duration of zero or more, such as after:24h", s)
		}
		return Leaving{After: d, Zone: zone}, nil
	}
	return Leaving{}, fmt.Errorf("read %q: want next_midnight, immediate or after:DURATION", s)
}

// At returns when access ends for a change that Salesforce made at changed and
// that was seen at seen. It is counted from changed where that is known and
// not in the future; a result not after seen means at once. It is never later
// than counting from seen would make it.
func (l Leaving) At(changed, seen time.Time) time.Time {
	if changed.IsZero() || changed.After(seen) {
		changed = seen
	}
	if l.Midnight { // the earlier, for a clock put back over midnight shows the day before again
		return earlier(NextMidnight(changed, l.Zone), NextMidnight(seen, l.Zone))
	}
	return changed.Add(l.After)
}
