package directory_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// BenchmarkMass carries out mass actions on 50,000 users. A user a second is
// what the dry run and the run take; peak-MiB is what the heap grows to.
func BenchmarkMass(b *testing.B) {
	const users = 50_000
	storetest.Bench(b, func(b *testing.B, open func() *store.DB) {
		ctx := b.Context()
		db := open()
		org, err := directory.EnsureOrg(ctx, db, "acme")
		if err != nil {
			b.Fatal(err)
		}
		d := directory.New(db, org, directory.Options{})
		changes := make([]dialer.Change, 0, 5000)
		for i := range users {
			changes = append(changes, dialer.Change{Verb: dialer.VerbCreate, User: person(i + 1), Actor: root})
			if len(changes) == cap(changes) {
				for _, r := range d.Apply(ctx, changes) {
					if r.Err != nil {
						b.Fatal(r.Err)
					}
				}
				changes = changes[:0]
			}
		}
		for b.Loop() {
			for _, r := range []dialer.MassRequest{
				{Action: dialer.MassSet, Field: dialer.FieldRecordingEnabled, Value: value(true)},
				{Action: dialer.MassAdd, Field: dialer.FieldTag, Value: value([]string{"east"})},
				{Action: dialer.MassDeactivate},
			} {
				massOnce(b, d, r, users)
			}
		}
	})
}

func massOnce(b *testing.B, d *directory.Directory, r dialer.MassRequest, users int64) {
	b.Helper()
	peak, stop := heapPeak()
	r.Scope, r.Actor = dialer.MassScope{All: true}, root
	start := time.Now()
	m, err := d.PreviewMass(b.Context(), r)
	if err != nil || m.Preview.Changed != users {
		b.Fatalf("preview: %+v, %v", m.Preview, err)
	}
	dry := time.Since(start)
	if _, err := d.StartMass(b.Context(), m.ID, m.Total, root); err != nil {
		b.Fatal(err)
	}
	start = time.Now()
	for more := true; more; {
		if more, err = d.StepMass(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(start)
	stop()
	name := string(r.Action) + "-"
	b.ReportMetric(float64(users)/dry.Seconds(), name+"dry-users/s")
	b.ReportMetric(float64(users)/took.Seconds(), name+"users/s")
	b.ReportMetric(float64(peak.Load())/(1<<20), fmt.Sprintf("%speak-MiB", name))
}

// heapPeak watches how large the heap becomes.
func heapPeak() (peak *atomic.Uint64, stop func()) {
	runtime.GC()
	peak = new(atomic.Uint64)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return peak, func() { close(done); <-ended }
}
