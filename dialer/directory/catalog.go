package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Groups returns the groups of a kind, or of every kind, by kind and name, and
// how many users who are not deleted are in each.
func (d *Directory) Groups(ctx context.Context, kind dialer.Kind) ([]dialer.GroupInfo, error) {
	var list []dialer.GroupInfo
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		list, err = d.groups(ctx, tx, "($2 = '' OR kind = $2)", string(kind))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	return list, nil
}

// Group returns one group.
func (d *Directory) Group(ctx context.Context, id int64) (g dialer.GroupInfo, err error) {
	err = d.db.Read(ctx, func(tx *store.Tx) error {
		g, err = d.group(ctx, tx, id)
		return err
	})
	if err != nil {
		return g, fmt.Errorf("read group: %w", err)
	}
	return g, nil
}

func (d *Directory) group(ctx context.Context, tx *store.Tx, id int64) (dialer.GroupInfo, error) {
	list, err := d.groups(ctx, tx, "id = $2", id)
	if err == nil && len(list) == 0 {
		err = dialer.ErrNotFound
	}
	if err != nil {
		return dialer.GroupInfo{}, err
	}
	return list[0], nil
}

func (d *Directory) groups(ctx context.Context, tx *store.Tx, condition string, arg any) ([]dialer.GroupInfo, error) {
	list := []dialer.GroupInfo{}
	place := make(map[int64]int)
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var g dialer.GroupInfo
		var text string
		if err := rows.Scan(&g.ID, (*string)(&g.Kind), &g.Name, &text); err != nil {
			return err
		}
		v, err := dialer.ReadGroupSettings(g.Kind, text)
		if err != nil {
			return err
		}
		g.Settings = dialer.ShowGroupSettings(g.Kind, v)
		place[g.ID] = len(list)
		list = append(list, g)
		return nil
	}, "SELECT id, kind, name, settings FROM groups WHERE org_id = $1 AND "+condition+" ORDER BY kind, name", d.org, arg)
	if err != nil || len(list) == 0 {
		return list, err
	}
	// An index counts everybody at once, and few are deleted. CROSS JOIN has
	// SQLite begin with those.
	ids := "SELECT id FROM groups WHERE org_id = $1 AND " + condition
	for sign, query := range map[int64]string{
		1: `SELECT g.id, (SELECT count(*) FROM memberships m WHERE m.org_id = $1 AND m.group_id = g.id)
			FROM groups g WHERE g.id IN (` + ids + ")",
		-1: `SELECT m.group_id, count(*) FROM dialer_users u CROSS JOIN memberships m WHERE m.org_id = u.org_id AND m.user_id = u.id
			AND u.org_id = $1 AND u.status = 'deleted' AND m.group_id IN (` + ids + ") GROUP BY m.group_id",
	} {
		err := each(ctx, tx, func(rows *sql.Rows) error {
			var id, n int64
			if err := rows.Scan(&id, &n); err != nil {
				return err
			}
			list[place[id]].Members += sign * n
			return nil
		}, query, d.org, arg)
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// each calls fn for each row of a query.
func each(ctx context.Context, tx *store.Tx, fn func(rows *sql.Rows) error, query string, args ...any) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// AddGroup adds a group. A kind cannot have two whose names differ in case only.
func (d *Directory) AddGroup(ctx context.Context, kind dialer.Kind, name string, settings map[dialer.Field]any, by dialer.Actor) (g dialer.GroupInfo, err error) {
	if dialer.Field(kind).Kind() == "" {
		return g, &dialer.InvalidError{Field: "kind", Rule: "must be a kind of group"}
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		if name, err = d.groupName(ctx, tx, kind, name, 0); err != nil {
			return err
		}
		v := dialer.Values{}
		if err := d.setGroup(ctx, tx, kind, v, settings); err != nil {
			return err
		}
		var id int64
		if err := tx.QueryRow(ctx, "INSERT INTO groups (org_id, kind, name, name_key, settings) VALUES ($1, $2, $3, $4, $5) RETURNING id",
			d.org, string(kind), name, dialer.Key(name), dialer.WriteGroupSettings(kind, v)).Scan(&id); err != nil {
			return err
		}
		if g, err = d.group(ctx, tx, id); err != nil {
			return err
		}
		return d.record(ctx, tx, record{verb: "group_add", by: by, note: string(kind), after: text(g.Shown())})
	})
	if err != nil {
		return g, fmt.Errorf("add group: %w", err)
	}
	return g, nil
}

// groupName returns a name as it is stored, if no other group has it.
func (d *Directory) groupName(ctx context.Context, tx *store.Tx, kind dialer.Kind, name string, id int64) (string, error) {
	u := dialer.User{Groups: []dialer.Group{{Kind: kind, Name: name}}}
	dialer.Normalize(&u)
	name = u.One(kind)
	if name == "" || len(name) > 255 {
		return "", &dialer.InvalidError{Field: "name", Rule: "must be a name of 1 to 255 bytes"}
	}
	var n int64
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM groups WHERE org_id = $1 AND kind = $2 AND (name = $3 OR name_key = $4) AND id <> $5",
		d.org, string(kind), name, dialer.Key(name), id).Scan(&n); err != nil {
		return "", err
	}
	if n > 0 {
		return "", fmt.Errorf("%w: %w", dialer.ErrInUse, &dialer.InvalidError{Field: "name", Rule: "must be other than that of another group"})
	}
	return name, nil
}

// setGroup writes settings of a group, and looks at what they name.
func (d *Directory) setGroup(ctx context.Context, tx *store.Tx, kind dialer.Kind, v dialer.Values, settings map[dialer.Field]any) error {
	if err := dialer.SetGroupSettings(kind, v, settings); err != nil || kind != dialer.KindTemplate {
		return err
	}
	licenses, err := dialer.ApplyTemplate(&dialer.User{}, v)
	if err != nil {
		return err
	}
	for _, l := range licenses {
		var n int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM license_types WHERE org_id = $1 AND type = $2", d.org, l).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return &dialer.InvalidError{Field: dialer.FieldLicenses, Rule: "must be license types of the org"}
		}
	}
	return nil
}

// EditGroup renames a group, or changes its settings. Its members go with it:
// what the sync takes from Salesforce it then finds to be different, and puts
// right by the mapping rules.
func (d *Directory) EditGroup(ctx context.Context, id int64, ch dialer.GroupChange, by dialer.Actor) (g dialer.GroupInfo, err error) {
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		was, err := d.group(ctx, tx, id)
		if err != nil {
			return err
		}
		var stored string
		if err := tx.QueryRow(ctx, "SELECT settings FROM groups WHERE id = $1", id).Scan(&stored); err != nil {
			return err
		}
		v, err := dialer.ReadGroupSettings(was.Kind, stored)
		if err != nil {
			return err
		}
		if err := d.setGroup(ctx, tx, was.Kind, v, ch.Settings); err != nil {
			return err
		}
		name := was.Name
		if ch.Name != nil {
			if name, err = d.groupName(ctx, tx, was.Kind, *ch.Name, id); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "UPDATE groups SET name = $2, name_key = $3, settings = $4 WHERE id = $1",
			id, name, dialer.Key(name), dialer.WriteGroupSettings(was.Kind, v)); err != nil {
			return err
		}
		if name != was.Name {
			if err := d.renamed(ctx, tx, id, dialer.Group{Kind: was.Kind, Name: was.Name}, name); err != nil {
				return err
			}
		}
		if g, err = d.group(ctx, tx, id); err != nil {
			return err
		}
		before, after := changed(was.Shown(), g.Shown())
		if before == after {
			return nil
		}
		return d.record(ctx, tx, record{verb: "group_edit", by: by, note: string(g.Kind) + " " + g.Name, before: before, after: after})
	})
	if err != nil {
		return g, fmt.Errorf("edit group: %w", err)
	}
	return g, nil
}

// renamed has everything follow that names a group.
func (d *Directory) renamed(ctx context.Context, tx *store.Tx, id int64, was dialer.Group, name string) error {
	if _, err := tx.Exec(ctx, `UPDATE dialer_users SET version = version + 1, settled_hash = 0, settled_policy = 0, updated_at = $3
		WHERE org_id = $1 AND id IN (SELECT user_id FROM memberships WHERE org_id = $1 AND group_id = $2)`, d.org, id, d.now()); err != nil {
		return err
	}
	settings, err := d.readOrgSettings(ctx, tx)
	if err != nil {
		return err
	}
	groups := settings.Groups()
	list := make([]any, len(groups))
	found := false
	for i, g := range groups {
		if g == was {
			g.Name, found = name, true
		}
		list[i] = map[string]any{"kind": string(g.Kind), "name": g.Name}
	}
	if !found {
		return nil
	}
	if err := settings.Set(map[dialer.Field]any{dialer.OrgDefaultGroups: list}); err != nil {
		return err
	}
	return d.writeOrgSettings(ctx, tx, &settings)
}

// DeleteGroup deletes a group. While users are in it, they must be moved to
// another of its kind, which moveTo names: each by a change of its own. It
// returns how many were moved; if one cannot be, the group stays.
func (d *Directory) DeleteGroup(ctx context.Context, id int64, moveTo string, by dialer.Actor) (moved int64, err error) {
	g, err := d.Group(ctx, id)
	if err != nil {
		return 0, err
	}
	if g.Members > 0 && moveTo != "" {
		if moved, err = d.moveMembers(ctx, g, moveTo, by); err != nil {
			return moved, fmt.Errorf("delete group: %w", err)
		}
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		g, err := d.group(ctx, tx, id)
		if err != nil {
			return err
		}
		if g.Members > 0 {
			return fmt.Errorf("%w: %d users are in it; name a group to move them to", dialer.ErrInUse, g.Members)
		}
		if _, err := tx.Exec(ctx, "DELETE FROM memberships WHERE org_id = $1 AND group_id = $2", d.org, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM groups WHERE org_id = $1 AND id = $2", d.org, id); err != nil {
			return err
		}
		return d.record(ctx, tx, record{verb: "group_delete", by: by, note: string(g.Kind), before: text(g.Shown())})
	})
	if err != nil {
		return moved, fmt.Errorf("delete group: %w", err)
	}
	return moved, nil
}

// moveMembers moves the members of a group to another.
func (d *Directory) moveMembers(ctx context.Context, g dialer.GroupInfo, to string, by dialer.Actor) (moved int64, err error) {
	others, err := d.Groups(ctx, g.Kind)
	if err != nil {
		return 0, err
	}
	there := false
	for _, o := range others {
		there = there || o.Name == to && o.ID != g.ID
	}
	if !there {
		return 0, &dialer.InvalidError{Field: "move_to", Rule: "must be another group of the kind"}
	}
	q := dialer.Query{Group: dialer.Group{Kind: g.Kind, Name: g.Name}, Limit: pageSize}
	for {
		page, next, err := d.List(ctx, q)
		if err != nil {
			return moved, err
		}
		changes := make([]dialer.Change, len(page))
		for i := range page {
			u := page[i]
			names := u.In(g.Kind)
			for j, n := range names {
				names[j] = map[bool]string{true: to, false: n}[n == g.Name]
			}
			u.SetGroups(g.Kind, names...)
			changes[i] = dialer.Change{
				Verb: dialer.VerbUpdate, UserID: u.ID, User: u, Fields: []dialer.Field{dialer.GroupField(g.Kind)}, Actor: by,
				Note: "the group is deleted",
			}
		}
		for _, r := range d.Apply(ctx, changes) {
			if r.Err != nil {
				return moved, fmt.Errorf("move user %s: %w", r.UserID, r.Err)
			}
			moved++
		}
		if next == "" {
			return moved, nil
		}
		q.After = next
	}
}

// MayReceive answers whether a call from number would reach a user: whether
// they are active, and the area code is one of the user's area-code groups, if
// there are any. Where it would not, why says so.
func (d *Directory) MayReceive(ctx context.Context, userID, number string) (allowed bool, why string, err error) {
	err = d.db.Read(ctx, func(tx *store.Tx) error {
		u, err := d.byID(ctx, tx, userID)
		if err != nil {
			return err
		}
		groups := u.In(dialer.KindAreaCodeGroup)
		code := dialer.AreaCode(dialer.Phone(number, u.Settings.Country))
		switch {
		case u.Status != dialer.StatusActive:
			allowed, why = false, "the user is not active"
			return nil
		case len(groups) == 0:
			allowed, why = true, ""
			return nil
		case code == "":
			allowed, why = false, "the number has no area code of North America, and the user takes calls from some only"
			return nil
		}
		list, err := d.groups(ctx, tx, tx.In("name", 2)+" AND kind = 'area_code_group'", store.Strings(groups))
		if err != nil {
			return err
		}
		for _, g := range list {
			codes, _ := g.Settings[dialer.AreaCodes].([]string)
			for _, c := range codes {
				allowed = allowed || c == code
			}
		}
		if why = ""; !allowed {
			why = "area code " + code + " is in none of " + strings.Join(groups, ", ")
		}
		return nil
	})
	if err != nil {
		return false, "", fmt.Errorf("look up area codes: %w", err)
	}
	return allowed, why, nil
}

// Deriver returns what works out what follows from a user's attributes, under
// the settings of the org and of its permission groups as they are now.
func (d *Directory) Deriver(ctx context.Context) (func(u *dialer.User) dialer.Derived, error) {
	var org dialer.OrgSettings
	var desks []string
	groups := make(map[dialer.Group]dialer.Values)
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		if org, err = d.readOrgSettings(ctx, tx); err != nil {
			return err
		}
		return each(ctx, tx, func(rows *sql.Rows) error {
			var g dialer.Group
			var stored string
			if err := rows.Scan((*string)(&g.Kind), &g.Name, &stored); err != nil {
				return err
			}
			if g.Kind == dialer.KindDesk {
				desks = append(desks, g.Name)
				return nil
			}
			groups[g], err = dialer.ReadGroupSettings(g.Kind, stored)
			return err
		}, "SELECT kind, name, settings FROM groups WHERE org_id = $1 AND kind IN ('permission_group', 'department', 'desk') ORDER BY name", d.org)
	})
	if err != nil {
		return nil, fmt.Errorf("read what users depend on: %w", err)
	}
	return func(u *dialer.User) dialer.Derived {
		of := func(k dialer.Kind) dialer.Values { return groups[dialer.Group{Kind: k, Name: u.One(k)}] }
		return dialer.Derive(u, dialer.Surroundings{
			Org: org, PermissionGroup: of(dialer.KindPermissionGroup), Department: of(dialer.KindDepartment), Desks: desks,
		})
	}, nil
}

// Template returns the settings of a template, for dialer.ApplyTemplate.
func (d *Directory) Template(ctx context.Context, name string) (v dialer.Values, err error) {
	err = d.db.Read(ctx, func(tx *store.Tx) error {
		var stored string
		err := tx.QueryRow(ctx, "SELECT settings FROM groups WHERE org_id = $1 AND kind = 'template' AND name = $2", d.org, name).Scan(&stored)
		if errors.Is(err, sql.ErrNoRows) {
			return &dialer.InvalidError{Field: dialer.FieldTemplate, Rule: "must be a template of the org"}
		}
		if err == nil {
			v, err = dialer.ReadGroupSettings(dialer.KindTemplate, stored)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	return v, nil
}
