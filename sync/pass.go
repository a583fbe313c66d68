package sync

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// newPass gathers what a reconciliation must know before it begins.
func (e *Engine) newPass(ctx context.Context, run *running, ids []string) (*pass, error) {
	cfg := e.config()
	p := &pass{
		e: e, cfg: cfg, run: run, force: run.forced(), everyone: ids == nil,
		enroll: map[string]string{}, retries: map[string]store.PendingRow{}, waiting: map[string]bool{},
		held: map[string]store.HeldRow{}, open: map[openItem]bool{}, noted: map[string]bool{},
		diff: DiffPolicy{
			Now: e.now(), Leaving: cfg.Leaving, NoSeat: cfg.OnNoSeat,
			Actor: dialer.Actor{Kind: dialer.ActorSync, Name: "rosterd"},
		},
		match: &matcher{},
		seats: &seatCount{left: map[string]int{}},
	}
	p.fields = e.hiddenFields(cfg)
	hidden := e.remembered().list(stateHidden)
	if run.DryRun && !run.local {
		hidden = run.hidden
		if run.Kind == KindFull {
			p.fields = run.hidden
		} else {
			p.fields = slices.Concat(run.hidden, p.fields)
		}
	}
	p.mark = cfg.settledMark(hidden)
	p.diff.Policy = p.mark
	if len(p.fields) > 0 && !run.DryRun && len(e.remembered().unread(cfg)) > 0 {
		p.diff.Policy = 0 // whoever is judged now is judged again with what is lacking
	}
	// Who somebody is can be told only among everyone.
	p.closed = run.partial && e.get(stateLastFull) == ""
	for _, l := range cfg.Licenses {
		if l.Default {
			p.diff.Seats = append(p.diff.Seats, l.Type)
		}
	}
	if run.seats != nil {
		p.diff.Seats = run.seats
	}
	if err := p.load(ctx); err != nil {
		return nil, err
	}
	switch {
	case ids == nil:
	case run.few(): // whoever asks for one is not kept waiting for others
		p.ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	default:
		p.ids = p.withPending(ids)
	}
	return p, nil
}

// policyMark identifies the rules in force.
func (c *Config) policyMark() int64 {
	return mix(c.Policy.Hash(), string(c.Frozen), string(c.Enrollment), string(c.Match))
}

// settledMark identifies all that a settled user was settled under: the rules,
// and which of the fields that they name were hidden. When one is hidden no
// longer, what waited for it is seen though the user has not changed.
func (c *Config) settledMark(hidden []string) int64 {
	named := slices.DeleteFunc(slices.Sorted(slices.Values(hidden)), func(f string) bool { return !c.Policy.names(f) })
	return mix(c.policyMark(), named...)
}

func mix(h int64, texts ...string) int64 {
	for _, s := range texts {
		for i := range len(s) {
			h = h*1099511628211 ^ int64(s[i])
		}
	}
	if h == 0 {
		h = 1
	}
	return h
}

// policyText is policyMark as it is remembered.
func (c *Config) policyText() string { return strconv.FormatInt(c.policyMark(), 10) }

func (p *pass) load(ctx context.Context) error {
	j := p.e.journal
	for _, kind := range []string{store.PendingEnroll, store.PendingRetry, store.PendingNoSeat} {
		rows, err := j.Pending(ctx, kind, 0)
		if err != nil {
			return err
		}
		for _, r := range rows {
			switch kind {
			case store.PendingEnroll:
				p.enroll[r.SalesforceID] = r.Detail
			case store.PendingRetry:
				p.retries[r.SalesforceID] = r
			default:
				p.waiting[r.SalesforceID] = true
			}
		}
	}
	for h, err := range j.Held(ctx) {
		if err != nil {
			return err
		}
		p.held[h.Key] = h
	}
	items, err := j.Attention(ctx, "")
	if err != nil {
		return err
	}
	for _, a := range items {
		p.open[openItem{a.Kind, a.Subject}] = true
	}
	return p.loadSides(ctx)
}

func (p *pass) countSeats(ctx context.Context) error {
	licenses, err := p.e.dir.Licenses(ctx)
	if err != nil {
		return err
	}
	for _, l := range licenses {
		p.seats.left[l.Type] = int(l.Left)
	}
	return nil
}

func (p *pass) loadSides(ctx context.Context) error {
	if err := p.countSeats(ctx); err != nil {
		return err
	}
	for _, q := range []struct {
		query dialer.Query
		none  *bool
	}{
		{dialer.Query{Linked: true}, &p.nobody},
		{dialer.Query{Status: dialer.StatusAll}, &p.match.empty},
		{dialer.Query{Status: dialer.StatusDeleted}, &p.match.undeleted},
	} {
		some, err := p.e.anyone(ctx, q.query)
		if err != nil {
			return err
		}
		*q.none = !some
	}
	p.run.empty = p.match.empty && p.run.DryRun
	return nil
}

// withPending adds to the users to look at everyone whose time or turn came.
func (p *pass) withPending(ids []string) []string {
	all := slices.Clone(ids)
	now := store.Micros(p.diff.Now)
	for id := range p.enroll {
		all = append(all, id)
	}
	for id, r := range p.retries {
		if r.Next != 0 && r.Next <= now {
			all = append(all, id)
		}
	}
	for _, h := range p.held {
		all = append(all, h.SalesforceID)
	}
	if p.seats.any(p.diff.Seats) {
		for id := range p.waiting {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// looks reports whether the pass looks at a user.
func (p *pass) looks(id string) bool {
	if p.everyone {
		return true
	}
	_, ok := slices.BinarySearch(p.ids, id)
	return ok
}

// isHeld reports whether something destructive of this user was noted in this
// pass.
func (p *pass) isHeld(id string) bool { return p.noted[id] }

// attend opens an attention item, once.
func (p *pass) attend(ctx context.Context, kind, subject, detail string) {
	if p.run.DryRun {
		return
	}
	n, err := p.e.journal.OpenAttention(ctx, []store.AttentionRow{{Kind: kind, Subject: subject, Detail: detail, Since: store.Micros(p.diff.Now)}})
	p.keep(err)
	p.open[openItem{kind, subject}] = true
	p.run.count(func(c *Counts) { c.Attention += n })
}

// close closes attention items that are open.
func (p *pass) close(ctx context.Context, subject string, kinds ...string) {
	kinds = slices.DeleteFunc(kinds, func(k string) bool { return !p.open[openItem{k, subject}] })
	if len(kinds) == 0 || p.run.DryRun {
		return
	}
	for _, k := range kinds {
		delete(p.open, openItem{k, subject})
	}
	p.keep(p.e.journal.CloseAttention(ctx, kinds, []string{subject}, "sync", store.Micros(p.diff.Now)))
}

// mend forgets the troubles of a user who is as they should be.
func (p *pass) mend(ctx context.Context, id string) {
	if p.run.DryRun {
		return
	}
	p.close(ctx, id, AttentionDuplicate, AttentionAmbiguous, AttentionTaken, AttentionInvisible, AttentionParked)
	if _, ok := p.retries[id]; ok {
		delete(p.retries, id)
		p.drop(ctx, store.PendingRetry, id)
	}
	if _, ok := p.enroll[id]; ok {
		delete(p.enroll, id)
		p.drop(ctx, store.PendingEnroll, id)
	}
	if p.waiting[id] {
		delete(p.waiting, id)
		p.drop(ctx, store.PendingNoSeat, id)
	}
}

func (p *pass) drop(ctx context.Context, kind, id string) {
	p.keep(p.e.journal.DropPending(ctx, kind, []string{id}))
}

// Retrying: how long a failed change waits, and after how many failures it is
// parked for a person.
const (
	retryFirst = 30 * time.Second
	retryMost  = 6 * time.Hour
	retryLimit = 8
)

// failed notes that a change could not be made, to be tried again later.
func (p *pass) failed(ctx context.Context, a *Action, cause error) error {
	p.run.count(func(c *Counts) { c.Failed++ })
	if a.Change.Verb != "" {
		p.e.observer.Changes(p.e.name, string(a.Change.Verb), "failed", 1)
	}
	if p.run.DryRun {
		return nil
	}
	r := p.retries[a.SalesforceID]
	if source := p.source(a); r.SourceHash != source {
		r.Attempts, r.SourceHash = 0, source
	}
	now := p.diff.Now
	r.SalesforceID, r.Kind, r.Detail = a.SalesforceID, store.PendingRetry, cause.Error()
	if r.Since == 0 {
		r.Since = store.Micros(now)
	}
	r.Attempts++
	wait := min(retryFirst<<min(r.Attempts-1, 20), retryMost)
	r.Next = store.Micros(now.Add(wait))
	if r.Attempts >= retryLimit {
		r.Next = 0 // only a changed source, changed rules or a person make it due
		p.attend(ctx, AttentionParked, a.SalesforceID, fmt.Sprintf("%s, after %d tries", cause, r.Attempts))
	}
	p.retries[a.SalesforceID] = r
	return p.e.journal.PutPending(ctx, []store.PendingRow{r})
}

// source identifies what a change follows from: the user as read, and the
// rules. What failed with one may succeed with another.
func (p *pass) source(a *Action) int64 {
	hash := p.diff.Policy
	if a.Desired != nil {
		hash ^= a.Desired.Hash
	}
	return hash
}

// backingOff reports whether a change failed before and its time to be tried
// again has not come. A changed source, changed rules or a person make it come,
// and nobody keeps access for it.
func (p *pass) backingOff(a *Action) bool {
	r, ok := p.retries[a.SalesforceID]
	switch v := a.Change.Verb; {
	case !ok || p.force || r.SourceHash != p.source(a):
		return false
	case v == dialer.VerbSettle || v == dialer.VerbSchedule || v == dialer.VerbDeactivate:
		return false
	case r.Next != 0 && r.Next <= store.Micros(p.diff.Now):
		return false
	}
	p.run.skip(SkipParked)
	return true
}

// keep remembers the first error of bookkeeping, which fails the run at its
// end: by then what could be done for people is done.
func (p *pass) keep(err error) {
	if err != nil && p.run.bookkeeping == nil {
		p.run.bookkeeping = err
	}
}

// finish tidies up: what is held no longer, who waits for a seat, the policy.
func (p *pass) finish(ctx context.Context) error {
	if p.run.DryRun {
		return p.run.bookkeeping
	}
	if err := p.unresolved(ctx); err != nil {
		return err
	}
	var gone []string
	for k, h := range p.held {
		if p.looks(h.SalesforceID) && (!p.noted[k] || store.Time(h.ApprovedUntil).After(p.diff.Now)) {
			gone = append(gone, k)
		}
	}
	for part := range slices.Chunk(gone, chunk) {
		if err := p.e.journal.DropHeld(ctx, part); err != nil {
			return err
		}
	}
	byPolicy, err := p.stampHeld(ctx)
	if err != nil {
		return err
	}
	var keep []string
	if p.everyone && !p.run.partial {
		keep = append(keep, stateLooked, p.cfg.policyText())
		if !byPolicy {
			keep = append(keep, statePolicy, p.cfg.policyText())
		}
	}
	if p.run.frozen != "" && !byPolicy {
		keep = append(keep, stateFrozen, string(p.run.frozen))
	}
	if err := p.e.remember(ctx, keep...); err != nil {
		return err
	}
	if p.everyone && !p.run.partial {
		p.e.mu.Lock()
		p.e.policySeen = p.cfg.policyText() // no run of its own is needed for these rules
		p.e.mu.Unlock()
	}
	if err := p.seatAttention(ctx); err != nil {
		return err
	}
	return p.run.bookkeeping
}

// unresolved has those looked at again later who were changed by someone else
// each time that the pass came to them.
func (p *pass) unresolved(ctx context.Context) error {
	var rows []store.PendingRow
	for _, id := range p.conflict {
		rows = append(rows, store.PendingRow{
			SalesforceID: id, Kind: store.PendingRetry, Since: store.Micros(p.diff.Now), Next: store.Micros(p.diff.Now.Add(retryFirst)),
			Detail: dialer.ErrConflict.Error(),
		})
	}
	return p.e.journal.PutPending(ctx, rows)
}

// stampHeld stamps on the run what is held after it, and reports whether some
// of it is for changed rules. A run for a few people that holds nothing of
// theirs holds nothing.
func (p *pass) stampHeld(ctx context.Context) (byPolicy bool, err error) {
	var keys []string
	people := map[string]bool{}
	why, ours := "", false
	for h, err := range p.e.journal.Held(ctx) {
		if err != nil {
			return false, err
		}
		byPolicy = byPolicy || h.Why == whyPolicy
		keys = append(keys, h.Key)
		people[h.SalesforceID] = true
		ours = ours || p.looks(h.SalesforceID)
		why = h.Why
	}
	if p.run.few() && !ours {
		keys, people = nil, nil
	}
	p.run.update(func(r *Run) {
		r.Held, r.HeldFingerprint = len(people), fingerprint(keys)
		if r.HeldWhy == "" {
			r.HeldWhy = why
		}
		if len(keys) == 0 {
			r.HeldWhy = ""
		}
	})
	return byPolicy, nil
}

// seatAttention keeps the one item that says how many wait for a seat.
func (p *pass) seatAttention(ctx context.Context) error {
	n, err := p.e.journal.PendingCount(ctx, store.PendingNoSeat)
	if err != nil {
		return err
	}
	if n == 0 {
		p.close(ctx, "", AttentionNoSeat)
		return nil
	}
	p.attend(ctx, AttentionNoSeat, "", fmt.Sprintf("people in scope who wait for a seat: %d", n))
	return nil
}
