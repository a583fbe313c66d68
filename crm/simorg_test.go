package crm

import (
	"context"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"iter"
	"maps"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
)

// world is a simulated org over HTTP, and a client of it.
type world struct {
	*Client
	org    *simorg.Org
	server *httptest.Server
}

func testPublicKey(t testing.TB) *rsa.PublicKey {
	block, _ := pem.Decode(testKey())
	key, err := parseKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}

func newWorld(t testing.TB, so simorg.Options, opts Options, edit ...func(*Config)) *world {
	t.Helper()
	so.PublicKey = testPublicKey(t)
	so.ClientID, so.Username, so.ClientSecret = "key", "sync@example.com", "s3cret"
	org := simorg.New(so)
	server := httptest.NewServer(org.Handler())
	t.Cleanup(server.Close)
	w := &world{org: org, server: server}
	w.Client = w.connect(t, opts, edit...)
	return w
}

// connect makes another client of the same org.
func (w *world) connect(t testing.TB, opts Options, edit ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{LoginURL: w.server.URL, ClientID: "key", Username: "sync@example.com", PrivateKey: testKey()}
	for _, e := range edit {
		e(&cfg)
	}
	if opts.RetryWait == 0 {
		opts.RetryWait = time.Millisecond
	}
	c, err := New(cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// fields are those that the org shows.
func (w *world) fields(t testing.TB) []string {
	t.Helper()
	f, err := w.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f.Select
}

// all is the truth, by id.
func (w *world) all(keep func(simorg.User) bool) map[ID]simorg.User {
	m := map[ID]simorg.User{}
	for u := range w.org.Users() {
		if keep == nil || keep(u) {
			m[u.ID] = u
		}
	}
	return m
}

// bySecret logs in without an assertion, which a clock of another year would refuse.
func bySecret(cfg *Config) { cfg.PrivateKey, cfg.Username, cfg.ClientSecret = nil, "", "s3cret" }

func standard(cfg *Config) { cfg.Prefilter = "UserType = 'Standard'" }

// ids drains a stream, and says how often each id came and what ended it.
func ids(seq func(func(User, error) bool)) (map[ID]int, error) {
	got := map[ID]int{}
	for u, err := range seq {
		if err != nil {
			return got, err
		}
		got[u.ID]++
	}
	return got, nil
}

// sameIDs checks that each id came once, and nobody else.
func sameIDs[T any](t *testing.T, got map[ID]int, want map[ID]T) {
	t.Helper()
	for id, n := range got {
		if _, ok := want[id]; !ok || n != 1 {
			t.Fatalf("user %s came %d times, belongs there %v", id, n, ok)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %d users, want %d", len(got), len(want))
	}
}

func TestSnapshotAgreesWithTheOrg(t *testing.T) {
	custom := []string{"Team__c", "Dialer_Enabled__c", "Quota__c"}
	w := newWorld(t, simorg.Options{Users: 3500, Seed: 7, StateCountryPicklists: true}, Options{}, func(c *Config) { c.CustomFields = custom })
	want := w.all(nil)
	n := 0
	for u, err := range w.Snapshot(t.Context(), w.fields(t)) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		s, ok := want[u.ID]
		if !ok {
			t.Fatalf("user %s is not in the org", u.ID)
		}
		team, _ := u.Custom["Team__c"].(string)
		quota, _ := u.Custom["Quota__c"].(float64)
		got := []any{
			u.Username, u.Email, u.FirstName, u.LastName, u.Name, u.Alias, u.IsActive, u.UserType, u.ProfileID, u.UserRoleID, u.ManagerID,
			u.Department, u.Division, u.Title, u.CompanyName, u.EmployeeNumber, u.FederationIdentifier, u.Phone, u.MobilePhone, u.Extension,
			u.City, u.State, u.StateCode, u.PostalCode, u.Country, u.CountryCode, u.TimeZoneSidKey, u.LocaleSidKey, u.LanguageLocaleKey,
			u.CallCenterID, u.CallCenterAutoLogin, u.CreatedDate, u.LastModifiedDate, u.SystemModstamp,
			team, u.Custom["Dialer_Enabled__c"], quota,
		}
		truth := []any{
			s.Username, s.Email, s.FirstName, s.LastName, s.Name(), s.Alias, s.IsActive, s.UserType, s.ProfileID, s.UserRoleID, s.ManagerID,
			s.Department, s.Division, s.Title, s.CompanyName, s.EmployeeNumber, s.FederationIdentifier, s.Phone, s.MobilePhone, s.Extension,
			s.City, s.State, s.StateCode, s.PostalCode, s.Country, s.CountryCode, s.TimeZoneSidKey, s.LocaleSidKey, s.LanguageLocaleKey,
			s.CallCenterID, s.CallCenterAutoLogin, s.CreatedDate, s.LastModifiedDate, s.SystemModstamp,
			s.Team, s.DialerEnabled, s.Quota,
		}
		if !slices.Equal(got, truth) {
			t.Fatalf("user %s:\n got %v\nwant %v", u.ID, got, truth)
		}
		if u.ProfileID != "" && (u.Profile.Name == "" || u.Profile.UserLicense.Name == "") || u.ManagerID != "" && u.Manager.Email == "" {
			t.Fatalf("user %s has parents without names: %+v", u.ID, u)
		}
	}
	if n != len(want) {
		t.Errorf("got %d users, want %d", n, len(want))
	}
}

// TestSnapshotCalls keeps to the budget of a full sync: with Frozen it is 2 more than
// the pages, 3 where nobody is frozen.
func TestSnapshotCalls(t *testing.T) {
	for _, n := range []int{1, 1999, 2000, 2001, 6000} {
		w := newWorld(t, simorg.Options{Users: n - 1, Plain: true}, Options{}, standard) // the integration user is one more
		fields := w.fields(t)
		w.org.ResetCalls()
		got, err := ids(w.Snapshot(t.Context(), fields))
		if err != nil || len(got) != n {
			t.Fatalf("got %d users, %v; want %d", len(got), err, n)
		}
		for _, err := range w.Frozen(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
		}
		pages := (n + 1999) / 2000
		if calls := w.org.Calls(); calls["query"] > pages+3 || calls["query"] < pages+2 || w.SnapshotCalls(n) != pages+1 {
			t.Errorf("%d users: %v, planned %d; want at most %d queries", n, calls, w.SnapshotCalls(n), pages+3)
		}
	}
}

func TestSnapshotPrefilter(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 900, Seed: 3}, Options{PageSize: 250}, func(c *Config) {
		c.Prefilter = "(UserType = 'Standard' AND IsActive = true) OR Id = null"
	})
	want := w.all(func(u simorg.User) bool { return u.UserType == "Standard" && u.IsActive })
	got, err := ids(w.Snapshot(t.Context(), w.fields(t)))
	if err != nil {
		t.Fatal(err)
	}
	sameIDs(t, got, want)
}

// TestWar01HalfReadDirectory breaks each call of a snapshot in turn, in every way and
// for good: it must end in an error, and the next one must be whole.
func TestWar01HalfReadDirectory(t *testing.T) {
	effects := []simorg.Effect{
		{Kind: simorg.Truncate},
		{Kind: simorg.CutBody},
		{Kind: simorg.EmptyBody},
		{Kind: simorg.Drop},
		{Kind: simorg.ServerError},
		{Kind: simorg.BadGateway},
		{Kind: simorg.Unavailable},
		{Kind: simorg.Throttled},
		{Kind: simorg.QuotaExceeded},
		{Kind: simorg.NoAccess},
		{Kind: simorg.APIDisabled},
		{Kind: simorg.NotForREST},
		{Kind: simorg.Unauthorized},
		{Kind: simorg.TimedOut},
		{Kind: simorg.Status, Status: 400, Code: "INVALID_QUERY_LOCATOR", Message: "invalid query locator"},
	}
	for _, e := range effects {
		t.Run(e.String(), func(t *testing.T) {
			w := newWorld(t, simorg.Options{Users: 199, Plain: true}, Options{PageSize: 50, MaxRetries: 1}, standard, bySecret)
			fields := w.fields(t)
			for call := 1; call <= 6; call++ {
				c := w.connect(t, Options{PageSize: 50, MaxRetries: 1}, standard, bySecret)
				remove := w.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, From: call, Effect: e})
				got, err := ids(c.Snapshot(t.Context(), fields))
				if err == nil {
					t.Fatalf("call %d: the snapshot is called complete with %d users", call, len(got))
				}
				if want := max(0, call-2) * 50; len(got) != want {
					t.Errorf("call %d: got %d users before the error, want %d", call, len(got), want)
				}
				remove()
				c = w.connect(t, Options{PageSize: 50}, standard, bySecret)
				if got, err := ids(c.Snapshot(t.Context(), fields)); err != nil || len(got) != 200 {
					t.Fatalf("call %d: the next snapshot gave %d, %v", call, len(got), err)
				}
			}
		})
	}
}

// TestWar04RateLimitedMeansGone: the allocation is spent, or too much runs at once, at
// every call in turn. It is flow control, told apart from everything else.
func TestWar04RateLimitedMeansGone(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 199, Plain: true}, Options{PageSize: 50}, standard)
	fields, someone := w.fields(t), slices.Sorted(maps.Keys(w.all(nil)))[:3]
	logins := w.org.Calls()["token"]
	for call := 1; call <= 6; call++ {
		remove := w.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, From: call, Effect: simorg.Effect{Kind: simorg.QuotaExceeded}})
		if _, err := ids(w.Snapshot(t.Context(), fields)); !errors.Is(err, ErrQuota) {
			t.Errorf("snapshot, call %d: got %v, want ErrQuota", call, err)
		}
		remove()
	}
	w.org.Faults().On(simorg.Query, 0, simorg.Effect{Kind: simorg.QuotaExceeded})
	changed, mark := w.ChangedSince(t.Context(), fields, Watermark{Upper: time.Now()})
	if _, err := ids(changed); !errors.Is(err, ErrQuota) || mark().Until != (time.Time{}) {
		t.Errorf("changes: got %v, %+v; want ErrQuota and the old watermark", err, mark())
	}
	if got, err := ids(w.ByID(t.Context(), fields, someone)); !errors.Is(err, ErrQuota) || len(got) != 0 {
		t.Errorf("by id: got %v, %v; want ErrQuota and nobody", got, err)
	}
	if got := w.org.Calls()["token"]; got != logins {
		t.Errorf("a 403 led to %d logins", got-logins)
	}
}

// TestSnapshotSurvives is the same with faults that pass.
func TestSnapshotSurvives(t *testing.T) {
	for _, kind := range []simorg.EffectKind{
		simorg.Truncate, simorg.CutBody, simorg.EmptyBody, simorg.Drop, simorg.ServerError, simorg.BadGateway, simorg.Unavailable,
		simorg.Throttled, simorg.ExpireSessions, simorg.Unauthorized, simorg.ShortPage, simorg.ExpireLocators,
	} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t, simorg.Options{Users: 199, Plain: true}, Options{PageSize: 50}, standard, bySecret)
			fields := w.fields(t)
			for call := 1; call <= 6; call++ {
				remove := w.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, From: call, Times: 1, Effect: simorg.Effect{Kind: kind, N: 20}})
				got, err := ids(w.Snapshot(t.Context(), fields))
				remove()
				if err != nil {
					t.Fatalf("call %d: %v", call, err)
				}
				sameIDs(t, got, w.all(nil))
			}
		})
	}
}

// TestWar02PoliteEmptyAnswer: 200, done, nobody, from the first, second, third call on.
func TestWar02PoliteEmptyAnswer(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 1999, Plain: true}, Options{PageSize: 500}, standard)
	fields := w.fields(t)
	for from := 1; from <= 5; from++ {
		remove := w.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, From: from, Effect: simorg.Effect{Kind: simorg.EmptyResult}})
		got, err := ids(w.Snapshot(t.Context(), fields))
		remove()
		if !errors.Is(err, ErrIncomplete) || len(got) != max(0, from-2)*500 {
			t.Errorf("from call %d: got %d users, %v; want ErrIncomplete", from, len(got), err)
		}
	}
}

func TestRowsLostMeanwhile(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 1999, Plain: true}, Options{PageSize: 500}, standard)
	fields := w.fields(t)
	w.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, From: 3, Times: 1, Effect: simorg.Effect{Kind: simorg.EmptyResult}})
	got, err := ids(w.Snapshot(t.Context(), fields))
	want := IncompleteError{Seen: 500, Before: 2000, After: 2000, Reason: "fewer rows than counted"}
	if e, ok := errors.AsType[*IncompleteError](err); !ok || *e != want || !e.Retryable() || len(got) != 500 {
		t.Errorf("got %d users, %v; want 500 and %v", len(got), err, &want)
	}
}

func TestSnapshotShrinksALittleMeanwhile(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 1999, Plain: true}, Options{PageSize: 500}, standard)
	fields := w.fields(t)
	pages := 0
	for page, err := range w.SnapshotPages(t.Context(), fields) {
		if err != nil {
			t.Fatal(err)
		}
		if pages++; pages == 1 { // 20 leave the prefilter further on
			last := slices.Sorted(maps.Keys(w.all(nil)))[1900:1920]
			if err := w.org.MassUpdate(last, func(u *simorg.User) { u.UserType = "CsnOnly" }); err != nil {
				t.Fatal(err)
			}
		}
		if page.Last != (page.Cursor.Seen == 1980) {
			t.Errorf("page %d: last %v with %d seen", pages, page.Last, page.Cursor.Seen)
		}
	}
	if pages != 4 {
		t.Errorf("got %d pages, want 4", pages)
	}
}

func TestSnapshotResumes(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 1999, Plain: true}, Options{PageSize: 300}, standard)
	fields := w.fields(t)
	got := map[ID]int{}
	var cur Cursor
	complete := false
	for runs := 0; !complete && runs < 20; runs++ { // a crash after each page
		c := w.connect(t, Options{PageSize: 300}, standard)
		for page, err := range c.SnapshotFrom(t.Context(), fields, cur) {
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range page.Users {
				got[u.ID]++
			}
			cur, complete = page.Cursor, page.Last
			break
		}
	}
	if !complete || cur.Seen != 2000 || cur.Total != 2000 || cur.Started.IsZero() {
		t.Errorf("ended with %+v, complete %v", cur, complete)
	}
	sameIDs(t, got, w.all(nil))

	for name, bad := range map[string]Cursor{
		"other query": {After: cur.After, Seen: 1, Started: cur.Started, Query: "x"},
		"no id":       {Seen: 1, Started: cur.Started, Query: cur.Query},
		"injected":    {After: "' OR Id != '", Seen: 1, Started: cur.Started, Query: cur.Query},
	} {
		if _, err := ids(drainPages(w.SnapshotFrom(t.Context(), fields, bad))); !errors.Is(err, ErrCursor) {
			t.Errorf("%s: got %v, want ErrCursor", name, err)
		}
	}
	other := w.connect(t, Options{PageSize: 300})
	if _, err := ids(drainPages(other.SnapshotFrom(t.Context(), fields, cur))); !errors.Is(err, ErrCursor) {
		t.Errorf("another prefilter: got %v, want ErrCursor", err)
	}
}

func TestSnapshotCanceled(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 999, Plain: true}, Options{PageSize: 100}, standard)
	fields := w.fields(t)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	var last error
	for _, err := range w.SnapshotPages(ctx, fields) {
		if n++; n == 2 {
			cancel()
		}
		last = err
	}
	cancel()
	if !errors.Is(last, context.Canceled) {
		t.Errorf("got %v, want canceled", last)
	}
}

func TestSnapshotAsksForLessAfterTimeout(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 2999, Plain: true}, Options{}, standard)
	fields := w.fields(t)
	w.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "LIMIT 2001", Effect: simorg.Effect{Kind: simorg.TimedOut}})
	w.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Contains: "LIMIT 1001", Effect: simorg.Effect{Kind: simorg.TimedOut}})
	got, err := ids(w.Snapshot(t.Context(), fields))
	if err != nil {
		t.Fatal(err)
	}
	sameIDs(t, got, w.all(nil))
	if calls := w.org.Calls()["query"]; calls != 1+2+6 {
		t.Errorf("got %d calls, want the count, two refused and six pages of 500", calls)
	}
}

// drainPages is a snapshot by pages as a stream of users.
func drainPages(pages iter.Seq2[Page, error]) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		for p, err := range pages {
			if err != nil {
				yield(User{}, err)
				return
			}
			for _, u := range p.Users {
				if !yield(u, nil) {
					return
				}
			}
		}
	}
}
