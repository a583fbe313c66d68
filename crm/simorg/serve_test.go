package simorg

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestPathsAndMethods(t *testing.T) {
	f := serve(t, Options{Users: 5})
	f.org.Faults().RetireVersion("62.0")
	id := f.org.gen.id(5)
	for _, tt := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", v66 + "/limits", 200, ""},
		{"GET", v66 + "/limits/", 200, ""},
		{"HEAD", v66 + "/limits", 200, ""},
		{"GET", v66, 200, ""},
		{"GET", "/services/data", 200, ""},
		{"GET", "/services/data/", 200, ""},
		{"GET", v66 + "//limits", 404, "NOT_FOUND"},
		{"GET", "//services/data/v66.0/limits", 404, "NOT_FOUND"},
		{"GET", v66 + "/nothing", 404, "NOT_FOUND"},
		{"GET", "/", 404, "NOT_FOUND"},
		{"GET", "/services/data/66.0/limits", 404, "NOT_FOUND"},
		{"GET", "/services/data/v66/limits", 404, "NOT_FOUND"},
		{"GET", "/services/data/v66.5/limits", 404, "NOT_FOUND"},
		{"GET", "/services/data/v99.0/limits", 404, "NOT_FOUND"},
		{"GET", "/services/data/vabc/limits", 404, "NOT_FOUND"},
		{"GET", "/services/data/v30.0/limits", 410, "GONE"},
		{"GET", "/services/data/v20.0/query?q=x", 410, "GONE"},
		{"GET", "/services/data/v62.0/limits", 410, "GONE"},
		{"POST", v66 + "/limits", 405, "METHOD_NOT_ALLOWED"},
		{"POST", v66 + "/query?q=x", 405, "METHOD_NOT_ALLOWED"},
		{"DELETE", v66 + "/sobjects/User/" + id, 405, "METHOD_NOT_ALLOWED"},
		{"PUT", v66 + "/sobjects/User/" + id, 405, "METHOD_NOT_ALLOWED"},
		{"GET", v66 + "/composite", 405, "METHOD_NOT_ALLOWED"},
		{"GET", v66 + "/sobjects/Nope/describe", 404, "NOT_FOUND"},
		{"GET", v66 + "/query", 400, "MALFORMED_QUERY"},
		{"GET", v66 + "/query/?q=" + url.QueryEscape("SELECT Id FROM User"), 200, ""},
		{"GET", v66 + "/queryAll?q=" + url.QueryEscape("SELECT Id FROM User"), 200, ""},
		{"GET", v66 + "/query?q=" + strings.Repeat("a", maxURI), 414, "URI_TOO_LONG"},
	} {
		res := f.do(tt.method, tt.path, "", "")
		if res.status != tt.status || res.code() != tt.code {
			t.Errorf("%s %.60s: got %d %.120s, want %d %s", tt.method, tt.path, res.status, res.body, tt.status, tt.code)
		}
	}
}

func TestURIOfExactlyTheLimit(t *testing.T) {
	f := serve(t, Options{})
	path := v66 + "/query?q=SELECT+Id+FROM+User"
	if res := f.get(path + strings.Repeat("+", maxURI-len(path))); res.status != http.StatusOK {
		t.Errorf("%d bytes: got %d", maxURI, res.status)
	}
	if res := f.get(path + strings.Repeat("+", maxURI-len(path)+1)); res.status != http.StatusRequestURITooLong {
		t.Errorf("%d bytes: got %d", maxURI+1, res.status)
	}
}

func TestSessionIsRequired(t *testing.T) {
	f := serve(t, Options{})
	for name, header := range map[string]string{"none": "", "garbage": "Bearer x", "basic": "Basic " + f.token, "bare": f.token} {
		f2 := *f
		f2.token = ""
		res := f2.get(v66+"/limits", "Authorization", header)
		if res.status != http.StatusUnauthorized || res.code() != "INVALID_SESSION_ID" {
			t.Errorf("%s: got %d %s", name, res.status, res.body)
		}
	}
	if used, _ := f.org.Usage(); used != 0 {
		t.Errorf("refused calls used %d of the quota", used)
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 5, Quota: 5000, Now: c.now})
	res := f.get(v66 + "/limits")
	for key, want := range map[string]string{
		"Sforce-Limit-Info": "api-usage=1/5000", "Content-Type": "application/json;charset=UTF-8",
		"Cache-Control": "no-cache,must-revalidate,max-age=0,no-store,private", "Date": c.now().Format(http.TimeFormat),
	} {
		if got := res.header.Get(key); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	if got := f.soql("SELECT Foo FROM User").header.Get("Sforce-Limit-Info"); got != "api-usage=2/5000" {
		t.Errorf("of an error: got %q", got)
	}
	if got := f.get("/services/data/").header.Get("Sforce-Limit-Info"); got != "" {
		t.Errorf("of the version list: got %q", got)
	}
}

func TestVersionList(t *testing.T) {
	f := serve(t, Options{})
	f.token = ""
	var got []map[string]string
	f.get("/services/data/").decode(t, &got)
	last := got[len(got)-1]
	want := map[string]string{"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"}
	if !maps.Equal(last, want) || got[0]["version"] != "31.0" || got[0]["label"] != "Summer '14" {
		t.Errorf("got %v … %v", got[0], last)
	}
	f.org.Faults().RetireVersion("v68.0")
	f.get("/services/data/").decode(t, &got)
	if got[len(got)-1]["version"] != "67.0" {
		t.Errorf("a retired version is listed: %v", got[len(got)-1])
	}
}

func TestDeprecatedVersionsWarn(t *testing.T) {
	f := serve(t, Options{})
	if got := f.get("/services/data/v40.0/limits").header.Get("Warning"); !strings.HasPrefix(got, "299 - ") {
		t.Errorf("v40.0: got %q", got)
	}
	if got := f.get("/services/data/v41.0/limits").header.Get("Warning"); got != "" {
		t.Errorf("v41.0: got %q", got)
	}
}

func TestSOAPLoginIsDisabled(t *testing.T) {
	f := serve(t, Options{})
	res := f.do("POST", "/services/Soap/u/54.0", "text/xml", "<x/>")
	if res.status != http.StatusInternalServerError || !strings.Contains(res.body, "<faultcode>INVALID_OPERATION</faultcode>") {
		t.Errorf("got %d %s", res.status, res.body)
	}
}

func TestGzipOnlyWhenAsked(t *testing.T) {
	f := serve(t, Options{Users: 200, Plain: true})
	plain := f.soql(canonical, "Accept-Encoding", "identity")
	if plain.header.Get("Content-Encoding") != "" {
		t.Error("compressed without being asked")
	}
	if res := f.soql(canonical, "Accept-Encoding", "gzip;q=0"); res.header.Get("Content-Encoding") != "" {
		t.Error("compressed though refused")
	}
	packed := f.soql(canonical, "Accept-Encoding", "deflate, gzip;q=0.5")
	z, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil || string(b) != plain.body || len(packed.body) > len(b)/3 {
		t.Errorf("err %v; %d bytes unpack to %d, want %d", err, len(packed.body), len(b), len(plain.body))
	}
}

func TestGzippedRequestBody(t *testing.T) {
	f := serve(t, Options{Users: 5})
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if err := json.NewEncoder(z).Encode(map[string]any{"ids": []string{f.org.gen.id(6)}, "fields": []string{"Id"}}); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	res := f.do("POST", v66+"/composite/sobjects/User", "application/json", buf.String(), "Content-Encoding", "gzip")
	if res.status != http.StatusOK || !strings.Contains(res.body, f.org.gen.id(6)) {
		t.Errorf("got %d %s", res.status, res.body)
	}
	if res := f.do("POST", v66+"/composite/sobjects/User", "application/json", "{}", "Content-Encoding", "gzip"); res.status != http.StatusBadRequest {
		t.Errorf("not gzip: got %d", res.status)
	}
}

func TestQuotaIsARollingDay(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Quota: 3, Now: c.now, SessionTTL: 48 * time.Hour})
	for range 3 {
		if res := f.get(v66 + "/limits"); res.status != http.StatusOK {
			t.Fatalf("within the quota: %d %s", res.status, res.body)
		}
		c.add(time.Hour)
	}
	res := f.get(v66 + "/limits")
	if want := `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`; res.status != http.StatusForbidden || res.body != want {
		t.Errorf("over the quota: got %d %s", res.status, res.body)
	}
	if got := res.header.Get("Sforce-Limit-Info"); got != "api-usage=3/3" {
		t.Errorf("over the quota: got %q", got)
	}
	c.add(21*time.Hour + time.Minute) // the first call is a day old, the second not
	if res := f.get(v66 + "/limits"); res.status != http.StatusOK {
		t.Errorf("a day after the first call: got %d", res.status)
	}
	if res := f.get(v66 + "/limits"); res.status != http.StatusForbidden {
		t.Errorf("one more: got %d", res.status)
	}
	f.login() // tokens, versions and userinfo are free
	if res := f.get("/services/data/"); res.status != http.StatusOK {
		t.Errorf("version list over quota: got %d", res.status)
	}
	if res := f.get("/services/oauth2/userinfo"); res.status != http.StatusOK {
		t.Errorf("userinfo over quota: got %d", res.status)
	}
}

func TestLimitsAndSetUsage(t *testing.T) {
	f := serve(t, Options{})
	f.org.SetUsage(14_990, 15_000)
	var got map[string]map[string]any
	f.get(v66+"/limits").decode(t, &got)
	if d := got["DailyApiRequests"]; d["Max"] != 15_000. || d["Remaining"] != 9. {
		t.Errorf("got %v", d)
	}
	if n := got["PermissionSets"]["CreateCustom"]; n == nil {
		t.Error("PermissionSets holds no nested limit")
	}
}

func TestCallsAreCounted(t *testing.T) {
	f := serve(t, Options{Users: 5})
	f.org.ResetCalls()
	f.get(v66 + "/limits")
	f.soql("SELECT Foo FROM User")
	f.soql("SELECT Id FROM User")
	f.get(v66 + "/nowhere")
	f.get(v66 + "/query/" + makeID("0r8", 1) + "-2000")
	want := map[string]int{"limits": 1, "query": 2, "unknown": 1, "query_more": 1}
	if got := f.org.Calls(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDescribe(t *testing.T) {
	f := serve(t, Options{Users: 5, CustomFields: []CustomField{{Name: "Desk__c"}, {Name: "Level__c", Type: "double"}}})
	type desc struct {
		Name, KeyPrefix      string
		Deletable, Queryable bool
		Fields               []struct {
			Name, Type, SoapType, Label string
			Length                      int
			Nillable, Custom            bool
			ReferenceTo                 []string
			RelationshipName            *string
		}
	}
	read := func() (desc, map[string]int) {
		var d desc
		f.get(v66+"/sobjects/user/describe").decode(t, &d)
		at := map[string]int{}
		for i, fd := range d.Fields {
			at[fd.Name] = i
		}
		return d, at
	}
	d, at := read()
	if d.Name != "User" || d.KeyPrefix != "005" || d.Deletable || !d.Queryable {
		t.Errorf("got %+v", d)
	}
	if e := d.Fields[at["Email"]]; e.Type != "email" || e.Length != 128 || e.Nillable || e.SoapType != "xsd:string" {
		t.Errorf("Email: %+v", e)
	}
	if p := d.Fields[at["ProfileId"]]; p.Type != "reference" || p.ReferenceTo[0] != "Profile" || *p.RelationshipName != "Profile" {
		t.Errorf("ProfileId: %+v", p)
	}
	if l := d.Fields[at["Level__c"]]; l.Type != "double" || !l.Custom {
		t.Errorf("Level__c: %+v", l)
	}
	if _, ok := at["StateCode"]; ok {
		t.Error("StateCode without state and country picklists")
	}
	// Every field of the list can be selected.
	names := make([]string, 0, len(d.Fields))
	for _, fd := range d.Fields {
		names = append(names, fd.Name)
	}
	f.rows("SELECT " + strings.Join(names, ",") + " FROM User LIMIT 1")

	first := f.get(v66 + "/sobjects/User/describe")
	modified := first.header.Get("Last-Modified")
	if res := f.get(v66+"/sobjects/User/describe", "If-Modified-Since", modified); res.status != http.StatusNotModified || res.body != "" {
		t.Errorf("unchanged: got %d %.50s", res.status, res.body)
	}
	f.org.Faults().HideField("User", "Phone")
	if res := f.get(v66+"/sobjects/User/describe", "If-Modified-Since", modified); res.status != http.StatusOK {
		t.Errorf("changed: got %d", res.status)
	}
	if _, at = read(); at["Phone"] != 0 {
		t.Error("a hidden field is described")
	}
	if res := f.soql("SELECT Phone FROM User"); res.code() != "INVALID_FIELD" || !strings.Contains(res.body, "No such column 'Phone'") {
		t.Errorf("a hidden field is selected: %s", res.body)
	}
	f.org.Faults().ShowField("User", "Phone")
	f.rows("SELECT Phone FROM User LIMIT 1")
}
