package control

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

func TestActivityIsSearched(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		const path = "/v1/users/rep1@acme.example.com"
		s.ask(t, Manager, "POST", path+":deactivate", `{"reason":"CASE-77"}`)
		s.ask(t, Admin, "POST", path+":activate", `{"reason":"back again"}`)
		s.ask(t, Manager, "POST", "/v1/users/rep2@acme.example.com:deactivate", `{"reason":"100% <gone>"}`)
		for query, want := range map[string]int{
			"verb=deactivate": 2, "verb=deactivate&user=rep1@acme.example.com": 1, "actor=the-admin": 1, "actor_kind=manager": 2, "text=case-77": 1,
			"text=" + url.QueryEscape("100% <gone>"): 1, "text=" + url.QueryEscape("100_"): 0, "verb=nonsense": 0, "since=1h&actor_kind=manager": 2,
			"until=1h": 0, "text=%25": 1, "text=" + url.QueryEscape("' OR 1=1 --"): 0,
		} {
			page := decode[ActivityPage](t, s.ask(t, Viewer, "GET", "/v1/activity?"+query, ""))
			if len(page.Activity) != want {
				t.Errorf("%s: %d entries, want %d", query, len(page.Activity), want)
			}
		}
		for _, query := range []string{"since=yesterday", "until=soon", "since=-1h", "until=0001-01-01T00:00:00Z"} {
			refused(t, s.ask(t, Viewer, "GET", "/v1/activity?"+query, ""), 422, CodeInvalid)
		}
		// Page by page, nothing twice and nothing left out.
		seen := map[int64]bool{}
		for before := int64(0); ; {
			page := decode[ActivityPage](t, s.ask(t, Viewer, "GET", "/v1/activity?verb=deactivate&limit=1&before="+strconv.FormatInt(before, 10), ""))
			for _, a := range page.Activity {
				seen[a.Seq] = true
			}
			if before = page.Next; before == 0 {
				break
			}
		}
		if len(seen) != 2 {
			t.Errorf("page by page there are %d", len(seen))
		}
	})
}

func TestActivityIsFollowed(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		s.o.Socket = filepath.Join(t.TempDir(), "s")
		serve(t, s.Server)
		c := newTestClient(t, ClientOptions{Socket: s.o.Socket, Org: "acme"})
		log, err := s.dirs["acme"].Activity(t.Context(), dialer.ActivityQuery{Newest: true, Limit: 1})
		if err != nil || len(log) != 1 {
			t.Fatal(log, err)
		}
		s.ask(t, Manager, "POST", "/v1/users/rep1@beta.example.com:deactivate?org=beta", "")
		s.ask(t, Manager, "POST", "/v1/users/rep1@acme.example.com:deactivate", `{"reason":"first"}`)
		var notes []string
		for a, err := range c.Tail(t.Context(), ActivityFilter{Verb: "deactivate"}, log[0].Seq) {
			if err != nil {
				t.Fatal(err)
			}
			notes = append(notes, a.Note)
			if len(notes) == 2 {
				break
			}
			s.ask(t, Manager, "POST", "/v1/users/rep2@acme.example.com:activate", "")
			s.ask(t, Manager, "POST", "/v1/users/rep2@acme.example.com:deactivate", `{"reason":"second"}`)
		}
		if strings.Join(notes, " ") != "first second" {
			t.Errorf("seen are %q", notes)
		}
		// Who has listed an empty log follows it from its beginning.
		for a, err := range c.Tail(t.Context(), ActivityFilter{}, 0) {
			if err != nil || a.Seq > log[0].Seq {
				t.Errorf("the first of all is %+v, %v", a, err)
			}
			break
		}
		// From now on there is only what comes.
		log, err = s.dirs["acme"].Activity(t.Context(), dialer.ActivityQuery{Newest: true, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		busy, rest := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for busy.Err() == nil {
				for _, verb := range []dialer.Verb{dialer.VerbActivate, dialer.VerbDeactivate} {
					s.dirs["acme"].Apply(busy, []dialer.Change{{Verb: verb, UserID: log[0].UserID, Actor: log[0].Actor}})
				}
			}
		}()
		for a, err := range c.Tail(t.Context(), ActivityFilter{}, FromNow) {
			if err != nil || a.Seq <= log[0].Seq {
				t.Errorf("from now on there is %+v, %v", a, err)
			}
			break
		}
		rest()
		<-done
		for _, err := range c.Tail(t.Context(), ActivityFilter{User: "nobody"}, 0) {
			if p, ok := errors.AsType[*Problem](err); !ok || p.Status != 404 {
				t.Errorf("a user who is not there: %v", err)
			}
		}
	})
}

// Who follows the activity and is cut off misses no entry that was committed
// after one of a higher number.
func TestLateActivityIsFollowed(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		if !s.db.Postgres() {
			return // it has one writer at a time
		}
		s.o.Socket = filepath.Join(t.TempDir(), "s")
		serve(t, s.Server)
		c := newTestClient(t, ClientOptions{Socket: s.o.Socket, Org: "acme"})
		log, err := s.dirs["acme"].Activity(t.Context(), dialer.ActivityQuery{Newest: true, Limit: 1})
		if err != nil || len(log) != 1 {
			t.Fatal(log, err)
		}
		written, commit, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- s.db.Update(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), `INSERT INTO activity (org_id, at, actor_kind, verb, note) SELECT id, 1, 'system', 'export', 'late' FROM orgs WHERE name = 'acme'`)
				close(written)
				<-commit
				return err
			})
		}()
		<-written
		s.ask(t, Manager, "POST", "/v1/users/rep1@acme.example.com:deactivate", `{"reason":"early"}`)
		later := time.AfterFunc(300*time.Millisecond, func() { close(commit) }) // long enough to see the early one, if it is told
		defer later.Stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var notes []string
		for after := log[0].Seq; len(notes) < 2; {
			for a, err := range c.Tail(ctx, ActivityFilter{}, after) {
				if err != nil {
					t.Fatal(err)
				}
				after, notes = a.Seq, append(notes, a.Note)
				break
			}
			if len(notes) == 1 {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
		}
		if strings.Join(notes, " ") != "late early" {
			t.Errorf("seen are %q", notes)
		}
	})
}

func TestLeaversReport(t *testing.T) {
	eachStore(t, func(t *testing.T, s *world) {
		for _, name := range []string{"rep1", "rep2"} {
			s.ask(t, Manager, "POST", "/v1/users/"+name+"@acme.example.com:deactivate", `{"reason":"left"}`)
		}
		s.ask(t, Manager, "POST", "/v1/users/rep1@beta.example.com:deactivate?org=beta", "")
		page := decode[LeaverPage](t, s.ask(t, Viewer, "GET", "/v1/reports/leavers?limit=1", ""))
		if len(page.Leavers) != 1 || page.Leavers[0].Username != "rep2@acme.example.com" || page.Next == 0 || page.Leavers[0].Proof == 0 {
			t.Fatalf("the first page is %+v", page)
		}
		month := time.Now().UTC().Format("2006-01")
		rest := decode[LeaverPage](t, s.ask(t, Viewer, "GET", "/v1/reports/leavers?month="+month+"&after="+strconv.FormatInt(page.Next, 10), ""))
		if len(rest.Leavers) != 1 || rest.Leavers[0].Username != "rep1@acme.example.com" || rest.Next != 0 {
			t.Errorf("the last page is %+v", rest)
		}
		if none := decode[LeaverPage](t, s.ask(t, Viewer, "GET", "/v1/reports/leavers?month=2001-02", "")); none.Leavers == nil || len(none.Leavers) != 0 {
			t.Errorf("of another month are %+v", none)
		}
		r := s.ask(t, Viewer, "GET", "/v1/reports/leavers?format=csv&month="+month, "")
		rows, err := csv.NewReader(bytes.NewReader(r.body)).ReadAll()
		if err != nil || len(rows) != 3 || rows[0][2] != "username" || rows[1][2] != "rep2@acme.example.com" || rows[1][4] != "manual" {
			t.Errorf("the file is %v, %v", rows, err)
		}
		for _, query := range []string{"month=October", "month=2026-13", "month=2026-10&since=1h", "since=x"} {
			refused(t, s.ask(t, Viewer, "GET", "/v1/reports/leavers?"+query, ""), 422, CodeInvalid)
		}
	})
}

// A month is the org's, not Greenwich's.
func TestMonthOfTheOrg(t *testing.T) {
	denver, err := time.LoadLocation("America/Denver")
	if err != nil {
		t.Fatal(err)
	}
	q, err := (&leaversInput{Month: "2026-10"}).query(denver)
	if err != nil || !q.Since.Equal(time.Date(2026, 10, 1, 6, 0, 0, 0, time.UTC)) || !q.Until.Equal(time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC)) {
		t.Errorf("October is %v to %v, %v", q.Since, q.Until, err)
	}
}
