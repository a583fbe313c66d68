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
