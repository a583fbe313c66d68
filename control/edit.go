package control

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
)

// Edit is what is to become of a user's attributes.
type Edit struct {
	Attributes map[string]any      `json:"attributes,omitempty" doc:"new values by attribute; null brings one back to its default"`
	Add        map[string][]string `json:"add,omitempty" doc:"groups to become a member of, by kind"`
	Remove     map[string][]string `json:"remove,omitempty" doc:"groups to leave, by kind"`
	Reason     string              `json:"reason,omitempty" maxLength:"500" doc:"why, for the activity log"`
}

// findings are what is wrong with a request, field by field.
type findings struct {
	fields []FieldProblem
	owned  bool // Salesforce owns one of them
	denied bool // the caller's role does not suffice for one of them
}

func (f *findings) add(location, message string) {
	f.fields = append(f.fields, FieldProblem{location, message})
}

// err is one problem for all that was found, or nil.
func (f *findings) err() error {
	if len(f.fields) == 0 {
		return nil
	}
	slices.SortStableFunc(f.fields, func(a, b FieldProblem) int { return strings.Compare(a.Location, b.Location) })
	texts := make([]string, 0, len(f.fields))
	for _, p := range f.fields {
		texts = append(texts, p.Location[strings.LastIndexByte(p.Location, '.')+1:]+" "+p.Message)
	}
	message := strings.Join(texts, "; ")
	p := invalid(message, "GET /v1/attributes says what each attribute takes")
	switch {
	case f.owned:
		p = newProblem(http.StatusConflict, CodeSalesforce, message, "what Salesforce owns is changed in Salesforce; leave it out here")
	case f.denied:
		p = newProblem(http.StatusForbidden, CodeForbidden, message, "ask an administrator")
	}
	p.Fields = f.fields
	return p
}

// forAdmins are attributes that give power, or take somebody out of the reach
// of the sync.
func forAdmins(f dialer.Field, u *dialer.User) bool {
	switch f {
	case dialer.FieldSuperuser, dialer.FieldProtected:
		return true
	case dialer.FieldSystemRole:
		return f.Text(u) == dialer.SystemRoleAdmin
	}
	return false
}

// edited makes of u what an edit wants, and says which attributes it is about.
// Whatever is wrong is told at once.
func (c call) edited(u *dialer.User, e *Edit) (dialer.User, []dialer.Field, error) {
	var found findings
	next, fields := c.set(u, e, &found)
	found.check(u, &next)
	return next, fields, found.err()
}

// set writes the values of an edit into a copy of u.
func (c call) set(u *dialer.User, e *Edit, found *findings) (dialer.User, []dialer.Field) {
	next := *u
	owners := c.Engine.Owners()
	var fields []dialer.Field
	write := func(part, name string, do func(dialer.Attribute) error) {
		f, at := dialer.Field(name), "body."+part+"."+name
		a, ok := f.Attribute()
		switch {
		case !ok:
			found.add(at, "is no attribute")
			return
		case a.Derived || a.Owner == dialer.OwnerSystem:
			found.add(at, "follows from what happens, and cannot be written")
			return
		}
		if err := do(a); err != nil {
			found.add(at, rule(err))
			return
		}
		switch {
		case f.Same(u, &next):
		case owners[f] == dialer.OwnerSalesforce && u.SalesforceID != "":
			found.owned = true
			found.add(at, "is owned by Salesforce")
			f.Copy(&next, u)
			return
		case (forAdmins(f, u) || forAdmins(f, &next)) && !c.Role.May(Admin):
			found.denied = true
			found.add(at, "is for administrators to change")
			f.Copy(&next, u)
			return
		}
		if !slices.Contains(fields, f) {
			fields = append(fields, f)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		write("attributes", name, func(a dialer.Attribute) error { return a.Name.Set(&next, e.Attributes[name]) })
	}
	for _, name := range slices.Sorted(maps.Keys(e.Add)) {
		write("add", name, func(a dialer.Attribute) error { return join(&next, a, e.Add[name], nil) })
	}
	for _, name := range slices.Sorted(maps.Keys(e.Remove)) {
		write("remove", name, func(a dialer.Attribute) error { return join(&next, a, nil, e.Remove[name]) })
	}
	return next, fields
}

// rule is what a value must be, without the name of its attribute.
func rule(err error) string {
	if list := invalids(err); len(list) > 0 {
		return list[0].Rule
	}
	return err.Error()
}

// join makes u a member of some groups of one kind, and of others no longer.
func join(u *dialer.User, a dialer.Attribute, add, remove []string) error {
	k := a.Name.Kind()
	if k == "" {
		return &dialer.InvalidError{Field: a.Name, Rule: "holds no groups: set it as an attribute"}
	}
	names := u.In(k)
	if a.Single && len(add) > 0 {
		names = nil
	}
	names = append(names, add...)
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(remove, n) })
	return a.Name.Set(u, names)
}

// check holds what is to be against the rules of the dialer. What was against
// them before is not held against somebody who changes something else.
func (f *findings) check(was, next *dialer.User) {
	dialer.Normalize(next)
	before := map[string]bool{}
	if was.ID != "" {
		for _, e := range dialer.Validate(was) {
			before[e.Error()] = true
		}
	}
	for _, e := range dialer.Validate(next) {
		at := "." + string(e.Field)
		told := slices.ContainsFunc(f.fields, func(p FieldProblem) bool { return strings.HasSuffix(p.Location, at) })
		if !told && (!before[e.Error()] || e.Field.Known() && !e.Field.Equal(was, next)) {
			f.add("body.attributes"+at, e.Rule)
		}
	}
}

// invalids finds every rule that was broken in an error, joined ones too.
func invalids(err error) (list []*dialer.InvalidError) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case nil:
	case *dialer.InvalidError:
		list = append(list, e)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			list = append(list, invalids(one)...)
		}
	case interface{ Unwrap() error }:
		list = invalids(e.Unwrap())
	}
	return list
}

// invalidProblem is the answer to values that break rules.
func invalidProblem(err error) *Problem {
	list := invalids(err)
	if len(list) == 1 {
		p := invalid(err.Error(), "")
		p.Fields = []FieldProblem{{"body.attributes." + string(list[0].Field), list[0].Rule}}
		return p
	}
	var f findings
	for _, e := range list {
		f.add("body.attributes."+string(e.Field), e.Rule)
	}
	return f.err().(*Problem) //nolint:errorlint,forcetypeassert // there is at least one finding
}
