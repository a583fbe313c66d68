// Package rosterd_test holds the house rules that no compiler checks: who may import whom, that every package says
// what it is for, how long a file may be, and which folders there are. It reads the source and runs none of it.
package rosterd_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rosterd/rosterd"

// folders are the top-level folders of the house. Another one is a design decision.
var folders = []string{
	"app", "bench", "cmd", "config", "control", "crm", "dialer", "docs", "e2e", "jobs", "metrics", "packaging",
	"scripts", "store", "sync", "systemd", "web",
}

// unread are folders that hold nothing of the source: what is built, downloaded or written by a run.
var unread = []string{"bin", "node_modules", "testdata", "tmp"}

type sourceFile struct {
	path  string // slash-separated, from the root of the repository
	ast   *ast.File
	lines int
}

func (f sourceFile) dir() string     { return path.Dir(f.path) }
func (f sourceFile) test() bool      { return strings.HasSuffix(f.path, "_test.go") }
func (f sourceFile) generated() bool { return ast.IsGenerated(f.ast) }

// source parses every Go file of the repository down to its imports.
func source(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && (strings.HasPrefix(entry.Name(), ".") || slices.Contains(unread, entry.Name())) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, name, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, sourceFile{filepath.ToSlash(name), file, bytes.Count(text, []byte("\n"))})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 2 {
		t.Fatalf("found %d Go files: the test must run in the root of the repository", len(files))
	}
	return files
}

// A package comment says what the package is for, and what it leaves to others.
var boundary = regexp.MustCompile(`(?i)\b(no|not|none|never|nothing|nobody|neither|nor|only|without|cannot)\b`)

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	docs := map[string]string{}
	names := map[string]string{}
	for _, file := range source(t) {
		names[file.dir()] = strings.TrimSuffix(file.ast.Name.Name, "_test")
		docs[file.dir()] += file.ast.Doc.Text()
	}
	for dir, doc := range docs {
		start := "Package " + names[dir] + " "
		if names[dir] == "main" {
			start = "Command " + path.Base(dir) + " "
		}
		switch {
		case dir == ".": // this package: nothing but tests
		case doc == "":
			t.Errorf("%s: package %s has no doc comment", dir, names[dir])
		case !strings.HasPrefix(doc, start):
			t.Errorf("%s: the package comment must start with %q", dir, start)
		case names[dir] != "main" && !boundary.MatchString(doc):
			t.Errorf("%s: the package comment says what the package is for, but not what it must not know", dir)
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, file := range source(t) {
		limit := 500
		if file.test() {
			limit = 600
		}
		if file.lines > limit && !file.generated() {
			t.Errorf("%s: %d lines, of at most %d: split it by concept", file.path, file.lines, limit)
		}
	}
}

func TestFolders(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() && !strings.HasPrefix(name, ".") && !slices.Contains(folders, name) && !slices.Contains(unread, name) {
			t.Errorf("folder %s is no room of the house", name)
		}
	}
}

// Scripts are run by their path, so a lost mode bit breaks them, and without pipefail a failure can pass for success.
func TestScriptsAreStrict(t *testing.T) {
	scripts, err := filepath.Glob("scripts/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(scripts, ".ci/run") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("#!")) {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o111 == 0 {
			t.Errorf("%s: not executable", name)
		}
		if !bytes.Contains(text, []byte("\nset -euo pipefail\n")) && !bytes.Contains(text, []byte("\nset -uo pipefail\n")) {
			t.Errorf("%s: does not set -euo pipefail", name)
		}
		if bytes.Contains(text, []byte("|| true")) {
			t.Errorf("%s: hides a failure with || true", name)
		}
	}
}
