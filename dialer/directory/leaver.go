package directory

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Leavers returns those who lost access, the latest first. It reads the audit
// trail, to which is only ever added.
func (d *Directory) Leavers(ctx context.Context, q dialer.LeaverQuery) ([]dialer.Leaver, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 1000
	}
	var list []dialer.Leaver
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		if list, err = d.proofs(ctx, tx, q, limit); err != nil || len(list) == 0 {
			return err
		}
		if err := d.schedules(ctx, tx, list); err != nil {
			return err
		}
		if err := d.endings(ctx, tx, list); err != nil {
			return err
		}
		return d.redirects(ctx, tx, list)
	})
	if err != nil {
		return nil, fmt.Errorf("list leavers: %w", err)
	}
	for i := range list {
		if l := &list[i]; !l.LeftSource.IsZero() {
			l.DelaySeconds = int64(l.LeftDialer.Sub(l.LeftSource) / time.Second)
		}
	}
	return list, nil
}

// proofs reads the entries by which someone active lost access.
func (d *Directory) proofs(ctx context.Context, tx *store.Tx, q dialer.LeaverQuery, limit int) ([]dialer.Leaver, error) {
	w := &where{tx: tx}
	w.add("a.org_id = ?", d.org)
	w.terms = append(w.terms, "a.verb IN ('deactivate', 'delete')")
	find := "instr(a.before, ?) > 0"
	if tx.Postgres() {
		find = "strpos(a.before, ?) > 0"
	}
	w.add(find, `"status":"active"`)
	if !q.Since.IsZero() {
		w.add("a.at >= ?", q.Since)
	}
	if !q.Until.IsZero() {
		w.add("a.at < ?", q.Until)
	}
	if q.After > 0 {
		w.add("a.seq < ?", q.After)
	}
	rows, err := tx.Query(ctx, `SELECT a.seq, a.at, a.actor_kind, a.actor, a.user_id, a.salesforce_id, a.reason, a.source_at,
		COALESCE(u.username, ''), COALESCE(u.display_name, '') FROM activity a
		LEFT JOIN dialer_users u ON u.org_id = a.org_id AND u.id = a.user_id
		WHERE `+w.sql()+" ORDER BY a.seq DESC LIMIT "+strconv.Itoa(limit), w.args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []dialer.Leaver
	for rows.Next() {
		var l dialer.Leaver
		var at, source int64
		if err := rows.Scan(&l.Proof, &at, &l.Actor.Kind, &l.Actor.Name, &l.UserID, &l.SalesforceID, (*string)(&l.Reason), &source,
			&l.Username, &l.DisplayName); err != nil {
			return nil, err
		}
		l.LeftDialer, l.LeftSource = store.Time(at), store.Time(source)
		list = append(list, l)
	}
	return list, rows.Err()
}

// schedules finds, for each leaver, the schedule that their access ended by: the
// first since they last were to stay, as that is when it was seen that they
// leave.
func (d *Directory) schedules(ctx context.Context, tx *store.Tx, list []dialer.Leaver) error {
	ids := make(store.Strings, len(list))
	for i := range list {
		ids[i] = list[i].UserID
	}
	rows, err := tx.Query(ctx, `SELECT seq, at, user_id, verb, reason, source_at, after FROM activity
		WHERE org_id = $1 AND verb IN ('schedule', 'unschedule', 'activate') AND `+tx.In("user_id", 2)+" ORDER BY seq", d.org, ids)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	type entry struct {
		seq, at, source int64
		verb            dialer.Verb
		reason          dialer.Reason
		due             time.Time
	}
	trail := make(map[string][]entry)
	for rows.Next() {
		var e entry
		var user, after string
		if err := rows.Scan(&e.seq, &e.at, &user, (*string)(&e.verb), (*string)(&e.reason), &e.source, &after); err != nil {
			return err
		}
		var values struct {
			At string `json:"deactivate_at"`
		}
		if json.Unmarshal([]byte(after), &values) == nil {
			e.due, _ = time.Parse(time.RFC3339Nano, values.At)
		}
		trail[user] = append(trail[user], e)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for i := range list {
		l := &list[i]
		for _, e := range slices.Backward(trail[l.UserID]) {
			if e.seq > l.Proof {
				continue
			}
			if e.verb != dialer.VerbSchedule {
				break
			}
			l.Scheduled = store.Time(e.at)
			if l.Due.IsZero() {
				l.Due = e.due // the last set counts
			}
			if e.source != 0 {
				l.LeftSource = store.Time(e.source)
			}
			l.Reason = first(l.Reason, e.reason)
		}
	}
	return nil
}

// endings counts the sessions that ended in the transactions of the proofs,
// which carry the same time.
func (d *Directory) endings(ctx context.Context, tx *store.Tx, list []dialer.Leaver) error {
	ids := make(store.Strings, len(list))
	for i := range list {
		ids[i] = list[i].UserID
	}
	rows, err := tx.Query(ctx, `SELECT user_id, ended_at, count(*) FROM sessions WHERE org_id = $1
		AND end_reason IN ('deactivated', 'deleted') AND `+tx.In("user_id", 2)+" GROUP BY user_id, ended_at", d.org, ids)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	type ending struct {
		user string
		at   int64
	}
	counts := make(map[ending]int64)
	for rows.Next() {
		var e ending
		var n int64
		if err := rows.Scan(&e.user, &e.at, &n); err != nil {
			return err
		}
		counts[e] = n
	}
	for i := range list {
		l := &list[i]
		l.SessionsEnded = counts[ending{l.UserID, store.Micros(l.LeftDialer)}]
	}
	return rows.Err()
}

// redirects counts the users whose calls still go to each leaver who has not come
// back.
func (d *Directory) redirects(ctx context.Context, tx *store.Tx, list []dialer.Leaver) error {
	ids := make(store.Strings, len(list))
	for i := range list {
		ids[i] = list[i].UserID
	}
	w := &where{tx: tx}
	w.add("u.org_id = ?", d.org)
	w.terms = append(w.terms, "u.status = 'active'", redirects)
	target := w.setting(dialer.FieldUnavailableTarget)
	w.terms = append(w.terms, w.list(target, ids),
		"NOT EXISTS (SELECT 1 FROM dialer_users t WHERE t.org_id = u.org_id AND t.status = 'active' AND t.id = "+target+")")
	counts := make(map[string]int64)
	if err := each(ctx, tx, func(rows *sql.Rows) error {
		var id string
		var n int64
		err := rows.Scan(&id, &n)
		counts[id] = n
		return err
	}, "SELECT "+target+", count(*) FROM dialer_users u WHERE "+w.sql()+" GROUP BY 1", w.args...); err != nil {
		return err
	}
	for i := range list {
		list[i].Redirects = counts[list[i].UserID]
	}
	return nil
}
