package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// What one person shall have is typed before they are added, and outweighs what
// everybody gets.
func TestOwnSettings(t *testing.T) {
	h, d := newCrowd(t)
	const jo, own = "005000000000900AAA", "/o/acme/add/review/005000000000900AAA"
	if status, _, _ := h.get(own); status != http.StatusNotFound {
		t.Errorf("the settings of somebody who is not ticked: %d", status)
	}
	h.send("/o/acme/add/select", url.Values{"go": {"/o/acme/add/review"}, "shown": {jo}, "pick": {jo}})
	_, _, page := h.get(own)
	has(t, page, "<h1>Jo Smith</h1>", `name="extension"`, `name="was.extension" value=""`)
	if strings.Contains(page, `name="email"`) {
		t.Error("what Salesforce owns can be typed")
	}
	_, at, page := h.send(own, url.Values{
		"was.extension": {""}, "extension": {"4711"}, "was.ring_timeout_seconds": {"20"}, "ring_timeout_seconds": {"20"}, "was.email": {""}, "email": {"evil@example.com"},
	})
	if at != "/o/acme/add/review" {
		t.Errorf("one is at %s", at)
	}
	has(t, page, "1 setting of their own", ">1 setting<")
	if _, _, page := h.get(own); !strings.Contains(page, `value="4711"`) {
		t.Error("what was typed is not shown again")
	}
	h.send(own, url.Values{"clear": {"1"}})
	if _, _, page := h.get("/o/acme/add/review"); strings.Contains(page, "1 setting<") {
		t.Error("what was typed cannot be taken back")
	}
	h.send(own, url.Values{"was.extension": {""}, "extension": {"4712"}})
	_, _, page = h.send("/o/acme/add/review", nil)
	has(t, page, "1 user added")
	u, err := d.User(t.Context(), jo)
	if err != nil || u.Extension != "4712" || u.Email != "jo@example.com" {
		t.Errorf("added with extension %q and e-mail %q: %v", u.Extension, u.Email, err)
	}
}

// The org's numbers are listed, given to users and taken from them; one that
// somebody has is neither removed nor given away.
func TestNumbersPage(t *testing.T) {
	h, d := newCrowd(t)
	one, two := controltest.Person(1), controltest.Person(2)
	const number, written = "+12025550143", "&#43;12025550143"
	if status, _, page := h.send("/o/acme/numbers", url.Values{"number": {"nonsense"}, "kind": {"personal"}, "note": {"<b>front"}}); status != http.StatusUnprocessableEntity || !strings.Contains(page, `value="&lt;b&gt;front"`) {
		t.Errorf("a number that is none: %d", status)
	}
	_, _, page := h.send("/o/acme/numbers", url.Values{"number": {"(202) 555-0143"}, "kind": {"personal"}, "note": {"front desk"}})
	has(t, page, written, "front desk", "nobody")
	if _, err := d.SetOrgSettings(t.Context(), map[dialer.Field]any{dialer.OrgPersonalNumbers: true}, dialer.Actor{Kind: "support", Name: "sam"}); err != nil {
		t.Fatal(err)
	}
	_, _, page = h.send("/o/acme/numbers/assign", url.Values{"number": {number}, "user": {one.Username}})
	has(t, page, written+" is the personal number of", "Release")
	if u, err := d.User(t.Context(), one.Username); err != nil || dialer.FieldPersonalNumber.Text(&u) != number {
		t.Errorf("the number of %s is %q: %v", one.Username, dialer.FieldPersonalNumber.Text(&u), err)
	}
	if _, _, page = h.send("/o/acme/numbers/assign", url.Values{"number": {number}, "user": {two.Username}}); !strings.Contains(page, "note bad") {
		t.Error("a number is given away twice")
	}
	if _, _, page = h.send("/o/acme/numbers/remove", url.Values{"number": {number}}); !strings.Contains(page, "note bad") {
		t.Error("a number is removed that somebody has")
	}
	if _, _, page = h.get("/o/acme/numbers?show=available"); strings.Contains(page, written) {
		t.Error("a number is available that somebody has")
	}
	id := idOf(t, d, one)
	if _, _, page = h.send("/o/acme/numbers/release", url.Values{"number": {"+12025550199"}, "user": {id}}); !strings.Contains(page, "note warn") {
		t.Error("another number is released than the one named")
	}
	_, _, page = h.send("/o/acme/numbers/release", url.Values{"number": {number}, "user": {id}})
	has(t, page, "has no personal number any more")
	_, _, page = h.send("/o/acme/numbers/remove", url.Values{"number": {number}})
	has(t, page, "no more", "None yet.")
	h.login(viewerToken)
	if _, _, page = h.send("/o/acme/numbers", url.Values{"number": {number}, "kind": {"personal"}}); !strings.Contains(page, "eeds the role") {
		t.Error("a viewer adds a number")
	}
}

// An item of attention is tried again, ignored with a reason, or settled by
// saying who the person is.
func TestSettleAttention(t *testing.T) {
	h := newHouse(t)
	h.login(adminToken)
	e := h.engines["acme"]
	e.Set(func(e *controltest.Engine) {
		e.Items = []sync.AttentionItem{{ID: 7, Kind: "ambiguous_match", User: "005000000000001AAA", Detail: "two dialer users could be this person"}, {ID: 8, Kind: "no_seat", User: "005000000000002AAA"}}
	})
	_, _, page := h.get("/o/acme/attention")
	if strings.Count(page, `value="accept"`) != 1 || strings.Count(page, `value="ignore"`) != 2 {
		t.Errorf("what can be done: %.3000s", page)
	}
	if _, _, page = h.send("/o/acme/attention/8", url.Values{"how": {"ignore"}}); !strings.Contains(page, "note bad") {
		t.Error("an item is ignored without a reason")
	}
	_, _, page = h.send("/o/acme/attention/8", url.Values{"how": {"ignore"}, "reason": {"CASE-1"}})
	has(t, page, "Ignored, until")
	if _, _, page = h.get("/o/acme/attention?show=ignored"); !strings.Contains(page, "Ignored items") || strings.Contains(page, `value="ignore"`) {
		t.Errorf("the ignored ones: %.3000s", page)
	}
}

// Where a superuser takes two administrators, one asks on the user's page, and
// another confirms or refuses.
func TestSuperuserTakesTwo(t *testing.T) {
	h, d := newCrowd(t)
	at := "/o/acme/users/" + idOf(t, d, controltest.Person(1))
	if _, _, page := h.get(at); strings.Contains(page, "ask-superuser") {
		t.Error("it is offered where one suffices")
	}
	if _, err := d.SetOrgSettings(t.Context(), map[dialer.Field]any{dialer.OrgTwoPersons: true}, dialer.Actor{Kind: "admin", Name: "sam"}); err != nil {
		t.Fatal(err)
	}
	_, _, page := h.get(at)
	has(t, page, at+"/do/ask-superuser")
	_, _, page = h.get(at + "/do/ask-superuser")
	has(t, page, "Another administrator confirms", "required")
	ask := func() {
		t.Helper()
		_, _, page := h.send(at+"/do/ask-superuser", url.Values{"reason": {"on <call>"}})
		has(t, page, "You want", "on &lt;call&gt;", ">Withdraw<")
		if strings.Contains(page, "confirm-superuser") {
			t.Error("who asks is offered to confirm")
		}
	}
	if _, _, page = h.send(at+"/do/ask-superuser", nil); !strings.Contains(page, "note bad") {
		t.Error("one asks without a reason")
	}
	ask()
	if _, _, page = h.send(at+"/do/confirm-superuser", nil); !strings.Contains(page, "note bad") {
		t.Error("who asks confirms")
	}
	h.login(viewerToken)
	for _, path := range []string{at, "/o/acme/attention"} {
		if _, _, page = h.get(path); strings.Contains(page, "on &lt;call&gt;") || strings.Contains(page, "-superuser") {
			t.Errorf("a viewer is offered to decide at %s", path)
		}
	}
	h.login(secondToken)
	_, _, page = h.get("/o/acme/attention")
	has(t, page, "Superusers to confirm", "on &lt;call&gt;", "dana", at)
	_, _, page = h.get(at)
	has(t, page, "dana wants", ">Refuse<", ">Confirm<")
	_, _, page = h.send(at+"/do/withdraw-superuser", url.Values{"reason": {"no"}})
	has(t, page, "The request is ended.", "ask-superuser")
	h.login(adminToken)
	ask()
	h.login(secondToken)
	_, _, page = h.send(at+"/do/confirm-superuser", nil)
	has(t, page, "is a superuser.")
	if strings.Contains(page, "ask-superuser") {
		t.Error("a superuser is asked for once more")
	}
	if _, _, page = h.get("/o/acme/attention"); strings.Contains(page, "Superusers to confirm") {
		t.Error("what was decided waits")
	}
	u, err := d.User(t.Context(), controltest.Person(1).Username)
	if err != nil || !u.Superuser {
		t.Errorf("the user is %+v, %v", u, err)
	}
}

// A filter that fits few is looked for further than one part of the list, and
// where that takes too long the page says so.
func TestAddLooksFurther(t *testing.T) {
	h, _ := newCrowd(t)
	h.lookFor = time.Minute
	_, _, page := h.get("/o/acme/add?show=all&department=x")
	has(t, page, "Jo Smith")
	if strings.Contains(page, "Look further") {
		t.Error("the last page has another")
	}
	h.lookFor = 0
	_, _, page = h.get("/o/acme/add?show=all&role=x")
	has(t, page, "look further", ">Look further<")
}

// Who is limited to groups adds people by name, if they land in those.
func TestAddNamed(t *testing.T) {
	h, d := newCrowd(t)
	h.login(limitedToken)
	const jo = "005000000000900AAA"
	_, _, page := h.get("/o/acme/add")
	has(t, page, "land in vip", `name="who"`)
	if strings.Contains(page, "Jo Smith") {
		t.Error("everybody of Salesforce is listed")
	}
	status, _, page := h.send("/o/acme/add/named", url.Values{"who": {" <b>\r\n" + jo}, "reason": {"CASE-2"}})
	has(t, page, "Nobody was added", "<li>&lt;b&gt;</li>", "<li>"+jo+"</li>", "CASE-2")
	if _, err := d.User(t.Context(), jo); err == nil || status != http.StatusForbidden {
		t.Errorf("somebody is added who does not land there: %d", status)
	}
	by := dialer.Actor{Kind: "admin", Name: "sam"}
	if _, err := d.AddGroup(t.Context(), dialer.KindTag, "vip", nil, by); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetOrgSettings(t.Context(), map[dialer.Field]any{dialer.OrgDefaultGroups: []any{map[string]any{"kind": "tag", "name": "vip"}}}, by); err != nil {
		t.Fatal(err)
	}
	_, _, page = h.send("/o/acme/add/named", url.Values{"who": {jo}})
	has(t, page, "1 user added")
	if u, err := d.User(t.Context(), jo); err != nil || len(u.In(dialer.KindTag)) != 1 {
		t.Errorf("added: %+v, %v", u.Groups, err)
	}
	if _, _, page = h.send("/o/acme/add/named", nil); !strings.Contains(page, "Say who.") {
		t.Error("nobody is added")
	}
}
