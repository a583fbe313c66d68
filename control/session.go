package control

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// SessionDirectory knows who is signed in. *directory.Directory does.
type SessionDirectory interface {
	ListSessions(ctx context.Context, q dialer.SessionQuery) (page []dialer.Session, next string, err error)
	EndSessions(ctx context.Context, scope dialer.SessionScope, reason dialer.EndReason, note string, by dialer.Actor) (int64, error)
	// SignIn opens a session for who knows the password, and the code where a
	// second factor is enrolled.
	SignIn(ctx context.Context, in dialer.SignIn) (dialer.SignedIn, error)
	// Authenticate returns the session that a token proves, and notes that it
	// is in use.
	Authenticate(ctx context.Context, token dialer.Secret, ip string) (dialer.SignedIn, error)
	SignOut(ctx context.Context, token dialer.Secret, reason dialer.EndReason) error
	ChangePassword(ctx context.Context, userID string, old, password dialer.Secret, keep string) error
	EnrollFactor(ctx context.Context, userID string) (dialer.Enrollment, error)
	VerifyFactor(ctx context.Context, userID string, code dialer.Secret) error
}

// SessionPage is a page of sessions, the latest first.
type SessionPage struct {
	Sessions []dialer.Session `json:"sessions" nullable:"false"`
	Next     string           `json:"next,omitempty" doc:"pass as cursor for the next page; absent on the last one"`
}

// EndedSessions says how many sessions were ended.
type EndedSessions struct {
	Ended int64 `json:"ended"`
}

// SessionEnd says whose sessions to end: one member of user and all.
type SessionEnd struct {
	User   string `json:"user,omitempty" maxLength:"320" doc:"id, Salesforce id, user name or e-mail address"`
	All    bool   `json:"all,omitempty" doc:"everybody's; needs the role admin"`
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"why, for the activity log"`
}

func (s *Server) routeSessions() {
	tags := []string{"sessions"}
	handle(s, Viewer, huma.Operation{
		OperationID: "sessions", Method: http.MethodGet, Path: "/v1/sessions", Tags: tags, Summary: "Who is signed in, the latest first",
	}, listSessions)
	handle(s, Manager, huma.Operation{
		OperationID: "end-session", Method: http.MethodDelete, Path: "/v1/sessions/{id}", Tags: tags, Summary: "End a session",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		ID     string `path:"id" maxLength:"100"`
		Reason string `query:"reason" maxLength:"500" doc:"why, for the activity log"`
	},
	) (*answer[EndedSessions], error) {
		n, err := c.Directory.EndSessions(ctx, dialer.SessionScope{ID: in.ID}, dialer.EndKick, in.Reason, c.Actor())
		return &answer[EndedSessions]{EndedSessions{n}}, err
	})
	handle(s, Manager, huma.Operation{
		OperationID: "end-sessions", Method: http.MethodPost, Path: "/v1/sessions:end", Tags: tags,
		Summary: "End all sessions of a user, or everybody's", Description: "To end everybody's needs the role admin.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body SessionEnd
	},
	) (*answer[EndedSessions], error) {
		scope := dialer.SessionScope{All: in.Body.All}
		switch {
		case in.Body.All == (in.Body.User != ""):
			return nil, invalid("say whose sessions: one of user and all", "")
		case in.Body.All && !c.Role.May(Admin):
			return nil, forbidden(c.Caller, Admin)
		case in.Body.User != "":
			u, err := c.Directory.User(ctx, in.Body.User)
			if err != nil {
				return nil, err
			}
			scope.UserID = u.ID
		}
		n, err := c.Directory.EndSessions(ctx, scope, dialer.EndKick, in.Body.Reason, c.Actor())
		return &answer[EndedSessions]{EndedSessions{n}}, err
	})
	s.routeSignIn()
}

func listSessions(ctx context.Context, c call, in *struct {
	InOrg
	User   string `query:"user" maxLength:"320" doc:"only of this user: id, Salesforce id, user name or e-mail address"`
	Open   bool   `query:"open" doc:"only those that go on"`
	Cursor string `query:"cursor" maxLength:"200" doc:"next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
},
) (*answer[SessionPage], error) {
	after, err := openCursor("sessions", in.Cursor)
	if err != nil {
		return nil, err
	}
	q := dialer.SessionQuery{Open: in.Open, After: after, Limit: in.Limit}
	if in.User != "" {
		u, err := c.Directory.User(ctx, in.User)
		if err != nil {
			return nil, err
		}
		q.UserID = u.ID
	}
	list, next, err := c.Directory.ListSessions(ctx, q)
	return &answer[SessionPage]{SessionPage{append([]dialer.Session{}, list...), sealCursor("sessions", next)}}, err
}

// SignInRequest is somebody at the dialer's door.
type SignInRequest struct {
	Username    string        `json:"username" minLength:"1" maxLength:"320"`
	Password    dialer.Secret `json:"password" minLength:"1" maxLength:"1000"`
	Code        dialer.Secret `json:"code,omitempty" maxLength:"100" doc:"of the second factor, or a backup code"`
	NewPassword dialer.Secret `json:"new_password,omitempty" maxLength:"1000" doc:"replaces the password; needed with code must_change"`
	Client      string        `json:"client" enum:"web,desktop,mobile,cti,sip"`
	IP          string        `json:"ip" maxLength:"45" doc:"the address that the user comes from"`
}

// SignedIn is a session and whose it is.
type SignedIn struct {
	Session    dialer.Session `json:"session"`
	User       User           `json:"user"`
	Token      dialer.Secret  `json:"token,omitempty" doc:"proves the session; given once, at the sign-in"`
	MustEnroll bool           `json:"must_enroll" doc:"the session is good for nothing but enrolling a second factor"`
}

// WithToken is a request on behalf of somebody who is signed in.
type WithToken struct {
	Token dialer.Secret `json:"token" minLength:"1" maxLength:"200" doc:"what the sign-in gave"`
	IP    string        `json:"ip" maxLength:"45" doc:"the address that the user comes from"`
}

// address checks the address that somebody comes from.
func address(ip string) error {
	if _, err := netip.ParseAddr(ip); err != nil {
		return invalid("ip is not an IP address", "for example 192.0.2.7")
	}
	return nil
}

func signedIn(in *dialer.SignedIn) *answer[SignedIn] {
	return &answer[SignedIn]{SignedIn{in.Session, view(&in.User), in.Token, in.MustEnroll}}
}

// routeSignIn registers what the dialer's own programs ask on behalf of users.
// They hold a token of the role dialer, which is good for nothing else.
func (s *Server) routeSignIn() {
	tags := []string{"sign-in"}
	handle(s, Dialer, huma.Operation{
		OperationID: "sign-in", Method: http.MethodPost, Path: "/v1/sessions", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Sign a user in", Description: "A refusal has the code sign_in, locked, must_change, code_needed, address or inactive. " +
			"The first does not say what was wrong, nor whether there is such a user.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body SignInRequest
	},
	) (*answer[SignedIn], error) {
		b := &in.Body
		if err := address(b.IP); err != nil {
			return nil, err
		}
		out, err := c.Directory.SignIn(ctx, dialer.SignIn{
			Username: b.Username, Password: b.Password, Code: b.Code, NewPassword: b.NewPassword, Client: b.Client, IP: b.IP,
		})
		return signedIn(&out), err
	})
	handle(s, Dialer, huma.Operation{
		OperationID: "session-in-use", Method: http.MethodPost, Path: "/v1/sessions:heartbeat", Tags: tags,
		Summary: "Say that a session is in use, and learn whose it is", Description: "Not found when it has ended.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body WithToken
	},
	) (*answer[SignedIn], error) {
		out, err := c.present(ctx, &in.Body)
		return signedIn(&out), err
	})
	handle(s, Dialer, huma.Operation{
		OperationID: "sign-out", Method: http.MethodPost, Path: "/v1/sessions:logout", Tags: tags,
		Summary: "Sign a user out", Description: "A window that was closed is not a logout: the session ends, the user did not leave the call center.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body struct {
			Token  dialer.Secret    `json:"token" minLength:"1" maxLength:"200"`
			Reason dialer.EndReason `json:"reason,omitempty" enum:"logout,window_closed" default:"logout"`
		}
	},
	) (*answer[EndedSessions], error) {
		err := c.Directory.SignOut(ctx, in.Body.Token, in.Body.Reason)
		return &answer[EndedSessions]{EndedSessions{1}}, err
	})
	s.routeOwnSecrets(tags)
}

// routeOwnSecrets registers what users do about their own password and second
// factor.
func (s *Server) routeOwnSecrets(tags []string) {
	s.routeSelf(tags)
	handle(s, Dialer, huma.Operation{
		OperationID: "change-password", Method: http.MethodPost, Path: "/v1/sessions:change-password", Tags: tags,
		Summary: "Change the password of who is signed in", Description: "Ends their other sessions.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body struct {
			WithToken
			Old dialer.Secret `json:"old_password" minLength:"1" maxLength:"1000"`
			New dialer.Secret `json:"new_password" minLength:"1" maxLength:"1000"`
		}
	},
	) (*answer[SignedIn], error) {
		who, err := c.present(ctx, &in.Body.WithToken)
		if err == nil {
			err = c.Directory.ChangePassword(ctx, who.User.ID, in.Body.Old, in.Body.New, who.Session.ID)
		}
		return signedIn(&who), err
	})
	handle(s, Dialer, huma.Operation{
		OperationID: "enroll-2fa", Method: http.MethodPost, Path: "/v1/sessions:enroll-2fa", Tags: tags,
		Summary: "Make a second factor for who is signed in", Description: "It is in use once a code of it was verified. Shown once.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body WithToken
	},
	) (*answer[dialer.Enrollment], error) {
		who, err := c.present(ctx, &in.Body)
		if err != nil {
			return nil, err
		}
		e, err := c.Directory.EnrollFactor(ctx, who.User.ID)
		return &answer[dialer.Enrollment]{e}, err
	})
	handle(s, Dialer, huma.Operation{
		OperationID: "verify-2fa", Method: http.MethodPost, Path: "/v1/sessions:verify-2fa", Tags: tags,
		Summary: "Take the second factor of who is signed in into use",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body struct {
			WithToken
			Code dialer.Secret `json:"code" minLength:"1" maxLength:"100"`
		}
	},
	) (*answer[SignedIn], error) {
		who, err := c.present(ctx, &in.Body.WithToken)
		if err == nil {
			err = c.Directory.VerifyFactor(ctx, who.User.ID, in.Body.Code)
		}
		if err == nil {
			who, err = c.present(ctx, &in.Body.WithToken)
		}
		return signedIn(&who), err
	})
}

// present finds out who is signed in.
func (c call) present(ctx context.Context, w *WithToken) (dialer.SignedIn, error) {
	if err := address(w.IP); err != nil {
		return dialer.SignedIn{}, err
	}
	return c.Directory.Authenticate(ctx, w.Token, w.IP)
}
