package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rosterd/rosterd/dialer"
)

// predict gives a new user what the org gives everybody, as far as groups are
// concerned: its default groups, and its template or another.
func (c call) predict(ctx context.Context, u *dialer.User, template string) error {
	settings, err := c.Directory.OrgSettings(ctx)
	if err != nil {
		return err
	}
	for _, g := range settings.Groups() {
		if u.One(g.Kind) == "" {
			u.SetGroups(g.Kind, g.Name)
		}
	}
	if template == "" {
		template = settings.Template()
	}
	if template == "" {
		return nil
	}
	t, err := c.Directory.Template(ctx, template)
	if err != nil {
		return err
	}
	if _, err := dialer.ApplyTemplate(u, t); err != nil {
		return fmt.Errorf("use the template: %w", err)
	}
	return nil
}

// mayCreate refuses a new user who would not be one of those that the caller is
// limited to.
func (c call) mayCreate(ctx context.Context, u dialer.User, template string) error {
	if len(c.Within) == 0 {
		return nil
	}
	if err := c.predict(ctx, &u, template); err != nil {
		return err
	}
	return c.keeps(&dialer.User{}, &u)
}

// mayAdd refuses people of Salesforce who would not land among those that the
// caller is limited to: by the rules of the org, and by what the caller gives
// them. Of people who are not there it says the same, and of nobody why.
func (c call) mayAdd(ctx context.Context, p *NewPeople, values map[string]any) error {
	if len(c.Within) == 0 {
		return nil
	}
	found := findings{denied: true}
	for i, ref := range p.Users {
		lands, err := c.lands(ctx, ref, values, p.Overrides[ref])
		if err != nil {
			return err
		}
		if !lands {
			found.add(fmt.Sprintf("body.users[%d]", i), "would not be "+c.limits())
		}
	}
	return found.err()
}

func (c call) lands(ctx context.Context, ref string, values, own map[string]any) (bool, error) {
	x, err := c.Engine.Explain(ctx, ref)
	if err != nil {
		if p := problemOf(err); p.Code == CodeNotFound || p.Code == CodeAmbiguous {
			return false, nil
		}
		return false, err
	}
	var u dialer.User
	for _, m := range x.Mapping {
		if err := dialer.Field(m.Field).Set(&u, m.Value); err != nil {
			return false, nil //nolint:nilerr // the sync would refuse it, too
		}
	}
	// Somebody who is there already, or would be linked, must be the caller's as
	// they are: to add them again must not hand them over.
	refs := []string{u.Email, u.Username}
	if x.User != nil {
		refs = append(refs, x.User.ID)
	}
	for _, there := range refs {
		if there == "" {
			continue
		}
		is, err := c.Directory.User(ctx, there)
		switch {
		case errors.Is(err, dialer.ErrNotFound):
		case err != nil && !errors.Is(err, dialer.ErrAmbiguous):
			return false, err
		case err != nil || !c.reaches(&is):
			return false, nil
		}
	}
	if err := c.predict(ctx, &u, ""); err != nil {
		return false, err
	}
	all := maps.Clone(values)
	maps.Copy(all, own)
	owners, was := c.Engine.Owners(), u
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if f := dialer.Field(name); f.Kind() != "" && owners[f] != dialer.OwnerSalesforce || f == dialer.FieldMemberAllDesks {
			if err := f.Set(&u, all[name]); err != nil {
				return false, nil //nolint:nilerr // it was checked before
			}
		}
	}
	return c.keeps(&was, &u) == nil, nil
}
