package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// importRow is a row of a file. What could not be understood of it is kept as
// its error, so that the row is refused in its place.
type importRow struct {
	Values map[dialer.Field]any `json:"v,omitempty"`
	Err    string               `json:"e,omitempty"`
	line   int64
}

// The columns of a file that are no attributes. The id says whom a row is about,
// the status has them activated or deactivated, the license types are the seats
// of who is added.
const (
	columnID       dialer.Field = "id"
	columnStatus   dialer.Field = "status"
	columnLicenses dialer.Field = dialer.FieldLicenses
)

// importBatch is how many rows are read before they are written.
const importBatch = 1000

// PreviewImport reads users from a file and finds out what would come of each:
// a mass action that StartMass starts. A file that cannot be read at all is an
// *dialer.ImportError; a row that is wrong is refused by itself.
func (d *Directory) PreviewImport(ctx context.Context, r dialer.ImportRequest, file io.Reader) (dialer.MassAction, error) {
	m, err := d.previewImport(ctx, &r, file)
	if err != nil {
		return dialer.MassAction{}, fmt.Errorf("import users: %w", err)
	}
	return m, nil
}

func (d *Directory) previewImport(ctx context.Context, r *dialer.ImportRequest, file io.Reader) (dialer.MassAction, error) {
	rows, err := importRows(r.Format, file)
	if err != nil {
		return dialer.MassAction{}, err
	}
	m := &massRow{MassAction: dialer.MassAction{
		Action: dialer.MassImport, Reason: tidy(r.Reason), Actor: r.Actor, Scope: "a file in " + r.Format,
	}}
	m.options = massOptions{Seats: r.Seats, Within: r.Within, NoInvite: r.NoInvite}
	if r.Seats == nil {
		if m.options.Seats, err = d.defaultSeats(ctx); err != nil {
			return dialer.MassAction{}, err
		}
	}
	err = d.db.Update(ctx, func(tx *store.Tx) (err error) {
		m.ID, err = d.newMass(ctx, tx, m)
		return err
	})
	if err != nil {
		return dialer.MassAction{}, err
	}
	if err := d.importItems(ctx, m.ID, rows); err != nil {
		ctx := context.WithoutCancel(ctx)
		dropped := d.db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM mass_actions WHERE org_id = $1 AND id = $2", d.org, m.ID)
			return err
		})
		return dialer.MassAction{}, errors.Join(err, dropped)
	}
	return d.dryRun(ctx, m.ID)
}

// importItems writes the rows of a file as items.
func (d *Directory) importItems(ctx context.Context, id int64, rows func(yield func(importRow, error) bool)) error {
	var batch []importRow
	seq, seen := int64(0), make(map[string]int64)
	flush := func() error {
		users, err := d.match(ctx, batch)
		if err != nil {
			return err
		}
		for i := range batch {
			switch line, twice := seen[users[i]]; {
			case users[i] == "":
			case twice:
				batch[i].Err, users[i] = fmt.Sprintf("line %d is about the same user", line), ""
			default:
				seen[users[i]] = batch[i].line
			}
		}
		err = d.db.Update(ctx, func(tx *store.Tx) error {
			n := seq
			_, err := tx.Load(ctx, "mass_items", []string{"action_id", "seq", "line", "user_id", "payload"}, func(yield func([]any) bool) {
				for i := range batch {
					n++
					if !yield([]any{id, n, batch[i].line, users[i], batch[i].text()}) {
						return
					}
				}
			})
			return err
		})
		seq += int64(len(batch))
		batch = batch[:0]
		return err
	}
	for row, err := range rows {
		if err != nil {
			return err
		}
		if batch = append(batch, row); len(batch) == importBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// text is the row as it is kept. A row with an error keeps nothing else but
// whom it is about.
func (r *importRow) text() string {
	if r.Err != "" {
		r.Values = map[dialer.Field]any{dialer.FieldUsername: r.str(dialer.FieldUsername)}
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // it was text, or JSON, before
	}
	return string(b)
}

func (r *importRow) str(f dialer.Field) string {
	s, _ := r.Values[f].(string)
	return tidy(strings.TrimSpace(s))
}

// match finds the users whom rows are about: by id, else by Salesforce id, else
// by user name. "" is for a new one.
func (d *Directory) match(ctx context.Context, rows []importRow) ([]string, error) {
	var ids, linked, names store.Strings
	for i := range rows {
		r := &rows[i]
		switch {
		case r.Err != "":
		case r.str(columnID) != "":
			ids = append(ids, r.str(columnID))
		case r.str(dialer.FieldSalesforceID) != "":
			linked = append(linked, r.str(dialer.FieldSalesforceID))
		default:
			names = append(names, dialer.Key(r.str(dialer.FieldUsername)))
		}
	}
	known := make(map[string]string)
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		for _, look := range []struct {
			kind, column, condition string
			list                    store.Strings
		}{
			{"i", "id", "", ids},
			{"s", "salesforce_id", " AND salesforce_id <> ''", linked},
			{"n", "username_key", "", names},
		} {
			if err := d.known(ctx, tx, look.kind, look.column, look.condition, look.list, known); err != nil {
				return err
			}
		}
		return nil
	})
	users := make([]string, len(rows))
	for i := range rows {
		r := &rows[i]
		switch id, sf := r.str(columnID), r.str(dialer.FieldSalesforceID); {
		case r.Err != "":
		case id != "":
			if users[i] = known["i"+id]; users[i] == "" {
				r.Err = "id: " + dialer.ErrNotFound.Error()
			}
		case sf != "":
			if users[i] = known["s"+sf]; users[i] == "" {
				r.Err = "salesforce_id: " + dialer.ErrNotFound.Error() + "; whom Salesforce knows is added from there"
			}
		default:
			users[i] = known["n"+dialer.Key(r.str(dialer.FieldUsername))]
		}
	}
	return users, err
}

func (d *Directory) known(ctx context.Context, tx *store.Tx, kind, column, condition string, list store.Strings, known map[string]string) error {
	if len(list) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, "SELECT "+column+", id FROM dialer_users WHERE org_id = $1 AND status <> 'deleted'"+condition+
		" AND "+tx.In(column, 2), d.org, list)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k, id string
		if err := rows.Scan(&k, &id); err != nil {
			return err
		}
		known[kind+k] = id
	}
	return rows.Err()
}

// importHint tells the batch which names a row may claim.
func (j *massJob) importHint(it *massItem) dialer.Change {
	c := dialer.Change{Verb: dialer.VerbUpdate, UserID: it.userID}
	if it.userID == "" {
		c.Verb = dialer.VerbCreate
	}
	var row importRow
	if json.Unmarshal([]byte(it.payload), &row) != nil || row.Err != "" {
		return c
	}
	for f, v := range row.Values {
		if f.Known() && f.Set(&c.User, v) == nil {
			c.Fields = append(c.Fields, f)
		}
	}
	if row.str(columnStatus) == string(dialer.StatusActive) && it.userID != "" {
		c.Verb = dialer.VerbActivate
	}
	return c
}

// imported is what a row makes of its user, who is nil if they are new.
func (j *massJob) imported(it *massItem, u *dialer.User) (dialer.Change, error) {
	var row importRow
	if err := json.Unmarshal([]byte(it.payload), &row); err != nil {
		return dialer.Change{}, fmt.Errorf("read the row: %w", err)
	}
	if row.Err != "" {
		return dialer.Change{}, errors.New(row.Err)
	}
	if u == nil {
		return j.importedNew(&row)
	}
	c := dialer.Change{Verb: dialer.VerbUpdate, User: *u}
	var errs []error
	for _, f := range slices.Sorted(fieldsOf(row.Values)) {
		if err := j.importedValue(&c, u, f, row.Values[f]); err != nil {
			errs = append(errs, err)
		}
	}
	if want, ok := row.Values[columnLicenses]; ok && u.Status == dialer.StatusActive && !slices.Equal(listOf(want), u.LicenseTypes) {
		errs = append(errs, &dialer.InvalidError{Field: columnLicenses, Rule: "must be what it is: a file takes or gives no seats of those who are there"})
	}
	switch dialer.Status(row.str(columnStatus)) {
	case dialer.StatusActive:
		if u.Status != dialer.StatusActive {
			c.Verb, c.Seats = dialer.VerbActivate, j.seats
		}
	case dialer.StatusInactive:
		if u.Status == dialer.StatusActive {
			c.Verb, c.Reason = dialer.VerbDeactivate, dialer.ReasonManual
		}
	}
	return c, errors.Join(errs...)
}

// importedValue adds one value to the change of a user who is there.
func (j *massJob) importedValue(c *dialer.Change, u *dialer.User, f dialer.Field, v any) error {
	if !f.Known() {
		return nil // a column that says whom the row is about
	}
	if err := f.Set(&c.User, v); err != nil {
		return err
	}
	if f.Same(u, &c.User) {
		f.Copy(&c.User, u)
		return nil
	}
	if j.d.ownerOf(f) == dialer.OwnerSystem { // shown in a file, and since then it may have moved on
		f.Copy(&c.User, u)
		return nil
	}
	if err := j.d.owned(u, &c.User, f); err != nil {
		return err
	}
	c.Fields = append(c.Fields, f)
	return nil
}

func (j *massJob) importedNew(row *importRow) (dialer.Change, error) {
	if len(j.m.options.Within) > 0 {
		return dialer.Change{}, dialer.ErrOutside
	}
	c := dialer.Change{Verb: dialer.VerbCreate, Seats: j.seats, NoInvite: j.m.options.NoInvite}
	c.User.Origin = dialer.OriginImport
	var errs []error
	for _, f := range slices.Sorted(fieldsOf(row.Values)) {
		if v := row.Values[f]; f.Known() && v != nil && v != "" && j.d.ownerOf(f) != dialer.OwnerSystem {
			errs = append(errs, f.Set(&c.User, v))
		}
	}
	if want, ok := row.Values[columnLicenses]; ok {
		c.Seats = listOf(want)
	}
	if row.str(columnStatus) == string(dialer.StatusInactive) {
		c.User.Status, c.Seats = dialer.StatusInactive, nil
	}
	return c, errors.Join(errs...)
}

// listOf is a list of words, however it came.
func listOf(v any) (list []string) {
	switch v := v.(type) {
	case string:
		for s := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ';' || r == ',' }) {
			list = append(list, strings.TrimSpace(s))
		}
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, strings.TrimSpace(s))
			}
		}
	}
	slices.Sort(list)
	return list
}

func fieldsOf(values map[dialer.Field]any) func(yield func(dialer.Field) bool) {
	return func(yield func(dialer.Field) bool) {
		for f := range values {
			if !yield(f) {
				return
			}
		}
	}
}
