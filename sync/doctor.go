package sync

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
)

// patience is how long doctor waits for Salesforce, unless whoever asked waits
// less for doctor.
func patience(ctx context.Context) time.Duration {
	wait := 40 * time.Second
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(end)*2/3)
	}
	return wait
}

// Doctor checks everything that syncing needs, one line each, changing
// nothing. It costs a handful of Salesforce calls.
func (e *Engine) Doctor(ctx context.Context) ([]CheckResult, error) {
	var out []CheckResult
	wait := patience(ctx)
	add := func(name, detail string, err error) bool {
		r := CheckResult{Name: name, OK: err == nil, Detail: detail}
		if err != nil {
			r.Detail, r.Hint = err.Error(), hintOf(err)
		}
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			r.Detail = "no answer within " + wait.Round(time.Second).String()
			r.Hint = "is the way to Salesforce open (firewall, proxy), and is Salesforce well: https://status.salesforce.com"
		}
		out = append(out, r)
		return err == nil
	}
	start := time.Now()
	if !add("database", "answers", e.db.Ping(ctx)) {
		return out, nil
	}
	out[0].Detail = "answers in " + time.Since(start).Round(time.Millisecond).String()
	c := e.crm()
	c.Unhold()
	asking, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if add("salesforce version", "the API version is offered", c.CheckVersion(asking)) {
		e.doctorOrg(asking, c, add)
	}
	told, away := e.doctorStream()
	add("change events", told, away)
	licenses, err := e.dir.Licenses(ctx)
	var seats []string
	for _, l := range licenses {
		seats = append(seats, fmt.Sprintf("%s: %d of %d seats left", l.Type, l.Left, l.Purchased))
	}
	if over := overAllocated(licenses); err == nil && len(over) > 0 {
		err = &hinted{errors.New(strings.Join(over, ", ")), "buy the seats that are in use, or deactivate people; until then nobody is added"}
	}
	add("seats", strings.Join(seats, ", "), err)
	return append(out, e.doctorQuota(ctx)), nil
}

func (e *Engine) doctorQuota(ctx context.Context) CheckResult {
	r := CheckResult{Name: "quota"}
	g, _, err := e.governor(ctx)
	if err != nil {
		r.Detail = err.Error()
		return r
	}
	q := g.status(e.wish())
	r.OK, r.Detail = q.Level != levelExhausted, fmt.Sprintf("%s: API calls that we made in 24 hours: %d", q.Level, q.Ours)
	if q.BudgetLeft >= 0 {
		r.Detail += fmt.Sprintf(", left to us: %d", q.BudgetLeft)
	}
	if !r.OK {
		r.Hint = "routine work goes on by itself when calls of the last 24 hours have aged: see rosterctl quota"
	}
	return r
}

// doctorStream says how changes are found. That there are no events is wrong
// only where a person can mend it.
func (e *Engine) doctorStream() (string, error) {
	e.mu.Lock()
	leads := e.base != nil
	e.mu.Unlock()
	s := e.changesStatus(leads)
	e.flow.mu.Lock()
	person := e.flow.state.Person
	e.flow.mu.Unlock()
	switch {
	case s.State == streamLive:
		return "they come", nil
	case person && s.State != streamOff:
		return "", &hinted{errors.New(s.Reason), s.Hint}
	case s.State == streamOff:
		return s.Reason, nil
	case s.Reason == "":
		return s.State, nil
	}
	say := "they do not come for now, and changes are polled for: "
	if s.Wanted == ChangesStream {
		say = "they do not come for now, and changes are looked for rarely: "
	}
	if s.Hint != "" {
		s.Reason += " (" + s.Hint + ")"
	}
	return say + s.Reason, nil
}

// overAllocated says of which licenses more seats are in use than were bought:
// the number bought was lowered, and nobody loses a seat by that.
func overAllocated(licenses []dialer.License) []string {
	var over []string
	for _, l := range licenses {
		if l.Left < 0 {
			over = append(over, fmt.Sprintf("seats of %s in use beyond the %d purchased: %d", l.Type, l.Purchased, -l.Left))
		}
	}
	return over
}

func (e *Engine) doctorOrg(ctx context.Context, c *crm.Client, add func(string, string, error) bool) {
	org, err := c.Org(ctx)
	kind := "production"
	if org.IsSandbox {
		kind = "sandbox"
	}
	if !add("login and org", "org "+org.ID+", "+kind, err) {
		return
	}
	if now, ok := c.Now(); ok {
		skew := time.Since(now).Round(time.Second).Abs()
		var late error
		if skew > time.Minute {
			late = &hinted{fmt.Errorf("this host's clock differs from Salesforce's by %s", skew), "synchronize the clock: a JWT is valid for minutes"}
		}
		add("clock", "differs by "+skew.String(), late)
	}
	fields, err := c.Describe(ctx)
	if err == nil && len(fields.Missing) > 0 {
		err = &hinted{errors.New("cannot read " + strings.Join(fields.Missing, ", ")), "give the integration user read access to these fields"}
	}
	add("fields of User", fmt.Sprintf("%d can be read", len(fields.Select)), err)
	n, err := c.CountUsers(ctx)
	if err == nil && n == 0 {
		err = &hinted{errors.New("no user is visible"), "give the integration user View All Users, and look at the prefilter"}
	}
	add("users", fmt.Sprintf("%d are visible under the prefilter", n), err)
	if e.config().Frozen == FrozenDeactivate {
		frozen := 0
		var ferr error
		for _, err := range c.Frozen(ctx) {
			if err != nil {
				ferr = err
				break
			}
			frozen++
		}
		add("frozen users", fmt.Sprintf("%d are frozen", frozen), ferr)
	}
	limits, err := c.Limits(ctx)
	add("limits", fmt.Sprintf("%d of %d API calls remain to the org", limits.DailyAPIRequests.Remaining, limits.DailyAPIRequests.Max), err)
}
