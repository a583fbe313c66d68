package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	maxStatus = 20 * time.Millisecond
	idleAsks  = 200
	askEvery  = 50 * time.Millisecond
)

// apiRows measures how long status takes while a first sync runs, and beside
// it when nothing does.
func (b *bench) apiRows(ctx context.Context, s *sim, store string, n int) ([]row, error) {
	url, drop, err := b.database(ctx, store)
	if err != nil {
		return nil, err
	}
	defer drop()
	d, err := b.startDaemon(ctx, s, url, n)
	if err != nil {
		return nil, err
	}
	defer d.stop()
	busy, end := context.WithCancel(ctx)
	defer end()
	var under []time.Duration
	var asked error
	var wg sync.WaitGroup
	wg.Go(func() { under, asked = d.ask(busy, 1<<20) })
	_, err = d.first(ctx)
	end()
	wg.Wait()
	if err == nil {
		err = asked
	}
	if err != nil {
		return nil, err
	}
	idle, err := d.ask(ctx, idleAsks)
	if err != nil {
		return nil, err
	}
	r := row{
		Name: "status p99 under load", Store: store, Users: n, Unit: "ms", Value: millis(p99(under)), Floor: millis(p99(idle)),
		Target: millis(maxStatus), Note: fmt.Sprintf("of %d; the floor is an idle daemon's", len(under)),
	}
	return []row{r}, nil
}

// ask asks for the status again and again, and returns how long each took.
func (d *daemon) ask(ctx context.Context, times int) ([]time.Duration, error) {
	var took []time.Duration
	for range times {
		began := time.Now()
		_, err := d.Status(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return took, err
		}
		took = append(took, time.Since(began))
		if !pause(ctx, askEvery) {
			break
		}
	}
	return took, nil
}

func p99(took []time.Duration) time.Duration { return percentile(took, 99) }

func p50(took []time.Duration) time.Duration { return percentile(took, 50) }

func percentile(took []time.Duration, n int) time.Duration {
	if len(took) == 0 {
		return 0
	}
	took = slices.Sorted(slices.Values(took))
	return took[len(took)*n/100]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
