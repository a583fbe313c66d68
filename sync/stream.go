package sync

import (
	"context"
	"time"

	"github.com/rosterd/rosterd/crm"
)

// Changes says how changes between full syncs are found.
type Changes string

// The ways to find changes.
const (
	ChangesAuto   Changes = "auto"   // by events, and by polling while there are none
	ChangesStream Changes = "stream" // by events; while there are none, by the rare look alone
	ChangesPoll   Changes = "poll"   // by polling alone
)

// Stream brings the change events of an org, as they happen.
type Stream interface {
	// Follow keeps a stream alive until ctx ends, never two at a time.
	Follow(ctx context.Context, s StreamSessions, h StreamHandler)
	// Kick has the next try to connect be now.
	Kick()
}

// StreamSessions gives a stream its tokens.
type StreamSessions interface {
	Session(ctx context.Context) (crm.Session, error)
	Renew(ctx context.Context, stale crm.Session) (crm.Session, error)
}

// StreamHandler takes what a stream brings. Begun and Take are called one after
// the other; State may come between, and does not block.
type StreamHandler interface {
	// Position returns after which event to go on; nil means from now on.
	Position(ctx context.Context) ([]byte, error)
	// Begun says that a stream stands, before anything of it is taken.
	Begun(ctx context.Context, s StreamStart) error
	// Take stores whom a batch names, and its position with it.
	Take(ctx context.Context, b StreamBatch) error
	State(s StreamState)
}

// StreamStart is how a stream began: after a position, or from now on because
// there was none, or because Salesforce does not know it any more (Lost).
type StreamStart struct {
	After []byte
	Lost  bool
}

// StreamBatch is what arrived since the batch before.
type StreamBatch struct {
	Changes    []StreamChange
	Unreadable int    // events of which it is not known whom they concern
	Position   []byte // where to go on once Changes are stored; nil leaves it
}

// StreamChange is one event: when to look, and at whom.
type StreamChange struct {
	Kind      string // create, update, delete, undelete, gap, overflow or other
	IDs       []string
	Everyone  bool      // only a complete look tells whom it concerns
	Fields    []string  // of an update, what was changed, as events call it; nil when that is not known
	Committed time.Time // in Salesforce
}

// StreamState is how the stream stands.
type StreamState struct {
	Phase  string // connecting, live or down
	Code   string // why it is down, of a closed set
	Text   string // likewise, in words
	Hint   string // what a person can do
	Person bool   // only a person can mend it
	Retry  time.Time
}

// The phases of a stream.
const (
	streamOff        = "off"
	streamConnecting = "connecting"
	streamLive       = "live"
	streamDown       = "down"
)

// StreamObserver is told what a stream does. Observers that have its methods,
// too, are.
type StreamObserver interface {
	StreamState(org, phase string)
	StreamEnded(org, reason string)
	StreamEvents(org, kind string, n int)
	StreamLag(org string, d time.Duration) // from the commit in Salesforce until the directory was true
	Deliveries(org string, used, most int)
}

type nobodyStream struct{}

func (nobodyStream) StreamState(string, string)       {}
func (nobodyStream) StreamEnded(string, string)       {}
func (nobodyStream) StreamEvents(string, string, int) {}
func (nobodyStream) StreamLag(string, time.Duration)  {}
func (nobodyStream) Deliveries(string, int, int)      {}

// ChangesStatus is how changes between full syncs are found.
type ChangesStatus struct {
	Mode       string      `json:"mode"`   // stream or poll: how they are found now
	Wanted     Changes     `json:"wanted"` // auto, stream or poll
	State      string      `json:"state"`  // of the stream: live, connecting, down or off
	Since      time.Time   `json:"since,omitzero"`
	Code       string      `json:"code,omitempty"`   // why it is down, of a closed set
	Reason     string      `json:"reason,omitempty"` // likewise, in words
	Hint       string      `json:"hint,omitempty"`
	Retry      time.Time   `json:"retry_at,omitzero"`
	LastEvent  time.Time   `json:"last_event,omitzero"`
	Waiting    int         `json:"waiting"` // users whom events named and who are not read back yet
	Deliveries *Deliveries `json:"deliveries,omitempty"`
}

// Deliveries is how the org's allocation of delivered events stands, of all who
// follow any of its events.
type Deliveries struct {
	Used int       `json:"used"`
	Max  int       `json:"max"`
	At   time.Time `json:"at"`
}

// LookEvery is how often the rare look is taken that finds what emits no event.
const LookEvery = 8 * time.Minute

func (c *Config) lookEvery() time.Duration {
	if c.Look > 0 {
		return c.Look
	}
	return LookEvery
}
