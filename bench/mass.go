package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rosterd/rosterd/control"
)

const (
	maxMass     = 8.0 // times bare SQL of the same rows
	maxCancel   = time.Second
	massReason  = "benchmark"
	massSetting = "ring_timeout_seconds"
)

// massWorld is a daemon whose users are changed all at once.
type massWorld struct {
	*daemon
	b     *bench
	sim   *sim
	store string
	url   string
	n     int
	peak  int64 // bytes, of all daemons so far
}

// massRows measures what one action does to all n users: how fast, in how much
// memory, and that each of them is dealt with once whether it is canceled,
// killed or taken back half-way.
func (b *bench) massRows(ctx context.Context, s *sim, store string, n int) ([]row, error) {
	url, drop, err := b.database(ctx, store)
	if err != nil {
		return nil, err
	}
	defer drop()
	d, err := b.startDaemon(ctx, s, url, n)
	if err != nil {
		return nil, err
	}
	w := &massWorld{daemon: d, b: b, sim: s, store: store, url: url, n: n}
	defer func() { w.stop() }()
	if _, err := d.first(ctx); err != nil {
		return nil, err
	}
	if err := w.restart(ctx, (*daemon).stop); err != nil { // the peak memory shall be that of mass actions
		return nil, err
	}
	steps := []func(context.Context) ([]row, error){w.whole, w.killed, w.canceled}
	var list []row
	for _, step := range steps {
		rows, err := step(ctx)
		if err != nil {
			return list, err
		}
		list = append(list, rows...)
	}
	if err := w.note(); err != nil {
		return list, err
	}
	w.stop()
	floor, err := b.floor(ctx, "update", url)
	if err != nil {
		return list, err
	}
	if floor.Users != n {
		return list, fmt.Errorf("the floor changed %d users of %d", floor.Users, n)
	}
	for i := range list {
		if list[i].Unit == "s" {
			list[i].Floor = floor.Took.Seconds()
		}
	}
	return append(list, row{Name: "mass action: peak memory", Store: store, Users: n, Unit: "MiB", Value: float64(w.peak) / (1 << 20), Target: maxPeak / (1 << 20)}), nil
}

// note keeps the peak memory of a daemon that is about to end.
func (w *massWorld) note() error {
	peak, err := w.process.peak()
	w.peak = max(w.peak, peak)
	return err
}

func (w *massWorld) restart(ctx context.Context, end func(*daemon)) error {
	end(w.daemon)
	d, err := w.b.startDaemon(ctx, w.sim, w.url, w.n)
	if err == nil {
		w.daemon = d
	}
	return err
}

// preview makes the dry run of a setting for everybody.
func (w *massWorld) preview(ctx context.Context, value int) (control.MassAction, time.Duration, error) {
	began := time.Now()
	m, err := w.PreviewMass(ctx, control.MassActionRequest{
		Action: "set", Field: massSetting, Value: json.RawMessage(strconv.Itoa(value)), Scope: control.MassScope{All: true}, Reason: massReason,
	})
	if err == nil && (m.Total != int64(w.n) || m.Preview.Changed != m.Total) {
		err = fmt.Errorf("the dry run foretells %+v of %d users", m.Preview, m.Total)
	}
	return m, time.Since(began), err
}

// until waits for a mass action to have dealt with so many users, or to end.
func (w *massWorld) until(ctx context.Context, id, users int64) (control.MassAction, error) {
	for {
		m, err := w.MassAction(ctx, id)
		if err != nil {
			return m, err
		}
		if m.State != "running" || m.Done.Changed+m.Done.Unchanged+m.Done.Refused >= users {
			return m, nil
		}
		if !pause(ctx, 10*time.Millisecond) {
			return m, ctx.Err()
		}
	}
}

// have counts the users who have a value.
func (w *massWorld) have(ctx context.Context, value int) (n int64, err error) {
	f := control.UserFilter{Status: "all", Filter: fmt.Sprintf("%s=%d", massSetting, value)}
	for _, err := range w.Users(ctx, f) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (w *massWorld) row(name string, took time.Duration, users int64) row {
	return row{
		Name: "mass action" + name, Store: w.store, Users: w.n, Unit: "s", Value: took.Seconds(), Target: maxMass,
		Note: fmt.Sprintf("%s users/s", number(float64(int64(float64(users)/took.Seconds())))),
	}
}

// whole changes everybody, and takes it back.
func (w *massWorld) whole(ctx context.Context) ([]row, error) {
	m, previewed, err := w.preview(ctx, 41)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if _, err := w.StartMass(ctx, m.ID, m.Total); err != nil {
		return nil, err
	}
	if err := w.ends(ctx, m); err != nil {
		return nil, err
	}
	took := time.Since(began)
	if n, err := w.have(ctx, 41); err != nil || n != m.Total {
		return nil, errors.Join(err, fmt.Errorf("%d of %d users have what they were set to", n, m.Total))
	}
	began = time.Now()
	undo, err := w.UndoMass(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	if err := w.ends(ctx, undo); err != nil {
		return nil, fmt.Errorf("undo: %w", err)
	}
	back := time.Since(began)
	if n, err := w.have(ctx, 41); err != nil || n != 0 {
		return nil, errors.Join(err, fmt.Errorf("%d users keep what was undone", n))
	}
	return []row{w.row(": dry run", previewed, m.Total), w.row("", took, m.Total), w.row(": undo", back, m.Total)}, nil
}

// ends waits for the end of a mass action that changes everybody.
func (w *massWorld) ends(ctx context.Context, m control.MassAction) error {
	m, err := w.until(ctx, m.ID, int64(w.n)+1)
	if err == nil && (m.State != "done" || m.Done.Changed != int64(w.n)) {
		err = fmt.Errorf("mass action %d is %s: %+v", m.ID, m.State, m.Done)
	}
	return err
}

// killed kills the daemon half-way: another goes on where it was.
func (w *massWorld) killed(ctx context.Context) ([]row, error) {
	m, _, err := w.preview(ctx, 42)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if _, err := w.StartMass(ctx, m.ID, m.Total); err != nil {
		return nil, err
	}
	half, err := w.until(ctx, m.ID, m.Total/2)
	if err == nil {
		err = w.note()
	}
	if err != nil || half.State != "running" {
		return nil, errors.Join(err, fmt.Errorf("the mass action is %s before it could be killed", half.State))
	}
	if err := w.restart(ctx, func(d *daemon) {
		_ = d.cmd.Process.Kill() // it runs
		_ = d.cmd.Wait()
		d.Close()
	}); err != nil {
		return nil, err
	}
	if m, err = w.until(ctx, m.ID, int64(w.n)+1); err != nil {
		return nil, err
	}
	took := time.Since(began)
	n, err := w.have(ctx, 42)
	if err != nil || m.State != "done" || m.Done.Changed != m.Total || n != m.Total {
		return nil, errors.Join(err, fmt.Errorf("after kill -9 the mass action is %s, %+v, and %d users have the value", m.State, m.Done, n))
	}
	r := w.row(": kill -9 half-way", took, m.Total)
	r.Note = fmt.Sprintf("killed after %d", half.Done.Changed)
	return []row{r}, nil
}

// canceled stops half-way: who was changed stays changed, nobody else is.
func (w *massWorld) canceled(ctx context.Context) ([]row, error) {
	m, _, err := w.preview(ctx, 43)
	if err != nil {
		return nil, err
	}
	if _, err := w.StartMass(ctx, m.ID, m.Total); err != nil {
		return nil, err
	}
	if _, err := w.until(ctx, m.ID, m.Total/2); err != nil {
		return nil, err
	}
	began := time.Now()
	if _, err := w.CancelMass(ctx, m.ID); err != nil {
		return nil, err
	}
	if m, err = w.until(ctx, m.ID, int64(w.n)+1); err != nil {
		return nil, err
	}
	took := time.Since(began)
	n, err := w.have(ctx, 43)
	if err != nil || m.State != "canceled" || n != m.Done.Changed || n == 0 || n == m.Total {
		return nil, errors.Join(err, fmt.Errorf("the canceled mass action is %s, %+v, and %d users have the value", m.State, m.Done, n))
	}
	return []row{{
		Name: "mass action: cancel", Store: w.store, Users: w.n, Unit: "ms", Value: millis(took), Target: millis(maxCancel), Note: fmt.Sprintf("after %d", n),
	}}, nil
}
