package simorg

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEditsStampWholeSeconds(t *testing.T) {
	c := newClock()
	o := New(Options{Users: 10, Now: c.now})
	id := o.gen.id(7)
	if err := o.Deactivate(id[:15]); err != nil {
		t.Fatal(err)
	}
	u, err := o.User(id)
	if err != nil || u.IsActive {
		t.Fatalf("after Deactivate: %v %v", u.IsActive, err)
	}
	want := c.now().Truncate(time.Second)
	if !u.SystemModstamp.Equal(want) || !u.LastModifiedDate.Equal(want) || u.CreatedDate.Equal(want) {
		t.Errorf("stamps: %v %v, want %v", u.SystemModstamp, u.LastModifiedDate, want)
	}
	c.add(time.Minute)
	if err := o.Login(id); err != nil {
		t.Fatal(err)
	}
	if u, _ = o.User(id); !u.LastModifiedDate.Equal(want) || !u.SystemModstamp.Equal(second(c.now())) {
		t.Errorf("a login moves SystemModstamp alone: %v %v", u.SystemModstamp, u.LastModifiedDate)
	}
	for _, bad := range []string{"", "0055f0000000000", o.gen.id(99), "00e5f000000003ZAAQ"} {
		if err := o.Activate(bad); !errors.Is(err, ErrNotFound) {
			t.Errorf("edit of %q: got %v", bad, err)
		}
	}
}

func TestUsernamesAreUnique(t *testing.T) {
	o := New(Options{Users: 30})
	taken := o.gen.user(9).Username
	for _, name := range []string{taken, strings.ToUpper(taken), "rosterd@acme.example"} {
		if _, err := o.AddUser(User{Username: name, LastName: "Twin"}); !errors.Is(err, ErrDuplicateUsername) {
			t.Errorf("add %s: got %v", name, err)
		}
	}
	if err := o.Update(o.gen.id(9), func(u *User) { u.Username = "moved@acme.example" }); err != nil {
		t.Fatal(err)
	}
	id, err := o.AddUser(User{Username: taken, LastName: "Heir"})
	if err != nil {
		t.Errorf("a name given up can be taken: %v", err)
	}
	if err := o.Update(id, func(u *User) { u.Username = "MOVED@acme.example" }); !errors.Is(err, ErrDuplicateUsername) {
		t.Errorf("take an edited name: got %v", err)
	}
	if _, err := o.AddUser(User{Username: "x@acme.example"}); err == nil {
		t.Error("a user without LastName was added")
	}
}

func TestAddedUsersComeLast(t *testing.T) {
	f := serve(t, Options{Users: 10, Plain: true})
	last := f.org.gen.id(10)
	id, err := f.org.AddUser(User{Username: "new@acme.example", LastName: "Neu", IsActive: true})
	if err != nil {
		t.Fatal(err)
	}
	a := f.rows("SELECT Id, Username, Alias, Profile.Name, CreatedDate, SystemModstamp FROM User WHERE Id > '" + last + "' ORDER BY Id")
	if len(a.Records) != 1 || a.Records[0]["Id"] != id || a.Records[0]["CreatedDate"] != a.Records[0]["SystemModstamp"] {
		t.Errorf("got %v, want %s", a.Records, id)
	}
	if n := f.count("SELECT COUNT() FROM UserLogin WHERE UserId = '" + id + "'"); n != 0 {
		t.Errorf("%d logins of someone who never logged in", n)
	}
	if f.org.Len() != 12 {
		t.Errorf("Len: got %d", f.org.Len())
	}
}

func TestFreezeTouchesOnlyUserLogin(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 40, Plain: true, Now: c.now})
	id := f.org.gen.id(20)
	before, _ := f.org.User(id)
	if err := f.org.Freeze(id); err != nil {
		t.Fatal(err)
	}
	after, _ := f.org.User(id)
	if !after.SystemModstamp.Equal(before.SystemModstamp) || !after.IsActive {
		t.Errorf("freezing changed the user: %+v", after)
	}
	a := f.rows("SELECT UserId, IsFrozen, User.Username, LastModifiedDate FROM UserLogin WHERE IsFrozen = true")
	if len(a.Records) != 1 || a.Records[0]["UserId"] != id || a.Records[0]["LastModifiedDate"] != "2026-03-01T12:00:00.000+0000" ||
		a.Records[0]["User"].(map[string]any)["Username"] != before.Username {
		t.Errorf("got %v", a.Records)
	}
	if n := f.count("SELECT COUNT() FROM UserLogin WHERE LastModifiedDate >= " + iso(c.now())); n != 1 {
		t.Errorf("logins changed now: got %d", n)
	}
	if err := f.org.Unfreeze(id); err != nil {
		t.Fatal(err)
	}
	if n := f.count("SELECT COUNT() FROM UserLogin WHERE IsFrozen = true"); n != 0 {
		t.Errorf("after Unfreeze: got %d", n)
	}
}

func TestRenamesTouchNoUser(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 40, Plain: true, Now: c.now})
	id := f.org.ProfileID("Sales Rep")
	role := f.org.RoleID("VP Sales")
	if err := errors.Join(f.org.RenameProfile(id, "Hunter"), f.org.RenameRole(role, "VP Verkauf")); err != nil {
		t.Fatal(err)
	}
	if f.org.ProfileID("Sales Rep") != "" || f.org.ProfileID("Hunter") != id {
		t.Error("the profile has its old name")
	}
	if n := f.count("SELECT COUNT() FROM User WHERE Profile.Name = 'hunter'"); n == 0 {
		t.Error("nobody has the renamed profile")
	}
	if n := f.count("SELECT COUNT() FROM User WHERE SystemModstamp >= " + iso(c.now())); n != 0 {
		t.Errorf("renaming stamped %d users", n)
	}
	if n := f.count("SELECT COUNT() FROM Profile WHERE SystemModstamp >= " + iso(c.now())); n != 1 {
		t.Errorf("renaming stamped %d profiles", n)
	}
	if err := f.org.RenameRole("00E000000000000", "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("rename of nothing: %v", err)
	}
}

func TestMassUpdateTiesThousands(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 6000, Plain: true, Now: c.now})
	var ids []string
	for i := 1; i <= 5000; i++ {
		ids = append(ids, f.org.gen.id(i))
	}
	if err := f.org.MassUpdate(ids, func(u *User) { u.Division = "Ties" }); err != nil {
		t.Fatal(err)
	}
	at := iso(c.now())
	if n := f.count("SELECT COUNT() FROM User WHERE SystemModstamp = " + at); n != 5000 {
		t.Errorf("got %d users of one stamp", n)
	}
	// The keyset of stamp and id pages through the tie.
	seen, id := map[string]bool{}, "000000000000000"
	for {
		a := f.rows("SELECT Id FROM User WHERE (SystemModstamp = " + at + " AND Id > '" + id + "') OR SystemModstamp > " + at +
			" ORDER BY SystemModstamp, Id LIMIT 2000")
		if len(a.Records) == 0 {
			break
		}
		for _, r := range a.Records {
			id = r["Id"].(string)
			seen[id] = true
		}
	}
	if len(seen) != 5000 {
		t.Errorf("paged through %d", len(seen))
	}
	if err := f.org.MassUpdate([]string{ids[0], "005000000000000"}, func(u *User) { u.Division = "No" }); err == nil {
		t.Error("an update of an unknown user passed")
	}
	if u, _ := f.org.User(ids[0]); u.Division != "Ties" {
		t.Error("half of a failed transaction stayed")
	}
}

func TestLateCommit(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 40, Plain: true, Now: c.now})
	id, stamp := f.org.gen.id(10), iso(c.now())
	start := c.now().Truncate(time.Minute)
	if err := f.org.LateCommit(7*time.Minute, []string{id}, func(u *User) { u.Title = "late" }); err != nil {
		t.Fatal(err)
	}
	tx := f.org.Begin()
	added, err := tx.AddUser(User{Username: "late@acme.example", LastName: "Late"})
	if err != nil {
		t.Fatal(err)
	}
	c.add(2 * time.Minute)
	if err := f.org.Update(f.org.gen.id(11), func(u *User) { u.Title = "prompt" }); err != nil {
		t.Fatal(err)
	}
	since := "SELECT Id, Title, SystemModstamp FROM User WHERE SystemModstamp >= " + stamp + " ORDER BY Id"
	if a := f.rows(since); len(a.Records) != 1 || a.Records[0]["Title"] != "prompt" {
		t.Errorf("before the commit: got %v", a.Records)
	}
	covered := func() string {
		var got struct{ LatestDateCovered string }
		q := url.Values{"start": {iso(start.Add(-time.Hour))}, "end": {iso(c.now().Add(time.Minute))}}
		f.get(v66+"/sobjects/User/updated/?"+q.Encode()).decode(t, &got)
		return got.LatestDateCovered
	}
	if got, want := covered(), start.Format(datetimeLayout); got != want {
		t.Errorf("latestDateCovered with an open transaction: got %s, want its start %s", got, want)
	}
	if n := f.count("SELECT COUNT() FROM User WHERE Id = '" + added + "'"); n != 0 {
		t.Error("an uncommitted row is seen")
	}
	tx.Commit()
	c.add(5 * time.Minute) // now the first is due
	a := f.rows(since)
	var got []string
	for _, r := range a.Records {
		got = append(got, fmt.Sprint(r["Title"], r["SystemModstamp"]))
	}
	want := []string{"late2026-03-01T12:00:00.000+0000", "prompt2026-03-01T12:02:00.000+0000", "<nil>2026-03-01T12:00:00.000+0000"}
	if !slices.Equal(got, want) {
		t.Errorf("after the commits: got %q, want %q", got, want)
	}
	if got, want := covered(), c.now().Truncate(time.Minute).Format(datetimeLayout); got != want {
		t.Errorf("latestDateCovered when all is committed: got %s, want %s", got, want)
	}

	rolled := f.org.Begin()
	if err := rolled.Update(id, func(u *User) { u.Title = "never" }); err != nil {
		t.Fatal(err)
	}
	rolled.Rollback()
	rolled.Commit()
	if u, _ := f.org.User(id); u.Title != "late" {
		t.Errorf("a rolled back edit is seen: %q", u.Title)
	}
}

func TestUpdatedAndDeleted(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 400, Now: c.now})
	now := c.now()
	if err := f.org.MassUpdate([]string{f.org.gen.id(30), f.org.gen.id(20)}, func(u *User) { u.Title = "x" }); err != nil {
		t.Fatal(err)
	}
	ask := func(what string, start, end string) result {
		return f.get(v66 + "/sobjects/User/" + what + "?start=" + url.QueryEscape(start) + "&end=" + url.QueryEscape(end))
	}
	at := func(d time.Duration) string { return now.Add(d).Format("2006-01-02T15:04:05+00:00") }
	var got struct{ IDs []string }
	ask("updated", at(-time.Minute), at(time.Minute)).decode(t, &got)
	if !slices.Equal(got.IDs, []string{f.org.gen.id(20), f.org.gen.id(30)}) {
		t.Errorf("got %v", got.IDs)
	}
	ask("updated", at(-29*24*time.Hour), at(time.Minute)).decode(t, &got)
	if n := f.count("SELECT COUNT() FROM User WHERE SystemModstamp >= " + iso(now.Add(-29*24*time.Hour))); n != len(got.IDs) || n < 3 {
		t.Errorf("29 days: got %d ids, the query %d", len(got.IDs), n)
	}
	if res := ask("deleted", at(-time.Hour), at(0)); !strings.HasPrefix(res.body, `{"deletedRecords":[],"earliestDateAvailable":"`) {
		t.Errorf("deleted: got %s", res.body)
	}
	for name, res := range map[string]result{
		"same minute":       ask("updated", at(0), at(0)),
		"backwards":         ask("updated", at(time.Hour), at(0)),
		"31 days":           ask("updated", at(-31*24*time.Hour), at(0)),
		"16 days deleted":   ask("deleted", at(-16*24*time.Hour), at(0)),
		"no zone":           ask("updated", "2026-03-01T00:00:00", at(0)),
		"plus not escaped":  f.get(v66 + "/sobjects/User/updated?start=2026-03-01T00:00:00+00:00&end=2026-03-01T12:00:00+00:00"),
		"missing arguments": f.get(v66 + "/sobjects/User/updated"),
	} {
		if res.code() != "INVALID_REPLICATION_DATE" {
			t.Errorf("%s: got %d %s", name, res.status, res.body)
		}
	}
	if res := f.get(v66 + "/sobjects/Profile/updated"); res.code() != "INVALID_TYPE" {
		t.Errorf("Profile: got %d %s", res.status, res.body)
	}
}

func TestChurnKeepsTheOrgConsistent(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 200, Seed: 8, Now: c.now})
	r := rand.New(rand.NewPCG(1, 2))
	kinds := map[ChurnKind]int{}
	for range 2000 {
		c.add(time.Second)
		e, err := f.org.Churn(r)
		if err != nil {
			t.Fatal(err)
		}
		kinds[e.Kind]++
	}
	for _, k := range []ChurnKind{Joined, Moved, Renamed, Left, Returned, Frozen, Thawed, LoggedIn} {
		if kinds[k] == 0 {
			t.Errorf("nobody %s: %v", k, kinds)
		}
	}
	names := map[string]bool{}
	for u := range f.org.Users() {
		if names[u.Username] {
			t.Fatalf("user name %s twice", u.Username)
		}
		names[u.Username] = true
	}
	if want := 205 + kinds[Joined]; len(names) != want || f.org.Len() != want || f.count("SELECT COUNT() FROM User") != want {
		t.Errorf("%d users, Len %d, want %d", len(names), f.org.Len(), want)
	}
	tally := f.org.Tally()
	if got := f.count("SELECT COUNT() FROM User WHERE IsActive = true AND UserType = 'Standard' AND Profile.UserLicense.Name = 'Salesforce'"); got != tally.ActiveSalesforce {
		t.Errorf("in scope: tally %d, query %d", tally.ActiveSalesforce, got)
	}
}

func TestChurnOfAnEmptyOrg(t *testing.T) {
	o := New(Options{})
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		if _, err := o.Churn(r); err != nil {
			t.Fatal(err)
		}
	}
	if o.Len() < 10 {
		t.Errorf("after 100 events the org has %d users", o.Len())
	}
}

// A transaction that is refused leaves the user names as they were.
func TestRefusedTransactionTakesNoNames(t *testing.T) {
	o := New(Options{Users: 10, Plain: true})
	var ids, names []string
	for u := range o.Users() {
		ids, names = append(ids, u.ID), append(names, u.Username)
	}
	err := o.MassUpdate(ids[2:4], func(u *User) { u.Username = "same@acme.example" })
	if !errors.Is(err, ErrDuplicateUsername) {
		t.Errorf("got %v", err)
	}
	if err := o.MassUpdate([]string{ids[2], "005000000000000AAA"}, func(u *User) { u.Username = "same@acme.example" }); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := o.AddUser(User{Username: names[2], LastName: "Twin"}); !errors.Is(err, ErrDuplicateUsername) {
		t.Errorf("a name that is taken: got %v", err)
	}
	if _, err := o.AddUser(User{Username: "same@acme.example", LastName: "New"}); err != nil {
		t.Errorf("a name that is free: got %v", err)
	}
}
