// Package e2e tests the programs as a whole: the daemon, the operator's tool and
// the simulated org, built as they are shipped and started as processes, on a
// real SQLite and a real Postgres. It goes through configuration files,
// commands, sockets and signals only, and must not know how anything inside
// works.
//
// A few tests break things many times over; how often is set by the
// environment. The long version, which takes some twenty minutes, is
//
//	ROSTERD_E2E_KILLS=200 scripts/with-postgres go test -count=1 -timeout 60m -run Kill ./e2e
//
// ROSTERD_E2E_PROGRAMS names a folder of programs that were built elsewhere, a
// release for example, to be tested in place of the source.
package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// atOnce is how many tests run side by side: most of their time they wait for
// what they broke to mend.
const atOnce = 6

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f != nil && f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set(strconv.Itoa(atOnce))
	}
	code := m.Run()
	if dir, err := programs(); err == nil && dir != os.Getenv("ROSTERD_E2E_PROGRAMS") {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// programs builds the three programs once, and returns the folder that holds
// them. It is short: the paths of sockets are limited.
var programs = sync.OnceValues(func() (string, error) {
	if built := os.Getenv("ROSTERD_E2E_PROGRAMS"); built != "" {
		return built, nil
	}
	dir, err := os.MkdirTemp("", "rosterd-e2e")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", dir,
		"../cmd/rosterd", "../cmd/rosterctl", "../cmd/rostersim")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return dir, nil
})

// program is the path of a program.
func program(t testing.TB, name string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// folder is a new folder with a short path, removed when the test ends.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}
