package sync

import (
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
