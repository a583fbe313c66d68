package store

import "context"

// Edited returns the Salesforce ids of the dialer users whom someone else than
// the sync changed since it last settled them, up to 10,000.
func (m *Mirror) Edited(ctx context.Context) ([]string, error) {
	return m.ids(ctx, `SELECT salesforce_id FROM dialer_users
		WHERE org_id = $1 AND settled_policy = 0 AND status <> 'deleted' AND salesforce_id <> '' ORDER BY salesforce_id LIMIT 10000`)
}
