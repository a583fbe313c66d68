package directory_test

import (
	"bufio"
	"os"
	process "os/exec"
	"testing"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// victimURL names the database to the process that is killed.
const victimURL = "ROSTERD_TEST_VICTIM_URL"

// TestMassVictim is that process: it carries out whatever runs, and says so
// after each step.
func TestMassVictim(t *testing.T) {
	url := os.Getenv(victimURL)
	if url == "" {
		return // not asked for
	}
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	org, err := directory.EnsureOrg(t.Context(), db, "acme")
	if err != nil {
		t.Fatal(err)
	}
	d := directory.New(db, org, directory.Options{})
	for more := true; more; {
		if more, err = d.StepMass(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("step\n")
	}
}

// A daemon that is killed in the middle of a mass action goes on where it was:
// every user is changed once, and none is left out.
func TestMassKilled(t *testing.T) {
	for name, fresh := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			url := fresh(t)
			db, err := store.Open(t.Context(), url, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			const users = 5000
			d := newOffice(t, db, "acme", directory.Options{})
			d.hire(users)
			m := d.market("West")
			_, err = d.StartMass(t.Context(), m.ID, m.Total, root)
			d.must(err)
			for kills := 1; kills <= 3; kills++ {
				kill(t, url, kills)
				now, err := d.MassAction(t.Context(), m.ID)
				d.must(err)
				if have, entries := d.has(m, "West"); int64(have) != now.Done.Changed || have != entries || now.State != dialer.MassRunning {
					t.Fatalf("after %d kills: %s, %d users, %d entries, %d counted", kills, now.State, have, entries, now.Done.Changed)
				}
			}
			m = d.finish(m.ID)
			if have, entries := d.has(m, "West"); have != users || entries != users || m.Done.Changed != users {
				t.Errorf("%d users, %d entries, %d counted", have, entries, m.Done.Changed)
			}
		})
	}
}

// kill starts a victim and kills it some steps later.
func kill(t *testing.T, url string, steps int) {
	t.Helper()
	cmd := process.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMassVictim$", "-test.count=1") //nolint:gosec // this test
	cmd.Env = append(os.Environ(), victimURL+"="+url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range steps {
		if !lines.Scan() {
			t.Fatal("the victim ended before it was killed")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the victim was not killed")
	}
}
