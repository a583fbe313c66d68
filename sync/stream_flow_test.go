package sync

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A short absence of the stream is no reason to poll, a long one is from its
// beginning.
func TestStreamStandsThroughShortAbsence(t *testing.T) {
	for _, tt := range []struct {
		name  string
		retry time.Duration
		after time.Duration
		want  bool
	}{
		{"just ended", time.Second, 0, true},
		{"away for a while", time.Second, streamGrace - time.Second, true},
		{"away for too long", time.Second, streamGrace + time.Second, false},
		{"known to be away for long", 15 * time.Minute, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlow()
				f.set(StreamState{Phase: streamLive})
				f.set(StreamState{Phase: streamDown, Retry: time.Now().Add(tt.retry)})
				time.Sleep(tt.after)
				if got := f.stands(); got != tt.want {
					t.Errorf("got %t, want %t", got, tt.want)
				}
			})
		})
	}
}

// However many wait, whoever may be leaving is read with the next call.
func TestLeaversAreReadFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, people := newFlow(), map[string]named{}
		for i := range 3 * readMost {
			people[fmt.Sprint(i)] = named{since: time.Now()}
		}
		f.add(people)
		time.Sleep(time.Second)
		f.add(map[string]named{"leaver": {since: time.Now(), urgent: true}})
		time.Sleep(time.Second)
		got, _ := f.ripe(time.Now(), pace{})
		if _, ok := got["leaver"]; !ok || len(got) != readMost {
			t.Errorf("the leaver is not among the first %d", len(got))
		}
	})
}

// Where calls are short, many who wait cost no more than few: the pace is from
// one call to the next. Where they are not, a full call goes at once.
func TestManyWaitAsFewDo(t *testing.T) {
	for _, tt := range []struct {
		name  string
		least pace
		want  int
	}{
		{"plenty", pace{}, 5},
		{"short", pace{leavers: time.Second, changes: 10 * time.Second}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, people, calls := newFlow(), map[string]named{}, 0
				for i := range 5 * readMost {
					people[fmt.Sprint(i)] = named{since: time.Now()}
				}
				f.add(people)
				for start := time.Now(); time.Since(start) < 35*time.Second; {
					if got, wait := f.ripe(time.Now(), tt.least); len(got) > 0 {
						calls++
						f.done(got)
					} else if wait < 0 {
						break
					} else {
						time.Sleep(wait)
					}
				}
				if calls != tt.want {
					t.Errorf("%d calls, want %d", calls, tt.want)
				}
			})
		})
	}
}
