package directory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
)

// preview asks for a mass action.
func (d *office) preview(r dialer.MassRequest) dialer.MassAction {
	d.Helper()
	if r.Actor == (dialer.Actor{}) {
		r.Actor = root
	}
	m, err := d.PreviewMass(d.Context(), r)
	d.must(err)
	if m.State != dialer.MassPreviewed {
		d.Fatalf("previewed, but %s", m.State)
	}
	return m
}

// run starts a mass action and carries it out.
func (d *office) run(m dialer.MassAction) dialer.MassAction {
	d.Helper()
	_, err := d.StartMass(d.Context(), m.ID, m.Total, root)
	d.must(err)
	return d.finish(m.ID)
}

func (d *office) finish(id int64) dialer.MassAction {
	d.Helper()
	for more := true; more; {
		var err error
		more, err = d.StepMass(d.Context())
		d.must(err)
	}
	m, err := d.MassAction(d.Context(), id)
	d.must(err)
	return m
}

func (d *office) items(id int64, q dialer.MassItemQuery) (list []dialer.MassItem) {
	d.Helper()
	for q.Limit = 7; ; q.After = list[len(list)-1].Seq {
		page, err := d.MassItems(d.Context(), id, q)
		d.must(err)
		if list = append(list, page...); len(page) < q.Limit {
			return list
		}
	}
}

// tally is the numbers of a mass action in short.
func tally(c dialer.MassCounts) string {
	s := fmt.Sprintf("%d changed, %d unchanged, %d refused", c.Changed, c.Unchanged, c.Refused)
	for _, r := range c.Reasons {
		s += fmt.Sprintf("; %d %s", r.Count, r.Reason)
	}
	return s
}

func value(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func ids(list ...string) dialer.MassScope { return dialer.MassScope{IDs: list} }

// What the dry run foretells is what happens, and nothing happens before.
func TestMassSet(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(8)
		var de dialer.User
		de.Settings.Country = "DE"
		for _, id := range people[:4] {
			d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: id, User: de, Fields: []dialer.Field{dialer.FieldCountry}})
		}
		var on dialer.User
		d.must(dialer.FieldInternationalDialing.Set(&on, true))
		d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: people[0], User: on, Fields: []dialer.Field{dialer.FieldInternationalDialing}})
		before := len(d.entries(dialer.VerbUpdate))

		m := d.preview(dialer.MassRequest{
			Scope: ids(append(slices.Clone(people), people[0], "nobody")...), Action: dialer.MassSet,
			Field: dialer.FieldInternationalDialing, Value: value(true), Reason: "CASE-1",
		})
		if got := tally(m.Preview); m.Total != 9 || !strings.HasPrefix(got, "3 changed, 1 unchanged, 5 refused; 4 ") || !strings.HasSuffix(got, "1 no such user") {
			t.Errorf("preview of %d: %s", m.Total, got)
		}
		if n := len(d.entries(dialer.VerbUpdate)); n != before {
			t.Errorf("the dry run wrote %d entries", n-before)
		}
		expected := d.items(m.ID, dialer.MassItemQuery{Expected: true})
		if len(expected) != 5 || expected[0].Expected == "" || expected[0].Outcome != dialer.ItemPending || expected[0].Username == "" {
			t.Errorf("expected refusals: %+v", expected)
		}
		_, err := d.StartMass(t.Context(), m.ID, 8, root)
		d.expect(err, dialer.ErrMassConfirm)
		done := d.run(m)
		if diff := cmp.Diff(m.Preview, done.Done); diff != "" || done.State != dialer.MassDone {
			t.Errorf("%s: foretold, then done:\n%s", done.State, diff)
		}
		for i, id := range people {
			u := d.user(id)
			if got, want := dialer.FieldInternationalDialing.Flag(&u), i < 4; got != want {
				t.Errorf("user %d: got %t", i, got)
			}
		}
		got := map[string]int{}
		for _, it := range d.items(m.ID, dialer.MassItemQuery{}) {
			got[it.Outcome]++
			if (it.Detail != "") != (it.Outcome == dialer.ItemRefused) {
				t.Errorf("item %+v", it)
			}
		}
		if diff := cmp.Diff(map[string]int{"changed": 3, "unchanged": 1, "refused": 5}, got); diff != "" {
			t.Error(diff)
		}
		_, err = d.StartMass(t.Context(), m.ID, m.Total, root)
		d.expect(err, dialer.ErrMassState)
		entries, err := d.Activity(t.Context(), dialer.ActivityQuery{RunID: fmt.Sprintf("mass-%d", m.ID), Verb: dialer.VerbUpdate})
		d.must(err)
		if len(entries) != 3 || entries[0].Note != "CASE-1" || entries[0].Actor != root || !strings.Contains(string(entries[0].After), "international_dialing") {
			t.Errorf("audit: %+v", entries)
		}
	})
}

func TestMassGroups(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(3)
		role := func(a dialer.MassVerb, names ...string) string {
			t.Helper()
			m := d.preview(dialer.MassRequest{Scope: dialer.MassScope{All: true}, Action: a, Field: dialer.FieldRole, Value: value(names)})
			m = d.run(m)
			u := d.user(people[0])
			return strings.Join(u.In(dialer.KindRole), ",") + ": " + tally(m.Done)
		}
		for _, step := range []struct {
			verb  dialer.MassVerb
			names []string
			want  string
		}{
			{dialer.MassAdd, []string{"Closer", "Agent"}, "Agent,Closer: 3 changed, 0 unchanged, 0 refused"},
			{dialer.MassAdd, []string{"Closer"}, "Agent,Closer: 0 changed, 3 unchanged, 0 refused"},
			{dialer.MassRemove, []string{"Agent"}, "Closer: 3 changed, 0 unchanged, 0 refused"},
			{dialer.MassReplace, []string{"A", "B"}, "A,B: 3 changed, 0 unchanged, 0 refused"},
		} {
			if got := role(step.verb, step.names...); got != step.want {
				t.Errorf("%s %v: got %s, want %s", step.verb, step.names, got, step.want)
			}
		}
		// The last role cannot be taken away.
		if got := role(dialer.MassRemove, "A", "B"); !strings.HasPrefix(got, "A,B: 0 changed, 0 unchanged, 3 refused; 3 role must") {
			t.Errorf("removing the last: got %s", got)
		}
	})
}

func TestMassScopes(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(6)
		var p dialer.User
		p.Protected = true
		p.SetGroups(dialer.KindDesk, "EMEA")
		d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: people[0], User: p, Fields: []dialer.Field{dialer.FieldProtected}})
		for _, id := range people[2:5] {
			d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: id, User: p, Fields: []dialer.Field{dialer.FieldDesk}})
		}
		d.apply(dialer.Change{Verb: dialer.VerbDelete, UserID: people[5]})
		r := dialer.MassRequest{Action: dialer.MassSet, Field: dialer.FieldTargetMarket, Value: value("West")}
		emea := dialer.Group{Kind: dialer.KindDesk, Name: "EMEA"}
		for _, c := range []struct {
			name  string
			scope dialer.MassScope
			want  int64
		}{
			{"all but the protected and the caller", dialer.MassScope{All: true}, 3},
			{"matching", dialer.MassScope{Filter: &dialer.Query{Group: emea}}, 3},
			{"searched", dialer.MassScope{Filter: &dialer.Query{Search: "user3@"}}, 1},
			{"all within", dialer.MassScope{All: true, Within: []dialer.Group{{Kind: dialer.KindDesk, Name: "APAC"}, emea}}, 3},
			{"matching none", dialer.MassScope{Filter: &dialer.Query{Search: "zzz"}}, 0},
		} {
			r.Scope, r.Caller = c.scope, people[1]
			if m := d.preview(r); m.Total != c.want || m.Preview.Changed != c.want {
				t.Errorf("%s: got %d users, %d would change; want %d", c.name, m.Total, m.Preview.Changed, c.want)
			}
		}
		r.Scope = dialer.MassScope{IDs: people[:3], Within: []dialer.Group{emea}}
		if m := d.preview(r); tally(m.Preview) != "1 changed, 0 unchanged, 2 refused; 2 "+dialer.ErrOutside.Error() {
			t.Errorf("ids within: %s", tally(m.Preview))
		}

		// The scope is fixed: who no longer matches is still meant, who comes is not.
		r.Scope = dialer.MassScope{Filter: &dialer.Query{Group: emea}}
		m := d.preview(r)
		d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: people[1], User: p, Fields: []dialer.Field{dialer.FieldDesk}})
		d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: people[2], Fields: []dialer.Field{dialer.FieldDesk}})
		d.apply(dialer.Change{Verb: dialer.VerbDelete, UserID: people[3]})
		if m = d.run(m); tally(m.Done) != "2 changed, 0 unchanged, 1 refused; 1 no such user" {
			t.Errorf("after changes: %s", tally(m.Done))
		}
		if u := d.user(people[1]); u.Settings.TargetMarket != "" {
			t.Error("someone who came later was changed")
		}
	})
}

func TestMassRefusedAtOnce(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		d.hire(1)
		all := dialer.MassScope{All: true}
		for _, c := range []struct {
			name string
			r    dialer.MassRequest
		}{
			{"no scope", dialer.MassRequest{Action: dialer.MassDelete}},
			{"two scopes", dialer.MassRequest{Action: dialer.MassDelete, Scope: dialer.MassScope{All: true, IDs: []string{"a"}}}},
			{"no action", dialer.MassRequest{Scope: all}},
			{"unknown field", dialer.MassRequest{Scope: all, Action: dialer.MassSet, Field: "nonsense", Value: value("x")}},
			{"one of a kind", dialer.MassRequest{Scope: all, Action: dialer.MassSet, Field: dialer.FieldExtension, Value: value("101")}},
			{"Salesforce's", dialer.MassRequest{Scope: all, Action: dialer.MassSet, Field: dialer.FieldEmail, Value: value("a@example.com")}},
			{"superuser", dialer.MassRequest{Scope: all, Action: dialer.MassSet, Field: dialer.FieldSuperuser, Value: value(true)}},
			{"wrong value", dialer.MassRequest{Scope: all, Action: dialer.MassSet, Field: dialer.FieldRingTimeout, Value: value(4)}},
			{"wrong type", dialer.MassRequest{Scope: all, Action: dialer.MassSet, Field: dialer.FieldRingTimeout, Value: value([]int{1})}},
			{"no JSON", dialer.MassRequest{Scope: all, Action: dialer.MassSet, Field: dialer.FieldTargetMarket, Value: []byte("{")}},
			{"no value", dialer.MassRequest{Scope: all, Action: dialer.MassSet, Field: dialer.FieldTargetMarket}},
			{"add to one value", dialer.MassRequest{Scope: all, Action: dialer.MassAdd, Field: dialer.FieldDepartment, Value: value([]string{"x"})}},
			{"add nothing", dialer.MassRequest{Scope: all, Action: dialer.MassAdd, Field: dialer.FieldTag, Value: value([]string{})}},
			{"value of none", dialer.MassRequest{Scope: all, Action: dialer.MassDelete, Field: dialer.FieldTag}},
			{"import", dialer.MassRequest{Scope: all, Action: dialer.MassImport}},
		} {
			if _, err := d.PreviewMass(t.Context(), c.r); err == nil {
				t.Errorf("%s: accepted", c.name)
			} else if _, ok := errors.AsType[*store.Error](err); ok {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if list, err := d.MassActions(t.Context(), 0, 0); err != nil || len(list) != 0 {
			t.Errorf("left behind: %+v, %v", list, err)
		}
	})
}

// What Salesforce owns of a linked user cannot be set; of a local one it can.
func TestMassOwnership(t *testing.T) {
	offices(t, directory.Options{Owners: func() map[dialer.Field]dialer.Owner {
		return map[dialer.Field]dialer.Owner{dialer.FieldLocation: dialer.OwnerSalesforce}
	}}, func(t *testing.T, d *office) {
		d.hire(4) // two of them linked
		for _, f := range []dialer.Field{dialer.FieldDepartment, dialer.FieldLocation} {
			m := d.run(d.preview(dialer.MassRequest{Scope: dialer.MassScope{All: true}, Action: dialer.MassSet, Field: f, Value: value("Sales")}))
			if got, want := tally(m.Done), fmt.Sprintf("2 changed, 0 unchanged, 2 refused; 2 %s: %s", f, dialer.ErrSalesforceOwned); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
}

func TestMassSeats(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		d.must(d.SetLicenses(t.Context(), []dialer.License{{Type: "agent", Purchased: 5, Default: true}}))
		people := d.hire(4, "agent")
		people = append(people, d.hireMore(4, 6)...)
		off := d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassDeactivate})
		if off = d.run(off); tally(off.Done) != "10 changed, 0 unchanged, 0 refused" {
			t.Fatalf("deactivate: %s", tally(off.Done))
		}
		on := d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassActivate})
		want := "5 changed, 0 unchanged, 5 refused; 5 no seat is left"
		if tally(on.Preview) != want {
			t.Errorf("preview: %s", tally(on.Preview))
		}
		if on = d.run(on); tally(on.Done) != want {
			t.Errorf("done: %s", tally(on.Done))
		}
		if list, _ := d.Licenses(t.Context()); list[0].Assigned != 5 || list[0].Left != 0 {
			t.Errorf("got %+v", list)
		}
		if refused := d.items(on.ID, dialer.MassItemQuery{Outcome: dialer.ItemRefused}); len(refused) != 5 || refused[0].Detail != dialer.ErrNoSeat.Error() {
			t.Errorf("got %+v", refused)
		}
	})
}

// hireMore adds people without seats, who are inactive.
func (d *office) hireMore(from, n int) []string {
	d.Helper()
	var list []string
	for i := range n {
		u := person(from + 1 + i)
		u.Status, u.StatusReason = dialer.StatusInactive, dialer.ReasonManual
		r := d.Apply(d.Context(), []dialer.Change{{Verb: dialer.VerbCreate, User: u, Actor: root}})[0]
		d.must(r.Err)
		d.apply(dialer.Change{Verb: dialer.VerbActivate, UserID: r.UserID})
		list = append(list, r.UserID)
	}
	return list
}

func TestMassUndo(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(5)
		market := func(id, v string) {
			t.Helper()
			d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: id, User: dialer.User{Settings: dialer.Settings{TargetMarket: v}}, Fields: []dialer.Field{dialer.FieldTargetMarket}})
		}
		for i, id := range people[:4] {
			market(id, fmt.Sprintf("Market %d", i))
		}
		m := d.run(d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassSet, Field: dialer.FieldTargetMarket, Value: value("Market 3")}))
		if tally(m.Done) != "4 changed, 1 unchanged, 0 refused" || m.UndoUntil.Sub(m.FinishedAt) != 7*24*time.Hour {
			t.Fatalf("%s, undo until %s", tally(m.Done), m.UndoUntil)
		}
		market(people[1], "Later")
		d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: people[2], User: dialer.User{Title: "Rep"}, Fields: []dialer.Field{dialer.FieldTitle}})
		d.wait(6 * 24 * time.Hour)
		undo, err := d.UndoMass(t.Context(), m.ID, root)
		d.must(err)
		if want := fmt.Sprintf("undo of mass action %d", m.ID); undo.Reason != want {
			t.Errorf("the reason is %q, want %q", undo.Reason, want)
		}
		if undo = d.finish(undo.ID); tally(undo.Done) != "3 changed, 0 unchanged, 1 refused; 1 "+dialer.ErrMassSince.Error() {
			t.Errorf("undo: %s", tally(undo.Done))
		}
		var got []string
		for _, id := range people {
			u := d.user(id)
			got = append(got, u.Settings.TargetMarket)
		}
		if diff := cmp.Diff([]string{"Market 0", "Later", "Market 2", "Market 3", ""}, got); diff != "" {
			t.Error(diff)
		}
		_, err = d.UndoMass(t.Context(), m.ID, root)
		d.expect(err, dialer.ErrMassUndo)
		_, err = d.UndoMass(t.Context(), undo.ID, root)
		d.expect(err, dialer.ErrMassUndo)

		tags := d.run(d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassAdd, Field: dialer.FieldTag, Value: value([]string{"new"})}))
		undo, err = d.UndoMass(t.Context(), tags.ID, root)
		d.must(err)
		if undo = d.finish(undo.ID); undo.Done.Changed != 5 {
			t.Errorf("undo of tags: %s", tally(undo.Done))
		}
		late := d.run(d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassSet, Field: dialer.FieldTargetMarket, Value: value("East")}))
		d.wait(7 * 24 * time.Hour)
		_, err = d.UndoMass(t.Context(), late.ID, root)
		d.expect(err, dialer.ErrMassUndo)
		gone := d.run(d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassDelete}))
		_, err = d.UndoMass(t.Context(), gone.ID, root)
		d.expect(err, dialer.ErrMassUndo)
	})
}

// The last administrator stays, and the dry run knows it across its pages.
func TestMassLastAdministrator(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(2100) // more than a page of the dry run
		var admin dialer.User
		admin.SystemRole = dialer.SystemRoleAdmin
		for _, id := range []string{people[0], people[2099]} {
			d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: id, User: admin, Fields: []dialer.Field{dialer.FieldSystemRole}})
		}
		m := d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassDeactivate})
		done := d.run(m)
		if diff := cmp.Diff(m.Preview, done.Done); diff != "" || done.Done.Refused != 1 {
			t.Errorf("%s; foretold, then done:\n%s", tally(done.Done), diff)
		}
	})
}

// Redirects are given back too, though they must point at somebody.
func TestMassUndoRedirect(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(3)
		var u dialer.User
		d.must(dialer.FieldUnavailable.Set(&u, "user"))
		d.must(dialer.FieldUnavailableTarget.Set(&u, people[2]))
		d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: people[0], User: u, Fields: []dialer.Field{dialer.FieldUnavailable, dialer.FieldUnavailableTarget}})
		m := d.run(d.preview(dialer.MassRequest{Scope: ids(people[0]), Action: dialer.MassSet, Field: dialer.FieldUnavailableTarget, Value: value(people[1])}))
		undo, err := d.UndoMass(t.Context(), m.ID, root)
		d.must(err)
		if undo = d.finish(undo.ID); undo.Done.Changed != 1 {
			t.Errorf("%s, then %s", tally(m.Done), tally(undo.Done))
		}
		if u = d.user(people[0]); dialer.FieldUnavailableTarget.Text(&u) != people[2] {
			t.Errorf("got %s", dialer.FieldUnavailableTarget.Text(&u))
		}
	})
}

func TestMassOfAnotherOrg(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		other := newOffice(t, d.db, "other", directory.Options{})
		people := other.hire(2)
		d.hire(2)
		theirs := other.preview(dialer.MassRequest{Scope: dialer.MassScope{All: true}, Action: dialer.MassDelete})
		_, err := d.MassAction(t.Context(), theirs.ID)
		d.expect(err, dialer.ErrNoMass)
		_, err = d.StartMass(t.Context(), theirs.ID, 2, root)
		d.expect(err, dialer.ErrNoMass)
		_, err = d.CancelMass(t.Context(), theirs.ID, root)
		d.expect(err, dialer.ErrNoMass)
		_, err = d.MassItems(t.Context(), theirs.ID, dialer.MassItemQuery{})
		d.expect(err, dialer.ErrNoMass)
		m := d.run(d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassDelete}))
		if tally(m.Done) != "0 changed, 0 unchanged, 2 refused; 2 no such user" {
			t.Errorf("forged ids: %s", tally(m.Done))
		}
		if n, err := other.Count(t.Context(), dialer.Query{}); err != nil || n != 2 {
			t.Errorf("%d of two are left, %v", n, err)
		}
	})
}
