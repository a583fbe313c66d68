package controltest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
)

// Directory is a directory of users in memory. NewDirectory makes one. What it
// does not do itself, it has of a real one that is not there: a test of that
// needs NewReal.
type Directory struct {
	*directory.Directory

	mu       sync.Mutex // guards what follows
	users    []dialer.User
	licenses []dialer.License
	log      []dialer.Activity
	masses   []massJob
	manual   bool // mass actions wait for FinishMass
}

// NewDirectory makes a directory that holds users. Each seat that a user holds
// counts; seats are those purchased of the type powerdialer.
func NewDirectory(seats int64, users ...dialer.User) *Directory {
	return &Directory{users: users, licenses: []dialer.License{{Type: "powerdialer", Purchased: seats, Default: true}}}
}

// User finds a user.
func (d *Directory) User(_ context.Context, ref string) (dialer.User, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.findLocked(ref)
	if u == nil {
		return dialer.User{}, fmt.Errorf("find a user: %w", dialer.ErrNotFound)
	}
	return *u, nil
}

func (d *Directory) findLocked(ref string) *dialer.User {
	for i := range d.users {
		u := &d.users[i]
		if ref != "" && (u.ID == ref || u.SalesforceID == ref || dialer.Key(u.Username) == dialer.Key(ref) || dialer.Key(u.Email) == dialer.Key(ref)) {
			return u
		}
	}
	return nil
}

// key is what a query orders by.
func key(u *dialer.User, o dialer.Order) string {
	switch o {
	case dialer.OrderSalesforceID:
		return u.SalesforceID
	case dialer.OrderUsername:
		return u.Username
	}
	return u.ID
}

// List returns a page of users.
func (d *Directory) List(_ context.Context, q dialer.Query) ([]dialer.User, string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if q.Limit <= 0 {
		panic("a list without a limit")
	}
	all := slices.SortedFunc(slices.Values(d.users), func(a, b dialer.User) int { return cmp.Compare(key(&a, q.Order), key(&b, q.Order)) })
	var page []dialer.User
	for _, u := range all {
		if key(&u, q.Order) <= q.After || !selects(q, &u) {
			continue
		}
		if len(page) == q.Limit {
			return page, key(&page[len(page)-1], q.Order), nil
		}
		page = append(page, u)
	}
	return page, "", nil
}

func selects(q dialer.Query, u *dialer.User) bool {
	text := strings.ToLower(u.FirstName + " " + u.LastName + " " + u.Username + " " + u.Email)
	switch {
	case q.Status == "" && u.Status == dialer.StatusDeleted,
		q.Status != "" && q.Status != dialer.StatusAll && q.Status != u.Status,
		q.IDs != nil && !slices.Contains(q.IDs, u.ID),
		q.License != "" && !slices.Contains(u.LicenseTypes, q.License),
		q.Licenses != nil && !slices.ContainsFunc(q.Licenses, func(l string) bool { return slices.Contains(u.LicenseTypes, l) }),
		slices.ContainsFunc(q.Groups, func(g dialer.Group) bool {
			return !slices.ContainsFunc(q.Groups, func(h dialer.Group) bool { return h.Kind == g.Kind && slices.Contains(u.Groups, h) })
		}),
		q.Linked && u.SalesforceID == "",
		q.Group != (dialer.Group{}) && !slices.Contains(u.Groups, q.Group),
		q.Search != "" && u.Extension != q.Search && !strings.Contains(text, strings.ToLower(q.Search)):
		return false
	}
	return true
}

// Apply activates and deactivates users, and refuses everything else.
func (d *Directory) Apply(_ context.Context, changes []dialer.Change) []dialer.Result {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []dialer.Result
	for _, c := range changes {
		r := dialer.Result{UserID: c.UserID, Outcome: dialer.Refused}
		r.Outcome, r.Version, r.Err = d.applyLocked(c)
		out = append(out, r)
	}
	return out
}

func (d *Directory) applyLocked(c dialer.Change) (dialer.Outcome, int64, error) {
	if c.Actor.Name == "" {
		panic("a change without an actor")
	}
	i := slices.IndexFunc(d.users, func(u dialer.User) bool { return u.ID == c.UserID && u.Status != dialer.StatusDeleted })
	if i < 0 {
		return dialer.Refused, 0, dialer.ErrNotFound
	}
	u := &d.users[i]
	next := *u
	switch c.Verb {
	case dialer.VerbActivate:
		for _, kind := range c.Seats {
			if kind != d.licenses[0].Type {
				return dialer.Refused, u.Version, &dialer.InvalidError{Field: dialer.FieldLicenses, Rule: "must be license types of the org"}
			}
			if !slices.Contains(u.LicenseTypes, kind) {
				next.LicenseTypes = []string{kind}
			}
		}
		if len(next.LicenseTypes) > len(u.LicenseTypes) && d.licenses[0].Purchased <= d.assignedLocked() {
			return dialer.Refused, u.Version, fmt.Errorf("activate: %w", dialer.ErrNoSeat)
		}
		next.Status, next.StatusReason, next.AdminHold = dialer.StatusActive, dialer.ReasonNone, false
	case dialer.VerbDeactivate:
		next.Status, next.StatusReason, next.LicenseTypes, next.AdminHold = dialer.StatusInactive, c.Reason, nil, true
	default:
		return dialer.Refused, u.Version, fmt.Errorf("this directory does not %s", c.Verb)
	}
	if next.Status == u.Status && next.StatusReason == u.StatusReason && next.AdminHold == u.AdminHold && slices.Equal(next.LicenseTypes, u.LicenseTypes) {
		return dialer.Unchanged, u.Version, nil
	}
	if c.Version != 0 && c.Version != u.Version {
		return dialer.Refused, u.Version, dialer.ErrConflict
	}
	*u = next
	u.Version++
	d.log = append(d.log, dialer.Activity{
		Seq: int64(len(d.log) + 1), At: Start(), Actor: c.Actor, UserID: u.ID, SalesforceID: u.SalesforceID, Verb: c.Verb,
		Reason: c.Reason, Note: c.Note, Before: []byte("{}"), After: []byte("{}"), RunID: c.RunID,
	})
	return dialer.Applied, u.Version, nil
}

func (d *Directory) assignedLocked() int64 {
	n := int64(0)
	for _, u := range d.users {
		n += int64(len(u.LicenseTypes))
	}
	return n
}

// enroll adds a user for a person of Salesforce.
func (d *Directory) enroll(sfid, mail string) (id, outcome, detail string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u := d.findLocked(sfid); u != nil {
		return u.ID, "already", ""
	}
	if d.licenses[0].Purchased <= d.assignedLocked() {
		return "", "no_seat", "no seat of powerdialer is left"
	}
	id = fmt.Sprintf("00000000-0000-4000-8000-%012d", len(d.users)+1)
	d.users = append(d.users, dialer.User{
		ID: id, SalesforceID: sfid, Username: mail, Email: mail, Status: dialer.StatusActive, LicenseTypes: []string{"powerdialer"}, Version: 1,
	})
	return id, "added", ""
}

// Licenses lists the license types.
func (d *Directory) Licenses(context.Context) ([]dialer.License, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.licenses[0]
	l.Assigned = d.assignedLocked()
	l.Left = l.Purchased - l.Assigned
	return []dialer.License{l}, nil
}

// SetPurchased says how many seats there are.
func (d *Directory) SetPurchased(_ context.Context, licenseType string, purchased int64, _ dialer.Actor) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if licenseType != d.licenses[0].Type {
		return fmt.Errorf("set seats of %s: %w", licenseType, &dialer.InvalidError{Field: dialer.FieldLicenses, Rule: "must be license types of the org"})
	}
	d.licenses[0].Purchased = purchased
	return nil
}

// Activity lists what was done.
func (d *Directory) Activity(_ context.Context, q dialer.ActivityQuery) ([]dialer.Activity, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []dialer.Activity
	for _, a := range slices.Backward(d.log) {
		if (q.UserID == "" || q.UserID == a.UserID) && (q.RunID == "" || q.RunID == a.RunID) && !a.At.Before(q.Since) &&
			(q.After == 0 || a.Seq < q.After) && len(out) < q.Limit {
			out = append(out, a)
		}
	}
	if !q.Newest {
		slices.Reverse(out)
	}
	return out, nil
}

// Follow follows what is done.
func (d *Directory) Follow(ctx context.Context, q dialer.ActivityQuery) (from int64, next func(ctx context.Context) ([]dialer.Activity, error), err error) {
	if q.After < 0 {
		d.mu.Lock()
		q.After = int64(len(d.log))
		d.mu.Unlock()
	}
	return q.After, func(ctx context.Context) (list []dialer.Activity, err error) {
		all, err := d.Activity(ctx, dialer.ActivityQuery{UserID: q.UserID, RunID: q.RunID, Limit: math.MaxInt})
		for _, a := range all {
			if a.Seq > q.After && len(list) < q.Limit {
				list, q.After = append(list, a), a.Seq
			}
		}
		return list, err
	}, nil
}

// OrgSettings are the usual ones.
func (d *Directory) OrgSettings(context.Context) (dialer.OrgSettings, error) {
	return dialer.OrgSettings{}, nil
}

// SuperuserRequests returns none.
func (d *Directory) SuperuserRequests(context.Context) ([]dialer.SuperuserRequest, error) {
	return nil, nil
}

// SuperuserRequest finds none.
func (d *Directory) SuperuserRequest(context.Context, string) (dialer.SuperuserRequest, error) {
	return dialer.SuperuserRequest{}, dialer.ErrNoRequest
}

// Deriver works out what follows from a user's attributes, for an org without
// settings.
func (d *Directory) Deriver(context.Context) (func(u *dialer.User) dialer.Derived, error) {
	return func(u *dialer.User) dialer.Derived { return dialer.Derive(u, dialer.Surroundings{}) }, nil
}
