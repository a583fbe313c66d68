package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// births starts processes from one thread that lives as long as the test does:
// a child is to die with its parent, and the parent of a child is the thread
// that started it.
var births = sync.OnceValue(func() chan<- func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range c {
			f()
		}
	}()
	return c
})

// process is a program that runs.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	code int           // once done: the exit code, -1 after a signal
}

func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := make(chan error)
	births() <- func() { began <- cmd.Start() }
	if err := <-began; err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		p.code = cmd.ProcessState.ExitCode()
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as a power cut would, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait returns the exit code of a process that should end by itself.
func (p *process) wait(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.code
	case <-time.After(limit):
		t.Fatalf("the process did not end within %s", limit)
		return 0
	}
}

// daemon is a rosterd with its configuration.
type daemon struct {
	*process
	dir, config, socket, log string
}

// prepare writes a configuration into a folder of its own and starts nothing.
// {DIR} in the text stands for the folder. Socket and log settings are added
// where the text has none.
func prepare(t testing.TB, text string) *daemon {
	t.Helper()
	dir := folder(t)
	d := &daemon{dir: dir, config: filepath.Join(dir, "config.yaml"), socket: filepath.Join(dir, "s"), log: filepath.Join(dir, "log")}
	d.configure(t, text)
	return d
}

func (d *daemon) configure(t testing.TB, text string) {
	t.Helper()
	if !strings.Contains(text, "control:") {
		text = "control: {socket: {DIR}/s, listen: \"\"}\n" + text
	}
	if !strings.Contains(text, "log:") {
		text = "log: {level: info, format: json}\n" + text
	}
	write(t, d.config, strings.ReplaceAll(text, "{DIR}", d.dir))
}

// boot starts a daemon and waits until it serves.
func boot(t testing.TB, text string) *daemon {
	t.Helper()
	d := prepare(t, text)
	d.run(t)
	d.serves(t)
	return d
}

// run starts the daemon. Its log is appended to.
func (d *daemon) run(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program(t, "rosterd"), "run", "--config", d.config)
	cmd.Stdout, cmd.Stderr = log, log
	d.process = start(t, cmd)
	first := d.process
	t.Cleanup(func() {
		if t.Failed() && d.process == first {
			text := read(t, d.log)
			t.Logf("log of the daemon:\n%s", text[max(0, len(text)-8000):])
		}
	})
}

// reload has the daemon read its configuration anew.
func (d *daemon) reload(t testing.TB) {
	t.Helper()
	const done = `"msg":"configuration reloaded"`
	before := strings.Count(read(t, d.log), done)
	d.signal(t, syscall.SIGHUP)
	until(t, 20*time.Second, "the configuration is reloaded", func() bool { return strings.Count(read(t, d.log), done) > before })
}

// serves waits until the daemon answers on its socket.
func (d *daemon) serves(t testing.TB) {
	t.Helper()
	until(t, 60*time.Second, "the daemon serves", func() bool {
		select {
		case <-d.done:
			t.Fatalf("the daemon ended with code %d:\n%s", d.code, read(t, d.log))
		default:
		}
		c, err := net.Dial("unix", d.socket)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
}

var tcpAddress = regexp.MustCompile(`"msg":"ready".*"url":"([^"]+)"`)

// url is where the daemon serves TCP, as its log says.
func (d *daemon) url(t testing.TB) string {
	t.Helper()
	var found []string
	until(t, 30*time.Second, "the log tells the address", func() bool {
		found = tcpAddress.FindStringSubmatch(read(t, d.log))
		return found != nil
	})
	return "http://" + found[1]
}

// get asks the daemon over its socket for what needs no token.
func (d *daemon) get(t testing.TB, path string) (status int, body string) {
	t.Helper()
	return d.call(t, http.MethodGet, path, nil)
}

// call asks the daemon over its socket.
func (d *daemon) call(t testing.TB, method, path string, body any) (status int, answer string) {
	t.Helper()
	var dial net.Dialer
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dial.DialContext(ctx, "unix", d.socket)
	}}
	defer tr.CloseIdleConnections()
	return fetch(t, &http.Client{Transport: tr, Timeout: 30 * time.Second}, method, "http://localhost"+path, body, "")
}

func fetch(t testing.TB, c *http.Client, method, url string, body any, token string) (status int, answer string) {
	t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, in)
	if err != nil {
		t.Fatal(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(out)
}

// result is what a command gave.
type result struct {
	args     []string
	code     int
	out, err string
}

// ctl runs rosterctl on the daemon's socket.
func (d *daemon) ctl(t testing.TB, args ...string) result {
	t.Helper()
	return command(t, "rosterctl", append([]string{"--socket", d.socket}, args...)...)
}

// command runs a program to its end.
func command(t testing.TB, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program(t, name), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) || ctx.Err() != nil {
		t.Fatalf("%s %v: %v", name, args, errors.Join(err, ctx.Err()))
	}
	return result{args, cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

func (r result) String() string {
	return fmt.Sprintf("%.300q exits %d\nout: %.3000s\nerr: %s", strings.Join(r.args, " "), r.code, r.out, r.err)
}

// must fails the test unless the command exited with one of codes, 0 when none
// are given.
func (r result) must(t testing.TB, codes ...int) result {
	t.Helper()
	if len(codes) == 0 {
		codes = []int{0}
	}
	if !slices.Contains(codes, r.code) {
		t.Fatalf("%v; want exit code %v", r, codes)
	}
	return r
}

// decode reads the JSON that a command printed.
func decode[T any](t testing.TB, r result) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.out), &v); err != nil {
		t.Fatalf("%v\nis not what was expected: %v", r, err)
	}
	return v
}

// until waits for something that must come.
func until(t testing.TB, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	end := time.Now().Add(limit)
	for !cond() {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain: %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
