package sync

import (
	"slices"

	"github.com/rosterd/rosterd/dialer"
)

// Owners says who decides on each attribute under the mapping in force, for
// users who are linked to Salesforce. The map is not to be changed.
func (e *Engine) Owners() map[dialer.Field]dialer.Owner { return e.config().Policy.owned }

// owners is worked out once: mass actions ask for every user.
func (p *Policy) owners() map[dialer.Field]dialer.Owner {
	owners := make(map[dialer.Field]dialer.Owner)
	for _, a := range dialer.Attributes() {
		owners[a.Name] = a.Owner
	}
	for _, r := range DefaultRules() {
		if !slices.ContainsFunc(p.rules, func(o rule) bool { return o.Set == r.Set }) {
			owners[dialer.Field(r.Set)] = dialer.OwnerAdmin // a rule of the configuration took it from Salesforce
		}
	}
	for _, r := range p.rules {
		owners[r.field] = dialer.OwnerSeeded
		if r.Own == OwnSalesforce {
			owners[r.field] = dialer.OwnerSalesforce
		}
	}
	return owners
}
