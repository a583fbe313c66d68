package sync

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Desired is what the directory should hold for one Salesforce user, as far as
// Salesforce and the rules can say.
type Desired struct {
	SalesforceID string
	Hash         int64         // of the source row
	Leave        dialer.Reason // ReasonNone for someone who belongs in the dialer
	Changed      time.Time     // when Salesforce made them leave, if known
	Created      time.Time     // in Salesforce
	Modified     time.Time     // in Salesforce, for how long changes take
	Active       bool          // in Salesforce
	Unknown      bool          // could not be read: nothing may be decided
	Blind        bool          // the scope needs what is not visible: nobody joins by it
	Enroll       bool          // may be added to the dialer
	User         dialer.User   // what the rules give
	Owned        []dialer.Field
	Seeded       []dialer.Field
	Err          error // the rules could not be evaluated for this user
}

// judge decides what a mirror row means under the configuration. held names
// Salesforce fields that are not visible.
func (c *Config) judge(r *store.MirrorRow, held []string) Desired {
	d := Desired{SalesforceID: r.ID, Hash: r.Hash, Created: store.Time(r.Created), Modified: store.Time(r.Modstamp), Active: r.Active, Unknown: !r.Visible}
	if d.Unknown {
		return d
	}
	var u crm.User
	if err := json.Unmarshal(r.Doc, &u); err != nil {
		d.Err = fmt.Errorf("read the mirror's copy: %w", err)
		return d
	}
	u.IsFrozen = r.Frozen
	d.judgeUser(c, &u, held)
	return d
}

func (d *Desired) judgeUser(c *Config, u *crm.User, held []string) {
	in, err := c.Policy.InScope(u)
	switch {
	case !u.IsActive:
		d.Leave, d.Changed = dialer.ReasonSalesforceInactive, u.LastModifiedDate
	case u.IsFrozen && c.Frozen == FrozenDeactivate:
		d.Leave = dialer.ReasonSalesforceFrozen
	case err != nil:
		d.Err = err
		return
	case !in:
		d.Leave = dialer.ReasonOutOfScope
	}
	d.Blind = c.Policy.blind(held)
	d.Enroll = d.Leave == dialer.ReasonNone && c.Enrollment == EnrollAutomatic && !d.Blind
	d.Owned, d.Seeded, d.Err = c.Policy.Map(u, held, &d.User)
	if d.Leave != dialer.ReasonNone {
		d.Err = nil // nobody keeps access because a rule fails for them
	}
	d.User.SalesforceID = d.SalesforceID
	if d.User.Email == "" {
		d.User.Email = u.Email
	}
	if d.User.Username == "" {
		d.User.Username = u.Username
	}
	tidy(&d.User)
	d.User.Origin = dialer.OriginSalesforce
	d.User.Status = dialer.StatusActive
}

// tidy brings what Salesforce says into the form that the dialer stores, so
// that the two can be compared. Few need it.
func tidy(u *dialer.User) {
	for _, s := range [...]string{
		u.Username, u.Email, u.FirstName, u.LastName, u.DisplayName, u.Title, u.EmployeeNumber, u.Phone, u.Mobile,
		u.Settings.CallerIDName, u.Settings.SalesRole, u.Settings.TargetMarket, u.Settings.CallerIDNumber, u.Settings.Country,
		u.ManagerID, u.Extension, u.Timezone, u.Language, u.SystemRole,
	} {
		for i := range len(s) {
			if c := s[i]; c < ' ' || c >= 0x7f {
				dialer.Normalize(u)
				return
			}
		}
	}
	for _, g := range u.Groups {
		if strings.ContainsFunc(g.Name, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
			dialer.Normalize(u)
			return
		}
	}
}
