package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// autoExtension asks for the next free extension.
const autoExtension = "auto"

// spare are the extensions of the org's range that nobody has.
type spare struct {
	next, last string
	used       map[string]bool
}

// loadSpare reads which extensions of the range are taken, where one is to be
// given out.
func (b *batch) loadSpare(ctx context.Context, steps []step) error {
	first, last, ok := b.settings.Extensions()
	if !ok {
		return nil
	}
	for _, s := range steps {
		ext := s.change.User.Extension
		if s.change.Verb == dialer.VerbCreate && (ext == "" || b.mayLose(ext)) || ext == autoExtension {
			var err error
			b.spare, err = readSpare(ctx, b.tx, b.d.org, first, last, store.Micros(b.now.Add(-b.settings.Quarantine())))
			return err
		}
	}
	return nil
}

// mayLose reports whether a new user may not get the extension asked for.
func (b *batch) mayLose(ext string) bool {
	_, taken := b.held[slotExtension][ext]
	return taken || !dialer.Extension(ext)
}

func readSpare(ctx context.Context, tx *store.Tx, org int64, first, last string, since int64) (*spare, error) {
	s := &spare{next: first, last: last, used: make(map[string]bool)}
	for _, column := range []string{"extension", "virtual_extension"} {
		for _, status := range []string{"status <> 'deleted'", "status = 'deleted' AND deleted_at > $4"} {
			args := []any{org, first, last}
			if status != "status <> 'deleted'" {
				args = append(args, since)
			}
			if err := s.read(ctx, tx, fmt.Sprintf("SELECT %[1]s FROM dialer_users WHERE org_id = $1 AND %[1]s <> '' AND %[1]s >= $2 AND %[1]s <= $3 AND %[2]s",
				column, status), args...); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

func (s *spare) read(ctx context.Context, tx *store.Tx, query string, args ...any) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return err
		}
		s.used[n] = true
	}
	return rows.Err()
}

// take returns the least extension that nobody has, or "".
func (s *spare) take(held map[string]holder) string {
	for s != nil && len(s.next) == len(s.last) && s.next <= s.last {
		n := s.next
		s.next = dialer.NextExtension(n)
		if _, taken := held[n]; !taken && !s.used[n] {
			return n
		}
	}
	return ""
}

// allocate gives a user an extension. A new one goes without where none is
// left; who asked for one is told.
func (b *batch) allocate(c *cand) {
	n := b.spare.take(b.held[slotExtension])
	switch {
	case n != "":
		c.next.Extension = n
		b.held[slotExtension][n] = holder{id: c.next.ID, c: c}
		c.took[slotExtension] = n
	case c.change.User.Extension == autoExtension:
		b.refuse(c, &dialer.InvalidError{Field: dialer.FieldExtension, Rule: "must be chosen: none of the org's range is free"})
	case b.spare != nil:
		c.note = join(c.note, "no extension of the org's range is free")
	}
}

// FreeExtensions returns the next n extensions that nobody has, as an
// allocation would give them out; fewer where the range of the org has fewer.
func (d *Directory) FreeExtensions(ctx context.Context, n int) (free []string, err error) {
	err = d.db.Read(ctx, func(tx *store.Tx) error {
		free = []string{}
		settings, err := d.readOrgSettings(ctx, tx)
		if err != nil {
			return err
		}
		first, last, ok := settings.Extensions()
		if !ok {
			return nil
		}
		s, err := readSpare(ctx, tx, d.org, first, last, store.Micros(d.now().Add(-settings.Quarantine())))
		for err == nil && len(free) < n {
			ext := s.take(nil)
			if ext == "" {
				break
			}
			free = append(free, ext)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list free extensions: %w", err)
	}
	return free, nil
}

// loadNumbers reads the telephone numbers that the changes want.
func (b *batch) loadNumbers(ctx context.Context, want store.Strings) error {
	if len(want) == 0 {
		return nil
	}
	b.numbers = make(map[string]bool)
	rows, err := b.tx.Query(ctx, "SELECT number, user_id FROM phone_numbers WHERE org_id = $1 AND "+b.tx.In("number", 2), b.d.org, want)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var n, id string
		if err := rows.Scan(&n, &id); err != nil {
			return err
		}
		b.numbers[n] = true
		if id != "" {
			b.held[slotNumber][n] = holder{id: id}
		}
	}
	return rows.Err()
}

// writeNumbers gives back and hands out personal numbers.
func (b *batch) writeNumbers(ctx context.Context, entries []*entry) error {
	ids := store.Strings{}
	var gets []*entry
	for _, e := range entries {
		was, is := keys(&e.was)[slotNumber], keys(&e.is)[slotNumber]
		if was != "" && was != is {
			ids = append(ids, e.is.ID)
		}
		if is != "" && was != is {
			gets = append(gets, e)
		}
	}
	if len(ids) > 0 {
		if _, err := b.tx.Exec(ctx, "UPDATE phone_numbers SET user_id = '' WHERE org_id = $1 AND "+b.tx.In("user_id", 2), b.d.org, ids); err != nil {
			return err
		}
	}
	for _, e := range gets {
		if _, err := b.tx.Exec(ctx, "UPDATE phone_numbers SET user_id = $3 WHERE org_id = $1 AND number = $2",
			b.d.org, keys(&e.is)[slotNumber], e.is.ID); err != nil {
			return err
		}
	}
	return nil
}

// Numbers returns telephone numbers of the org beyond after, in order, at most
// limit of them: those that nobody has, if available.
func (d *Directory) Numbers(ctx context.Context, available bool, after string, limit int) ([]dialer.Number, error) {
	var list []dialer.Number
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		list = []dialer.Number{}
		rows, err := tx.Query(ctx, `SELECT number, kind, location, note, user_id FROM phone_numbers
			WHERE org_id = $1 AND number > $2 AND (NOT $3 OR user_id = '') ORDER BY number LIMIT $4`, d.org, after, available, limit)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var n dialer.Number
			if err := rows.Scan(&n.Number, &n.Kind, &n.Location, &n.Note, &n.UserID); err != nil {
				return err
			}
			list = append(list, n)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list numbers: %w", err)
	}
	return list, nil
}

// AddNumber adds a telephone number to those of the org, or changes what is
// noted of one. UserID plays no part: a number is given to a user by a change
// of the user.
func (d *Directory) AddNumber(ctx context.Context, n dialer.Number, by dialer.Actor) error {
	n.Number = dialer.Phone(n.Number, "")
	a, _ := dialer.FieldPersonalNumber.Attribute()
	switch must := a.Check(n.Number); {
	case n.Number == "":
		return &dialer.InvalidError{Field: "number", Rule: "must be set"}
	case must != "":
		return &dialer.InvalidError{Field: "number", Rule: must}
	case n.Kind != "location" && n.Kind != "personal":
		return &dialer.InvalidError{Field: "kind", Rule: "must be location or personal"}
	}
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO phone_numbers (org_id, number, kind, location, note, created_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (org_id, number) DO UPDATE SET kind = excluded.kind, location = excluded.location, note = excluded.note`,
			d.org, n.Number, n.Kind, n.Location, n.Note, d.now()); err != nil {
			return err
		}
		return d.record(ctx, tx, record{verb: "number_add", by: by, after: fmt.Sprintf(`{"number":%q,"kind":%q}`, n.Number, n.Kind)})
	})
	if err != nil {
		return fmt.Errorf("add number: %w", err)
	}
	return nil
}

// RemoveNumber removes a telephone number that nobody has.
func (d *Directory) RemoveNumber(ctx context.Context, number string, by dialer.Actor) error {
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		var holder string
		err := tx.QueryRow(ctx, "SELECT user_id FROM phone_numbers WHERE org_id = $1 AND number = $2", d.org, number).Scan(&holder)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return dialer.ErrNotFound
		case err != nil:
			return err
		case holder != "":
			return fmt.Errorf("%w: %w", dialer.ErrInUse, &dialer.TakenError{Field: dialer.FieldPersonalNumber, UserID: holder})
		}
		if _, err := tx.Exec(ctx, "DELETE FROM phone_numbers WHERE org_id = $1 AND number = $2", d.org, number); err != nil {
			return err
		}
		return d.record(ctx, tx, record{verb: "number_remove", by: by, before: fmt.Sprintf(`{"number":%q}`, number)})
	})
	if err != nil {
		return fmt.Errorf("remove number: %w", err)
	}
	return nil
}
