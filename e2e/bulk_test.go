package e2e

import (
	"strings"
	"testing"
)

// inBulk has everyone read by the Bulk API.
func inBulk(config string) string {
	return strings.Replace(config, ", budget:", ", snapshot: bulk, budget:", 1)
}

// A daemon that reads in bulk is killed over and over, while jobs are at work and
// while their results are read.
func TestKillInBulk(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 2500, "--plain")
		d := killed(t, s, inBulk(s.config(database)))
		if r := d.full(t, 0, 3); r.Snapshot != "bulk" {
			t.Errorf("the last sync read by %q: %s", r.Snapshot, r.SnapshotWhy)
		}
	})
}

// Whatever goes wrong with the Bulk API, nobody is deactivated for it, and auto
// reads by REST.
func TestBulkFaultsHurtNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := newSim(t, 600, "--plain")
		config := s.config(database)
		d := boot(t, inBulk(config))
		d.full(t, 0)
		want := d.status(t).Enrolled
		for _, rule := range []fields{
			{"endpoint": "bulk_create", "effect": fields{"kind": "bulk_failed"}},
			{"endpoint": "bulk_create", "effect": fields{"kind": "bulk_aborted"}},
			{"endpoint": "bulk_create", "effect": fields{"kind": "bulk_disabled"}},
			{"endpoint": "bulk_poll", "effect": fields{"kind": "bulk_processed", "n": 600}},
			{"endpoint": "bulk_results", "effect": fields{"kind": "bulk_miscount"}},
			{"endpoint": "bulk_results", "effect": fields{"kind": "truncate", "n": 9000}},
			{"endpoint": "bulk_results", "effect": fields{"kind": "cut_body", "n": 9000}},
			{"endpoint": "bulk_results", "effect": fields{"kind": "empty_body"}},
		} {
			s.clear(t)
			s.fault(t, rule)
			r := d.full(t, 1)
			if r.Deactivated+r.Scheduled+r.Held != 0 || d.status(t).Enrolled != want {
				t.Errorf("%v: %+v", rule, r)
			}
		}
		s.clear(t)
		if r := d.full(t, 0); r.Snapshot != "bulk" || r.Deactivated != 0 {
			t.Errorf("then: %+v", r)
		}
		staysTrue(t, d, s)
	})
}
