package main

import (
	"strings"
	"testing"
	"time"
)

func TestRowsAgainstTargets(t *testing.T) {
	sec := func(took, floor time.Duration, target float64) row {
		return seconds("sync", sqlite, 10, cost{Took: took}, cost{Took: floor}, target)
	}
	for _, tc := range []struct {
		name string
		row  row
		met  bool
		want string
	}{
		{"a time within its ratio", sec(13*time.Second, 10*time.Second, 1.3), true, "sync sqlite 10 13 s 10 s 1.30 ≤ 1.30 × yes"},
		{"a time beyond it", sec(14*time.Second, 10*time.Second, 1.3), false, "sync sqlite 10 14 s 10 s 1.40 ≤ 1.30 × no"},
		{"memory, whatever its ratio", memory("peak", postgres, 10, 90<<20, 30<<20), true, "peak postgres 10 90 MiB 30 MiB 3 ≤ 96 yes"},
		{"too much memory", memory("peak", postgres, 10, 97<<20, 97<<20), false, "peak postgres 10 97 MiB 97 MiB 1 ≤ 96 no"},
		{"a count that must be nought", row{Name: "rows written", Store: sqlite, Users: 10}, true, "rows written sqlite 10 0 ≤ 0 yes"},
		{"and is not", row{Name: "rows written", Store: sqlite, Users: 10, Value: 1}, false, "rows written sqlite 10 1 ≤ 0 no"},
	} {
		got := strings.Join(strings.Fields(strings.Join(tc.row.cells(), " ")), " ")
		if tc.row.met() != tc.met || got != tc.want {
			t.Errorf("%s: met %t, %q; want %t, %q", tc.name, tc.row.met(), got, tc.met, tc.want)
		}
	}
}

func TestChange(t *testing.T) {
	stored := &results{Rows: []row{
		seconds("sync", sqlite, 10, cost{Took: 20 * time.Second}, cost{Took: 10 * time.Second}, 2),
		{Name: "calls", Users: 10, Value: 50},
	}}
	for _, tc := range []struct {
		row  row
		want string
	}{
		{seconds("sync", sqlite, 10, cost{Took: 3 * time.Second}, cost{Took: 2 * time.Second}, 2), "-25 %"}, // of the ratio
		{seconds("sync", postgres, 10, cost{Took: time.Second}, cost{Took: time.Second}, 2), "new"},
		{row{Name: "calls", Users: 10, Value: 50}, "="},
		{row{Name: "calls", Users: 10, Value: 55}, "+10 %"},
	} {
		if got := tc.row.change(stored); got != tc.want {
			t.Errorf("%s: change %q, want %q", tc.row.key(), got, tc.want)
		}
	}
}

func TestPeakOf(t *testing.T) {
	got, err := peakOf([]byte("Name:\trosterd\nVmPeak:\t 2000 kB\nVmHWM:\t   1024 kB\nVmRSS:\t 900 kB\n"))
	if got != 1<<20 || err != nil {
		t.Errorf("got %d, %v; want a MiB", got, err)
	}
	if _, err := peakOf([]byte("VmRSS:\t 900 kB\n")); err == nil {
		t.Error("a status without VmHWM is no error")
	}
}

func TestTheDiffFindsWhatItsFloorFinds(t *testing.T) {
	rows, err := diffRows(2000)
	if err != nil || len(rows) != 1 || rows[0].Value <= 0 || rows[0].Floor <= 0 {
		t.Errorf("got %v, %v", rows, err)
	}
}

func TestMissing(t *testing.T) {
	r := &results{}
	for _, store := range []string{sqlite, postgres} {
		for _, users := range []int{10_000, 100_000, bigSize} {
			r.Rows = append(r.Rows, row{Name: nameNothing, Store: store, Users: users})
		}
	}
	if got := r.missing(); got != "" {
		t.Errorf("nothing is missing, got %q", got)
	}
	r.Rows = r.Rows[:4] // the last two are gone
	if got, want := r.missing(), " Not measured yet: postgres with 100000 users, postgres with 1000000 users."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFaultTable(t *testing.T) {
	r := &results{}
	seen := map[string]bool{}
	for i, s := range stories() {
		f := fault{Name: s.name, Store: sqlite, Converged: true, Took: 1.5, Calls: 2}
		if seen[s.name] || f.place() != i {
			t.Errorf("%q stands at %d, not at %d, or twice", s.name, f.place(), i)
		}
		seen[s.name] = true
		r.Faults = append(r.Faults, f)
	}
	table := r.faultTable()
	if got, want := strings.Count(table, "\n"), len(r.Faults)+2; got != want {
		t.Errorf("the table has %d lines, want %d", got, want)
	}
	if want := "| UNAVAILABLE | sqlite | yes | 1.50 s | 2 | 0 s |  |  |  |\n"; !strings.Contains(table, want) {
		t.Errorf("no line %q in:\n%s", want, table)
	}
}
