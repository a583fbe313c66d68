package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// settingsKey is where the settings of an org stand; other keys are free.
const settingsKey = "settings"

func (d *Directory) readOrgSettings(ctx context.Context, tx *store.Tx) (dialer.OrgSettings, error) {
	rows, err := tx.Query(ctx, "SELECT value FROM org_settings WHERE org_id = $1 AND key = $2", d.org, settingsKey)
	if err != nil {
		return dialer.OrgSettings{}, err
	}
	defer func() { _ = rows.Close() }()
	text := ""
	for rows.Next() {
		if err := rows.Scan(&text); err != nil {
			return dialer.OrgSettings{}, err
		}
	}
	if err := rows.Err(); err != nil {
		return dialer.OrgSettings{}, err
	}
	return dialer.ReadOrgSettings(text)
}

// OrgSettings returns what the org is entitled to, and its defaults.
func (d *Directory) OrgSettings(ctx context.Context) (s dialer.OrgSettings, err error) {
	err = d.db.Read(ctx, func(tx *store.Tx) error {
		s, err = d.readOrgSettings(ctx, tx)
		return err
	})
	if err != nil {
		return s, fmt.Errorf("read settings of the org: %w", err)
	}
	return s, nil
}

// SetOrgSettings writes some settings of the org, by dialer.OrgAttributes, and
// returns all. Those named with nil go back to their default.
func (d *Directory) SetOrgSettings(ctx context.Context, values map[dialer.Field]any, by dialer.Actor) (s dialer.OrgSettings, err error) {
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		if s, err = d.readOrgSettings(ctx, tx); err != nil {
			return err
		}
		was := dialer.OrgSettings{Values: maps.Clone(s.Values)}
		if err := s.Set(values); err != nil || maps.Equal(was.Values, s.Values) {
			return err
		}
		if err := d.writeOrgSettings(ctx, tx, &s); err != nil {
			return err
		}
		before, after := changed(was.All(), s.All())
		return d.record(ctx, tx, record{verb: "org_settings", by: by, before: before, after: after})
	})
	if err != nil {
		return s, fmt.Errorf("set settings of the org: %w", err)
	}
	return s, nil
}

func (d *Directory) writeOrgSettings(ctx context.Context, tx *store.Tx, s *dialer.OrgSettings) error {
	_, err := tx.Exec(ctx, `INSERT INTO org_settings (org_id, key, value) VALUES ($1, $2, $3)
		ON CONFLICT (org_id, key) DO UPDATE SET value = excluded.value`, d.org, settingsKey, s.JSON())
	return err
}

// changed returns two JSON objects of what differs.
func changed(before, after map[dialer.Field]any) (string, string) {
	was, is := map[dialer.Field]any{}, map[dialer.Field]any{}
	for _, m := range []map[dialer.Field]any{before, after} {
		for f := range m {
			b, a := text(before[f]), text(after[f])
			if b != a {
				was[f], is[f] = before[f], after[f]
			}
		}
	}
	return text(was), text(is)
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // text, numbers, flags and lists of them
	}
	return string(b)
}
