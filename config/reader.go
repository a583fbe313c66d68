package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// reader fills a struct from YAML, remembers where every value stood, and
// collects problems instead of stopping at the first. Anchors, aliases, merge
// keys and tags are not taken: a configuration says what it says where it says
// it.
type reader struct {
	name     string
	lines    []string
	env      func(string) (string, bool)
	places   map[string]place    // by path, such as orgs[0].schedule.full
	known    map[string][]string // where each name of a key may stand
	bad      map[string]bool     // paths whose value could not be taken, or that a misspelled key probably meant
	problems []*Problem
}

// place is where a key and its value stand.
type place struct {
	key, value *token.Token
	block      bool // the value is a block scalar, which begins on the next line
}

func newReader(name string, text []byte, env func(string) (string, bool)) *reader {
	plain := strings.TrimPrefix(string(text), "\ufeff")
	plain = strings.ReplaceAll(plain, "\r\n", "\n")
	return &reader{name: name, lines: strings.Split(plain, "\n"), env: env, places: map[string]place{}, bad: map[string]bool{}}
}

// parse fills v, a pointer to a struct with defaults set. It reports whether
// the file could be read as a whole, so that checking its values makes sense.
func (r *reader) parse(v any) bool {
	text := strings.Join(r.lines, "\n")
	if i := strings.IndexFunc(text, func(c rune) bool { return c == '\ufffd' || c < ' ' && c != '\n' && c != '\t' }); i >= 0 {
		r.problem(1+strings.Count(text[:i], "\n"), 1, "", "holds a character that is not text", "save the file as UTF-8")
		return false
	}
	doc, err := parseYAML(text)
	if err != nil {
		r.syntax(err)
		return false
	}
	var bodies []ast.Node
	for _, d := range doc.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			bodies = append(bodies, d.Body)
		}
	}
	switch {
	case len(bodies) == 0:
		r.problem(1, 1, "", "the file is empty", "start from config.example.yaml")
		return false
	case len(bodies) > 1:
		at := start(bodies[1]).Position
		r.problem(at.Line, at.Column, "", "the file holds a second YAML document", "keep one document: remove the line ---")
		return false
	}
	r.known = map[string][]string{}
	index(reflect.TypeOf(v).Elem(), "", r.known)
	r.value("", bodies[0], reflect.ValueOf(v).Elem())
	return !slices.ContainsFunc(r.problems, func(p *Problem) bool { return p.Key == "" })
}

// parseYAML keeps a panic of the parser from being more than a bad file.
func parseYAML(text string) (doc *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("this is not YAML")
		}
	}()
	return parser.ParseBytes([]byte(text), 0)
}

// syntax turns an error of the parser into a problem.
func (r *reader) syntax(err error) {
	ye, ok := errors.AsType[yaml.Error](err)
	if !ok || ye.GetToken() == nil {
		r.problem(1, 1, "", "this is not YAML", "check indentation, quotes and brackets")
		return
	}
	at, what := ye.GetToken().Position, ye.GetMessage()
	line := ""
	if at.Line <= len(r.lines) {
		line = r.lines[at.Line-1]
	}
	remedy := "check indentation, quotes and brackets, here and on the line before"
	switch {
	case strings.Contains(what, "already defined"):
		what, _, _ = strings.Cut(what, " at [")
		remedy = "keep one of the two"
	case strings.Contains(line, "\t"):
		what, remedy = "the line holds a tab", "indent with spaces"
	case strings.Contains(line, "{") && strings.Contains(line, "${"):
		remedy = `quote a value with ${...} inside { }: {file: "${NAME}/x"}`
	case strings.Contains(line, ": *"), strings.Contains(line, ": %"), strings.Contains(line, ": @"), strings.Contains(line, ": `"):
		remedy = "quote a value that begins with a sign"
	case strings.Contains(what, "mapping value is not allowed"):
		remedy = "quote a value that holds a colon followed by a space"
	}
	r.problem(at.Line, at.Column, "", what, remedy)
}

// problem notes a mistake at a place of the file.
func (r *reader) problem(line, column int, key, what, remedy string) {
	r.problems = append(r.problems, &Problem{
		File: r.name, Line: line, Column: column, Key: key, What: what, Remedy: remedy,
		Excerpt: r.excerpt(line, column),
	})
}

// refuse notes a value that cannot be taken at all.
func (r *reader) refuse(key, remedy, format string, args ...any) {
	r.fail(key, remedy, format, args...)
	r.bad[key] = true
}

// fail notes a mistake in the value of a key, or where the key is missing at
// what it should stand under. It notes nothing where the value, or one below
// it, was refused before: what follows from one mistake is not another.
func (r *reader) fail(key, remedy, format string, args ...any) {
	for bad := range r.bad {
		if rest, ok := strings.CutPrefix(bad, key); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return
		}
	}
	at := &token.Position{Line: 1, Column: 1}
	for path := key; path != ""; path = parent(path) {
		p, ok := r.places[path]
		if !ok {
			continue
		}
		at = p.value.Position
		if p.key != nil && (path != key || at.Line != p.key.Position.Line) {
			at = p.key.Position
		}
		break
	}
	r.problem(at.Line, at.Column, key, fmt.Sprintf(format, args...), remedy)
}

// given reports whether the file itself sets a key.
func (r *reader) given(key string) bool {
	_, ok := r.places[key]
	return ok
}

// parent cuts the last step off a path.
func parent(path string) string {
	if i := strings.LastIndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return ""
}

// index lists the keys of a struct and of those below it: for each name the
// paths, without numbers, under which it may stand.
func index(t reflect.Type, path string, into map[string][]string) {
	for f := range t.Fields() {
		name := f.Tag.Get("yaml")
		into[name] = append(into[name], path)
		below := f.Type
		if below.Kind() == reflect.Slice {
			below = below.Elem()
		}
		if below.Kind() == reflect.Struct {
			index(below, strings.TrimPrefix(path+"."+name, "."), into)
		}
	}
}
