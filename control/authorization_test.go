package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/dialer"
)

// A manager asks, the user's own session or an administrator says what came of
// it, and the list tells who has and who has not.
func TestAuthorization(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		ask := func(body string) reply { return s.ask(t, Manager, "POST", rep1+":ask-authorization", body) }
		p := refused(t, ask(""), 409, CodeConflict)
		if !strings.Contains(p.Hint, "authorization_link") {
			t.Errorf("hint %q", p.Hint)
		}
		refused(t, s.ask(t, Admin, "PATCH", "/v1/org", `{"settings":{"authorization_link":"ftp://example.com"}}`), 422, CodeInvalid)
		if r := s.ask(t, Admin, "PATCH", "/v1/org", `{"settings":{"authorization_link":"https://dialer.example.com/connect"}}`); r.status != 200 {
			t.Fatalf("link: %d %s", r.status, r.body)
		}
		a := decode[Acted](t, ask(`{"reason":"go live"}`))
		if a.Outcome != dialer.Applied || a.User.Authorization != dialer.Asked {
			t.Fatalf("asked: %+v", a)
		}
		if a := decode[Acted](t, ask("")); a.Outcome != dialer.Unchanged {
			t.Errorf("asked twice: %s", a.Outcome)
		}
		if a := decode[Acted](t, ask(`{"again":true}`)); a.Outcome != dialer.Applied {
			t.Errorf("asked again: %s", a.Outcome)
		}

		pw := decode[NewPassword](t, s.ask(t, Manager, "POST", rep1+":reset-password", `{"must_change":false}`))
		in := decode[SignedIn](t, s.signIn(t, string(pw.Password), ""))
		own := func(more string) reply {
			return s.ask(t, Dialer, "POST", "/v1/sessions:authorization", fmt.Sprintf(`{"token":%q,"ip":"192.0.2.7"%s}`, string(in.Token), more))
		}
		refused(t, own(`,"state":"pending"`), 422, CodeInvalid)
		if a := decode[Acted](t, own("")); a.User.Authorization != dialer.Authorized || a.User.Attributes[dialer.FieldSFAuthorizedAt] == "" {
			t.Errorf("authorized: %+v", a.User)
		}
		log, err := s.dirs["acme"].Activity(t.Context(), dialer.ActivityQuery{UserID: a.User.ID, Newest: true, Limit: 1})
		if err != nil || log[0].Actor != (dialer.Actor{Kind: "user", Name: a.User.ID}) || !strings.Contains(string(log[0].After), "authorized") {
			t.Errorf("the activity log says %+v, %v", log, err)
		}
		found := decode[UserPage](t, s.ask(t, Viewer, "GET", "/v1/users?filter=sf_authorization%3Dauthorized&columns=sf_authorized_at", ""))
		if len(found.Users) != 1 || found.Users[0].ID != a.User.ID {
			t.Errorf("found %+v", found.Users)
		}

		set := func(role Role, body string) reply { return s.ask(t, role, "POST", rep1+":set-authorization", body) }
		refused(t, set(Manager, `{"state":"revoked","reason":"seen in Setup"}`), 403, CodeForbidden)
		refused(t, set(Admin, `{"state":"revoked"}`), 422, CodeInvalid)
		if a := decode[Acted](t, set(Admin, `{"state":"revoked","reason":"seen in Setup"}`)); a.User.Authorization != dialer.Revoked {
			t.Errorf("revoked: %+v", a.User)
		}
		refused(t, s.ask(t, Admin, "PATCH", rep1, `{"attributes":{"sf_authorization":"authorized"}}`), 422, CodeInvalid)

		m := decode[dialer.MassAction](t, s.ask(t, Manager, "POST", "/v1/mass-actions", `{"scope":{"filter":"status=active"},"action":"ask"}`))
		if m.Preview.Changed == 0 {
			t.Errorf("nobody would be asked: %+v", m.Preview)
		}
	})
}
