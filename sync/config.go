package sync

import (
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// Config is what one org's engine is told. config fills it from the YAML file.
type Config struct {
	Org        string         // name
	Zone       *time.Location // for midnights and the schedule
	Full       *Schedule      // when a full sync is due
	Poll       time.Duration  // how often to ask for changes
	Changes    Changes        // by events or by asking; empty means by asking
	NoStream   string         // why events cannot be had, in words; empty where they can
	Look       time.Duration  // how often to look for what emits no event; 0 means LookEvery
	Snapshot   Snapshot       // how everyone is read; empty means SnapshotAuto
	Enrollment Enrollment
	Match      dialer.Field // FieldEmail or FieldUsername: how a first link is made
	Frozen     Frozen
	Leaving    Leaving
	OnNoSeat   dialer.OnNoSeat
	Guard      Guard
	Licenses   []dialer.License // seats purchased; the default types are given on enrolment
	Policy     *Policy          // scope and mapping, compiled
	Budget     Budget
}

// Snapshot says by which of Salesforce's APIs everyone is read.
type Snapshot string

// The ways of a snapshot.
const (
	SnapshotAuto Snapshot = "auto" // by number of users and calls left, and by REST where bulk fails
	SnapshotREST Snapshot = "rest"
	SnapshotBulk Snapshot = "bulk"
)

// Enrollment says who is added to the dialer.
type Enrollment string

// The ways of enrollment.
const (
	EnrollAutomatic Enrollment = "automatic" // everyone in scope
	EnrollSelected  Enrollment = "selected"  // those whom an administrator adds
)

// Frozen says what a frozen Salesforce user means for the dialer.
type Frozen string

// The meanings of frozen.
const (
	FrozenDeactivate Frozen = "deactivate"
	FrozenIgnore     Frozen = "ignore"
)

// Budget limits the Salesforce API calls of routine work.
type Budget struct {
	CallsPerDay    int     // ours, in any 24 hours; zero means no budget of our own
	ReservePercent float64 // of the org's daily limit, left to its other apps
}

// Rule sets one attribute of a dialer user from a Salesforce user.
type Rule struct {
	Set string // attribute or kind of group
	To  string // expression over user
	Own Own    // empty means salesforce
}

// Own says who owns an attribute.
type Own string

// The owners of an attribute.
const (
	OwnSalesforce Own = "salesforce" // rewritten on each sync
	OwnSeeded     Own = "seeded"     // written once, at creation
	OwnAdmin      Own = "admin"      // never written by the sync
)
