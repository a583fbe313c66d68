package sync

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
)

// drawSource makes a Salesforce user of anything that can stand in its fields.
func drawSource(r *rand.Rand) *crm.User {
	var u crm.User
	scramble(r, reflect.ValueOf(&u).Elem(), func(string) bool { return true })
	u.ID, u.Email, u.Username = "005000000000001AAA", oneOf(r, "ann@example.com", "Änn@example.com"), "ann@acme.example"
	u.UserType, u.Profile.UserLicense.Name = oneOf(r, "Standard", "Standard", "PowerPartner"), oneOf(r, "Salesforce", "Salesforce", "Chatter Free", "")
	return &u
}

// scramble draws the fields anew that are named by what rules call them.
func scramble(r *rand.Rand, v reflect.Value, named func(string) bool) {
	for field, f := range v.Fields() {
		if !named(field.Tag.Get("expr")) && field.Name != "Custom" {
			continue
		}
		switch {
		case f.Kind() == reflect.String:
			f.SetString(drawText(r))
		case f.Kind() == reflect.Bool:
			f.SetBool(chance(r, 70))
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(time.Unix(r.Int64N(2e9), 0).UTC()))
		case f.Kind() == reflect.Struct:
			scramble(r, f, func(string) bool { return true })
		case f.Kind() == reflect.Map:
			custom := map[string]any{}
			for k, was := range f.Seq2() {
				custom[k.String()] = was.Interface()
			}
			for _, k := range []string{"Team__c", "Tags__c", "Number__c", "Flag__c"} {
				if !named("Custom." + k) {
					continue
				}
				if delete(custom, k); chance(r, 60) {
					custom[k] = map[string]any{
						"Team__c": drawText(r), "Tags__c": oneOf(r, "a;b", "a; b ;;a", " ; ", "", "b"),
						"Number__c": oneOf[any](r, 7.0, 8012345678.0, 0.25, 1e21), "Flag__c": chance(r, 50),
					}[k]
				}
			}
			f.Set(reflect.ValueOf(custom))
			if len(custom) == 0 {
				f.SetZero()
			}
		}
	}
}

func drawText(r *rand.Rand) string {
	return oneOf(r, "", "", "x", "Sales Manager", "en_US", "America/Denver", " led and trailed\t", "a\nb\x00c", "José", "東京\u3000支社", "\u00a0", "\u0085", strings.Repeat("ü", 300), "null", "a;b", "\u202eright")
}

// sampleRules are rules that compile, for attributes of every sort.
func sampleRules() []Rule {
	return []Rule{
		{Set: "title", To: `user.Department + " " + user.Title`},
		{Set: "title", To: `user.IsActive ? ["a"] : "b"`},
		{Set: "title", To: `let d = user.Division; d matches "^a" ? d : user?.Title`},
		{Set: "employee_number", To: `user.Custom["Number__c"]`},
		{Set: "employee_number", To: `user.Custom.Number__c ?? 12`},
		{Set: "tag", To: `split(user.Custom["Tags__c"] ?? "", ";")`},
		{Set: "tag", To: `[user.Department, user.Custom.Team__c, user.Custom?.Flag__c]`},
		{Set: "tag", To: `user.Custom.Team__c`},
		{Set: "skill_group", To: `user.Custom["Team__c"] == nil ? [] : [user.Custom["Team__c"], "All"]`},
		{Set: "permission_group", To: `user.Profile.Name == "Sales Manager" ? "Managers" : "Reps"`},
		{Set: "role", To: `user.Custom.Flag__c == true ? ["Agent", "Coach"] : ["Agent"]`},
		{Set: "location", To: `user.City`},
		{Set: "department", To: `user["Department"]`},
		{Set: "department", To: `user.IsActive ? ["a", "b"] : "c"`},
		{Set: "system_role", To: `user.IsFrozen ? "admin" : "supervisor"`},
		{Set: "caller_id_name", To: `trim(user.FirstName + " " + user.LastName)[:40]`},
		{Set: "target_market", To: `user.Custom.Number__c > 5 ? "big" : "small"`},
		{Set: "sales_role", To: `string(user.Custom.Flag__c)`},
		{Set: "phone", To: `user.Phone ?? user.MobilePhone`},
		{Set: "email", To: `lower(user.Email)`},
		{Set: "language", To: "", Own: OwnAdmin},
		{Set: "mobile", To: "nil"},
		{Set: "username", To: `user.Custom.Team__c`},
		{Set: "desk", To: `map(filter([user.City, user.State], # != ""), upper(#))`},
	}
}

func sampleScopes() []string {
	return []string{
		DefaultScope, "true", `user.Custom.Flag__c == true`, `user.Custom.Number__c > 5`, `user.Custom["Team__c"] != "x"`,
		`user.Profile.Name in ["x", "Sales Manager"] and not user.IsFrozen`, `user.Department startsWith "x" || len(user.Name) > 3`,
		`user.CreatedDate.Year() > 2000`, `user.Custom.Tags__c matches user.Title`,
	}
}

// sample is a policy, and the rules that it was compiled from.
type sample struct {
	*Policy
	scope string
	rules []Rule
}

// samplePolicies compiles many policies, the first of them the default one.
func samplePolicies(t *testing.T) []sample {
	t.Helper()
	r := rand.New(rand.NewPCG(0, 2))
	policies := []sample{{scope: DefaultScope}}
	for range 30 {
		s := sample{scope: oneOf(r, sampleScopes()...)}
		all := sampleRules()
		for _, i := range r.Perm(len(all))[:r.IntN(10)] {
			rule := all[i]
			if rule.Own == "" {
				rule.Own = oneOf(r, OwnSalesforce, OwnSeeded, "")
			}
			if !slices.ContainsFunc(s.rules, func(o Rule) bool { return o.Set == rule.Set }) {
				s.rules = append(s.rules, rule)
			}
		}
		policies = append(policies, s)
	}
	for i := range policies {
		s := &policies[i]
		var err error
		if s.Policy, err = CompilePolicy(s.scope, s.rules); err != nil {
			t.Fatal(err)
		}
	}
	return policies
}

// hideable are the names that rules can lose.
func hideable() []string {
	names := []string{"Custom.Team__c", "Custom.Tags__c", "Custom.Number__c", "Custom.Flag__c"}
	for f := range reflect.TypeFor[crm.User]().Fields() {
		if f.Name != "Custom" && f.Name != "ID" {
			names = append(names, f.Tag.Get("expr"))
		}
	}
	return names
}

func TestDefaultScopeIsTotal(t *testing.T) {
	p := samplePolicies(t)[0]
	eachSeed(t, func(r *rand.Rand, _ int) error {
		u := drawSource(r)
		want := u.IsActive && u.UserType == "Standard" && u.Profile.UserLicense.Name == "Salesforce"
		if got, err := p.InScope(u); got != want || err != nil {
			return fmt.Errorf("got %v, want %v: %w", got, want, err)
		}
		if in, err := p.InScope(&crm.User{}); in || err != nil {
			return fmt.Errorf("an empty user is in scope %v: %w", in, err)
		}
		var into dialer.User
		if _, _, err := p.Map(u, nil, &into); err != nil {
			return fmt.Errorf("the default mapping: %w", err)
		}
		return nil
	})
}

// Whatever the user and the rules, there is an answer or an error that quotes
// no value, and each attribute is the rules' as they say, or left alone.
func TestMappingAnswersForEveryone(t *testing.T) {
	policies := samplePolicies(t)
	eachSeed(t, func(r *rand.Rand, _ int) error {
		p := oneOf(r, policies...)
		u := drawSource(r)
		if _, err := p.InScope(u); err != nil && strings.Contains(err.Error(), u.Email) {
			return fmt.Errorf("the scope's error quotes: %w", err)
		}
		into := drawUser(r)
		before := into
		owned, seeded, err := p.Map(u, nil, &into)
		if err != nil {
			if owned != nil || seeded != nil {
				return fmt.Errorf("half an answer with %w", err)
			}
			return nil
		}
		own := map[dialer.Field]Own{}
		for _, rule := range append(DefaultRules(), p.rules...) {
			own[dialer.Field(rule.Set)] = rule.Own
		}
		for f, o := range own {
			in := [2]bool{slices.Contains(owned, f), slices.Contains(seeded, f)}
			want := map[Own][2]bool{"": {true, false}, OwnSalesforce: {true, false}, OwnSeeded: {false, true}, OwnAdmin: {false, false}}[o]
			if in != want {
				return fmt.Errorf("%s is %q: owned %v, seeded %v", f, o, in[0], in[1])
			}
		}
		for _, f := range dialer.Fields() {
			if o, ruled := own[f]; (!ruled || o == OwnAdmin) && !f.Equal(&before, &into) {
				return fmt.Errorf("%s is %q, and was written", f, o)
			}
			if s, ok := f.Value(&into).(string); ok && f == dialer.FieldEmployeeNumber && u.Custom["Number__c"] == 8012345678.0 && strings.Contains(s, "e+") {
				return fmt.Errorf("%s is %s", f, s)
			}
		}
		for _, g := range into.Groups {
			if g.Kind == "" || g.Name != strings.TrimSpace(g.Name) || g.Name == "" || g.Name == "<nil>" {
				return fmt.Errorf("group %q of kind %q", g.Name, g.Kind)
			}
		}
		for _, k := range dialer.Kinds() {
			if n := len(into.In(k)); k.Single() && n > 1 {
				return fmt.Errorf("%d groups of kind %s", n, k)
			}
		}
		return nil
	})
}

// What cannot be read decides nothing: no rule that reads it writes, and none
// that writes changes with it.
func TestHiddenFieldsWriteNothing(t *testing.T) {
	policies := samplePolicies(t)
	reading := map[string]*regexp.Regexp{}
	for _, name := range hideable() {
		reading[name] = regexp.MustCompile(`(user\??\.|user\.Custom\??\.|\[")` + strings.TrimPrefix(name, "Custom.") + `\b`)
	}
	eachSeed(t, func(r *rand.Rand, size int) error {
		p := oneOf(r, policies...)
		names := hideable()
		r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		hidden := names[:r.IntN(size+1)]
		seen := drawSource(r)
		unseen := *seen
		scramble(r, reflect.ValueOf(&unseen).Elem(), func(n string) bool { return slices.Contains(hidden, n) })
		var a, b dialer.User
		owned, seeded, err := p.Map(seen, hidden, &a)
		owned2, seeded2, err2 := p.Map(&unseen, hidden, &b)
		if (err == nil) != (err2 == nil) || !slices.Equal(owned, owned2) || !slices.Equal(seeded, seeded2) || err == nil && !reflect.DeepEqual(a, b) {
			return fmt.Errorf("%v decide: %w\n%s", hidden, errors.Join(err, err2), cmp.Diff(a, b))
		}
		written := append(slices.Clone(owned), seeded...)
		for _, f := range dialer.Fields() {
			if err == nil && !slices.Contains(written, f) && !f.Equal(&a, &dialer.User{}) {
				return fmt.Errorf("%s is written on the quiet", f)
			}
		}
		for _, rule := range p.rules {
			reads := slices.ContainsFunc(hidden, func(h string) bool {
				return reading[h].MatchString(rule.To)
			})
			if reads && slices.Contains(written, dialer.Field(rule.Set)) {
				return fmt.Errorf("%s reads one of %v, and is written", rule.To, hidden)
			}
		}
		scope, _ := p.InScope(seen)
		other, _ := p.InScope(&unseen)
		if scope != other && !p.blind(hidden) {
			return fmt.Errorf("the scope %s changes with %v, and is not blind", p.scope, hidden)
		}
		return nil
	})
}

// Mapping twice gives what mapping once does, and a directory that took it over
// has nothing left to take.
func TestMappingIsIdempotent(t *testing.T) {
	policies := samplePolicies(t)
	eachSeed(t, func(r *rand.Rand, size int) error {
		p := oneOf(r, policies[0], oneOf(r, policies...))
		var hidden []string
		for _, n := range hideable() {
			if chance(r, 3) {
				hidden = append(hidden, n)
			}
		}
		u := drawSource(r)
		var once dialer.User
		if _, _, err := p.Map(u, hidden, &once); err == nil {
			twice := once
			if _, _, err := p.Map(u, hidden, &twice); err != nil || !reflect.DeepEqual(once, twice) {
				return fmt.Errorf("twice: %w\n%s", err, cmp.Diff(once, twice))
			}
		}
		c := &Config{Policy: p.Policy, Enrollment: EnrollAutomatic, Frozen: oneOf(r, FrozenDeactivate, FrozenIgnore)}
		row, err := rowOf(u, chance(r, 10), hashUser(u, false), time.Unix(0, 0))
		if err != nil {
			return err
		}
		d := draw(r, size)
		want := c.judge(&row, hidden)
		clean := want.User
		if dialer.Normalize(&clean); !reflect.DeepEqual(clean, want.User) {
			return fmt.Errorf("not as the directory stores it:\n%s", cmp.Diff(want.User, clean))
		}
		d.desired, d.actual = []Desired{want}, nil
		if chance(r, 50) {
			d.actual = []dialer.User{drawActual(r, want.SalesforceID, d.policy.Now)}
		}
		next, _, err := d.after()
		if err != nil {
			return err
		}
		next.desired = []Desired{c.judge(&row, hidden)}
		again, err := next.diff()
		if err != nil {
			return err
		}
		for _, a := range again {
			if a.Change.Verb != "" && a.Change.Verb != dialer.VerbCreate {
				return fmt.Errorf("%s %v once more: from\n%+v\nto %+v", a.Change.Verb, a.Change.Fields, a.Actual, a.Desired.User)
			}
		}
		return nil
	})
}

// Whom Salesforce deactivated or froze leaves, though scope or mapping fail for
// them; nobody else does but by a scope that says so.
func TestRulesKeepNobodyFromLeaving(t *testing.T) {
	policies := samplePolicies(t)
	eachSeed(t, func(r *rand.Rand, _ int) error {
		p, u, frozen := oneOf(r, policies...), drawSource(r), chance(r, 20)
		c := &Config{Policy: p.Policy, Enrollment: oneOf(r, EnrollAutomatic, EnrollSelected), Frozen: oneOf(r, FrozenDeactivate, FrozenIgnore)}
		row, err := rowOf(u, frozen, 1, time.Unix(0, 0))
		if err != nil {
			return err
		}
		d := c.judge(&row, nil)
		u.IsFrozen = frozen
		in, err := p.InScope(u)
		want := dialer.ReasonNone
		switch {
		case !u.IsActive:
			want = dialer.ReasonSalesforceInactive
		case frozen && c.Frozen == FrozenDeactivate:
			want = dialer.ReasonSalesforceFrozen
		case err == nil && !in:
			want = dialer.ReasonOutOfScope
		}
		if d.Leave != want || want != dialer.ReasonNone && d.Err != nil || d.Enroll && (want != dialer.ReasonNone || c.Enrollment != EnrollAutomatic) {
			return fmt.Errorf("active %v, frozen %v, in scope %v: leaves by %q, want %q, enrolls %v: %w", u.IsActive, frozen, in, d.Leave, want, d.Enroll, errors.Join(d.Err, err))
		}
		if row.Visible = false; c.judge(&row, nil).Leave != dialer.ReasonNone || !c.judge(&row, nil).Unknown {
			return errors.New("whoever is not visible is judged")
		}
		return nil
	})
}

// A rule that takes the user for more than its fields cannot be told what it
// reads, and so is refused.
func TestRulesNameWhatTheyRead(t *testing.T) {
	for _, to := range []string{
		`let u = user; u.Phone`, `$env.user.Phone`, `$env["user"].Phone`, `get(user.Custom, "Team__c")`, `let c = user.Custom; c.Team__c`,
		`user.Custom["Te" + "am__c"]`, `string("Team__c" in user.Custom)`, `map([user], #.Phone)[0]`, `toJSON(user)`, `user[user.Title]`,
		`get(user, "Phone")`, `string(len(keys(user.Custom)))`, "user.Title +\n string(user)",
	} {
		_, err := CompilePolicy("true", []Rule{{Set: "title", To: to}})
		e, ok := errors.AsType[*RuleError](err)
		if !ok || e.Line == 0 || e.Column == 0 || e.Key != "to" || e.Index != 0 {
			t.Errorf("%s: got %#v", to, err)
		}
		if _, err := CompilePolicy(`(`+to+`) == "x"`, nil); err == nil {
			t.Errorf("%s: taken as a scope", to)
		}
	}
	for _, to := range []string{`user?.Phone`, `user["Phone"]`, `(user).Phone`, `user.Custom?.Team__c`, `user.Custom["Team__c"]`, `user["Custom"]["Team__c"]`, `let p = user.Profile; p.Name`} {
		if _, err := CompilePolicy("true", []Rule{{Set: "title", To: to}}); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
}

func FuzzCompilePolicy(f *testing.F) {
	for _, s := range sampleScopes() {
		f.Add(s, "title", "user.Title", "salesforce")
	}
	for _, rule := range sampleRules() {
		f.Add("true", rule.Set, rule.To, string(rule.Own))
	}
	f.Add("user.", "salesforce_id", "1..10", "nobody")
	f.Add("let user = 1; true", "tag", "[[user]]", "seeded")
	f.Add("user.Custom.A.B.C", "tag", `{"a": user}`, "")
	f.Add(`"\n" + user.Title`, "phone", "user.Phone[1:][:-1]", "")
	f.Fuzz(func(t *testing.T, scope, set, to, own string) {
		p, err := CompilePolicy(scope, []Rule{{Set: set, To: to, Own: Own(own)}})
		if err != nil {
			e, ok := errors.AsType[*RuleError](err)
			if !ok || e.Reason == "" || e.Index < -1 || e.Index > 0 || !slices.Contains([]string{"scope", "set", "to", "own"}, e.Key) {
				t.Fatalf("%#v", err)
			}
			text := to
			if e.Key == "scope" {
				text = scope
			}
			if e.Line < 0 || e.Line > 1+strings.Count(text, "\n") || e.Column < 0 || e.Column > 2+utf8.RuneCountInString(text) {
				t.Fatalf("%q: line %d, column %d", text, e.Line, e.Column)
			}
			return
		}
		r := rand.New(rand.NewPCG(1, 1))
		for range 4 {
			u := drawSource(r)
			_, _ = p.InScope(u)
			var into, again dialer.User
			_, _, err := p.Map(u, p.Fields(), &into)
			if err == nil && p.Hash() == 0 {
				t.Error("no hash")
			}
			if _, _, err := p.Map(u, nil, &again); err == nil {
				if g := again.Groups; slices.ContainsFunc(g, func(g dialer.Group) bool { return g.Kind == "" || g.Name == "" }) {
					t.Errorf("groups %+v", g)
				}
			}
		}
	})
}
