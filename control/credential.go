package control

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// CredentialDirectory keeps how users sign in. *directory.Directory does.
type CredentialDirectory interface {
	Credential(ctx context.Context, userID string) (dialer.Credential, error)
	// ResetPassword makes a new password, which is returned this once, and ends
	// every session of the user.
	ResetPassword(ctx context.Context, userID string, mustChange bool, note string, by dialer.Actor) (dialer.NewPassword, error)
	ResetFactor(ctx context.Context, userID, note string, by dialer.Actor) (sessionsEnded int64, err error)
	RequireFactor(ctx context.Context, userID string, must bool, by dialer.Actor) error
	Invite(ctx context.Context, userID string, again bool, note string, by dialer.Actor) (dialer.Invitation, error)
	// Authorize notes what became of a user's authorization in Salesforce.
	Authorize(ctx context.Context, userID, state, note string, by dialer.Actor) (dialer.Result, error)
	// Invitations returns the latest invitation of each of users.
	Invitations(ctx context.Context, userIDs []string) (map[string]dialer.Invitation, error)
	AcceptInvitation(ctx context.Context, token, password dialer.Secret) (userID string, err error)
}

// SignInState is how a user signs in, and how far their invitation has come.
type SignInState struct {
	Credential dialer.Credential `json:"credential"`
	Invitation dialer.Invitation `json:"invitation"`
}

// FactorReset says that a second factor is gone.
type FactorReset struct {
	UserID        string `json:"user_id"`
	SessionsEnded int64  `json:"sessions_ended"`
}

func (s *Server) routeCredentials() {
	tags := []string{"users"}
	handle(s, Viewer, huma.Operation{
		OperationID: "user-credential", Method: http.MethodGet, Path: "/v1/users/{id}/credential", Tags: tags,
		Summary: "How a user signs in; nothing in it is secret",
	}, signInState)
	handle(s, Manager, huma.Operation{
		OperationID: "reset-password", Method: http.MethodPost, Path: "/v1/users/{id}:reset-password", Tags: tags,
		Summary: "Make a new password for a user", Description: "It is shown this once, and ends every session of the user. " +
			"For an administrator or a superuser of the dialer, and for someone protected, it needs the role admin.",
	}, func(ctx context.Context, c call, in *struct {
		OfUser
		Body *struct {
			MustChange *bool  `json:"must_change,omitempty" doc:"the user must choose another at the next sign-in; true when left out"`
			Reason     string `json:"reason,omitempty" maxLength:"500" doc:"why, for the activity log"`
		}
	},
	) (*answer[dialer.NewPassword], error) {
		u, err := c.privileged(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		must, reason := true, ""
		if in.Body != nil {
			reason = in.Body.Reason
			must = in.Body.MustChange == nil || *in.Body.MustChange
		}
		p, err := c.Directory.ResetPassword(ctx, u.ID, must, reason, c.Actor())
		return &answer[dialer.NewPassword]{p}, err
	})
	handle(s, Manager, huma.Operation{
		OperationID: "reset-2fa", Method: http.MethodPost, Path: "/v1/users/{id}:reset-2fa", Tags: tags,
		Summary: "Delete a user's second factor and its backup codes", Description: "The user must enroll a new one, and every session of theirs ends. " +
			"For whom it needs the role admin is as for the password.",
	}, func(ctx context.Context, c call, in *struct {
		OfUser
		Body *Why
	},
	) (*answer[FactorReset], error) {
		u, err := c.privileged(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		n, err := c.Directory.ResetFactor(ctx, u.ID, in.Body.reason(), c.Actor())
		return &answer[FactorReset]{FactorReset{u.ID, n}}, err
	})
	handle(s, Manager, huma.Operation{
		OperationID: "require-2fa", Method: http.MethodPost, Path: "/v1/users/{id}:require-2fa", Tags: tags,
		Summary: "Say whether a user must have a second factor",
	}, func(ctx context.Context, c call, in *struct {
		OfUser
		Body struct {
			Required bool `json:"required"`
		}
	},
	) (*answer[SignInState], error) {
		u, err := c.privileged(ctx, in.ID)
		if err == nil {
			err = c.Directory.RequireFactor(ctx, u.ID, in.Body.Required, c.Actor())
		}
		if err != nil {
			return nil, err
		}
		return signInState(ctx, c, &in.OfUser)
	})
	handle(s, Manager, huma.Operation{
		OperationID: "invite-user", Method: http.MethodPost, Path: "/v1/users/{id}:invite", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Invite a user to set a password", Description: "Whoever was invited before is not again, unless again is true, which makes the earlier invitations void.",
	}, func(ctx context.Context, c call, in *struct {
		OfUser
		Body *struct {
			Again  bool   `json:"again,omitempty"`
			Reason string `json:"reason,omitempty" maxLength:"500" doc:"why, for the activity log"`
		}
	},
	) (*answer[dialer.Invitation], error) {
		u, err := c.privileged(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		again, reason := false, ""
		if in.Body != nil {
			again, reason = in.Body.Again, in.Body.Reason
		}
		i, err := c.Directory.Invite(ctx, u.ID, again, reason, c.Actor())
		return &answer[dialer.Invitation]{i}, err
	})
	s.routeInvitation()
	s.routeAuthorization()
	s.routeSuperusers()
}

func signInState(ctx context.Context, c call, in *OfUser) (*answer[SignInState], error) {
	u, err := c.Directory.User(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := SignInState{Invitation: dialer.Invitation{UserID: u.ID, State: dialer.InviteNone}}
	if out.Credential, err = c.Directory.Credential(ctx, u.ID); err != nil {
		return nil, err
	}
	all, err := c.Directory.Invitations(ctx, []string{u.ID})
	if i, ok := all[u.ID]; ok {
		out.Invitation = i
	}
	return &answer[SignInState]{out}, err
}

// privileged finds a user whose way in the caller may change: a manager who
// could set an administrator's password would be one.
func (c call) privileged(ctx context.Context, ref string) (dialer.User, error) {
	u, err := c.Directory.User(ctx, ref)
	if err == nil && (u.SystemRole == dialer.SystemRoleAdmin || u.Superuser || u.Protected) && !c.Role.May(Admin) {
		err = forbidden(c.Caller, Admin)
	}
	return u, err
}
