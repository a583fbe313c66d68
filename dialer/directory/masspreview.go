package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// PreviewMass fixes whom a mass action is for, and finds out what would come of
// each of them. Nothing is written to any user until StartMass.
func (d *Directory) PreviewMass(ctx context.Context, r dialer.MassRequest) (dialer.MassAction, error) {
	m, err := d.previewMass(ctx, &r)
	if err != nil {
		return dialer.MassAction{}, fmt.Errorf("preview a mass action: %w", err)
	}
	return m, nil
}

func (d *Directory) previewMass(ctx context.Context, r *dialer.MassRequest) (dialer.MassAction, error) {
	m := &massRow{MassAction: dialer.MassAction{
		Action: r.Action, Field: r.Field, Value: r.Value, Reason: tidy(r.Reason), Actor: r.Actor, Scope: scopeText(&r.Scope),
	}}
	m.options = massOptions{Seats: r.Seats, Within: r.Scope.Within}
	if m.Scope == "" {
		return dialer.MassAction{}, dialer.ErrMassScope
	}
	if r.Action == dialer.MassImport || r.Action == dialer.MassUndo {
		return dialer.MassAction{}, dialer.ErrMassState
	}
	if r.Action == dialer.MassActivate && r.Seats == nil {
		var err error
		if m.options.Seats, err = d.defaultSeats(ctx); err != nil {
			return dialer.MassAction{}, err
		}
	}
	if _, err := d.job(m); err != nil {
		return dialer.MassAction{}, err
	}
	err := d.db.Update(ctx, func(tx *store.Tx) (err error) {
		if m.ID, err = d.newMass(ctx, tx, m); err != nil {
			return err
		}
		return d.freeze(ctx, tx, m.ID, r)
	})
	if err != nil {
		return dialer.MassAction{}, err
	}
	return d.dryRun(ctx, m.ID)
}

// scopeText is the scope in words, or "" if it is not one.
func scopeText(s *dialer.MassScope) string {
	switch {
	case s.IDs != nil && s.Filter == nil && !s.All:
		return "selected"
	case s.Filter != nil && s.IDs == nil && !s.All:
		return strings.TrimSpace("matching " + tidy(s.FilterText))
	case s.All && s.IDs == nil && s.Filter == nil:
		return "all"
	}
	return ""
}

// defaultSeats are the license types that a user who is activated gets.
func (d *Directory) defaultSeats(ctx context.Context) ([]string, error) {
	licenses, err := d.Licenses(ctx)
	var seats []string
	for _, l := range licenses {
		if l.Default {
			seats = append(seats, l.Type)
		}
	}
	return seats, err
}

// freeze writes the users of a mass action: whoever comes or goes later is not
// among them, nor does anybody leave because they no longer match.
func (d *Directory) freeze(ctx context.Context, tx *store.Tx, id int64, r *dialer.MassRequest) error {
	if r.Scope.IDs != nil {
		seen := make(map[string]bool, len(r.Scope.IDs))
		seq := int64(0)
		_, err := tx.Load(ctx, "mass_items", []string{"action_id", "seq", "user_id"}, func(yield func([]any) bool) {
			row := make([]any, 3)
			for _, user := range r.Scope.IDs {
				if user = tidy(user); user == "" || seen[user] {
					continue
				}
				seen[user] = true
				seq++
				if row[0], row[1], row[2] = id, seq, user; !yield(row) {
					return
				}
			}
		})
		return err
	}
	q := dialer.Query{}
	if r.Scope.Filter != nil {
		q = *r.Scope.Filter
	}
	w := d.where(tx, q)
	if r.Scope.All {
		w.terms = append(w.terms, "NOT u.protected")
		w.add("u.id <> ?", r.Caller)
	}
	w.within(r.Scope.Within)
	_, err := tx.Exec(ctx, fmt.Sprintf(`INSERT INTO mass_items (action_id, seq, user_id)
		SELECT %d, row_number() OVER (ORDER BY u.id), u.id FROM dialer_users u WHERE %s`, id, w.sql()), w.args...)
	return err
}

// within adds that a user is in one of groups, unless there are none.
func (w *where) within(groups []dialer.Group) {
	if len(groups) == 0 {
		return
	}
	terms := w.terms
	w.terms = nil
	for _, g := range groups {
		w.add("g.kind = ?", string(g.Kind))
		w.add("g.name = ?", g.Name)
	}
	var either []string
	for pair := range slices.Chunk(w.terms, 2) {
		either = append(either, strings.Join(pair, " AND "))
	}
	w.terms = append(terms, `EXISTS (SELECT 1 FROM memberships m JOIN groups g ON g.id = m.group_id
		WHERE m.org_id = u.org_id AND m.user_id = u.id AND (`+strings.Join(either, " OR ")+"))")
}

// dryRun decides a mass action in preparation without writing to any user, and
// makes it one that can be started. If it fails, there is none.
func (d *Directory) dryRun(ctx context.Context, id int64) (dialer.MassAction, error) {
	m, err := d.foretell(ctx, id)
	if err != nil {
		ctx := context.WithoutCancel(ctx)
		dropped := d.db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM mass_actions WHERE org_id = $1 AND id = $2 AND state = 'preparing'", d.org, id)
			return err
		})
		return dialer.MassAction{}, errors.Join(err, dropped)
	}
	return m, nil
}

func (d *Directory) foretell(ctx context.Context, id int64) (dialer.MassAction, error) {
	var m massRow
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		list, err := d.readMass(ctx, tx, "id = $2", id)
		if err == nil && len(list) == 0 {
			err = dialer.ErrNoMass
		}
		if err == nil {
			m = list[0]
		}
		return err
	})
	if err != nil {
		return dialer.MassAction{}, err
	}
	j, err := d.job(&m)
	if err != nil {
		return dialer.MassAction{}, err
	}
	before := new(foresight)
	for more := true; more; {
		var items []massItem
		err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
			items, err = readItems(ctx, tx, id, m.Total+1, chunkSize)
			if err != nil || len(items) == 0 {
				return err
			}
			b := newBatch(d, tx, len(items))
			b.before = before
			steps, err := j.decide(ctx, b, items)
			if err != nil {
				return err
			}
			j.settle(b, items, steps)
			before.keep(b)
			return nil
		})
		if err == nil {
			err = d.expect(ctx, id, items)
		}
		if err != nil {
			return dialer.MassAction{}, err
		}
		for i := range items {
			count(&m.Preview, &items[i])
		}
		m.Total += int64(len(items))
		more = len(items) == chunkSize
	}
	preview, err := countsText(&m.Preview)
	if err != nil {
		return dialer.MassAction{}, err
	}
	m.State = dialer.MassPreviewed
	return m.MassAction, d.db.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE mass_actions SET state = 'previewed', total = $3, preview = $4 WHERE org_id = $1 AND id = $2",
			d.org, id, m.Total, preview)
		return err
	})
}

// decide loads the users of items and decides what comes of them.
func (j *massJob) decide(ctx context.Context, b *batch, items []massItem) ([]step, error) {
	load := make([]step, len(items))
	changes := make([]dialer.Change, len(items))
	for i := range items {
		changes[i] = j.hint(&items[i])
		load[i] = step{change: normal(&changes[i])}
	}
	if err := b.load(ctx, load); err != nil {
		return nil, err
	}
	steps := j.steps(b, items)
	b.results = b.results[:len(steps)]
	b.decide(steps)
	return steps, nil
}

// hint tells a batch what it must look up for an item, before its user is
// known.
func (j *massJob) hint(it *massItem) dialer.Change {
	if j.m.Action == dialer.MassImport {
		return j.importHint(it)
	}
	c := dialer.Change{Verb: dialer.VerbUpdate, UserID: it.userID, User: j.value}
	switch j.m.Action {
	case dialer.MassActivate:
		c.Verb = dialer.VerbActivate
	case dialer.MassDeactivate:
		c.Verb = dialer.VerbDeactivate
	case dialer.MassDelete:
		c.Verb = dialer.VerbDelete
	case dialer.MassAsk:
		c.Verb = dialer.VerbAsk
	case dialer.MassUndo:
		var was [2]any
		if json.Unmarshal([]byte(it.payload), &was) == nil {
			_ = j.field.Set(&c.User, was[0]) // undo will say what is wrong with it
		}
		fallthrough
	default:
		c.Fields = []dialer.Field{j.field}
	}
	return c
}

// expect notes who will be refused, and why.
func (d *Directory) expect(ctx context.Context, id int64, items []massItem) error {
	refused := slices.DeleteFunc(slices.Clone(items), func(it massItem) bool { return it.outcome != dialer.ItemRefused })
	if len(refused) == 0 {
		return nil
	}
	return d.db.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Rewrite(ctx, "mass_items", []string{"expected", "action_id", "seq"}, []string{"action_id", "seq"}, func(yield func([]any) bool) {
			row := make([]any, 3)
			for i := range refused {
				if row[0], row[1], row[2] = refused[i].detail, id, refused[i].seq; !yield(row) {
					return
				}
			}
		})
		return err
	})
}
