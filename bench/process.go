package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bench holds what all measurements share: the built programs, and a folder
// that goes away with it.
type bench struct {
	dir  string
	self string // this program, for the floors
	out  io.Writer
	next int
}

// newBench builds the programs.
func newBench(ctx context.Context, out io.Writer) (*bench, error) {
	dir, err := os.MkdirTemp("", "rosterd-bench")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, out: out}
	if b.self, err = os.Executable(); err == nil {
		build := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", "./cmd/rosterd", "./cmd/rostersim")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("build the programs: %w", err)
	}
	return b, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) }

// path is a new name in the folder.
func (b *bench) path(name string) string {
	b.next++
	return filepath.Join(b.dir, strconv.Itoa(b.next)+"-"+name)
}

// process is a child that runs until it is stopped.
type process struct {
	cmd    *exec.Cmd
	name   string
	stderr *bytes.Buffer
}

// start starts a program; first gets the first line that it prints, where it is
// not nil.
func (b *bench) start(ctx context.Context, first *[]byte, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, filepath.Join(b.dir, name), args...), name: name, stderr: &bytes.Buffer{}}
	p.cmd.Stderr = p.stderr
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 20 * time.Second
	var line io.Reader
	if first != nil {
		pipe, err := p.cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		line = pipe
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if first == nil {
		return p, nil
	}
	text, err := bufio.NewReader(line).ReadBytes('\n')
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("start %s: %w: %s", name, err, p.stderr)
	}
	*first = text
	return p, nil
}

// stop ends the process and waits for it. It may be called twice.
func (p *process) stop() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = p.cmd.Wait()
	}
}

// peak is the most memory that the process ever held, in bytes.
func (p *process) peak() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read the peak memory of %s: %w", p.name, err)
	}
	return peakOf(text)
}

func peakOf(status []byte) (int64, error) {
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in /proc/PID/status")
}

// cpu is the processor time that the process has used.
func (p *process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(text), ") ") // after the name
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat has another form")
	}
	var ticks int64
	for _, f := range fields[11:13] { // utime, stime: hundredths of a second
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// cost is what something took. A floor prints one.
type cost struct {
	Took  time.Duration `json:"took"`
	CPU   time.Duration `json:"cpu"`
	Peak  int64         `json:"peak"` // bytes
	Users int           `json:"users"`
}

func (c cost) plus(d cost) cost {
	return cost{c.Took + d.Took, c.CPU + d.CPU, max(c.Peak, d.Peak), max(c.Users, d.Users)}
}

// floor runs this program as a floor, in a process of its own.
func (b *bench) floor(ctx context.Context, args ...string) (cost, error) {
	cmd := exec.CommandContext(ctx, b.self, args...)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return cost{}, fmt.Errorf("%s floor: %w", args[0], err)
	}
	var c cost
	if err := json.Unmarshal(text, &c); err != nil {
		return cost{}, fmt.Errorf("%s floor: %w", args[0], err)
	}
	return c, nil
}

// timed measures fn in this process.
func timed(fn func() (users int, err error)) (cost, error) {
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		return cost{}, err
	}
	began := time.Now()
	n, err := fn()
	took := time.Since(began)
	if err != nil {
		return cost{}, err
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		return cost{}, err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return cost{}, err
	}
	peak, err := peakOf(status)
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	return cost{took, cpu, peak, n}, err
}
