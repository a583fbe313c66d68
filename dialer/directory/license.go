package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Licenses returns the license types of the org, by name.
func (d *Directory) Licenses(ctx context.Context) ([]dialer.License, error) {
	var list []dialer.License
	err := d.db.Ask(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `SELECT type, purchased, assigned, is_default, requires_salesforce_user, NOT salesforce_cti
			FROM license_types WHERE org_id = $1 ORDER BY type`, d.org)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var l dialer.License
			if err := rows.Scan(&l.Type, &l.Purchased, &l.Assigned, &l.Default, &l.RequiresSalesforce, &l.NoCTI); err != nil {
				return err
			}
			l.Left = l.Purchased - l.Assigned
			list = append(list, l)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list licenses: %w", err)
	}
	return list, nil
}

// SetLicenses makes the license types those of the configuration. Purchased is
// taken over where the configuration says another figure than the last time:
// until then, what a person set stays. A type that is gone from the
// configuration is removed when nobody has a seat of it, and else can be
// assigned no more.
func (d *Directory) SetLicenses(ctx context.Context, licenses []dialer.License) error {
	names := make(store.Strings, len(licenses))
	for i, l := range licenses {
		if l.Type == "" || l.Purchased < 0 {
			return errors.New("set licenses: a license type needs a name and a number of seats that is not negative")
		}
		names[i] = l.Type
	}
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		for _, l := range licenses {
			if _, err := tx.Exec(ctx, `INSERT INTO license_types AS l
				(org_id, type, purchased, configured, is_default, requires_salesforce_user, salesforce_cti) VALUES ($1, $2, $3, $3, $4, $5, $6)
				ON CONFLICT (org_id, type) DO UPDATE SET
				purchased = CASE WHEN l.configured = excluded.configured THEN l.purchased ELSE excluded.purchased END,
				configured = excluded.configured, is_default = excluded.is_default,
				requires_salesforce_user = excluded.requires_salesforce_user, salesforce_cti = excluded.salesforce_cti
				WHERE l.configured <> excluded.configured OR l.is_default <> excluded.is_default
				OR l.requires_salesforce_user <> excluded.requires_salesforce_user OR l.salesforce_cti <> excluded.salesforce_cti`,
				d.org, l.Type, l.Purchased, l.Default, l.RequiresSalesforce, !l.NoCTI); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "DELETE FROM license_types WHERE org_id = $1 AND assigned = 0 AND NOT "+tx.In("type", 2),
			d.org, names); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE license_types SET purchased = 0, configured = -1, is_default = false WHERE org_id = $1 AND NOT "+
			tx.In("type", 2), d.org, names)
		return err
	})
	if err != nil {
		return fmt.Errorf("set licenses: %w", err)
	}
	return nil
}

// SetPurchased sets how many seats of a type there are. When that is fewer than
// are assigned, nobody loses one, and none can be assigned.
func (d *Directory) SetPurchased(ctx context.Context, licenseType string, purchased int64, by dialer.Actor) error {
	if purchased < 0 {
		return &dialer.InvalidError{Field: "purchased", Rule: "must not be negative"}
	}
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT purchased FROM license_types WHERE org_id = $1 AND type = $2", d.org, licenseType)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		var was int64
		if !rows.Next() {
			return errors.Join(&dialer.InvalidError{Field: dialer.FieldLicenses, Rule: "must be license types of the org"}, rows.Err())
		}
		if err := errors.Join(rows.Scan(&was), rows.Close()); err != nil || was == purchased {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE license_types SET purchased = $3 WHERE org_id = $1 AND type = $2",
			d.org, licenseType, purchased); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO activity (org_id, at, actor_kind, actor, verb, note, before, after)
			VALUES ($1, $2, $3, $4, 'purchase', $5, $6, $7)`, d.org, d.now(), by.Kind, by.Name, licenseType,
			fmt.Sprintf(`{"purchased":%d}`, was), fmt.Sprintf(`{"purchased":%d}`, purchased))
		return err
	})
	if err != nil {
		return fmt.Errorf("set seats of %s: %w", licenseType, err)
	}
	return nil
}
