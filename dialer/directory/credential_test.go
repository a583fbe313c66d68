package directory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
)

// signIn signs the first one in who was hired.
func (d *office) signIn(password, code dialer.Secret) (dialer.SignedIn, error) {
	return d.SignIn(d.Context(), dialer.SignIn{
		Username: strings.ToUpper(person(1).Username), Password: password, Code: code, Client: "web", IP: "192.0.2.7",
	})
}

// recruit hires one user and gives them a password.
func (d *office) recruit(mustChange bool) (id string, p dialer.NewPassword) {
	d.Helper()
	id = d.hire(1)[0]
	p, err := d.ResetPassword(d.Context(), id, mustChange, "", root)
	d.must(err)
	return id, p
}

// expect fails unless err is want, or nil where want is.
func (d *office) expect(err, want error) {
	d.Helper()
	if !errors.Is(err, want) {
		d.Fatalf("got error %v, want %v", err, want)
	}
}

func TestPasswordResetEndsSessions(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		ids := d.hire(2)
		_, err := d.signIn("anything at all", "")
		d.expect(err, dialer.ErrSignIn)
		p, err := d.ResetPassword(t.Context(), ids[0], false, "", root)
		d.must(err)
		in, err := d.signIn(p.Password, "")
		d.must(err)
		if in.Session.UserID != ids[0] || in.Token == "" {
			t.Fatalf("got %+v", in.Session)
		}
		other, err := d.OpenSession(t.Context(), ids[1], "mobile", "192.0.2.8")
		d.must(err)
		_, err = d.Authenticate(t.Context(), in.Token, "192.0.2.7")
		d.must(err)

		q, err := d.ResetPassword(t.Context(), ids[0], true, "", root)
		d.must(err)
		if q.SessionsEnded != 1 || q.Password == p.Password || !q.MustChange {
			t.Errorf("second reset: ended %d, same password %t", q.SessionsEnded, q.Password == p.Password)
		}
		_, err = d.Authenticate(t.Context(), in.Token, "192.0.2.7")
		d.expect(err, dialer.ErrNoSession)
		list, err := d.Sessions(t.Context(), ids[0])
		d.must(err)
		if len(list) != 1 || list[0].EndReason != dialer.EndPasswordReset {
			t.Errorf("sessions: got %+v", list)
		}
		if list, _ = d.Sessions(t.Context(), ids[1]); len(list) != 1 || list[0].ID != other.ID || !list[0].EndedAt.IsZero() {
			t.Errorf("another user's sessions: got %+v", list)
		}
		_, err = d.signIn(p.Password, "")
		d.expect(err, dialer.ErrSignIn)
		_, err = d.signIn(q.Password, "")
		d.expect(err, dialer.ErrMustChange)
		sign := dialer.SignIn{Username: person(1).Username, Password: q.Password, NewPassword: "short", Client: "web"}
		_, err = d.SignIn(t.Context(), sign)
		if _, ok := errors.AsType[*dialer.InvalidError](err); !ok {
			t.Errorf("a short password: got %v", err)
		}
		sign.NewPassword = "a lasting pass phrase"
		_, err = d.SignIn(t.Context(), sign)
		d.must(err)
		_, err = d.signIn(sign.NewPassword, "")
		d.must(err)
		for _, a := range append(d.entries(dialer.VerbResetPassword), d.entries(dialer.VerbSetPassword)...) {
			for _, secret := range []dialer.Secret{p.Password, q.Password, sign.NewPassword} {
				if strings.Contains(fmt.Sprintf("%s %s %s", a.Before, a.After, a.Note), string(secret)) {
					t.Errorf("activity %d gives a password away", a.Seq)
				}
			}
		}
		if got := fmt.Sprintf("%v %+v %s", q, q, q.Password); strings.Contains(got, string(q.Password)) {
			t.Errorf("printing gives the password away: %s", got)
		}
		_, err = d.ResetPassword(t.Context(), "nobody", false, "", root)
		d.expect(err, dialer.ErrNotFound)
	})
}

func TestPasswordIsHashed(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		ids := d.hire(2)
		var hashes [2]string
		for i, id := range ids {
			p, err := d.ResetPassword(t.Context(), id, false, "", root)
			d.must(err)
			d.must(d.db.Read(t.Context(), func(tx *store.Tx) error {
				return tx.QueryRow(t.Context(), "SELECT password_hash FROM credentials WHERE user_id = $1", id).Scan(&hashes[i])
			}))
			if !strings.HasPrefix(hashes[i], "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(hashes[i], string(p.Password)) {
				t.Errorf("stored %s", hashes[i])
			}
		}
		if hashes[0] == hashes[1] {
			t.Error("two passwords have one hash")
		}
	})
}

func TestLockOut(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		_, p := d.recruit(false)
		for range 9 {
			_, err := d.signIn("wrong wrong wrong", "")
			d.expect(err, dialer.ErrSignIn)
		}
		_, err := d.signIn(p.Password, "") // a right one makes the wrong ones forgotten
		d.must(err)
		for range 10 {
			_, err = d.signIn("wrong wrong wrong", "")
			d.expect(err, dialer.ErrSignIn)
		}
		_, err = d.signIn(p.Password, "")
		d.expect(err, dialer.ErrLocked)
		if n := len(d.entries(dialer.VerbLockOut)); n != 1 {
			t.Errorf("got %d entries of the lock-out", n)
		}
		d.wait(16 * time.Minute)
		_, err = d.signIn(p.Password, "")
		d.must(err)
	})
}

func TestInactiveCannotSignIn(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		id, p := d.recruit(false)
		in, err := d.signIn(p.Password, "")
		d.must(err)
		d.apply(dialer.Change{Verb: dialer.VerbDeactivate, UserID: id})
		_, err = d.Authenticate(t.Context(), in.Token, "192.0.2.7")
		d.expect(err, dialer.ErrNoSession)
		_, err = d.signIn(p.Password, "")
		d.expect(err, directory.ErrNoAccess)
		_, err = d.signIn("wrong wrong wrong", "") // says nothing to who does not know the password
		d.expect(err, dialer.ErrSignIn)
		d.apply(dialer.Change{Verb: dialer.VerbDelete, UserID: id})
		_, err = d.signIn(p.Password, "")
		d.expect(err, dialer.ErrSignIn)
	})
}

func TestListedAddressesOnly(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		id, p := d.recruit(false)
		in, err := d.signIn(p.Password, "")
		d.must(err)
		var u dialer.User
		d.must(dialer.FieldIPACLEntries.Set(&u, []any{"198.51.100.0/24", "2001:db8::/32"}))
		d.must(dialer.FieldIPACLEnabled.Set(&u, true))
		d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: id, User: u, Fields: []dialer.Field{dialer.FieldIPACLEntries, dialer.FieldIPACLEnabled}})
		_, err = d.signIn(p.Password, "")
		d.expect(err, dialer.ErrAddress)
		_, err = d.Authenticate(t.Context(), in.Token, "192.0.2.7")
		d.expect(err, dialer.ErrAddress)
		list, err := d.Sessions(t.Context(), id)
		d.must(err)
		if len(list) != 1 || list[0].EndReason != dialer.EndIPACL {
			t.Errorf("got %+v", list)
		}
		for _, ip := range []string{"198.51.100.9", "::ffff:198.51.100.9", "2001:db8::1"} {
			_, err = d.SignIn(t.Context(), dialer.SignIn{Username: person(1).Username, Password: p.Password, Client: "web", IP: ip})
			if err != nil {
				t.Errorf("from %s: %v", ip, err)
			}
		}
		_, err = d.SignIn(t.Context(), dialer.SignIn{Username: person(1).Username, Password: p.Password, Client: "web", IP: "nowhere"})
		d.expect(err, dialer.ErrAddress)
	})
}

func TestChangePassword(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		id, p := d.recruit(true)
		d.expect(d.ChangePassword(t.Context(), id, "wrong wrong wrong", "another pass phrase", ""), dialer.ErrSignIn)
		d.must(d.ChangePassword(t.Context(), id, p.Password, "another pass phrase", ""))
		a, err := d.signIn("another pass phrase", "")
		d.must(err)
		b, err := d.signIn("another pass phrase", "")
		d.must(err)
		d.must(d.ChangePassword(t.Context(), id, "another pass phrase", "yet another phrase", a.Session.ID))
		_, err = d.Authenticate(t.Context(), a.Token, "")
		d.must(err)
		_, err = d.Authenticate(t.Context(), b.Token, "")
		d.expect(err, dialer.ErrNoSession)
		c, err := d.Credential(t.Context(), id)
		d.must(err)
		if !c.HasPassword || c.MustChange || c.ChangedAt.IsZero() {
			t.Errorf("got %+v", c)
		}
	})
}

// Who is deactivated while signing in either gets no session or one that ended.
func TestSignInAgainstDeactivation(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		id, p := d.recruit(false)
		for range 5 {
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = d.signIn(p.Password, "") })
			wg.Go(func() {
				d.Apply(context.Background(), []dialer.Change{{Verb: dialer.VerbDeactivate, UserID: id, Actor: root}})
			})
			wg.Wait()
			n, err := d.CountSessions(t.Context(), dialer.SessionQuery{UserID: id, Open: true})
			d.must(err)
			if n != 0 || d.user(id).Status != dialer.StatusInactive {
				t.Fatalf("%d sessions of an inactive user", n)
			}
			d.apply(dialer.Change{Verb: dialer.VerbActivate, UserID: id})
		}
	})
}
