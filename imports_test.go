package rosterd_test

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// A room is a package and the packages below it that have no room of their own.
type room struct {
	name    string
	floor   int      // imports go to lower floors; tests may import all of their own floor too
	imports []string // rooms it may import beside itself
	foreign []string // packages of others that it must not know
}

// house is the import table. Imports go down only, from a floor to a lower one; the few that stay on their floor are
// written out. Simulators import nothing of ours, not even in tests: a fake that shares structs with its client
// shares its misunderstandings. Metrics knows nobody either: those below declare small observers, and metrics
// happens to have their methods.
var house = []room{
	{name: "e2e", floor: 6, imports: everything},
	{name: "bench", floor: 6, imports: everything},
	{name: "cmd/rosterd", floor: 5, imports: append(below(3), "app")},
	{name: "cmd/rosterctl", floor: 5, imports: []string{"control"}},
	{name: "cmd/rostersim", floor: 5, imports: append(simulators, "control")},
	{name: "app", floor: 4, imports: below(3)},
	{name: "config", floor: 3, imports: append(below(2), "control", "jobs", "web")},
	{name: "web", floor: 3, imports: append(below(2), "control")},
	{name: "control", floor: 3, imports: below(2)},
	{name: "jobs", floor: 3, imports: below(2)},
	{name: "metrics", floor: 3},
	{name: "sync", floor: 2, imports: []string{"crm", "dialer", "store"}, foreign: []string{"net/http", "database/sql", "github.com/goccy/go-yaml", "github.com/jackc/pgx", "modernc.org/sqlite"}},
	{name: "crm/events", floor: 2, imports: []string{"crm"}},
	{name: "dialer/directory", floor: 2, imports: []string{"dialer", "store"}},
	{name: "dialer/scim", floor: 2, imports: []string{"dialer"}},
	{name: "dialer/dialertest", floor: 2, imports: []string{"dialer"}},
	{name: "store/storetest", floor: 2, imports: []string{"store"}},
	{name: "crm", floor: 1},
	{name: "dialer", floor: 1, foreign: []string{"net/http", "database/sql"}},
	{name: "store", floor: 1},
	{name: "crm/simorg", floor: 0},
	{name: "dialer/simdialer", floor: 0},
}

var (
	simulators = []string{"crm/simorg", "dialer/simdialer"}
	suites     = []string{"dialer/dialertest", "store/storetest"}
	floors     = [][]string{
		1: {"crm", "dialer", "store"},
		2: {"crm/events", "dialer/directory", "dialer/scim", "sync"},
		3: {"config", "control", "jobs", "metrics", "web"},
	}
	everything = slices.Concat(below(3), simulators, suites, []string{"app"})
)

// below lists the rooms on floors 1 to n.
func below(n int) []string { return slices.Concat(floors[1 : n+1]...) }

// roomOf finds the room of a folder, "" when it has none.
func roomOf(dir string) (room, bool) {
	for ; dir != "."; dir = path.Dir(dir) {
		if i := slices.IndexFunc(house, func(r room) bool { return r.name == dir }); i >= 0 {
			return house[i], true
		}
	}
	return room{}, false
}

// mayImport says whether a file of room from may import a package of room to.
func mayImport(from, to room, test bool) bool {
	if from.name == to.name || slices.Contains(from.imports, to.name) {
		return true
	}
	if !test || slices.Contains(simulators, from.name) {
		return false
	}
	return to.floor <= from.floor || slices.Contains(suites, to.name)
}

func TestImportsGoDown(t *testing.T) {
	for _, file := range source(t) {
		if file.dir() == "." {
			continue
		}
		from, ok := roomOf(file.dir())
		if !ok {
			t.Errorf("%s: its folder has no row in the import table", file.path)
			continue
		}
		for _, spec := range file.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if dir, ours := strings.CutPrefix(imported, module+"/"); ours {
				if to, ok := roomOf(dir); !ok || !mayImport(from, to, file.test()) {
					t.Errorf("%s: %s may not import %s", file.path, from.name, dir)
				}
			}
			if !file.test() && slices.ContainsFunc(from.foreign, func(p string) bool {
				return imported == p || strings.HasPrefix(imported, p+"/")
			}) {
				t.Errorf("%s: %s must not know %s", file.path, from.name, imported)
			}
		}
	}
}

func TestImportTable(t *testing.T) {
	seen := map[string]bool{}
	for _, from := range house {
		if seen[from.name] {
			t.Errorf("%s has two rows", from.name)
		}
		seen[from.name] = true
		for _, name := range from.imports {
			to, ok := roomOf(name)
			if !ok || to.name != name {
				t.Errorf("%s may import %s, which has no row", from.name, name)
			}
			if to.floor > from.floor {
				t.Errorf("%s may import %s, which is above it", from.name, name)
			}
			if slices.Contains(to.imports, from.name) {
				t.Errorf("%s and %s may import each other", from.name, name)
			}
		}
	}
	for _, tc := range []struct {
		from, to string
		test     bool
		want     bool
	}{
		{from: "sync", to: "crm", want: true},
		{from: "crm", to: "dialer"},
		{from: "crm", to: "dialer", test: true, want: true},
		{from: "dialer", to: "crm"},
		{from: "dialer/directory", to: "crm"},
		{from: "store", to: "sync"},
		{from: "crm", to: "crm/simorg"},
		{from: "crm", to: "crm/simorg", test: true, want: true},
		{from: "crm", to: "sync", test: true},
		{from: "crm/simorg", to: "crm", test: true},
		{from: "cmd/rosterd", to: "crm/simorg"},
		{from: "control", to: "config"},
		{from: "sync/internal/merge", to: "sync", want: true},
	} {
		from, _ := roomOf(tc.from)
		to, _ := roomOf(tc.to)
		if got := mayImport(from, to, tc.test); got != tc.want {
			t.Errorf("mayImport(%s, %s, test %t) = %t, want %t", tc.from, tc.to, tc.test, got, tc.want)
		}
	}
}

// The linter's copy of the table shows a wrong import in an editor. It is written by hand, as short as it can be; this
// keeps its verdict on every pair of rooms the table's.
func TestLinterHoldsTheImportTable(t *testing.T) {
	type pattern struct{ Pkg string }
	type rule struct {
		Files []string
		Allow []string
		Deny  []pattern
	}
	var lint struct {
		Linters struct {
			Settings struct {
				Depguard struct{ Rules map[string]rule }
			}
		}
	}
	text, err := os.ReadFile(".golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &lint); err != nil {
		t.Fatal(err)
	}

	// As depguard has it: a pattern is a prefix, or with $ the exact path; the longest one decides.
	length := func(pattern, path string) int {
		exact, isExact := strings.CutSuffix(pattern, "$")
		if isExact && path == exact || !isExact && strings.HasPrefix(path, pattern) {
			return len(pattern)
		}
		return 0
	}
	applies := func(r rule, dir string) bool {
		matched := false
		for _, glob := range r.Files {
			name, not := strings.CutPrefix(glob, "!")
			name = strings.TrimPrefix(name, "${config-path}/")
			if all, ok := strings.CutSuffix(name, "/**"); ok && (dir == all || strings.HasPrefix(dir, all+"/")) || name == dir+"/*.go" {
				if not {
					return false
				}
				matched = true
			}
		}
		return matched
	}
	denied := func(dir, imported string) bool {
		for _, r := range lint.Linters.Settings.Depguard.Rules {
			allow, deny := 0, 0
			for _, p := range r.Allow {
				allow = max(allow, length(p, imported))
			}
			for _, p := range r.Deny {
				deny = max(deny, length(p.Pkg, imported))
			}
			if applies(r, dir) && deny > allow {
				return true
			}
		}
		return false
	}

	// depguard looks only at the one entry that sorts next to an import, so one entry of a list hides another that
	// is its prefix.
	for name, r := range lint.Linters.Settings.Depguard.Rules {
		denies := make([]string, 0, len(r.Deny))
		for _, p := range r.Deny {
			denies = append(denies, p.Pkg)
		}
		for _, list := range [][]string{r.Allow, denies} {
			slices.Sort(list)
			for i := 1; i < len(list); i++ {
				if strings.HasPrefix(list[i], list[i-1]) {
					t.Errorf(".golangci.yml: depguard rule %s: %s hides %s", name, list[i], list[i-1])
				}
			}
		}
	}
	for _, from := range house {
		for _, to := range house {
			if from.name == to.name || to.floor >= 5 || from.floor > 5 { // programs and whole-program tests: nobody can, or all may
				continue
			}
			if got, want := denied(from.name, module+"/"+to.name), !mayImport(from, to, false); got != want {
				t.Errorf(".golangci.yml: depguard denies %s to import %s: %t, want %t", from.name, to.name, got, want)
			}
		}
		for _, foreign := range from.foreign {
			if !denied(from.name, foreign) {
				t.Errorf(".golangci.yml: depguard lets %s import %s", from.name, foreign)
			}
		}
	}
}
