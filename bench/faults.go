package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/control"
)

const (
	faultUsers  = 2000
	faultPeople = 5 // whose change must not be lost
	faultLimit  = 3 * time.Minute
	slowLimit   = 7 * time.Minute // a silent stream is given up after five
	randomKills = 10
)

// fault is what came of something that went wrong.
type fault struct {
	Name      string  `json:"name"`
	Store     string  `json:"store"`
	Converged bool    `json:"converged"`
	Took      float64 `json:"took"`             // seconds from the fault until the changes were in the directory
	Calls     int     `json:"calls"`            // API calls in that time
	Stream    float64 `json:"stream,omitempty"` // seconds from then, or from the mending, until events came again
	Runs      string  `json:"runs"`             // what it took: kinds of runs and what began them
	Note      string  `json:"note,omitempty"`
	Date      string  `json:"date,omitempty"`
}

func (f fault) key() string { return f.Name + "/" + f.Store }

func (f fault) cells() []string {
	yes := map[bool]string{true: "yes", false: "no"}
	return []string{
		f.Name, f.Store, yes[f.Converged], number(f.Took) + " s", fmt.Sprint(f.Calls), number(f.Stream) + " s", f.Runs, f.Note,
	}
}

func (f fault) line() string {
	c := f.cells()
	return fmt.Sprintf("%-38s %-9s converged %-3s in %8s  calls %4s  events again after %8s  by %s  %s", c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7])
}

// place is where a fault stands among the others.
func (f fault) place() int {
	return slices.IndexFunc(stories(), func(s story) bool { return s.name == f.Name })
}

// faultTable is Markdown.
func (r *results) faultTable() string {
	if len(r.Faults) == 0 {
		return "Not measured yet.\n"
	}
	var b strings.Builder
	b.WriteString("| what goes wrong | store | converged | after | calls | events again after | runs | besides | date |\n|---|---|---|--:|--:|--:|---|---|---|\n")
	for _, f := range r.Faults {
		b.WriteString("| " + strings.Join(append(f.cells(), f.Date), " | ") + " |\n")
	}
	return b.String()
}

// story is one thing that goes wrong.
type story struct {
	name string
	note string
	slow bool // it takes minutes: only with -big
	// before brings it about, and after goes on with it once the people were changed.
	before, after func(ctx context.Context, w *faultWorld) error
	// mend ends what does not pass by itself, once the changes have arrived.
	mend func(ctx context.Context, w *faultWorld) error
}

// faultWorld is a daemon that follows change events of an org in which things go
// wrong.
type faultWorld struct {
	*daemon
	streamed
	url   string
	ids   []string
	marks []string
	began time.Time
}

// faultRows lets everything go wrong of which the name contains which, one thing
// after the other.
func (b *bench) faultRows(ctx context.Context, store, which string, big bool) (list []fault, err error) {
	s, url, end, err := b.orgAndDatabase(ctx, store, faultUsers)
	if err != nil {
		return nil, err
	}
	defer end()
	w := &faultWorld{streamed: streamed{b: b, sim: s, store: store, users: faultUsers}, url: url}
	if err := w.start(ctx); err != nil {
		return nil, err
	}
	defer func() { w.daemon.stop() }()
	if _, err := w.first(ctx); err != nil {
		return nil, err
	}
	if w.ids, err = w.people(ctx, 100); err != nil {
		return nil, err
	}
	if w.w, err = watch(ctx, url); err != nil {
		return nil, err
	}
	defer w.w.stop()
	for _, st := range stories() {
		if !strings.Contains(st.name, which) {
			continue
		}
		if st.slow && !big {
			_, _ = fmt.Fprintf(b.out, "%s takes minutes: measured with -big\n", st.name)
			continue
		}
		f, err := w.tell(ctx, st)
		if err != nil {
			return list, fmt.Errorf("%s: %w", st.name, err)
		}
		_, _ = fmt.Fprintln(b.out, f.line())
		list = append(list, f)
	}
	return list, nil
}

func (w *faultWorld) start(ctx context.Context) (err error) {
	w.daemon, err = w.b.startAs(ctx, w.sim, w.url, w.users, manner{changes: "auto", poll: 10 * time.Second})
	return err
}

// kill ends the daemon as a power failure would.
func (w *faultWorld) kill() {
	_ = w.cmd.Process.Kill() // it runs
	_ = w.cmd.Wait()
	w.Close()
}

// renew changes some people: each of them once, since of two changes the first
// may never be read.
func (w *faultWorld) renew(ctx context.Context, ids []string) error {
	for _, id := range ids {
		name, _, err := w.change(ctx, id)
		if err != nil {
			return err
		}
		w.marks = append(w.marks, name)
	}
	return nil
}

// tell lets something go wrong and sees what comes of it.
func (w *faultWorld) tell(ctx context.Context, st story) (fault, error) {
	f := fault{Name: st.name, Store: w.store, Note: st.note}
	if err := w.calm(ctx); err != nil {
		return f, err
	}
	newest, err := w.newest(ctx)
	if err != nil {
		return f, err
	}
	before, err := w.sim.spent(ctx)
	if err != nil {
		return f, err
	}
	w.marks, w.began = nil, time.Now()
	for _, step := range []func(context.Context, *faultWorld) error{
		st.before, func(ctx context.Context, w *faultWorld) error { return w.renew(ctx, w.ids[:faultPeople]) }, st.after,
	} {
		if step == nil {
			continue
		}
		if err := step(ctx, w); err != nil {
			return f, err
		}
	}
	limit := faultLimit
	if st.slow {
		limit = slowLimit
	}
	if err := w.w.await(ctx, w.marks, limit); err != nil {
		return f, err
	}
	arrived := w.began
	for _, m := range w.marks {
		if at, _ := w.w.when(m); at.After(arrived) {
			arrived = at
		}
	}
	f.Took = arrived.Sub(w.began).Seconds()
	after, err := w.sim.spent(ctx)
	if err != nil {
		return f, err
	}
	f.Calls = after.since(before).calls
	if st.mend != nil {
		arrived = time.Now()
		if err := st.mend(ctx, w); err != nil {
			return f, err
		}
	}
	if err := w.standing(ctx); err != nil {
		return f, err
	}
	f.Stream = max(time.Since(arrived), 0).Seconds()
	if f.Runs, err = w.since(ctx, newest); err != nil {
		return f, err
	}
	f.Converged, err = w.same(ctx)
	return f, err
}

// calm has nothing be wrong any more, and events come to a daemon that has seen
// nothing go wrong: waits grow with what went wrong lately.
func (w *faultWorld) calm(ctx context.Context) error {
	if err := w.sim.ask(ctx, http.MethodDelete, "faults", nil, nil); err != nil {
		return err
	}
	w.daemon.stop()
	if err := w.start(ctx); err != nil {
		return err
	}
	if err := w.standing(ctx); err != nil {
		return err
	}
	return w.warm(ctx, w.ids[10:13]) // so that a position is stored, too
}

func (w *faultWorld) newest(ctx context.Context) (int64, error) {
	page, err := w.Runs(ctx, 0, 1)
	if err != nil || len(page.Runs) == 0 {
		return 0, err
	}
	return page.Runs[0].ID, nil
}

// since says what kinds of runs there were after one.
func (w *faultWorld) since(ctx context.Context, id int64) (string, error) {
	page, err := w.Runs(ctx, 0, 100)
	if err != nil {
		return "", err
	}
	kinds := map[string]bool{}
	for _, r := range page.Runs {
		if r.ID > id {
			kinds[fmt.Sprintf("%s (%s)", r.Kind, r.Trigger)] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(kinds)), ", "), nil
}

// same reports whether the directory says of everyone what the org says, and
// whether each change was written once.
func (w *faultWorld) same(ctx context.Context) (bool, error) {
	var there []struct {
		ID       string `json:"Id"`
		Title    string `json:"Title"`
		IsActive bool   `json:"IsActive"`
	}
	if err := w.sim.ask(ctx, http.MethodGet, fmt.Sprintf("users?limit=%d", 2*faultUsers), nil, &there); err != nil {
		return false, err
	}
	titles := map[string]string{}
	for _, u := range there {
		if u.IsActive {
			titles[u.ID] = u.Title
		}
	}
	n := 0
	for u, err := range w.Users(ctx, control.UserFilter{Status: "active"}) {
		if err != nil {
			return false, err
		}
		if n++; titles[u.SalesforceID] != u.Title {
			return false, nil
		}
	}
	return n == faultUsers && len(w.w.repeated(w.marks)) == 0, nil
}

// killed has the daemon die while it reads back whom events named, so that it
// has received what it has not applied, and starts another.
func killed(ctx context.Context, w *faultWorld) error {
	if !pause(ctx, 2*time.Second) { // the call that reads them back does not end
		return ctx.Err()
	}
	for _, m := range w.marks {
		if _, ok := w.w.when(m); ok {
			return fmt.Errorf("%q was applied before the daemon could be killed", m)
		}
	}
	w.began = time.Now()
	w.kill()
	if err := w.sim.ask(ctx, http.MethodDelete, "faults", nil, nil); err != nil {
		return err
	}
	return w.start(ctx)
}

// killedAtRandom kills the daemon again and again while changes come.
func killedAtRandom(ctx context.Context, w *faultWorld) error {
	for i := range randomKills {
		if err := w.renew(ctx, w.ids[20+i*faultPeople:][:faultPeople]); err != nil {
			return err
		}
		if !pause(ctx, rand.N(300*time.Millisecond)) {
			return ctx.Err()
		}
		w.kill()
		if err := w.start(ctx); err != nil {
			return err
		}
	}
	return nil
}
