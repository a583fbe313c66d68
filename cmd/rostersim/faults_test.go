package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"
)

// login gets a token by client credentials.
func (s *sim) login(secret string) (token string) {
	s.t.Helper()
	res, err := s.client.PostForm(s.ready.URL+"/services/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {s.ready.ClientID}, "client_secret": {secret},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var in struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&in); err != nil || in.AccessToken == "" {
		s.t.Fatalf("log in: %d, %v", res.StatusCode, err)
	}
	return in.AccessToken
}

// get is the status of a call of the org.
func (s *sim) get(token, path string) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.ready.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// Everything that is known to go wrong with a Salesforce org can be had over HTTP.
func TestFaultsCanBeHad(t *testing.T) {
	s := start(t, "-users", "20", "-plain")
	var known []string
	s.ask(http.MethodGet, "", "", &known)
	var people []map[string]any
	s.ask(http.MethodGet, "users?limit=3&offset=1", "", &people)
	one, two := people[0]["Id"].(string), people[1]["Id"].(string)
	fault := func(endpoint, effect string) string {
		return `{"endpoint":"` + endpoint + `","times":1,"effect":{"kind":"` + effect + `"}}`
	}
	for _, row := range []struct{ what, path, body string }{
		{"sessions expire now", "faults/expire", ``},
		{"sessions expire between pages", "faults", fault("query_more", "expire_sessions")},
		{"locators expire now", "faults/expire-locators", ``},
		{"locators expire between pages", "faults", fault("query_more", "expire_locators")},
		{"401 that survives another token", "faults", fault("query", "not_for_rest")},
		{"401", "faults", fault("query", "unauthorized")},
		{"403 quota", "faults", fault("query", "quota_total")},
		{"403 quota that is really spent", "usage", `{"used":100000,"max":100000}`},
		{"403 concurrent", "faults", fault("query", "quota_concurrent")},
		{"500", "faults", fault("query", "server_error")},
		{"502", "faults", fault("query", "bad_gateway")},
		{"503", "faults", fault("query", "unavailable")},
		{"slow", "faults", `{"endpoint":"query","effect":{"kind":"slow","delay":1000000}}`},
		{"no answer", "faults", fault("query", "hang")},
		{"cut gzip", "faults", fault("query", "truncate")},
		{"small pages", "faults", `{"endpoint":"query","effect":{"kind":"short_page","n":7}}`},
		{"hidden field", "faults/hide-field", `{"field":"Phone"}`},
		{"retired version", "faults/retire-version", `{"version":"62.0"}`},
		{"moved instance", "faults/move-instance", `{"url":"http://127.0.0.1:1"}`},
		{"hidden users", "faults/hide-users", `{"ids":["` + one + `"]}`},
		{"users seen again", "faults/hide-users", `{}`},
		{"the same address twice", "mass", `{"ids":["` + one + `","` + two + `"],"fields":{"Email":"same@example.com"}}`},
		{"many at one stamp", "mass", `{"ids":["` + one + `","` + two + `"],"fields":{"Title":"Tied"}}`},
		{"late commit", "late-commit", `{"ids":["` + one + `"],"fields":{"Title":"Late"},"after":"1ms"}`},
		{"skewed clock", "faults/skew", `{"ahead":"-5m"}`},
		{"other quota header", "faults/limit-info", `{"form":"bursts"}`},
		{"job fails", "faults", fault("bulk_create", "bulk_failed")},
		{"job is aborted", "faults", fault("bulk_create", "bulk_aborted")},
		{"job is stuck", "faults", fault("bulk_create", "bulk_stuck")},
		{"job takes long", "bulk", `{"delay":"1h","page":10}`},
		{"jobs are spent", "bulk", `{"used":10000}`},
		{"results are gone", "bulk", `{"forget":true}`},
		{"results miscount", "faults", fault("bulk_results", "bulk_miscount")},

		{"events stop silently", "streams/permission", `{"view_all_users":false}`},
		{"events come again", "streams/permission", `{"view_all_users":true}`},
		{"two events share an id", "faults", fault("event", "shared_replay_id")},
		{"outage", "streams/break", `{"kind":"unavailable"}`},
		{"outage without a trailer", "streams/break", `{"kind":"unavailable_bare"}`},
		{"reset", "streams/break", `{"kind":"reset_stream"}`},
		{"clean end", "streams/break", `{"kind":"end_stream"}`},
		{"half open", "streams/break", `{"kind":"half_open"}`},
		{"silent", "streams/break", `{"kind":"hang"}`},
		{"no answer to a subscribe", "faults", fault("subscribe", "hang")},
		{"late answer", "faults", fault("subscribe", "late_answer")},
		{"token refused", "faults", fault("subscribe", "unauthorized")},
		{"replay id corrupted", "faults", fault("subscribe", "replay_corrupted")},
		{"allocation spent", "faults", fault("subscribe", "delivery_limit")},
		{"allocation really spent", "deliveries", `{"used":5,"max":5}`},
		{"permission revoked", "faults", fault("subscribe", "permission_revoked")},
		{"any other error", "faults", `{"endpoint":"subscribe","effect":{"kind":"stream_error","status":8,"code":"concurrent.client.limit.exceeded"}}`},
		{"sign of life each minute", "streams/keepalive", `{"every":"60s"}`},
		{"no sign of life", "streams/keepalive", `{"every":"none"}`},
		{"twice delivered", "faults", fault("event", "duplicate")},
		{"never delivered", "faults", fault("event", "lose_event")},
		{"schema change", "fields", `{"name":"Later__c","type":"string"}`},
		{"event becomes a gap", "faults", fault("event", "gap_event")},
		{"gap", "events", `{"kind":"gap","ids":["` + one + `"]}`},
		{"wildcard", "events", `{"kind":"wildcard"}`},
		{"overflow", "events", `{"kind":"overflow"}`},
		{"other space of replay ids", "streams/reset-replay", `{}`},
	} {
		if got := s.ask(http.MethodPost, row.path, row.body, nil); got != http.StatusOK {
			t.Errorf("%s: %s %s: got %d", row.what, row.path, row.body, got)
		}
		if !slices.Contains(known, "POST /sim/"+row.path) {
			t.Errorf("%s is not listed", row.path)
		}
	}
	for _, row := range []struct{ path, body string }{
		{"faults", `{"endpoint":"queries","effect":{"kind":"server_error"}}`},
		{"faults", fault("query", "bulk_stuck")},
		{"faults", `{"endpoint":"query","effect":{"kind":"status"}}`},
		{"streams/break", `{"kind":"lose_event"}`},
		{"faults/retire-version", `{}`},
		{"faults/limit-info", `{"form":"other"}`},
		{"late-commit", `{"ids":["` + one + `"],"fields":{"Title":"x"},"after":"soon"}`},
		{"late-commit", `{"ids":["` + one + `"],"fields":{"Nope":"x"},"after":"1s"}`},
		{"bulk", `{"delay":"-1s"}`},
	} {
		if got := s.ask(http.MethodPost, row.path, row.body, nil); got != http.StatusBadRequest {
			t.Errorf("%s %s: got %d", row.path, row.body, got)
		}
	}
	s.ask(http.MethodDelete, "faults", "", nil)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

// What the switches say is what the org then does.
func TestSwitchesOfTheOrg(t *testing.T) {
	s := start(t, "-users", "20", "-plain", "-client-secret", "secret")
	token := s.login("secret")
	var people []map[string]any
	s.ask(http.MethodGet, "users?limit=1&offset=5", "", &people)
	id := people[0]["Id"].(string)
	record := func(version string) int { return s.get(token, "/services/data/v"+version+"/sobjects/User/"+id) }
	for _, row := range []struct {
		path, body string
		version    string
		want       int
	}{
		{"faults/hide-users", `{"ids":["` + id[:15] + `"]}`, "66.0", 404},
		{"faults/hide-users", `{"ids":[]}`, "66.0", 200},
		{"faults/retire-version", `{"version":"62.0"}`, "62.0", 410},
		{"faults/limit-info", `{"form":"missing"}`, "66.0", 200},
		{"faults/expire", ``, "66.0", 401},
	} {
		if got := s.ask(http.MethodPost, row.path, row.body, nil); got != http.StatusOK {
			t.Errorf("%s %s: got %d", row.path, row.body, got)
		}
		if got := record(row.version); got != row.want {
			t.Errorf("after %s %s: got %d, want %d", row.path, row.body, got, row.want)
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}
