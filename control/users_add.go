package control

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// NewPeople is people of Salesforce who are to be added, and what they get.
type NewPeople struct {
	Users      []string                  `json:"users" minItems:"1" maxItems:"2000" nullable:"false" doc:"Salesforce id, user name or e-mail address"`
	Template   string                    `json:"template,omitempty" maxLength:"255" doc:"name of the template that all of them are set up from"`
	Licenses   []string                  `json:"license_types,omitempty" maxItems:"20" nullable:"false" doc:"seats to take beside the default ones; those of the template when left out"`
	Only       bool                      `json:"only_license_types,omitempty" doc:"those seats instead of the default ones"`
	Attributes map[string]any            `json:"attributes,omitempty" doc:"attributes for all of them; they outweigh the template"`
	Overrides  map[string]map[string]any `json:"overrides,omitempty" doc:"attributes for single people, by the name in users; they outweigh the rest"`
	Reason     string                    `json:"reason,omitempty" maxLength:"500"`
}

// add enrolls people, and then gives those who were added what they shall have.
// What cannot be meant is refused before anybody is added; what fails for one
// of them is told in their result.
func (c call) add(ctx context.Context, p *NewPeople) ([]sync.AddResult, error) {
	values, seats, err := c.setup(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := c.mayAdd(ctx, p, values); err != nil {
		return nil, err
	}
	var instead []string
	if p.Only {
		if len(seats) == 0 {
			return nil, invalid("only_license_types needs license_types", "name them, or use a template that does")
		}
		instead, seats = seats, nil
	}
	results, err := c.Engine.Add(ctx, p.Users, instead, c.Actor(), p.Reason)
	if err != nil || len(values)+len(p.Overrides)+len(seats) == 0 {
		return results, err
	}
	for i := range results {
		r := &results[i]
		if r.UserID == "" || r.Outcome != "added" && r.Outcome != "linked" && r.Outcome != "no_seat" {
			continue
		}
		if err := c.settle(ctx, r, values, p.Overrides[r.Ref], seats, p.Reason); err != nil {
			r.Detail = "added, but not set up: " + problemOf(err).Message
		}
	}
	return results, nil
}

// setup works out what everybody gets, and refuses what nobody could.
func (c call) setup(ctx context.Context, p *NewPeople) (values map[string]any, seats []string, err error) {
	values, seats = map[string]any{}, p.Licenses
	if p.Template != "" {
		t, err := c.Directory.Template(ctx, p.Template)
		if err != nil {
			return nil, nil, err
		}
		for f, text := range t {
			values[string(f)] = text
		}
		var u dialer.User
		licenses, err := dialer.ApplyTemplate(&u, t)
		if err != nil {
			return nil, nil, fmt.Errorf("use the template: %w", err)
		}
		if len(seats) == 0 {
			seats = licenses
		}
		delete(values, string(dialer.TemplateLicenses))
		values[string(dialer.FieldTemplate)] = []string{p.Template}
	}
	var found findings
	maps.Copy(values, p.Attributes)
	check := func(values map[string]any) {
		next, _ := c.set(&dialer.User{}, &Edit{Attributes: values}, &found)
		dialer.Normalize(&next)
		for _, e := range dialer.Validate(&next) {
			if _, named := values[string(e.Field)]; named && e.Rule != "" && !lacks(e) {
				found.add("body.attributes."+string(e.Field), e.Rule)
			}
		}
	}
	check(values)
	for _, ref := range slices.Sorted(maps.Keys(p.Overrides)) {
		if !slices.Contains(p.Users, ref) {
			found.add("body.overrides", "name somebody who is not among users")
			continue
		}
		check(p.Overrides[ref])
	}
	if err := found.err(); err != nil {
		return nil, nil, err
	}
	return values, seats, c.known(ctx, seats)
}

// lacks reports whether a rule is about something else that must be set, which
// the person may have already.
func lacks(e *dialer.InvalidError) bool {
	a, ok := e.Field.Attribute()
	return ok && len(a.Needs) > 0
}

// known refuses license types that the org does not have.
func (c call) known(ctx context.Context, seats []string) error {
	if len(seats) == 0 {
		return nil
	}
	types, err := c.Directory.Licenses(ctx)
	if err != nil {
		return err
	}
	for _, name := range seats {
		if !slices.ContainsFunc(types, func(l dialer.License) bool { return l.Type == name }) {
			return invalid(fmt.Sprintf("there is no license type %q", name), "list the licenses to see the types")
		}
	}
	return nil
}

// settle gives one person who was added what they shall have. Of what everybody
// gets, Salesforce's own is left out.
func (c call) settle(ctx context.Context, r *sync.AddResult, values, own map[string]any, seats []string, reason string) error {
	owners := c.Engine.Owners()
	all := map[string]any{}
	for name, v := range values {
		if owners[dialer.Field(name)] != dialer.OwnerSalesforce {
			all[name] = v
		}
	}
	maps.Copy(all, own)
	if len(all) > 0 {
		_, err := c.edit(ctx, r.UserID, "", reason, func(u *dialer.User) (dialer.User, []dialer.Field, error) {
			return c.edited(u, &Edit{Attributes: all})
		})
		if err != nil {
			return err
		}
	}
	if len(seats) == 0 || r.Outcome == "no_seat" {
		return nil
	}
	_, err := c.apply(ctx, dialer.Change{
		Verb: dialer.VerbActivate, UserID: r.UserID, Seats: seats, NoSeat: dialer.NoSeatReject, Note: reason, Actor: c.Actor(),
	})
	return err
}
