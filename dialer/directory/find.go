package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// User finds one user by id, by Salesforce id of 15 or 18 characters, by user
// name or by e-mail address. Someone who was deleted is found by id, or when
// nobody else fits. When several fit it is dialer.ErrAmbiguous, and the error
// names their ids.
func (d *Directory) User(ctx context.Context, ref string) (dialer.User, error) {
	ref = strings.TrimSpace(ref)
	var found dialer.User
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		users, err := d.named(ctx, tx, ref)
		if err != nil {
			return err
		}
		found, err = choose(users, ref)
		return err
	})
	if err != nil {
		return dialer.User{}, fmt.Errorf("find user: %w", err)
	}
	return found, nil
}

// named returns whoever ref could mean.
func (d *Directory) named(ctx context.Context, tx *store.Tx, ref string) ([]dialer.User, error) {
	type condition struct {
		sql  string
		args []any
	}
	is := []condition{{"u.id = $2", []any{d.org, ref}}}
	switch len(ref) {
	case 15: // the other three are derived from these
		is = append(is, condition{"u.salesforce_id <> '' AND u.salesforce_id >= $2 AND u.salesforce_id < $3", []any{d.org, ref, ref + "~"}})
	case 18: // to the letter: where the last three do not fit, the others may have lost their case and name somebody else
		is = append(is, condition{"u.salesforce_id <> '' AND u.salesforce_id = $2", []any{d.org, ref}})
	}
	if key := dialer.Key(ref); key != "" {
		args := []any{d.org, key}
		is = append(is, condition{"u.username_key = $2", args}, condition{"u.email_claimed AND u.email_key = $2", args},
			condition{"NOT u.email_claimed AND u.email_key <> '' AND u.email_key = $2", args})
	}
	// One query a condition, in the words of an index: OR would use none.
	var users []dialer.User
	for _, status := range []string{"u.status <> 'deleted'", "u.status = 'deleted'"} {
		for _, c := range is {
			more, err := readUsers(ctx, tx, d.org, "SELECT "+selected+" FROM dialer_users u WHERE u.org_id = $1 AND "+
				status+" AND "+c.sql, slices.Clone(c.args)...)
			if err != nil {
				return nil, err
			}
			users = append(users, more...)
		}
		if len(users) > 0 {
			break
		}
	}
	return users, nil
}

// choose picks the one user that ref means.
func choose(users []dialer.User, ref string) (dialer.User, error) {
	slices.SortFunc(users, func(a, b dialer.User) int { return strings.Compare(a.ID, b.ID) })
	users = slices.CompactFunc(users, func(a, b dialer.User) bool { return a.ID == b.ID })
	if i := slices.IndexFunc(users, func(u dialer.User) bool { return u.ID == ref }); i >= 0 {
		return users[i], nil
	}
	switch len(users) {
	case 0:
		return dialer.User{}, dialer.ErrNotFound
	case 1:
		return users[0], nil
	}
	ids := make([]string, len(users))
	for i := range users {
		ids[i] = users[i].ID
	}
	return dialer.User{}, fmt.Errorf("%w: %s", dialer.ErrAmbiguous, strings.Join(ids, ", "))
}

// FindByKey returns, for each of keys, the users that are not deleted whose
// e-mail address or user name it is, under its folded form; see dialer.Key.
// Those that carry no Salesforce id are candidates for a first link.
func (d *Directory) FindByKey(ctx context.Context, field dialer.Field, keys []string) (map[string][]dialer.User, error) {
	var conditions []string
	switch field {
	case dialer.FieldUsername:
		conditions = []string{"u.status <> 'deleted'"}
	case dialer.FieldEmail: // in the words of the two indexes
		conditions = []string{"u.email_claimed", "NOT u.email_claimed AND u.email_key <> '' AND u.status <> 'deleted'"}
	default:
		return nil, errors.New("users are found by email or username only")
	}
	folded := make([]string, 0, len(keys))
	for _, k := range keys {
		if k = dialer.Key(k); k != "" {
			folded = append(folded, k)
		}
	}
	slices.Sort(folded)
	folded = slices.Compact(folded)
	found := make(map[string][]dialer.User)
	for part := range slices.Chunk(folded, pageSize) {
		for _, c := range conditions {
			var users []dialer.User
			err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
				users, err = readUsers(ctx, tx, d.org, "SELECT "+selected+" FROM dialer_users u WHERE u.org_id = $1 AND "+
					c+" AND "+tx.In("u."+string(field)+"_key", 2), d.org, store.Strings(part)) // to order them, SQLite would read all users
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("find users by %s: %w", field, err)
			}
			for _, u := range users {
				k := dialer.Key(field.Value(&u).(string))
				found[k] = append(found[k], u)
			}
		}
	}
	for _, users := range found {
		slices.SortFunc(users, func(a, b dialer.User) int { return strings.Compare(a.ID, b.ID) })
	}
	return found, nil
}
