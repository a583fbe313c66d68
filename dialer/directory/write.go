package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// activity is a change that was made, for the audit trail.
type activity struct {
	c             *cand
	before, after string
}

// write writes what came of the changes. The order matters: seats are released
// before their users become inactive, addresses before they are claimed, users
// are there before what points at them.
func (b *batch) write(ctx context.Context) error {
	var created, edited, settled []*entry
	for _, e := range b.touched {
		switch {
		case e.created:
			created = append(created, e)
		case e.dirty:
			edited = append(edited, e)
		default:
			settled = append(settled, e)
		}
	}
	for _, act := range []struct {
		what string
		do   func() error
	}{
		{"release seats", func() error { return b.releaseSeats(ctx, edited) }},
		{"release names", func() error { return b.releaseNames(ctx, edited) }},
		{"write users", func() error { return b.rewrite(ctx, edited) }},
		{"settle users", func() error { return b.writeSettled(ctx, settled) }},
		{"end sessions", func() error { return b.endSessions(ctx, edited) }},
		{"add users", func() error { return b.insert(ctx, created) }},
		{"keep secrets", func() error { return b.writeSecrets(ctx, slices.Concat(edited, created)) }},
		{"assign numbers", func() error { return b.writeNumbers(ctx, slices.Concat(edited, created)) }},
		{"write groups", func() error { return b.writeGroups(ctx, slices.Concat(edited, created)) }},
		{"assign seats", func() error { return b.assignSeats(ctx, slices.Concat(edited, created)) }},
		{"write activity", func() error { return b.writeLog(ctx) }},
		{"write messages", func() error { return b.writeMessages(ctx) }},
	} {
		if err := act.do(); err != nil {
			return fmt.Errorf("%s: %w", act.what, err)
		}
	}
	return nil
}

func (b *batch) releaseSeats(ctx context.Context, edited []*entry) error {
	all, some := store.Strings{}, map[string]store.Strings{}
	for _, e := range edited {
		if len(e.is.LicenseTypes) == 0 && len(e.was.LicenseTypes) > 0 {
			all = append(all, e.is.ID)
			continue
		}
		for _, kind := range e.was.LicenseTypes {
			if !slices.Contains(e.is.LicenseTypes, kind) {
				some[kind] = append(some[kind], e.is.ID)
			}
		}
	}
	if len(all) > 0 {
		if err := b.removeSeats(ctx, b.tx.In("user_id", 2), all); err != nil {
			return err
		}
	}
	for kind, ids := range some {
		if err := b.removeSeats(ctx, b.tx.In("user_id", 2)+" AND type = $3", ids, kind); err != nil {
			return err
		}
	}
	return nil
}

// removeSeats moves seats into the history.
func (b *batch) removeSeats(ctx context.Context, condition string, args ...any) error {
	args = append([]any{b.d.org}, args...)
	_, err := b.tx.Exec(ctx, fmt.Sprintf(`INSERT INTO seat_history (org_id, user_id, type, assigned_at, released_at)
		SELECT org_id, user_id, type, assigned_at, CAST($%d AS BIGINT) FROM seats WHERE org_id = $1 AND %s`,
		len(args)+1, condition), append(slices.Clone(args), b.now)...)
	if err != nil {
		return err
	}
	_, err = b.tx.Exec(ctx, "DELETE FROM seats WHERE org_id = $1 AND "+condition, args...)
	return err
}

// releaseNames frees the keys of those whose old key somebody else now has:
// row by row, a swap would break the unique indexes.
func (b *batch) releaseNames(ctx context.Context, edited []*entry) error {
	ids := store.Strings{}
	for _, e := range edited {
		for s, k := range keys(&e.was) {
			had := slot(s) != slotEmail || e.wasClaimed
			if h, taken := b.held[s][k]; had && taken && h.id != e.is.ID {
				ids = append(ids, e.is.ID)
				break
			}
		}
	}
	if len(b.yielded) > 0 {
		if _, err := b.tx.Exec(ctx, "UPDATE dialer_users SET email_claimed = false WHERE org_id = $1 AND "+
			b.tx.In("id", 2), b.d.org, b.yielded); err != nil {
			return err
		}
	}
	if len(ids) > 0 {
		_, err := b.tx.Exec(ctx, `UPDATE dialer_users SET username_key = '/' || id, email_claimed = false, extension = '',
			virtual_extension = '', salesforce_id = '' WHERE org_id = $1 AND `+b.tx.In("id", 2), b.d.org, ids)
		return err
	}
	return nil
}

// rewrite writes edited users. Where no key changed, indexes are left alone.
func (b *batch) rewrite(ctx context.Context, edited []*entry) error {
	var plain, full []*entry
	for _, e := range edited {
		if keys(&e.was) == keys(&e.is) && e.was.Status == e.is.Status && e.was.SystemRole == e.is.SystemRole &&
			e.was.Superuser == e.is.Superuser && e.was.VirtualExtension == e.is.VirtualExtension && e.was.DeactivateAt.Equal(e.is.DeactivateAt) &&
			e.wasClaimed == b.claimed(&e.is) {
			plain = append(plain, e)
		} else {
			full = append(full, e)
		}
	}
	if _, err := b.tx.Rewrite(ctx, "dialer_users", columns, key, b.rows(full)); err != nil {
		return err
	}
	_, err := b.tx.Rewrite(ctx, "dialer_users", pick(plainColumns, columns), key, func(yield func([]any) bool) {
		list := make([]any, 0, len(plainColumns))
		for row := range b.rows(plain) {
			list = list[:0]
			for _, i := range plainColumns {
				list = append(list, row[i])
			}
			if !yield(list) {
				return
			}
		}
	})
	return err
}

func (b *batch) insert(ctx context.Context, created []*entry) error {
	_, err := b.tx.Load(ctx, "dialer_users", columns, b.rows(created))
	return err
}

func (b *batch) rows(entries []*entry) func(yield func([]any) bool) {
	return func(yield func([]any) bool) {
		row := make([]any, 0, len(columns))
		for _, e := range entries {
			row = values(row, b.d.org, &e.is, b.claimed(&e.is))
			if !yield(row) {
				return
			}
		}
	}
}

func (b *batch) writeSettled(ctx context.Context, settled []*entry) error {
	_, err := b.tx.Rewrite(ctx, "dialer_users", []string{"settled_hash", "settled_policy", "org_id", "id"}, key,
		func(yield func([]any) bool) {
			row := make([]any, 4)
			for _, e := range settled {
				row[0], row[1], row[2], row[3] = e.is.SettledHash, e.is.SettledPolicy, b.d.org, e.is.ID
				if !yield(row) {
					return
				}
			}
		})
	return err
}

// endSessions comes after the users are written: who was signing in until then
// is seen now, and who comes later finds no active user.
func (b *batch) endSessions(ctx context.Context, edited []*entry) error {
	for _, reason := range []string{"deactivated", "deleted"} {
		ids := store.Strings{}
		for _, e := range edited {
			if e.ended == reason {
				ids = append(ids, e.is.ID)
			}
		}
		if len(ids) == 0 {
			continue
		}
		if _, err := b.tx.Exec(ctx, "UPDATE sessions SET ended_at = $3, end_reason = $4 WHERE org_id = $1 AND ended_at = 0 AND "+
			b.tx.In("user_id", 2), b.d.org, ids, b.now, reason); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) assignSeats(ctx context.Context, entries []*entry) error {
	at := store.Micros(b.now)
	_, err := b.tx.Load(ctx, "seats", []string{"org_id", "user_id", "type", "assigned_at"}, func(yield func([]any) bool) {
		row := make([]any, 4)
		for _, e := range entries {
			for _, kind := range e.is.LicenseTypes {
				if slices.Contains(e.was.LicenseTypes, kind) {
					continue
				}
				if row[0], row[1], row[2], row[3] = b.d.org, e.is.ID, kind, at; !yield(row) {
					return
				}
			}
		}
	})
	return err
}

func (b *batch) writeLog(ctx context.Context) error {
	at := store.Micros(b.now)
	_, err := b.tx.Load(ctx, "activity", []string{
		"org_id", "at", "actor_kind", "actor", "user_id", "salesforce_id", "verb", "reason", "note", "before", "after", "run_id",
		"source_at",
	}, func(yield func([]any) bool) {
		row := make([]any, 0, 13)
		for _, a := range b.log {
			ch, u := a.c.change, &a.c.next
			reason := ch.Reason
			if a.c.noSeat {
				reason = dialer.ReasonNoSeat
			}
			row = append(row[:0], b.d.org, at, ch.Actor.Kind, ch.Actor.Name, u.ID, u.SalesforceID, string(ch.Verb),
				string(reason), a.c.note, a.before, a.after, ch.RunID, store.Micros(ch.Source))
			if !yield(row) {
				return
			}
		}
	})
	return err
}
