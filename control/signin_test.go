package control

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// signIn has rep1 of acme sign in by the API.
func (r *world) signIn(t *testing.T, password, more string) reply {
	t.Helper()
	return r.ask(t, Dialer, "POST", "/v1/sessions", fmt.Sprintf(
		`{"username":"rep1@acme.example.com","password":%q,"client":"web","ip":"192.0.2.7"%s}`, password, more))
}

func TestSignInToSignOut(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		path := "/v1/users/rep1@acme.example.com"
		r := s.ask(t, Manager, "POST", path+":reset-password", "")
		first := decode[NewPassword](t, r)
		if r.header.Get("Cache-Control") != "no-store" || !first.MustChange || len(first.Password) < 10 {
			t.Fatalf("a new password is answered with %v: %+v", r.header, first)
		}
		refused(t, s.signIn(t, "not this one", ""), 403, CodeSignIn)
		refused(t, s.signIn(t, string(first.Password), ""), 403, CodeMustChange)
		refused(t, s.signIn(t, string(first.Password), `,"new_password":"short"`), 422, CodeInvalid)
		const chosen = "a phrase to remember"
		in := decode[SignedIn](t, s.signIn(t, string(first.Password), `,"new_password":"`+chosen+`"`))
		if in.Token == "" || in.User.Username != "rep1@acme.example.com" || in.Session.IP != "192.0.2.7" {
			t.Fatalf("signed in is %+v", in)
		}
		with := fmt.Sprintf(`{"token":%q,"ip":"192.0.2.7"}`, string(in.Token))
		again := decode[SignedIn](t, s.ask(t, Dialer, "POST", "/v1/sessions:heartbeat", with))
		if again.Session.ID != in.Session.ID || again.Token != "" {
			t.Errorf("in use is %+v", again)
		}
		refused(t, s.ask(t, Dialer, "POST", "/v1/sessions:heartbeat?org=beta", with), 404, CodeNotFound)

		page := decode[SessionPage](t, s.ask(t, Viewer, "GET", "/v1/sessions?open=true&user=rep1@acme.example.com", ""))
		if len(page.Sessions) != 1 || page.Sessions[0].ID != in.Session.ID {
			t.Errorf("the open sessions are %+v", page)
		}
		if page := decode[SessionPage](t, s.ask(t, Viewer, "GET", "/v1/sessions?org=beta", "")); len(page.Sessions) != 0 {
			t.Errorf("another org sees %+v", page)
		}
		refused(t, s.ask(t, Admin, "DELETE", "/v1/sessions/"+in.Session.ID+"?org=beta", ""), 404, CodeNotFound)
		second := decode[SignedIn](t, s.signIn(t, chosen, ""))
		if n := decode[EndedSessions](t, s.ask(t, Manager, "DELETE", "/v1/sessions/"+second.Session.ID, "")); n.Ended != 1 {
			t.Errorf("ended %d", n.Ended)
		}
		if n := decode[EndedSessions](t, s.ask(t, Dialer, "POST", "/v1/sessions:logout", fmt.Sprintf(`{"token":%q}`, string(in.Token)))); n.Ended != 1 {
			t.Errorf("signed out %d", n.Ended)
		}
		refused(t, s.ask(t, Dialer, "POST", "/v1/sessions:heartbeat", with), 404, CodeNotFound)

		// Everybody's sessions are an administrator's to end.
		s.signIn(t, chosen, "")
		refused(t, s.ask(t, Manager, "POST", "/v1/sessions:end", `{"all":true}`), 403, CodeForbidden)
		refused(t, s.ask(t, Admin, "POST", "/v1/sessions:end", `{}`), 422, CodeInvalid)
		if n := decode[EndedSessions](t, s.ask(t, Admin, "POST", "/v1/sessions:end", `{"all":true}`)); n.Ended != 1 {
			t.Errorf("ended %d of everybody", n.Ended)
		}

		log, err := s.dirs["acme"].Activity(t.Context(), dialer.ActivityQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range log {
			text := fmt.Sprint(a.Note, string(a.Before), string(a.After))
			for _, secret := range []string{string(first.Password), chosen, string(in.Token)} {
				if strings.Contains(text, secret) {
					t.Errorf("the activity log holds a secret: %s", a.Verb)
				}
			}
		}
	})
}

func TestSecondFactorIsResetByWhoMay(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		path := "/v1/users/rep1@acme.example.com"
		refused(t, s.ask(t, Manager, "POST", path+":reset-2fa", ""), 409, CodeConflict)
		state := decode[SignInState](t, s.ask(t, Manager, "POST", path+":require-2fa", `{"required":true}`))
		if !state.Credential.MustEnroll || state.Credential.SecondFactor != "none" || state.Invitation.State != "none" {
			t.Errorf("required is %+v", state)
		}
		p := decode[NewPassword](t, s.ask(t, Manager, "POST", path+":reset-password", `{"must_change":false}`))
		in := decode[SignedIn](t, s.signIn(t, string(p.Password), ""))
		if !in.MustEnroll {
			t.Error("the session is not for enrolling")
		}
		with := fmt.Sprintf(`{"token":%q,"ip":"192.0.2.7"}`, string(in.Token))
		e := decode[Enrollment](t, s.ask(t, Dialer, "POST", "/v1/sessions:enroll-2fa", with))
		if e.Secret == "" || !strings.HasPrefix(string(e.URI), "otpauth://") || len(e.BackupCodes) == 0 {
			t.Errorf("enrolled is %d codes", len(e.BackupCodes))
		}
		refused(t, s.ask(t, Dialer, "POST", "/v1/sessions:verify-2fa", with[:len(with)-1]+`,"code":"nonsense"}`), 403, CodeSignIn)

		// A manager who could set an administrator's password would be one.
		d := s.dirs["acme"]
		boss := s.user(t, "rep2@acme.example.com")
		boss.SystemRole = dialer.SystemRoleAdmin
		if r := d.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbUpdate, UserID: boss.ID, User: boss, Fields: []dialer.Field{dialer.FieldSystemRole}, Actor: dialer.Actor{Kind: "system", Name: "test"}}}); r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
		for _, act := range []string{":reset-password", ":reset-2fa", ":invite"} {
			refused(t, s.ask(t, Manager, "POST", "/v1/users/"+boss.ID+act, ""), 403, CodeForbidden)
		}
		if r := s.ask(t, Admin, "POST", "/v1/users/"+boss.ID+":reset-password", ""); r.status != 200 {
			t.Errorf("an administrator is answered %d", r.status)
		}
	})
}

func TestInvitations(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		path := "/v1/users/rep1@acme.example.com"
		i := decode[Invitation](t, s.ask(t, Manager, "POST", path+":invite", ""))
		if i.State != "queued" || i.Epoch != 1 {
			t.Errorf("the invitation is %+v", i)
		}
		if i = decode[Invitation](t, s.ask(t, Manager, "POST", path+":invite", `{"again":true}`)); i.Epoch != 2 {
			t.Errorf("the second one is %+v", i)
		}
		if state := decode[SignInState](t, s.ask(t, Viewer, "GET", path+"/credential", "")); state.Invitation.Epoch != 2 {
			t.Errorf("its state is %+v", state)
		}
		for _, token := range []string{"none", strings.Repeat("x", 200), "a.b.c", "'; DROP TABLE invitations; --"} {
			r := ask(t, s.Server, "", "POST", pathAccept, fmt.Sprintf(`{"token":%q,"password":"long enough to do"}`, token))
			p := refused(t, r, 404, CodeInvitation)
			if p.Message != dialer.ErrInvitation.Error() || strings.Contains(string(r.body), "acme") {
				t.Errorf("a wrong invitation is told: %s", r.body)
			}
		}
	})
}

func TestInvitationsAreThrottled(t *testing.T) {
	s := newTestServer(t, realDirectory(t))
	var last reply
	for range 50 * acceptEach { // on a slow machine some are forgiven meanwhile
		if last = ask(t, s, "", "POST", pathAccept, `{"token":"none","password":"long enough to do"}`); last.status != 404 {
			break
		}
	}
	refused(t, last, 429, CodeLocked)
	if last.header.Get("Retry-After") != "6" {
		t.Errorf("the header is %v", last.header)
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		for n := range acceptEach {
			if th.wait("192.0.2.7", time.Now()) != 0 {
				t.Fatalf("attempt %d has to wait", n)
			}
		}
		if th.wait("192.0.2.7", time.Now()) == 0 {
			t.Error("one attempt too many need not wait")
		}
		if th.wait("192.0.2.8", time.Now()) != 0 {
			t.Error("one address waits for another")
		}
		for range 3 * acceptEach { // from an office where everybody begins today
			if th.wait("192.0.2.9", time.Now()) != 0 {
				t.Fatal("who succeeds is counted")
			}
			th.succeeded("192.0.2.9", time.Now())
		}
		for n := range acceptEach + 1 {
			if waits := th.wait("192.0.2.9", time.Now()) != 0; waits != (n == acceptEach) {
				t.Errorf("after those who succeed, attempt %d waits: %t", n, waits)
			}
		}
		time.Sleep(acceptEvery)
		if th.wait("192.0.2.7", time.Now()) != 0 {
			t.Error("who has waited has to wait again")
		}
		waited := false
		for range 2 * acceptAll {
			waited = waited || th.wait("", time.Now()) > 0
		}
		if !waited {
			t.Error("all together are not limited")
		}
		for n := range 2 * acceptKnown {
			th.wait(fmt.Sprint(n), time.Now())
		}
		if len(th.each) > acceptKnown {
			t.Errorf("%d addresses are remembered", len(th.each))
		}
	})
}

func TestAddressOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:5": "192.0.2.7", "[2001:db8:1:2:3:4:5:6]:7": "2001:db8:1:2::/64", "[::ffff:192.0.2.7]:1": "192.0.2.7", "@": "", "": "", "x:1": "",
	} {
		if got := addressOf(context.WithValue(t.Context(), remoteKey, remote)); got != want {
			t.Errorf("%q: got %q, want %q", remote, got, want)
		}
	}
}

// Why a password was made anew, or somebody invited, stands in the
// activity log.
func TestReasonsOfResets(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		p := decode[NewPassword](t, s.ask(t, Manager, "POST", rep1+":reset-password", `{"must_change":false,"reason":"CASE-1"}`))
		if p.Password == "" {
			t.Error("no password was made")
		}
		if r := s.ask(t, Manager, "POST", rep1+":invite", `{"reason":"CASE-3"}`); r.status != 202 {
			t.Fatalf("invited: %d %s", r.status, r.body)
		}
		for verb, want := range map[dialer.Verb]string{dialer.VerbResetPassword: "CASE-1", dialer.VerbInvite: "CASE-3"} {
			log, err := s.dirs["acme"].Activity(t.Context(), dialer.ActivityQuery{Verb: verb})
			if err != nil || len(log) != 1 || log[0].Note != want {
				t.Errorf("%s: %+v, %v", verb, log, err)
			}
		}
	})
}
