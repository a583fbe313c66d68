package sync

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
)

// matcher finds who in the directory a Salesforce user already is, when the
// two have never been linked. It never guesses: exactly one candidate is
// linked, several are a person's to decide.
type matcher struct {
	shared map[string]bool // folded addresses that several Salesforce users carry
	names  map[string]bool // the same of user names, when those are matched
	empty  bool            // the directory has no users at all
}

// resolve turns creations into links where the directory has the person
// already, and leaves out those who cannot join.
func (m *matcher) resolve(ctx context.Context, p *pass, joiners []Action) ([]Action, error) {
	losers, err := m.losers(ctx, p, joiners)
	if err != nil {
		return nil, err
	}
	have := map[string][]dialer.User{}
	if !m.empty {
		if have, err = m.candidates(ctx, p, joiners); err != nil {
			return nil, err
		}
	}
	out := joiners[:0]
	for _, a := range joiners {
		if a.Change.Verb != dialer.VerbCreate {
			out = append(out, a)
			continue
		}
		if winner, ok := losers[a.SalesforceID]; ok {
			p.attend(ctx, AttentionDuplicate, a.SalesforceID, "shares its address with Salesforce user "+winner+", who came first")
			p.run.skip("duplicate_source")
			continue
		}
		if m.settle(ctx, p, &a, have[m.key(p, &a)]) {
			out = append(out, a)
		}
	}
	return out, nil
}

// key is what a joiner is matched by.
func (m *matcher) key(p *pass, a *Action) string {
	if p.cfg.Match == dialer.FieldUsername {
		return dialer.Key(a.Desired.User.Username)
	}
	return dialer.Key(a.Desired.User.Email)
}

func (m *matcher) candidates(ctx context.Context, p *pass, joiners []Action) (map[string][]dialer.User, error) {
	var keys []string
	for i := range joiners {
		if joiners[i].Change.Verb == dialer.VerbCreate {
			keys = append(keys, m.key(p, &joiners[i]))
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	have, err := p.e.dir.FindByKey(ctx, p.cfg.Match, keys)
	if err != nil {
		return nil, fmt.Errorf("look for users to link: %w", err)
	}
	return have, nil
}

// settle decides about one joiner with these candidates, and reports whether
// they may join. The action becomes a link where there is exactly one.
func (m *matcher) settle(ctx context.Context, p *pass, a *Action, found []dialer.User) bool {
	var free, taken []dialer.User
	for _, u := range found {
		switch {
		case u.Status == dialer.StatusDeleted:
			if u.SalesforceID == a.SalesforceID && !p.enroll[a.SalesforceID] {
				p.run.skip("deleted_by_admin")
				return false
			}
		case u.SalesforceID == "":
			free = append(free, u)
		case u.Status == dialer.StatusActive && u.DeactivateAt.IsZero():
			taken = append(taken, u)
		}
	}
	switch {
	case len(taken) > 0:
		p.attend(ctx, AttentionTaken, a.SalesforceID, fmt.Sprintf("%s belongs to dialer user %s, who is linked to another Salesforce user", p.cfg.Match, taken[0].ID))
		p.run.skip("value_taken")
		return false
	case len(free) > 1:
		ids := make([]string, len(free))
		for i, u := range free {
			ids[i] = u.ID
		}
		slices.Sort(ids)
		p.attend(ctx, AttentionAmbiguous, a.SalesforceID, "could be dialer user "+strings.Join(ids, " or "))
		p.run.skip("ambiguous_match")
		return false
	case len(free) == 1 && free[0].Protected:
		p.attend(ctx, AttentionAmbiguous, a.SalesforceID, "could be dialer user "+free[0].ID+", who is protected")
		p.run.skip("protected")
		return false
	case len(free) == 1:
		p.link(a, &free[0])
	}
	return true
}

// link makes a creation the first link of a dialer user.
func (p *pass) link(a *Action, u *dialer.User) {
	d := a.Desired
	c := p.diff.change(dialer.VerbLink, d, u)
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

// losers finds joiners who share an address with someone who has the better
// claim to it: who is in the dialer already, else who is older in Salesforce.
// It maps each to the id of that someone.
func (m *matcher) losers(ctx context.Context, p *pass, joiners []Action) (map[string]string, error) {
	losers := map[string]string{}
	for _, by := range []struct {
		shared map[string]bool
		email  bool
		of     func(*Desired) string
	}{
		{m.shared, true, func(d *Desired) string { return dialer.Key(d.User.Email) }},
		{m.names, false, func(d *Desired) string { return dialer.Key(d.User.Username) }},
	} {
		var keys []string
		for i := range joiners {
			if k := by.of(joiners[i].Desired); joiners[i].Change.Verb == dialer.VerbCreate && by.shared[k] {
				keys = append(keys, k)
			}
		}
		if len(keys) == 0 {
			continue
		}
		rows, err := p.e.mirror.ByKey(ctx, by.email, keys)
		if err != nil {
			return nil, err
		}
		best := map[string]*Desired{}
		for i := range rows {
			d := p.cfg.judge(&rows[i], p.fields)
			if d.Err != nil || d.Unknown || d.Leave != dialer.ReasonNone || !(d.Enroll || p.enroll[d.SalesforceID]) {
				continue
			}
			if k := by.of(&d); best[k] == nil || older(&d, best[k]) {
				best[k] = &d
			}
		}
		for i := range joiners {
			d := joiners[i].Desired
			if b := best[by.of(d)]; b != nil && b.SalesforceID != d.SalesforceID && joiners[i].Change.Verb == dialer.VerbCreate {
				losers[d.SalesforceID] = b.SalesforceID
			}
		}
	}
	return losers, nil
}

// older reports whether a was created in Salesforce before b.
func older(a, b *Desired) bool {
	if !a.Created.Equal(b.Created) {
		return a.Created.Before(b.Created)
	}
	return a.SalesforceID < b.SalesforceID
}
