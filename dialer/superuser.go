package dialer

import "time"

// SuperuserTTL is how long a request for a superuser waits for the second
// administrator.
const SuperuserTTL = 24 * time.Hour

// SuperuserRequest is one administrator's wish that somebody be a superuser,
// which waits for another to confirm it.
type SuperuserRequest struct {
	UserID string    `json:"user_id"`
	By     Actor     `json:"by"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}
