package rosterd_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// seeds are the documents that rosterd was asked for, by the letters of their rows, and how many rows each has.
var seeds = []struct {
	letters string
	rows    int
}{{"IS", 42}, {"PQ", 44}, {"CP", 24}, {"CN", 36}, {"VL", 22}}

const seedsPage = "docs/seeds.md"

// A seedRow says what became of one statement of the seeds.
type seedRow struct {
	id, what, where, proof string
	tests                  []seedTest
	open                   bool // not yet, or out of reach: a proof shows the part that is there, if any
}

// A seedTest names a test as package.Test/subtest. A * stands for any one part: each database.
type seedTest struct{ dir, name string }

func (t seedTest) String() string { return t.dir + "." + t.name }

var (
	seedID   = regexp.MustCompile(`^[A-Z]{2}-\d{2}$`)
	quoted   = regexp.MustCompile("`([^`]+)`")
	testName = regexp.MustCompile(`^([a-z][a-z0-9]*(?:/[a-z][a-z0-9]*)*)\.(Test\w*(?:/\S+)?)$`)
	apiCall  = regexp.MustCompile(`^(GET|POST|PATCH|PUT|DELETE) (/v1/\S+)$`)
	ctlCall  = regexp.MustCompile(`^rosterctl [a-z0-9 -]+$`)
)

// readSeeds reads the tables of the page.
func readSeeds(t *testing.T) []seedRow {
	t.Helper()
	text, err := os.ReadFile(seedsPage)
	if err != nil {
		t.Fatal(err)
	}
	var rows []seedRow
	for n, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 2 || !seedID.MatchString(strings.TrimSpace(cells[1])) {
			continue
		}
		if len(cells) != 6 {
			t.Errorf("%s:%d: the row has %d cells, want id, what works, where, proof", seedsPage, n+1, len(cells)-2)
			continue
		}
		r := seedRow{strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3]), strings.TrimSpace(cells[4]), nil, false}
		r.open = strings.HasPrefix(r.proof, "not yet: ") || strings.HasPrefix(r.proof, "out of reach: ")
		for _, q := range quoted.FindAllStringSubmatch(r.proof, -1) {
			if m := testName.FindStringSubmatch(q[1]); m != nil {
				r.tests = append(r.tests, seedTest{m[1], m[2]})
			} else if !r.open {
				t.Errorf("%s: %q is not the name of a test", r.id, q[1])
			}
		}
		if r.what == "" || !r.open && (len(r.tests) == 0 || r.where == "") {
			t.Errorf("%s says too little: what works, where, and the test that proves it, or why not", r.id)
		}
		rows = append(rows, r)
	}
	return rows
}

func TestSeedsAreComplete(t *testing.T) {
	var want, got []string
	for _, s := range seeds {
		for n := range s.rows {
			want = append(want, fmt.Sprintf("%s-%02d", s.letters, n+1))
		}
	}
	for _, r := range readSeeds(t) {
		got = append(got, r.id)
	}
	if !slices.Equal(got, want) {
		for _, id := range want {
			if !slices.Contains(got, id) {
				t.Errorf("%s is missing", id)
			}
		}
		t.Errorf("%s has %d rows, want the %d of the seeds, each once and in order", seedsPage, len(got), len(want))
	}
}

// Where a row says that something is, there is something: an operation of the API, a command, a page of the console.
func TestSeedsLeadSomewhere(t *testing.T) {
	text, err := os.ReadFile("control/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(text, &api); err != nil {
		t.Fatal(err)
	}
	pages, err := os.ReadFile("web/route.go")
	if err != nil {
		t.Fatal(err)
	}
	ctl := filepath.Join(t.TempDir(), "rosterctl")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", ctl, "./cmd/rosterctl").CombinedOutput(); err != nil {
		t.Fatalf("build rosterctl: %v\n%s", err, out)
	}
	commands := map[string]bool{}
	isCommand := func(call string) bool {
		known, asked := commands[call]
		if !asked {
			args := strings.Fields(call)[1:]
			for i, a := range args {
				if strings.HasPrefix(a, "-") {
					args = args[:i]
					break
				}
			}
			out, err := exec.CommandContext(t.Context(), ctl, append(args, "--help")...).CombinedOutput()
			known = err == nil && bytes.Contains(out, []byte("  rosterctl "+strings.Join(args, " ")))
			for _, a := range strings.Fields(call)[1+len(args):] {
				known = known && (!strings.HasPrefix(a, "-") || bytes.Contains(out, []byte(a)))
			}
			commands[call] = known
		}
		return known
	}
	for _, r := range readSeeds(t) {
		for _, q := range quoted.FindAllStringSubmatch(r.where, -1) {
			call, ok := q[1], false
			if m := apiCall.FindStringSubmatch(call); m != nil {
				_, ok = api.Paths[m[2]][strings.ToLower(m[1])]
			} else if ctlCall.MatchString(call) {
				ok = isCommand(call)
			} else if strings.HasPrefix(call, "/") {
				ok = bytes.Contains(pages, []byte(`/o/{org}`+strings.SplitN(call, "?", 2)[0]+`"`))
			}
			if !ok {
				t.Errorf("%s: there is no %s", r.id, call)
			}
		}
	}
}

// Every test that a row names is there, ran, and passed; and nothing that it consists of was skipped.
func TestSeedsAreProven(t *testing.T) {
	byDir := map[string][]string{}
	rows := readSeeds(t)
	for _, r := range rows {
		for _, test := range r.tests {
			if !slices.Contains(byDir[test.dir], test.name) {
				byDir[test.dir] = append(byDir[test.dir], test.name)
			}
		}
	}
	ended := runTests(t, byDir)
	for _, r := range rows {
		for _, test := range r.tests {
			if why := unproven(ended, test); why != "" {
				t.Errorf("%s: %s %s", r.id, test, why)
			}
		}
	}
}

// runTests runs tests of several packages, one package at a time and without -race: `make race` has them all with it.
// What did not change since it last passed need not run again. It returns how each test ended, by package and name.
func runTests(t *testing.T, byDir map[string][]string) map[string]string {
	t.Helper()
	var patterns, dirs []string
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		dirs = append(dirs, "./"+dir)
		for _, name := range byDir[dir] {
			parts := strings.Split(name, "/")
			for i, p := range parts {
				if parts[i] = "^" + regexp.QuoteMeta(p) + "$"; p == "*" {
					parts[i] = ".*"
				}
			}
			patterns = append(patterns, strings.Join(parts, "/"))
		}
	}
	args := append([]string{"test", "-json", "-p", "1", "-vet=off", "-run", strings.Join(patterns, "|")}, dirs...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatalf("run the tests: %v", err)
	}
	ended := map[string]string{}
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct{ Action, Package, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Test == "" {
			continue
		}
		switch e.Action {
		case "pass", "fail", "skip":
			ended[strings.TrimPrefix(e.Package, module+"/")+"."+e.Test] = e.Action
		case "output":
			if err != nil && !strings.HasPrefix(strings.TrimSpace(e.Output), "===") {
				errs.WriteString(e.Output)
			}
		}
	}
	if err != nil {
		t.Errorf("the tests fail: %v\n%s", err, errs.String())
	}
	return ended
}

// unproven says why a test proves nothing, or "".
func unproven(ended map[string]string, test seedTest) string {
	found := 0
	for name, how := range ended {
		same, _ := path.Match(test.String(), name)
		below := same
		for above := name; !below && strings.Contains(above, "/"); {
			above = above[:strings.LastIndexByte(above, '/')]
			below, _ = path.Match(test.String(), above)
		}
		// Without a server there is no Postgres to run on; `make test` starts one, and then nothing may be skipped.
		if how == "skip" && os.Getenv("ROSTERD_TEST_POSTGRES") == "" && strings.Contains(name+"/", "/postgres/") {
			continue
		}
		switch {
		case same && how == "pass":
			found++
		case below && how != "pass":
			return "ended with " + how + " at " + name
		}
	}
	if found == 0 {
		return "did not run: there is no such test, or its package does not build"
	}
	return ""
}

func TestWhatProvesNothing(t *testing.T) {
	t.Setenv("ROSTERD_TEST_POSTGRES", "")
	ended := map[string]string{
		"a.TestOne": "pass", "a.TestOne/sqlite": "pass", "a.TestOne/sqlite/In": "pass", "a.TestOne/postgres": "skip",
		"a.TestTwo": "pass", "a.TestTwo/inner": "skip", "b.TestThree": "fail", "b.TestThree/good": "pass", "b.TestThree/bad": "fail",
	}
	for name, proves := range map[string]bool{
		"TestOne": true, "TestOne/*/In": true, "TestOne/sqlite": true, "TestOne/postgres": false, "TestOne/*/Out": false, "TestOther": false,
		"TestTwo": false, "TestOn": false,
	} {
		if why := unproven(ended, seedTest{"a", name}); (why == "") != proves {
			t.Errorf("%s: %q", name, why)
		}
	}
	for name, proves := range map[string]bool{"TestThree": false, "TestThree/good": true, "TestThree/*": false, "TestOne": false} {
		if why := unproven(ended, seedTest{"b", name}); (why == "") != proves {
			t.Errorf("%s: %q", name, why)
		}
	}
	t.Setenv("ROSTERD_TEST_POSTGRES", "postgres://127.0.0.1/x")
	if unproven(ended, seedTest{"a", "TestOne"}) == "" {
		t.Error("a test that was skipped on Postgres proves something, though there is one")
	}
}
