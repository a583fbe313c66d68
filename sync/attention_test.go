package sync_test

import (
	"errors"
	"testing"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// Of several dialer users who could be a person, the one whom somebody chooses
// is linked, and nobody else can be.
func TestAcceptedMatch(t *testing.T) {
	onBoth(t, wish{users: 5, idle: true}, func(t *testing.T, x *world) {
		first := x.local("two.a", "", func(u *dialer.User) { u.Email = "two@acme.example" })
		x.act(dialer.Change{Verb: dialer.VerbDeactivate, UserID: first})
		second := x.local("two.b", "two@acme.example")
		alone := x.local("nobody", "nobody@example.com")
		both := x.hire("two")
		x.start()
		x.settle()
		items := x.attention(rostersync.AttentionAmbiguous)
		if len(items) != 1 {
			t.Fatalf("items: %+v", items)
		}
		linked := ""
		for id := range x.users() {
			linked = id
		}
		for _, c := range []struct {
			user string
			want error
		}{{alone, rostersync.ErrNoCandidate}, {linked, rostersync.ErrNoCandidate}, {"nobody-at-all", dialer.ErrNotFound}} {
			err := x.engine.ResolveAttention(t.Context(), items[0].ID, rostersync.Decision{How: rostersync.Accept, User: c.user}, dana)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.user, err, c.want)
			}
		}
		if got := x.attention(rostersync.AttentionAmbiguous); len(got) != 1 {
			t.Errorf("a refused choice settled the item: %+v", got)
		}
		must(t, x.engine.ResolveAttention(t.Context(), items[0].ID, rostersync.Decision{How: rostersync.Accept, User: second, Reason: "asked her"}, dana))
		u := x.person(both)
		if u.ID != second || u.MatchMethod != "person" {
			t.Errorf("linked is %s by %q", u.ID, u.MatchMethod)
		}
		x.engine.Poll()
		if u := x.person(both); u.IntegrationInfo != dialer.IntegrationOK || len(x.attention(rostersync.AttentionAmbiguous)) != 0 {
			t.Errorf("then: %+v", u)
		}
		log := x.activity(dialer.ActivityQuery{UserID: second, Verb: dialer.VerbLink})
		if len(log) != 1 || log[0].Actor != dana || log[0].Note != "asked her" {
			t.Errorf("activity: %+v", log)
		}
		if err := x.engine.ResolveAttention(t.Context(), items[0].ID, rostersync.Decision{}, dana); !errors.Is(err, rostersync.ErrNoAttention) {
			t.Errorf("settled twice: %v", err)
		}
	})
}

// What is ignored stays so until the Salesforce user changes, or somebody wants
// it back.
func TestIgnoredAttention(t *testing.T) {
	onBoth(t, wish{users: 5, idle: true}, func(t *testing.T, x *world) {
		first := x.local("two.a", "", func(u *dialer.User) { u.Email = "two@acme.example" })
		x.act(dialer.Change{Verb: dialer.VerbDeactivate, UserID: first})
		x.local("two.b", "two@acme.example")
		both := x.hire("two")
		x.start()
		x.settle()
		open := func() []rostersync.AttentionItem { return x.attention(rostersync.AttentionAmbiguous) }
		ignore := rostersync.Decision{How: rostersync.Ignore, Reason: "leaves next week"}
		must(t, x.engine.ResolveAttention(t.Context(), open()[0].ID, ignore, dana))
		x.full()
		if got := open(); len(got) != 0 {
			t.Fatalf("it came back: %+v", got)
		}
		left, err := x.engine.Attention(t.Context(), true)
		if err != nil || len(left) != 1 || left[0].Ignored == nil || left[0].Ignored.By != dana.Name || left[0].Ignored.Reason != ignore.Reason {
			t.Fatalf("ignored: %+v, %v", left, err)
		}
		must(t, x.org.Update(both, func(u *simorg.User) { u.Title = "Captain" }))
		x.full()
		if got := open(); len(got) != 1 {
			t.Fatalf("the user changed, and nobody hears of it: %+v", got)
		}
		if left, err = x.engine.Attention(t.Context(), true); err != nil || len(left) != 0 {
			t.Fatalf("open, and listed as ignored: %+v, %v", left, err)
		}
		must(t, x.engine.ResolveAttention(t.Context(), open()[0].ID, ignore, dana))
		if left, err = x.engine.Attention(t.Context(), true); err != nil || len(left) != 1 {
			t.Fatalf("ignored again: %+v, %v", left, err)
		}
		must(t, x.engine.ResolveAttention(t.Context(), left[0].ID, rostersync.Decision{How: rostersync.Retry}, dana))
		x.engine.Poll()
		if got := open(); len(got) != 1 {
			t.Errorf("wanted back: %+v", got)
		}
		if err := x.engine.ResolveAttention(t.Context(), open()[0].ID, rostersync.Decision{How: rostersync.Accept, User: both}, dana); !errors.Is(err, dialer.ErrNotFound) {
			t.Errorf("a Salesforce id that is nobody's was accepted: %v", err)
		}
	})
}
