package control

import (
	"context"
	"iter"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// Org is what one organization offers to the outside.
type Org struct {
	Engine    Engine
	Directory Directory
	Zone      *time.Location // of the org's days and months; nil means UTC
}

// Engine is the sync of one org. *sync.Engine is one.
type Engine interface {
	// Request starts a run, or joins one that does what is asked, and returns
	// at once.
	Request(ctx context.Context, r sync.Request) (run sync.Run, joined bool, err error)
	// Preview says what a run would cost, without starting it.
	Preview(ctx context.Context, k sync.Kind) (sync.Cost, error)
	RunByID(ctx context.Context, id int64) (sync.Run, error)
	// Runs returns at most limit runs, newest first, older than before unless
	// that is 0.
	Runs(ctx context.Context, before int64, limit int) ([]sync.Run, error)
	// Watch yields the run on each change of its progress. The last one is how
	// it ended.
	Watch(ctx context.Context, id int64) iter.Seq2[sync.Run, error]
	Cancel(ctx context.Context, id int64, a dialer.Actor) error
	PauseRun(ctx context.Context, id int64, a dialer.Actor) error
	ResumeRun(ctx context.Context, id int64, a dialer.Actor) error
	// Approve approves what run id holds and starts a run that applies it.
	Approve(ctx context.Context, id int64, a dialer.Actor, reason string) (sync.Run, error)
	// Pause stops the whole org's sync until Resume.
	Pause(ctx context.Context, a dialer.Actor, reason string) error
	Resume(ctx context.Context, a dialer.Actor) error
	Status(ctx context.Context) (sync.Status, error)
	Explain(ctx context.Context, ref string) (sync.Explanation, error)
	// Add enrolls Salesforce users by id, user name or e-mail address.
	// With seats, each gets those instead of the default ones.
	Add(ctx context.Context, refs, seats []string, a dialer.Actor, reason string) ([]sync.AddResult, error)
	// People returns a page of Salesforce users. It makes no call.
	People(ctx context.Context, q sync.PeopleQuery) (sync.PeoplePage, error)
	// Trend counts by the hour what happened in the last days.
	Trend(ctx context.Context, days int) (sync.Trend, error)
	// Attention returns what waits for a person, or what was ignored.
	Attention(ctx context.Context, ignored bool) ([]sync.AttentionItem, error)
	ResolveAttention(ctx context.Context, id int64, d sync.Decision, a dialer.Actor) error
	Quota(ctx context.Context) (sync.QuotaStatus, error)
	Doctor(ctx context.Context) ([]sync.CheckResult, error)
	// Owners says who decides on each attribute of users linked to Salesforce.
	Owners() map[dialer.Field]dialer.Owner
}

// Directory is the dialer's users of one org. *directory.Directory is one.
type Directory interface {
	MassDirectory
	FileDirectory
	CatalogDirectory
	SessionDirectory
	CredentialDirectory
	SuperuserDirectory
	LeaverDirectory
	// User finds a user by id, Salesforce id, user name or e-mail address.
	User(ctx context.Context, ref string) (dialer.User, error)
	// List returns a page of users, and where the next one starts, "" after
	// the last.
	List(ctx context.Context, q dialer.Query) (users []dialer.User, next string, err error)
	Apply(ctx context.Context, changes []dialer.Change) []dialer.Result
	Licenses(ctx context.Context) ([]dialer.License, error)
	SetPurchased(ctx context.Context, licenseType string, purchased int64, a dialer.Actor) error
	Activity(ctx context.Context, q dialer.ActivityQuery) ([]dialer.Activity, error)
	// Follow returns a function that returns what was added to the activity log
	// since its last call, in the order of the numbers; below 0, q.After is from
	// now on, and from says what that is.
	Follow(ctx context.Context, q dialer.ActivityQuery) (from int64, next func(ctx context.Context) ([]dialer.Activity, error), err error)
}
