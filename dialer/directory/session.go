package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// ErrNoAccess says that a user who is not active cannot sign in.
var ErrNoAccess = errors.New("the user is not active")

// OpenSession notes that a user has signed in from client: web, desktop,
// mobile, cti or sip. The session ends with the user's access.
func (d *Directory) OpenSession(ctx context.Context, userID, client, ip string) (dialer.Session, error) {
	s := dialer.Session{ID: uuid.NewString(), UserID: userID, Client: client, IP: ip, StartedAt: d.now(), LastSeenAt: d.now()}
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		// The lock makes a deactivation under way wait, and then see the session.
		var status dialer.Status
		err := tx.QueryRow(ctx, "SELECT status FROM dialer_users WHERE org_id = $1 AND id = $2"+tx.ForUpdate(),
			d.org, userID).Scan((*string)(&status))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return dialer.ErrNotFound
		case err != nil:
			return err
		case status != dialer.StatusActive:
			return ErrNoAccess
		}
		_, err = tx.Exec(ctx, `INSERT INTO sessions (id, org_id, user_id, client, ip, started_at, last_seen_at)
			VALUES ($1, $2, $3, $4, $5, $6, $6)`, s.ID, d.org, userID, client, ip, s.StartedAt)
		return err
	})
	if err != nil {
		return dialer.Session{}, fmt.Errorf("open session: %w", err)
	}
	return s, nil
}

// Sessions returns the sessions of a user, the latest first.
func (d *Directory) Sessions(ctx context.Context, userID string) ([]dialer.Session, error) {
	var list []dialer.Session
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `SELECT id, user_id, client, ip, started_at, last_seen_at, ended_at, end_reason
			FROM sessions WHERE org_id = $1 AND user_id = $2 ORDER BY started_at DESC, id`, d.org, userID)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var s dialer.Session
			var started, seen, ended int64
			if err := rows.Scan(&s.ID, &s.UserID, &s.Client, &s.IP, &started, &seen, &ended, (*string)(&s.EndReason)); err != nil {
				return err
			}
			s.StartedAt, s.LastSeenAt, s.EndedAt = store.Time(started), store.Time(seen), store.Time(ended)
			list = append(list, s)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}
