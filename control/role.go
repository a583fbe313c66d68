package control

import (
	"errors"
	"slices"

	"github.com/rosterd/rosterd/dialer"
)

// Role is how much a caller may do. A role may do what the ones before it may.
type Role string

// The roles, from least to most.
const (
	Viewer  Role = "viewer"  // read everything
	Support Role = "support" // ask for runs, and pause or cancel them
	Manager Role = "manager" // add, activate and deactivate users, settle attention items
	Admin   Role = "admin"   // approve held changes, pause the sync, buy seats, override the quota
)

// Dialer is the role of the dialer's own programs, beside the others: it may
// sign users in and out, and nothing else. An admin may too.
const Dialer Role = "dialer"

// anyone is what an operation needs that needs no caller.
const anyone Role = ""

// Roles lists the roles from least to most.
func Roles() []Role { return []Role{Viewer, Support, Manager, Admin} }

// ParseRole returns the role of that name. Its error leaves the name out: in a
// file of tokens it might be one.
func ParseRole(name string) (Role, error) {
	if r := Role(name); r == Dialer || slices.Contains(Roles(), r) {
		return r, nil
	}
	return "", errors.New("not a role: want viewer, support, manager, admin or dialer")
}

// May reports whether r suffices where need is asked for. An unknown role
// suffices for nothing.
func (r Role) May(need Role) bool {
	if need == Dialer {
		return r == Dialer || r == Admin
	}
	have, want := slices.Index(Roles(), r), slices.Index(Roles(), need)
	return have >= 0 && want >= 0 && have >= want
}

// Caller is who makes a request.
type Caller struct {
	Name string `json:"name"`
	Role Role   `json:"role" enum:"viewer,support,manager,admin,dialer"`
	Via  string `json:"via" enum:"socket,token" doc:"how the caller was recognized"`
	// Within limits a manager to the users of some groups; nil is no limit.
	Within []dialer.Group `json:"within,omitempty" doc:"only users who are in one of these are there for the caller"`
}

// Actor is the caller as the journal and the activity log name them.
func (c Caller) Actor() dialer.Actor {
	kind := string(c.Role)
	if c.Role == Viewer {
		kind = "api"
	}
	return dialer.Actor{Kind: kind, Name: c.Name}
}
