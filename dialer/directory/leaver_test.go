package directory_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
)

func TestLeavers(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(4) // the second and the fourth are linked
		machine := dialer.Actor{Kind: dialer.ActorSync, Name: "sync"}
		for _, id := range []string{people[1], people[1], people[3]} {
			_, err := d.OpenSession(t.Context(), id, "cti", "192.0.2.1")
			d.must(err)
		}
		var to dialer.User // the third sends calls to the fourth
		dialer.FieldUnavailable.SetText(&to, "user")
		dialer.FieldUnavailableTarget.SetText(&to, people[3])
		d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: people[2], User: to, Fields: []dialer.Field{dialer.FieldUnavailable, dialer.FieldUnavailableTarget}})
		left := d.clock()
		d.wait(8 * time.Minute)
		due := left.Add(9 * time.Hour)
		schedule := dialer.Change{Verb: dialer.VerbSchedule, UserID: people[1], At: due, Reason: dialer.ReasonSalesforceInactive, Actor: machine, Source: left}
		d.apply(schedule)
		d.apply(dialer.Change{Verb: dialer.VerbUnschedule, UserID: people[1], Actor: machine})
		d.wait(time.Hour)
		schedule.Source = d.clock()
		left = schedule.Source
		d.wait(2 * time.Minute)
		seen := d.clock()
		d.apply(schedule)
		d.wait(6 * time.Hour)
		d.apply(dialer.Change{Verb: dialer.VerbDeactivate, UserID: people[1], Actor: dialer.Actor{Kind: dialer.ActorScheduler}})
		gone := d.clock()
		d.wait(time.Minute)
		d.apply(dialer.Change{Verb: dialer.VerbDelete, UserID: people[1]}) // had no access any more
		d.apply(dialer.Change{Verb: dialer.VerbDeactivate, UserID: people[0]})
		d.wait(time.Minute)
		d.apply(dialer.Change{Verb: dialer.VerbDeactivate, UserID: people[3], Actor: machine, Reason: dialer.ReasonSalesforceFrozen, Source: d.clock().Add(-3 * time.Second)})

		list, err := d.Leavers(t.Context(), dialer.LeaverQuery{})
		d.must(err)
		if list[0].Redirects != 1 || list[1].Redirects != 0 {
			t.Errorf("calls still go to leavers: %d, %d", list[0].Redirects, list[1].Redirects)
		}
		if len(list) != 3 {
			t.Fatalf("got %+v", list)
		}
		proof := list[2].Proof
		want := dialer.Leaver{
			UserID: people[1], SalesforceID: person(2).SalesforceID, Username: person(2).Username, DisplayName: list[2].DisplayName,
			Reason: dialer.ReasonSalesforceInactive, Actor: dialer.Actor{Kind: dialer.ActorScheduler},
			LeftSource: left, Scheduled: seen, Due: due, LeftDialer: gone, DelaySeconds: int64(gone.Sub(left) / time.Second), SessionsEnded: 2, Proof: proof,
		}
		if diff := cmp.Diff(want, list[2]); diff != "" {
			t.Error(diff)
		}
		if l := list[1]; l.UserID != people[0] || !l.LeftSource.IsZero() || l.DelaySeconds != 0 || l.SessionsEnded != 0 || l.Actor != root {
			t.Errorf("by hand: %+v", l)
		}
		if l := list[0]; l.DelaySeconds != 3 || l.SessionsEnded != 1 || !l.Scheduled.IsZero() {
			t.Errorf("at once: %+v", l)
		}
		entries, err := d.Activity(t.Context(), dialer.ActivityQuery{After: proof - 1, Limit: 1})
		if err != nil || entries[0].UserID != people[1] || entries[0].Verb != dialer.VerbDeactivate {
			t.Errorf("the proof is %+v, %v", entries, err)
		}
		for _, c := range []struct {
			q    dialer.LeaverQuery
			want int
		}{
			{dialer.LeaverQuery{Limit: 1}, 1},
			{dialer.LeaverQuery{After: list[1].Proof}, 1},
			{dialer.LeaverQuery{Since: gone.Add(time.Second)}, 2},
			{dialer.LeaverQuery{Until: gone.Add(time.Second)}, 1},
		} {
			if got, err := d.Leavers(t.Context(), c.q); err != nil || len(got) != c.want {
				t.Errorf("%+v: got %d, %v", c.q, len(got), err)
			}
		}
	})
}

func TestActivitySearch(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(2)
		dana := dialer.Actor{Kind: "support", Name: "dana"}
		at := d.clock()
		for i, c := range []dialer.Change{
			{Verb: dialer.VerbUpdate, UserID: people[0], User: dialer.User{Title: "Closer 100%"}, Fields: []dialer.Field{dialer.FieldTitle}, Note: "CASE-1182", Actor: dana},
			{Verb: dialer.VerbUpdate, UserID: people[1], User: dialer.User{Title: "Opener"}, Fields: []dialer.Field{dialer.FieldTitle}},
			{Verb: dialer.VerbDeactivate, UserID: people[1], Actor: dana},
		} {
			d.wait(time.Duration(i+1) * time.Minute)
			d.apply(c)
		}
		for _, c := range []struct {
			name string
			q    dialer.ActivityQuery
			want string
		}{
			{"text in a note", dialer.ActivityQuery{Text: "case-1182"}, "update"},
			{"text in a value", dialer.ActivityQuery{Text: "CLOSER 100%"}, "update"},
			{"no wildcard", dialer.ActivityQuery{Text: "c%r"}, ""},
			{"verb", dialer.ActivityQuery{Verb: dialer.VerbDeactivate}, "deactivate"},
			{"actor", dialer.ActivityQuery{Actor: "dana"}, "update deactivate"},
			{"actor, newest first", dialer.ActivityQuery{Actor: "dana", Newest: true}, "deactivate update"},
			{"kind of actor", dialer.ActivityQuery{ActorKind: "support", UserID: people[1]}, "deactivate"},
			{"between", dialer.ActivityQuery{Since: at.Add(2 * time.Minute), Until: at.Add(4 * time.Minute)}, "update"},
		} {
			list, err := d.Activity(t.Context(), c.q)
			d.must(err)
			var verbs []string
			for _, a := range list {
				verbs = append(verbs, string(a.Verb))
			}
			if got := strings.Join(verbs, " "); got != c.want {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
	})
}
