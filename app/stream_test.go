package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/events"
	"github.com/rosterd/rosterd/crm/simorg"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store/storetest"
	rostersync "github.com/rosterd/rosterd/sync"
)

// quick are the waits of a stream in tests.
var quick = events.Options{
	Settle: 20 * time.Millisecond, First: 10 * time.Millisecond, Most: 100 * time.Millisecond, Service: 20 * time.Millisecond,
	Throttle: 50 * time.Millisecond, Slow: 100 * time.Millisecond, Limit: 100 * time.Millisecond, Watchdog: 2 * time.Second,
}

// onStream runs a story of a daemon that follows change events, on both stores.
func onStream(t *testing.T, changes string, story func(t *testing.T, s *streamed)) {
	t.Helper()
	t.Parallel()
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(name, func(t *testing.T) {
			database := "sqlite://" + t.TempDir() + "/rosterd.db"
			if name == "postgres" {
				database = storetest.Postgres(t)
			}
			w := newWorld(t, database, nil)
			over := simorg.PubSubOptions{Keepalive: 500 * time.Millisecond, TLS: name == "postgres"} // each way is tried with one store
			p, err := w.org.PubSub(over)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close() })
			w.more = fmt.Sprintf("      pubsub_endpoint: %q\n      changes: %s\n", p.Endpoint(), changes)
			if over.TLS {
				w.more += "      ca_file: " + w.write("ca.pem", string(p.CA())) + "\n"
			}
			s := &streamed{world: w, t: t}
			s.start()
			s.await("live", func(c rostersync.ChangesStatus) bool { return c.State == "live" })
			story(t, s)
		})
	}
}

// streamed is a world with a daemon that follows its events.
type streamed struct {
	*world
	t   *testing.T
	app *App
}

func (s *streamed) start() {
	s.t.Helper()
	s.app = s.boot(Options{Stream: quick})
	await(s.t, "first sync", func() (string, bool) {
		st := s.now()
		runs, err := s.app.orgs[0].engine.Runs(s.t.Context(), 0, 50)
		return fmt.Sprint(st.State, err), st.Running == 0 && slices.ContainsFunc(runs, func(r rostersync.Run) bool {
			return r.Kind == rostersync.KindFull && !r.Finished.IsZero()
		})
	})
}

func (s *streamed) now() rostersync.Status {
	s.t.Helper()
	st, err := s.app.orgs[0].engine.Status(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

func (s *streamed) await(what string, ok func(rostersync.ChangesStatus) bool) {
	s.t.Helper()
	await(s.t, what, func() (string, bool) {
		c := s.now().Changes
		return fmt.Sprintf("%+v", c), ok(c)
	})
}

// titled waits until the directory has a title for a person.
func (s *streamed) titled(id, title string) {
	s.t.Helper()
	await(s.t, "title "+title, func() (string, bool) {
		u, err := s.app.orgs[0].directory.User(s.t.Context(), id)
		return fmt.Sprint(u.Title, err), err == nil && u.Title == title
	})
}

// enrolled returns Salesforce ids of people in the dialer.
func (s *streamed) enrolled() []string {
	s.t.Helper()
	var ids []string
	for u, err := range s.app.orgs[0].directory.Users(s.t.Context(), dialer.Query{Status: dialer.StatusActive, Linked: true, Order: dialer.OrderSalesforceID}) {
		if err != nil {
			s.t.Fatal(err)
		}
		ids = append(ids, u.SalesforceID)
	}
	if len(ids) < 5 {
		s.t.Fatalf("only %d people are enrolled", len(ids))
	}
	return ids
}

func (s *streamed) title(id, title string) {
	s.t.Helper()
	if err := s.org.Update(id, func(u *simorg.User) { u.Title = title }); err != nil {
		s.t.Fatal(err)
	}
}

// positioned has a position stored: that of the first of two events, since the
// second may share its own with one to come.
func (s *streamed) positioned(id string) {
	s.t.Helper()
	for _, title := range []string{"Before", "Before that"} {
		s.title(id, title)
		s.titled(id, title)
	}
}

// looked waits until everyone was looked at because events cannot say whom they
// concern.
func (s *streamed) looked() {
	s.t.Helper()
	await(s.t, "full run", func() (string, bool) {
		runs, err := s.app.orgs[0].engine.Runs(s.t.Context(), 0, 50)
		return fmt.Sprint(len(runs), err), slices.ContainsFunc(runs, func(r rostersync.Run) bool {
			return r.Kind == rostersync.KindFull && r.Trigger == "event" && r.Outcome == rostersync.Succeeded
		})
	})
}

// calls sums up the API calls since ResetCalls.
func (s *streamed) calls() (n int) {
	counted := s.org.Calls()
	for endpoint, c := range counted {
		if !slices.Contains([]string{"token", "versions"}, endpoint) {
			n += c
		}
	}
	return n
}

func TestStreamCostsOneCall(t *testing.T) {
	onStream(t, "stream", func(t *testing.T, s *streamed) {
		ids := s.enrolled()
		s.title(ids[0], "First") // has what is cached read
		s.titled(ids[0], "First")
		for _, title := range []string{"Second", "Third"} { // the look that follows the start may come between once
			s.org.ResetCalls()
			for _, login := range ids[1:4] { // concerns nobody
				if err := s.org.Login(login); err != nil {
					t.Fatal(err)
				}
			}
			s.title(ids[0], title)
			s.titled(ids[0], title)
			if s.org.Calls()["composite"] == 0 {
				break
			}
		}
		if n := s.calls(); n != 1 {
			t.Errorf("a changed user cost %d calls: %v", n, s.org.Calls())
		}
		runs, err := s.app.orgs[0].engine.Runs(t.Context(), 0, 10)
		if err != nil || !slices.ContainsFunc(runs, func(r rostersync.Run) bool { return r.Trigger == "event" && r.Updated > 0 }) {
			t.Errorf("the runs are %+v (%v)", runs, err)
		}
		if st := s.now().Changes; st.Mode != "stream" || st.LastEvent.IsZero() || st.Wanted != rostersync.ChangesStream {
			t.Errorf("status says %+v", st)
		}
	})
}

func TestStreamLeaverWaitsForMidnight(t *testing.T) {
	onStream(t, "auto", func(t *testing.T, s *streamed) {
		id := s.enrolled()[0]
		if err := s.org.Deactivate(id); err != nil {
			t.Fatal(err)
		}
		await(t, "scheduled", func() (string, bool) {
			u, err := s.app.orgs[0].directory.User(t.Context(), id)
			return fmt.Sprint(u.Status, u.DeactivateAt, err), err == nil && u.Status == dialer.StatusActive && !u.DeactivateAt.IsZero()
		})
	})
}

// Whatever befalls the stream, the directory comes to say what the org says.
func TestStreamFaults(t *testing.T) {
	broken := func(kind simorg.EffectKind) func(s *streamed, id string) {
		return func(s *streamed, _ string) { s.org.Faults().BreakStreams(simorg.Effect{Kind: kind}) }
	}
	for name, fault := range map[string]func(s *streamed, id string){
		"unavailable": broken(simorg.Unavailable),
		"bare":        broken(simorg.UnavailableBare),
		"reset":       broken(simorg.ResetStream),
		"ended":       broken(simorg.EndStream),
		"half open":   broken(simorg.HalfOpen),
		"silent":      broken(simorg.Hang),
		"auth": func(s *streamed, _ string) {
			s.org.Faults().Add(simorg.Rule{Endpoint: simorg.Subscribe, Times: 1, Effect: simorg.Effect{Kind: simorg.Unauthorized}})
			s.org.Faults().BreakStreams(simorg.Effect{Kind: simorg.EndStream})
		},
		"replay corrupted": func(s *streamed, id string) {
			s.positioned(id)
			s.org.Faults().Add(simorg.Rule{Endpoint: simorg.Subscribe, Times: 1, Effect: simorg.Effect{Kind: simorg.ReplayCorrupted}})
			s.org.Faults().BreakStreams(simorg.Effect{Kind: simorg.EndStream})
		},
		"replay ids reset": func(s *streamed, id string) {
			s.positioned(id)
			s.org.Faults().ResetReplayIDs()
		},
		"limit": func(s *streamed, _ string) {
			s.org.Faults().Add(simorg.Rule{Endpoint: simorg.Subscribe, Times: 2, Effect: simorg.Effect{Kind: simorg.DeliveryLimit}})
			s.org.Faults().BreakStreams(simorg.Effect{Kind: simorg.DeliveryLimit})
		},
		"permission": func(s *streamed, _ string) {
			s.org.Faults().Add(simorg.Rule{Endpoint: simorg.Subscribe, Times: 2, Effect: simorg.Effect{Kind: simorg.PermissionRevoked}})
			s.org.Faults().BreakStreams(simorg.Effect{Kind: simorg.PermissionRevoked})
		},
		"duplicates": func(s *streamed, _ string) {
			s.org.Faults().Add(simorg.Rule{Endpoint: simorg.Event, Times: 3, Effect: simorg.Effect{Kind: simorg.Duplicate}})
		},
		"gap": func(s *streamed, _ string) {
			s.org.Faults().Add(simorg.Rule{Endpoint: simorg.Event, Times: 1, Effect: simorg.Effect{Kind: simorg.GapEvent}})
		},
		"shared replay id": func(s *streamed, _ string) {
			s.org.Faults().Add(simorg.Rule{Endpoint: simorg.Event, Times: 2, Effect: simorg.Effect{Kind: simorg.SharedReplayID}})
		},
		"schema change": func(s *streamed, _ string) {
			if err := s.org.AddCustomField(simorg.CustomField{Name: "Later__c"}); err != nil {
				s.t.Fatal(err)
			}
		},
		"overflow": func(s *streamed, id string) {
			s.org.Faults().Add(simorg.Rule{Endpoint: simorg.Event, Times: 1, Effect: simorg.Effect{Kind: simorg.LoseEvent}})
			s.title(id, "Lost")
			s.org.PublishOverflow()
			s.titled(id, "Lost")
		},
		"wildcard": func(s *streamed, id string) {
			s.org.Faults().Add(simorg.Rule{Endpoint: simorg.Event, Times: 1, Effect: simorg.Effect{Kind: simorg.LoseEvent}})
			s.title(id, "Lost")
			s.org.PublishWildcard()
			s.titled(id, "Lost")
		},
	} {
		t.Run(name, func(t *testing.T) {
			onStream(t, "auto", func(t *testing.T, s *streamed) {
				ids := s.enrolled()
				fault(s, ids[1])
				s.title(ids[0], "After")
				s.titled(ids[0], "After")
				s.await("live again", func(c rostersync.ChangesStatus) bool { return c.State == "live" })
				s.title(ids[0], "Later")
				s.titled(ids[0], "Later")
				if slices.Contains([]string{"replay corrupted", "replay ids reset", "overflow", "wildcard"}, name) {
					s.looked()
				}
				if peak := s.org.Streams().Peak; peak != 1 && !strings.HasPrefix(name, "half") {
					t.Errorf("%d streams at a time", peak)
				}
			})
		})
	}
}

// What happens while the daemon is away comes after it is back.
func TestStreamGoesOnWhereItWas(t *testing.T) {
	onStream(t, "stream", func(t *testing.T, s *streamed) {
		ids := s.enrolled()
		s.positioned(ids[0])
		if err := s.app.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		s.title(ids[2], "Meanwhile")
		s.org.ResetCalls()
		s.start()
		s.titled(ids[2], "Meanwhile")
		if n := s.org.Calls()["query"]; n > 4 {
			t.Errorf("going on cost %d queries: %v", n, maps.Clone(s.org.Calls()))
		}
	})
}

// Without events changes are found by polling, and it is said why.
func TestStreamFallsBack(t *testing.T) {
	onStream(t, "auto", func(t *testing.T, s *streamed) {
		s.org.Faults().SetViewAllUsers(false)
		s.org.Faults().BreakStreams(simorg.Effect{Kind: simorg.EndStream})
		s.await("down", func(c rostersync.ChangesStatus) bool {
			return c.Mode == "poll" && c.Code == "permission" && c.Reason != "" && c.Hint != ""
		})
		await(t, "attention", func() (string, bool) {
			items, err := s.app.orgs[0].engine.Attention(t.Context(), false)
			return fmt.Sprint(items, err), slices.ContainsFunc(items, func(i rostersync.AttentionItem) bool { return i.Kind == rostersync.AttentionStream })
		})
		st := s.now()
		if every := st.NextPoll.Sub(st.LastChange); every > 2*time.Minute {
			t.Errorf("polls come every %s", every)
		}
		s.org.Faults().SetViewAllUsers(true)
		s.await("live again", func(c rostersync.ChangesStatus) bool { return c.State == "live" && c.Mode == "stream" })
	})
}
