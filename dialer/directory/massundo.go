package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// UndoMass starts a mass action that gives back what another one changed, but
// for users in whom the attribute was changed again since.
func (d *Directory) UndoMass(ctx context.Context, id int64, by dialer.Actor) (dialer.MassAction, error) {
	var undo massRow
	_, err := d.turnMass(ctx, id, func(tx *store.Tx, m *massRow) error {
		switch {
		case m.State != dialer.MassDone && m.State != dialer.MassCanceled:
			return dialer.ErrMassState
		case m.UndoneBy != 0:
			return fmt.Errorf("%w: it was undone by mass action %d", dialer.ErrMassUndo, m.UndoneBy)
		case !m.UndoUntil.After(d.now()):
			return fmt.Errorf("%w: nothing is kept of what was before", dialer.ErrMassUndo)
		}
		undo = massRow{MassAction: dialer.MassAction{
			State: dialer.MassRunning, Action: dialer.MassUndo, Field: m.Field, Scope: "changed by mass action " + strconv.FormatInt(id, 10),
			Reason: join("undo of mass action "+strconv.FormatInt(id, 10), m.Reason), Actor: by, CreatedAt: d.now(), StartedAt: d.now(), UndoOf: id,
		}, options: massOptions{Within: m.options.Within}}
		var err error
		if undo.ID, err = d.newMass(ctx, tx, &undo); err != nil {
			return err
		}
		if undo.Total, err = tx.Exec(ctx, `INSERT INTO mass_items (action_id, seq, user_id, payload)
			SELECT CAST($2 AS BIGINT), row_number() OVER (ORDER BY seq), user_id, was FROM mass_items
			WHERE action_id = $1 AND outcome = 'changed' AND was <> ''`, id, undo.ID); err != nil {
			return err
		}
		// What is foretold is that all of them change: who did not is told apart.
		undo.Preview = dialer.MassCounts{Changed: undo.Total}
		preview, err := countsText(&undo.Preview)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE mass_actions SET state = 'running', total = $3, preview = $4, started_at = $5 WHERE org_id = $1 AND id = $2",
			d.org, undo.ID, undo.Total, preview, undo.StartedAt); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE mass_actions SET undone_by = $3 WHERE org_id = $1 AND id = $2", d.org, id, undo.ID); err != nil {
			return err
		}
		return d.recordMass(ctx, tx, &undo, "started", by)
	})
	if err != nil {
		return dialer.MassAction{}, fmt.Errorf("undo mass action %d: %w", id, err)
	}
	kick(d.massDue)
	return undo.MassAction, nil
}

// MassItems returns what came of the users of a mass action, in their order.
func (d *Directory) MassItems(ctx context.Context, id int64, q dialer.MassItemQuery) ([]dialer.MassItem, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 1000
	}
	var list []dialer.MassItem
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		list = nil
		if _, err := d.oneMass(ctx, tx, id, false); err != nil {
			return err
		}
		w := &where{tx: tx}
		w.add("u.org_id = ?", d.org) // of the join
		join := w.sql()
		w.terms = nil
		w.add("i.action_id = ?", id)
		w.add("i.seq > ?", q.After)
		if q.Outcome != "" {
			w.add("i.outcome = ?", tidy(q.Outcome))
		}
		if q.Expected {
			w.terms = append(w.terms, "i.expected <> ''")
		}
		rows, err := tx.Query(ctx, `SELECT i.seq, i.line, i.user_id, COALESCE(u.username, ''), i.payload, i.outcome, i.detail, i.expected
			FROM mass_items i LEFT JOIN dialer_users u ON `+join+` AND u.id = i.user_id
			WHERE `+w.sql()+" ORDER BY i.seq LIMIT "+strconv.Itoa(limit), w.args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var it dialer.MassItem
			var payload string
			if err := rows.Scan(&it.Seq, &it.Line, &it.UserID, &it.Username, &payload, &it.Outcome, &it.Detail, &it.Expected); err != nil {
				return err
			}
			if it.Username == "" && it.Line > 0 {
				var row importRow
				if json.Unmarshal([]byte(payload), &row) == nil {
					it.Username, _ = row.Values[dialer.FieldUsername].(string)
				}
			}
			list = append(list, it)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list users of mass action %d: %w", id, err)
	}
	return list, nil
}
