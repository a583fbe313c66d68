package directory

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// newcomer gives a new user what the org gives everybody, and takes what the
// sync must not give.
func (b *batch) newcomer(ch *dialer.Change, c *cand, u *dialer.User) error {
	if bySync(ch.Actor) && (u.SystemRole == dialer.SystemRoleAdmin || u.Superuser) {
		u.SystemRole, u.Superuser = dialer.SystemRoleUser, false
		c.note = join(c.note, "not made an administrator: only a person does that")
	}
	if b.settings.NamesRequired() && bySync(ch.Actor) {
		local, _, _ := strings.Cut(u.Email, "@")
		u.FirstName, u.LastName = first(u.FirstName, local), first(u.LastName, local)
	}
	if country := b.settings.Country(); u.Settings.Country == "" && country != "" {
		u.Settings.Country = country
		dialer.Normalize(u)
	}
	for _, g := range b.settings.Groups() {
		if u.One(g.Kind) == "" {
			u.SetGroups(g.Kind, g.Name)
		}
	}
	return b.useTemplates(c, u)
}

// useTemplates gives a new user what their templates say, or that of the org
// where they have none. Seats that nobody asked for come from them too.
func (b *batch) useTemplates(c *cand, u *dialer.User) error {
	names := u.In(dialer.KindTemplate)
	if name := b.settings.Template(); len(names) == 0 && b.template[name] != nil {
		names = []string{name}
		u.SetGroups(dialer.KindTemplate, name)
	}
	for _, name := range names {
		v := b.template[name]
		if v == nil {
			return &dialer.InvalidError{Field: dialer.FieldTemplate, Rule: "must be templates of the org"}
		}
		licenses, err := dialer.ApplyTemplate(u, v)
		if err != nil {
			return err
		}
		if len(c.change.Seats) == 0 && len(licenses) > 0 {
			ch := *c.change
			ch.Seats = licenses
			c.change = &ch
		}
	}
	if len(names) > 0 {
		dialer.Normalize(u)
	}
	return nil
}

// loadTemplates reads the templates that new users get.
func (b *batch) loadTemplates(ctx context.Context, steps []step) error {
	names, creates := store.Strings{}, false
	for _, s := range steps {
		if s.change.Verb == dialer.VerbCreate {
			creates = true
			names = append(names, s.change.User.In(dialer.KindTemplate)...)
		}
	}
	if name := b.settings.Template(); creates && name != "" {
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	b.template = make(map[string]dialer.Values)
	return each(ctx, b.tx, func(rows *sql.Rows) error {
		var name, stored string
		if err := rows.Scan(&name, &stored); err != nil {
			return err
		}
		v, err := dialer.ReadGroupSettings(dialer.KindTemplate, stored)
		b.template[name] = v
		return err
	}, "SELECT name, settings FROM groups WHERE org_id = $1 AND kind = 'template' AND "+b.tx.In("name", 2), b.d.org, slices.Compact(names))
}
