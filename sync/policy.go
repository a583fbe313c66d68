package sync

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
)

// DefaultScope selects active standard users on the Salesforce license.
const DefaultScope = `user.IsActive && user.UserType == "Standard" && user.Profile.UserLicense.Name == "Salesforce"`

// DefaultRules is the mapping in force where no rule says otherwise. A rule of
// the configuration replaces the default rule for the same attribute.
func DefaultRules() []Rule {
	return []Rule{
		{Set: "username", To: "user.Username", Own: OwnSeeded},
		{Set: "email", To: "user.Email", Own: OwnSalesforce},
		{Set: "first_name", To: "user.FirstName", Own: OwnSalesforce},
		{Set: "last_name", To: "user.LastName", Own: OwnSalesforce},
		{Set: "display_name", To: "user.Name", Own: OwnSalesforce},
		{Set: "title", To: "user.Title", Own: OwnSalesforce},
		{Set: "employee_number", To: "user.EmployeeNumber", Own: OwnSalesforce},
		{Set: "manager_id", To: "user.ManagerId", Own: OwnSalesforce},
		{Set: "phone", To: "user.Phone", Own: OwnSalesforce},
		{Set: "mobile", To: "user.MobilePhone", Own: OwnSalesforce},
		{Set: "department", To: "user.Department", Own: OwnSalesforce},
		{Set: "extension", To: "user.Extension", Own: OwnSeeded},
		{Set: "timezone", To: "user.TimeZoneSidKey", Own: OwnSeeded},
		{Set: "language", To: `replace(user.LanguageLocaleKey, "_", "-")`, Own: OwnSeeded},
		{Set: "country", To: "user.CountryCode", Own: OwnSeeded},
		{Set: "caller_id_name", To: "user.Name", Own: OwnSeeded},
		{Set: "sales_role", To: "user.UserRole.Name", Own: OwnSeeded},
		{Set: "permission_group", To: `"` + dialer.DefaultPermissionGroup + `"`, Own: OwnSeeded},
		{Set: "role", To: `"` + dialer.DefaultRole + `"`, Own: OwnSeeded},
	}
}

// env is what an expression can name. It is a struct so that a misspelled
// field is an error when the configuration is read.
type env struct {
	User *crm.User `expr:"user"`
}

// Policy is scope and mapping, compiled. It is immutable and safe for
// concurrent use.
type Policy struct {
	scope  rule
	rules  []rule
	fields []string // Salesforce fields the expressions name
	custom []string // names of custom fields among them
	hash   int64
	owned  map[dialer.Field]dialer.Owner
}

type rule struct {
	Rule
	field   dialer.Field
	program *vm.Program
	uses    []string // first names under user: Phone, Profile, Custom[...]
}

// RuleError says where an expression is wrong. Line and Column are one-based
// within the expression.
type RuleError struct {
	Index  int    // in the rules given; -1 for the scope
	Key    string // scope, set, to or own
	Line   int
	Column int
	Reason string
}

// Error gives the reason and the place.
func (e *RuleError) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("%s (line %d, column %d of the expression)", e.Reason, e.Line, e.Column)
}

// CompilePolicy compiles a scope and mapping rules, checking every name in
// them. Errors are of type *RuleError. An empty scope is an error: to select
// everybody, say true.
func CompilePolicy(scope string, rules []Rule) (*Policy, error) {
	if strings.TrimSpace(scope) == "" {
		return nil, &RuleError{Index: -1, Key: "scope", Reason: "scope is empty, which would select nobody; write true to select everybody"}
	}
	p := &Policy{}
	var err error
	if p.scope, err = compile(Rule{To: scope}, expr.AsBool()); err != nil {
		return nil, place(err, -1, "scope")
	}
	all := DefaultRules()
	seen := map[string]bool{}
	for i, r := range rules {
		f := dialer.Field(r.Set)
		switch {
		case !f.Mappable():
			return nil, &RuleError{Index: i, Key: "set", Reason: fmt.Sprintf("%q is not an attribute that a mapping can set", r.Set)}
		case seen[r.Set]:
			return nil, &RuleError{Index: i, Key: "set", Reason: fmt.Sprintf("%q is set by two rules", r.Set)}
		case r.Own != "" && r.Own != OwnSalesforce && r.Own != OwnSeeded && r.Own != OwnAdmin:
			return nil, &RuleError{Index: i, Key: "own", Reason: fmt.Sprintf("own is %q: want salesforce, seeded or admin", r.Own)}
		case f == dialer.FieldEmail && r.Own == OwnAdmin:
			return nil, &RuleError{Index: i, Key: "own", Reason: "email must be owned by salesforce or seeded: a user cannot be created without it"}
		}
		seen[r.Set] = true
		if r.Own == "" {
			r.Own = OwnSalesforce
		}
		if at := slices.IndexFunc(all, func(d Rule) bool { return d.Set == r.Set }); at >= 0 {
			all[at] = r
		} else {
			all = append(all, r)
		}
	}
	for _, r := range all {
		at := slices.IndexFunc(rules, func(o Rule) bool { return o.Set == r.Set })
		if r.Own == OwnAdmin && r.To == "" {
			continue
		}
		c, err := compile(r, expr.AsKind(0))
		if err != nil {
			return nil, place(err, at, "to")
		}
		if r.Own != OwnAdmin {
			p.rules = append(p.rules, c)
		}
	}
	p.collect()
	return p, nil
}

// collect derives what the policy needs of Salesforce, its hash, and who owns
// which attribute.
func (p *Policy) collect() {
	names, custom := map[string]bool{}, map[string]bool{}
	h := fnv.New64a()
	for _, r := range append([]rule{p.scope}, p.rules...) {
		fmt.Fprintf(h, "%s\x00%s\x00%s\x01", r.Set, r.To, r.Own)
		for _, u := range r.uses {
			if c, ok := strings.CutPrefix(u, "Custom."); ok {
				custom[c] = true
			} else {
				names[u] = true
			}
		}
	}
	p.fields = slices.Sorted(maps.Keys(names))
	p.custom = slices.Sorted(maps.Keys(custom))
	p.hash = int64(h.Sum64())
	p.owned = p.owners()
}

// Hash identifies scope and mapping: it changes when either does.
func (p *Policy) Hash() int64 { return p.hash }

// Custom lists the custom Salesforce fields that the expressions name.
func (p *Policy) Custom() []string { return p.custom }

// Fields lists the standard Salesforce fields that the expressions name.
func (p *Policy) Fields() []string { return p.fields }

// names reports whether an expression names a Salesforce field, which is given
// as under user.
func (p *Policy) names(field string) bool {
	if c, ok := strings.CutPrefix(field, "Custom."); ok {
		return slices.Contains(p.custom, c)
	}
	return slices.Contains(p.fields, field)
}

func compile(r Rule, kind expr.Option) (rule, error) {
	opts := []expr.Option{expr.Env(env{})}
	if r.Set == "" {
		opts = append(opts, kind)
	}
	prog, err := expr.Compile(r.To, opts...)
	if err != nil {
		return rule{}, err
	}
	if r.Set != "" {
		if err := stringish(prog, r); err != nil {
			return rule{}, err
		}
	}
	tree, err := parser.Parse(r.To)
	if err != nil {
		return rule{}, err
	}
	v := &uses{}
	ast.Walk(&tree.Node, v)
	if len(v.loose) > 0 {
		e := &file.Error{Location: v.loose[0].Location(), Message: "user stands without the name of a field, such as user.Title or user.Custom.Name__c: what is read cannot be told"}
		return rule{}, e.Bind(tree.Source)
	}
	return rule{Rule: r, field: dialer.Field(r.Set), program: prog, uses: v.names}, nil
}

// stringish checks that a rule yields text, or what else its attribute can
// hold: a number, true or false, or for groups of which a user has several a
// list.
func stringish(prog *vm.Program, r Rule) error {
	t := prog.Node().Type()
	if t == nil || t.Kind().String() == "interface" || t.Kind().String() == "string" {
		return nil
	}
	switch a, _ := dialer.Field(r.Set).Attribute(); {
	case a.Kind == dialer.ValueFlag && t.Kind() == reflect.Bool:
		return nil
	case a.Kind == dialer.ValueNumber && (t.Kind() == reflect.Int || t.Kind() == reflect.Float64):
		return nil
	}
	k := dialer.Field(r.Set).Kind()
	if t.Kind().String() == "slice" && k != "" && !k.Single() {
		return nil
	}
	return fmt.Errorf("%s must be text, not %s", r.Set, t)
}

// uses collects what an expression reads of user. What it reads must be plain
// to see: it is what Salesforce is asked for, and what is held when hidden.
type uses struct {
	names []string
	loose []ast.Node // user, or user.Custom, as yet without a name behind it
}

// Visit notes user.Name and user.Custom["Name"]. It comes to a node after the
// nodes within it.
func (v *uses) Visit(n *ast.Node) {
	if id, ok := (*n).(*ast.IdentifierNode); ok && (id.Value == "user" || id.Value == "$env") {
		v.loose = append(v.loose, *n)
		return
	}
	m, ok := (*n).(*ast.MemberNode)
	if !ok || len(v.loose) == 0 || v.loose[len(v.loose)-1] != m.Node {
		return
	}
	name, ok := m.Property.(*ast.StringNode)
	if id, whole := m.Node.(*ast.IdentifierNode); !ok || whole && id.Value == "$env" {
		return
	} else if whole && name.Value == "Custom" {
		v.loose[len(v.loose)-1] = m
	} else if v.loose = v.loose[:len(v.loose)-1]; whole {
		v.names = append(v.names, name.Value)
	} else {
		v.names = append(v.names, "Custom."+name.Value)
	}
}

// place turns a compiler's error into a RuleError.
func place(err error, index int, key string) error {
	e := &RuleError{Index: index, Key: key, Reason: err.Error()}
	if fe, ok := errors.AsType[*file.Error](err); ok {
		e.Line, e.Column, e.Reason = fe.Line, fe.Column+1, fe.Message
	}
	return e
}

// InScope reports whether the user belongs in the dialer.
func (p *Policy) InScope(u *crm.User) (bool, error) {
	out, err := expr.Run(p.scope.program, env{User: u})
	if err != nil {
		return false, failure("the scope", err)
	}
	in, ok := out.(bool)
	if !ok {
		return false, errors.New("the scope is neither true nor false for this user")
	}
	return in, nil
}

// blind reports whether the scope reads a Salesforce field that is not visible.
func (p *Policy) blind(held []string) bool { return len(held) > 0 && p.scope.reads(held) }

// reads reports whether the rule reads one of the fields.
func (r *rule) reads(fields []string) bool {
	return slices.ContainsFunc(r.uses, func(n string) bool { return slices.Contains(fields, n) })
}

// Map fills into from u by the rules, and returns the attributes that a sync
// must keep true and those that only a creation writes. held names Salesforce
// fields that could not be read: a rule that uses one of them is left out, so
// that nothing is cleared for not having been read.
func (p *Policy) Map(u *crm.User, held []string, into *dialer.User) (owned, seeded []dialer.Field, err error) {
	for i := range p.rules {
		r := &p.rules[i]
		if len(held) > 0 && r.reads(held) {
			continue
		}
		out, err := expr.Run(r.program, env{User: u})
		if err != nil {
			return nil, nil, failure("the rule for "+r.Set, err)
		}
		if err := assign(r, out, into); err != nil {
			return nil, nil, err
		}
		if r.Own == OwnSalesforce {
			owned = append(owned, r.field)
		} else {
			seeded = append(seeded, r.field)
		}
	}
	return owned, seeded, nil
}

// failure says where an expression fails for a user, and not how: the
// evaluator's own words quote values.
func failure(of string, err error) error {
	if fe, ok := errors.AsType[*file.Error](err); ok {
		return fmt.Errorf("%s fails for this user (line %d, column %d of the expression)", of, fe.Line, fe.Column+1)
	}
	return fmt.Errorf("%s fails for this user", of)
}

func assign(r *rule, out any, into *dialer.User) error {
	var list []any
	switch v := out.(type) {
	case []any:
		list = v
	case []string:
		for _, s := range v {
			list = append(list, s)
		}
	default:
		s, ok := text(v)
		if !ok {
			return fmt.Errorf("the rule for %s gives %T for this user, not text", r.Set, out)
		}
		if !r.field.SetText(into, s) {
			return fmt.Errorf("the rule for %s gives what it cannot hold for this user", r.Set)
		}
		return nil
	}
	kind := r.field.Kind()
	if kind == "" || kind.Single() && len(list) > 1 {
		return fmt.Errorf("the rule for %s gives a list for this user, not text", r.Set)
	}
	names := make([]string, 0, len(list))
	for _, v := range list {
		s, ok := text(v)
		if !ok {
			return fmt.Errorf("the rule for %s gives a list of %T for this user, not of text", r.Set, v)
		}
		names = append(names, s)
	}
	into.SetGroups(kind, names...)
	return nil
}

// text returns a value as the directory has it: nothing for nil, and numbers
// in full.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return strings.TrimSpace(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool, int:
		return fmt.Sprint(v), true
	}
	return "", false
}
