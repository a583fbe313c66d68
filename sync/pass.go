package sync

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// newPass gathers what a reconciliation must know before it begins.
func (e *Engine) newPass(ctx context.Context, run *running, ids []string, force bool) (*pass, error) {
	cfg := e.config()
	p := &pass{
		e: e, cfg: cfg, run: run, force: force,
		enroll: map[string]bool{}, retries: map[string]store.PendingRow{}, waiting: map[string]bool{},
		held: map[string]store.HeldRow{}, open: map[openItem]bool{}, noted: map[string]bool{},
		diff: DiffPolicy{
			Now: e.now(), Policy: cfg.policyMark(), Leaving: cfg.Leaving, NoSeat: cfg.OnNoSeat,
			Actor: dialer.Actor{Kind: dialer.ActorSync, Name: "rosterd"}, RunID: runID(run.ID),
		},
		match: &matcher{shared: map[string]bool{}, names: map[string]bool{}},
		seats: &seatCount{left: map[string]int{}, short: map[string]bool{}},
	}
	p.fields = e.hiddenFields()
	for _, l := range cfg.Licenses {
		if l.Default {
			p.diff.Seats = append(p.diff.Seats, l.Type)
		}
	}
	if err := p.load(ctx); err != nil {
		return nil, err
	}
	if ids != nil {
		p.ids = p.withPending(ids)
	}
	return p, nil
}

// policyMark identifies all that a settled user was settled under.
func (c *Config) policyMark() int64 {
	h := c.Policy.Hash()
	for _, s := range []string{string(c.Frozen), string(c.Enrollment), string(c.Match)} {
		for i := range len(s) {
			h = h*1099511628211 ^ int64(s[i])
		}
	}
	if h == 0 {
		h = 1
	}
	return h
}

func (p *pass) load(ctx context.Context) error {
	j := p.e.journal
	for _, kind := range []string{store.PendingEnroll, store.PendingRetry, store.PendingNoSeat} {
		rows, err := j.Pending(ctx, kind, 0, 0)
		if err != nil {
			return err
		}
		for _, r := range rows {
			switch kind {
			case store.PendingEnroll:
				p.enroll[r.SalesforceID] = true
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

func (p *pass) loadSides(ctx context.Context) error {
	if err := p.countSeats(ctx); err != nil {
		return err
	}
	n, err := p.e.dir.Count(ctx, dialer.Query{Status: dialer.StatusAll})
	if err != nil {
		return err
	}
	p.match.empty = n == 0
	p.run.empty = n == 0 && p.run.DryRun
	keys, err := p.e.mirror.SharedKeys(ctx, true)
	if err != nil {
		return err
	}
	for _, k := range keys {
		p.match.shared[k] = true
	}
	return nil
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

func (s *seatCount) any(types []string) bool {
	return !slices.ContainsFunc(types, func(t string) bool { return s.left[t] <= 0 })
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

// mend forgets the troubles of a user who is as they should be.
func (p *pass) mend(ctx context.Context, id string) {
	if p.run.DryRun {
		return
	}
	var kinds []string
	for _, k := range []string{AttentionDuplicate, AttentionAmbiguous, AttentionTaken, AttentionInvisible, AttentionParked} {
		if p.open[openItem{k, id}] {
			kinds = append(kinds, k)
			delete(p.open, openItem{k, id})
		}
	}
	if len(kinds) > 0 {
		p.keep(p.e.journal.CloseAttention(ctx, kinds, []string{id}, "sync", store.Micros(p.diff.Now)))
	}
	if _, ok := p.retries[id]; ok {
		delete(p.retries, id)
		p.keep(p.e.journal.DropPending(ctx, store.PendingRetry, []string{id}))
	}
	if p.enroll[id] {
		delete(p.enroll, id)
		p.keep(p.e.journal.DropPending(ctx, store.PendingEnroll, []string{id}))
	}
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
	if p.run.DryRun {
		return nil
	}
	r := p.retries[a.SalesforceID]
	hash := int64(0)
	if a.Desired != nil {
		hash = a.Desired.Hash
	}
	if r.SourceHash != hash {
		r.Attempts = 0
	}
	now := p.diff.Now
	r.SalesforceID, r.Kind, r.SourceHash, r.Detail = a.SalesforceID, store.PendingRetry, hash, cause.Error()
	if r.Since == 0 {
		r.Since = store.Micros(now)
	}
	r.Attempts++
	wait := min(retryFirst<<min(r.Attempts-1, 20), retryMost)
	r.Next = store.Micros(now.Add(wait))
	if r.Attempts >= retryLimit {
		r.Next = 0 // only a changed source or a person makes it due
		p.attend(ctx, AttentionParked, a.SalesforceID, fmt.Sprintf("%s after %d tries", cause, r.Attempts))
	}
	p.retries[a.SalesforceID] = r
	return p.e.journal.PutPending(ctx, []store.PendingRow{r})
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
	var gone []string
	policyHeld := false
	for k, h := range p.held {
		looked := p.ids == nil || slices.Contains(p.ids, h.SalesforceID)
		if looked && (!p.noted[k] || store.Time(h.ApprovedUntil).After(p.diff.Now)) {
			gone = append(gone, k)
		}
	}
	for part := range slices.Chunk(gone, chunk) {
		if err := p.e.journal.DropHeld(ctx, part); err != nil {
			return err
		}
	}
	rows, err := p.keysHeld(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		policyHeld = policyHeld || r.byPolicy
	}
	if p.ids == nil && !policyHeld {
		if err := p.e.remember(ctx, statePolicy, fmt.Sprint(p.cfg.policyMark())); err != nil {
			return err
		}
	}
	if err := p.seatAttention(ctx); err != nil {
		return err
	}
	return p.run.bookkeeping
}

type heldKey struct {
	key      string
	byPolicy bool
}

// keysHeld reads what is held after the pass, and stamps it on the run.
func (p *pass) keysHeld(ctx context.Context) ([]heldKey, error) {
	var rows []heldKey
	var keys []string
	people := map[string]bool{}
	for h, err := range p.e.journal.Held(ctx) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, heldKey{h.Key, h.Why == whyPolicy})
		keys = append(keys, h.Key)
		people[h.SalesforceID] = true
		if p.run.HeldWhy == "" {
			p.run.HeldWhy = h.Why
		}
	}
	p.run.count(func(c *Counts) { c.Held = len(people) })
	p.run.HeldFingerprint = fingerprint(keys)
	return rows, nil
}

// seatAttention keeps the one item that says how many wait for a seat.
func (p *pass) seatAttention(ctx context.Context) error {
	n, _, err := p.e.journal.PendingCount(ctx, store.PendingNoSeat)
	if err != nil {
		return err
	}
	switch {
	case n > 0:
		p.attend(ctx, AttentionNoSeat, "", fmt.Sprintf("people in scope who wait for a seat: %d", n))
	case p.open[openItem{AttentionNoSeat, ""}]:
		return p.e.journal.CloseAttention(ctx, []string{AttentionNoSeat}, []string{""}, "sync", store.Micros(p.diff.Now))
	}
	return nil
}
