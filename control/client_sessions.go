package control

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rosterd/rosterd/dialer"
)

// More words of the answers.
type (
	// Session is a user's sign-in to the dialer.
	Session = dialer.Session
	// NewPassword is a password that was made for a user.
	NewPassword = dialer.NewPassword
	// Invitation is the latest invitation of a user.
	Invitation = dialer.Invitation
	// Credential is how a user signs in.
	Credential = dialer.Credential
	// Enrollment is a second factor that waits for its first code.
	Enrollment = dialer.Enrollment
	// SuperuserRequest is one administrator's wish that somebody be a superuser.
	SuperuserRequest = dialer.SuperuserRequest
	// Secret is text that is shown once. It prints as <secret>.
	Secret = dialer.Secret
)

// SessionFilter selects sessions. The zero value selects all of them.
type SessionFilter struct {
	User  string // id, Salesforce id, user name or e-mail address
	Open  bool   // only those that go on
	Limit int    // of a page; 0 means 100. Of Sessions, of all of them; 0 means all
}

// SessionPage returns one page of sessions, from where cursor says, which is
// Next of the page before.
func (c *Client) SessionPage(ctx context.Context, f SessionFilter, cursor string) (SessionPage, error) {
	q := url.Values{}
	if f.User != "" {
		q.Set("user", f.User)
	}
	if f.Open {
		q.Set("open", "true")
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return get[SessionPage](ctx, c, "/v1/sessions", q)
}

// Sessions yields the sessions that f selects, page by page.
func (c *Client) Sessions(ctx context.Context, f SessionFilter) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		left, all := f.Limit, f.Limit == 0
		for cursor := ""; ; {
			f.Limit = userPage
			if !all {
				f.Limit = min(left, userPage)
			}
			page, err := c.SessionPage(ctx, f, cursor)
			if err != nil {
				yield(Session{}, err)
				return
			}
			for _, s := range page.Sessions {
				if !yield(s, nil) {
					return
				}
			}
			left -= len(page.Sessions)
			if cursor = page.Next; cursor == "" || !all && left <= 0 {
				return
			}
		}
	}
}

// EndSession ends one session.
func (c *Client) EndSession(ctx context.Context, id, reason string) (EndedSessions, error) {
	q := url.Values{}
	if reason != "" {
		q.Set("reason", reason)
	}
	return doJSON[EndedSessions](ctx, c, request{method: http.MethodDelete, path: "/v1/sessions/" + url.PathEscape(id), query: q})
}

// EndSessions ends all sessions of a user, or everybody's.
func (c *Client) EndSessions(ctx context.Context, e SessionEnd) (EndedSessions, error) {
	return post[EndedSessions](ctx, c, "/v1/sessions:end", e)
}

// SignIn signs a user in.
func (c *Client) SignIn(ctx context.Context, r SignInRequest) (SignedIn, error) {
	return post[SignedIn](ctx, c, "/v1/sessions", r)
}

// Heartbeat says that a session is in use, and returns whose it is.
func (c *Client) Heartbeat(ctx context.Context, w WithToken) (SignedIn, error) {
	return post[SignedIn](ctx, c, "/v1/sessions:heartbeat", w)
}

// SignOut ends the session that a token proves, for logout or window_closed.
func (c *Client) SignOut(ctx context.Context, token Secret, reason string) (EndedSessions, error) {
	return post[EndedSessions](ctx, c, "/v1/sessions:logout", map[string]string{"token": string(token), "reason": reason})
}

// SignInState says how a user signs in, and how far their invitation has come.
func (c *Client) SignInState(ctx context.Context, ref string) (SignInState, error) {
	return get[SignInState](ctx, c, userPath(ref, "/credential"), nil)
}

// ResetPassword makes a new password for a user. reason is why, for the activity
// log, as in what follows.
func (c *Client) ResetPassword(ctx context.Context, ref string, mustChange bool, reason string) (NewPassword, error) {
	return post[NewPassword](ctx, c, userPath(ref, ":reset-password"), map[string]any{"must_change": mustChange, "reason": reason})
}

// ResetFactor deletes a user's second factor.
func (c *Client) ResetFactor(ctx context.Context, ref, reason string) (FactorReset, error) {
	return post[FactorReset](ctx, c, userPath(ref, ":reset-2fa"), map[string]string{"reason": reason})
}

// RequireFactor says whether a user must have a second factor.
func (c *Client) RequireFactor(ctx context.Context, ref string, required bool) (SignInState, error) {
	return post[SignInState](ctx, c, userPath(ref, ":require-2fa"), map[string]bool{"required": required})
}

// Invite invites a user to set a password.
func (c *Client) Invite(ctx context.Context, ref string, again bool, reason string) (Invitation, error) {
	return post[Invitation](ctx, c, userPath(ref, ":invite"), map[string]any{"again": again, "reason": reason})
}

// EditSelf changes what users may set for themselves, such as their own caller
// ID, on behalf of who is signed in.
func (c *Client) EditSelf(ctx context.Context, e SelfEdit) (Acted, error) {
	return post[Acted](ctx, c, "/v1/sessions:edit", e)
}

// AskAuthorization asks a user to let the dialer act for them in Salesforce.
func (c *Client) AskAuthorization(ctx context.Context, ref string, a Asking) (Acted, error) {
	return post[Acted](ctx, c, userPath(ref, ":ask-authorization"), a)
}

// SetAuthorization says what became of a user's authorization in Salesforce.
func (c *Client) SetAuthorization(ctx context.Context, ref string, a Authorization) (Acted, error) {
	return post[Acted](ctx, c, userPath(ref, ":set-authorization"), a)
}

// AuthorizeSelf says what became of the authorization in Salesforce of who is
// signed in: authorized, revoked, expired or error.
func (c *Client) AuthorizeSelf(ctx context.Context, w WithToken, state string) (Acted, error) {
	return post[Acted](ctx, c, "/v1/sessions:authorization", struct {
		WithToken
		State string `json:"state"`
	}{w, state})
}

// SuperuserRequests lists who is to be a superuser and waits for a second
// administrator.
func (c *Client) SuperuserRequests(ctx context.Context) (SuperuserPage, error) {
	return get[SuperuserPage](ctx, c, "/v1/superuser-requests", nil)
}

// SuperuserRequest says who wants a user to be a superuser.
func (c *Client) SuperuserRequest(ctx context.Context, ref string) (SuperuserState, error) {
	return get[SuperuserState](ctx, c, userPath(ref, "/superuser-request"), nil)
}

// AskSuperuser asks for a user to be a superuser, which another administrator
// confirms.
func (c *Client) AskSuperuser(ctx context.Context, ref, reason string) (SuperuserRequest, error) {
	return post[SuperuserRequest](ctx, c, userPath(ref, ":ask-superuser"), map[string]string{"reason": reason})
}

// ConfirmSuperuser makes a user a superuser whom another administrator asked
// for.
func (c *Client) ConfirmSuperuser(ctx context.Context, ref string) (Acted, error) {
	return post[Acted](ctx, c, userPath(ref, ":confirm-superuser"), nil)
}

// WithdrawSuperuser ends a request for a superuser, and returns it.
func (c *Client) WithdrawSuperuser(ctx context.Context, ref, reason string) (SuperuserRequest, error) {
	return post[SuperuserRequest](ctx, c, userPath(ref, ":withdraw-superuser"), map[string]string{"reason": reason})
}

// AcceptInvitation sets a password by an invitation. It needs no token of the
// API.
func (c *Client) AcceptInvitation(ctx context.Context, token, password Secret) error {
	_, err := post[Accepted](ctx, c, pathAccept, map[string]Secret{"token": token, "password": password})
	return err
}
