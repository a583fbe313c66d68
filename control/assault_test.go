package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/dialer"
)

// A schema is as much of an OpenAPI schema as these tests go by.
type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Format     string
	Enum       []any
	MaxLength  int
	Properties map[string]schema
	Items      *schema
	Additional any `json:"additionalProperties"`
}

type parameter struct {
	Name, In string
	Schema   schema
}

type operation struct {
	OperationID string
	Parameters  []parameter
	RequestBody struct {
		Content map[string]struct{ Schema schema }
	}
}

type description struct {
	Paths      map[string]map[string]operation
	Components struct{ Schemas map[string]schema }
}

func (d *description) resolve(s schema) schema {
	for s.Ref != "" {
		s = d.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	return s
}

func (s schema) is(name string) bool {
	if list, ok := s.Type.([]any); ok {
		return slices.Contains(list, any(name))
	}
	return s.Type == name
}

// wrongText are values for a parameter in an address that nobody can mean.
func wrongText(s schema) []string {
	switch {
	case len(s.Enum) > 0:
		return []string{"nonsense", "' OR 1=1 --", "<script>"}
	case s.is("integer"):
		return []string{"abc", "1.5", "99999999999999999999", "0x10", "1;DROP TABLE users"}
	case s.is("boolean"):
		return []string{"maybe", "2"}
	case s.MaxLength > 0:
		return []string{strings.Repeat("x", s.MaxLength+1)}
	}
	return nil
}

// wrongJSON are values for a member of a body that nobody can mean.
func wrongJSON(s schema) []any {
	switch {
	case len(s.Enum) > 0:
		return []any{"nonsense", 7, []any{}, map[string]any{}}
	case s.is("string"):
		list := []any{7, true, []any{"x"}, map[string]any{"$gt": ""}}
		if s.MaxLength > 0 {
			list = append(list, strings.Repeat("é", s.MaxLength+1))
		}
		return list
	case s.is("integer"):
		return []any{"x", 1.5, json.Number("1e30"), json.Number("99999999999999999999"), []any{}, true}
	case s.is("boolean"):
		return []any{"yes", 1, []any{}}
	case s.is("array"):
		return []any{"x", 7, map[string]any{}}
	case s.is("object"):
		return []any{"x", 7, []any{1}}
	}
	return nil
}

// evil are texts that a careless program would take for more than text.
var evil = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'; DROP TABLE dialer_users; --`, `' OR '1'='1`, `=HYPERLINK("http://x.invalid")`,
	`@SUM(1+1)*cmd|' /C calc'!A0`, `../../../../etc/passwd`, `${jndi:ldap://x.invalid/a}`, `{{7*7}}`, "\u202egnp.exe", "a\r\nSet-Cookie: x=1", "\ufeff", `%00`, `\u0000`, strings.Repeat("A", 5000),
}

// assault is the whole of one org's API under attack, beside another org.
type assault struct {
	*world
	t    *testing.T
	doc  description
	acme map[string]string // ids that there are, by the path before them
	beta map[string]string // ids of the other org
}

// state is everything of an org that a request could have changed.
func (a *assault) state(org string) string {
	a.t.Helper()
	d := a.dirs[org]
	var b strings.Builder
	for u, err := range d.Users(a.t.Context(), dialer.Query{Status: dialer.StatusAll}) {
		if err != nil {
			a.t.Fatal(err)
		}
		fmt.Fprintf(&b, "%+v\n", u)
	}
	licenses, err := d.Licenses(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	log, err := d.Activity(a.t.Context(), dialer.ActivityQuery{Newest: true, Limit: 1})
	if err != nil || len(log) == 0 {
		a.t.Fatal(log, err)
	}
	masses, err := d.MassActions(a.t.Context(), 0, 10)
	if err != nil {
		a.t.Fatal(err)
	}
	fmt.Fprintf(&b, "%+v %d %+v", licenses, log[0].Seq, masses)
	for _, path := range []string{"/v1/groups", "/v1/org"} {
		b.Write(a.ask(a.t, Viewer, "GET", path+"?org="+org, "").body)
	}
	return b.String()
}

// sends a request; whatever it is, the answer is no failure, is not to be taken
// for a page, and tells nothing of the other org.
func (a *assault) send(what, method, path, body string) reply {
	a.t.Helper()
	r := a.ask(a.t, Admin, method, path, body)
	switch {
	case r.status >= 500:
		a.t.Errorf("%s: %s %.200s %.200s: answered %d: %s", what, method, path, body, r.status, r.body)
	case r.status >= 400:
		var p Problem
		if json.Unmarshal(r.body, &p) != nil || p.Message == "" || p.Code == "" || p.Status != r.status {
			a.t.Errorf("%s: %s %.200s: the refusal %d is not clear: %s", what, method, path, r.status, r.body)
		}
		if len(r.body) > 20_000 {
			a.t.Errorf("%s: %s %.200s: a refusal of %d bytes", what, method, path, len(r.body))
		}
	}
	if strings.Contains(r.header.Get("Content-Type"), "html") || r.header.Get("X-Content-Type-Options") != "nosniff" {
		a.t.Errorf("%s: %s %.200s: the headers are %v", what, method, path, r.header)
	}
	if strings.Contains(string(r.body), "beta.example.com") {
		a.t.Errorf("%s: %s %.200s: tells of another org: %s", what, method, path, r.body)
	}
	return r
}

// must sends a request that can only be refused.
func (a *assault) must(what, method, path, body string) {
	a.t.Helper()
	if r := a.send(what, method, path, body); r.status < 400 {
		a.t.Errorf("%s: %s %.200s %.200s: answered %d: %.300s", what, method, path, body, r.status, r.body)
	}
}

// with adds a parameter to an address.
func with(path, name, value string) string {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + name + "=" + url.QueryEscape(value)
}

// good is the address of an operation, with ids that there are.
func (a *assault) good(path string) string {
	return strings.NewReplacer("{id}", a.acme[strings.Split(path, "/{")[0]], "{type}", "powerdialer", "{kind}", "tag").Replace(path)
}

// badAddresses are refused, whatever the operation.
func (a *assault) badAddresses(method, path, sample string, op operation) {
	for _, p := range op.Parameters {
		s := a.doc.resolve(p.Schema)
		switch p.In {
		case "path":
			var values []string
			for _, v := range wrongText(s) {
				values = append(values, url.PathEscape(v))
			}
			for _, v := range append(values, "%00", "%ff", "%2e%2e%2f", url.PathEscape(evil[2]), url.PathEscape(evil[0]), "0", a.beta[strings.Split(path, "/{")[0]]) {
				if v != "" && p.Name != "kind" && (p.Name != "type" || v != "0") {
					a.must("id", method, strings.Replace(path, "{"+p.Name+"}", v, 1), sample)
				}
			}
		case "query":
			for _, v := range wrongText(s) {
				a.must("parameter", method, with(a.good(path), p.Name, v), sample)
			}
		}
	}
	if !slices.ContainsFunc(op.Parameters, func(p parameter) bool { return p.Name == "org" }) {
		return
	}
	a.must("org", method, with(a.good(path), "org", "nobody's"), sample)
}

// badBodies are refused.
func (a *assault) badBodies(method, path string, sample map[string]any, op operation) {
	content, ok := op.RequestBody.Content["application/json"]
	if !ok {
		return
	}
	body := a.doc.resolve(content.Schema)
	raw := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			a.t.Fatal(err)
		}
		return string(text)
	}
	at := a.good(path)
	list := "[]"
	if op.OperationID == "import-users" {
		list = "null" // of users there may be none
	}
	for _, text := range []string{"{", list, `"x"`, "7", "{}}", `{"a":`, "<a/>", "\x00", `{"reason":"\u0000"}`, `{"reason":"` + strings.Repeat("x", maxMassBody+1) + `"}`} {
		a.must("body", method, at, text)
	}
	var walk func(s schema, rest func(any) any)
	walk = func(s schema, whole func(any) any) {
		if s.Additional == false {
			a.must("unknown member", method, at, raw(whole(map[string]any{"is_superuser_": true})))
		}
		for name, member := range s.Properties {
			member = a.doc.resolve(member)
			put := func(v any) any { return whole(map[string]any{name: v}) }
			for _, v := range wrongJSON(member) {
				a.must(name, method, at, raw(put(v)))
			}
			if member.is("object") {
				walk(member, put)
			}
		}
	}
	walk(body, func(part any) any {
		all := maps.Clone(sample)
		maps.Copy(all, part.(map[string]any))
		return all
	})
}

// evilTexts are taken for text and nothing else, or refused.
func (a *assault) evilTexts(method, path string, sample map[string]any, op operation) {
	body, _ := json.Marshal(sample)
	for _, p := range op.Parameters {
		if p.In == "query" && p.Name != "org" && a.doc.resolve(p.Schema).is("string") {
			for _, v := range evil {
				a.send(p.Name, method, with(a.good(path), p.Name, v), string(body))
			}
		}
	}
	content := op.RequestBody.Content["application/json"]
	for name, member := range a.doc.resolve(content.Schema).Properties {
		member = a.doc.resolve(member)
		for _, v := range evil {
			all := maps.Clone(sample)
			switch {
			case member.is("string") || member.Type == nil:
				all[name] = v
			case member.is("array"):
				all[name] = []any{v}
			case member.is("object"):
				all[name] = map[string]any{"username": v, "filter": v, "ids": []any{v}, v: v}
			default:
				continue
			}
			text, err := json.Marshal(all)
			if err != nil {
				a.t.Fatal(err)
			}
			a.send(name, method, a.good(path), string(text))
			a.send(name, method, a.good(path), strings.ReplaceAll(string(text), "alert", "\xff\xfe"))
		}
	}
}

// forge makes things in the other org, for their ids to be used in this one.
func (a *assault) forge() {
	user := a.ids["rep1@beta.example.com"]
	p := decode[NewPassword](a.t, a.ask(a.t, Admin, "POST", "/v1/users/"+user+":reset-password?org=beta", `{"must_change":false}`))
	in := decode[SignedIn](a.t, a.ask(a.t, Dialer, "POST", "/v1/sessions?org=beta", fmt.Sprintf(`{"username":"rep1@beta.example.com","password":%q,"client":"web","ip":"192.0.2.7"}`, string(p.Password))))
	var m MassAction
	for range 3 { // so that no id of acme is the same
		m = decode[MassAction](a.t, a.ask(a.t, Admin, "POST", "/v1/mass-actions?org=beta", `{"scope":{"all":true},"action":"deactivate"}`))
	}
	group := func(org string) string {
		g := decode[dialer.GroupInfo](a.t, a.ask(a.t, Admin, "POST", "/v1/groups?org="+org, `{"kind":"desk","name":"EMEA"}`))
		return fmt.Sprint(g.ID)
	}
	a.acme = map[string]string{
		"/v1/users": "rep1@acme.example.com", "/v1/attention": "7", "/v1/runs": "1", "/v1/mass-actions": "1", "/v1/sessions": "none", "/v1/groups": group("acme"),
	}
	a.beta = map[string]string{"/v1/groups": group("beta"), "/v1/users": user, "/v1/sessions": in.Session.ID, "/v1/mass-actions": fmt.Sprint(m.ID)}
	with := fmt.Sprintf(`{"token":%q,"ip":"192.0.2.7"}`, string(in.Token))
	for _, act := range []string{"heartbeat", "logout", "enroll-2fa"} {
		a.must("forged token", "POST", "/v1/sessions:"+act, with)
	}
	a.must("forged user", "POST", "/v1/sessions:end", fmt.Sprintf(`{"user":%q}`, user))
	forged := decode[MassAction](a.t, a.send("forged ids", "POST", "/v1/mass-actions", fmt.Sprintf(`{"scope":{"ids":[%q]},"action":"deactivate"}`, user)))
	if forged.Preview.Changed != 0 {
		a.t.Errorf("a mass action on another org's user would change %+v", forged.Preview)
	}
	a.send("forged ids", "POST", fmt.Sprintf("/v1/mass-actions/%d:start", forged.ID), fmt.Sprintf(`{"confirm_count":%d}`, forged.Total))
	if _, err := a.dirs["acme"].StepMass(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

// Whatever comes in, through whichever operation, is refused clearly or taken
// for what it says: nothing breaks, nothing else changes, nothing gets out.
func TestHostileInput(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		a := &assault{world: s, t: t}
		close(s.closing) // streams end at once
		text, err := s.OpenAPI()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &a.doc); err != nil {
			t.Fatal(err)
		}
		s.ask(t, Admin, "POST", "/v1/sync", `{}`)
		a.forge()
		beta := a.state("beta")
		for _, del := range []bool{false, true} { // what deletes comes last, so that the others have something to work on
			for path, methods := range a.doc.Paths {
				for method, op := range methods {
					if (method == "delete") == del {
						a.operation(strings.ToUpper(method), path, op)
					}
				}
			}
		}
		if a.state("beta") != beta {
			t.Error("another org was changed")
		}
	})
}

// operation attacks one operation.
func (a *assault) operation(method, path string, op operation) {
	sample := routes()[op.OperationID].body
	members := map[string]any{}
	_ = json.Unmarshal([]byte(sample), &members) // a list has no members
	acme := a.state("acme")
	a.badAddresses(method, path, sample, op)
	a.badBodies(method, path, members, op)
	for _, role := range append(Roles(), Dialer) {
		if need := a.needs[op.OperationID]; need != anyone && !role.May(need) {
			refused(a.t, a.ask(a.t, role, method, a.good(path), sample), 403, CodeForbidden)
		}
	}
	if a.state("acme") != acme {
		a.t.Errorf("%s: refused requests changed something", op.OperationID)
	}
	a.evilTexts(method, path, members, op)
}
