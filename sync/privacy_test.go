package sync_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
	rostersync "github.com/rosterd/rosterd/sync"
)

// Names, addresses and numbers stay where they belong: in the mirror, in the
// directory and in its audit trail. No log line, run, item or reason has them.
func TestNobodyIsNamed(t *testing.T) {
	rules := []rostersync.Rule{
		{Set: "title", To: `user.Title == "boom" ? string(int(user.Phone)) : user.Title`},
		{Set: "country", To: "user.City"},
	}
	cfg := func(c *rostersync.Config) { c.Guard = rostersync.Guard{Users: 1} }
	onBoth(t, wish{users: 20, cfg: cfg, rules: rules, seats: 22, idle: true}, func(t *testing.T, x *world) {
		must(t, x.org.MassUpdate(x.ids(), func(u *simorg.User) { u.City = "US" }))
		x.firstRun()
		ids := x.ids()
		x.local("quixotic.local", "quixotic.local@example.com")
		x.local("quixotic.twin", "quixotic.shared@example.com", func(u *dialer.User) { u.Protected = true })
		x.hire("quixotic.a", func(u *simorg.User) { u.Email = "quixotic address without a sign" })
		x.hire("quixotic.b", func(u *simorg.User) { u.Title, u.Phone = "boom", "+1 202 555 0142 quixotic" })
		x.hire("quixotic.c", func(u *simorg.User) { u.Email = dialerEmail(x, ids[3]) })
		x.hire("quixotic.d", func(u *simorg.User) { u.Email = "quixotic.shared@example.com" })
		x.hire("quixotic.e", func(u *simorg.User) { u.City = "Quixotic City" })
		x.hire("quixotic.local")
		for i := range 4 {
			x.hire(fmt.Sprint("quixotic.seat", i))
		}
		for _, id := range ids[:3] {
			must(t, x.org.Update(id, func(u *simorg.User) { u.Email, u.LastName = "quixotic."+u.Email, "Quixotic" }))
		}
		x.deactivate(ids[5:8]...)
		x.changes()
		x.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "SystemModstamp", Times: 1, Effect: simorg.Effect{
			Kind: simorg.Status, Status: 400, Code: "MALFORMED_QUERY", Message: "near quixotic@example.com",
		}})
		x.changes()
		x.org.Faults().Clear()
		x.full()
		x.sync(rostersync.Request{Kind: rostersync.KindFull, DryRun: true})

		texts := map[string]any{"log": x.log.String(), "status": x.status(), "items": mustValue(x.engine.Attention(t.Context(), false))}
		runs := mustValue(x.engine.Runs(t.Context(), 0, 100))
		for i := range runs {
			texts[fmt.Sprint("run ", runs[i].ID)] = mustValue(x.engine.RunByID(t.Context(), runs[i].ID))
		}
		for _, kind := range []string{store.PendingRetry, store.PendingNoSeat, store.PendingEnroll, store.PendingDirty} {
			texts["pending "+kind] = mustValue(x.db.Journal(x.orgID).Pending(t.Context(), kind, 0))
		}
		var held []store.HeldRow
		for h, err := range x.db.Journal(x.orgID).Held(t.Context()) {
			must(t, err)
			held = append(held, h)
		}
		if len(held) == 0 || len(x.attention(rostersync.AttentionAmbiguous)) == 0 || len(x.attention(rostersync.AttentionDuplicate)) == 0 ||
			x.status().Waiting == 0 || len(runs) < 4 {
			t.Fatalf("too little happened: %d held, %+v", len(held), texts["items"])
		}
		texts["held"] = held
		for what, v := range texts {
			b, err := json.Marshal(v)
			must(t, err)
			for _, word := range []string{"uixotic", "@", "555 01"} {
				if at := strings.Index(string(b), word); at >= 0 {
					t.Errorf("%s has %q: …%s…", what, word, b[max(0, at-80):min(len(b), at+40)])
				}
			}
		}
	})
}

func mustValue[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
