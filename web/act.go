package web

import (
	"strconv"

	"github.com/rosterd/rosterd/control"
)

// question asks before something is done to a user.
type question struct {
	User   control.User
	Act    string
	Title  string
	Button string
	Danger bool
	Text   []string
	Reason bool
	Must   bool   // a reason is needed
	Field  string // a value to type in, "" for none
	Back   string
}

// Full is the user's name.
func (q question) Full() string { return fullName(q.User) }

// askUser asks before something is done.
func (v *visit) askUser() error {
	u, err := v.api.User(v.r.Context(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	q := question{User: u, Act: v.r.PathValue("act"), Back: v.At("/users/%s", u.ID), Reason: true}
	switch q.Act {
	case "deactivate":
		q.Title, q.Button, q.Danger = "Deactivate "+fullName(u), "Deactivate", true
		q.Text = []string{"Access ends now, and every open session with it."}
		if len(u.LicenseTypes) > 0 {
			q.Text = append(q.Text, plural(len(u.LicenseTypes), "seat is", "seats are")+" freed.")
		}
		q.Text = append(q.Text, "Settings are kept. The sync will not give access again; a person can.")
	case "activate":
		q.Title, q.Button = "Activate "+fullName(u), "Activate"
		q.Text = []string{"Takes a seat, and gives access with the settings that were kept."}
	case "refresh":
		q.Title, q.Button = "Refresh "+fullName(u)+" from Salesforce", "Refresh"
		q.Text = []string{"Reads this one user from Salesforce and brings the dialer in step. It costs one or two API calls."}
	case "reset-password":
		q.Title, q.Button, q.Danger, q.Reason = "Make a new password for "+fullName(u), "Make a new password", true, false
		q.Text = []string{"It is shown once, on the next page. The user must choose another at the next sign-in. Every open session ends."}
	case "reset-2fa":
		q.Title, q.Button, q.Danger, q.Reason = "Reset the second factor of "+fullName(u), "Reset", true, false
		q.Text = []string{"The second factor and its backup codes are deleted, and every open session ends. The user enrolls a new one at the next sign-in."}
	case "delete":
		q.Title, q.Button, q.Danger = "Delete "+fullName(u), "Delete", true
		q.Text = []string{
			"Access ends now, and every open session with it. Seats are freed; those purchased stay.",
			"The leads of the user are unassigned. This cannot be undone: to take access away for a while, deactivate instead.",
		}
	case "ask-superuser":
		q.Title, q.Button, q.Must = "Ask that "+fullName(u)+" be a superuser", "Ask", true
		q.Text = []string{"Another administrator confirms it within a day, or refuses. Until then nothing changes."}
	case "reseed":
		q.Title, q.Button = "Write again what Salesforce gave to "+fullName(u), "Write again"
		q.Text = []string{
			"Attributes that were set from Salesforce once, at creation, get what the rules give today. What an administrator made of them is lost.",
			"From the copy that rosterd keeps: it costs no API call.",
		}
	default:
		return missing("There is no such action.")
	}
	return v.page("ask", q.Title, q)
}

// doUser does it. The user's version goes along, so that what somebody else
// changed meanwhile is not overridden unseen.
func (v *visit) doUser() error {
	ctx, id := v.r.Context(), v.r.PathValue("id")
	at := v.At("/users/%s", id)
	version, _ := strconv.ParseInt(v.form("version"), 10, 64)
	action := control.Action{Reason: v.form("reason"), Version: version}
	switch act := v.r.PathValue("act"); act {
	case "reset-password":
		return v.resetPassword()
	case "reset-2fa", "require-2fa", "waive-2fa", "invite", "ask-authorization":
		return v.signinAct(act)
	case "ask-superuser", "confirm-superuser", "withdraw-superuser":
		return v.superuserAct(act)
	case "deactivate":
		done, err := v.api.Deactivate(ctx, id, action)
		if err != nil {
			return v.back(at, err)
		}
		return v.see(at, note{"ok", fullName(done.User) + " is deactivated.", "The seat is free and sessions have ended."})
	case "activate":
		done, err := v.api.Activate(ctx, id, action)
		if err != nil {
			return v.back(at, err)
		}
		n := note{"ok", fullName(done.User) + " is active.", ""}
		if done.Warning != "" {
			n.Kind, n.Hint = "warn", sentence(done.Warning)
		}
		return v.see(at, n)
	case "delete":
		done, err := v.api.DeleteUser(ctx, id, action.Reason, version)
		if err != nil {
			return v.back(at, err)
		}
		return v.see(v.At("/users"), note{"ok", fullName(done.User) + " is deleted.", ""})
	case "reseed":
		if _, err := v.api.ReseedUser(ctx, id, nil, action.Reason); err != nil {
			return v.back(at, err)
		}
		return v.see(at, note{"ok", "The attributes are as Salesforce has them.", ""})
	case "refresh":
		started, err := v.api.Refresh(ctx, id, action.Reason)
		if err != nil {
			return v.back(at, err)
		}
		return v.see(v.At("/runs/%d", started.Run.ID))
	}
	return missing("There is no such action.")
}
