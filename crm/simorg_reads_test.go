package crm

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
)

// movable is a clock for the simulated org.
type movable struct {
	mu sync.Mutex
	at time.Time
}

func newMovable() *movable {
	return &movable{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (m *movable) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at
}

func (m *movable) add(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = m.at.Add(d)
}

// poll reads changes since w and returns who changed and the next watermark.
func poll(t *testing.T, c *Client, fields []string, w Watermark) (map[ID]int, Watermark) {
	t.Helper()
	seq, mark := c.ChangedSince(t.Context(), fields, w)
	got, err := ids(seq)
	if err != nil {
		t.Fatal(err)
	}
	return got, mark()
}

func TestChangedSince(t *testing.T) {
	clock := newMovable()
	w := newWorld(t, simorg.Options{Users: 50, Plain: true, Now: clock.Now}, Options{}, standard, bySecret)
	fields, everyone := w.fields(t), slices.Sorted(maps.Keys(w.all(nil)))
	start := Watermark{Upper: clock.Now()}
	got, mark := poll(t, w.Client, fields, start)
	if len(got) != 0 || mark != (Watermark{Upper: clock.Now()}) {
		t.Errorf("got %d users, %+v; want none and now", len(got), mark)
	}
	clock.add(time.Minute)
	must(t, w.org.Deactivate(everyone[3]), w.org.Update(everyone[7], func(u *simorg.User) { u.UserType = "CsnOnly" }))
	clock.add(time.Minute)
	got, mark = poll(t, w.Client, fields, mark)
	// The second of them left the prefilter, and is seen leaving.
	sameIDs(t, got, map[ID]bool{everyone[3]: true, everyone[7]: true})
	if !mark.Upper.Equal(clock.Now()) {
		t.Errorf("watermark %v, want Salesforce's now %v", mark.Upper, clock.Now())
	}
	clock.add(5 * time.Minute)
	if got, _ := poll(t, w.Client, fields, mark); len(got) != 2 {
		t.Errorf("got %d users, want both again within the overlap", len(got))
	}
	clock.add(5 * time.Minute)
	w.org.ResetCalls()
	_, mark = poll(t, w.Client, fields, mark)
	clock.add(10 * time.Minute)
	if got, _ := poll(t, w.Client, fields, mark); len(got) != 0 {
		t.Errorf("got %d users, want none past the overlap", len(got))
	}
	if calls := w.org.Calls()["query"]; calls != 2 {
		t.Errorf("got %d calls for two idle polls, want 2", calls)
	}
}

// TestWar16EveryoneChangedAtNoon: 12,000 rows with one stamp, and a crash after each page.
func TestWar16EveryoneChangedAtNoon(t *testing.T) {
	clock := newMovable()
	w := newWorld(t, simorg.Options{Users: 12_000, Plain: true, Now: clock.Now}, Options{}, standard, bySecret)
	fields := w.fields(t)
	mark := Watermark{Upper: clock.Now()}
	clock.add(time.Minute)
	everyone := slices.Sorted(maps.Keys(w.all(nil)))[1:] // not the integration user
	must(t, w.org.MassUpdate(everyone, func(u *simorg.User) { u.Department = "Sales" }))
	clock.add(time.Minute)
	want := map[ID]bool{}
	for _, id := range everyone {
		want[id] = true
	}
	w.org.ResetCalls()
	got, next := poll(t, w.Client, fields, mark)
	sameIDs(t, got, want)
	if calls := w.org.Calls()["query"]; calls != 6 || !next.Upper.Equal(clock.Now()) {
		t.Errorf("got %d calls and %+v, want 6 and now", calls, next)
	}

	clear(got)
	pages, last := 0, false
	for ; !last && pages < 20; pages++ {
		for page, err := range w.connect(t, Options{}, standard, bySecret).ChangePages(t.Context(), fields, mark) {
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range page.Users {
				got[u.ID]++
			}
			mark, last = page.Mark, page.Last
			break
		}
		clock.add(time.Minute) // the window must not grow meanwhile
	}
	sameIDs(t, got, want)
	if pages != 6 || mark != next {
		t.Errorf("ended after %d pages with %+v, want 6 and %+v", pages, mark, next)
	}
}

func TestChangesKeepTheirPlaceAfterAnError(t *testing.T) {
	clock := newMovable()
	w := newWorld(t, simorg.Options{Users: 999, Plain: true, Now: clock.Now}, Options{PageSize: 300, MaxRetries: -1}, standard, bySecret)
	fields := w.fields(t)
	start := Watermark{Upper: clock.Now().Add(-time.Minute)}
	everyone := slices.Sorted(maps.Keys(w.all(nil)))
	must(t, w.org.MassUpdate(everyone, func(u *simorg.User) { u.Title = "Rep" }))
	clock.add(time.Minute)
	w.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, From: 3, Times: 1, Effect: simorg.Effect{Kind: simorg.BadGateway}})
	seq, mark := w.ChangedSince(t.Context(), fields, start)
	got, err := ids(seq)
	if err == nil || len(got) != 600 || mark().ID == "" || !mark().Upper.Equal(start.Upper) {
		t.Fatalf("got %d users, %v, %+v; want an error after 600 and a place to go on", len(got), err, mark())
	}
	rest, end := poll(t, w.Client, fields, mark())
	for id, n := range rest {
		got[id] += n
	}
	sameIDs(t, got, w.all(nil))
	if end.ID != "" || end.Upper.Before(start.Upper) {
		t.Errorf("ended with %+v", end)
	}
}

// TestWar17LateRow: stamped 11:58:30, seen at 12:01, watermark 12:00.
func TestWar17LateRow(t *testing.T) {
	clock := newMovable()
	w := newWorld(t, simorg.Options{Users: 50, Plain: true, Now: clock.Now}, Options{}, standard, bySecret)
	fields, everyone := w.fields(t), slices.Sorted(maps.Keys(w.all(nil)))
	must(t, w.org.LateCommit(150*time.Second, everyone[5:6], func(u *simorg.User) { u.IsActive = false }))
	clock.add(90 * time.Second)
	got, mark := poll(t, w.Client, fields, Watermark{Upper: clock.Now().Add(-2 * time.Minute)})
	if len(got) != 0 {
		t.Fatalf("got %d users before the commit", len(got))
	}
	clock.add(time.Minute)
	got, _ = poll(t, w.Client, fields, mark)
	sameIDs(t, got, map[ID]bool{everyone[5]: true})
}

// TestWar18Watermark: zero, epoch, ancient, tomorrow; and clocks that disagree.
func TestWar18Watermark(t *testing.T) {
	clock := newMovable()
	w := newWorld(t, simorg.Options{Users: 50, Plain: true, Now: clock.Now}, Options{}, standard, bySecret)
	fields := w.fields(t)
	now := clock.Now()
	tests := []struct {
		name string
		mark Watermark
		want string // the reason; empty when it can be used
	}{
		{"zero", Watermark{}, "zero"},
		{"epoch", Watermark{Upper: time.Unix(0, 0)}, "zero"},
		{"before the epoch", Watermark{Upper: time.Unix(-5, 0)}, "zero"},
		{"ancient", Watermark{Upper: now.Add(-31 * 24 * time.Hour)}, "ancient"},
		{"tomorrow", Watermark{Upper: now.Add(24 * time.Hour)}, "future"},
		{"window of tomorrow", Watermark{Upper: now, Until: now.Add(time.Hour), Stamp: now, ID: testUser}, "future"},
		{"a little ahead", Watermark{Upper: now.Add(5 * time.Minute)}, ""},
		{"just now", Watermark{Upper: now}, ""},
		{"a month ago", Watermark{Upper: now.Add(-29 * 24 * time.Hour)}, ""},
		{"a place without an id", Watermark{Upper: now, Until: now, Stamp: now.Add(-time.Minute)}, ""},
		{"a place outside the window", Watermark{Upper: now, Until: now, Stamp: now.Add(-time.Hour), ID: testUser}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seq, mark := w.ChangedSince(t.Context(), fields, tt.mark)
			_, err := ids(seq)
			e, _ := errors.AsType[*WatermarkError](err)
			switch {
			case tt.want == "" && (err != nil || !mark().Upper.Equal(now)):
				t.Errorf("got %v, %+v; want now", err, mark())
			case tt.want != "" && (!errors.Is(err, ErrWatermark) || e.Reason != tt.want || mark() != tt.mark):
				t.Errorf("got %v; want %q", err, tt.want)
			}
		})
	}
	t.Run("Salesforce's clock counts", func(t *testing.T) { // this host is far from March 2026
		if got, ok := w.Now(); !ok || got.Sub(now).Abs() > time.Minute {
			t.Errorf("Now() = %v, %v; want about %v", got, ok, now)
		}
	})
	t.Run("no date, no watermark", func(t *testing.T) {
		win, err := newWindow(Watermark{Upper: now}, time.Minute)
		must(t, err)
		if err := win.clock(time.Time{}, time.Minute); err == nil {
			t.Error("an answer without Date is accepted")
		}
	})
}

func TestByID(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 5000, Seed: 5}, Options{}, standard)
	fields, truth := w.fields(t), w.all(nil)
	everyone := slices.Sorted(maps.Keys(truth))
	hidden := map[ID]bool{everyone[10]: true, everyone[1000]: true}
	w.org.Faults().HideUsers(func(u simorg.User) bool { return hidden[u.ID] })
	tests := []struct{ n, calls int }{{0, 0}, {1, 1}, {400, 1}, {401, 1}, {2000, 1}, {2001, 2}, {4500, 3}}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.n), func(t *testing.T) {
			w.org.ResetCalls()
			asked := slices.Clone(everyone[:tt.n])
			if tt.n > 1 { // twice, and with damaged case
				asked = append(asked, asked[0][:15], strings.ToLower(asked[1]))
			}
			found, missing := map[ID]int{}, map[ID]int{}
			for u, err := range w.ByID(t.Context(), fields, asked) {
				if e, ok := errors.AsType[*NotVisibleError](err); ok && e.ID == u.ID {
					missing[u.ID]++
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if u.Username != truth[u.ID].Username || u.ProfileID != "" && u.Profile.Name == "" {
					t.Fatalf("user %s is not who they are: %+v", u.ID, u)
				}
				found[u.ID]++
			}
			want, wantMissing := map[ID]bool{}, map[ID]bool{}
			for _, id := range everyone[:tt.n] {
				if hidden[id] {
					wantMissing[id] = true
				} else {
					want[id] = true
				}
			}
			sameIDs(t, found, want)
			sameIDs(t, missing, wantMissing)
			if calls := w.org.Calls(); calls["query"]+calls["composite"] != tt.calls && tt.calls != calls["composite"] {
				t.Errorf("got %v, want %d calls", calls, tt.calls)
			}
		})
	}
	if _, err := ids(w.ByID(t.Context(), fields, []ID{"' OR Id != '"})); !errors.Is(err, ErrID) {
		t.Errorf("got %v, want ErrID", err)
	}
}

// A page is as long as Salesforce likes, whatever was asked for.
func TestByIDOfShortPages(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 600, Plain: true}, Options{}, standard)
	fields, everyone := w.fields(t), slices.Sorted(maps.Keys(w.all(nil)))
	w.org.Faults().HideUsers(func(u simorg.User) bool { return u.ID == everyone[1] })
	w.org.Faults().Add(simorg.Rule{Effect: simorg.Effect{Kind: simorg.ShortPage, N: 70}})
	for _, n := range []int{2, 300, 601} {
		w.org.ResetCalls()
		found, missing := map[ID]int{}, 0
		for u, err := range w.ByID(t.Context(), fields, everyone[:n]) {
			switch e, ok := errors.AsType[*NotVisibleError](err); {
			case ok && e.ID == everyone[1]:
				missing++
			case err != nil:
				t.Fatal(err)
			default:
				found[u.ID]++
			}
		}
		if len(found) != n-1 || missing != 1 {
			t.Errorf("%d: found %d, missing %d", n, len(found), missing)
		}
		for id, times := range found {
			if times != 1 {
				t.Errorf("%d: user %s came %d times", n, id, times)
			}
		}
		if calls := w.org.Calls(); calls["query"]+calls["composite"] > 1+n/70 {
			t.Errorf("%d: it took %v", n, calls)
		}
	}
}

// TestWar03OneLookupFails: unknown is not the same as not visible.
func TestWar03OneLookupFails(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 2000, Plain: true}, Options{MaxRetries: -1}, standard)
	fields, everyone := w.fields(t), slices.Sorted(maps.Keys(w.all(nil)))
	for _, n := range []int{1, 2000} {
		for _, kind := range []simorg.EffectKind{simorg.ServerError, simorg.Unavailable, simorg.Truncate, simorg.CutBody, simorg.EmptyBody, simorg.Throttled, simorg.QuotaExceeded} {
			remove := w.org.Faults().Add(simorg.Rule{Effect: simorg.Effect{Kind: kind}})
			for u, err := range w.ByID(t.Context(), fields, everyone[:n]) {
				if _, gone := errors.AsType[*NotVisibleError](err); gone || err == nil {
					t.Errorf("%d users, %s: got %q, %v; want an error that concerns nobody", n, kind, u.ID, err)
				}
			}
			remove()
		}
	}
}

func TestFrozen(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 3000, Plain: true}, Options{PageSize: 250}, standard)
	everyone := slices.Sorted(maps.Keys(w.all(nil)))
	frozen := func() (map[ID]int, error) {
		got := map[ID]int{}
		for id, err := range w.Frozen(t.Context()) {
			if err != nil {
				return got, err
			}
			got[id]++
		}
		return got, nil
	}
	if got, err := frozen(); err != nil || len(got) != 0 {
		t.Fatalf("got %d, %v; want nobody", len(got), err)
	}
	if calls := w.org.Calls()["query"]; calls != 2 {
		t.Errorf("got %d calls, want one and one for the proof that we can see", calls)
	}
	want := map[ID]bool{}
	for _, id := range everyone[100:1100] {
		must(t, w.org.Freeze(id))
		want[id] = true
	}
	w.org.ResetCalls()
	got, err := frozen()
	must(t, err)
	sameIDs(t, got, want)
	if calls := w.org.Calls()["query"]; calls != 4 {
		t.Errorf("got %d calls for 1000 frozen users in pages of 250, want 4", calls)
	}
	for _, bad := range []simorg.Effect{
		{Kind: simorg.NoAccess},
		{Kind: simorg.Status, Status: 400, Code: "INVALID_TYPE", Message: "sObject type 'UserLogin' is not supported."},
	} {
		remove := w.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, From: 2, Effect: bad})
		if _, err := frozen(); !errors.Is(err, ErrFrozenUnreadable) || !strings.Contains(hintOf(err), "Manage Users") {
			t.Errorf("%s: got %v, want ErrFrozenUnreadable", bad, err)
		}
		remove()
	}
	remove := w.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Effect: simorg.Effect{Kind: simorg.QuotaExceeded}})
	if _, err := frozen(); errors.Is(err, ErrFrozenUnreadable) || !errors.Is(err, ErrQuota) {
		t.Errorf("got %v, want ErrQuota", err)
	}
	remove()
	w.org.Faults().Add(simorg.Rule{Endpoint: simorg.Query, Effect: simorg.Effect{Kind: simorg.EmptyResult}})
	blind := w.connect(t, Options{})
	for _, err := range blind.Frozen(t.Context()) {
		if !errors.Is(err, ErrFrozenUnreadable) {
			t.Errorf("got %v: nobody is frozen, says one who sees nobody", err)
		}
	}
}

// TestWar25BlindField is the second half of story 25: Read on two fields is taken away.
func TestWar25BlindField(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 100, Plain: true}, Options{}, func(c *Config) { c.CustomFields = []string{"Team__c", "Nope__c"} })
	before, err := w.Describe(t.Context())
	must(t, err)
	if want := []string{"Nope__c"}; !slices.Equal(before.Missing, want) || !slices.Contains(before.Select, "Team__c") {
		t.Errorf("missing %v, want %v", before.Missing, want)
	}
	if !slices.Contains(before.Absent, "CountryCode") {
		t.Errorf("absent %v, want CountryCode among them", before.Absent)
	}
	w.org.Faults().HideField("User", "Phone")
	w.org.Faults().HideField("User", "Extension")
	if got, err := ids(w.Snapshot(t.Context(), before.Select)); !errors.Is(err, ErrField) || len(got) != 0 {
		t.Errorf("got %d users, %v; want ErrField", len(got), err)
	}
	after, err := w.Describe(t.Context())
	must(t, err)
	if want := []string{"Phone", "Extension", "Nope__c"}; !slices.Equal(after.Missing, want) {
		t.Errorf("missing %v, want %v", after.Missing, want)
	}
	if got, err := ids(w.Snapshot(t.Context(), after.Select)); err != nil || len(got) < 100 {
		t.Errorf("got %d users, %v; want all, without the two fields", len(got), err)
	}
	w.org.Faults().HideField("User", "Email")
	_, err = w.Describe(t.Context())
	if e, ok := errors.AsType[*FieldsError](err); !ok || !slices.Equal(e.Missing, []string{"Email"}) || !strings.Contains(hintOf(err), "User.Email") {
		t.Errorf("got %v, want a FieldsError on Email", err)
	}
}

func TestDescribeIsConditional(t *testing.T) {
	s := &seen{}
	w := newWorld(t, simorg.Options{Users: 1}, Options{Observer: s})
	first := w.fields(t)
	if again := w.fields(t); !slices.Equal(first, again) {
		t.Errorf("got %v, then %v", first, again)
	}
	if got, want := s.all(), "token 200, describe 200, describe 304"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVersions(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 1}, Options{}, func(c *Config) { c.APIVersion = "62.0" })
	must(t, w.CheckVersion(t.Context()))
	if used, _ := w.org.Usage(); used != 0 {
		t.Errorf("the probe cost %d calls", used)
	}
	w.org.Faults().RetireVersion("62.0")
	err := w.CheckVersion(t.Context())
	if e, ok := errors.AsType[*VersionError](err); !ok || e.Want != "62.0" || !strings.Contains(hintOf(err), "68.0") {
		t.Errorf("got %v, hint %q", err, hintOf(err))
	}
	_, err = w.CountUsers(t.Context())
	if e, ok := errors.AsType[*APIError](err); !ok || e.Status != 410 || !strings.Contains(hintOf(err), "api_version") {
		t.Errorf("got %v, hint %q", err, hintOf(err))
	}
}

func TestOrgOfTheSimulator(t *testing.T) {
	sandbox := true
	w := newWorld(t, simorg.Options{Users: 1, IsSandbox: true}, Options{}, func(c *Config) {
		c.Sandbox, c.OrgID, c.Audience = &sandbox, "00D5f0000000001", "https://test.salesforce.com"
	})
	got, err := w.Org(t.Context())
	if err != nil || got.ID != w.org.ID() || !got.IsSandbox || got.Name != "Acme Example" || got.InstanceURL != w.server.URL || got.UserID == "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestWar23LimitHeader: every variant, as an org sends it.
func TestWar23LimitHeader(t *testing.T) {
	w := newWorld(t, simorg.Options{Users: 1, Quota: 5000}, Options{})
	w.org.SetUsage(4000, 5000)
	variants := []func(string) string{nil, simorg.LimitInfoBursts, simorg.LimitInfoPerApp, simorg.LimitInfoMissing, simorg.LimitInfoGarbage}
	last := 0
	for i, v := range variants {
		w.org.Faults().SetLimitInfo(v)
		if _, err := w.CountUsers(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := 4001 + i
		if i >= 3 { // unknown: what was known last
			want = last
		}
		if got, ok := w.Usage(); !ok || got.Used != want || got.Max != 5000 {
			t.Errorf("variant %d: got %+v, %v; want %d", i, got, ok, want)
		}
		last = want
	}
	limits, err := w.Limits(t.Context())
	must(t, err)
	if used, _ := w.org.Usage(); limits.DailyAPIRequests.Max != 5000 || 5000-limits.DailyAPIRequests.Remaining < used-1 {
		t.Errorf("got %+v after %d calls", limits.DailyAPIRequests, used)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// Who asks for what has just happened must be shown it, also where it is more than a page.
func TestChangesOfThisSecondAreRead(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, simorg.Options{Users: 900, Plain: true, Now: func() time.Time { return now }}, Options{PageSize: 200, TokenAge: -1}, bySecret)
	var changed []string
	for u := range w.org.Users() {
		if changed = append(changed, u.ID); len(changed) == 700 {
			break
		}
	}
	if err := w.org.MassUpdate(changed, func(u *simorg.User) { u.Title = "Changed" }); err != nil {
		t.Fatal(err)
	}
	seq, mark := w.ChangedSince(t.Context(), w.fields(t), Watermark{Upper: now.Add(-time.Minute)})
	if got, err := ids(seq); err != nil || len(got) != 700 {
		t.Errorf("got %d of 700, %v", len(got), err)
	}
	if m := mark(); !m.Upper.Equal(now) {
		t.Errorf("the watermark counts the second under way: %+v", m)
	}
}
