package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
)

// eventRoutes drive the change events of the org.
func (c *control) eventRoutes() map[string]func(r *http.Request) (any, error) {
	return map[string]func(r *http.Request) (any, error){
		"POST /sim/events":               c.publish,
		"POST /sim/fields":               c.addField,
		"POST /sim/deliveries":           c.deliveries,
		"POST /sim/streams/break":        c.breakStreams,
		"POST /sim/streams/keepalive":    c.keepalive,
		"POST /sim/streams/permission":   c.permission,
		"POST /sim/streams/reset-replay": c.resetReplay,
	}
}

// eventState is the part of the statistics about change events.
type eventState struct {
	Streams      simorg.StreamStats      `json:"streams"`
	PubSubCalls  map[simorg.Endpoint]int `json:"pubsub_calls"`
	Delivered    int                     `json:"delivered"`
	DeliveryMost int                     `json:"delivery_max"`
	SchemaID     string                  `json:"schema_id"`
}

func (c *control) eventState() eventState {
	s := eventState{Streams: c.org.Streams(), PubSubCalls: c.org.PubSubCalls(), SchemaID: c.org.SchemaID()}
	s.Delivered, s.DeliveryMost = c.org.Deliveries()
	return s
}

// publish puts an event without a body into the log: a gap, the wildcard or an overflow.
func (c *control) publish(r *http.Request) (any, error) {
	var in struct {
		Kind string   `json:"kind"`
		IDs  []string `json:"ids"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	switch in.Kind {
	case "gap":
		return ok{true}, c.org.PublishGap(in.IDs...)
	case "wildcard":
		c.org.PublishWildcard()
	case "overflow":
		c.org.PublishOverflow()
	default:
		return nil, fmt.Errorf("kind %q: gap, wildcard or overflow", in.Kind)
	}
	return ok{true}, nil
}

// addField adds a custom field, and so changes the schema of the events.
func (c *control) addField(r *http.Request) (any, error) {
	var in struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	if err := c.org.AddCustomField(simorg.CustomField{Name: in.Name, Type: in.Type}); err != nil {
		return nil, err
	}
	return map[string]string{"schema_id": c.org.SchemaID()}, nil
}

func (c *control) deliveries(r *http.Request) (any, error) {
	var in struct {
		Used int `json:"used"`
		Max  int `json:"max"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	c.org.SetDeliveries(in.Used, in.Max)
	return ok{true}, nil
}

// breakStreams lets an effect befall every open stream.
func (c *control) breakStreams(r *http.Request) (any, error) {
	var e simorg.Effect
	if err := body(r, &e); err != nil {
		return nil, err
	}
	if err := e.CheckBreak(); err != nil {
		return nil, err
	}
	return map[string]int{"streams": c.org.Faults().BreakStreams(e)}, nil
}

// keepalive sets how long streams are silent at most; "none" is for ever, and "" as usual.
func (c *control) keepalive(r *http.Request) (any, error) {
	var in struct {
		Every string `json:"every"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	d := time.Duration(0)
	switch in.Every {
	case "":
	case "none":
		d = -1
	default:
		var err error
		if d, err = time.ParseDuration(in.Every); err != nil {
			return nil, fmt.Errorf("every: %w", err)
		}
		if d <= 0 {
			return nil, errors.New("every: must be above zero, or none")
		}
	}
	c.org.Faults().SetKeepalive(d)
	return ok{true}, nil
}

func (c *control) permission(r *http.Request) (any, error) {
	var in struct {
		ViewAllUsers bool `json:"view_all_users"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	c.org.Faults().SetViewAllUsers(in.ViewAllUsers)
	return ok{true}, nil
}

func (c *control) resetReplay(*http.Request) (any, error) {
	c.org.Faults().ResetReplayIDs()
	return ok{true}, nil
}
