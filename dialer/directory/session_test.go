package directory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
)

func (d *office) sessions(q dialer.SessionQuery) (list []dialer.Session) {
	d.Helper()
	for {
		page, next, err := d.ListSessions(d.Context(), q)
		d.must(err)
		list = append(list, page...)
		if q.After = next; next == "" {
			return list
		}
		if len(page) != q.Limit {
			d.Fatalf("a page of %d that is not the last has %d", q.Limit, len(page))
		}
	}
}

func TestSessionList(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		ids := d.hire(3)
		for i := range 12 { // of three users; four begin at the same moment
			_, err := d.OpenSession(t.Context(), ids[i%3], "web", "192.0.2.1")
			d.must(err)
			if i%4 == 3 {
				d.wait(time.Minute)
			}
		}
		list := d.sessions(dialer.SessionQuery{Limit: 5})
		seen := map[string]bool{}
		for i, s := range list {
			if seen[s.ID] || i > 0 && s.StartedAt.After(list[i-1].StartedAt) {
				t.Errorf("place %d: twice %t, or earlier than the one before", i, seen[s.ID])
			}
			seen[s.ID] = true
		}
		if len(list) != 12 {
			t.Fatalf("got %d sessions", len(list))
		}
		n, err := d.EndSessions(t.Context(), dialer.SessionScope{ID: list[0].ID}, dialer.EndKick, "on request", root)
		if err != nil || n != 1 {
			t.Errorf("one: ended %d, %v", n, err)
		}
		if n, err = d.EndSessions(t.Context(), dialer.SessionScope{ID: list[0].ID}, dialer.EndKick, "", root); err != nil || n != 0 {
			t.Errorf("again: ended %d, %v", n, err)
		}
		user := list[0].UserID
		if n, err = d.EndSessions(t.Context(), dialer.SessionScope{UserID: user}, dialer.EndKick, "", root); err != nil || n != 3 {
			t.Errorf("a user's: ended %d, %v", n, err)
		}
		open, ended := d.sessions(dialer.SessionQuery{Open: true, Limit: 3}), d.sessions(dialer.SessionQuery{Ended: true, Limit: 3})
		if len(open) != 8 || len(ended) != 4 || len(d.sessions(dialer.SessionQuery{UserID: user, Limit: 9})) != 4 {
			t.Errorf("%d open, %d ended", len(open), len(ended))
		}
		if n, err = d.EndSessions(t.Context(), dialer.SessionScope{All: true}, dialer.EndKick, "", root); err != nil || n != 8 {
			t.Errorf("all: ended %d, %v", n, err)
		}
		entries := d.entries(dialer.VerbEndSession)
		if len(entries) != 3 || entries[0].UserID != user || entries[0].Note != "on request" || entries[2].UserID != "" {
			t.Errorf("audit: got %+v", entries)
		}
		_, err = d.EndSessions(t.Context(), dialer.SessionScope{ID: "none"}, dialer.EndKick, "", root)
		d.expect(err, dialer.ErrNoSession)
		for _, scope := range []dialer.SessionScope{{}, {ID: "a", All: true}, {ID: "a", UserID: "b"}} {
			_, err = d.EndSessions(t.Context(), scope, dialer.EndKick, "", root)
			if _, ok := errors.AsType[*dialer.InvalidError](err); !ok {
				t.Errorf("%+v: got %v", scope, err)
			}
		}
	})
}

func TestSessionsOfAnotherOrg(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		other := newOffice(t, d.db, "other", directory.Options{})
		ids := other.hire(1)
		p, err := other.ResetPassword(t.Context(), ids[0], false, "", root)
		d.must(err)
		in, err := other.signIn(p.Password, "")
		d.must(err)
		_, err = d.signIn(p.Password, "")
		d.expect(err, dialer.ErrSignIn)
		_, err = d.Authenticate(t.Context(), in.Token, "")
		d.expect(err, dialer.ErrNoSession)
		_, err = d.EndSessions(t.Context(), dialer.SessionScope{ID: in.Session.ID}, dialer.EndKick, "", root)
		d.expect(err, dialer.ErrNoSession)
		_, err = d.EndSessions(t.Context(), dialer.SessionScope{UserID: ids[0]}, dialer.EndKick, "", root)
		d.expect(err, dialer.ErrNotFound)
		_, err = d.EndSessions(t.Context(), dialer.SessionScope{All: true}, dialer.EndKick, "", root)
		d.must(err)
		_, err = d.ResetPassword(t.Context(), ids[0], false, "", root)
		d.expect(err, dialer.ErrNotFound)
		if n := len(d.sessions(dialer.SessionQuery{Limit: 9})); n != 0 {
			t.Errorf("sees %d sessions", n)
		}
		_, err = other.Authenticate(t.Context(), in.Token, "")
		d.must(err)
	})
}

func TestIdleSessions(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		ids := d.hire(1)
		p, err := d.ResetPassword(t.Context(), ids[0], false, "", root)
		d.must(err)
		used, err := d.signIn(p.Password, "")
		d.must(err)
		idle, err := d.signIn(p.Password, "")
		d.must(err)
		d.wait(40 * time.Minute)
		in, err := d.Authenticate(t.Context(), used.Token, "")
		if err != nil || !in.Session.LastSeenAt.Equal(d.clock()) {
			t.Fatalf("seen %s, %v", in.Session.LastSeenAt, err)
		}
		d.wait(30 * time.Minute)
		if n, err := d.ExpireSessions(t.Context(), time.Hour); err != nil || n != 1 {
			t.Errorf("ended %d, %v", n, err)
		}
		_, err = d.Authenticate(t.Context(), idle.Token, "")
		d.expect(err, dialer.ErrNoSession)
		d.must(d.SignOut(t.Context(), used.Token, dialer.EndLogout))
		d.expect(d.SignOut(t.Context(), used.Token, dialer.EndLogout), dialer.ErrNoSession)
		_, err = d.Authenticate(t.Context(), "", "")
		d.expect(err, dialer.ErrNoSession)
		reasons := map[dialer.EndReason]int{}
		for _, s := range d.sessions(dialer.SessionQuery{Limit: 9}) {
			reasons[s.EndReason]++
		}
		if reasons[dialer.EndIdle] != 1 || reasons[dialer.EndLogout] != 1 {
			t.Errorf("got %v", reasons)
		}
	})
}
