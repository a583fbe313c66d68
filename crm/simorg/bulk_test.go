package simorg

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	salesforce "github.com/k-capehart/go-salesforce/v3"
)

const bulkSOQL = "SELECT Id, Username, IsActive, Street, Profile.Name, Manager.Email, Quota__c, SystemModstamp FROM User"

func jobBody(soql string, more ...string) string {
	m := map[string]string{"operation": "query", "query": soql}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	b, _ := json.Marshal(m) // strings always encode
	return string(b)
}

type jobAnswer struct {
	ID           string      `json:"id"`
	State        string      `json:"state"`
	APIVersion   json.Number `json:"apiVersion"`
	JobType      string      `json:"jobType"`
	Processed    int         `json:"numberRecordsProcessed"`
	ErrorMessage string      `json:"errorMessage"`
	CreatedByID  string      `json:"createdById"`
	Object       string      `json:"object"`
}

func (f *fixture) job(soql string, more ...string) jobAnswer {
	f.t.Helper()
	res := f.post(v66+"/jobs/query", jobBody(soql, more...))
	var j jobAnswer
	if res.status != http.StatusOK {
		f.t.Fatalf("create: got %d %s", res.status, res.body)
	}
	res.decode(f.t, &j)
	return j
}

func (f *fixture) poll(id string) (j jobAnswer) {
	f.t.Helper()
	f.get(v66+"/jobs/query/"+id).decode(f.t, &j)
	return j
}

// table reads a page of results as RFC 4180 has it.
func (r result) table(t testing.TB) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(r.body)).ReadAll()
	if err != nil {
		t.Fatalf("%v in %.200q", err, r.body)
	}
	return rows
}

func TestIndependentClientReadsBulk(t *testing.T) {
	f := serve(t, Options{Users: 1200, Seed: 5})
	f.org.SetBulkPage(500)
	f.org.SetBulkDelay(0)
	sf := connect(t, f, salesforce.Creds{ConsumerKey: testClient, ConsumerSecret: testSecret})
	file := filepath.Join(t.TempDir(), "users.csv")
	if err := sf.QueryBulkExport(bulkSOQL, file); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows := result{body: string(raw)}.table(t)
	if got, want := strings.Join(rows[0], ", "), strings.TrimSuffix(strings.TrimPrefix(bulkSOQL, "SELECT "), " FROM User"); got != want {
		t.Errorf("header: got %s", got)
	}
	seen := map[string]bool{}
	for _, r := range rows[1:] {
		u, err := f.org.User(r[0])
		if err != nil || seen[r[0]] || r[1] != u.Username || r[2] != strconv.FormatBool(u.IsActive) || r[3] != strings.ReplaceAll(u.Street, "\r\n", "\n") ||
			r[7] != u.SystemModstamp.UTC().Format("2006-01-02T15:04:05.000Z") || (r[4] == "") != (u.ProfileID == "") || (r[5] == "") != (u.ManagerID == "") {
			t.Fatalf("got %q, want %+v %v", r, u, err)
		}
		seen[r[0]] = true
	}
	if n := f.count("SELECT COUNT() FROM User"); len(seen) != n {
		t.Errorf("got %d rows of %d", len(seen), n)
	}
	if calls := f.org.Calls(); calls["bulk_results"] != 3 || calls["bulk_create"] != 1 {
		t.Errorf("it took %v", calls)
	}
	it, err := sf.QueryBulkIterator("SELECT Id, Profile.Name FROM User")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for it.Next() {
		var page []struct {
			ID      string `csv:"Id"`
			Profile string `csv:"Profile.Name"`
		}
		if err := it.Decode(&page); err != nil {
			t.Fatal(err)
		}
		n += len(page)
	}
	if it.Error() != nil || n != len(seen) {
		t.Errorf("iterated over %d: %v", n, it.Error())
	}
	f.org.Faults().Add(Rule{Endpoint: BulkCreate, Effect: Effect{Kind: BulkFailed, Message: "too slow"}})
	if err := sf.QueryBulkExport(bulkSOQL, file); err == nil || !strings.Contains(err.Error(), "InvalidBatch : Failed to process query: too slow") {
		t.Errorf("a failed job: got %v", err)
	}
	f.org.Faults().Clear()
	f.org.Faults().Add(Rule{Endpoint: BulkCreate, Effect: Effect{Kind: BulkAborted}})
	if err := sf.QueryBulkExport(bulkSOQL, file); err == nil || !strings.Contains(err.Error(), "aborted") {
		t.Errorf("an aborted job: got %v", err)
	}
}

func TestBulkJobLives(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 100, Plain: true, Now: c.now})
	f.org.SetBulkDelay(10 * time.Second)
	before, _ := f.org.Usage()
	j := f.job("SELECT Id, Title FROM User ORDER BY Id")
	if j.State != "UploadComplete" || j.APIVersion != "66.0" || j.Object != "User" || j.CreatedByID != f.org.gen.admin || !strings.HasPrefix(j.ID, "750") {
		t.Errorf("created: got %+v", j)
	}
	results := v66 + "/jobs/query/" + j.ID + "/results"
	c.add(5 * time.Second)
	if p := f.poll(j.ID[:15]); p.State != "InProgress" || p.Processed < 40 || p.Processed > 60 || p.JobType != "V2Query" {
		t.Errorf("at work: got %+v", p)
	}
	if res := f.get(results); res.status != 400 || res.code() != "INVALIDJOBSTATE" {
		t.Errorf("results before the end: got %d %s", res.status, res.body)
	}
	if res := f.do(http.MethodDelete, v66+"/jobs/query/"+j.ID, "", ""); res.status != 400 || res.code() != "API_ERROR" {
		t.Errorf("delete before the end: got %d %s", res.status, res.body)
	}
	if _, err := f.org.AddUser(User{Username: "late@example.com", LastName: "Late", Title: "Late"}); err != nil {
		t.Fatal(err)
	}
	if err := f.org.Update(f.org.gen.id(1), func(u *User) { u.Title = "Edited" }); err != nil {
		t.Fatal(err)
	}
	c.add(6 * time.Second)
	if p := f.poll(j.ID); p.State != "JobComplete" || p.Processed != 101 {
		t.Errorf("complete: got %+v", p)
	}
	res := f.get(results + "?maxRecords=60")
	if rows := res.table(t); len(rows) != 61 || res.header.Get("Sforce-NumberOfRecords") != "60" || rows[2][1] == "Edited" ||
		res.header.Get("Content-Type") != "text/csv; charset=UTF-8" || res.header.Get("Sforce-Limit-Info") == "" {
		t.Errorf("first page: %d rows, %v", len(rows), res.header)
	}
	next := url.QueryEscape(res.header.Get("Sforce-Locator"))
	for range 2 { // the same locator gives the same rows
		res = f.get(results + "?locator=" + next)
		if rows := res.table(t); len(rows) != 42 || rows[0][0] != "Id" || res.header.Get("Sforce-Locator") != "null" {
			t.Errorf("last page: %d rows, %v", len(rows), res.header)
		}
	}
	for path, want := range map[string]int{
		"?locator=MTAwMDA": 400, "?maxRecords=0": 400, "?maxRecords=x": 400,
	} {
		if res := f.get(results + path); res.status != want {
			t.Errorf("%s: got %d %s", path, res.status, res.body)
		}
	}
	if res := f.get(strings.Replace(results, "v66.0", "v65.0", 1)); res.status != http.StatusConflict {
		t.Errorf("another version: got %d", res.status)
	}
	if res := f.do(http.MethodPatch, v66+"/jobs/query/"+j.ID, "application/json", `{"state":"Aborted"}`); res.code() != "INVALIDJOBSTATE" {
		t.Errorf("abort after the end: got %d %s", res.status, res.body)
	}
	after, _ := f.org.Usage()
	if calls := 13; after-before != calls {
		t.Errorf("counted %d calls, want %d", after-before, calls)
	}
	c.add(7 * 24 * time.Hour)
	f.login()
	if res := f.get(results); res.status != http.StatusNotFound {
		t.Errorf("after 7 days: got %d", res.status)
	}
}

func TestBulkJobIsAbortedDeletedAndListed(t *testing.T) {
	f := serve(t, Options{Users: 10, Plain: true})
	f.org.SetBulkDelay(time.Hour)
	j := f.job("SELECT Id FROM User")
	res := f.do(http.MethodPatch, v66+"/jobs/query/"+j.ID, "application/json", `{"state":"Aborted"}`)
	if res.status != http.StatusOK || f.poll(j.ID).State != "Aborted" {
		t.Errorf("abort: got %d %s", res.status, res.body)
	}
	var list struct {
		Done    bool
		Records []jobAnswer
		Next    *string `json:"nextRecordsUrl"`
	}
	f.get(v66+"/jobs/query?jobType=V2Query").decode(t, &list)
	if !list.Done || len(list.Records) != 1 || list.Records[0].ID != j.ID || list.Next != nil {
		t.Errorf("list: got %+v", list)
	}
	if res := f.do(http.MethodDelete, v66+"/jobs/query/"+j.ID, "", ""); res.status != http.StatusNoContent || res.body != "" {
		t.Errorf("delete: got %d %s", res.status, res.body)
	}
	if res := f.do(http.MethodDelete, v66+"/jobs/query/"+j.ID, "", ""); res.status != http.StatusNotFound {
		t.Errorf("delete again: got %d", res.status)
	}
	var limits map[string]struct{ Max, Remaining int }
	f.get(v66+"/limits").decode(t, &limits)
	if l := limits["DailyBulkV2QueryJobs"]; l.Max != 10_000 || l.Remaining != 9_999 {
		t.Errorf("limits: got %+v", l)
	}
	f.org.SetBulkUsage(3, 3)
	if res := f.post(v66+"/jobs/query", jobBody("SELECT Id FROM User")); res.status != 400 || res.code() != "EXCEEDEDQUOTA" {
		t.Errorf("over the quota of jobs: got %d %s", res.status, res.body)
	}
}

func TestBulkCreateIsRefused(t *testing.T) {
	f := serve(t, Options{Users: 10, Plain: true})
	for body, want := range map[string]string{
		jobBody("SELECT COUNT() FROM User"):                              "API_ERROR",
		jobBody("SELECT Id FROM User OFFSET 5"):                          "API_ERROR",
		jobBody("SELECT Id, Address FROM User"):                          "API_ERROR",
		jobBody("SELECT Id FROM UserLogin"):                              "INVALIDENTITY",
		jobBody("SELECT Id, (SELECT Id FROM Contacts) FROM User"):        "MALFORMED_QUERY",
		jobBody("SELECT Department, COUNT(Id) FROM User GROUP BY Id"):    "MALFORMED_QUERY",
		jobBody("SELECT Nope FROM User"):                                 "INVALID_FIELD",
		jobBody(""):                                                      "MALFORMED_QUERY",
		jobBody("SELECT Id FROM User", "operation", "insert"):            "INVALIDJOB",
		jobBody("SELECT Id FROM User", "contentType", "JSON"):            "INVALIDJOB",
		jobBody("SELECT Id FROM User", "columnDelimiter", "COLON"):       "INVALIDJOB",
		jobBody("SELECT Id FROM User", "lineEnding", "CR"):               "INVALIDJOB",
		jobBody("SELECT Id FROM User", "externalIdFieldName", "Name__c"): "JSON_PARSER_ERROR",
		`{"operation":`: "JSON_PARSER_ERROR",
	} {
		if res := f.post(v66+"/jobs/query", body); res.status != 400 || res.code() != want {
			t.Errorf("%s: got %d %s, want %s", body, res.status, res.body, want)
		}
	}
	if res := f.do(http.MethodPost, v66+"/jobs/query", "", jobBody("SELECT Id FROM User")); res.status != 415 {
		t.Errorf("without a content type: got %d", res.status)
	}
	if res := f.post("/services/data/v46.0/jobs/query", jobBody("SELECT Id FROM User")); res.status != 404 {
		t.Errorf("before v47: got %d", res.status)
	}
}

func TestBulkResultsAreCSV(t *testing.T) {
	f := serve(t, Options{Users: 3, Plain: true})
	f.org.SetBulkDelay(0)
	f.org.SetBulkPage(2)
	odd := "A \"quoted\"; line,\r\nthe next\tone|`^"
	if err := f.org.Update(f.org.gen.id(2), func(u *User) { u.Title, u.DialerEnabled, u.Division = odd, true, "" }); err != nil {
		t.Fatal(err)
	}
	for name, sep := range bulkDelimiters {
		j := f.job("SELECT Id, Title, Dialer_Enabled__c, Division FROM User WHERE Title != null ORDER BY Id", "columnDelimiter", name, "lineEnding", "CRLF")
		var lines []string
		var pages struct {
			Pages []struct {
				URL string `json:"resultUrl"`
			} `json:"resultPages"`
			Done bool
		}
		f.get(v66+"/jobs/query/"+j.ID+"/resultpages").decode(t, &pages)
		for _, p := range pages.Pages {
			lines = append(lines, f.get(p.URL).body)
		}
		quoted := `"` + strings.ReplaceAll(odd, `"`, `""`) + `"`
		want := strings.Join([]string{`"` + f.org.gen.id(2) + `"`, quoted, `"true"`, `""`}, string(sep)) + "\r\n"
		if all := strings.Join(lines, ""); !pages.Done || len(pages.Pages) != 2 || !strings.Contains(all, want) || strings.Count(all, `"Dialer_Enabled__c"`) != 2 {
			t.Errorf("%s: got %q", name, all)
		}
	}
}

func TestBulkFaults(t *testing.T) {
	f := serve(t, Options{Users: 3000, Plain: true})
	f.org.SetBulkDelay(0)
	faults := f.org.Faults()
	faults.On(BulkCreate, 1, Effect{Kind: BulkStuck})
	if j := f.job("SELECT Id FROM User"); f.poll(j.ID).State != "InProgress" {
		t.Errorf("stuck: got %s", f.poll(j.ID).State)
	}
	for kind, code := range map[EffectKind]string{BulkQuota: "EXCEEDEDQUOTA", BulkDisabled: "FEATURENOTENABLED"} {
		faults.On(BulkCreate, 1, Effect{Kind: kind})
		if res := f.post(v66+"/jobs/query", jobBody("SELECT Id FROM User")); res.code() != code {
			t.Errorf("%s: got %d %s", kind, res.status, res.body)
		}
	}
	j := f.job("SELECT Id, Email FROM User")
	results := v66 + "/jobs/query/" + j.ID + "/results"
	whole := f.get(results)
	faults.On(BulkResults, 1, Effect{Kind: BulkMiscount})
	if res := f.get(results); res.header.Get("Sforce-NumberOfRecords") != "3002" || len(res.table(t)) != 3002 {
		t.Errorf("miscount: got %v", res.header)
	}
	faults.On(BulkPoll, 1, Effect{Kind: BulkProcessed, N: 5})
	if p := f.poll(j.ID); p.Processed != 3006 {
		t.Errorf("processed: got %+v", p)
	}
	for range 2 { // by its text, and by the connection; packed and plain
		faults.On(BulkResults, 1, Effect{Kind: CutBody})
		if res := f.get(results); res.err != nil || len(res.body) != len(whole.body)/2 {
			t.Errorf("cut body: got %d of %d, %v", len(res.body), len(whole.body), res.err)
		}
		faults.On(BulkResults, 1, Effect{Kind: Truncate})
		if res := f.get(results, "Accept-Encoding", "identity"); res.err == nil || len(res.body) != len(whole.body)/2 {
			t.Errorf("truncated: got %d of %d, %v", len(res.body), len(whole.body), res.err)
		}
		faults.On(BulkResults, 1, Effect{Kind: Truncate})
		if res := f.get(results); res.err == nil {
			t.Error("a truncated body read well")
		}
	}
}
