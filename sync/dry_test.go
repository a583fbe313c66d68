package sync_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
	rostersync "github.com/rosterd/rosterd/sync"
)

// tables are all tables of the database.
func (x *world) tables() []string {
	x.t.Helper()
	var names []string
	must(x.t, x.db.Read(x.t.Context(), func(tx *store.Tx) error {
		q := `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`
		if tx.Postgres() {
			q = `SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`
		}
		names = names[:0]
		rows, err := tx.Query(x.t.Context(), q)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var n string
			if err := rows.Scan(&n); err != nil {
				return err
			}
			names = append(names, n)
		}
		return rows.Err()
	}))
	return names
}

// dump is everything that the database holds, a line a row.
func (x *world) dump() map[string][]string {
	x.t.Helper()
	all := map[string][]string{}
	for _, table := range x.tables() {
		if strings.HasPrefix(table, "sqlite_stat") {
			continue // the database's own
		}
		var lines []string
		must(x.t, x.db.Read(x.t.Context(), func(tx *store.Tx) error {
			lines = lines[:0]
			rows, err := tx.Query(x.t.Context(), `SELECT * FROM `+table)
			if err != nil {
				return err
			}
			defer func() { _ = rows.Close() }()
			cols, err := rows.Columns()
			if err != nil {
				return err
			}
			for rows.Next() {
				values, to := make([]any, len(cols)), make([]any, len(cols))
				for i := range values {
					to[i] = &values[i]
				}
				if err := rows.Scan(to...); err != nil {
					return err
				}
				lines = append(lines, fmt.Sprint(values...))
			}
			return rows.Err()
		}))
		slices.Sort(lines)
		all[table] = lines
	}
	return all
}

// A dry run says what a run would do, and leaves every byte as it was.
func TestDryRunWritesNothing(t *testing.T) {
	onBoth(t, wish{users: 60, cfg: func(c *rostersync.Config) { c.Guard = rostersync.Guard{Users: 2} }}, func(t *testing.T, x *world) {
		ids := x.ids()
		x.deactivate(ids[:4]...)
		must(t, x.org.Freeze(ids[4]))
		must(t, x.org.Update(ids[5], func(u *simorg.User) { u.Title, u.Phone = "New title", "+1 202 555 0101" }))
		must(t, x.org.Update(ids[6], func(u *simorg.User) { u.Email = "moved@acme.example" }))
		x.hire("joiner")
		x.hire("bad", func(u *simorg.User) { u.Email = "not an address" })
		x.hire("twin", func(u *simorg.User) { u.Email = dialerEmail(x, ids[7]) })
		x.org.Faults().HideField("User", "Extension")
		x.org.Faults().HideUsers(func(u simorg.User) bool { return u.ID == ids[8] })
		before, calls := x.dump(), x.org.Calls()
		for _, q := range []rostersync.Request{
			{Kind: rostersync.KindFull, DryRun: true},
			{Kind: rostersync.KindChanges, DryRun: true},
			{Kind: rostersync.KindUser, DryRun: true, Users: []string{ids[0], ids[5], ids[8]}},
		} {
			r := x.sync(q)
			if r.ID >= 0 || r.Outcome == rostersync.Failed || r.Outcome == rostersync.Running || len(r.Changes) == 0 {
				t.Errorf("%s: %+v", q.Kind, r)
			}
			for table, lines := range x.dump() {
				if !slices.Equal(lines, before[table]) {
					t.Errorf("%s wrote to %s:\n%s\nwas:\n%s", q.Kind, table, strings.Join(lines, "\n"), strings.Join(before[table], "\n"))
				}
			}
			if q.Kind != rostersync.KindUser && (r.Held != 6 || r.Created != 2 || r.Updated != 6) {
				t.Errorf("%s plans: %+v", q.Kind, r.Counts)
			}
			planned := map[string][]rostersync.PlannedItem{}
			for _, c := range r.Changes {
				planned[c.SalesforceID] = append(planned[c.SalesforceID], c)
			}
			if p := planned[ids[5]]; len(p) != 1 || p[0].Verb != dialer.VerbUpdate || !slices.Contains(p[0].Fields, dialer.FieldTitle) || p[0].Held {
				t.Errorf("%s plans for an edited user: %+v", q.Kind, p)
			}
			// Of a leaver who is held, only the standing with Salesforce is noted.
			if p := planned[ids[0]]; q.Kind != rostersync.KindUser && (len(p) != 2 || !p[0].Held || p[0].Verb != dialer.VerbDeactivate || p[1].Held) {
				t.Errorf("%s plans for a leaver: %+v", q.Kind, p)
			}
		}
		if after := x.org.Calls(); fmt.Sprint(after) == fmt.Sprint(calls) {
			t.Error("it asked nobody")
		}

		// The real run does what was planned, and keeps the count of calls of both.
		x.org.Faults().Clear()
		used, _ := x.org.Usage()
		r := x.full()
		want(t, r, rostersync.Held, map[string]int{"held": 6, "created": 1, "updated": 6})
		q, err := x.engine.Quota(t.Context())
		must(t, err)
		if now, _ := x.org.Usage(); q.Ours != now || now <= used {
			t.Errorf("we count %d calls, the org %d", q.Ours, now)
		}
		x.restart(nil)
		x.eventually("the count is read", func() bool {
			after, err := x.engine.Quota(t.Context())
			return err == nil && after.Ours == q.Ours
		})
	})
}

// A dry run of the first sync plans what the first sync does.
func TestDryRunOfTheFirstSync(t *testing.T) {
	onBoth(t, wish{users: 40, idle: true}, func(t *testing.T, x *world) {
		x.hire("twin", func(u *simorg.User) { u.Email = dialerEmail(x, x.ids()[7]) })
		must(t, x.engine.Pause(t.Context(), dana, "not yet"))
		x.start()
		before := x.dump()
		r := x.sync(rostersync.Request{Kind: rostersync.KindFull, DryRun: true})
		want(t, r, rostersync.Succeeded, map[string]int{"created": 40})
		for table, lines := range x.dump() {
			if !slices.Equal(lines, before[table]) {
				t.Errorf("it wrote to %s: %q", table, lines)
			}
		}
		must(t, x.engine.Resume(t.Context(), dana))
		want(t, x.settle(), rostersync.SucceededIssues, map[string]int{"created": 40})
	})
}

// Only the last dry runs are remembered.
func TestDryRunsAreForgotten(t *testing.T) {
	onBoth(t, wish{users: 3}, func(t *testing.T, x *world) {
		first := x.sync(rostersync.Request{Kind: rostersync.KindChanges, DryRun: true})
		if _, err := x.engine.RunByID(t.Context(), first.ID); err != nil {
			t.Error(err)
		}
		for range 20 {
			x.sync(rostersync.Request{Kind: rostersync.KindChanges, DryRun: true})
		}
		if _, err := x.engine.RunByID(t.Context(), first.ID); !errors.Is(err, rostersync.ErrNoRun) {
			t.Errorf("got %v", err)
		}
	})
}
