package simorg

import (
	"errors"
	"fmt"
	"maps"
	"strings"
)

// AddCustomField adds a field to User while the org serves, as an administrator does: describe has it, and later
// change events have another schema. The earlier schemas are served on.
func (o *Org) AddCustomField(c CustomField) error {
	if !strings.HasSuffix(c.Name, "__c") {
		return fmt.Errorf("add the field %q: the name must end in __c", c.Name)
	}
	switch c.Type {
	case "", "string", "boolean", "double", "date", "datetime":
	default:
		return fmt.Errorf("add the field %s: unknown type %q", c.Name, c.Type)
	}
	o.mu.Lock()
	err := o.users.add(c.field())
	if err == nil {
		o.bus.learn()
	}
	o.mu.Unlock()
	if err != nil {
		return fmt.Errorf("add the field %s: %w", c.Name, err)
	}
	o.schemaChanged()
	return nil
}

// PublishGap says that users changed, but not how: GAP_UPDATE, as for changes that bypass the application.
func (o *Org) PublishGap(ids ...string) error {
	if len(ids) == 0 {
		return errors.New("publish a gap: no ids")
	}
	o.publishBare(updated+gapFrom, ids...)
	return nil
}

// PublishWildcard says that every user may have changed: an UPDATE of the record id 005* without a body.
func (o *Org) PublishWildcard() { o.publishBare(updated, wildcardID) }

// PublishOverflow says that a transaction changed more than is told: GAP_OVERFLOW.
func (o *Org) PublishOverflow() { o.publishBare(gapOverflow, overflowID) }

func (o *Org) publishBare(typ changeType, ids ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.settleLocked(now)
	o.bus.commit(now, author{id: o.gen.admin}, []*event{{schema: o.bus.schema, head: eventHeader{ids: ids, typ: typ}}})
}

// SetDeliveries says how many events count as delivered in the last 24 hours, and how many are allowed.
func (o *Org) SetDeliveries(used, most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bus.deliveries = usage{max: most, base: used}
}

// Deliveries is the number of events delivered in the last 24 hours, each copy counted, and the number allowed.
func (o *Org) Deliveries() (used, most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bus.deliveries.total(o.now()), o.bus.deliveries.max
}

// StreamStats counts the Subscribe streams of the org that were accepted.
type StreamStats struct {
	Open      int `json:"open"`
	Peak      int `json:"peak"` // most at a time
	Opened    int `json:"opened"`
	Overasked int `json:"overasked"` // requests for more than the 100 outstanding events that a stream can have
}

// Streams counts the streams.
func (o *Org) Streams() StreamStats {
	o.mu.Lock()
	defer o.mu.Unlock()
	return StreamStats{len(o.bus.streams), o.bus.peak, o.bus.opened, o.bus.overasked}
}

// PubSubCalls is how often each RPC was asked. None of them is an API call.
func (o *Org) PubSubCalls() map[Endpoint]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.bus.calls)
}

// SchemaID is the id of the schema that change events have now.
func (o *Org) SchemaID() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bus.schema.id
}

// LastReplayID is the newest replay id of a topic.
func (o *Org) LastReplayID(topic string) ([]byte, error) {
	n, bad := topicNumber(topic)
	if bad != nil {
		return nil, errors.New(bad.message)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bus.settle(o.now())
	return replayBytes(o.bus.last[n]), nil
}
