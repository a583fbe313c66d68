package web

import (
	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/dialer"
)

// superuserPart is the part of a user's page about becoming a superuser, where
// that takes two administrators. It is for them only.
func (v *visit) superuserPart(p *userPage) error {
	if !v.May(control.Admin) || p.User.Status == dialer.StatusDeleted || p.User.Attributes[dialer.FieldSuperuser] == true {
		return nil
	}
	org, err := v.api.OrgSettings(v.r.Context())
	if err != nil {
		return err
	}
	if org.Settings[dialer.OrgTwoPersons] != true {
		return nil
	}
	state, err := v.api.SuperuserRequest(v.r.Context(), p.User.ID)
	p.Wanted, p.MayAsk = state.Request, state.Request == nil
	return err
}

// wanted is a user who is to be a superuser.
type wanted struct {
	control.SuperuserRequest
	Name string
}

// superusers lists who waits for a second administrator.
func (v *visit) superusers() ([]wanted, error) {
	if !v.May(control.Admin) {
		return nil, nil
	}
	page, err := v.api.SuperuserRequests(v.r.Context())
	if err != nil {
		return nil, err
	}
	names, list := make([]entry, len(page.Requests)), make([]wanted, len(page.Requests))
	for i, r := range page.Requests {
		names[i].UserID = r.UserID
	}
	v.names(v.r.Context(), names)
	for i, r := range page.Requests {
		list[i] = wanted{r, names[i].Name}
	}
	return list, nil
}

// superuserAct asks for a superuser, confirms what another asked for, or ends
// it.
func (v *visit) superuserAct(act string) error {
	ctx, id := v.r.Context(), v.r.PathValue("id")
	at := v.At("/users/%s", id)
	switch act {
	case "confirm-superuser":
		done, err := v.api.ConfirmSuperuser(ctx, id)
		if err != nil {
			return v.back(at, err)
		}
		return v.see(at, note{"ok", fullName(done.User) + " is a superuser.", ""})
	case "withdraw-superuser":
		if _, err := v.api.WithdrawSuperuser(ctx, id, v.form("reason")); err != nil {
			return v.back(at, err)
		}
		return v.see(at, note{"ok", "The request is ended. The user stays what they are.", ""})
	}
	if _, err := v.api.AskSuperuser(ctx, id, v.form("reason")); err != nil {
		return v.back(at, err)
	}
	return v.see(at, note{"ok", "Another administrator confirms it, within a day.", "It stands under Attention until then."})
}
