package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
)

// Standing is how an org stands, in numbers that cost little to count.
type Standing struct {
	Mirror    int // rows of the mirror
	Held      int // people of whom something is held
	Attention int // open items
	Waiting   int // people who wait for a seat
	Overdue   int // users of Salesforce who should have lost access before a time
}

// Standing counts all at once: whoever asks for the status of a busy daemon
// waits for one answer of the database and not for five.
func (j *Journal) Standing(ctx context.Context, overdue int64) (s Standing, err error) {
	err = j.db.Ask(ctx, func(tx *Tx) error {
		var last sql.NullString
		err := tx.QueryRow(ctx, `SELECT
			(SELECT value FROM sync_state WHERE org_id = $1 AND name = $2),
			(SELECT COUNT(DISTINCT salesforce_id) FROM held WHERE org_id = $1),
			(SELECT COUNT(*) FROM attention WHERE org_id = $1 AND resolved = 0),
			(SELECT COUNT(*) FROM pending WHERE org_id = $1 AND kind = $3),
			(SELECT COUNT(*) FROM dialer_users WHERE org_id = $1 AND deactivate_at <> 0 AND deactivate_at < $4
				AND status = 'active' AND salesforce_id <> '')`,
			j.org, lastNumber, PendingNoSeat, overdue).Scan(&last, &s.Held, &s.Attention, &s.Waiting, &s.Overdue)
		if err != nil || !last.Valid {
			return err
		}
		s.Mirror, err = strconv.Atoi(last.String)
		return err
	})
	if err != nil {
		return s, fmt.Errorf("count how the org stands: %w", err)
	}
	return s, nil
}
