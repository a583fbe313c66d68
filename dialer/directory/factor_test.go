package directory_test

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what authenticator apps speak
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
)

// app is what an authenticator shows, written from RFC 6238 anew.
func app(t *testing.T, secret dialer.Secret, at time.Time) dialer.Secret {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(string(secret))
	if err != nil {
		t.Fatal(err)
	}
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(at.Unix()/30))
	mac := hmac.New(sha1.New, key)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	o := sum[19] & 15
	n := (int(sum[o])&127)<<24 | int(sum[o+1])<<16 | int(sum[o+2])<<8 | int(sum[o+3])
	return dialer.Secret(fmt.Sprintf("%06d", n%1000000))
}

// The app of the tests agrees with RFC 6238, appendix B.
func TestAuthenticator(t *testing.T) {
	secret := dialer.Secret(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte("12345678901234567890")))
	for at, want := range map[int64]dialer.Secret{59: "287082", 1111111109: "081804", 2000000000: "279037"} {
		if got := app(t, secret, time.Unix(at, 0)); got != want {
			t.Errorf("at %d: got %s, want %s", at, string(got), string(want))
		}
	}
}

func TestSecondFactor(t *testing.T) {
	for name, key := range map[string]string{"database": "", "file": "the content of a key file"} {
		t.Run(name, func(t *testing.T) { testSecondFactor(t, key) })
	}
}

func testSecondFactor(t *testing.T, key string) {
	offices(t, directory.Options{SecretKey: []byte(key)}, func(t *testing.T, d *office) {
		ids := d.hire(1)
		p, err := d.ResetPassword(t.Context(), ids[0], false, "", root)
		d.must(err)
		_, err = d.ResetFactor(t.Context(), ids[0], "", root)
		d.expect(err, dialer.ErrNotEnrolled)
		d.must(d.RequireFactor(t.Context(), ids[0], true, root))
		in, err := d.signIn(p.Password, "")
		d.must(err)
		if in, err = d.Authenticate(t.Context(), in.Token, ""); err != nil || !in.MustEnroll {
			t.Errorf("got %t, %v: want a session good for enrolling only", in.MustEnroll, err)
		}

		e, err := d.EnrollFactor(t.Context(), ids[0])
		d.must(err)
		u, err := url.Parse(string(e.URI))
		d.must(err)
		if u.Scheme != "otpauth" || u.Query().Get("secret") != string(e.Secret) || len(e.BackupCodes) != 10 {
			t.Errorf("got %d backup codes, URI with %s", len(e.BackupCodes), u.Scheme)
		}
		_, err = d.signIn(p.Password, "") // not in use yet
		d.must(err)
		d.expect(d.VerifyFactor(t.Context(), ids[0], "000000"), dialer.ErrSignIn)
		d.must(d.VerifyFactor(t.Context(), ids[0], app(t, e.Secret, d.clock())))
		_, err = d.EnrollFactor(t.Context(), ids[0])
		d.expect(err, dialer.ErrEnrolled)
		d.sealed(e.Secret)

		_, err = d.signIn(p.Password, "")
		d.expect(err, dialer.ErrCodeNeeded)
		_, err = d.signIn(p.Password, app(t, e.Secret, d.clock())) // was used to verify
		d.expect(err, dialer.ErrSignIn)
		d.wait(time.Minute)
		_, err = d.signIn(p.Password, app(t, e.Secret, d.clock().Add(-30*time.Second)))
		d.must(err)
		_, err = d.signIn(p.Password, app(t, e.Secret, d.clock().Add(5*time.Minute)))
		d.expect(err, dialer.ErrSignIn)
		_, err = d.signIn(p.Password, dialer.Secret(strings.ToUpper(string(e.BackupCodes[3]))))
		d.must(err)
		_, err = d.signIn(p.Password, e.BackupCodes[3])
		d.expect(err, dialer.ErrSignIn)
		c, err := d.Credential(t.Context(), ids[0])
		d.must(err)
		if c.SecondFactor != dialer.FactorTOTP || c.BackupCodes != 9 || !c.MustEnroll {
			t.Errorf("got %+v", c)
		}

		n, err := d.ResetFactor(t.Context(), ids[0], "phone lost", root)
		if err != nil || n != 4 {
			t.Errorf("reset: ended %d, %v", n, err)
		}
		if log := d.entries(dialer.VerbResetFactor); len(log) != 1 || log[0].Note != "phone lost" {
			t.Errorf("the activity log says %+v", log)
		}
		if c, _ = d.Credential(t.Context(), ids[0]); c.SecondFactor != dialer.FactorNone || c.BackupCodes != 0 || !c.MustEnroll {
			t.Errorf("after the reset: %+v", c)
		}
		if in, err = d.signIn(p.Password, ""); err != nil || !in.MustEnroll {
			t.Errorf("after the reset: must enroll %t, %v", in.MustEnroll, err)
		}
	})
}

// sealed checks that a secret stands nowhere in the clear.
func (d *office) sealed(secret dialer.Secret) {
	d.Helper()
	var text string
	d.must(d.db.Read(d.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(d.Context(), "SELECT factor_secret FROM credentials").Scan(&text)
	}))
	if text == "" || strings.Contains(text, string(secret)) {
		d.Errorf("the secret is stored as %s", text)
	}
}

// A key file that is added later does not lock anybody out; one that is lost
// does, and says so.
func TestKeyFile(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		ids := d.hire(2)
		p, err := d.ResetPassword(t.Context(), ids[0], false, "", root)
		d.must(err)
		enroll := func(dir *directory.Directory, id string) dialer.Secret {
			e, err := dir.EnrollFactor(t.Context(), id)
			d.must(err)
			d.must(dir.VerifyFactor(t.Context(), id, app(t, e.Secret, d.clock())))
			return e.Secret
		}
		secret := enroll(d.Directory, ids[0])
		withFile := directory.New(d.db, d.org, directory.Options{SecretKey: []byte("a key"), Now: d.clock})
		d.wait(time.Minute)
		in := dialer.SignIn{Username: person(1).Username, Password: p.Password, Code: app(t, secret, d.clock()), Client: "web"}
		_, err = withFile.SignIn(t.Context(), in)
		d.must(err)

		q, err := d.ResetPassword(t.Context(), ids[1], false, "", root)
		d.must(err)
		secret = enroll(withFile, ids[1])
		d.wait(time.Minute)
		in = dialer.SignIn{Username: person(2).Username, Password: q.Password, Code: app(t, secret, d.clock()), Client: "web"}
		if _, err = d.SignIn(t.Context(), in); err == nil || !strings.Contains(err.Error(), "key file") {
			t.Errorf("without the key file: got %v", err)
		}
		_, err = withFile.SignIn(t.Context(), in)
		d.must(err)
	})
}
