package directory_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

func (d *office) counts(queries ...string) (counts []int64) {
	d.Helper()
	for _, q := range queries {
		var n int64
		d.must(d.db.Read(d.Context(), func(tx *store.Tx) error { return tx.QueryRow(d.Context(), q).Scan(&n) }))
		counts = append(counts, n)
	}
	return counts
}

func TestSweep(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		d.hire(2)
		forgotten, done := d.market("East"), d.run(d.market("West"))
		p := &post{}
		d.run(d.preview(dialer.MassRequest{Scope: ids(d.user(person(1).Username).ID), Action: dialer.MassDelete}))
		d.deliver(p)
		before := []string{
			"SELECT count(*) FROM mass_actions", "SELECT count(*) FROM mass_items", "SELECT count(*) FROM mass_items WHERE was <> ''", "SELECT count(*) FROM outbox",
		}
		for _, step := range []struct {
			name string
			wait time.Duration
			want [4]int64
		}{
			{"at once", 0, [4]int64{3, 5, 2, 1}},
			{"a day later", 25 * time.Hour, [4]int64{2, 3, 2, 1}},
			{"a week later", 7 * 24 * time.Hour, [4]int64{2, 3, 0, 1}},
			{"months later", 90 * 24 * time.Hour, [4]int64{0, 0, 0, 0}},
		} {
			d.wait(step.wait)
			d.must(d.Sweep(t.Context()))
			if got := d.counts(before...); [4]int64(got) != step.want {
				t.Errorf("%s: got %v, want %v", step.name, got, step.want)
			}
		}
		_, err := d.StartMass(t.Context(), forgotten.ID, 2, root)
		d.expect(err, dialer.ErrNoMass)
		_, err = d.UndoMass(t.Context(), done.ID, root)
		d.expect(err, dialer.ErrNoMass)
	})
}

// The loops do their work and end with their context.
func TestLoops(t *testing.T) {
	url := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(t.Context(), url, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		org, err := directory.EnsureOrg(t.Context(), db, "acme")
		if err != nil {
			t.Fatal(err)
		}
		d := &office{T: t, Directory: directory.New(db, org, directory.Options{SessionIdle: 30 * time.Minute}), db: db, org: org}
		people := d.hire(2)
		p := &post{}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 3)
		go func() { ended <- d.RunMass(ctx) }()
		go func() { ended <- d.RunOutbox(ctx, directory.Senders{Leads: p}) }()
		go func() { ended <- d.RunUpkeep(ctx) }()
		s, err := d.OpenSession(t.Context(), people[0], "sip", "")
		d.must(err)
		m := d.preview(dialer.MassRequest{Scope: ids(people[1]), Action: dialer.MassDelete})
		_, err = d.StartMass(t.Context(), m.ID, 1, root)
		d.must(err)
		time.Sleep(20 * time.Minute)
		d.must(d.TouchSession(t.Context(), s.ID))
		time.Sleep(20 * time.Minute)
		if len(p.keys) != 1 {
			t.Errorf("%d messages of a deletion by a mass action", len(p.keys))
		}
		if list, err := d.Sessions(t.Context(), people[0]); err != nil || !list[0].EndedAt.IsZero() {
			t.Errorf("in use: %+v, %v", list, err)
		}
		time.Sleep(20 * time.Minute)
		if list, err := d.Sessions(t.Context(), people[0]); err != nil || list[0].EndReason != dialer.EndIdle {
			t.Errorf("idle: %+v, %v", list, err)
		}
		d.expect(d.TouchSession(t.Context(), s.ID), dialer.ErrNoSession)
		stop()
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}
