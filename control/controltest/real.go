package controltest

import (
	"testing"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
)

// NewReal makes a real directory of an org on a database, with seats of the
// type powerdialer, the default, and users.
func NewReal(t testing.TB, db *store.DB, org string, seats int64, o directory.Options, users ...dialer.User) *directory.Directory {
	t.Helper()
	id, err := directory.EnsureOrg(t.Context(), db, org)
	if err != nil {
		t.Fatal(err)
	}
	d := directory.New(db, id, o)
	if err := d.SetLicenses(t.Context(), []dialer.License{{Type: "powerdialer", Purchased: seats, Default: true}}); err != nil {
		t.Fatal(err)
	}
	changes := make([]dialer.Change, len(users))
	for i, u := range users {
		seats := u.LicenseTypes
		u.ID, u.LicenseTypes = "", nil
		changes[i] = dialer.Change{Verb: dialer.VerbCreate, User: u, Seats: seats, NoSeat: dialer.NoSeatCreateInactive, Actor: dialer.Actor{Kind: "system", Name: "test"}}
	}
	for _, r := range d.Apply(t.Context(), changes) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return d
}
