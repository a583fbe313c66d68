package control

import (
	"strings"
	"testing"

	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/sync"
)

func TestAttentionIsSettled(t *testing.T) {
	s, e := newTestWorld(t)
	e.Set(func(e *controltest.Engine) {
		e.Items = append(e.Items, sync.AttentionItem{ID: 8, Kind: sync.AttentionAmbiguous, User: "005000000000009AAA", Detail: "could be dialer user A or B", Since: controltest.Start()})
	})
	settle := func(id, body string) reply { return ask(t, s, Manager, "POST", "/v1/attention/"+id+":resolve", body) }
	refused(t, settle("8", `{"how":"accept"}`), 422, CodeInvalid)
	refused(t, settle("8", `{"user":"rep1@example.com"}`), 422, CodeInvalid)
	refused(t, settle("8", `{"how":"ignore"}`), 422, CodeInvalid)
	refused(t, settle("8", `{"how":"forget"}`), 422, CodeInvalid)
	refused(t, settle("8", `{"how":"accept","user":"nobody@example.com"}`), 404, CodeNotFound)
	p := refused(t, settle("7", `{"how":"accept","user":"rep1@example.com"}`), 409, CodeConflict)
	if !strings.Contains(p.Hint, "ambiguous_match") {
		t.Errorf("hint %q", p.Hint)
	}
	if r := decode[Resolved](t, settle("8", `{"how":"accept","user":"rep1@example.com","reason":"asked her"}`)); r.ID != 8 {
		t.Errorf("accepted %d", r.ID)
	}
	if r := decode[Resolved](t, settle("7", `{"how":"ignore","reason":"both are right"}`)); r.ID != 7 {
		t.Errorf("ignored %d", r.ID)
	}
	if open := decode[AttentionPage](t, ask(t, s, Viewer, "GET", "/v1/attention", "")); len(open.Attention) != 0 {
		t.Errorf("open: %+v", open)
	}
	left := decode[AttentionPage](t, ask(t, s, Viewer, "GET", "/v1/attention?ignored=true", ""))
	if len(left.Attention) != 1 || left.Attention[0].Ignored == nil || left.Attention[0].Ignored.Reason != "both are right" {
		t.Errorf("ignored: %+v", left)
	}
}
