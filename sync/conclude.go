package sync

import (
	"strings"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// conclude puts it into a sentence or two, as one would say it to a colleague.
func conclude(x *Explanation, d *Desired, u *dialer.User, have bool) string {
	text := concludeAbsent
	if have {
		text = concludeUser
	}
	sentence := text(x, d, u)
	if r := x.pending(store.PendingRetry); r != nil && len(x.Attention) == 0 {
		sentence += " The last try failed: " + r.Detail + "."
		if !r.Next.IsZero() {
			sentence += " The next is at " + moment(r.Next) + "."
		}
	}
	if x.Unseen != "" {
		sentence += " No sync has shown this user yet: they are new, or the prefilter (" + x.Unseen + ") leaves them out."
	}
	if len(x.Attention) > 0 {
		sentence += " A person must decide: " + x.Attention[0].Detail + "."
	}
	return sentence
}

// pending returns what waits of a kind, or nil.
func (x *Explanation) pending(kind string) *PendingView {
	for i := range x.Pending {
		if x.Pending[i].Kind == kind {
			return &x.Pending[i]
		}
	}
	return nil
}

// concludeUser is about someone who is, or was, in the dialer.
func concludeUser(x *Explanation, d *Desired, u *dialer.User) string {
	switch {
	case u.Status == dialer.StatusDeleted:
		return "Deleted from the dialer by an administrator; the sync does not add them again, a person can."
	case u.SalesforceID == "":
		return "In the dialer (" + string(u.Status) + ") as a local user, without Salesforce: the sync never touches them."
	case u.Protected:
		return "In the dialer (" + string(u.Status) + ") and protected: the sync never touches them."
	case u.Status == dialer.StatusActive && !u.DeactivateAt.IsZero():
		return "Active until " + moment(u.DeactivateAt) + ", then deactivated: " + reasonText(u.DeactivateWhy) + "."
	case u.Status == dialer.StatusActive:
		return "Active in the dialer" + concludeActive(x, d)
	case u.AdminHold:
		return "Inactive because an administrator deactivated this user; the sync does not undo that."
	case d == nil || d.Unknown || d.Err != nil || d.Leave != dialer.ReasonNone || !u.StatusReason.BySync():
		return "Inactive: " + reasonText(u.StatusReason) + x.failing() + "."
	case x.pending(store.PendingNoSeat) != nil:
		return "Inactive: no seat is left, and this user " + x.Seat + "."
	}
	return "Inactive, though Salesforce has them back: active again with the next sync."
}

// concludeActive says why someone has access whom nothing is about to take it
// from.
func concludeActive(x *Explanation, d *Desired) string {
	leaveHeld, addressHeld := false, false
	for _, p := range x.Pending {
		if p.Kind == "held" {
			address := strings.HasPrefix(p.Detail, string(dialer.VerbUpdate))
			leaveHeld, addressHeld = leaveHeld || !address, addressHeld || address
		}
	}
	switch {
	case d == nil:
		return ", and not known from Salesforce."
	case d.Unknown:
		return ", and left as they are: Salesforce does not show this user to the integration user."
	case d.Err != nil:
		return ", and left as they are: " + d.Err.Error() + "."
	case d.Leave != dialer.ReasonNone && leaveHeld:
		return " still, though " + reasonText(d.Leave) + x.failing() + ": the deactivation is held until someone approves it."
	case d.Leave != dialer.ReasonNone:
		return " still, though " + reasonText(d.Leave) + x.failing() + ": the next sync sees to that."
	case addressHeld:
		return ". The new e-mail address is held until someone approves it."
	case len(x.Diff) > 0:
		return ", but not yet as Salesforce says: " + fieldNames(x.Diff) + "."
	}
	return ", as Salesforce says."
}

// concludeAbsent is about a Salesforce user who is not in the dialer.
func concludeAbsent(x *Explanation, d *Desired, _ *dialer.User) string {
	switch {
	case d == nil:
		return "Not in the dialer, and not known from Salesforce."
	case d.Err != nil:
		return "Not in the dialer: " + d.Err.Error() + "."
	case d.Unknown:
		return "Not in the dialer: Salesforce does not show this user to the integration user."
	case d.Leave != dialer.ReasonNone:
		return "Not in the dialer: " + reasonText(d.Leave) + x.failing() + "."
	case d.Blind:
		return "Not in the dialer: the scope depends on a Salesforce field that cannot be read now."
	case x.pending(store.PendingNoSeat) != nil:
		return "Not in the dialer yet: no seat is left, and this user " + x.Seat + "."
	case len(x.Attention) > 0 || x.pending(store.PendingRetry) != nil:
		return "Not in the dialer, though in scope."
	case !d.Enroll && x.pending(store.PendingEnroll) == nil:
		return "Not in the dialer: in scope, but nobody has added this user and enrollment is selected."
	}
	return "Not in the dialer yet: in scope, and added with the next sync."
}

// failing names the first part of the scope that does not hold, where that is
// what keeps someone out.
func (x *Explanation) failing() string {
	if x.Source == nil || x.Source.Frozen || x.Scope == nil {
		return ""
	}
	for _, c := range x.Scope.Clauses {
		if !c.True && c.Expression != "user.IsActive" {
			return " (" + c.Expression + " is false)"
		}
	}
	return ""
}

func fieldNames(list []FieldDiff) string {
	names := make([]string, len(list))
	for i, f := range list {
		names[i] = f.Field
	}
	return strings.Join(names, ", ")
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func reasonText(r dialer.Reason) string {
	switch r {
	case dialer.ReasonSalesforceInactive:
		return "the user is inactive in Salesforce"
	case dialer.ReasonSalesforceFrozen:
		return "the user is frozen in Salesforce"
	case dialer.ReasonOutOfScope:
		return "the user is not in scope"
	case dialer.ReasonNoSeat:
		return "no seat was left"
	case dialer.ReasonManual:
		return "someone deactivated the user by hand"
	case dialer.ReasonNone:
		return "no reason is known"
	}
	return string(r)
}
