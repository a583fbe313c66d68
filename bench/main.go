// Command bench measures the whole daemon, each figure beside a floor taken in the same run: real rostersim and rosterd
// processes, on SQLite and on the Postgres that ROSTERD_TEST_POSTGRES names. It compares with the results stored
// beside it and never fails for being slow; it fails when a run does not do what it must, such as writing rows where
// nothing changed.
//
//	go run ./bench                 what `make bench` runs
//	go run ./bench -big            with a million users, which takes long
//	go run ./bench -save           and store the results
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	sizes  []int
	stores []string
	rounds int
	big    bool
	save   bool
	only   string

	changes int
	fault   string
}

const bigSize = 1_000_000

// parts are what can be measured alone.
var parts = []string{"sync", "api", "diff", "pages", "mass", "stream", "bulk", "faults", "idle", "decode"}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] { // floors, each in a process of its own
		case "download":
			return answer(out)(download(ctx, args[1:]))
		case "load":
			return answer(out)(load(ctx, args[1:]))
		case "update":
			return answer(out)(update(ctx, args[1:]))
		case "follow":
			return follow(ctx, args[1:], out)
		}
	}
	s := &settings{}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	sizes := fs.String("users", "10000,100000", "`sizes` of the simulated orgs")
	stores := fs.String("stores", "sqlite,postgres", "`databases` to measure on")
	fs.IntVar(&s.rounds, "rounds", 3, "how `often` a no-op sync and its floor are taken; the best of each counts")
	fs.BoolVar(&s.big, "big", false, "measure a million users too")
	fs.BoolVar(&s.save, "save", false, "store the results in bench/results.json and bench/RESULTS.md")
	fs.StringVar(&s.only, "only", "", "measure only `part`: "+strings.Join(parts, ", "))
	fs.IntVar(&s.changes, "changes", 2000, "how `many` changes in Salesforce to follow, 2,000 of them a minute")
	fs.StringVar(&s.fault, "fault", "", "of the faults, only those whose name contains `text`")
	if err := fs.Parse(args); err != nil {
		return err
	}
	for text := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 20_000_000 {
			return fmt.Errorf("-users %q: want numbers of users, separated by commas", *sizes)
		}
		s.sizes = append(s.sizes, n)
	}
	for name := range strings.SplitSeq(*stores, ",") {
		if name != sqlite && name != postgres {
			return fmt.Errorf("-stores %q: want sqlite, postgres or both", *stores)
		}
		if name == postgres && os.Getenv(postgresVar) == "" {
			fmt.Fprintln(out, "Postgres is left out: "+postgresVar+" names none; make bench starts one")
			continue
		}
		s.stores = append(s.stores, name)
	}
	if s.big && !slices.Contains(s.sizes, bigSize) {
		s.sizes = append(s.sizes, bigSize)
	}
	if s.only != "" && !slices.Contains(parts, s.only) {
		return fmt.Errorf("-only %q: want one of %s", s.only, strings.Join(parts, ", "))
	}
	if s.changes < 1 || s.changes > streamUsers {
		return fmt.Errorf("-changes %d: want 1 to %d", s.changes, streamUsers)
	}
	return s.measure(ctx, out)
}

// measure takes every figure and says how it compares.
func (s *settings) measure(ctx context.Context, out io.Writer) error {
	bench, err := newBench(ctx, out)
	if err != nil {
		return err
	}
	defer bench.close()
	stored, err := readResults()
	if err != nil {
		return err
	}
	all := &results{Machine: machine()}
	add := func(rows []row, err error) error {
		for _, r := range rows {
			fmt.Fprintln(out, r.line(stored))
		}
		all.Rows = append(all.Rows, rows...)
		return err
	}
	if s.wants("diff") {
		if err := add(diffRows(diffUsers)); err != nil {
			return err
		}
	}
	if s.wants("decode") {
		if err := add(decodeRows(ctx)); err != nil {
			return err
		}
	}
	if s.wants("idle") {
		if err := add(idleRow(ctx)); err != nil {
			return err
		}
	}
	for _, n := range s.sizes {
		if !s.wants("sync") && !s.wants("api") && !s.wants("bulk") {
			break
		}
		if err := s.size(ctx, bench, n, add); err != nil {
			return err
		}
	}
	if err := s.many(ctx, bench, add); err != nil {
		return err
	}
	if err := s.follow(ctx, bench, add); err != nil {
		return err
	}
	if all.Faults, err = s.faults(ctx, bench); err != nil {
		return err
	}
	if len(all.Rows) > 0 {
		fmt.Fprintf(out, "\n%s\n", all.table(stored))
	}
	if !s.save {
		return nil
	}
	return all.keep(stored)
}

// wants reports whether a part is to be measured.
func (s *settings) wants(part string) bool { return s.only == "" || s.only == part }

// many measures what people do in an org of many users.
func (s *settings) many(ctx context.Context, b *bench, add func([]row, error) error) error {
	if !s.wants("pages") && !s.wants("mass") {
		return nil
	}
	sim, err := b.startSim(ctx, manyUsers)
	if err != nil {
		return err
	}
	defer sim.stop()
	for _, name := range s.stores {
		if s.wants("pages") {
			if err := add(b.pageRows(ctx, sim, name, manyUsers)); err != nil {
				return fmt.Errorf("pages on %s: %w", name, err)
			}
		}
		if s.wants("mass") {
			if err := add(b.massRows(ctx, sim, name, manyUsers)); err != nil {
				return fmt.Errorf("mass actions on %s: %w", name, err)
			}
		}
	}
	return nil
}

// follow measures how soon changes arrive.
func (s *settings) follow(ctx context.Context, b *bench, add func([]row, error) error) error {
	for _, name := range s.stores {
		if s.only == "idle" && s.big { // not beside everything else: it takes more than an hour
			if err := add(b.idleHour(ctx, name)); err != nil {
				return fmt.Errorf("an idle hour on %s: %w", name, err)
			}
		}
		if !s.wants("stream") {
			continue
		}
		if err := add(b.streamRows(ctx, name, streamUsers, s.changes)); err != nil {
			return fmt.Errorf("change events on %s: %w", name, err)
		}
	}
	return nil
}

// faults lets things go wrong.
func (s *settings) faults(ctx context.Context, b *bench) (all []fault, err error) {
	for _, name := range s.stores {
		if !s.wants("faults") {
			break
		}
		list, err := b.faultRows(ctx, name, s.fault, s.big)
		all = append(all, list...)
		if err != nil {
			return all, fmt.Errorf("faults on %s: %w", name, err)
		}
		for _, f := range list {
			if !f.Converged {
				return all, fmt.Errorf("after %q on %s the directory is not what the org is", f.Name, name)
			}
		}
	}
	return all, nil
}

// size measures an org of n users on each store.
func (s *settings) size(ctx context.Context, b *bench, n int, add func([]row, error) error) error {
	sim, err := b.startSim(ctx, n)
	if err != nil {
		return err
	}
	defer sim.stop()
	for _, name := range s.stores {
		if s.wants("sync") {
			if err := add(b.syncRows(ctx, sim, name, n, s.rounds)); err != nil {
				return fmt.Errorf("%d users on %s: %w", n, name, err)
			}
		}
		if s.only == "bulk" || s.only == "" && n >= 100_000 {
			if err := add(b.bulkRows(ctx, sim, name, n, s.rounds)); err != nil {
				return fmt.Errorf("%d users in bulk on %s: %w", n, name, err)
			}
		}
		if n == 100_000 && s.wants("api") {
			if err := add(b.apiRows(ctx, sim, name, n)); err != nil {
				return fmt.Errorf("control API on %s: %w", name, err)
			}
		}
	}
	return nil
}

// answer prints what a floor found as JSON.
func answer(out io.Writer) func(v any, err error) error {
	return func(v any, err error) error {
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(v)
	}
}
