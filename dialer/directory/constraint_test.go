package directory_test

import (
	"errors"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func exec(t *testing.T, db *store.DB, query string, args ...any) error {
	t.Helper()
	return db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), query, args...)
		return err
	})
}

func prepared(t *testing.T, db *store.DB, seats int64, n int) (*directory.Directory, []string) {
	t.Helper()
	org, err := directory.EnsureOrg(t.Context(), db, "acme")
	if err != nil {
		t.Fatal(err)
	}
	again, err := directory.EnsureOrg(t.Context(), db, "acme")
	if err != nil || again != org {
		t.Fatalf("the same org: %d, then %d (%v)", org, again, err)
	}
	d := directory.New(db, org, directory.Options{})
	if err := d.SetLicenses(t.Context(), []dialer.License{{Type: "powerdialer", Purchased: seats}}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i, r := range d.Apply(t.Context(), people(0, n)) {
		if r.Err != nil {
			t.Fatalf("user %d: %v", i, r.Err)
		}
		ids = append(ids, r.UserID)
	}
	return d, ids
}

// Whoever writes to the tables beside us meets the same rules.
func TestDatabaseHoldsTheRules(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		d, ids := prepared(t, db, 5, 2)
		users := make([]dialer.User, 2)
		for i, id := range ids {
			var err error
			if users[i], err = d.User(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			name, query string
			want        store.Violation
		}{
			{"a seat for nobody", "INSERT INTO seats (org_id, user_id, type, assigned_at) SELECT id, 'x', 'powerdialer', 1 FROM orgs", store.ForeignKey},
			{"fewer than assigned", "UPDATE license_types SET purchased = 1", ""}, // allowed: nobody is evicted
			{"none left", "INSERT INTO seats (org_id, user_id, type, assigned_at) SELECT org_id, id, 'powerdialer', 1 FROM dialer_users WHERE id = '" +
				ids[0] + "' AND NOT EXISTS (SELECT 1 FROM seats WHERE user_id = '" + ids[0] + "')", store.Raised},
			{"inactive with a seat", "UPDATE dialer_users SET status = 'inactive', status_reason = 'manual' WHERE id = '" + ids[1] + "'", store.ForeignKey},
			{"moved seat", "UPDATE seats SET type = 'other'", store.Raised},
			{"same user name", "UPDATE dialer_users SET username_key = 'same'", store.Unique},
			{"same address", "UPDATE dialer_users SET email_key = 'same'", store.Unique},
			{"same extension", "UPDATE dialer_users SET extension = '1234'", store.Unique},
			{"same Salesforce id", "UPDATE dialer_users SET salesforce_id = '005000000000001AAA'", store.Unique},
			{"short Salesforce id", "UPDATE dialer_users SET salesforce_id = 'x'", store.Check},
			{"bad extension", "UPDATE dialer_users SET extension = '12x'", store.Check},
			{"long extension", "UPDATE dialer_users SET extension = '1234567'", store.Check},
			{"active with a reason", "UPDATE dialer_users SET status_reason = 'manual'", store.Check},
			{"leaving without why", "UPDATE dialer_users SET deactivate_at = 1", store.Check},
			{"deleted without when", "UPDATE dialer_users SET status = 'deleted', status_reason = 'x'", store.Check},
			{"unknown status", "UPDATE dialer_users SET status = 'away'", store.Check},
			{"unknown role", "UPDATE dialer_users SET system_role = 'root'", store.Check},
			{"two departments", "INSERT INTO memberships (org_id, user_id, group_id, kind) SELECT m.org_id, m.user_id, g.id, g.kind" +
				" FROM memberships m JOIN groups g ON g.org_id = m.org_id WHERE m.kind = 'department' AND g.kind = 'department' AND g.id <> m.group_id", store.Unique},
			{"group of another kind", "UPDATE memberships SET kind = 'tag' WHERE kind = 'role'", store.ForeignKey},
			{"history rewritten", "UPDATE activity SET actor = 'somebody else'", store.Raised},
			{"history erased", "DELETE FROM activity", store.Raised},
			{"negative seats", "UPDATE license_types SET purchased = -1", store.Check},
		} {
			if c.name == "none left" {
				if err := exec(t, db, "DELETE FROM seats WHERE user_id = $1", ids[0]); err != nil {
					t.Fatal(err)
				}
			}
			err := exec(t, db, c.query)
			if kind, _ := store.Violated(err); kind != c.want || (err == nil) != (c.want == "") {
				t.Errorf("%s: got %v (%q), want %q", c.name, err, kind, c.want)
			}
		}
		for i, id := range ids {
			if u, err := d.User(t.Context(), id); err != nil || u.Version != users[i].Version || u.Status != dialer.StatusActive {
				t.Errorf("user %d changed: %+v (%v)", i, u, err)
			}
		}
	})
}

// A constraint that Apply does not know of refuses the one change that breaks
// it, and no other.
func TestUnknownConstraint(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		d, _ := prepared(t, db, 100, 1)
		if err := exec(t, db, "CREATE UNIQUE INDEX extra ON dialer_users (org_id, employee_number) WHERE employee_number <> ''"); err != nil {
			t.Fatal(err)
		}
		changes := people(10, 20)
		changes[7].User.EmployeeNumber, changes[15].User.EmployeeNumber = "E1", "E1"
		refused := 0
		for i, r := range d.Apply(t.Context(), changes) {
			if r.Outcome == dialer.Applied {
				continue
			}
			refused++
			if kind, _ := store.Violated(r.Err); i != 15 || kind != store.Unique {
				t.Errorf("change %d: %s: %v", i, r.Outcome, r.Err)
			}
		}
		n, err := d.Count(t.Context(), dialer.Query{})
		a, aerr := d.Activity(t.Context(), dialer.ActivityQuery{})
		if refused != 1 || n != 20 || len(a) != 20 || errors.Join(err, aerr) != nil {
			t.Errorf("%d refused, %d users, %d entries (%v, %v)", refused, n, len(a), err, aerr)
		}
	})
}

// When the database is away nothing is known to be written, and everything is
// refused with the reason.
func TestApplyWithoutDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		d, ids := prepared(t, db, 10, 2)
		if err := exec(t, db, "ALTER TABLE activity RENAME TO lost"); err != nil {
			t.Fatal(err)
		}
		r := d.Apply(t.Context(), []dialer.Change{
			{Verb: dialer.VerbDeactivate, UserID: ids[0], Actor: dialer.Actor{Kind: "admin"}}, people(50, 1)[0],
		})
		for i := range r {
			if r[i].Outcome != dialer.Refused || r[i].Err == nil {
				t.Errorf("change %d: %+v", i, r[i])
			}
		}
		for i, id := range ids {
			if u, err := d.User(t.Context(), id); err != nil || u.Status != dialer.StatusActive || len(u.LicenseTypes) != 1 {
				t.Errorf("user %d: a change without its audit row: %+v (%v)", i, u, err)
			}
		}
	})
}

func TestOrgsAreApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		a, ids := prepared(t, db, 5, 3)
		org, err := directory.EnsureOrg(t.Context(), db, "umbrella")
		if err != nil {
			t.Fatal(err)
		}
		b := directory.New(db, org, directory.Options{})
		if err := b.SetLicenses(t.Context(), []dialer.License{{Type: "powerdialer", Purchased: 2}}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range b.Apply(t.Context(), people(0, 3)) { // the very same people
			got = append(got, string(r.Outcome))
		}
		if fmt.Sprint(got) != "[applied applied refused]" {
			t.Errorf("got %v", got)
		}
		if _, err := b.User(t.Context(), ids[0]); !errors.Is(err, dialer.ErrNotFound) {
			t.Errorf("a user of another org was found: %v", err)
		}
		r := b.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbDelete, UserID: ids[0], Actor: dialer.Actor{Kind: "admin"}}})
		if !errors.Is(r[0].Err, dialer.ErrNotFound) {
			t.Errorf("a user of another org was deleted: %+v", r[0])
		}
		for d, want := range map[*directory.Directory]int{a: 3, b: 2} {
			n := 0
			for _, err := range d.Users(t.Context(), dialer.Query{Status: dialer.StatusAll}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			list, err := d.Activity(t.Context(), dialer.ActivityQuery{})
			if err != nil || n != want || len(list) != want {
				t.Errorf("%d users, %d entries, want %d of each (%v)", n, len(list), want, err)
			}
		}
	})
}
