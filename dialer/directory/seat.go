package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/dialer"
)

// pool is a license type, with what is left of it as the batch goes on.
type pool struct {
	left               int64
	requiresSalesforce bool
	cti                bool // in Salesforce
}

func (b *batch) loadPools(ctx context.Context) error {
	if b.before != nil && b.before.pools != nil {
		b.pools = b.before.pools
		return nil
	}
	rows, err := b.tx.Query(ctx, "SELECT type, purchased - assigned, requires_salesforce_user, salesforce_cti FROM license_types WHERE org_id = $1",
		b.d.org)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var kind string
		var p pool
		if err := rows.Scan(&kind, &p.left, &p.requiresSalesforce, &p.cti); err != nil {
			return fmt.Errorf("read license types: %w", err)
		}
		b.pools[kind] = &p
	}
	return rows.Err()
}

// seat sets aside the seats that the change asks for and the user lacks. When
// one is not left, the change's policy decides: the user is written inactive,
// or nothing is written. Someone written inactive is not settled: the sync looks
// at them again, whatever it remembers of who waits.
func (b *batch) seat(c *cand) error {
	var lacking []string
	for _, kind := range c.change.Seats {
		p := b.pools[kind]
		switch {
		case p == nil:
			return &dialer.InvalidError{Field: dialer.FieldLicenses, Rule: "must be license types of the org"}
		case p.requiresSalesforce && c.next.SalesforceID == "":
			return &dialer.InvalidError{Field: dialer.FieldLicenses, Rule: "must not include one that is for users of Salesforce only"}
		case !slices.Contains(c.next.LicenseTypes, kind) && !slices.Contains(lacking, kind):
			lacking = append(lacking, kind)
		}
	}
	short := slices.ContainsFunc(lacking, func(kind string) bool { return b.pools[kind].left < 1 })
	if short {
		was := &c.e.is
		if c.change.NoSeat != dialer.NoSeatCreateInactive || was.Status == dialer.StatusActive {
			return dialer.ErrNoSeat
		}
		c.noSeat = true
		c.next.Status, c.next.StatusReason = dialer.StatusInactive, dialer.ReasonNoSeat
		stay(&c.next)
		c.next.LicenseTypes = nil
		c.next.SettledHash, c.next.SettledPolicy = 0, 0
		return nil
	}
	for _, kind := range lacking {
		b.pools[kind].left--
	}
	c.reserved = lacking
	if len(lacking) > 0 {
		c.next.LicenseTypes = slices.Sorted(slices.Values(slices.Concat(c.next.LicenseTypes, lacking)))
	}
	return nil
}

// unreserve gives back what seat set aside.
func (b *batch) unreserve(c *cand) {
	for _, kind := range c.reserved {
		b.pools[kind].left++
	}
	c.reserved = nil
}
