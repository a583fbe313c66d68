package crm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/crm/simorg"
)

// quick polls at once.
func quick(o Options) Options {
	if o.BulkPoll == 0 {
		o.BulkPoll = time.Millisecond
	}
	return o
}

func bulkWorld(t testing.TB, so simorg.Options, opts Options, edit ...func(*Config)) *world {
	t.Helper()
	w := newWorld(t, so, quick(opts), edit...)
	w.org.SetBulkDelay(20 * time.Millisecond)
	return w
}

// collect keeps what a stream yields by id, and what ended it.
func collect(seq func(func(User, error) bool)) (map[ID]User, error) {
	got := map[ID]User{}
	for u, err := range seq {
		if err != nil {
			return got, err
		}
		if _, twice := got[u.ID]; twice {
			return got, fmt.Errorf("user %s came twice", u.ID)
		}
		got[u.ID] = u
	}
	return got, nil
}

// clean checks that no query job is left behind.
func (w *world) clean(t *testing.T) {
	t.Helper()
	if left := w.org.BulkStates(); len(left) > 0 {
		t.Errorf("query jobs left behind: %v", left)
	}
}

var everyCustom = []string{"Team__c", "Dialer_Enabled__c", "Quota__c", "Hire_Date__c"}

func TestBulkAndRESTReadTheSameUsers(t *testing.T) {
	for seed := range uint64(4) {
		w := bulkWorld(t, simorg.Options{Users: 700, Seed: seed, StateCountryPicklists: seed%2 == 0}, Options{BulkPageSize: 300, PageSize: 200},
			func(c *Config) { c.CustomFields = everyCustom })
		odd := []string{
			"says \"hi\", \"\"twice\"\"", "line one\r\nline two\nline three\rfour", "\"", "\"\"", ",", " \t ", "'; DROP", "naïve 課長 🦊", "a,b\n\"c\"", "\n", "false", "null",
		}
		for i, text := range odd {
			id := ""
			for u := range w.org.Users() {
				if i--; i < -1 {
					id = u.ID
					break
				}
			}
			err := w.org.Update(id, func(u *simorg.User) {
				u.Title, u.Department, u.Team, u.LastName, u.Phone, u.Quota = text, text, text, text, "", 1234.5
				u.DialerEnabled, u.ManagerID, u.UserRoleID = true, "", ""
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		fields := w.fields(t)
		want, err := collect(w.Snapshot(t.Context(), fields))
		if err != nil {
			t.Fatal(err)
		}
		got, err := collect(w.BulkSnapshot(t.Context(), fields))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(got, want); d != "" || len(got) < 700 {
			t.Errorf("seed %d: %d users, bulk and REST differ: %.2000s", seed, len(got), d)
		}
		w.clean(t)
	}
}

func TestBulkCostsFewCalls(t *testing.T) {
	w := bulkWorld(t, simorg.Options{Users: 5000, Plain: true}, Options{BulkPageSize: 2000})
	fields := w.fields(t)
	w.org.ResetCalls()
	before, _ := w.org.Usage()
	if got, err := collect(w.BulkSnapshot(t.Context(), fields)); err != nil || len(got) != 5001 {
		t.Fatalf("%d users, %v", len(got), err)
	}
	calls := w.org.Calls()
	after, _ := w.org.Usage()
	if calls["bulk_create"] != 1 || calls["bulk_results"] != 3 || calls["query"] != 1 || calls["bulk_delete"] != 1 || calls["bulk_poll"] > bulkPolls {
		t.Errorf("it took %v", calls)
	}
	if n := after - before; n > w.BulkCalls(5001) {
		t.Errorf("it took %d calls, and %d were foretold", n, w.BulkCalls(5001))
	}
}

func TestBulkGoesThroughTheOneChain(t *testing.T) {
	var asked atomic.Int64
	told := &seen{}
	w := bulkWorld(t, simorg.Options{Users: 10, Plain: true}, Options{Observer: told, Meter: func(context.Context, string) error {
		asked.Add(1)
		return nil
	}})
	fields := w.fields(t)
	asked.Store(0)
	before, _ := w.org.Usage()
	if _, err := collect(w.BulkSnapshot(t.Context(), fields)); err != nil {
		t.Fatal(err)
	}
	if after, _ := w.org.Usage(); int64(after-before) != asked.Load() {
		t.Errorf("Salesforce counted %d calls, and %d were metered", after-before, asked.Load())
	}
	for _, op := range []string{"count 200", "bulk_create 200", "bulk_poll 200", "bulk_rows 200", "bulk_drop 204"} {
		if !strings.Contains(told.all(), op) {
			t.Errorf("nobody was told of %s: %s", op, told.all())
		}
	}
}

// faulty are faults that a snapshot in bulk overcomes by itself, and those that end
// it with ErrBulk.
func TestBulkFaults(t *testing.T) {
	for _, c := range []struct {
		name string
		rule simorg.Rule
		fail bool
	}{
		{"one page breaks off", simorg.Rule{Endpoint: simorg.BulkResults, From: 2, Times: 1, Effect: simorg.Effect{Kind: simorg.Truncate}}, false},
		{"one page is cut short", simorg.Rule{Endpoint: simorg.BulkResults, From: 1, Times: 2, Effect: simorg.Effect{Kind: simorg.CutBody}}, false},
		{"one page is cut inside its header", simorg.Rule{Endpoint: simorg.BulkResults, Times: 1, Effect: simorg.Effect{Kind: simorg.CutBody, N: 5}}, false},
		{"one page is empty", simorg.Rule{Endpoint: simorg.BulkResults, Times: 1, Effect: simorg.Effect{Kind: simorg.EmptyBody}}, false},
		{"one page miscounts", simorg.Rule{Endpoint: simorg.BulkResults, Times: 1, Effect: simorg.Effect{Kind: simorg.BulkMiscount}}, false},
		{"pages are shorter than asked for", simorg.Rule{Endpoint: simorg.BulkResults, Effect: simorg.Effect{Kind: simorg.ShortPage, N: 70}}, false},
		{"the session ends", simorg.Rule{Endpoint: simorg.BulkResults, From: 2, Times: 1, Effect: simorg.Effect{Kind: simorg.ExpireSessions}}, false},
		{"a gateway fails", simorg.Rule{Endpoint: simorg.BulkPoll, Times: 2, Effect: simorg.Effect{Kind: simorg.BadGateway}}, false},
		{"each page breaks off twice", simorg.Rule{Endpoint: simorg.BulkResults, Every: 2, Effect: simorg.Effect{Kind: simorg.Truncate}}, false},
		{"deleting fails", simorg.Rule{Endpoint: simorg.BulkDelete, Times: 1, Effect: simorg.Effect{Kind: simorg.ServerError}}, false},
		{"pages always miscount", simorg.Rule{Endpoint: simorg.BulkResults, Effect: simorg.Effect{Kind: simorg.BulkMiscount}}, true},
		{"pages are always cut", simorg.Rule{Endpoint: simorg.BulkResults, Effect: simorg.Effect{Kind: simorg.CutBody, N: 3000}}, true},
		{"the job miscounts", simorg.Rule{Endpoint: simorg.BulkPoll, Effect: simorg.Effect{Kind: simorg.BulkProcessed}}, true},
		{"the job fails", simorg.Rule{Endpoint: simorg.BulkCreate, Effect: simorg.Effect{Kind: simorg.BulkFailed, Message: "WHERE Email = 'jane@example.com'"}}, true},
		{"the job is aborted", simorg.Rule{Endpoint: simorg.BulkCreate, Effect: simorg.Effect{Kind: simorg.BulkAborted}}, true},
		{"no jobs are left", simorg.Rule{Endpoint: simorg.BulkCreate, Effect: simorg.Effect{Kind: simorg.BulkQuota}}, true},
		{"the feature is off", simorg.Rule{Endpoint: simorg.BulkCreate, Effect: simorg.Effect{Kind: simorg.BulkDisabled}}, true},
		{"creating always fails", simorg.Rule{Endpoint: simorg.BulkCreate, Effect: simorg.Effect{Kind: simorg.ServerError}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := bulkWorld(t, simorg.Options{Users: 500, Seed: 3}, Options{BulkPageSize: 200, PageSize: 50})
			fields := w.fields(t)
			want, err := collect(w.Snapshot(t.Context(), fields))
			if err != nil {
				t.Fatal(err)
			}
			w.org.Faults().Add(c.rule)
			got, err := collect(w.BulkSnapshot(t.Context(), fields))
			if c.fail {
				if !errors.Is(err, ErrBulk) || strings.Contains(err.Error(), "@") {
					t.Errorf("got %d users and %v, want ErrBulk", len(got), err)
				}
			} else if err != nil || cmp.Diff(got, want) != "" {
				t.Errorf("got %d users of %d, %v", len(got), len(want), err)
			}
			w.clean(t)
		})
	}
}

func TestBulkLeavesOtherErrorsAlone(t *testing.T) {
	w := bulkWorld(t, simorg.Options{Users: 10, Plain: true}, Options{MaxRetries: -1})
	fields := w.fields(t)
	w.org.Faults().Add(simorg.Rule{Endpoint: simorg.BulkCreate, Effect: simorg.Effect{Kind: simorg.QuotaExceeded}})
	if _, err := collect(w.BulkSnapshot(t.Context(), fields)); !errors.Is(err, ErrQuota) || errors.Is(err, ErrBulk) {
		t.Errorf("quota: got %v", err)
	}
	w.org.Faults().Clear()
	w.org.Faults().Add(simorg.Rule{Endpoint: simorg.BulkResults, Effect: simorg.Effect{Kind: simorg.QuotaExceeded}})
	if _, err := collect(w.BulkSnapshot(t.Context(), fields)); !errors.Is(err, ErrQuota) || errors.Is(err, ErrBulk) {
		t.Errorf("quota at the results: got %v", err)
	}
	w.org.Faults().Clear()
	w.org.Faults().HideUsers(func(simorg.User) bool { return true })
	if _, err := collect(w.BulkSnapshot(t.Context(), fields)); !errors.Is(err, ErrIncomplete) {
		t.Errorf("nobody visible: got %v", err)
	}
	w.clean(t)
	old := w.connect(t, quick(Options{}), func(c *Config) { c.APIVersion = "46.0" })
	if _, err := collect(old.BulkSnapshot(t.Context(), nil)); !errors.Is(err, ErrBulk) {
		t.Errorf("an old version: got %v", err)
	}
}

// stopAt reads until so many users were seen, and returns where it stood.
func stopAt(t *testing.T, c *Client, fields []string, from Cursor, n int, got map[ID]User) Cursor {
	t.Helper()
	for page, err := range c.BulkSnapshotFrom(t.Context(), fields, from) {
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Users {
			got[u.ID] = u
		}
		if from = page.Cursor; page.Cursor.Seen >= n {
			return from
		}
	}
	return from
}

func TestBulkGoesOnWhereItStood(t *testing.T) {
	w := bulkWorld(t, simorg.Options{Users: 1000, Plain: true}, Options{BulkPageSize: 300, PageSize: 70})
	fields := w.fields(t)
	want, err := collect(w.Snapshot(t.Context(), fields))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 70, 210, 300, 301, 600, 650, 1001} {
		w.org.ResetCalls()
		got := map[ID]User{}
		at := stopAt(t, w.Client, fields, Cursor{}, n, got)
		if at.Job == "" {
			t.Fatalf("%d: no job in %+v", n, at)
		}
		again := w.connect(t, quick(Options{BulkPageSize: 300, PageSize: 70}))
		stopAt(t, again, fields, at, 1<<30, got)
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("%d: %.500s", n, d)
		}
		if calls := w.org.Calls(); calls["bulk_create"] != 1 || calls["bulk_results"] > 6 {
			t.Errorf("%d: it took %v", n, calls)
		}
		w.clean(t)
	}
}

func TestBulkCursorIsRefused(t *testing.T) {
	w := bulkWorld(t, simorg.Options{Users: 500, Plain: true}, Options{BulkPageSize: 100, PageSize: 50})
	fields := w.fields(t)
	at := stopAt(t, w.Client, fields, Cursor{}, 150, map[ID]User{})
	ends := func(seq func(func(Page, error) bool)) error {
		for _, err := range seq {
			if err != nil {
				return err
			}
		}
		return nil
	}
	other := at
	other.Query = "0123"
	rest := Cursor{After: at.After, Seen: 2, Total: at.Total, Started: at.Started, Query: at.Query}
	forged := at
	forged.Job = "750/../../limits"
	for name, err := range map[string]error{
		"of another query":       ends(w.BulkSnapshotFrom(t.Context(), fields, other)),
		"of REST":                ends(w.BulkSnapshotFrom(t.Context(), fields, rest)),
		"of bulk, given to REST": ends(w.SnapshotFrom(t.Context(), fields, at)),
		"forged":                 ends(w.BulkSnapshotFrom(t.Context(), fields, forged)),
	} {
		if !errors.Is(err, ErrCursor) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	newer := w.connect(t, quick(Options{}), func(c *Config) { c.APIVersion = "67.0" })
	if err := ends(newer.BulkSnapshotFrom(t.Context(), fields, at)); !errors.Is(err, ErrCursor) {
		t.Errorf("by another version: got %v", err)
	}
	if err := w.DropBulk(t.Context(), at.Job); err != nil {
		t.Fatal(err)
	}
	w.clean(t)
	for name, c := range map[string]Cursor{"while it is read": at, "while it is at work": {Job: at.Job, Total: at.Total, Started: at.Started, Query: at.Query}} {
		if err := ends(w.BulkSnapshotFrom(t.Context(), fields, c)); !errors.Is(err, ErrCursor) {
			t.Errorf("%s, and its job is gone: got %v", name, err)
		}
	}
}

func TestBulkJobIsDropped(t *testing.T) {
	w := bulkWorld(t, simorg.Options{Users: 500, Plain: true}, Options{PageSize: 50})
	fields := w.fields(t)
	w.org.SetBulkDelay(time.Hour)
	at := stopAt(t, w.Client, fields, Cursor{}, 0, map[ID]User{})
	for range 2 { // a second time there is nothing to do
		if err := w.DropBulk(t.Context(), at.Job); err != nil {
			t.Fatal(err)
		}
		w.clean(t)
	}
	w.org.SetBulkDelay(0)
	for range w.BulkSnapshot(t.Context(), fields) {
		break // whoever has had enough leaves nothing behind
	}
	w.clean(t)
}

func TestBulkAnswersThatMakeNoSense(t *testing.T) {
	const row = `"0055f00000GBZR4AAP","a@example.com","a@example.com","true","Standard","2026-01-01T00:00:00.000Z"` + "\n"
	const head = `"Id","Username","Email","IsActive","UserType","SystemModstamp"` + "\n"
	for name, c := range map[string]struct{ created, header, body string }{
		"no job":              {`{"id":"x","state":"UploadComplete"}`, "1", head + row},
		"no count":            {"", "", head + row},
		"another header":      {"", "1", strings.Replace(head, "Email", "Fax", 1) + row},
		"a header twice":      {"", "1", strings.Replace(head, "Email", "Id", 1) + row},
		"too few values":      {"", "1", head + strings.Replace(row, `"true",`, "", 1)},
		"too many values":     {"", "1", head + `"x",` + row},
		"text behind a quote": {"", "1", head + strings.Replace(row, `"true"`, `"true"x`, 1)},
		"not a flag":          {"", "1", head + strings.Replace(row, "true", "yes", 1)},
		"not a time":          {"", "1", head + strings.Replace(row, "2026-01", "2026-99", 1)},
		"no id":               {"", "1", head + strings.Replace(row, "0055f00000GBZR4AAP", "", 1)},
		"not UTF-8":           {"", "1", head + strings.Replace(row, "a@", "\xff@", 1)},
		"twice the same":      {"", "2", head + row + row},
		"no line end":         {"", "1", head + strings.TrimSuffix(row, "\n")},
		"a web page":          {"", "1", "<html>maintenance</html>"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
				switch {
				case strings.HasSuffix(r.URL.Path, "/query") && r.Method == http.MethodGet:
					fmt.Fprint(w, `{"totalSize":1,"done":true,"records":[]}`)
				case strings.HasSuffix(r.URL.Path, "/results"):
					w.Header().Set("Sforce-NumberOfRecords", c.header)
					w.Header().Set("Sforce-Locator", "null")
					fmt.Fprint(w, c.body)
				case r.Method == http.MethodDelete:
					w.WriteHeader(http.StatusNoContent)
				case r.Method == http.MethodPost && c.created != "":
					fmt.Fprint(w, c.created)
				default:
					fmt.Fprint(w, `{"id":"750R0000000zlh9IAA","state":"JobComplete","numberRecordsProcessed":2}`)
				}
			})
			got, err := collect(f.client(t, quick(Options{})).BulkSnapshot(t.Context(), []string{}))
			if len(got) > 0 || !errors.Is(err, ErrBulk) {
				t.Errorf("got %d users, %v", len(got), err)
			}
		})
	}
}
