package controltest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// act changes a run that is under way.
func (e *Engine) act(id int64, a dialer.Actor, f func(*rostersync.Run)) error {
	if a.Name == "" {
		panic("an act without an actor")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	run, err := e.runLocked(id)
	if err := cmp.Or(e.Broken, err); err != nil {
		return err
	}
	if run.Outcome != rostersync.Running {
		return rostersync.ErrRunEnded
	}
	f(run)
	e.moveLocked()
	return nil
}

// Cancel ends a run.
func (e *Engine) Cancel(_ context.Context, id int64, a dialer.Actor) error {
	return e.act(id, a, func(r *rostersync.Run) { r.Outcome, r.Finished = rostersync.Cancelled, Start() })
}

// PauseRun halts a run.
func (e *Engine) PauseRun(_ context.Context, id int64, a dialer.Actor) error {
	return e.act(id, a, func(r *rostersync.Run) { r.Paused = true })
}

// ResumeRun lets a run go on.
func (e *Engine) ResumeRun(_ context.Context, id int64, a dialer.Actor) error {
	return e.act(id, a, func(r *rostersync.Run) { r.Paused = false })
}

// Approve spends what a run holds once.
func (e *Engine) Approve(_ context.Context, id int64, a dialer.Actor, reason string) (rostersync.Run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	run, err := e.runLocked(id)
	switch {
	case err != nil:
		return rostersync.Run{}, err
	case run.Outcome != rostersync.Held:
		return rostersync.Run{}, rostersync.ErrNothingHeld
	case slices.Contains(e.approved, id):
		return rostersync.Run{}, rostersync.ErrHeldChanged
	}
	e.approved = append(e.approved, id)
	next := rostersync.Run{
		ID: int64(len(e.runs) + 1), Org: e.Name, Kind: run.Kind, Trigger: "approval", Reason: reason, Actor: a,
		Outcome: rostersync.Succeeded, Stage: "done", Started: Start(), Finished: Start(), Counts: rostersync.Counts{Deactivated: len(run.HeldItems)},
	}
	e.runs = append(e.runs, next)
	e.moveLocked()
	return next, nil
}

// Pause stops the org's sync.
func (e *Engine) Pause(_ context.Context, _ dialer.Actor, _ string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.paused = true
	return e.Broken
}

// Resume lets the org's sync go on.
func (e *Engine) Resume(_ context.Context, _ dialer.Actor) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.paused = false
	return e.Broken
}

// Status is State, with what the engine knows itself.
func (e *Engine) Status(context.Context) (rostersync.Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.State
	s.Name, s.Quota, s.Attention = e.Name, e.Limits, len(e.Items)
	s.State = cmp.Or(s.State, "ok")
	if e.paused {
		s.State = "paused"
	}
	return s, e.Broken
}

// Explain explains a user of the directory, or a person of Salesforce only.
func (e *Engine) Explain(ctx context.Context, ref string) (rostersync.Explanation, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Broken != nil {
		return rostersync.Explanation{}, e.Broken
	}
	x := rostersync.Explanation{Asked: ref, Match: "linked by email", Seat: "holds powerdialer"}
	sfid, err := e.salesforceID(ctx, ref)
	if err != nil {
		return rostersync.Explanation{}, err
	}
	x.Source = &rostersync.Source{
		ID: sfid, Visible: true, Modified: Start(), ReadAt: Start(), Fields: map[string]any{
			"IsActive": true, "UserType": "Standard", "Phone": "555-0100", "Profile": map[string]any{"Name": "Rep", "UserLicense": map[string]any{"Name": "Salesforce"}},
		},
	}
	x.Scope = &rostersync.ScopeVerdict{
		Expression: `user.IsActive && user.Profile.UserLicense.Name == "Salesforce"`, In: true,
		Clauses: []rostersync.Clause{{Expression: "user.IsActive", True: true}, {Expression: `user.Profile.UserLicense.Name == "Salesforce"`, True: true}},
	}
	u, err := e.Users.User(ctx, sfid)
	if err != nil {
		x.Match, x.Seat, x.Conclusion = "none", "needs one", "In scope, and not in the dialer yet."
		return x, nil
	}
	x.User = &rostersync.UserView{ID: u.ID, Username: u.Username, Status: u.Status, Licenses: u.LicenseTypes}
	x.Mapping = []rostersync.MappedField{{Field: "title", Rule: "user.Title", Own: rostersync.OwnSalesforce, Value: "Rep"}}
	x.Diff = []rostersync.FieldDiff{{Field: "title", Have: "", Want: "Rep"}}
	x.Pending = []rostersync.PendingView{{Kind: "retry", Since: Start(), Next: Start(), Attempts: 2, Detail: "the database was locked"}}
	x.Actions = []dialer.Activity{{Seq: 1, At: Start(), Actor: dialer.Actor{Kind: "sync", Name: "run 1"}, UserID: u.ID, Verb: dialer.VerbCreate, RunID: "1"}}
	x.Conclusion = "Active, because Salesforce shows an active user who is in scope."
	return x, nil
}

// Add enrolls people of Salesforce.
func (e *Engine) Add(ctx context.Context, refs, _ []string, _ dialer.Actor, _ string) ([]rostersync.AddResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []rostersync.AddResult
	for _, ref := range refs {
		r := rostersync.AddResult{Ref: ref, Outcome: "refused", Detail: "Salesforce shows no such user"}
		if id, err := e.salesforceID(ctx, ref); err == nil {
			r.SalesforceID = id
			r.UserID, r.Outcome, r.Detail = e.Users.enroll(id, ref)
		}
		out = append(out, r)
	}
	return out, e.Broken
}

// People lists whom it knows from Salesforce: nobody.
func (e *Engine) People(context.Context, rostersync.PeopleQuery) (rostersync.PeoplePage, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return rostersync.PeoplePage{People: []rostersync.Person{}}, e.Broken
}

// Trend remembers nothing.
func (e *Engine) Trend(context.Context, int) (rostersync.Trend, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return rostersync.Trend{}, e.Broken
}

// Attention lists what waits for a person.
func (e *Engine) Attention(_ context.Context, ignored bool) ([]rostersync.AttentionItem, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ignored {
		return slices.Clone(e.Left), e.Broken
	}
	return slices.Clone(e.Items), e.Broken
}

// ResolveAttention settles an item.
func (e *Engine) ResolveAttention(_ context.Context, id int64, d rostersync.Decision, a dialer.Actor) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := slices.IndexFunc(e.Items, func(i rostersync.AttentionItem) bool { return i.ID == id })
	if at < 0 {
		return rostersync.ErrNoAttention
	}
	item := e.Items[at]
	switch {
	case d.How == rostersync.Accept && item.Kind != rostersync.AttentionAmbiguous:
		return rostersync.ErrNotAccepted
	case d.How == rostersync.Ignore:
		item.Ignored = &rostersync.Ignored{At: Start(), By: a.Name, Reason: d.Reason}
		e.Left = append(e.Left, item)
	}
	e.Items = slices.Delete(e.Items, at, at+1)
	return e.Broken
}

// Quota answers Limits, and what is told only where the quota is asked for.
func (e *Engine) Quota(context.Context) (rostersync.QuotaStatus, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := e.Limits
	q.Others, q.Overridden, q.PollWish = q.Used-q.Ours, 5, "1m0s"
	q.Forecast = &rostersync.QuotaForecast{Ours: 42, Others: 375, FreesAt: Start().Add(time.Hour), Frees: 40}
	q.Work = []rostersync.QuotaWork{
		{Kind: "leavers", Cost: 2, Left: 4000, State: "runs"},
		{Kind: "request", Cost: 3, Floor: 100, Left: 3900, State: "runs"},
		{Kind: "changes", Cost: 2, Floor: 500, Left: 3500, State: "runs", StopsAt: Start().Add(9 * time.Hour)},
		{Kind: "full", Cost: 6, Floor: 1000, Left: 3000, State: "runs", StopsAt: Start().Add(4 * time.Hour)},
	}
	for h := range 24 {
		q.Hours = append(q.Hours, rostersync.QuotaHour{At: Start().Add(time.Duration(h-23) * time.Hour), Ours: h * 4 % 80, Others: 375})
	}
	q.Why = []string{"Other apps make about 375 API calls an hour in this org, and rosterd about 42."}
	return q, e.Broken
}

// Doctor answers Found.
func (e *Engine) Doctor(context.Context) ([]rostersync.CheckResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.Found), e.Broken
}

// Owners says who decides on each attribute: what the table says, which is what
// an org has whose configuration has no mapping.
func (e *Engine) Owners() map[dialer.Field]dialer.Owner {
	owners := map[dialer.Field]dialer.Owner{}
	for _, a := range dialer.Attributes() {
		owners[a.Name] = a.Owner
	}
	return owners
}
