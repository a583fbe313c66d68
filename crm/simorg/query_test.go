package simorg

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRecordShape(t *testing.T) {
	f := serve(t, Options{Users: 30, Plain: true})
	id := f.org.gen.id(20)
	err := f.org.Update(id, func(u *User) {
		u.FirstName, u.LastName, u.Phone, u.UserRoleID = "", "Ό\"\\\n\x01é𠮷", "", ""
		u.LastLoginDate = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	})
	if err != nil {
		t.Fatal(err)
	}
	res := f.soql("SELECT Phone, id, Name, UserRole.Name, profile.userlicense.name, Profile.Name, IsActive, LastLoginDate, Hire_Date__c, Manager.Email, Address, Quota__c FROM User WHERE Id = '" + id + "'")
	boss := f.org.gen.user(1 + 19/9)
	prof := f.org.gen.profile(20)
	u, _ := f.org.User(id)
	quota, _ := json.Marshal(u.Quota)
	if !strings.Contains(string(quota), ".") {
		quota = append(quota, ".0"...)
	}
	profName := f.org.cell(profiles, "Id", prof, "Name").s
	lic := f.org.cell(profiles, "Id", prof, "UserLicenseId").s
	at := func(typ, id string) string {
		return `"attributes":{"type":"` + typ + `","url":"/services/data/v66.0/sobjects/` + typ + `/` + id + `"}`
	}
	want := `{"totalSize":1,"done":true,"records":[{` + at("User", id) + `,"Phone":null,"Id":"` + id + `","Name":"Ό\"\\\n\u0001é𠮷","UserRole":null,` +
		`"Profile":{` + at("Profile", prof) + `,"UserLicense":{` + at("UserLicense", lic) + `,"Name":"Salesforce"},"Name":"` + profName + `"},` +
		`"IsActive":true,"LastLoginDate":"2026-01-02T03:04:05.000+0000","Hire_Date__c":"` + u.HireDate.Format(dateLayout) + `",` +
		`"Manager":{` + at("User", boss.ID) + `,"Email":"` + boss.Email + `"},` +
		`"Address":{"city":"` + u.City + `","country":"` + u.Country + `","geocodeAccuracy":null,"latitude":null,"longitude":null,"postalCode":"` + u.PostalCode +
		`","state":` + string(textValue(u.State).appendJSON(nil)) + `,"street":"` + u.Street + `"},"Quota__c":` + string(quota) + `}]}`
	if diff := cmp.Diff(want, res.body); diff != "" {
		t.Errorf("record:\n%s", diff)
	}
}

func TestOrderBy(t *testing.T) {
	f := serve(t, Options{Users: 800, Seed: 2})
	type key struct{ dept, id string }
	keys := func(q string) (out []key) {
		for _, r := range f.rows(q).Records {
			d, _ := r["Department"].(string)
			out = append(out, key{strings.ToLower(d), r["Id"].(string)})
		}
		return out
	}
	for _, tt := range []struct {
		order string
		less  func(a, b key) bool
	}{
		{"Department, Id", func(a, b key) bool { return a.dept < b.dept || a.dept == b.dept && a.id < b.id }},
		{"Department NULLS LAST, Id DESC", func(a, b key) bool {
			if (a.dept == "") != (b.dept == "") {
				return b.dept == ""
			}
			return a.dept < b.dept || a.dept == b.dept && a.id > b.id
		}},
		{"Department DESC, Id ASC", func(a, b key) bool {
			if (a.dept == "") != (b.dept == "") {
				return a.dept == ""
			}
			return a.dept > b.dept || a.dept == b.dept && a.id < b.id
		}},
		{"Id DESC", func(a, b key) bool { return a.id > b.id }},
		{"Profile.Name, Id", nil},
	} {
		got := keys("SELECT Id, Department FROM User ORDER BY " + tt.order)
		if len(got) != 805 {
			t.Fatalf("%s: got %d rows", tt.order, len(got))
		}
		if tt.less != nil && !sort.SliceIsSorted(got, func(i, j int) bool { return tt.less(got[i], got[j]) }) {
			t.Errorf("%s: not in order: %v…", tt.order, got[:10])
		}
		limited := keys("SELECT Id, Department FROM User ORDER BY " + tt.order + " LIMIT 10 OFFSET 40")
		if !slices.Equal(limited, got[40:50]) {
			t.Errorf("%s: LIMIT 10 OFFSET 40 is not rows 40 to 50", tt.order)
		}
	}
}

// Bounds read off the conditions may never change what a query returns.
func TestNarrowingChangesNothing(t *testing.T) {
	c := newClock()
	o := New(Options{Users: 400, Seed: 4, Now: c.now})
	for i := range 60 {
		c.add(time.Duration(i%3) * time.Second)
		if err := o.Update(o.gen.id((i*37)%400), func(u *User) { u.Title = "x" }); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		term := rapid.Custom(func(t *rapid.T) string {
			op := rapid.SampledFrom([]string{"=", "!=", "<", "<=", ">", ">="}).Draw(t, "op")
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				return fmt.Sprintf("Id %s '%s'", op, makeID("005", idBase+uint64(rapid.IntRange(-20, 3000).Draw(t, "n"))))
			case 1:
				return fmt.Sprintf("Id IN ('%s','%s')", o.gen.id(rapid.IntRange(0, 500).Draw(t, "a")), o.gen.id(rapid.IntRange(0, 400).Draw(t, "b")))
			case 2:
				at := c.now().Add(-time.Duration(rapid.IntRange(-3, 90).Draw(t, "s")) * time.Second)
				return fmt.Sprintf("%s %s %s", rapid.SampledFrom([]string{"SystemModstamp", "LastModifiedDate"}).Draw(t, "f"), op, iso(at))
			case 3:
				at := c.now().Add(-time.Duration(rapid.IntRange(0, 90).Draw(t, "d")) * 24 * time.Hour)
				return fmt.Sprintf("SystemModstamp %s %s", op, iso(at))
			case 4:
				return "UserType " + map[bool]string{true: "=", false: "!="}[rapid.Bool().Draw(t, "eq")] + " 'standard'"
			default:
				return "Manager.Title = 'X'"
			}
		})
		terms := rapid.SliceOfN(term, 1, 4).Draw(t, "terms")
		join := rapid.SampledFrom([]string{" AND ", " OR "}).Draw(t, "join")
		soql := "SELECT Id FROM User WHERE " + strings.Join(terms, join)
		st, bad := parseSOQL(soql)
		if bad != nil {
			t.Fatal(bad)
		}
		q, bad := o.bind(st)
		if bad != nil {
			t.Fatal(bad)
		}
		plain := *q
		plain.ids, plain.since, plain.before = idRange{}, 0, 0
		got, want := q.rows(&o.live), plain.rows(&o.live)
		if !slices.Equal(got, want) {
			t.Fatalf("%s: got %d rows %v, want %d rows", soql, len(got), got, len(want))
		}
		if n := q.total(&o.live); n != len(want) {
			t.Fatalf("%s: COUNT() is %d, want %d", soql, n, len(want))
		}
	})
}

func TestLocatorPages(t *testing.T) {
	f := serve(t, Options{Users: 995, Seed: 6})
	res := f.soql("SELECT Id, Title, Profile.Name FROM User", "Sforce-Query-Options", "batchSize=300")
	var seen []string
	for n := 0; ; n++ {
		var a answer
		res.decode(t, &a)
		if a.TotalSize != 1000 {
			t.Fatalf("page %d: totalSize %d, want 1000 on each", n, a.TotalSize)
		}
		for _, r := range a.Records {
			if r["Title"] == "changed meanwhile" {
				t.Fatalf("page %d shows an edit made after the query", n)
			}
			seen = append(seen, r["Id"].(string))
		}
		if a.Done {
			if a.NextRecordsURL != "" || n != 3 || len(a.Records) != 100 {
				t.Errorf("last page %d: next %q, %d records", n, a.NextRecordsURL, len(a.Records))
			}
			break
		}
		if want := fmt.Sprintf("-%d", 300*(n+1)); !strings.HasPrefix(a.NextRecordsURL, v66+"/query/0r8") || !strings.HasSuffix(a.NextRecordsURL, want) {
			t.Fatalf("nextRecordsUrl: got %q, want …%s", a.NextRecordsURL, want)
		}
		if n == 0 {
			if err := f.org.MassUpdate([]string{f.org.gen.id(500), f.org.gen.id(900)}, func(u *User) { u.Title = "changed meanwhile" }); err != nil {
				t.Fatal(err)
			}
			if _, err := f.org.AddUser(User{Username: "late@acme.example", LastName: "Late"}); err != nil {
				t.Fatal(err)
			}
		}
		again := f.get(a.NextRecordsURL, "Sforce-Query-Options", "batchSize=300")
		res = f.get(a.NextRecordsURL, "Sforce-Query-Options", "batchSize=300")
		if again.body != res.body {
			t.Fatal("the same page read twice differs")
		}
	}
	if slices.Sort(seen); len(slices.Compact(seen)) != 1000 {
		t.Errorf("got %d distinct ids", len(slices.Compact(seen)))
	}
}

func TestBatchSizeBounds(t *testing.T) {
	f := serve(t, Options{Users: 2500, Plain: true})
	for header, want := range map[string]int{"": 2000, "batchSize=1": 200, "batchSize=9999": 2000, "batchSize=250": 250, "nonsense": 2000, "x=1, BatchSize = 400": 400} {
		var a answer
		f.soql("SELECT Id FROM User", "Sforce-Query-Options", header).decode(t, &a)
		if len(a.Records) != want {
			t.Errorf("%q: got %d rows, want %d", header, len(a.Records), want)
		}
	}
	var a answer
	f.soql("SELECT Id FROM User OFFSET 100").decode(t, &a)
	if !a.Done || len(a.Records) != 2000 {
		t.Errorf("with OFFSET: done %v, %d rows; only the first batch comes", a.Done, len(a.Records))
	}
}

func TestBadLocators(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 900, Now: c.now})
	var a answer
	f.soql("SELECT Id FROM User", "Sforce-Query-Options", "batchSize=200").decode(t, &a)
	good := a.NextRecordsURL
	refuse := func(what, path string) {
		t.Helper()
		if res := f.get(path); res.status != http.StatusBadRequest || res.code() != "INVALID_QUERY_LOCATOR" {
			t.Errorf("%s: got %d %s", what, res.status, res.body)
		}
	}
	refuse("unknown", v66+"/query/0r85f0000000001AAA-200")
	refuse("malformed", v66+"/query/nonsense")
	refuse("offset zero", strings.Replace(good, "-200", "-0", 1))
	refuse("offset past the end", strings.Replace(good, "-200", "-905", 1))

	old := f.token
	f.login()
	if res := f.get(good); res.status != http.StatusOK {
		t.Errorf("a second session of the same user: got %d %s", res.status, res.body)
	}
	f.form("/services/oauth2/revoke", map[string][]string{"token": {old}})
	refuse("after the session that opened it was revoked", good)

	f.soql("SELECT Id FROM User", "Sforce-Query-Options", "batchSize=200").decode(t, &a)
	for range 47 {
		c.add(time.Hour)
		if res := f.get(v66 + "/limits"); res.status != http.StatusOK {
			t.Fatalf("keep the session alive: %d", res.status)
		}
	}
	if res := f.get(a.NextRecordsURL); res.status != http.StatusOK {
		t.Errorf("after 47 hours: got %d %s", res.status, res.body)
	}
	c.add(time.Hour)
	refuse("after two days", a.NextRecordsURL)
}

func TestLicensesCountSeats(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 100, Plain: true, Now: c.now})
	used := func() float64 {
		return f.rows("SELECT Name, UsedLicenses FROM UserLicense WHERE Name = 'Salesforce'").Records[0]["UsedLicenses"].(float64)
	}
	if got := used(); got != 100 {
		t.Errorf("got %v seats, want 100", got)
	}
	if err := f.org.Deactivate(f.org.gen.id(50)); err != nil {
		t.Fatal(err)
	}
	if got := used(); got != 100 {
		t.Errorf("got %v seats at once; they are counted with a delay", got)
	}
	c.add(time.Minute)
	if got := used(); got != 99 {
		t.Errorf("got %v seats after a minute, want 99", got)
	}
}
