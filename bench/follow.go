package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/events"
)

// told is a line of the floor of change events: that it follows them, or that
// one has arrived.
type told struct {
	Live bool      `json:"live,omitempty"`
	ID   string    `json:"id,omitempty"`
	At   time.Time `json:"at"`
}

// follow is the floor of change events: a client that is subscribed to the same
// stream, reads each event and writes down when it had it. It runs until it is
// told to end.
func follow(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 5 {
		return errors.New("follow takes url, client id, user name, key file and the endpoint of the events")
	}
	pem, err := os.ReadFile(args[3])
	if err != nil {
		return err
	}
	c, err := crm.New(crm.Config{LoginURL: args[0], ClientID: args[1], Username: args[2], PrivateKey: pem}, crm.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	stream, err := events.New(args[4], "", events.Options{})
	if err != nil {
		return err
	}
	stream.Follow(ctx, c, &teller{out: json.NewEncoder(out)})
	return nil
}

// teller writes down what a stream brings.
type teller struct {
	mu  sync.Mutex // guards out
	out *json.Encoder
}

func (t *teller) tell(what told) {
	what.At = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.out.Encode(what) // who does not read it any more ends this program
}

// Position is from now on.
func (*teller) Position(context.Context) ([]byte, error) { return nil, nil }

// Begun does nothing.
func (*teller) Begun(context.Context, events.Start) error { return nil }

// Take tells whom events name.
func (t *teller) Take(_ context.Context, b events.Batch) error {
	for _, c := range b.Changes {
		for _, id := range c.IDs {
			t.tell(told{ID: string(id)})
		}
	}
	return nil
}

// State tells when the stream stands.
func (t *teller) State(s events.State) {
	if s.Phase == events.PhaseLive {
		t.tell(told{Live: true})
	}
}

// follower is that floor in a process of its own.
type follower struct {
	cmd  *exec.Cmd
	live chan struct{}
	done chan struct{}

	mu   sync.Mutex // guards seen
	seen map[string]time.Time
	n    int
}

func (b *bench) startFollower(ctx context.Context, s *sim) (*follower, error) {
	f := &follower{
		cmd:  exec.CommandContext(ctx, b.self, "follow", s.URL, s.ClientID, s.Username, s.Key, s.Events),
		live: make(chan struct{}), done: make(chan struct{}), seen: map[string]time.Time{},
	}
	f.cmd.Stderr = os.Stderr
	pipe, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the floor of change events: %w", err)
	}
	go f.read(pipe)
	select {
	case <-f.live:
		return f, nil
	case <-f.done:
		err = errors.New("the floor of change events ended")
	case <-time.After(time.Minute):
		err = errors.New("the floor of change events has no stream after a minute")
	}
	f.stop()
	return nil, err
}

func (f *follower) read(r io.Reader) {
	defer close(f.done)
	once := sync.OnceFunc(func() { close(f.live) })
	for in := bufio.NewScanner(r); in.Scan(); {
		var line told
		if json.Unmarshal(in.Bytes(), &line) != nil {
			continue
		}
		if line.Live {
			once()
			continue
		}
		f.mu.Lock()
		f.n++
		f.seen[line.ID] = line.At // the newest
		f.mu.Unlock()
	}
}

// had returns when an event about each was had last, and how many there were.
func (f *follower) had() (map[string]time.Time, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen, f.n
}

// stop ends it. What it had must be asked for thereafter.
func (f *follower) stop() {
	_ = f.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	<-f.done
	_ = f.cmd.Wait()
}
