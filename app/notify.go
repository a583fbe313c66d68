package app

import (
	"sync"

	"github.com/coreos/go-systemd/v22/daemon"
)

// reloading is what a service manager wants to hear when a reload begins: that,
// and when by the clock that never jumps.
func reloading() string {
	text := daemon.SdNotifyReloading
	if at := daemon.SdNotifyMonotonicUsec(); at != "" {
		text += "\n" + at
	}
	return text
}

// manager is the service manager, which hears nothing more of a daemon that
// has said it stops.
type manager struct {
	tell func(text string)

	mu       sync.Mutex // guards stopping, and keeps what is told in order
	stopping bool
}

// notify tells the service manager, unless the daemon is stopping.
func (m *manager) notify(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.stopping {
		m.tell(text)
	}
}

// stop tells it that the daemon stops.
func (m *manager) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopping = true
	m.tell("STOPPING=1\nSTATUS=stopping")
}
