package dialer

import "time"

// Session is a user's sign-in to the dialer.
type Session struct {
	ID         string    `json:"id"`
	UserID     string    `json:"user_id"`
	Client     string    `json:"client"` // web, desktop, mobile, cti or sip
	IP         string    `json:"ip"`
	StartedAt  time.Time `json:"started_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	EndReason  EndReason `json:"end_reason,omitempty"`
}

// EndReason says why a session ended.
type EndReason string

// The reasons. Only EndLogout is the user's own act of leaving: a window that
// is closed does not sign anyone out of a call center.
const (
	EndLogout        EndReason = "logout"
	EndWindowClosed  EndReason = "window_closed"
	EndIdle          EndReason = "idle"
	EndPasswordReset EndReason = "password_reset"
	EndFactorReset   EndReason = "second_factor_reset"
	EndDeactivated   EndReason = "deactivated"
	EndDeleted       EndReason = "deleted"
	EndKick          EndReason = "admin_kick"
	EndIPACL         EndReason = "ip_acl"
)

// SessionQuery selects sessions, the latest first. The zero value selects
// every one of every user.
type SessionQuery struct {
	UserID string
	Open   bool   // only those that go on
	Ended  bool   // only those that ended
	After  string // keyset: what the last page gave
	Limit  int    // 0 means 100
}

// SessionScope names sessions to end: one, all of a user, or all there are.
// Exactly one member is set.
type SessionScope struct {
	ID     string
	UserID string
	All    bool
}
