package sync

import (
	"fmt"
	"time"
)

// Guard limits how many people may leave, or have their e-mail address
// changed, within a rolling window. The destructive part of a plan is held
// when every limit that is set is exceeded; a limit of zero is not set, and
// with none set nothing is held.
type Guard struct {
	Users   int           // people
	Percent float64       // of those enrolled, 0 to 100
	Window  time.Duration // zero means 24 hours
}

// History is what the guard must know of the past.
type History struct {
	Leaving  int // people who left or had their address changed by the sync within the window, approved ones not counted
	Enrolled int // people linked to Salesforce before the plan
}

// HeldError says that the destructive part of a plan waits for a person.
type HeldError struct {
	Limit    string // the limit that was the last to be exceeded, in words
	Planned  int    // destructive changes of this plan
	History  int    // those already done within the window
	Enrolled int
	Window   time.Duration
}

// Error names the limit.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%d people would leave or change address, %d did within %s: more than the limit of %s",
		e.Planned, e.History, e.Window, e.Limit)
}

// Hint says what a person can do.
func (e *HeldError) Hint() string {
	return "look at the held changes with 'rosterctl runs show ID', then approve them with 'rosterctl runs approve ID', or correct Salesforce"
}

// Check returns a *HeldError if planned more destructive changes exceed every
// limit that is set.
func (g Guard) Check(planned int, h History) error {
	if planned == 0 || (g.Users <= 0 && g.Percent <= 0) {
		return nil
	}
	total := planned + h.Leaving
	if g.Users > 0 && total <= g.Users {
		return nil
	}
	// A hair more, for 0.581 % of 100,000 are 581 people and as floats a little less.
	if g.Percent > 0 && float64(total)*100 <= g.Percent*float64(h.Enrolled)*(1+1e-12) {
		return nil
	}
	limit := ""
	if g.Users > 0 {
		limit = fmt.Sprintf("%d people", g.Users)
	}
	if g.Percent > 0 {
		if limit != "" {
			limit += " and "
		}
		limit += fmt.Sprintf("%g %% of the %d enrolled", g.Percent, h.Enrolled)
	}
	return &HeldError{Limit: limit, Planned: planned, History: h.Leaving, Enrolled: h.Enrolled, Window: g.window()}
}

func (g Guard) window() time.Duration {
	if g.Window <= 0 {
		return 24 * time.Hour
	}
	return g.Window
}
