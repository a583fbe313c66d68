package sync_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// Half of a directory is no directory.
func TestBrokenReadsOfEveryKind(t *testing.T) {
	onBoth(t, wish{users: 300, pageSize: 100, cfg: noGuard}, func(t *testing.T, x *world) {
		for _, tc := range []simorg.Effect{
			{Kind: simorg.Drop},
			{Kind: simorg.Truncate},
			{Kind: simorg.CutBody},
			{Kind: simorg.EmptyBody},
			{Kind: simorg.ServerError},
			{Kind: simorg.BadGateway},
			{Kind: simorg.Unavailable},
			{Kind: simorg.EmptyResult},
			{Kind: simorg.Status, Status: 400, Code: "INVALID_QUERY_LOCATOR", Message: "invalid query locator"},
			{Kind: simorg.Status, Status: 400, Code: "QUERY_TIMEOUT", Message: "Your query request was running for too long."},
		} {
			mark, last := x.state("watermark"), x.state("last_full")
			ids := x.ids()
			must(t, x.org.Update(ids[1], func(u *simorg.User) { u.Title = "Read before it broke " + string(tc.Kind) }))
			remove := x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "Id >", Effect: tc})
			r := x.full()
			remove()
			if r.Outcome != rostersync.Failed || r.Error == "" {
				t.Fatalf("%s: run is %s", tc, r.Outcome)
			}
			if r.Deactivated+r.Scheduled+r.Held != 0 || x.active() != 300 {
				t.Fatalf("%s: somebody left: %+v", tc, r.Counts)
			}
			if x.state("watermark") != mark || x.state("last_full") != last {
				t.Errorf("%s: the watermark moved", tc)
			}
			if got := x.person(ids[1]).Title; got != "Read before it broke "+string(tc.Kind) {
				t.Errorf("%s: what was read is lost: %q", tc, got)
			}
			if st := x.status(); st.State != "degraded" && st.State != "blocked" || len(st.Reasons) == 0 {
				t.Errorf("%s: status is %s, %q", tc, st.State, st.Reasons)
			}
			if r := x.full(); r.Outcome != rostersync.Succeeded {
				t.Fatalf("%s: the next run is %s: %s", tc, r.Outcome, r.Error)
			}
			if st := x.status(); st.State != "ok" {
				t.Errorf("%s: then status is %s, %q", tc, st.State, st.Reasons)
			}
		}
		x.agree()
	})
}

// Nobody joins by half of a directory either: who somebody is can be told only
// among everyone.
func TestNobodyJoinsByHalfOfTheFirstSnapshot(t *testing.T) {
	onBoth(t, wish{users: 300, pageSize: 100, idle: true}, func(t *testing.T, x *world) {
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "Id >", From: 2, Times: 2, Effect: simorg.Effect{Kind: simorg.Drop}})
		x.start()
		r := x.settle()
		want(t, r, rostersync.Failed, map[string]int{"created": 0})
		if r.Mirrored == 0 {
			t.Error("nothing of it was kept")
		}
		if r := x.full(); r.Outcome != rostersync.Succeeded || r.Created != 300 {
			t.Errorf("then: %+v", r)
		}
	})
}

// An empty answer is not an empty company.
func TestEmptyAndShrunkenSources(t *testing.T) {
	onBoth(t, wish{users: 200, cfg: noGuard}, func(t *testing.T, x *world) {
		remove := x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "FROM User ", Effect: simorg.Effect{Kind: simorg.EmptyResult}})
		r := x.full()
		want(t, r, rostersync.Failed, map[string]int{"deactivated": 0, "scheduled": 0})
		if len(x.attention(rostersync.AttentionShrink)) != 1 {
			t.Error("no source_shrink item")
		}
		if st := x.status(); st.State != "blocked" || !strings.Contains(strings.Join(st.Reasons, " "), "View All Users") {
			t.Errorf("status is %s, %q", st.State, st.Reasons)
		}
		remove()
		if r := x.full(); r.Outcome != rostersync.Succeeded {
			t.Fatalf("then: %+v", r)
		}
		if n := len(x.attention(rostersync.AttentionShrink)); n != 0 || x.active() != 200 {
			t.Errorf("%d items, %d active", n, x.active())
		}

		// A lost View All Users shows some.
		n := 0
		x.org.Faults().HideUsers(func(simorg.User) bool { n++; return n%3 != 0 })
		if r = x.full(); r.Outcome != rostersync.Failed || x.active() != 200 {
			t.Errorf("with most hidden: %s, %d active", r.Outcome, x.active())
		}
		if len(x.attention(rostersync.AttentionShrink)) != 1 {
			t.Error("no source_shrink item")
		}
	})
}

// Someone who vanishes has not left: their visibility is lost.
func TestVanishedUsersStay(t *testing.T) {
	onBoth(t, wish{users: 200, cfg: noGuard}, func(t *testing.T, x *world) {
		gone := x.ids()[7]
		x.org.Faults().HideUsers(func(u simorg.User) bool { return u.ID == gone })
		r := x.full()
		want(t, r, rostersync.SucceededIssues, map[string]int{"deactivated": 0, "attention": 1})
		if a := x.attention(rostersync.AttentionInvisible); len(a) != 1 || a[0].User != gone || x.active() != 200 {
			t.Fatalf("items %+v, %d active", a, x.active())
		}
		x.org.Faults().HideUsers(nil)
		x.full()
		if a := x.attention(rostersync.AttentionInvisible); len(a) != 0 {
			t.Errorf("still open: %+v", a)
		}
	})
}

// One failed lookup is not one absent person.
func TestFailedLookupsTouchNobody(t *testing.T) {
	onBoth(t, wish{users: 50, cfg: noGuard}, func(t *testing.T, x *world) {
		id := x.ids()[3]
		for _, kind := range []simorg.EffectKind{simorg.ServerError, simorg.Unavailable, simorg.Drop, simorg.BadGateway, simorg.CutBody} {
			before := x.person(id)
			must(t, x.org.Update(id, func(u *simorg.User) { u.Title = "After " + string(kind) }))
			remove := x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: id, Effect: simorg.Effect{Kind: kind}})
			r := x.sync(rostersync.Request{Kind: rostersync.KindUser, Users: []string{id}})
			remove()
			if r.Outcome != rostersync.Failed {
				t.Fatalf("%s: %+v", kind, r)
			}
			if after := x.person(id); after.Version != before.Version || after.Status != dialer.StatusActive {
				t.Errorf("%s: the user was touched: %+v", kind, after)
			}
			if len(x.attention(rostersync.AttentionInvisible)) != 0 {
				t.Errorf("%s: taken for absent", kind)
			}
			r = x.sync(rostersync.Request{Kind: rostersync.KindUser, Users: []string{id}})
			want(t, r, rostersync.Succeeded, map[string]int{"updated": 1})
		}
	})
}

// A spent quota says nothing of anybody.
func TestRateLimitsTouchNobody(t *testing.T) {
	onBoth(t, wish{users: 300, pageSize: 100, cfg: noGuard}, func(t *testing.T, x *world) {
		for kind, outcome := range map[simorg.EffectKind]rostersync.RunOutcome{
			simorg.QuotaExceeded: rostersync.PausedQuota, simorg.Throttled: rostersync.Failed,
		} {
			remove := x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "Id >", Effect: simorg.Effect{Kind: kind}})
			r := x.full()
			want(t, r, outcome, map[string]int{"deactivated": 0, "scheduled": 0, "held": 0})
			if r := x.changes(); r.Outcome != rostersync.Succeeded {
				t.Errorf("%s: changes: %+v", kind, r)
			}
			remove()
			if n := len(x.activity(dialer.ActivityQuery{})); n != 300 || x.active() != 300 {
				t.Errorf("%s: %d changes, %d active", kind, n, x.active())
			}
		}
		want(t, x.full(), rostersync.Succeeded, nil)
	})
}

// A watermark that makes no sense is noticed, and everything read.
func TestUnusableWatermarks(t *testing.T) {
	at := func(d time.Duration) string {
		return `{"upper":"` + time.Now().Add(d).UTC().Format(time.RFC3339) + `"}`
	}
	onBoth(t, wish{users: 60, cfg: noGuard}, func(t *testing.T, x *world) {
		for _, tc := range []struct{ name, mark, says string }{
			{"none", "", ""},
			{"zero", `{"upper":"0001-01-01T00:00:00Z"}`, ""},
			{"1970", `{"upper":"1970-01-01T00:00:00Z"}`, "zero"},
			{"truncated", `{"upper":"20`, ""},
			{"another shape", `"12:00"`, ""},
			{"ancient", at(-60 * 24 * time.Hour), "ancient"},
			{"tomorrow", at(24 * time.Hour), "future"},
			{"next century", at(800_000 * time.Hour), "future"},
		} {
			x.stop()
			x.setState("watermark", tc.mark)
			x.setState("last_change", "") // a look for changes is due
			must(t, x.org.Update(x.ids()[3], func(u *simorg.User) { u.Title = tc.name }))
			last := x.state("last_full")
			x.engine = x.another(x.db)
			x.start()
			x.eventually(tc.name+": a full sync", func() bool { return x.state("last_full") != last && x.status().Running == 0 })
			if got := x.person(x.ids()[3]).Title; got != tc.name || x.active() != 60 {
				t.Errorf("%s: title %q, %d active", tc.name, got, x.active())
			}
			if tc.says != "" && !strings.Contains(x.log.String(), "unusable watermark: "+tc.says) {
				t.Errorf("%s: the log does not say %q:\n%s", tc.name, tc.says, x.log)
			}
			want(t, x.changes(), rostersync.Succeeded, map[string]int{"deactivated": 0})
		}
	})
}

// Times that a wrong clock noted lie ahead: nothing waits for them.
func TestHostClockWasAhead(t *testing.T) {
	onBoth(t, wish{users: 20, cfg: func(c *rostersync.Config) { c.Poll = time.Minute }}, func(t *testing.T, x *world) {
		x.stop()
		ahead := time.Now().Add(72 * time.Hour).UTC().Format(time.RFC3339Nano)
		for _, name := range []string{"last_full", "last_change", "full_due"} {
			x.setState(name, ahead)
		}
		x.engine = x.another(x.db)
		x.start()
		x.eventually("the loop has turned", func() bool { return !x.status().NextPoll.IsZero() })
		st := x.status()
		if time.Until(st.NextPoll) > 2*time.Minute || time.Until(st.NextFull) > 25*time.Hour || st.LastFull.After(time.Now()) {
			t.Errorf("next poll %s, next full %s, last full %s", st.NextPoll, st.NextFull, st.LastFull)
		}
		if !strings.Contains(x.log.String(), "lies ahead") {
			t.Errorf("the log does not say it:\n%s", x.log)
		}
	})
}

// A host whose clock is hours off is said to be.
func TestHostClockIsAhead(t *testing.T) {
	onBoth(t, wish{users: 20}, func(t *testing.T, x *world) {
		x.org.Faults().SkewClock(-3 * time.Hour)
		must(t, x.org.Update(x.ids()[3], func(u *simorg.User) { u.Title = "Read all the same" }))
		x.changes() // the watermark is ahead of Salesforce's clock by now: everything is read
		x.eventually("the change arrives", func() bool { return x.person(x.ids()[3]).Title == "Read all the same" })
		x.eventually("status says it", func() bool {
			return strings.Contains(strings.Join(x.status().Reasons, " "), "clock differs from Salesforce's by 3h")
		})
	})
}

// A refused request tells the caller why, and what can be done.
func TestRequestsOfNobody(t *testing.T) {
	onBoth(t, wish{users: 20}, func(t *testing.T, x *world) {
		_, _, err := x.engine.Request(t.Context(), rostersync.Request{Kind: rostersync.KindUser, Users: []string{"nobody@example.com"}})
		if !errors.Is(err, rostersync.ErrUnknownUser) || strings.Contains(err.Error(), "nobody") {
			t.Errorf("got %v", err)
		}
		r := x.sync(rostersync.Request{Kind: rostersync.KindUser, Users: []string{"0055f00000ZZZZZAAA"}})
		want(t, r, rostersync.SucceededIssues, map[string]int{"failed": 1})
	})
}
