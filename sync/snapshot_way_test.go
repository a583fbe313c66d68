package sync

import (
	"testing"

	"github.com/rosterd/rosterd/crm"
)

func TestWayOfASnapshot(t *testing.T) {
	client, err := crm.New(crm.Config{LoginURL: "http://127.0.0.1:1", ClientID: "key", ClientSecret: "secret"}, crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		wish   Snapshot
		budget int // calls a day; 0 for no limit
		users  int
		want   Snapshot
	}{
		{"small", SnapshotAuto, 0, 1000, SnapshotREST},
		{"not said", "", 0, 1000, SnapshotREST},
		{"not said, and large", "", 0, 100_000, SnapshotBulk},
		{"at the bound", SnapshotAuto, 0, bulkFrom, SnapshotREST},
		{"beyond the bound", SnapshotAuto, 0, bulkFrom + 1, SnapshotBulk},
		{"large, with calls enough", SnapshotAuto, 100_000, 1_000_000, SnapshotBulk},
		{"middling, with calls enough", SnapshotAuto, 5000, 40_000, SnapshotREST},
		{"middling, and calls are short", SnapshotAuto, 200, 40_000, SnapshotBulk},
		{"small, and calls are short", SnapshotAuto, 40, 15_000, SnapshotREST}, // bulk would cost more
		{"told rest", SnapshotREST, 200, 1_000_000, SnapshotREST},
		{"told bulk", SnapshotBulk, 0, 10, SnapshotBulk},
	} {
		e := &Engine{quota: newGovernor(Budget{CallsPerDay: c.budget}, evenly())}
		got, why := e.way(client, c.wish, c.users)
		if got != c.want || why == "" {
			t.Errorf("%s: got %s (%s), want %s", c.name, got, why, c.want)
		}
	}
	for n := 0; n < 2_000_000; n += 9973 { // beyond the bound it never costs more
		if n > bulkFrom && client.BulkCalls(n) >= client.SnapshotCalls(n) {
			t.Fatalf("%d users take %d calls in bulk and %d by REST", n, client.BulkCalls(n), client.SnapshotCalls(n))
		}
	}
}
