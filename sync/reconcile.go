package sync

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// pass is one reconciliation: of everyone who is not settled, or of some. It
// makes no call to Salesforce.
//
// Its order is what keeps people safe: first the changes that take nothing
// from anybody, with the destructive ones only noted; then the guard; then
// those who leave, which frees seats and addresses; then those who join.
type pass struct {
	e        *Engine
	cfg      *Config
	run      *running
	ids      []string // whom to look at, sorted; nil means everyone unsettled
	everyone bool     // the pass began as one of everyone
	closed   bool     // nobody may join
	nobody   bool     // nobody is enrolled
	diff     DiffPolicy

	mark    int64                    // who is settled under it needs no look
	fields  []string                 // Salesforce fields that are not visible
	held    map[string]store.HeldRow // what is held, by key
	enroll  map[string]string        // whom an administrator asked for, with who asked
	retries map[string]store.PendingRow
	waiting map[string]bool   // who waits for a seat
	open    map[openItem]bool // open attention items
	force   bool              // a person asked: try again at once

	leaving  []destructive
	conflict []string        // changed under our hands: look again
	taken    []*Action       // wanted what someone else may give up in this pass
	last     bool            // what is taken now stays taken
	lesser   []*Action       // what is left of changes that were refused for a part
	joins    bool            // someone joins
	noted    map[string]bool // users, and keys of their changes, that the guard must see
	seats    *seatCount
	match    *matcher
}

type openItem struct{ kind, subject string }

// destructive names a change that the guard must see before it is made.
type destructive struct {
	id, part, key, userID string
	verb                  dialer.Verb
	reason                dialer.Reason
}

const (
	partLeave = "leave"
	partEmail = "email"
	chunk     = 500 // changes a transaction
	rounds    = 3   // how often those are looked at again who change meanwhile
)

// reconcile brings the directory to what mirror and rules say.
func (e *Engine) reconcile(ctx context.Context, run *running, ids []string) error {
	p, err := e.newPass(ctx, run, ids)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	for round := 0; ; round++ {
		if err := p.once(ctx); err != nil {
			return err
		}
		if len(p.conflict) == 0 || round == rounds {
			break
		}
		slices.Sort(p.conflict)
		p.ids, p.conflict, p.leaving, p.joins = slices.Compact(p.conflict), nil, nil, false
	}
	return p.finish(ctx)
}

// once goes through guard and apply for whom p.ids names.
func (p *pass) once(ctx context.Context) error {
	if err := p.refuseRefreshed(ctx); err != nil {
		return err
	}
	// Where nobody can leave, people join at once.
	direct := p.nobody && len(p.waiting) == 0
	if direct && !p.run.DryRun && p.e.get(statePolicy) == "" {
		// The rules by which the first people join. Noted before they do, or a
		// first sync that is interrupted would look like changed rules.
		if err := p.e.remember(ctx, statePolicy, p.cfg.policyText(), stateFrozen, string(p.cfg.Frozen)); err != nil {
			return err
		}
	}
	if p.everyone && !p.run.DryRun && p.e.get(stateLooked) != p.cfg.policyText() {
		// From here on some are settled by these rules and some by others, also if
		// the rules before come back.
		if err := p.e.remember(ctx, stateLooked, ""); err != nil {
			return err
		}
	}
	if err := p.leaveQueue(ctx); err != nil {
		return err
	}
	err := p.each(ctx, func(page []Action) error { return p.safePart(ctx, page, direct) })
	if err != nil {
		return err
	}
	if err := p.destructivePart(ctx); err != nil {
		return err
	}
	if err := p.settleTaken(ctx); err != nil {
		return err
	}
	if !p.run.DryRun {
		if err := p.countSeats(ctx); err != nil { // some left just now
			return err
		}
	}
	if direct || p.closed || !p.joins && (len(p.waiting) == 0 || !p.seats.any(p.diff.Seats)) {
		return nil
	}
	if err := p.joinPart(ctx); err != nil {
		return err
	}
	return p.settleTaken(ctx)
}

// settleTaken tries once more, all at once, those who wanted what was still
// someone else's: that may be someone who gave it up later in the pass.
func (p *pass) settleTaken(ctx context.Context) error {
	again := p.taken
	if p.taken = nil; len(again) == 0 {
		return nil
	}
	p.last = true
	err := p.carryOut(ctx, again)
	p.last = false
	return err
}

// joinPart gives seats: first to those who waited, in the order they came.
func (p *pass) joinPart(ctx context.Context) error {
	if len(p.waiting) > 0 {
		free := p.seats.any(p.diff.Seats)
		rows, err := p.e.journal.Pending(ctx, store.PendingNoSeat, 0)
		if err != nil {
			return err
		}
		var queue []string
		for _, r := range rows {
			if free || p.looks(r.SalesforceID) {
				queue = append(queue, r.SalesforceID)
			}
		}
		for part := range slices.Chunk(queue, chunk) {
			actions, err := p.actions(ctx, part)
			if err != nil {
				return err
			}
			order := map[string]int{}
			for i, id := range part {
				order[id] = i
			}
			slices.SortFunc(actions, func(a, b Action) int { return order[a.SalesforceID] - order[b.SalesforceID] })
			if err := p.join(ctx, actions); err != nil {
				return err
			}
		}
	}
	return p.each(ctx, func(page []Action) error {
		page = slices.DeleteFunc(page, func(a Action) bool { return p.waiting[a.SalesforceID] })
		return p.join(ctx, page)
	})
}

// each calls fn with the actions of everyone concerned, a page at a time.
func (p *pass) each(ctx context.Context, fn func([]Action) error) error {
	do := func(actions []Action, err error) error {
		if err != nil {
			return err
		}
		if err := p.run.wait(ctx); err != nil {
			return err
		}
		return fn(actions)
	}
	if p.ids != nil {
		for part := range slices.Chunk(p.ids, chunk) {
			if err := do(p.actions(ctx, part)); err != nil {
				return err
			}
		}
		return nil
	}
	for page, err := range p.ahead(ctx) {
		if err != nil {
			return err
		}
		if err := do(p.compare(ctx, page)); err != nil {
			return err
		}
	}
	return nil
}

// rows yields the mirror's rows that are not settled, and in a dry run what
// Salesforce said in it in their place.
func (p *pass) rows(ctx context.Context) iter.Seq2[store.MirrorRow, error] {
	stored := p.e.mirror.Unsettled(ctx, p.mark, false)
	if p.run.overlay == nil {
		return stored
	}
	return p.run.overlay.merge(stored)
}

// actions compares mirror and directory for some users.
func (p *pass) actions(ctx context.Context, ids []string) ([]Action, error) {
	rows, err := p.e.mirror.Rows(ctx, ids)
	if err != nil {
		return nil, err
	}
	if p.run.overlay != nil {
		rows = p.run.overlay.replace(rows, ids)
	}
	judged := make([]Desired, len(rows))
	for i := range rows {
		judged[i] = p.cfg.judge(&rows[i], p.fields)
	}
	return p.compare(ctx, judged)
}

// compare is Diff over some users, who are ordered by id.
func (p *pass) compare(ctx context.Context, judged []Desired) ([]Action, error) {
	ids := make([]string, len(judged))
	for i := range judged {
		ids[i] = judged[i].SalesforceID
	}
	desired := func(yield func(Desired, error) bool) {
		for i := range judged {
			if !yield(p.asked(judged[i]), nil) {
				return
			}
		}
	}
	actual := func(yield func(dialer.User, error) bool) {}
	if !p.run.empty {
		actual = p.e.dir.Users(ctx, dialer.Query{SalesforceIDs: ids, Linked: true, Order: dialer.OrderSalesforceID})
	}
	out := make([]Action, 0, len(judged))
	for a, err := range Diff(desired, actual, p.diff) {
		if err != nil {
			return nil, err
		}
		if err := p.ownDate(ctx, &a); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// desired judges a row, with what an administrator asked for.
func (p *pass) desired(r *store.MirrorRow) Desired { return p.asked(p.cfg.judge(r, p.fields)) }

func (p *pass) asked(d Desired) Desired {
	if _, asked := p.enroll[d.SalesforceID]; asked && d.Leave == dialer.ReasonNone && !d.Blind {
		d.Enroll = true
	}
	return d
}

func runID(id int64) string { return strconv.FormatInt(id, 10) }
