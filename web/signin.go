package web

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/rosterd/rosterd/control"
)

// signinPart is the part of a user's page about how they sign in.
type signinPart struct {
	State    control.SignInState
	Sessions []control.Session
	Next     string
}

func (v *visit) signin(u *control.User) (*signinPart, error) {
	ctx := v.r.Context()
	state, err := v.api.SignInState(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	page, err := v.api.SessionPage(ctx, control.SessionFilter{User: u.ID, Limit: 50}, v.query("cursor"))
	if err != nil {
		return nil, err
	}
	p := &signinPart{State: state, Sessions: page.Sessions}
	if page.Next != "" {
		p.Next = v.At("/users/%s", u.ID) + "?" + url.Values{"tab": {"signin"}, "cursor": {page.Next}}.Encode()
	}
	return p, nil
}

// sessionsPage lists who is signed in.
type sessionsPage struct {
	State    string // open or all
	Sessions []sessionLine
	First    string
	Next     string
}

// sessionLine is a session with the name of its user.
type sessionLine struct {
	control.Session
	Name string
}

func (v *visit) sessions() error {
	p := sessionsPage{State: v.query("state")}
	if p.State != "all" {
		p.State = "open"
	}
	page, err := v.api.SessionPage(v.r.Context(), control.SessionFilter{Open: p.State == "open", Limit: 50}, v.query("cursor"))
	if err != nil {
		return err
	}
	lines := make([]entry, len(page.Sessions))
	for i, s := range page.Sessions {
		lines[i].UserID = s.UserID
	}
	v.names(v.r.Context(), lines)
	for i, s := range page.Sessions {
		p.Sessions = append(p.Sessions, sessionLine{s, lines[i].Name})
	}
	at := func(cursor string) string {
		return v.At("/sessions") + "?" + url.Values{"state": {p.State}, "cursor": {cursor}}.Encode()
	}
	if v.query("cursor") != "" {
		p.First = v.At("/sessions") + "?state=" + p.State
	}
	if page.Next != "" {
		p.Next = at(page.Next)
	}
	return v.page("sessions", "Sessions", p)
}

// endSessions ends one session, all of a user, or all there are.
func (v *visit) endSessions() error {
	ctx, to := v.r.Context(), within(v.form("to"))
	if to == "/" {
		to = v.At("/sessions")
	}
	var ended control.EndedSessions
	var err error
	switch {
	case v.form("id") != "":
		ended, err = v.api.EndSession(ctx, v.form("id"), v.form("reason"))
	case v.form("user") != "":
		ended, err = v.api.EndSessions(ctx, control.SessionEnd{User: v.form("user"), Reason: v.form("reason")})
	case v.form("all") == "everybody":
		ended, err = v.api.EndSessions(ctx, control.SessionEnd{All: true, Reason: v.form("reason")})
	default:
		return v.see(to, note{"bad", "Say whose sessions to end.", "To end everybody's, type everybody."})
	}
	if err != nil {
		return v.back(to, err)
	}
	return v.see(to, note{"ok", plural(ended.Ended, "session has", "sessions have") + " ended.", "Who was signed in can sign in again."})
}

// passwordPage shows a new password, this once.
type passwordPage struct {
	User     control.User
	Password string
	Ended    int64
}

// Full is the user's name.
func (p passwordPage) Full() string { return fullName(p.User) }

// resetPassword makes a new password. It is the answer itself, not a page to
// come back to: nobody can read it again.
func (v *visit) resetPassword() error {
	ctx, id := v.r.Context(), v.r.PathValue("id")
	u, err := v.api.User(ctx, id)
	if err != nil {
		return err
	}
	made, err := v.api.ResetPassword(ctx, u.ID, true, v.form("reason"))
	if err != nil {
		return v.back(v.At("/users/%s", u.ID)+"?tab=signin", err)
	}
	return v.show(http.StatusOK, "password", "New password", passwordPage{u, string(made.Password), made.SessionsEnded})
}

// signinAct does what concerns how a user signs in.
func (v *visit) signinAct(act string) error {
	ctx, id := v.r.Context(), v.r.PathValue("id")
	at := v.At("/users/%s", id) + "?tab=signin"
	switch act {
	case "reset-2fa":
		done, err := v.api.ResetFactor(ctx, id, v.form("reason"))
		if err != nil {
			return v.back(at, err)
		}
		return v.see(at, note{"ok", "The second factor is gone.", fmt.Sprintf("The user enrolls a new one at the next sign-in; %s ended.", plural(done.SessionsEnded, "session has", "sessions have"))})
	case "require-2fa", "waive-2fa":
		if _, err := v.api.RequireFactor(ctx, id, act == "require-2fa"); err != nil {
			return v.back(at, err)
		}
		return v.see(at, note{"ok", map[bool]string{true: "A second factor is required from now on.", false: "A second factor is not required any more."}[act == "require-2fa"], ""})
	case "invite":
		if _, err := v.api.Invite(ctx, id, v.form("again") != "", v.form("reason")); err != nil {
			return v.back(at, err)
		}
		return v.see(at, note{"ok", "The user is invited.", ""})
	case "ask-authorization":
		at = v.At("/users/%s", id) + "?tab=salesforce"
		done, err := v.api.AskAuthorization(ctx, id, control.Asking{Again: v.form("again") != "", Reason: v.form("reason")})
		switch {
		case err != nil:
			return v.back(at, err)
		case done.Outcome == "unchanged":
			return v.see(at, note{"ok", "The user was asked already, or has authorized.", ""})
		}
		return v.see(at, note{"ok", "The user is asked to authorize the dialer in Salesforce.", ""})
	}
	return missing("There is no such action.")
}
