package simorg

import (
	"fmt"
	"slices"
)

// Endpoints lists every endpoint that a rule can name.
func Endpoints() []Endpoint {
	list := []Endpoint{Unknown, GetTopic, GetSchema, Subscribe, Delivery, Event}
	for _, r := range routes() {
		if !slices.Contains(list, r.kind) {
			list = append(list, r.kind)
		}
	}
	return list
}

func overRPC(at Endpoint) bool {
	return at == GetTopic || at == GetSchema || at == Subscribe || at == Delivery
}

// ofStreams are the kinds that befall calls of the Pub/Sub API and open streams, and nothing else.
var ofStreams = []EffectKind{
	StreamError, UnavailableBare, ResetStream, EndStream, HalfOpen, ReplayCorrupted, DeliveryLimit, PermissionRevoked,
}

// ofAllCalls are the kinds that befall calls of both APIs.
var ofAllCalls = []EffectKind{Unauthorized, Unavailable, ServerError, Slow, Hang, Drop, ExpireSessions}

// places are the endpoints of the kinds that mean something at those alone.
var places = map[EffectKind][]Endpoint{
	LoseEvent: {Event}, GapEvent: {Event}, Duplicate: {Event}, SharedReplayID: {Event},
	LateAnswer: {Subscribe}, ReplayCorrupted: {Subscribe},
	BulkFailed: {BulkCreate}, BulkAborted: {BulkCreate}, BulkStuck: {BulkCreate}, BulkQuota: {BulkCreate}, BulkDisabled: {BulkCreate},
	BulkMiscount: {BulkResults}, BulkProcessed: {BulkPoll},
}

// Check says why a rule can befall nothing, or no answer can be made of it. Of the calls over HTTP each kind is taken to
// mean something to each, since a rule may be of all of them.
func (r Rule) Check() error {
	k, at := r.Effect.Kind, r.Endpoint
	if at != "" && !slices.Contains(Endpoints(), at) {
		return fmt.Errorf("endpoint %q is unknown; known are %v", at, Endpoints())
	}
	if err := r.Effect.check(); err != nil {
		return err
	}
	fits := !slices.Contains(ofStreams, k) && !overRPC(at) && at != Event
	if overRPC(at) {
		fits = slices.Contains(ofStreams, k) || slices.Contains(ofAllCalls, k)
	}
	if only, some := places[k]; some {
		if fits = slices.Contains(only, at); !fits {
			return fmt.Errorf("%s means something only at %v, not at %q", k, only, at)
		}
	}
	if !fits {
		return fmt.Errorf("%s means nothing at %q", k, at)
	}
	return nil
}

// CheckBreak says why an effect cannot befall an open stream.
func (e Effect) CheckBreak() error {
	if err := e.check(); err != nil {
		return err
	}
	if !slices.Contains(ofStreams, e.Kind) && !slices.Contains(ofAllCalls, e.Kind) {
		return fmt.Errorf("%s means nothing to an open stream", e.Kind)
	}
	return nil
}

func (e Effect) check() error {
	switch {
	case !e.Kind.Known():
		return fmt.Errorf("kind %q is unknown; known are %v", e.Kind, EffectKinds())
	case e.Kind == Status && (e.Status < 400 || e.Status > 599):
		return fmt.Errorf("status %d: an HTTP status from 400 to 599 is needed", e.Status)
	case e.Kind == StreamError && (e.Status < 1 || e.Status > 16):
		return fmt.Errorf("status %d: a gRPC status from 1 to 16 is needed", e.Status)
	case e.Kind == Slow && e.Delay <= 0:
		return fmt.Errorf("delay %d: nanoseconds above zero are needed", e.Delay)
	}
	return nil
}
