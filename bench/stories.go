package main

import (
	"context"
	"net/http"
	"time"

	"github.com/rosterd/rosterd/control"
)

// effect is what rostersim lets happen.
type effect struct {
	Kind  string        `json:"kind"`
	Delay time.Duration `json:"delay,omitempty"`
}

// rule says to what it happens.
type rule struct {
	Endpoint string `json:"endpoint,omitempty"`
	Times    int    `json:"times,omitempty"`
	Effect   effect `json:"effect"`
}

type step = func(ctx context.Context, w *faultWorld) error

func post(path string, in any) step {
	return func(ctx context.Context, w *faultWorld) error { return w.sim.ask(ctx, http.MethodPost, path, in, nil) }
}

// breaks has something befall the streams that are open.
func breaks(kind string) step { return post("streams/break", effect{Kind: kind}) }

// befalls has something befall what comes; 0 times is until it is mended.
func befalls(endpoint string, times int, kind string) step {
	return post("faults", rule{Endpoint: endpoint, Times: times, Effect: effect{Kind: kind}})
}

func inTurn(steps ...step) step {
	return func(ctx context.Context, w *faultWorld) error {
		for _, s := range steps {
			if err := s(ctx, w); err != nil {
				return err
			}
		}
		return nil
	}
}

// asked is a person who, having mended it, asks for a sync: the stream is tried
// again then, and not only after the minutes that it waits.
func asked(ctx context.Context, w *faultWorld) error {
	_, err := w.Sync(ctx, control.SyncRequest{Kind: "changes", Reason: "benchmark"})
	return err
}

// slowCalls has every call take longer than the daemon lives.
func slowCalls(ctx context.Context, w *faultWorld) error {
	return w.sim.ask(ctx, http.MethodPost, "faults", rule{Effect: effect{Kind: "slow", Delay: time.Minute}}, nil)
}

// away has the daemon stopped in good order while replay ids lose their worth.
func away(ctx context.Context, w *faultWorld) error {
	w.daemon.stop()
	return w.sim.ask(ctx, http.MethodPost, "streams/reset-replay", struct{}{}, nil)
}

func back(ctx context.Context, w *faultWorld) error {
	w.began = time.Now()
	return w.start(ctx)
}

const noteAsked = "changes are polled for every 10 s meanwhile; mended, a person asks for a sync"

func stories() []story {
	mended := inTurn(func(ctx context.Context, w *faultWorld) error {
		return w.sim.ask(ctx, http.MethodDelete, "faults", nil, nil)
	}, asked)
	lost := func(kind string) story {
		return story{before: befalls("event", faultPeople, "lose_event"), after: post("events", map[string]string{"kind": kind})}
	}
	overflow, wildcard := lost("overflow"), lost("wildcard")
	overflow.name, overflow.note = "GAP_OVERFLOW", "the events themselves are lost"
	wildcard.name, wildcard.note = "gap without ids", "likewise"
	return []story{
		{name: "nothing is wrong"},
		{name: "UNAVAILABLE", before: breaks("unavailable"), note: "5 s are waited after an outage"},
		{name: "stream reset", before: breaks("reset_stream")},
		{name: "stream ended cleanly", before: breaks("end_stream")},
		{name: "auth error", before: inTurn(befalls("subscribe", 1, "unauthorized"), breaks("end_stream"))},
		{name: "sessions expired", before: inTurn(post("faults/expire", struct{}{}), breaks("end_stream"))},
		{name: "replay id corrupted", before: inTurn(befalls("subscribe", 1, "replay_corrupted"), breaks("end_stream"))},
		{name: "replay id expired while away", before: away, after: back, note: "from the start of the daemon"},
		{name: "duplicates", before: befalls("event", 2*faultPeople, "duplicate"), note: "each change is written once"},
		{name: "schema change", before: post("fields", map[string]string{"name": "Later__c", "type": "string"})},
		{name: "GAP_UPDATE", before: befalls("event", faultPeople, "gap_event")},
		overflow, wildcard,
		{
			name:   "delivery limit",
			before: inTurn(befalls("subscribe", 0, "delivery_limit"), breaks("delivery_limit")), mend: mended, note: noteAsked,
		},
		{
			name:   "permission revoked",
			before: inTurn(post("streams/permission", map[string]bool{"view_all_users": false}), breaks("end_stream")), mend: mended, note: noteAsked,
		},
		{name: "kill -9 between receive and commit", before: slowCalls, after: killed, note: "killed while it reads them back; from the kill"},
		{name: "kill -9, ten at random", after: killedAtRandom, note: "all ten and their restarts together"},
		{name: "half-open stream", before: breaks("half_open"), note: "found by a ping after 60 s that is not answered for 20 s"},
		{name: "silent stream", before: breaks("hang"), slow: true, note: "given up after 300 s without a sign of life, which Salesforce gives every 270 s"},
	}
}
