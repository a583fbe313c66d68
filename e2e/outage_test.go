package e2e

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Postgres crashes and comes back in the middle of syncs: nobody loses access
// for it, and the daemon goes on without help.
func TestPostgresRestartedInMidSync(t *testing.T) {
	t.Parallel()
	db := newServer(t)
	s := newSim(t, 2500, "--plain")
	d := boot(t, s.config(db.url))
	for i := range 4 {
		s.churn(t, 300)
		d.leads(t)
		if i > 0 {
			d.mended(t, time.Minute)
		}
		// That it lost its lease in the last crash may dawn on it only now, and end what it is at.
		until(t, 20*time.Second, "a sync begins", func() bool { return d.ctl(t, "sync", "--full", "--yes").code == 0 })
		time.Sleep(time.Duration(i) * 150 * time.Millisecond) // another stage each time
		db.stop(t)
		db.start(t)
	}
	d.mended(t, time.Minute)
	until(t, time.Minute, "a full sync succeeds", func() bool { return d.ctl(t, "sync", "--full", "--wait", "--yes").code == 0 })
	staysTrue(t, d, s)
}

// Postgres is away for a while: the daemon says so to whoever asks, changes
// nothing, and is itself again once Postgres is.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	db := newServer(t)
	s := newSim(t, 60, "--plain")
	d := boot(t, s.config(db.url))
	d.mended(t, 30*time.Second)
	before := len(d.activity(t))
	db.stop(t)
	away := time.Now()
	until(t, 15*time.Second, "the daemon is not ready", func() bool {
		code, body := d.get(t, "/readyz")
		return code == 503 && strings.Contains(body, "the database does not answer")
	})
	if code, _ := d.get(t, "/healthz"); code != 200 {
		t.Errorf("/healthz answers %d: a service manager would restart the daemon, which helps nobody", code)
	}
	for _, args := range [][]string{{"status"}, {"sync", "--wait"}} {
		r := d.ctl(t, args...).must(t, 0, 1)
		if text := r.out + r.err; !strings.Contains(text, "database") || !strings.Contains(text, "?") && !strings.Contains(text, "hint: ") {
			t.Errorf("%v\ndoes not tell that the database is away, or what to do", r)
		}
	}
	r := d.ctl(t, "status").must(t, 1)
	if want := "error: the database does not answer\nhint: is the database running?"; !strings.HasPrefix(r.err, want) {
		t.Errorf("%v; want %s", r, want)
	}
	time.Sleep(max(0, 10*time.Second-time.Since(away)))
	db.start(t)
	d.mended(t, time.Minute)
	if code, body := d.get(t, "/readyz"); code != 200 {
		t.Errorf("/readyz answers %d %s after it is over", code, body)
	}
	if n := len(d.activity(t)); n != before {
		t.Errorf("%d changes were made during the outage", n-before)
	}
	s.churn(t, 20)
	d.full(t)
	staysTrue(t, d, s)
}

// The disk is full, and later it is not.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := newSim(t, 1200, "--plain")
	d := prepare(t, s.config("sqlite://{DIR}/small/db"))
	small := filepath.Join(d.dir, "small")
	mountSmall(t, small)
	d.run(t)
	t.Cleanup(d.kill) // before the disk goes
	d.serves(t)
	d.mended(t, 30*time.Second)
	before := len(d.activity(t))

	ballast := filepath.Join(small, "ballast")
	fill(t, ballast)
	s.churn(t, 900)
	// The run fails, or is refused because it cannot even be journaled.
	r := d.ctl(t, "sync", "--full", "--wait", "--yes").must(t, 1)
	if text := r.out + r.err; !strings.Contains(text, "full") || !strings.Contains(text, "space") {
		t.Errorf("%v\ndoes not tell of the full disk, or what to do", r)
	}
	st := d.status(t)
	if st.State != "degraded" || !strings.Contains(st.LastError, "full") {
		t.Errorf("status is %s, %q; want it degraded for the full disk", st.State, st.LastError)
	}
	if code, body := d.get(t, "/readyz"); code != 503 || !strings.Contains(body, "full") {
		t.Errorf("/readyz answers %d %s, want it to tell of the full disk", code, body)
	}
	nobodyLost(t, d, s)

	// A restart on a full disk may be refused, but must say why.
	d.kill()
	d.run(t)
	select {
	case <-d.done:
		text := read(t, d.log)
		if last := text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:]; !strings.Contains(last, "full") && !strings.Contains(text, "hint: free") {
			t.Errorf("it does not start, and says %s", last)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		d.run(t)
	case <-time.After(5 * time.Second):
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	d.serves(t)
	d.mended(t, time.Minute)
	until(t, time.Minute, "what happened meanwhile is made up for", func() bool { return len(d.activity(t)) > before })
	d.full(t)
	staysTrue(t, d, s)
}

// nobodyLost checks that everyone in scope who has been in the dialer still has
// access to it.
func nobodyLost(t testing.TB, d *daemon, s *sim) {
	t.Helper()
	in := map[string]bool{}
	for _, p := range s.staff(t) {
		in[p.ID] = true
	}
	for _, u := range d.users(t) {
		if in[u.SalesforceID] && (u.Status != "active" || u.DeactivateAt != nil) {
			t.Errorf("user %s is in scope and %s (%s), to leave at %v", u.SalesforceID, u.Status, u.StatusReason, u.DeactivateAt)
		}
	}
}

// mountSmall makes a folder on a disk of its own that holds some megabytes.
func mountSmall(t testing.TB, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=48m,mode=0700"); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skip("mounting a small disk needs root")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
}

// fill writes a file until not a byte more fits.
func fill(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(bytes.Repeat([]byte{'x'}, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
