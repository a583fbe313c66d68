package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// ErrNoAccess says that a user who is not active cannot sign in.
var ErrNoAccess = errors.New("the user is not active")

// clients are what a session can be of.
var clients = []string{"web", "desktop", "mobile", "cti", "sip"}

// sessionColumns are what readSessions reads.
const sessionColumns = "id, user_id, client, ip, started_at, last_seen_at, ended_at, end_reason"

// OpenSession notes that a user has signed in from client: web, desktop,
// mobile, cti or sip. The session ends with the user's access.
func (d *Directory) OpenSession(ctx context.Context, userID, client, ip string) (dialer.Session, error) {
	s := d.session(userID, client, ip)
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		status, err := d.status(ctx, tx, userID)
		if err != nil {
			return err
		}
		if status != dialer.StatusActive {
			return ErrNoAccess
		}
		return d.addSession(ctx, tx, &s, "")
	})
	if err != nil {
		return dialer.Session{}, fmt.Errorf("open session: %w", err)
	}
	return s, nil
}

func (d *Directory) session(userID, client, ip string) dialer.Session {
	now := d.now()
	return dialer.Session{ID: uuid.NewString(), UserID: userID, Client: client, IP: ip, StartedAt: now, LastSeenAt: now}
}

// addSession writes a session of someone whose row is locked and active.
func (d *Directory) addSession(ctx context.Context, tx *store.Tx, s *dialer.Session, tokenHash string) error {
	_, err := tx.Exec(ctx, `INSERT INTO sessions (id, org_id, user_id, client, ip, started_at, last_seen_at, token_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $6, $7)`, s.ID, d.org, s.UserID, s.Client, s.IP, s.StartedAt, tokenHash)
	return err
}

// Sessions returns the sessions of a user, the latest first.
func (d *Directory) Sessions(ctx context.Context, userID string) ([]dialer.Session, error) {
	var list []dialer.Session
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		list, err = readSessions(ctx, tx, "SELECT "+sessionColumns+
			" FROM sessions WHERE org_id = $1 AND user_id = $2 ORDER BY started_at DESC, id DESC", d.org, userID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// ListSessions returns one page of sessions, the latest first, and what to ask
// for After to get the next; "" when there are no more.
func (d *Directory) ListSessions(ctx context.Context, q dialer.SessionQuery) (page []dialer.Session, next string, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	err = d.db.Read(ctx, func(tx *store.Tx) error {
		w := d.whichSessions(tx, q)
		if q.After != "" {
			at, id, ok := strings.Cut(q.After, "/")
			micros, err := strconv.ParseInt(at, 10, 64)
			if !ok || err != nil {
				return &dialer.InvalidError{Field: "after", Rule: "must be what the last page gave"}
			}
			w.add("(started_at, id) < (?", micros)
			w.args = append(w.args, tidy(id))
			w.terms[len(w.terms)-1] += ", $" + strconv.Itoa(len(w.args)) + ")"
		}
		page, err = readSessions(ctx, tx, "SELECT "+sessionColumns+" FROM sessions WHERE "+w.sql()+
			" ORDER BY started_at DESC, id DESC LIMIT "+strconv.Itoa(limit+1), w.args...)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list sessions: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		last := page[limit-1]
		next = strconv.FormatInt(store.Micros(last.StartedAt), 10) + "/" + last.ID
	}
	return page, next, nil
}

// CountSessions returns how many sessions q selects; After and Limit play no
// part.
func (d *Directory) CountSessions(ctx context.Context, q dialer.SessionQuery) (n int64, err error) {
	err = d.db.Read(ctx, func(tx *store.Tx) error {
		w := d.whichSessions(tx, q)
		return tx.QueryRow(ctx, "SELECT count(*) FROM sessions WHERE "+w.sql(), w.args...).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	return n, nil
}

func (d *Directory) whichSessions(tx *store.Tx, q dialer.SessionQuery) *where {
	w := &where{tx: tx}
	w.add("org_id = ?", d.org)
	if q.UserID != "" {
		w.add("user_id = ?", tidy(q.UserID))
	}
	if q.Open {
		w.terms = append(w.terms, "ended_at = 0")
	}
	if q.Ended {
		w.terms = append(w.terms, "ended_at <> 0")
	}
	return w
}

func readSessions(ctx context.Context, tx *store.Tx, query string, args ...any) ([]dialer.Session, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []dialer.Session
	for rows.Next() {
		var s dialer.Session
		var started, seen, ended int64
		if err := rows.Scan(&s.ID, &s.UserID, &s.Client, &s.IP, &started, &seen, &ended, (*string)(&s.EndReason)); err != nil {
			return nil, err
		}
		s.StartedAt, s.LastSeenAt, s.EndedAt = store.Time(started), store.Time(seen), store.Time(ended)
		list = append(list, s)
	}
	return list, rows.Err()
}

// EndSessions ends the sessions that scope names, and says how many. To end one
// that has ended is no error; one that never was is dialer.ErrNoSession.
func (d *Directory) EndSessions(ctx context.Context, scope dialer.SessionScope, reason dialer.EndReason, note string, by dialer.Actor) (int64, error) {
	var ended int64
	err := d.db.Update(ctx, func(tx *store.Tx) (err error) {
		ended, err = d.endScope(ctx, tx, scope, reason, note, by)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return ended, nil
}

func (d *Directory) endScope(ctx context.Context, tx *store.Tx, scope dialer.SessionScope, reason dialer.EndReason, note string, by dialer.Actor) (int64, error) {
	user := scope.UserID
	condition, args := "", []any{}
	switch {
	case !legible(scope.ID):
		return 0, dialer.ErrNoSession
	case scope.ID != "" && scope.UserID == "" && !scope.All:
		err := tx.QueryRow(ctx, "SELECT user_id FROM sessions WHERE org_id = $1 AND id = $2", d.org, scope.ID).Scan(&user)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, dialer.ErrNoSession
		} else if err != nil {
			return 0, err
		}
		condition, args = " AND id = $4", append(args, scope.ID)
	case scope.UserID != "" && scope.ID == "" && !scope.All:
		if _, err := d.byID(ctx, tx, user); err != nil {
			return 0, err
		}
		condition, args = " AND user_id = $4", append(args, user)
	case !scope.All || scope.ID != "" || scope.UserID != "":
		return 0, &dialer.InvalidError{Field: "scope", Rule: "must name one session, one user, or all"}
	}
	n, err := d.endWhere(ctx, tx, reason, condition, args...)
	if err != nil || n == 0 {
		return n, err
	}
	return n, d.record(ctx, tx, record{
		user: user, verb: dialer.VerbEndSession, reason: dialer.Reason(reason), note: tidy(note), by: by,
		before: fmt.Sprintf(`{"open_sessions":%d}`, n), after: `{"open_sessions":0}`,
	})
}

// endWhere ends the open sessions of the org that meet a condition, whose first
// argument is $4.
func (d *Directory) endWhere(ctx context.Context, tx *store.Tx, reason dialer.EndReason, condition string, args ...any) (int64, error) {
	return tx.Exec(ctx, "UPDATE sessions SET ended_at = $2, end_reason = $3 WHERE org_id = $1 AND ended_at = 0"+condition,
		append([]any{d.org, d.now(), string(reason)}, args...)...)
}

// ExpireSessions ends sessions that nobody has used for as long as idle.
func (d *Directory) ExpireSessions(ctx context.Context, idle time.Duration) (int64, error) {
	var n int64
	err := d.db.Update(ctx, func(tx *store.Tx) (err error) {
		n, err = d.endWhere(ctx, tx, dialer.EndIdle, " AND last_seen_at < $4", d.now().Add(-idle))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end idle sessions: %w", err)
	}
	return n, nil
}

// seenEvery is how often a session in use is written to: a row at each request
// would be a write for each read.
const seenEvery = time.Minute

// Authenticate returns the session that a token of SignIn proves, and notes
// that it is in use. From an address that the user's list does not allow it
// ends the session: dialer.ErrAddress.
func (d *Directory) Authenticate(ctx context.Context, token dialer.Secret, ip string) (dialer.SignedIn, error) {
	var in dialer.SignedIn
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		list, err := readSessions(ctx, tx, "SELECT "+sessionColumns+
			" FROM sessions WHERE token_hash = $2 AND token_hash <> '' AND org_id = $1 AND ended_at = 0", d.org, digest(token))
		if err != nil {
			return err
		}
		if len(list) == 0 || token == "" {
			return dialer.ErrNoSession
		}
		in.Session = list[0]
		if in.User, err = d.byID(ctx, tx, in.Session.UserID); err != nil {
			return err
		}
		c, err := d.credential(ctx, tx, in.User.ID)
		in.MustEnroll = c.MustEnroll && c.SecondFactor == dialer.FactorNone
		return err
	})
	if err != nil {
		return dialer.SignedIn{}, fmt.Errorf("authenticate: %w", err)
	}
	if !allows(&in.User, ip) {
		if _, err := d.EndSessions(ctx, dialer.SessionScope{ID: in.Session.ID}, dialer.EndIPACL, "", system); err != nil {
			return dialer.SignedIn{}, err
		}
		return dialer.SignedIn{}, fmt.Errorf("authenticate: %w", dialer.ErrAddress)
	}
	if now := d.now(); now.Sub(in.Session.LastSeenAt) >= seenEvery {
		err := d.db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE sessions SET last_seen_at = $3 WHERE org_id = $1 AND id = $2 AND ended_at = 0 AND last_seen_at < $3",
				d.org, in.Session.ID, now)
			return err
		})
		if err != nil {
			return dialer.SignedIn{}, fmt.Errorf("note a session in use: %w", err)
		}
		in.Session.LastSeenAt = now
	}
	return in, nil
}

// TouchSession notes that a session is in use, for a client that was not signed
// in here; see OpenSession. One that has ended is dialer.ErrNoSession.
func (d *Directory) TouchSession(ctx context.Context, id string) error {
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, "UPDATE sessions SET last_seen_at = $3 WHERE org_id = $1 AND id = $2 AND ended_at = 0", d.org, tidy(id), d.now())
		if err == nil && n == 0 {
			return dialer.ErrNoSession
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("note a session in use: %w", err)
	}
	return nil
}

// SignOut ends the session that a token proves: for logout, where the user
// leaves, or window_closed, where they may only have closed a window.
func (d *Directory) SignOut(ctx context.Context, token dialer.Secret, reason dialer.EndReason) error {
	if !slices.Contains([]dialer.EndReason{dialer.EndLogout, dialer.EndWindowClosed}, reason) {
		return &dialer.InvalidError{Field: "end_reason", Rule: "must be logout or window_closed"}
	}
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		n, err := d.endWhere(ctx, tx, reason, " AND token_hash = $4 AND token_hash <> ''", digest(token))
		if err == nil && n == 0 {
			return dialer.ErrNoSession
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}
