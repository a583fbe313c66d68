package simorg

import (
	"strings"
	"time"
)

// What can go wrong with the change events beside the kinds that calls have. Of those, Unauthorized, Unavailable (with
// its trailer), ServerError (the same as INTERNAL), Slow, Hang (the stream is silent, the connection answers pings),
// Drop and ExpireSessions work at GetTopic, GetSchema, Subscribe and Delivery, too.
const (
	StreamError       EffectKind = "stream_error"       // gRPC status Status with the error code Code, or without a trailer
	UnavailableBare   EffectKind = "unavailable_bare"   // UNAVAILABLE without a trailer
	ResetStream       EffectKind = "reset_stream"       // RST_STREAM
	EndStream         EffectKind = "end_stream"         // status OK, as if all were said
	HalfOpen          EffectKind = "half_open"          // the connection swallows all and says nothing, not even to pings
	ReplayCorrupted   EffectKind = "replay_corrupted"   // befalls only a Subscribe that names a replay id
	DeliveryLimit     EffectKind = "delivery_limit"     // subscription.limit.exceeded
	PermissionRevoked EffectKind = "permission_revoked" // topic.meta.permission
	LateAnswer        EffectKind = "late_answer"        // at Subscribe: not even the head of the answer comes before its first message

	// At Event.
	LoseEvent      EffectKind = "lose_event"       // it never reaches the log
	GapEvent       EffectKind = "gap_event"        // it becomes a GAP_CREATE or GAP_UPDATE
	Duplicate      EffectKind = "duplicate"        // it is delivered twice
	SharedReplayID EffectKind = "shared_replay_id" // one event for each of its records, and the next of its transaction, share an id
)

func streamKinds() []EffectKind {
	return []EffectKind{
		StreamError, UnavailableBare, ResetStream, EndStream, HalfOpen, ReplayCorrupted, DeliveryLimit, PermissionRevoked,
		LateAnswer, LoseEvent, GapEvent, Duplicate, SharedReplayID,
	}
}

// pickRPC finds the effect on an RPC, if any, and counts it. custom says that it names a replay id.
func (f *Faults) pickRPC(at Endpoint, text string, custom bool) *Effect {
	return f.pickAt(func(r *Rule) bool {
		return r.Endpoint == at && strings.Contains(text, r.Contains) && (custom || r.Effect.Kind != ReplayCorrupted)
	})
}

// pickEvent finds what befalls an event; its text is the type and the record ids.
func (f *Faults) pickEvent(e *event) EffectKind {
	eff := f.pickAt(func(r *Rule) bool {
		return r.Endpoint == Event && strings.Contains(changeTypes[e.head.typ]+" "+strings.Join(e.head.ids, " "), r.Contains)
	})
	if eff == nil {
		return ""
	}
	return eff.Kind
}

// hider answers which fields of User are hidden now.
func (f *Faults) hider() func(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.hidden) == 0 {
		return func(string) bool { return false }
	}
	return func(name string) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.hidden[fieldKey("User", name)]
	}
}

// BreakStreams lets an effect befall every open stream now, and returns how many there were.
func (f *Faults) BreakStreams(e Effect) int {
	f.mu.Lock()
	e.gone = f.calm
	f.mu.Unlock()
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	for s := range f.o.bus.streams {
		select {
		case s.breaks <- e:
		default: // it is ending already
		}
	}
	return len(f.o.bus.streams)
}

// SetKeepalive changes how long streams may be silent: 0 is as their endpoint says, below 0 is for ever.
func (f *Faults) SetKeepalive(d time.Duration) {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	f.o.bus.keepalive = d
	f.o.bus.wake()
}

// SetViewAllUsers takes the permission View All Users from the API user, or gives it back. Without it the topic of
// user events is refused, and streams that are open get keepalives but no events.
func (f *Faults) SetViewAllUsers(has bool) {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	f.o.bus.blind = !has
	f.o.bus.wake()
}

// ResetReplayIDs begins another space of replay ids, as the move of an org to another instance does: all streams end,
// what the log held is gone and no id of before is valid.
func (f *Faults) ResetReplayIDs() {
	f.o.mu.Lock()
	f.o.bus.reset()
	f.o.mu.Unlock()
	f.BreakStreams(Effect{Kind: Unavailable})
}

// suffer does what an effect does to a call. What it returns ends the call; nil lets it go on.
func (c *rpc) suffer(e *Effect) *rpcError {
	if e == nil {
		return nil
	}
	switch e.Kind {
	case Slow:
		t := time.NewTimer(e.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.r.Context().Done():
		}
	case ExpireSessions:
		c.p.o.faults.ExpireSessions()
	case Hang:
		c.wait(e)
		return &rpcError{after: ResetStream}
	case HalfOpen:
		wireOf(c.r).goDeaf()
		c.wait(e)
		return &rpcError{after: Drop}
	case Drop, ResetStream:
		return &rpcError{after: e.Kind}
	case EndStream:
		return &rpcError{}
	default:
		return e.status()
	}
	return nil
}

// wait blocks until the client goes or the fault is cleared.
func (c *rpc) wait(e *Effect) {
	select {
	case <-e.gone:
	case <-c.r.Context().Done():
	}
}

// status is the error of the kinds that have one, or nil.
func (e *Effect) status() *rpcError {
	switch e.Kind {
	case Unavailable:
		return refuse(grpcUnavailable, codeUnavailable, "The service is unavailable.")
	case ServerError:
		return refuse(grpcInternal, codeUnavailable, "The service is unavailable.")
	case UnavailableBare:
		return refuse(grpcUnavailable, "", "upstream connect error or disconnect/reset before headers")
	case Unauthorized:
		return refuse(grpcUnauthenticated, codeAuth, "Authentication exception occurred.")
	case ReplayCorrupted:
		return refuse(grpcInvalidArgument, codeReplayCorrupted, messageReplayCorrupted)
	case DeliveryLimit:
		return refuse(grpcResourceExhausted, codeLimit, messageLimit)
	case PermissionRevoked:
		return noPermission()
	case StreamError:
		return refuse(e.Status, e.Code, e.Message)
	default:
		return nil
	}
}
