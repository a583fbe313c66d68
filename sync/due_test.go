package sync

import (
	"testing"
	"time"
)

func dueConfig(t *testing.T) *Config {
	t.Helper()
	full, err := ParseSchedule("0 0 * * *", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := CompilePolicy(DefaultScope, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Config{Full: full, Policy: policy}
}

func TestDueFull(t *testing.T) {
	now := time.Date(2026, 5, 6, 10, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return stamp(now.Add(d)) }
	mark := `{"upper":"2026-05-06T09:00:00Z"}`
	for _, tc := range []struct {
		name  string
		state state
		want  string
	}{
		{"never", state{}, triggerStart},
		{"no watermark", state{stateLastFull: at(-time.Hour)}, triggerStart},
		{"a stop cut it short", state{stateLastFull: at(-time.Hour), stateWatermark: mark, stateAgain: "full"}, triggerStart},
		{"served at midnight", state{stateLastFull: at(-10 * time.Hour), stateFullDue: at(-10 * time.Hour), stateWatermark: mark}, ""},
		{"by a person since", state{stateLastFull: at(-time.Hour), stateWatermark: mark}, ""},
		{"missed", state{stateLastFull: at(-20 * time.Hour), stateWatermark: mark}, triggerSchedule},
		{"missed for a month", state{stateLastFull: at(-700 * time.Hour), stateFullDue: at(-700 * time.Hour), stateWatermark: mark}, triggerSchedule},
		{"the clock was put back", state{stateLastFull: at(-time.Hour), stateFullDue: at(48 * time.Hour), stateWatermark: mark}, ""},
		{"far back", state{stateLastFull: at(72 * time.Hour), stateFullDue: at(72 * time.Hour), stateWatermark: mark}, triggerSchedule},
	} {
		trigger, due := dueFull(dueConfig(t), tc.state, now)
		if trigger != tc.want || due.After(now) {
			t.Errorf("%s: %q at %s, want %q", tc.name, trigger, due, tc.want)
		}
	}
}

// A clock that is put back while the engine runs stalls nothing.
func TestClockPutBackWhileRunning(t *testing.T) {
	cfg := dueConfig(t)
	cfg.Poll = time.Minute
	now := time.Now()
	e := &Engine{cfg: cfg, failures: map[Kind]int{}, notBefore: map[Kind]time.Time{KindChanges: now.Add(3 * time.Hour)}}
	if got := e.notBeforeLocked(KindChanges, now); !got.IsZero() {
		t.Errorf("waits until %s", got)
	}
	e.notBefore[KindFull] = now.Add(failMost / 2)
	if got := e.notBeforeLocked(KindFull, now); !got.Equal(now.Add(failMost / 2)) {
		t.Errorf("waits until %s", got)
	}
	if got := past(now.Add(3*time.Hour), now).Add(cfg.Poll); got.After(now) {
		t.Errorf("the next poll is at %s", got)
	}
}

// What was read of the state before a run ended begins none: it may be what that
// run has just changed.
func TestOldNewsBeginsNothing(t *testing.T) {
	cfg := dueConfig(t)
	cfg.Poll = time.Minute
	e := &Engine{
		cfg: cfg, quota: newGovernor(Budget{}, time.Now), policySeen: cfg.policyText(), ended: 1,
		failures: map[Kind]int{}, notBefore: map[Kind]time.Time{},
	}
	old := state{stateLastFull: stamp(time.Now().Add(-time.Hour)), stateFullDue: stamp(time.Now()), stateWatermark: `{"upper":"2026-05-06T09:00:00Z"}`}
	if e.begin(old, 0); len(e.queue) != 0 {
		t.Errorf("%d runs begin", len(e.queue))
	}
	if e.begin(old, 1); len(e.queue) != 1 {
		t.Errorf("%d runs begin, want 1", len(e.queue))
	}
}
