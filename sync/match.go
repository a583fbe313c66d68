package sync

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// matcher finds who in the directory a Salesforce user already is, when the
// two have never been linked. It never guesses: exactly one candidate is
// linked, several are a person's to decide.
type matcher struct {
	shared    map[string]bool     // folded addresses that several Salesforce users carry; nil until asked
	overlay   map[string][]string // in a dry run, who carries an address
	empty     bool                // the directory has no users at all
	undeleted bool                // nobody was ever deleted from it
}

// resolve turns creations into links where the directory has the person
// already, and leaves out those who cannot join.
func (m *matcher) resolve(ctx context.Context, p *pass, joiners []Action) ([]Action, error) {
	var ids, keys []string
	for i := range joiners {
		if a := &joiners[i]; a.Change.Verb == dialer.VerbCreate {
			ids, keys = append(ids, a.SalesforceID), append(keys, m.key(p, a))
		}
	}
	if len(ids) == 0 {
		return joiners, nil
	}
	losers, err := m.losers(ctx, p, joiners)
	if err != nil {
		return nil, err
	}
	deleted, err := m.deleted(ctx, p, ids)
	if err != nil {
		return nil, err
	}
	have := map[string][]dialer.User{}
	if !m.empty {
		if have, err = p.e.dir.FindByKey(ctx, p.cfg.Match, keys); err != nil {
			return nil, fmt.Errorf("look for users to link: %w", err)
		}
	}
	var settled settled
	out := joiners[:0]
	for _, a := range joiners {
		winner, lost := losers[a.SalesforceID]
		switch {
		case a.Change.Verb != dialer.VerbCreate:
			out = append(out, a)
		case deleted[a.SalesforceID]:
			p.run.skip(SkipDeleted)
			p.mend(ctx, a.SalesforceID)
			settled.add(a.Desired)
		case lost:
			p.attend(ctx, AttentionDuplicate, a.SalesforceID, "shares its address with Salesforce user "+winner+", who came first")
			p.run.skip(SkipDuplicate)
		case m.decide(ctx, p, &a, have[m.key(p, &a)]):
			out = append(out, a)
		}
	}
	return out, p.settle(ctx, settled)
}

// key is what a joiner is matched by.
func (m *matcher) key(p *pass, a *Action) string {
	if p.cfg.Match == dialer.FieldUsername {
		return dialer.Key(a.Desired.User.Username)
	}
	return dialer.Key(a.Desired.User.Email)
}

// deleted tells whom of ids a person deleted from the dialer, and nobody has
// asked for since.
func (m *matcher) deleted(ctx context.Context, p *pass, ids []string) (map[string]bool, error) {
	gone := map[string]bool{}
	if m.undeleted {
		return gone, nil
	}
	for u, err := range p.e.dir.Users(ctx, dialer.Query{Status: dialer.StatusDeleted, SalesforceIDs: ids}) {
		if err != nil {
			return nil, fmt.Errorf("look for deleted users: %w", err)
		}
		if _, asked := p.enroll[u.SalesforceID]; !asked {
			gone[u.SalesforceID] = true
		}
	}
	return gone, nil
}

// decide decides about one joiner with these candidates, and reports whether
// they may join. The action becomes a link where there is exactly one.
func (m *matcher) decide(ctx context.Context, p *pass, a *Action, found []dialer.User) bool {
	var free, taken []dialer.User
	for _, u := range found {
		switch {
		case u.SalesforceID == "":
			free = append(free, u)
		case u.Status == dialer.StatusActive && u.DeactivateAt.IsZero():
			taken = append(taken, u)
		}
	}
	switch {
	case len(taken) > 0:
		p.attend(ctx, AttentionTaken, a.SalesforceID, fmt.Sprintf("%s belongs to dialer user %s, who is linked to another Salesforce user", p.cfg.Match, taken[0].ID))
		p.run.skip(SkipTaken)
		return false
	case len(free) > 1:
		ids := make([]string, len(free))
		for i, u := range free {
			ids[i] = u.ID
		}
		slices.Sort(ids)
		p.attend(ctx, AttentionAmbiguous, a.SalesforceID, "could be dialer user "+strings.Join(ids, " or "))
		p.run.skip(SkipAmbiguous)
		return false
	case len(free) == 1 && free[0].Protected:
		p.attend(ctx, AttentionAmbiguous, a.SalesforceID, "could be dialer user "+free[0].ID+", who is protected")
		p.run.skip(SkipProtected)
		return false
	case len(free) == 1:
		p.link(a, &free[0])
	}
	return true
}

// link makes a creation the first link of a dialer user.
func (p *pass) link(a *Action, u *dialer.User) {
	d := a.Desired
	c := p.diff.change(dialer.VerbLink, u)
	c.User = *u
	c.User.SalesforceID, c.User.MatchMethod = d.SalesforceID, string(p.cfg.Match)
	c.Fields = []dialer.Field{dialer.FieldSalesforceID, dialer.FieldMatchMethod}
	for _, f := range d.Owned {
		if p.diff.differs(f, d, u) {
			f.Copy(&c.User, &d.User)
			c.Fields = append(c.Fields, f)
		}
	}
	p.diff.integrate(&c, d, u)
	if u.Status == dialer.StatusActive { // an inactive one is judged again, with the link
		c.User.SettledHash, c.User.SettledPolicy = d.Hash, p.diff.Policy
	} else {
		c.User.SettledHash, c.User.SettledPolicy = 0, 0
	}
	a.Change, a.Actual = c, u
	a.Joins = false
}

// losers finds joiners who share an address with someone who is older in
// Salesforce and joins as well. It maps each to the id of that someone.
func (m *matcher) losers(ctx context.Context, p *pass, joiners []Action) (map[string]string, error) {
	keys, err := m.contested(ctx, p, joiners)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	rows, err := m.carriers(ctx, p, keys)
	if err != nil {
		return nil, err
	}
	best := map[string]*Desired{}
	for i := range rows {
		d := p.desired(&rows[i])
		if d.Err != nil || d.Unknown || !d.Enroll {
			continue
		}
		if k := dialer.Key(d.User.Email); best[k] == nil || older(&d, best[k]) {
			best[k] = &d
		}
	}
	losers := map[string]string{}
	for i := range joiners {
		d := joiners[i].Desired
		if b := best[dialer.Key(d.User.Email)]; b != nil && b.SalesforceID != d.SalesforceID && joiners[i].Change.Verb == dialer.VerbCreate {
			losers[d.SalesforceID] = b.SalesforceID
		}
	}
	return losers, nil
}

// contested lists those of the joiners' addresses that more than one Salesforce
// user may carry.
func (m *matcher) contested(ctx context.Context, p *pass, joiners []Action) ([]string, error) {
	if m.shared == nil && p.everyone && p.run.overlay == nil {
		shared, err := p.e.mirror.SharedKeys(ctx, true)
		if err != nil {
			return nil, err
		}
		m.shared = make(map[string]bool, len(shared))
		for _, k := range shared {
			m.shared[k] = true
		}
	}
	var keys []string
	for i := range joiners {
		a := &joiners[i]
		if k := dialer.Key(a.Desired.User.Email); a.Change.Verb == dialer.VerbCreate && (m.shared == nil || m.shared[k]) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// carriers returns the rows of everyone who carries one of the addresses.
func (m *matcher) carriers(ctx context.Context, p *pass, keys []string) ([]store.MirrorRow, error) {
	rows, err := p.e.mirror.ByKey(ctx, true, keys)
	o := p.run.overlay
	if err != nil || o == nil {
		return rows, err
	}
	if m.overlay == nil {
		m.overlay = map[string][]string{}
		for id, r := range o.rows {
			m.overlay[r.EmailKey] = append(m.overlay[r.EmailKey], id)
		}
	}
	var ids []string
	for _, k := range keys {
		ids = append(ids, m.overlay[k]...)
	}
	slices.Sort(ids)
	return o.replace(rows, slices.Compact(ids)), nil
}

// older reports whether a was created in Salesforce before b.
func older(a, b *Desired) bool {
	if !a.Created.Equal(b.Created) {
		return a.Created.Before(b.Created)
	}
	return a.SalesforceID < b.SalesforceID
}
