package app

import "github.com/coreos/go-systemd/v22/daemon"

// reloading is what a service manager wants to hear when a reload begins: that,
// and when by the clock that never jumps.
func reloading() string {
	text := daemon.SdNotifyReloading
	if at := daemon.SdNotifyMonotonicUsec(); at != "" {
		text += "\n" + at
	}
	return text
}
