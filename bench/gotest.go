package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxIdle is the calls that an hour may cost in which nothing changes.
const maxIdle = 10

// goTest runs tests of this module and returns what they print.
func goTest(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1"}, args...)...)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go test %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(text))
	}
	return string(text), nil
}

var idleCalls = regexp.MustCompile(`(?m)^=== ATTR +TestIdleHourCostsTenCalls calls (\d+)$`)

// idleRow is what an hour costs by a simulated clock.
func idleRow(ctx context.Context) ([]row, error) {
	text, err := goTest(ctx, "-v", "-run", "^TestIdleHourCostsTenCalls$", "./sync")
	if err != nil {
		return nil, err
	}
	m := idleCalls.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("the test of an idle hour does not say what it cost: %s", text)
	}
	calls, err := strconv.Atoi(m[1])
	return []row{{Name: "Salesforce calls, idle hour", Store: sqlite, Users: 30, Value: float64(calls), Target: maxIdle, Note: "by a simulated clock"}}, err
}

// idleHour is what an hour of the wall clock costs.
func (b *bench) idleHour(ctx context.Context, store string) ([]row, error) {
	s, url, end, err := b.orgAndDatabase(ctx, store, streamUsers)
	if err != nil {
		return nil, err
	}
	defer end()
	d, err := b.startAs(ctx, s, url, streamUsers, manner{changes: "auto", snapshot: "auto", poll: time.Minute})
	if err != nil {
		return nil, err
	}
	defer d.stop()
	if _, err := d.first(ctx); err != nil {
		return nil, err
	}
	if err := d.standing(ctx); err != nil || !pause(ctx, 10*time.Minute) { // until what begins with the daemon is over
		return nil, err
	}
	before, err := s.spent(ctx)
	if err != nil || !pause(ctx, time.Hour) {
		return nil, err
	}
	after, err := s.spent(ctx)
	if err != nil {
		return nil, err
	}
	return []row{{
		Name: "Salesforce calls, idle hour", Store: store, Users: streamUsers, Value: float64(after.since(before).calls), Target: maxIdle, Note: "by the wall clock",
	}}, nil
}

const decodePage = 2000 // users

var decodeLine = regexp.MustCompile(`(?m)^BenchmarkDecodePage/(\S+?)(?:-\d+)?\s+\d+\s+(\d+) ns/op.*?(\d+) B/op\s+(\d+) allocs/op$`)

// decodeRows compare how a page of users is decoded with the ways not taken.
func decodeRows(ctx context.Context) ([]row, error) {
	text, err := goTest(ctx, "-run", "^$", "-bench", "^BenchmarkDecodePage$", "-benchmem", "-benchtime", "1s", "./crm")
	if err != nil {
		return nil, err
	}
	type figures struct{ ms, bytes, allocs float64 }
	ways := map[string]figures{}
	for _, m := range decodeLine.FindAllStringSubmatch(text, -1) {
		var n [3]float64
		for i, t := range m[2:5] {
			if n[i], err = strconv.ParseFloat(t, 64); err != nil {
				return nil, err
			}
		}
		ways[m[1]] = figures{n[0] / 1e6, n[1], n[2]}
	}
	ours, ok := ways["crm"]
	if !ok || len(ways) < 4 {
		return nil, fmt.Errorf("the benchmark of decoding has another form: %s", text)
	}
	each := func(f figures) string {
		return fmt.Sprintf("%s allocations and %s bytes a user", number(f.allocs/decodePage), number(f.bytes/decodePage))
	}
	var rows []row
	for _, way := range []struct{ key, name string }{
		{"std-rows", "encoding/json row by row"},
		{"std-tokens", "tokens of encoding/json"},
		{"stdlib-struct", "structs of encoding/json"},
		{"stdlib-map", "maps of encoding/json"},
		{"v2-struct", "structs of json/v2"},
	} {
		f, ok := ways[way.key]
		if !ok {
			return nil, fmt.Errorf("the benchmark of decoding knows no %q", way.key)
		}
		rows = append(rows, row{
			Name: "decode a page, beside " + way.name, Users: decodePage, Unit: "ms", Value: ours.ms, Floor: f.ms,
			Note: each(ours) + "; the other " + each(f),
		})
	}
	return rows, nil
}
