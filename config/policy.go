package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// policy compiles scope and mapping. Each is compiled alone first, so that all
// mistakes are told at once.
func (c *checker) policy(path string, f *fileOrg) *rostersync.Policy {
	var rules []rostersync.Rule
	before := len(c.problems)
	if _, err := rostersync.CompilePolicy(f.Scope, nil); err != nil {
		c.rule(path, 0, err)
	}
	for i, m := range f.Mapping {
		at := fmt.Sprintf("%s.mapping[%d]", path, i)
		r := rostersync.Rule{Set: m.Set, To: m.To, Own: rostersync.Own(m.Own)}
		switch {
		case !c.given(at + ".set"):
			c.fail(at+".set", "name it, such as permission_group", "the rule does not say which attribute it sets")
			continue
		case strings.TrimSpace(m.To) == "" && m.Own != "admin":
			c.fail(at+".to", "write an expression, such as user.Title", "the rule does not say what to set")
			continue
		case m.Own != "" && !c.oneOf(at+".own", m.Own, "salesforce", "seeded", "admin"):
			continue
		}
		if _, err := rostersync.CompilePolicy("true", []rostersync.Rule{r}); err != nil {
			c.rule(path, i, err)
			continue
		}
		rules = append(rules, r)
	}
	if len(c.problems) > before {
		return nil
	}
	p, err := rostersync.CompilePolicy(f.Scope, rules)
	if err != nil { // what only shows in company: two rules for one attribute
		c.rule(path, -1, err)
	}
	return p
}

// rule notes a mistake in the scope or in a rule, at the place in the file
// that the expression's own line and column mean. index is the rule's, where
// it was compiled alone.
func (c *checker) rule(path string, index int, err error) {
	re, ok := errors.AsType[*rostersync.RuleError](err)
	if !ok {
		c.fail(path+".mapping", "", "%s", err)
		return
	}
	key := path + ".scope"
	if re.Key != "scope" {
		if index < 0 {
			index = re.Index
		}
		key = fmt.Sprintf("%s.mapping[%d].%s", path, index, re.Key)
	}
	remedy := ruleRemedy(re)
	what, _, _ := strings.Cut(re.Reason, "\n")
	what = goType.ReplaceAllString(what, "Salesforce's $1")
	if re.Line == 0 {
		c.fail(key, remedy, "%s", what)
		return
	}
	line, column, exact := c.within(key, re.Line, re.Column)
	if !exact {
		c.fail(key, remedy, "%s (line %d, column %d of the expression)", what, re.Line, re.Column)
		return
	}
	c.problem(line, column, key, what, remedy)
}

// goType is how the compiler names a Salesforce record.
var goType = regexp.MustCompile(`(?:type )?\*?crm\.(\w+)`)

func ruleRemedy(re *rostersync.RuleError) string {
	switch {
	case re.Key == "set":
		if strings.Contains(re.Reason, "two rules") {
			return "keep one of them; join the expressions with ? :"
		}
		quoted, _ := strconv.QuotedPrefix(re.Reason)
		got, _ := strconv.Unquote(quoted)
		if near := nearest(got, attributes()); near != "" {
			return "did you mean " + near + "?"
		}
		return "set one of " + strings.Join(attributes(), ", ")
	case re.Key == "own":
		return "write salesforce or seeded"
	case re.Line == 0 && strings.Contains(re.Reason, "empty"):
		return "write true, or leave the key out for its default"
	case strings.Contains(re.Reason, "has no field"):
		return "name a field of the Salesforce User as the API does, such as user.Department; a custom one is user.Custom.Name__c"
	case strings.Contains(re.Reason, "without the name of a field"), goType.MatchString(re.Reason):
		whole := "user"
		if m := goType.FindStringSubmatch(re.Reason); m != nil && m[1] != "User" {
			whole = "user." + m[1]
		}
		if whole == "user" {
			return "user is a whole record: name the field that is meant, such as user.Title"
		}
		return whole + " is a whole record: name the field that is meant, such as " + whole + ".Name"
	case strings.Contains(re.Reason, "unknown name"):
		return `expressions know user, such as user.Title; put texts in quotes: "Reps"`
	case strings.Contains(re.Reason, "expected bool"):
		return `the scope must be true or false for a user, such as user.Department == "Sales"`
	case strings.Contains(re.Reason, "must be text"):
		return "turn it into text: string(...)"
	case strings.Contains(re.Reason, "mismatched types"), strings.Contains(re.Reason, "cannot use"), strings.Contains(re.Reason, "invalid operation"):
		return "compare and combine values of one kind"
	}
	return "correct the expression; quotes and brackets must close"
}

// attributes lists what a mapping rule usually sets.
func attributes() []string {
	var names []string
	for _, r := range rostersync.DefaultRules() {
		names = append(names, r.Set)
	}
	for _, k := range dialer.Kinds() {
		if f := dialer.GroupField(k); k != dialer.KindPermissionGroup && k != dialer.KindRole && k != dialer.KindDepartment {
			names = append(names, string(f))
		}
	}
	return names
}

// within translates a place in an expression to one in the file. It reports
// false where the file spells the expression differently: folded lines,
// escapes, variables.
func (c *checker) within(key string, line, column int) (int, int, bool) {
	p, ok := c.places[key]
	if !ok {
		return 0, 0, false
	}
	at := p.value.Position
	if p.block {
		if !strings.HasPrefix(p.value.Value, "|") || at.Line+line > len(c.lines) {
			return 0, 0, false
		}
		first := c.lines[at.Line]
		indent := len(first) - len(strings.TrimLeft(first, " "))
		return at.Line + line, indent + column, true
	}
	if line != 1 || at.Line > len(c.lines) {
		return 0, 0, false
	}
	rest := []rune(c.lines[at.Line-1])
	if at.Column < 1 || at.Column > len(rest) {
		return 0, 0, false
	}
	start := at.Column
	if r := rest[start-1]; r == '"' || r == '\'' {
		start++
	}
	if !strings.HasPrefix(string(rest[min(start-1, len(rest)):]), p.value.Value) || column > utf8.RuneCountInString(p.value.Value)+1 {
		return 0, 0, false
	}
	return at.Line, start + column - 1, true
}
