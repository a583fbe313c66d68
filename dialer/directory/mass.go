package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

const (
	massPreparing = "preparing" // its items are being written; nobody else sees it
	// undoFor is how long what users had before is kept.
	undoFor = 7 * 24 * time.Hour
	// staleAfter is how long a preview waits to be started.
	staleAfter = 24 * time.Hour
	// maxReasons is how many reasons of refusals are counted apart.
	maxReasons = 20
)

// massOptions are what a mass action needs beside its columns.
type massOptions struct {
	Seats    []string       `json:"seats,omitempty"`
	Within   []dialer.Group `json:"within,omitempty"`
	NoInvite bool           `json:"no_invite,omitempty"`
}

// massRow is a row of mass_actions.
type massRow struct {
	dialer.MassAction
	options massOptions
	nextSeq int64
}

const massColumns = `id, state, action, field, value, options, scope, reason, actor_kind, actor, total, next_seq, preview, done,
	created_at, started_at, finished_at, undo_until, undo_of, undone_by`

// readMass reads the mass actions that a condition selects.
func (d *Directory) readMass(ctx context.Context, tx *store.Tx, condition string, args ...any) ([]massRow, error) {
	rows, err := tx.Query(ctx, "SELECT "+massColumns+" FROM mass_actions WHERE org_id = $1 AND "+condition, append([]any{d.org}, args...)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []massRow
	for rows.Next() {
		var m massRow
		var value, options, preview, done string
		var created, started, finished, undo int64
		if err := rows.Scan(&m.ID, (*string)(&m.State), (*string)(&m.Action), (*string)(&m.Field), &value, &options, &m.Scope,
			&m.Reason, &m.Actor.Kind, &m.Actor.Name, &m.Total, &m.nextSeq, &preview, &done, &created, &started, &finished,
			&undo, &m.UndoOf, &m.UndoneBy); err != nil {
			return nil, err
		}
		if err := errors.Join(json.Unmarshal([]byte(options), &m.options), json.Unmarshal([]byte(preview), &m.Preview),
			json.Unmarshal([]byte(done), &m.Done)); err != nil {
			return nil, fmt.Errorf("read mass action %d: %w", m.ID, err)
		}
		if value != "" {
			m.Value = json.RawMessage(value)
		}
		m.Seats = m.options.Seats
		m.CreatedAt, m.StartedAt, m.FinishedAt = store.Time(created), store.Time(started), store.Time(finished)
		m.UndoUntil = store.Time(undo)
		list = append(list, m)
	}
	return list, rows.Err()
}

// oneMass reads a mass action, and locks it where tx writes.
func (d *Directory) oneMass(ctx context.Context, tx *store.Tx, id int64, write bool) (massRow, error) {
	condition := "id = $2 AND state <> '" + massPreparing + "'"
	if write {
		condition += tx.ForUpdate()
	}
	list, err := d.readMass(ctx, tx, condition, id)
	if err == nil && len(list) == 0 {
		err = dialer.ErrNoMass
	}
	if err != nil {
		return massRow{}, err
	}
	return list[0], nil
}

// MassAction returns a mass action.
func (d *Directory) MassAction(ctx context.Context, id int64) (dialer.MassAction, error) {
	var m massRow
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		m, err = d.oneMass(ctx, tx, id, false)
		return err
	})
	if err != nil {
		return dialer.MassAction{}, fmt.Errorf("read mass action %d: %w", id, err)
	}
	return m.MassAction, nil
}

// MassActions returns at most limit mass actions, the latest first, older than
// before unless that is 0.
func (d *Directory) MassActions(ctx context.Context, before int64, limit int) ([]dialer.MassAction, error) {
	if limit <= 0 {
		limit = 100
	}
	condition, args := "state <> '"+massPreparing+"'", []any{}
	if before > 0 {
		condition, args = condition+" AND id < $2", append(args, before)
	}
	var list []massRow
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		list, err = d.readMass(ctx, tx, condition+" ORDER BY id DESC LIMIT "+strconv.Itoa(limit), args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list mass actions: %w", err)
	}
	actions := make([]dialer.MassAction, len(list))
	for i := range list {
		actions[i] = list[i].MassAction
	}
	return actions, nil
}

// newMass writes the row of a mass action in preparation, and returns its
// number.
func (d *Directory) newMass(ctx context.Context, tx *store.Tx, m *massRow) (id int64, err error) {
	options, err := json.Marshal(m.options)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `INSERT INTO mass_actions
		(org_id, state, action, field, value, options, scope, reason, actor_kind, actor, created_at, undo_of)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id`,
		d.org, massPreparing, string(m.Action), string(m.Field), string(m.Value), string(options), m.Scope, m.Reason,
		m.Actor.Kind, m.Actor.Name, d.now(), m.UndoOf).Scan(&id)
	return id, err
}

// StartMass starts a mass action that was previewed. confirm must be its Total.
func (d *Directory) StartMass(ctx context.Context, id, confirm int64, by dialer.Actor) (dialer.MassAction, error) {
	m, err := d.turnMass(ctx, id, func(tx *store.Tx, m *massRow) error {
		switch {
		case m.State != dialer.MassPreviewed:
			return dialer.ErrMassState
		case confirm != m.Total:
			return fmt.Errorf("%w: it is for %d", dialer.ErrMassConfirm, m.Total)
		}
		m.State, m.StartedAt = dialer.MassRunning, d.now()
		if _, err := tx.Exec(ctx, "UPDATE mass_actions SET state = 'running', started_at = $3 WHERE org_id = $1 AND id = $2",
			d.org, id, m.StartedAt); err != nil {
			return err
		}
		return d.recordMass(ctx, tx, m, "started", by)
	})
	if err != nil {
		return dialer.MassAction{}, fmt.Errorf("start mass action %d: %w", id, err)
	}
	kick(d.massDue)
	return m, nil
}

// CancelMass stops a mass action. Nobody after the users under way is touched,
// and what was done stays.
func (d *Directory) CancelMass(ctx context.Context, id int64, by dialer.Actor) (dialer.MassAction, error) {
	m, err := d.turnMass(ctx, id, func(tx *store.Tx, m *massRow) error {
		switch m.State {
		case dialer.MassPreviewed, dialer.MassRunning:
		case dialer.MassCanceled:
			return nil
		default:
			return dialer.ErrMassState
		}
		m.State = dialer.MassCanceled
		if err := d.finishMass(ctx, tx, m); err != nil {
			return err
		}
		return d.recordMass(ctx, tx, m, "canceled", by)
	})
	if err != nil {
		return dialer.MassAction{}, fmt.Errorf("cancel mass action %d: %w", id, err)
	}
	return m, nil
}

// turnMass changes the state of a mass action, between the chunks of a run.
func (d *Directory) turnMass(ctx context.Context, id int64, turn func(tx *store.Tx, m *massRow) error) (dialer.MassAction, error) {
	var m massRow
	err := d.db.Update(ctx, func(tx *store.Tx) (err error) {
		if m, err = d.oneMass(ctx, tx, id, true); err != nil {
			return err
		}
		return turn(tx, &m)
	})
	return m.MassAction, err
}

// finishMass writes how a mass action ended. One that changed an attribute can
// be undone for a while.
func (d *Directory) finishMass(ctx context.Context, tx *store.Tx, m *massRow) error {
	m.FinishedAt = d.now()
	if m.Field != "" && m.Action != dialer.MassUndo && m.Done.Changed > 0 {
		m.UndoUntil = m.FinishedAt.Add(undoFor)
	}
	_, err := tx.Exec(ctx, "UPDATE mass_actions SET state = $3, finished_at = $4, undo_until = $5 WHERE org_id = $1 AND id = $2",
		d.org, m.ID, string(m.State), m.FinishedAt, m.UndoUntil)
	return err
}

// recordMass notes in the audit trail what became of a mass action.
func (d *Directory) recordMass(ctx context.Context, tx *store.Tx, m *massRow, what string, by dialer.Actor) error {
	after, err := json.Marshal(map[string]any{
		"action": m.Action, "field": m.Field, "value": m.Value, "scope": m.Scope, "total": m.Total, "done": m.Done,
	})
	if err != nil {
		return err
	}
	return d.record(ctx, tx, record{verb: dialer.VerbMass, note: join(what, m.Reason), by: by, after: string(after), run: massRun(m.ID)})
}

// massRun is the RunID of what a mass action changes.
func massRun(id int64) string { return "mass-" + strconv.FormatInt(id, 10) }

// count adds the outcome of a user. Who is refused for a reason beyond those
// that are counted apart falls under the last.
func count(c *dialer.MassCounts, it *massItem) {
	switch it.outcome {
	case dialer.ItemCreated:
		c.Created++
		c.Changed++
	case dialer.ItemChanged:
		c.Changed++
	case dialer.ItemUnchanged:
		c.Unchanged++
	case dialer.ItemRefused:
		c.Refused++
		i := slices.IndexFunc(c.Reasons, func(r dialer.MassReason) bool { return r.Reason == it.reason })
		if i < 0 && len(c.Reasons) < maxReasons {
			i, c.Reasons = len(c.Reasons), append(c.Reasons, dialer.MassReason{Reason: it.reason})
		} else if i < 0 {
			i = maxReasons - 1
			c.Reasons[i].Reason = "other reasons"
		}
		c.Reasons[i].Count++
		slices.SortStableFunc(c.Reasons, func(a, b dialer.MassReason) int { return int(b.Count - a.Count) })
	}
}

// reasonOf gives the reason of a refusal in words, the same for all who were
// refused for it, and the detail for this one.
func reasonOf(err error) (reason, detail string) {
	detail = strings.ReplaceAll(err.Error(), "\n", "; ")
	if taken, ok := errors.AsType[*dialer.TakenError](err); ok {
		return string(taken.Field) + " is taken", detail
	}
	for _, known := range []error{
		dialer.ErrNotFound, dialer.ErrConflict, dialer.ErrNoSeat, dialer.ErrProtected, dialer.ErrMassSince, dialer.ErrOutside,
	} {
		if errors.Is(err, known) {
			return known.Error(), detail
		}
	}
	return detail, detail
}

// kick wakes whoever waits on c, now or when they next look.
func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
