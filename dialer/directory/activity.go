package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// mentions adds that a text stands in the words of an entry, in whichever case
// where it is plain Latin.
func (w *where) mentions(text string) {
	find := "instr"
	if w.tx.Postgres() {
		find = "strpos"
	}
	w.add(find+"(lower(note || ' ' || actor || ' ' || verb || ' ' || reason || ' ' || before || ' ' || after), lower(?)) > 0", text)
}

// Activity returns entries of the audit trail. Two programs that write at the
// same time may commit their entries in another order than their numbers': to
// miss none of those that come, there is Follow.
func (d *Directory) Activity(ctx context.Context, q dialer.ActivityQuery) ([]dialer.Activity, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 1000
	}
	var list []dialer.Activity
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		list = nil
		w := &where{tx: tx}
		org := "org_id = ?"
		if q.UserID == "" && q.Verb == "" && q.RunID == "" {
			org = "+org_id = ?" // by their numbers: SQLite would gather and sort all entries of the org
		}
		w.add(org, d.org)
		if q.UserID != "" {
			w.add("user_id = ?", q.UserID)
		}
		if q.Verb != "" {
			w.add("verb = ?", string(q.Verb))
		}
		if q.RunID != "" {
			w.add("run_id <> '' AND run_id = ?", q.RunID)
		}
		if !q.Since.IsZero() {
			w.add("at >= ?", q.Since)
		}
		if !q.Until.IsZero() {
			w.add("at < ?", q.Until)
		}
		if q.Actor != "" {
			w.add("actor = ?", tidy(q.Actor))
		}
		if q.ActorKind != "" {
			w.add("actor_kind = ?", tidy(q.ActorKind))
		}
		if q.From > 0 {
			w.add("seq >= ?", q.From)
		}
		if q.To > 0 {
			w.add("seq <= ?", q.To)
		}
		if q.Text != "" {
			w.mentions(tidy(q.Text))
		}
		order := "seq"
		switch {
		case q.Newest:
			order = "seq DESC"
			if q.After > 0 {
				w.add("seq < ?", q.After)
			}
		case q.After > 0:
			w.add("seq > ?", q.After)
		}
		rows, err := tx.Query(ctx, `SELECT seq, at, actor_kind, actor, user_id, salesforce_id, verb, reason, note, before, after, run_id
			FROM activity WHERE `+w.sql()+" ORDER BY "+order+" LIMIT "+strconv.Itoa(limit), w.args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var a dialer.Activity
			var at int64
			var before, after string
			if err := rows.Scan(&a.Seq, &at, &a.Actor.Kind, &a.Actor.Name, &a.UserID, &a.SalesforceID, (*string)(&a.Verb),
				(*string)(&a.Reason), &a.Note, &before, &after, &a.RunID); err != nil {
				return err
			}
			a.At, a.Before, a.After = store.Time(at), json.RawMessage(before), json.RawMessage(after)
			list = append(list, a)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read activity: %w", err)
	}
	return list, nil
}
