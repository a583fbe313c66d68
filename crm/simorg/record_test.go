package simorg

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestCollections(t *testing.T) {
	f := serve(t, Options{Users: 3000, Plain: true})
	a, b := f.org.gen.id(5), f.org.gen.id(4)
	ask := func(ids []string, fields ...string) result {
		body, err := json.Marshal(map[string]any{"ids": ids, "fields": fields})
		if err != nil {
			t.Fatal(err)
		}
		return f.post(v66+"/composite/sobjects/User", string(body))
	}
	res := ask([]string{a, "005000000000000AAA", "nonsense", b[:15], a}, "id", "EMAIL", "Profile.Name", "Id")
	var got []*struct {
		ID      string `json:"Id"`
		Email   string
		Profile struct{ Name string }
	}
	res.decode(t, &got)
	if len(got) != 5 || got[0].ID != a || got[1] != nil || got[2] != nil || got[3].ID != b || got[4].ID != a || got[3].Email == "" || got[3].Profile.Name == "" {
		t.Errorf("got %d %s", res.status, res.body)
	}
	ids := make([]string, 2001)
	for i := range ids {
		ids[i] = f.org.gen.id(i)
	}
	f.org.SetUsage(0, 100)
	if ask(ids[:2000], "Id").decode(t, &got); len(got) != 2000 || got[1999].ID != ids[1999] {
		t.Errorf("2000 ids: got %d", len(got))
	}
	if used, _ := f.org.Usage(); used != 1 {
		t.Errorf("2000 ids cost %d calls", used)
	}
	for name, tt := range map[string]struct {
		res  result
		code string
	}{
		"2001 ids":      {ask(ids, "Id"), "EXCEEDED_ID_LIMIT"},
		"no ids":        {ask(nil, "Id"), "REQUIRED_FIELD_MISSING"},
		"no fields":     {ask(ids[:1]), "REQUIRED_FIELD_MISSING"},
		"unknown field": {ask(ids[:1], "Foo"), "INVALID_FIELD"},
		"not JSON":      {f.post(v66+"/composite/sobjects/User", "{"), "JSON_PARSER_ERROR"},
	} {
		if tt.res.status != http.StatusBadRequest || tt.res.code() != tt.code {
			t.Errorf("%s: got %d %.200s, want %s", name, tt.res.status, tt.res.body, tt.code)
		}
	}
	if res := f.do("POST", v66+"/composite/sobjects/User", "", `{"ids":["x"],"fields":["Id"]}`); res.status != http.StatusUnsupportedMediaType {
		t.Errorf("no content type: got %d", res.status)
	}
	if res := f.post(v66+"/composite/sobjects/Nope", `{"ids":["x"],"fields":["Id"]}`); res.status != http.StatusNotFound {
		t.Errorf("unknown object: got %d", res.status)
	}
	if res := f.get(v66 + "/composite/sobjects/User?fields=Id&ids=" + a + "," + b); !strings.Contains(res.body, b) {
		t.Errorf("GET: got %d %s", res.status, res.body)
	}
	f.org.opt.FlatRetrieve = true
	if res := ask(ids[:1], "Profile.Name"); res.code() != "INVALID_FIELD" {
		t.Errorf("parent field of a flat retrieve: got %s", res.body)
	}
}

func TestRecord(t *testing.T) {
	f := serve(t, Options{Users: 5, Plain: true})
	id := f.org.gen.id(3)
	res := f.get(v66 + "/sobjects/User/" + id[:15] + "?fields=Email,Id")
	u, _ := f.org.User(id)
	want := `{"attributes":{"type":"User","url":"/services/data/v66.0/sobjects/User/` + id + `"},"Email":"` + u.Email + `","Id":"` + id + `"}`
	if res.body != want {
		t.Errorf("got %s, want %s", res.body, want)
	}
	if res := f.get(v66 + "/sobjects/User/" + id + "?fields=Email"); !strings.HasSuffix(res.body, `"Id":"`+id+`"}`) {
		t.Errorf("Id always comes: got %s", res.body)
	}
	var all map[string]any
	f.get(v66+"/sobjects/User/"+id).decode(t, &all)
	if len(all) != len(f.org.users.fields)+1 {
		t.Errorf("without fields: got %d of %d", len(all), len(f.org.users.fields))
	}
	if res := f.get(v66 + "/sobjects/User/" + f.org.gen.id(50)); res.status != http.StatusNotFound || res.code() != "NOT_FOUND" {
		t.Errorf("unknown: got %d %s", res.status, res.body)
	}
	if res := f.get(v66 + "/sobjects/User/" + id + "?fields=Foo"); res.code() != "INVALID_FIELD" {
		t.Errorf("unknown field: got %s", res.body)
	}
}

func TestPatch(t *testing.T) {
	f := serve(t, Options{Users: 20, Plain: true})
	id, other := f.org.gen.id(3), f.org.gen.user(4).Username
	path := v66 + "/sobjects/User/" + id
	patch := func(body string) result { return f.do("PATCH", path, "application/json", body) }
	res := patch(`{"IsActive":false,"phone":"(415) 555-0199","Quota__c":12.5,"Hire_Date__c":"2026-02-03","Department":"","ManagerId":null,"Dialer_Enabled__c":true}`)
	if res.status != http.StatusNoContent || res.body != "" {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	u, _ := f.org.User(id)
	if u.IsActive || u.Phone != "(415) 555-0199" || u.Quota != 12.5 || u.HireDate.Format(dateLayout) != "2026-02-03" || u.Department != "" || u.ManagerID != "" || !u.DialerEnabled {
		t.Errorf("got %+v", u)
	}
	for body, want := range map[string]string{
		`{"Foo":1}`:               `[{"message":"No such column 'Foo' on sobject of type User","errorCode":"INVALID_FIELD"}]`,
		`{"SystemModstamp":null}`: `INVALID_FIELD_FOR_INSERT_UPDATE","fields":["SystemModstamp"]`,
		`{"Name":"x"}`:            `INVALID_FIELD_FOR_INSERT_UPDATE","fields":["Name"]`,
		`{"LastName":null}`:       `REQUIRED_FIELD_MISSING","fields":["LastName"]`,
		`{"LastName":"` + strings.Repeat("x", 81) + `"}`: `STRING_TOO_LONG","fields":["LastName"]`,
		`{"Email":"nobody"}`:                             `INVALID_EMAIL_ADDRESS","fields":["Email"]`,
		`{"IsActive":"no"}`:                              `JSON_PARSER_ERROR","fields":["IsActive"]`,
		`{"ManagerId":"abc"}`:                            `JSON_PARSER_ERROR","fields":["ManagerId"]`,
		`{"ProfileId":"` + id + `"}`:                     `MALFORMED_ID","fields":["ProfileId"]`,
		`{"Username":"` + other + `"}`:                   `DUPLICATE_USERNAME","fields":["Username"]`,
		`[`:                                              `JSON_PARSER_ERROR`,
	} {
		if res := patch(body); res.status != http.StatusBadRequest || !strings.Contains(res.body, want) {
			t.Errorf("%.60s: got %d %s, want %s", body, res.status, res.body, want)
		}
	}
	path = v66 + "/sobjects/User/" + f.org.gen.id(99)
	if res := patch(`{"IsActive":true}`); res.status != http.StatusNotFound {
		t.Errorf("unknown user: got %d", res.status)
	}
}

func TestCreate(t *testing.T) {
	f := serve(t, Options{Users: 5, Plain: true})
	fields := map[string]any{
		"Username": "made@acme.example", "LastName": "Made", "Email": "made@example.com", "Alias": "made", "TimeZoneSidKey": "Europe/Paris",
		"LocaleSidKey": "fr_FR", "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "fr", "ProfileId": f.org.ProfileID("Sales Rep"),
	}
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ID      string `json:"id"`
		Success bool   `json:"success"`
	}
	res := f.post(v66+"/sobjects/User", string(body))
	if res.decode(t, &got); res.status != http.StatusCreated || !got.Success {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	if u, err := f.org.User(got.ID); err != nil || u.TimeZoneSidKey != "Europe/Paris" || !u.IsActive {
		t.Errorf("got %+v %v", u, err)
	}
	if res := f.post(v66+"/sobjects/User", string(body)); res.code() != "DUPLICATE_USERNAME" {
		t.Errorf("again: got %s", res.body)
	}
	if res := f.post(v66+"/sobjects/User", `{"Username":"x@acme.example"}`); res.code() != "REQUIRED_FIELD_MISSING" || !strings.Contains(res.body, "LastName, Email, Alias") {
		t.Errorf("incomplete: got %s", res.body)
	}
}

func TestComposite(t *testing.T) {
	f := serve(t, Options{Users: 10, Plain: true})
	id := f.org.gen.id(4)
	f.org.SetUsage(0, 100)
	query := func(soql string) string { return v66 + "/query?q=" + url.QueryEscape(soql) }
	part := func(method, url, ref string) string {
		return fmt.Sprintf(`{"method":%q,"url":%q,"referenceId":%q}`, method, url, ref)
	}
	ask := func(parts ...string) result {
		return f.post(v66+"/composite", `{"allOrNone":false,"compositeRequest":[`+strings.Join(parts, ",")+`]}`)
	}
	res := ask(
		part("GET", query("SELECT Id FROM User LIMIT 3"), "q"), part("GET", query("SELECT Foo FROM User"), "bad"),
		part("GET", v66+"/sobjects/User/"+id+"?fields=Id", "one"), part("GET", v66+"/nothing", "no"),
		`{"method":"PATCH","url":"`+v66+`/sobjects/User/`+id+`","referenceId":"p","body":{"Title":"by composite"}}`,
		`{"method":"POST","url":"`+v66+`/composite/sobjects/User","referenceId":"c","body":{"ids":["`+id+`"],"fields":["Title"]}}`,
		part("POST", v66+"/composite", "nested"),
	)
	var got struct {
		CompositeResponse []struct {
			Body           json.RawMessage
			HTTPStatusCode int
			ReferenceID    string
		}
	}
	res.decode(t, &got)
	var line []string
	for _, r := range got.CompositeResponse {
		line = append(line, fmt.Sprint(r.ReferenceID, r.HTTPStatusCode))
	}
	if want := "q200 bad400 one200 no404 p204 c200 nested400"; res.status != http.StatusOK || strings.Join(line, " ") != want {
		t.Errorf("got %d %v, want %s", res.status, line, want)
	}
	if !strings.Contains(string(got.CompositeResponse[5].Body), `"Title":"by composite"`) || string(got.CompositeResponse[4].Body) != "null" {
		t.Errorf("bodies: %s", res.body)
	}
	if used, _ := f.org.Usage(); used != 1 {
		t.Errorf("a composite request cost %d calls", used)
	}
	many := make([]string, 26)
	for i := range many {
		many[i] = part("GET", v66+"/limits", fmt.Sprint("r", i))
	}
	if res := ask(many[:25]...); res.status != http.StatusOK {
		t.Errorf("25 parts: got %d %s", res.status, res.body)
	}
	var six []string
	for i := range 6 {
		six = append(six, part("GET", query("SELECT Id FROM User"), fmt.Sprint("r", i)))
	}
	for name, res := range map[string]result{
		"26 parts": ask(many...), "none": ask(), "same reference": ask(many[0], many[0]), "six queries": ask(six...),
		"not JSON": f.post(v66+"/composite", "x"),
	} {
		if res.status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", name, res.status, res.body)
		}
	}
}

func TestBatch(t *testing.T) {
	f := serve(t, Options{Users: 10, Plain: true})
	res := f.post(v66+"/composite/batch", `{"batchRequests":[{"method":"GET","url":"v66.0/limits"},{"method":"GET","url":"v66.0/sobjects/User/x"},
		{"method":"PATCH","url":"v66.0/sobjects/User/`+f.org.gen.id(2)+`","richInput":{"Title":"by batch"}}]}`)
	var got struct {
		HasErrors bool
		Results   []struct{ StatusCode int }
	}
	res.decode(t, &got)
	if !got.HasErrors || len(got.Results) != 3 || got.Results[0].StatusCode != 200 || got.Results[1].StatusCode != 404 || got.Results[2].StatusCode != 204 {
		t.Errorf("got %d %.300s", res.status, res.body)
	}
	if u, _ := f.org.User(f.org.gen.id(2)); u.Title != "by batch" {
		t.Errorf("got title %q", u.Title)
	}
}
