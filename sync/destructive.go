package sync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// addressNote marks, in the activity log, an update that gave someone another
// e-mail address. The guard counts by it.
const addressNote = "e-mail address changed"

// whyPolicy is why something is held after scope or mapping were changed.
const whyPolicy = "scope, mapping or the meaning of frozen were changed, and this person would leave by it"

// key names a destructive change exactly, so that an approval of it is spent on
// nothing else.
func (a *Action) key(part string) string {
	what := string(a.Change.Reason)
	if part == partEmail {
		what = dialer.Key(a.Desired.User.Email)
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{a.SalesforceID, a.Actual.ID, part, what}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// fingerprint names a set of held changes.
func fingerprint(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	slices.Sort(keys)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(keys), "\n")))
	return hex.EncodeToString(sum[:])
}

// note records the destructive parts of an action, all of which waits for the
// guard then.
func (p *pass) note(a *Action) {
	if !a.Leaves && !a.Readdresses {
		return
	}
	p.noted[a.SalesforceID] = true
	if a.Leaves {
		p.noted[a.key(partLeave)] = true
		p.leaving = append(p.leaving, destructive{a.SalesforceID, partLeave, a.key(partLeave), a.Actual.ID, a.Change.Verb, a.Change.Reason})
	}
	if a.Readdresses {
		p.noted[a.key(partEmail)] = true
		p.leaving = append(p.leaving, destructive{a.SalesforceID, partEmail, a.key(partEmail), a.Actual.ID, dialer.VerbUpdate, ""})
	}
	a.Change.Verb = ""
}

// destructivePart passes what takes something from people through the guard,
// and applies or holds it. One runs at a time in an org, so that two passes
// cannot spend the same allowance.
func (p *pass) destructivePart(ctx context.Context) error {
	if len(p.leaving) == 0 {
		return nil
	}
	p.e.destroy.Lock()
	defer p.e.destroy.Unlock()
	enrolled, err := p.e.enrolled(ctx)
	if err != nil {
		return err
	}
	now := p.diff.Now
	allowed := map[string]string{} // key -> note
	var rest []destructive
	for _, d := range p.leaving {
		if h, ok := p.held[d.key]; ok && store.Time(h.ApprovedUntil).After(now) {
			allowed[d.key] = "approved by " + h.ApprovedBy
			continue
		}
		rest = append(rest, d)
	}
	why := map[string]string{}
	rest = slices.DeleteFunc(rest, func(d destructive) bool {
		byRule := d.part == partLeave && p.e.newRule(p.cfg, d.reason)
		if byRule {
			why[d.key] = whyPolicy
		}
		return byRule
	})
	if err := p.guard(ctx, rest, why, allowed, enrolled); err != nil {
		return err
	}
	if err := p.hold(ctx, why); err != nil {
		return err
	}
	return p.takeAway(ctx, allowed)
}

// guard checks what is not approved against the limits.
func (p *pass) guard(ctx context.Context, rest []destructive, why, allowed map[string]string, enrolled int) error {
	if len(rest) == 0 {
		return nil
	}
	past, err := p.e.journal.Leavings(ctx, store.Micros(p.diff.Now.Add(-p.cfg.Guard.window())))
	if err != nil {
		return fmt.Errorf("count who left: %w", err)
	}
	people := map[string]bool{}
	for _, d := range rest {
		people[d.id] = true
	}
	for k, h := range p.held { // what waits counts on, or it would slip through one by one
		if stale := p.looks(h.SalesforceID) && !p.noted[k]; !stale && h.Why != whyPolicy && !store.Time(h.ApprovedUntil).After(p.diff.Now) {
			people[h.SalesforceID] = true
		}
	}
	err = p.cfg.Guard.Check(len(people), History{Leaving: past, Enrolled: enrolled})
	if held, ok := errors.AsType[*HeldError](err); ok {
		for _, d := range rest {
			why[d.key] = held.Error()
		}
		return nil
	}
	for _, d := range rest {
		allowed[d.key] = ""
	}
	return err
}

// hold stores what waits for a person.
func (p *pass) hold(ctx context.Context, why map[string]string) error {
	var rows []store.HeldRow
	people := map[string]bool{}
	last := ""
	for _, d := range p.leaving {
		w, ok := why[d.key]
		if !ok {
			continue
		}
		people[d.id] = true
		last = w
		p.run.planned(PlannedItem{SalesforceID: d.id, UserID: d.userID, Verb: d.verb, Reason: d.reason, Held: true})
		if h, ok := p.held[d.key]; ok && h.Why == w {
			continue
		}
		rows = append(rows, store.HeldRow{
			SalesforceID: d.id, Part: d.part, UserID: d.userID, Key: d.key, Verb: string(d.verb),
			Reason: string(d.reason), Why: w, Since: store.Micros(p.diff.Now),
		})
	}
	p.run.update(func(r *Run) {
		r.Held += len(people)
		r.HeldWhy = last
	})
	if p.run.DryRun {
		return nil
	}
	for part := range slices.Chunk(rows, chunk) {
		if err := p.e.journal.PutHeld(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// takeAway applies what the guard let pass, and of what it did not the rest.
// Each is compared anew: what has mended itself meanwhile does not happen.
func (p *pass) takeAway(ctx context.Context, allowed map[string]string) error {
	var ids []string
	for _, d := range p.leaving {
		if len(ids) == 0 || ids[len(ids)-1] != d.id {
			ids = append(ids, d.id)
		}
	}
	for part := range slices.Chunk(ids, chunk*4) {
		actions, err := p.actions(ctx, part)
		if err != nil {
			return err
		}
		for i := range actions {
			a := &actions[i]
			if a.Joins { // with a new address; the seat comes in turn
				p.joins = true
				a.withoutJoining()
			}
			note := ""
			if a.Leaves {
				if n, ok := allowed[a.key(partLeave)]; ok {
					note = n
				} else {
					a.withoutLeaving()
				}
			}
			if a.Readdresses {
				n, ok := allowed[a.key(partEmail)]
				switch {
				case !ok:
					a.withoutAddress()
				case n != "":
					note = n + ": " + addressNote
				case note == "":
					note = addressNote
				}
			}
			a.Change.Note = note
		}
		if err := p.apply(ctx, actions); err != nil {
			return err
		}
	}
	return nil
}

// refuseRefreshed stops everything when addresses turn invalid in numbers: the
// org behind the connection is then a refreshed sandbox.
func (p *pass) refuseRefreshed(ctx context.Context) error {
	if p.run.empty || p.run.Mirrored == 0 && !p.open[openItem{AttentionRefreshed, ""}] {
		return nil
	}
	n, err := p.e.mirror.Invalidated(ctx, p.ids)
	if err != nil {
		return err
	}
	if n <= 1 {
		if p.everyone {
			p.close(ctx, "", AttentionRefreshed)
		}
		return nil
	}
	enrolled, err := p.e.enrolled(ctx)
	if err != nil || n*100 <= enrolled {
		return err
	}
	p.attend(ctx, AttentionRefreshed, "", fmt.Sprintf("the addresses of %d dialer users now end in .invalid", n))
	return &hinted{
		fmt.Errorf("the addresses of %d dialer users now end in .invalid, as after a sandbox refresh: nothing was changed", n),
		"check that login_url leads to production; if the addresses are meant, correct them in Salesforce",
	}
}
