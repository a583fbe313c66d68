package directory

import (
	"context"
	"slices"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// writeGroups writes the memberships of those whose groups changed.
func (b *batch) writeGroups(ctx context.Context, entries []*entry) error {
	var moved []*entry
	ids, want := store.Strings{}, make(map[dialer.Group]int64)
	for _, e := range entries {
		if slices.Equal(e.was.Groups, e.is.Groups) {
			continue
		}
		moved = append(moved, e)
		if !e.created {
			ids = append(ids, e.is.ID)
		}
		for _, g := range e.is.Groups {
			want[g] = 0
		}
	}
	if len(moved) == 0 {
		return nil
	}
	if err := b.ensureGroups(ctx, want); err != nil {
		return err
	}
	if len(ids) > 0 {
		if _, err := b.tx.Exec(ctx, "DELETE FROM memberships WHERE org_id = $1 AND "+b.tx.In("user_id", 2), b.d.org, ids); err != nil {
			return err
		}
	}
	_, err := b.tx.Load(ctx, "memberships", []string{"org_id", "user_id", "group_id", "kind"}, func(yield func([]any) bool) {
		row := make([]any, 4)
		for _, e := range moved {
			for _, g := range e.is.Groups {
				if row[0], row[1], row[2], row[3] = b.d.org, e.is.ID, want[g], string(g.Kind); !yield(row) {
					return
				}
			}
		}
	})
	return err
}

// ensureGroups finds the numbers of groups, and adds those that are missing.
func (b *batch) ensureGroups(ctx context.Context, want map[dialer.Group]int64) error {
	if err := b.findGroups(ctx, want); err != nil {
		return err
	}
	var missing []dialer.Group
	for g, id := range want {
		if id == 0 {
			missing = append(missing, g)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.SortFunc(missing, dialer.Group.Compare)
	_, err := b.tx.Load(ctx, "groups", []string{"org_id", "kind", "name", "name_key"}, func(yield func([]any) bool) {
		for _, g := range missing {
			if !yield([]any{b.d.org, string(g.Kind), g.Name, dialer.Key(g.Name)}) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return b.findGroups(ctx, want)
}

func (b *batch) findGroups(ctx context.Context, want map[dialer.Group]int64) error {
	names := make(store.Strings, 0, len(want))
	for g, id := range want {
		if id == 0 {
			names = append(names, g.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	rows, err := b.tx.Query(ctx, "SELECT id, kind, name FROM groups WHERE org_id = $1 AND "+b.tx.In("name", 2), b.d.org, names)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		var g dialer.Group
		if err := rows.Scan(&id, (*string)(&g.Kind), &g.Name); err != nil {
			return err
		}
		if _, ok := want[g]; ok {
			want[g] = id
		}
	}
	return rows.Err()
}
