package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// value fills v from a node.
func (r *reader) value(path string, n ast.Node, v reflect.Value) {
	switch n := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		r.refuse(path, "write the value out; quote a text that begins with & or *", "anchors and aliases are not supported")
		return
	case *ast.TagNode:
		r.refuse(path, "leave the ! word out, or quote the text", "YAML tags are not supported")
		return
	case *ast.NullNode:
		r.refuse(path, nullRemedy(v), "has no value")
		return
	case *ast.MappingNode, *ast.MappingValueNode:
		if v.Kind() == reflect.Struct {
			r.mapping(path, n, v)
			return
		}
	case *ast.SequenceNode:
		if v.Kind() == reflect.Slice {
			r.sequence(path, n, v)
			return
		}
	default:
		if v.Kind() != reflect.Struct && v.Kind() != reflect.Slice {
			r.scalar(path, n, v)
			return
		}
	}
	if path == "" {
		at := start(n).Position
		r.problem(at.Line, at.Column, "", "the file must be a mapping of keys, not "+kindOf(n), "start from config.example.yaml")
		return
	}
	r.refuse(path, wantRemedy(v), "wants %s, not %s", want(v), kindOf(n))
}

func (r *reader) mapping(path string, n ast.Node, v reflect.Value) {
	fields := map[string]reflect.Value{}
	var names []string
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		fields[name] = v.Field(i)
		names = append(names, name)
	}
	var entries []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	}
	for _, e := range entries {
		tk := e.Key.GetToken()
		name, ok := e.Key.(*ast.StringNode)
		if !ok {
			r.problem(tk.Position.Line, tk.Position.Column, path, "a key must be a plain word", "write it without ?, <<, & or !")
			continue
		}
		key := strings.TrimPrefix(path+"."+name.Value, ".")
		f, ok := fields[name.Value]
		if !ok {
			r.problem(tk.Position.Line, tk.Position.Column, strings.TrimPrefix(path+"."+printable(name.Value), "."), "unknown key", r.whereTo(path, name.Value, names))
			continue
		}
		if _, twice := r.places[key]; twice {
			r.problem(tk.Position.Line, tk.Position.Column, key, "is set twice", "keep one of the two")
			continue
		}
		_, block := e.Value.(*ast.LiteralNode)
		r.places[key] = place{key: tk, value: start(e.Value), block: block}
		r.value(key, e.Value, f)
	}
}

// whereTo is the remedy for an unknown key. The key that was probably meant
// shall not be reported as missing too.
func (r *reader) whereTo(path, name string, siblings []string) string {
	if near := nearest(name, siblings); near != "" {
		r.bad[strings.TrimPrefix(path+"."+near, ".")] = true
		return "did you mean " + near + "?"
	}
	if homes := r.known[name]; len(homes) > 0 {
		if homes[0] == "" {
			return "it belongs at the top of the file"
		}
		return "it belongs under " + homes[0]
	}
	if path == "" {
		return "the keys here are " + strings.Join(siblings, ", ")
	}
	return "the keys under " + path + " are " + strings.Join(siblings, ", ")
}

func (r *reader) sequence(path string, n *ast.SequenceNode, v reflect.Value) {
	out := reflect.MakeSlice(v.Type(), len(n.Values), len(n.Values))
	for i, item := range n.Values {
		if d, ok := reflect.TypeAssert[defaulter](out.Index(i).Addr()); ok {
			d.defaults()
		}
		key := fmt.Sprintf("%s[%d]", path, i)
		r.places[key] = place{value: start(item)}
		r.value(key, item, out.Index(i))
	}
	v.Set(out)
}

func (r *reader) scalar(path string, n ast.Node, v reflect.Value) {
	raw, isText, ok := text(n)
	if !ok {
		r.refuse(path, wantRemedy(v), "wants %s, not %s", want(v), kindOf(n))
		return
	}
	s, err := expand(raw, r.env)
	if ee, ok := errors.AsType[*expandError](err); ok {
		r.refuse(path, ee.remedy, "%s", ee.what)
		return
	}
	if strings.ContainsRune(s, 0) {
		r.refuse(path, "remove it", "holds a NUL character")
		return
	}
	loose := !isText || s != raw // a number may come out of a variable, but not out of quotes
	if err := set(v, s, loose, n); err != nil {
		r.refuse(path, wantRemedy(v), "%s", err)
	}
}

// set gives v the value that s spells.
func set(v reflect.Value, s string, loose bool, n ast.Node) error {
	wrong := fmt.Errorf("wants %s, not %s", want(v), kindOf(n))
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("%q is not a duration", printable(s))
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.String:
		if _, isBool := n.(*ast.BoolNode); isBool {
			return wrong
		}
		v.SetString(s)
	case v.Kind() == reflect.Bool:
		if !loose || s != "true" && s != "false" {
			return wrong
		}
		v.SetBool(s == "true")
	case v.Kind() == reflect.Int:
		i, err := strconv.Atoi(s)
		if !loose || err != nil {
			return wrong
		}
		v.SetInt(int64(i))
	case v.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(s, 64)
		if !loose || err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return wrong
		}
		v.SetFloat(f)
	}
	return nil
}

// text returns what a scalar spells, and whether it was written as text.
func text(n ast.Node) (s string, isText, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true, true
	case *ast.LiteralNode:
		if n.Value == nil {
			return "", true, true
		}
		return strings.TrimRight(n.Value.Value, "\n"), true, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, false, true
	}
	return "", false, false
}

// start returns the first token of a node: for a mapping its first key, not
// the colon after it.
func start(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if n.IsFlowStyle || len(n.Values) == 0 {
			return n.Start
		}
		return start(n.Values[0])
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

func kindOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + n.GetToken().Value
	case *ast.BoolNode:
		return "the truth value " + n.GetToken().Value
	}
	return "a text"
}

func want(v reflect.Value) string {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return "a duration"
	case v.Kind() == reflect.String:
		return "a text"
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.Kind() == reflect.Int:
		return "a whole number"
	case v.Kind() == reflect.Float64:
		return "a number"
	case v.Kind() == reflect.Slice:
		return "a list"
	}
	return "a mapping of keys"
}

func wantRemedy(v reflect.Value) string {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return "write it with a unit, such as 90s, 1m or 24h"
	case v.Kind() == reflect.String:
		return "put it in quotes"
	case v.Kind() == reflect.Bool, v.Kind() == reflect.Int, v.Kind() == reflect.Float64:
		return "write it without quotes and units"
	case v.Kind() == reflect.Slice:
		return "begin each item with a dash"
	}
	return "put the keys below it, indented"
}

func nullRemedy(v reflect.Value) string {
	if v.Kind() == reflect.String && v.Type() != reflect.TypeFor[time.Duration]() {
		return `write "" for an empty text, or leave the key out for its default`
	}
	return "give it a value, or leave the key out for its default"
}

var plainText = regexp.MustCompile(`^[ -~]{0,80}$`)

// printable keeps odd or endless text out of messages.
func printable(s string) string {
	if plainText.MatchString(s) {
		return s
	}
	return "..."
}
