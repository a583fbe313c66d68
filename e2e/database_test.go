package e2e

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/store/storetest"
)

// onBoth runs a test on SQLite and on Postgres, side by side, each on a fresh
// database. {DIR} is the daemon's folder.
func onBoth(t *testing.T, fn func(t *testing.T, database string)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); fn(t, "sqlite://{DIR}/db") })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); fn(t, storetest.Postgres(t)) })
}

// server is a Postgres of the test's own, which it may stop and start.
type server struct {
	dir, bin, url string
}

// newServer starts a Postgres, under the same conditions as storetest: the test
// is skipped where nobody said that Postgres is there.
func newServer(t testing.TB) *server {
	t.Helper()
	if os.Getenv("ROSTERD_TEST_POSTGRES") == "" {
		if os.Getenv("ROSTERD_TEST_REQUIRE_POSTGRES") == "1" {
			t.Fatal("ROSTERD_TEST_POSTGRES is not set, and ROSTERD_TEST_REQUIRE_POSTGRES is 1")
		}
		t.Skip("set ROSTERD_TEST_POSTGRES=postgres://user@host:port/database to run this, on a server of its own")
	}
	out, err := exec.Command("../scripts/with-postgres", "--bindir").Output()
	if err != nil {
		t.Fatalf("find Postgres's programs: %v", err)
	}
	s := &server{dir: folder(t), bin: string(out[:len(out)-1])}
	if os.Geteuid() == 0 { // Postgres refuses to run as root
		give(t, s.dir)
	}
	port := freePort(t)
	s.must(t, "initdb", "-D", s.dir+"/data", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
	conf := "listen_addresses='127.0.0.1'\nport=" + port + "\nunix_socket_directories=''\nlog_min_messages=fatal\n"
	f, err := os.OpenFile(s.dir+"/data/postgresql.conf", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(conf); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s.url = "postgres://postgres@127.0.0.1:" + port + "/postgres?sslmode=disable"
	t.Cleanup(func() {
		if _, err := os.Stat(s.dir + "/data/postmaster.pid"); !errors.Is(err, fs.ErrNotExist) {
			_ = s.command("pg_ctl", "-D", s.dir+"/data", "-m", "immediate", "-w", "stop").Run()
		}
	})
	s.start(t)
	return s
}

// give makes a folder the user postgres's.
func give(t testing.TB, dir string) {
	t.Helper()
	u, err := osuser.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, -1); err != nil {
		t.Fatal(err)
	}
}

// ports gives every server a port of its own, though another one's be free for
// a moment. They lie below the range from which outgoing connections draw.
var ports = sync.OnceValue(func() <-chan int {
	c := make(chan int)
	go func() {
		for p := 12000 + os.Getpid()%4000; p < 20000; p++ {
			c <- p
		}
	}()
	return c
})

func freePort(t testing.TB) string {
	t.Helper()
	for p := range ports() {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return strconv.Itoa(p)
	}
	return ""
}

func (s *server) command(name string, args ...string) *exec.Cmd {
	path := filepath.Join(s.bin, name)
	if os.Geteuid() == 0 {
		name, args = "runuser", append([]string{"-u", "postgres", "--", path}, args...)
		path, _ = exec.LookPath(name)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = s.dir
	return cmd
}

func (s *server) must(t testing.TB, name string, args ...string) {
	t.Helper()
	// Not CombinedOutput: the server keeps the pipe, and nobody would ever see its end.
	log, err := os.OpenFile(filepath.Join(s.dir, "commands"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := s.command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, read(t, log.Name()))
	}
}

// start starts the server. After a hard stop its first tries may fail.
func (s *server) start(t testing.TB) {
	t.Helper()
	until(t, 30*time.Second, "Postgres starts", func() bool {
		return s.command("pg_ctl", "-D", s.dir+"/data", "-l", s.dir+"/log", "-w", "-t", "20", "start").Run() == nil
	})
}

// stop ends the server as a crash would: connections break, nothing is flushed.
func (s *server) stop(t testing.TB) {
	t.Helper()
	s.must(t, "pg_ctl", "-D", s.dir+"/data", "-m", "immediate", "-w", "stop")
}
