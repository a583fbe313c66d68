package crm

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testPage = `{"totalSize":2,"done":true,"records":[
 {"attributes":{"type":"User","url":"/services/data/v66.0/sobjects/User/0055f00000GBZR4AAP"},
  "Id":"0055f00000GBZR4AAP","Username":"jane@example.com","Email":"jane@example.com","FirstName":null,"IsActive":true,"UserType":"Standard",
  "Profile":{"attributes":{"type":"Profile","url":"x"},"Name":"Standard User","UserLicense":{"attributes":{"type":"UserLicense","url":"x"},"Name":"Salesforce"}},
  "UserRole":null,"Manager":{"attributes":{"type":"User","url":"x"},"Email":"boss@example.com"},
  "Title":"a \"b\" \u00e9\n","SystemModstamp":"2026-01-01T00:00:00.000+0000","Team__c":"Blue","Level__c":12.0,"Remote__c":true,"Note__c":null,"NewKey":{"a":[1,{"b":2}]}},
 {"attributes":{"type":"User","url":"x"},
  "Id":"005R0000000UyrWIAS","Username":"bo@example.com","Email":"bo@example.com","FirstName":"Bo","IsActive":false,"UserType":null,
  "Profile":null,"UserRole":{"Name":"Reps"},"Manager":null,
  "Title":null,"SystemModstamp":"2026-02-03T04:05:06.789+0000","Team__c":"","Level__c":null,"Remote__c":false,"Note__c":null}]}`

var testFields = []string{
	"FirstName", "Profile.Name", "Profile.UserLicense.Name", "UserRole.Name", "Manager.Email", "Title",
	"Team__c", "Level__c", "Remote__c", "Note__c",
}

func testDecoder(t testing.TB, fields []string) *decoder {
	sel, err := newSelection(fields, nil)
	if err != nil {
		t.Fatal(err)
	}
	return newDecoder(sel)
}

func TestDecodePage(t *testing.T) {
	d := testDecoder(t, testFields)
	want := []User{
		{
			ID: "0055f00000GBZR4AAP", Username: "jane@example.com", Email: "jane@example.com", IsActive: true, UserType: "Standard",
			Profile: Profile{Name: "Standard User", UserLicense: UserLicense{Name: "Salesforce"}}, Manager: Manager{Email: "boss@example.com"},
			Title: "a \"b\" é\n", SystemModstamp: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
			Custom: map[string]any{"Team__c": "Blue", "Level__c": 12.0, "Remote__c": true},
		},
		{
			ID: "005R0000000UyrWIAS", Username: "bo@example.com", Email: "bo@example.com", FirstName: "Bo",
			UserRole: UserRole{Name: "Reps"}, SystemModstamp: time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC),
			Custom: map[string]any{"Remote__c": false},
		},
	}
	var buf []User
	for range 3 { // a decoder and a buffer are used again
		got, head, err := d.page(iotest.OneByteReader(strings.NewReader(testPage)), buf[:0], 10)
		if err != nil || !head.done || head.total != 2 {
			t.Fatalf("got %+v, %v", head, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		buf = got
	}
}

func TestDecodePageOddTexts(t *testing.T) {
	tests := []struct{ in, want string }{
		{`nul \u0000 within`, "nul  within"},
		{`\u0000`, ""},
		{`cut emoji \ud83d`, "cut emoji \ufffd"},
		{`cut \ud83d\u0041\n`, "cut \ufffdA\n"},
		{`\udc00 low half`, "\ufffd low half"},
		{`whole \ud83d\ude00`, "whole 😀"},
	}
	d := testDecoder(t, testFields)
	for _, tt := range tests {
		page := strings.Replace(testPage, `a \"b\" \u00e9\n`, tt.in, 1)
		page = strings.Replace(page, `"Blue"`, `"`+tt.in+`"`, 1)
		got, _, err := d.page(strings.NewReader(page), nil, 10)
		if err != nil || len(got) != 2 {
			t.Errorf("%q: got %d rows, %v", tt.in, len(got), err)
			continue
		}
		custom, _ := got[0].Custom["Team__c"].(string)
		if got[0].Title != tt.want || custom != tt.want {
			t.Errorf("%q: got %q and %q, want %q", tt.in, got[0].Title, custom, tt.want)
		}
	}
}

func TestDecodePageCutAnywhere(t *testing.T) {
	d := testDecoder(t, testFields)
	for i := range len(testPage) {
		if _, _, err := d.page(strings.NewReader(testPage[:i]), nil, 10); err == nil {
			t.Fatalf("a page cut after %d of %d bytes is accepted", i, len(testPage))
		}
	}
}

func TestDecodePageRefuses(t *testing.T) {
	tests := []struct{ name, old, new string }{
		{"rows fewer than totalSize", `"totalSize":2`, `"totalSize":3`},
		{"rows more than totalSize", `"totalSize":2`, `"totalSize":1`},
		{"no totalSize", `"totalSize":2,`, ``},
		{"totalSize negative", `"totalSize":2`, `"totalSize":-1`},
		{"no done", `"done":true,`, ``},
		{"done a text", `"done":true`, `"done":"true"`},
		{"no records", `"records"`, `"record"`},
		{"records null", `"records":[`, `"records":null,"x":[`},
		{"a field gone", `"Email":"bo@example.com",`, ``},
		{"a parent gone", `"Profile":null,`, ``},
		{"a parent's field gone", `"UserRole":{"Name":"Reps"}`, `"UserRole":{}`},
		{"a custom field gone", `"Team__c":"",`, ``},
		{"text for boolean", `"IsActive":false`, `"IsActive":"false"`},
		{"number for text", `"FirstName":"Bo"`, `"FirstName":7`},
		{"object for text", `"FirstName":"Bo"`, `"FirstName":{}`},
		{"text for parent", `"UserRole":{"Name":"Reps"}`, `"UserRole":"Reps"`},
		{"compound custom field", `"Team__c":""`, `"Team__c":{"city":"x"}`},
		{"bad time", `2026-02-03T04:05:06.789+0000`, `yesterday`},
		{"impossible time", `2026-02-03T04:05:06.789+0000`, `2026-02-30T04:05:06.789+0000`},
		{"no stamp", `"2026-02-03T04:05:06.789+0000"`, `null`},
		{"bad id", `"Id":"005R0000000UyrWIAS"`, `"Id":"005R"`},
		{"null id", `"Id":"005R0000000UyrWIAS"`, `"Id":null`},
		{"the same row twice", `"Id":"005R0000000UyrWIAS"`, `"Id":"0055f00000GBZR4AAP"`},
		{"text after", `"Note__c":null}]}`, `"Note__c":null}]}{}`},
		{"broken UTF-8", `"FirstName":"Bo"`, "\"FirstName\":\"B\xff\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := strings.LastIndex(testPage, tt.old)
			if i < 0 {
				t.Fatalf("%q is not in the page", tt.old)
			}
			page := testPage[:i] + tt.new + testPage[i+len(tt.old):]
			if _, _, err := testDecoder(t, testFields).page(strings.NewReader(page), nil, 10); err == nil {
				t.Error("it is accepted")
			}
		})
	}
}

func TestDecodePageLimits(t *testing.T) {
	if _, _, err := testDecoder(t, testFields).page(strings.NewReader(testPage), nil, 1); !errors.Is(err, errShape) {
		t.Errorf("got %v for more rows than asked for", err)
	}
	undone := strings.Replace(testPage, `"totalSize":2,"done":true`, `"totalSize":9,"done":false`, 1)
	if got, head, err := testDecoder(t, testFields).page(strings.NewReader(undone), nil, 10); err != nil || head.done || len(got) != 2 {
		t.Errorf("got %d rows, %+v, %v; want 2, not done", len(got), head, err)
	}
	if _, _, err := testDecoder(t, testFields).page(strings.NewReader(`{"totalSize":9,"done":false,"records":[]}`), nil, 10); err == nil {
		t.Error("no rows, yet not done, is accepted")
	}
	if got, head, err := testDecoder(t, testFields).page(strings.NewReader(`{"records":[],"done":true,"totalSize":0}`), nil, 10); err != nil || len(got) != 0 || head.total != 0 {
		t.Errorf("got %v, %+v, %v for an empty page", got, head, err)
	}
}

func TestParseTime(t *testing.T) {
	want := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, in := range []string{
		"2026-02-03T04:05:06.000+0000", "2026-02-03T04:05:06.000Z", "2026-02-03T04:05:06Z", "2026-02-03T04:05:06+00:00",
		"2026-02-03T05:05:06.000+0100", "2026-02-02T20:05:06-08:00",
	} {
		if got, err := parseTime([]byte(in)); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("parseTime(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	if got := soqlTime(want.In(time.FixedZone("", 3600))); got != "2026-02-03T04:05:06.000Z" {
		t.Errorf("soqlTime = %s", got)
	}
}

func TestUserJSONIsStable(t *testing.T) {
	users, _, err := testDecoder(t, testFields).page(strings.NewReader(testPage), nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		first, err := stdjson.Marshal(u)
		if err != nil {
			t.Fatal(err)
		}
		var back User
		if err := stdjson.Unmarshal(first, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(u, back); diff != "" {
			t.Error(diff)
		}
		if again, _ := stdjson.Marshal(back); !bytes.Equal(first, again) {
			t.Errorf("%s became %s", first, again)
		}
	}
	if got, _ := stdjson.Marshal(User{ID: "0055f00000GBZR4AAP"}); string(got) != `{"Id":"0055f00000GBZR4AAP","IsActive":false}` {
		t.Errorf("got %s: empty fields are written", got)
	}
}

func FuzzDecodePage(f *testing.F) {
	f.Add([]byte(testPage))
	f.Add([]byte(`{"totalSize":0,"done":true,"records":[]}`))
	f.Add([]byte(`[{"message":"x","errorCode":"INVALID_FIELD"}]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		d := testDecoder(t, testFields)
		users, head, err := d.page(bytes.NewReader(in), nil, 10)
		if err != nil {
			return
		}
		if !stdjson.Valid(in) {
			t.Errorf("accepted what is not JSON")
		}
		if len(users) > head.total || head.done && len(users) != head.total {
			t.Errorf("accepted %d rows of %d", len(users), head.total)
		}
		for _, u := range users {
			if id, err := ParseID(u.ID); err != nil || id != u.ID || u.SystemModstamp.IsZero() {
				t.Errorf("accepted %+v", u)
			}
		}
		again, _, err := d.page(bytes.NewReader(in), nil, 10)
		if err != nil || !cmp.Equal(users, again) {
			t.Errorf("a second reading differs: %v", err)
		}
	})
}

// benchPage is a page of n users with every standard field.
func benchPage(n, from int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"totalSize":%d,"done":true,"records":[`, n)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		id, _ := ParseID(fmt.Sprintf("0055f%010d", from+i)) // it is well formed
		fmt.Fprintf(&b, `{"attributes":{"type":"User","url":"/services/data/v66.0/sobjects/User/%[1]s"},"Id":"%[1]s",`+
			`"Username":"rep%[2]d@example.com","Email":"rep%[2]d@example.com","FirstName":"First%[2]d","LastName":"Last%[2]d","Name":"First%[2]d Last%[2]d","Alias":"rep%[2]d",`+
			`"IsActive":true,"UserType":"Standard","ProfileId":"00e5f000000Abc1AAC","Profile":{"attributes":{"type":"Profile","url":"/x"},"Name":"Sales %[3]d","UserLicense":{"attributes":{"type":"UserLicense","url":"/x"},"Name":"Salesforce"}},`+
			`"UserRoleId":"00E5f000000Abc1AAC","UserRole":{"attributes":{"type":"UserRole","url":"/x"},"Name":"Reps %[3]d","DeveloperName":"Reps_%[3]d"},"ManagerId":"0055f000005mc66AAA","Manager":{"attributes":{"type":"User","url":"/x"},"Name":"Boss","Email":"boss@example.com"},`+
			`"Department":"Sales","Division":null,"Title":"Rep","CompanyName":null,"EmployeeNumber":"%[2]d","FederationIdentifier":"fed%[2]d","Phone":"(415) 555-0100","MobilePhone":null,"Extension":"%[2]d",`+
			`"City":"Denver","State":"Colorado","StateCode":"CO","PostalCode":"80202","Country":"United States","CountryCode":"US","TimeZoneSidKey":"America/Denver","LocaleSidKey":"en_US","LanguageLocaleKey":"en_US",`+
			`"CallCenterId":null,"UserPermissionsCallCenterAutoLogin":false,"CreatedDate":"2024-01-01T00:00:00.000+0000","LastModifiedDate":"2026-01-01T00:00:00.000+0000","SystemModstamp":"2026-01-01T00:00:00.000+0000"}`,
			id, i, i%40)
	}
	b.WriteString("]}")
	return b.Bytes()
}

// TestSnapshotMemoryIsFlat reads 160,000 users from two pages that come in turn.
func TestSnapshotMemoryIsFlat(t *testing.T) {
	const pages = 80
	undone := bytes.Replace(benchPage(maxPage, 0), []byte(`"totalSize":2000,"done":true`), []byte(`"totalSize":2001,"done":false`), 1)
	bodies := [][]byte{undone, bytes.ReplaceAll(undone, []byte(`"Id":"0055f0`), []byte(`"Id":"0055f1`)), benchPage(1, maxPage)}
	served := 0
	base := roundTrip(func(r *http.Request) (*http.Response, error) {
		header := map[string]string{"Date": "Fri, 05 Mar 2021 00:00:00 GMT"}
		switch {
		case r.URL.Path == tokenPath:
			return reply(200, header, `{"access_token":"t","instance_url":"https://acme.my.salesforce.com","id":"https://login.salesforce.com/id/`+testOrg+"/"+testUser+`"}`), nil
		case strings.Contains(r.URL.RawQuery, "COUNT"):
			return reply(200, header, `{"totalSize":7,"done":true,"records":[]}`), nil
		}
		body := bodies[served%2]
		if served++; served > pages {
			body = bodies[2]
		}
		resp := reply(200, header, "")
		resp.Body = io.NopCloser(bytes.NewReader(body))
		return resp, nil
	})
	c, err := New(Config{LoginURL: "https://login.salesforce.com", ClientID: "key", Username: "sync@example.com", PrivateKey: testKey()}, Options{Transport: base, RatePerSecond: -1})
	if err != nil {
		t.Fatal(err)
	}
	var least, most uint64
	n := 0
	for page, err := range c.SnapshotPages(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%20 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if least == 0 {
				least = m.HeapAlloc
			}
			most = max(most, m.HeapAlloc)
		}
		if page.Last && page.Cursor.Seen != pages*maxPage+1 {
			t.Errorf("saw %d", page.Cursor.Seen)
		}
	}
	if n != pages+1 {
		t.Errorf("got %d pages", n)
	}
	// The 120,000 users between the first look and the last would be over 100 MB.
	if most > least+20<<20 {
		t.Errorf("the heap grew from %d to %d bytes", least, most)
	}
}
