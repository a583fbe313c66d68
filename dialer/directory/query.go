package directory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// pageSize is how many users one read transaction takes: long enough to be
// fast, short enough not to hold back SQLite's checkpoints.
const pageSize = 2000

// Users implements dialer.Directory. Each page is a transaction of its own:
// users who change meanwhile come as they are when their page is read, and none
// is left out or comes twice unless its key changes.
func (d *Directory) Users(ctx context.Context, q dialer.Query) iter.Seq2[dialer.User, error] {
	return func(yield func(dialer.User, error) bool) {
		left := q.Limit
		if left <= 0 {
			left = math.MaxInt
		}
		// A long list of ids goes in parts, where that keeps the order.
		parts := [][]string{q.SalesforceIDs}
		if len(q.SalesforceIDs) > pageSize && q.Order == dialer.OrderSalesforceID {
			ids := slices.Compact(slices.Sorted(slices.Values(q.SalesforceIDs)))
			parts = slices.Collect(slices.Chunk(ids, pageSize))
		}
		for _, part := range parts {
			q.SalesforceIDs = part
			if !d.pages(ctx, q, &left, yield) {
				return
			}
		}
	}
}

// pages yields page after page, up to left users. It reports whether the caller
// wants more.
func (d *Directory) pages(ctx context.Context, q dialer.Query, left *int, yield func(dialer.User, error) bool) bool {
	for *left > 0 {
		q.Limit = min(*left, pageSize)
		page, next, err := d.List(ctx, q)
		if err != nil {
			yield(dialer.User{}, err)
			return false
		}
		for _, u := range page {
			if !yield(u, nil) {
				return false
			}
		}
		*left -= len(page)
		if next == "" {
			return true
		}
		q.After = next
	}
	return false
}

// List returns one page of users, of q.Limit or 100, and what to ask for After
// to get the next; "" when there are no more.
func (d *Directory) List(ctx context.Context, q dialer.Query) (page []dialer.User, next string, err error) {
	if err := q.Check(); err != nil {
		return nil, "", fmt.Errorf("list users: %w", err)
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	err = d.db.Read(ctx, func(tx *store.Tx) error {
		w := d.where(tx, q)
		w.after(q)
		rest := " WHERE " + w.sql() + " ORDER BY " + w.order + " LIMIT " + strconv.Itoa(limit+1)
		if w.through {
			page, err = d.through(ctx, tx, rest, w.args)
			return err
		}
		page, err = readUsers(ctx, tx, d.org, "SELECT "+selected+" FROM dialer_users u"+rest, w.args...)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list users: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = cursor(q.Order, &page[limit-1])
	}
	return page, next, nil
}

// through is a page of a list for which all users of the org must be looked
// through: without an index to order it by, or with few who match. They are
// passed over as they lie in the table, which takes a fraction of the time that
// it takes to jump to each in the order of an index; and only those of the page
// are read whole.
func (d *Directory) through(ctx context.Context, tx *store.Tx, rest string, args []any) ([]dialer.User, error) {
	from := " FROM dialer_users u INDEXED BY dialer_users_status"
	if tx.Postgres() {
		from = " FROM dialer_users u"
	}
	rows, err := tx.Query(ctx, "SELECT u.id"+from+rest, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	ids := store.Strings{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(ids) == 0 {
		return nil, err
	}
	users, err := readUsers(ctx, tx, d.org, "SELECT "+selected+" FROM dialer_users u WHERE u.org_id = $1 AND "+tx.In("u.id", 2), d.org, ids)
	place := make(map[string]int, len(ids))
	for i, id := range ids {
		place[id] = i
	}
	slices.SortFunc(users, func(a, b dialer.User) int { return place[a.ID] - place[b.ID] })
	return users, err
}

// Count returns how many users q selects; After and Limit play no part.
func (d *Directory) Count(ctx context.Context, q dialer.Query) (n int64, err error) {
	if err := q.Check(); err != nil {
		return 0, fmt.Errorf("count users: %w", err)
	}
	err = d.db.Ask(ctx, func(tx *store.Tx) error {
		w := d.where(tx, q)
		return tx.QueryRow(ctx, "SELECT count(*) FROM dialer_users u WHERE "+w.sql(), w.args...).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("count users: %w", err)
	}
	return n, nil
}

// where is a condition as it grows.
type where struct {
	tx    *store.Tx
	terms []string
	args  []any
	order string

	through bool // no index helps: see List
}

// add adds a term, in which ? stands for arg.
func (w *where) add(term string, arg any) {
	w.args = append(w.args, arg)
	w.terms = append(w.terms, strings.ReplaceAll(term, "?", "$"+strconv.Itoa(len(w.args))))
}

func (w *where) in(col string, list store.Strings) {
	w.args = append(w.args, list)
	w.terms = append(w.terms, w.tx.In(col, len(w.args)))
}

func (w *where) sql() string { return strings.Join(w.terms, " AND ") }

func (d *Directory) where(tx *store.Tx, q dialer.Query) *where {
	w := &where{tx: tx}
	w.add("u.org_id = ?", d.org)
	if q.Status != dialer.StatusAll && q.Status != dialer.StatusDeleted {
		w.terms = append(w.terms, "u.status <> 'deleted'") // in the words of the indexes
	}
	if q.Status != "" && q.Status != dialer.StatusAll {
		w.add("u.status = ?", string(q.Status))
	}
	if q.Linked || q.SalesforceIDs != nil {
		w.terms = append(w.terms, "u.salesforce_id <> ''")
	}
	if q.IDs != nil {
		w.in("u.id", q.IDs)
	}
	if q.SalesforceIDs != nil {
		w.in("u.salesforce_id", q.SalesforceIDs)
	}
	if key := dialer.Key(q.Search); key != "" {
		find := "instr(u.search_key, ?) > 0"
		if tx.Postgres() {
			find = "strpos(u.search_key, ?) > 0"
		}
		w.add("("+find+" OR u.extension = ?)", key)
	}
	if q.License != "" {
		w.add("EXISTS (SELECT 1 FROM seats s WHERE s.org_id = u.org_id AND s.user_id = u.id AND s.type = ?)", q.License)
	}
	if q.Group != (dialer.Group{}) {
		w.add(`EXISTS (SELECT 1 FROM memberships m JOIN groups g ON g.id = m.group_id
			WHERE m.org_id = u.org_id AND m.user_id = u.id AND g.kind = ?`, string(q.Group.Kind))
		last := len(w.terms) - 1
		w.add("g.name = ?)", q.Group.Name)
		w.terms[last] += " AND " + w.terms[last+1]
		w.terms = w.terms[:last+1]
	}
	w.filter(q)
	if !q.DueBefore.IsZero() {
		w.terms = append(w.terms, "u.deactivate_at <> 0")
		w.add("u.deactivate_at < ?", q.DueBefore)
	}
	return w
}

// readUsers runs a query for selected, and reads the groups and seats of all
// the users that it gives at once.
func readUsers(ctx context.Context, tx *store.Tx, org int64, query string, args ...any) ([]dialer.User, error) {
	users, _, err := readClaims(ctx, tx, org, query, args...)
	return users, err
}

// readClaims is readUsers, and tells which users have claimed their address.
func readClaims(ctx context.Context, tx *store.Tx, org int64, query string, args ...any) ([]dialer.User, []bool, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	var users []dialer.User
	var claims []bool
	for rows.Next() {
		u, claimed, err := scan(rows)
		if err != nil {
			return nil, nil, err
		}
		users, claims = append(users, u), append(claims, claimed)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("read users: %w", err)
	}
	if err := rows.Close(); err != nil || len(users) == 0 {
		return nil, nil, err
	}
	ids, place := make(store.Strings, len(users)), make(map[string]*dialer.User, len(users))
	for i := range users {
		ids[i], place[users[i].ID] = users[i].ID, &users[i]
	}
	names := make(map[string]string) // one copy of each name
	err = pairs(ctx, tx, `SELECT m.user_id, g.kind, g.name FROM memberships m JOIN groups g ON g.id = m.group_id
		WHERE m.org_id = $1 AND `+tx.In("m.user_id", 2), org, ids, func(id, kind, name string) {
		if u := place[id]; u != nil {
			u.Groups = append(u.Groups, dialer.Group{Kind: dialer.Kind(intern(names, kind)), Name: intern(names, name)})
		}
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read groups: %w", err)
	}
	err = pairs(ctx, tx, `SELECT user_id, type, '' FROM seats WHERE org_id = $1 AND `+tx.In("user_id", 2), org, ids,
		func(id, kind, _ string) {
			if u := place[id]; u != nil {
				u.LicenseTypes = append(u.LicenseTypes, intern(names, kind))
			}
		})
	if err != nil {
		return nil, nil, fmt.Errorf("read seats: %w", err)
	}
	for i := range users {
		slices.SortFunc(users[i].Groups, dialer.Group.Compare)
		slices.Sort(users[i].LicenseTypes)
	}
	return users, claims, nil
}

// pairs reads rows of three texts.
func pairs(ctx context.Context, tx *store.Tx, query string, org int64, ids store.Strings, each func(id, a, b string)) error {
	rows, err := tx.Query(ctx, query, org, ids)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, a, b string
		if err := rows.Scan(&id, &a, &b); err != nil {
			return err
		}
		each(id, a, b)
	}
	return rows.Err()
}

func intern(names map[string]string, s string) string {
	if known, ok := names[s]; ok {
		return known
	}
	names[s] = s
	return s
}
