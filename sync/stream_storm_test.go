package sync_test

import (
	"testing"
	"time"

	rostersync "github.com/rosterd/rosterd/sync"
)

// Events that cannot be read make rosterd look, and not more often than it
// would without events.
func TestUnreadableEventsCostNoMoreThanPolls(t *testing.T) {
	inBubble(t, wish{}, func(t *testing.T, x *world, h *hose) {
		before := x.spent()
		for range 600 {
			h.in <- rostersync.StreamBatch{Unreadable: 1, Position: []byte("1")}
			time.Sleep(time.Second)
		}
		if n := x.spent() - before; n < 5 || n > 12 {
			t.Errorf("%d calls in ten minutes of polls of a minute", n)
		}
	})
}

// However many events concern everyone, full syncs for them are apart, and
// what changed meanwhile is found by looks. After the last event, one more
// finds the rest.
func TestOverflowsDoNotSpendTheDay(t *testing.T) {
	inBubble(t, wish{cfg: func(c *rostersync.Config) { c.Budget.CallsPerDay = 2000 }}, func(t *testing.T, x *world, h *hose) {
		x.org.ResetCalls()
		for i := range 600 {
			h.in <- rostersync.StreamBatch{Changes: []rostersync.StreamChange{{Kind: "overflow", Everyone: true}}, Position: []byte("1")}
			if i == 300 {
				x.retitle(x.ids()[4], "Overflown")
			}
			time.Sleep(time.Second)
		}
		if n := x.spent(); n > 40 {
			t.Errorf("%d calls in ten minutes: %v", n, x.org.Calls())
		}
		if got := x.users()[x.ids()[4]].Title; got != "Overflown" {
			t.Errorf("the title is %q", got)
		}
		ended := time.Now()
		time.Sleep(10 * time.Minute)
		if last := x.stand().LastFull; !last.After(ended.Add(-2 * time.Second)) {
			t.Errorf("the last full sync was at %s, before the events ended at %s", last, ended)
		}
	})
}
