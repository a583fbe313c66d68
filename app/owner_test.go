package app

import (
	"encoding/json"
	"testing"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/store/storetest"
)

// A mass action leaves alone what the org's own mapping rules give to
// Salesforce, also after a reload.
func TestMassActionsGoByTheMapping(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), nil)
	a := w.boot(Options{})
	c := w.client()
	w.awaitEnrolled(c)
	refused := func() int64 {
		t.Helper()
		m, err := c.PreviewMass(t.Context(), control.MassActionRequest{
			Scope: control.MassScope{All: true}, Action: "set", Field: "target_market", Value: json.RawMessage(`"North"`),
		})
		if err != nil {
			t.Fatal(err)
		}
		return m.Preview.Refused
	}
	if n := refused(); n != 0 {
		t.Fatalf("%d refused by the default mapping", n)
	}
	w.extra = "    mapping: [{set: target_market, to: user.Division, own: salesforce}]\n"
	if err := a.Reload(t.Context(), w.load); err != nil {
		t.Fatal(err)
	}
	if n := refused(); n != people {
		t.Errorf("%d refused by a mapping that gives it to Salesforce, want %d", n, people)
	}
}
