package crm

import (
	"net/http"
	"strings"
	"testing"
)

// TestParseLimitInfo is the header half of story 23: right, or unknown, never zero.
func TestParseLimitInfo(t *testing.T) {
	tests := []struct {
		in   string
		want LimitInfo
	}{
		{"api-usage=18/5000", LimitInfo{Used: 18, Max: 5000}},
		{"api-usage=0/5000", LimitInfo{Used: 0, Max: 5000}},
		{"api-usage=6000/5000", LimitInfo{Used: 6000, Max: 5000}},
		{"api-usage=10018/100000; api-bursts=1/750", LimitInfo{Used: 10018, Max: 100000, BurstUsed: 1, BurstMax: 750}},
		{"api-bursts=1/750;api-usage=10018/100000", LimitInfo{Used: 10018, Max: 100000, BurstUsed: 1, BurstMax: 750}},
		{
			"api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)",
			LimitInfo{Used: 25, Max: 5000, App: "sample-connected-app", AppUsed: 17, AppMax: 250},
		},
		{
			"per-app-api-usage=17/250(appName=a; b, (c)); api-usage=25/5000",
			LimitInfo{Used: 25, Max: 5000, App: "a; b, (c)", AppUsed: 17, AppMax: 250},
		},
		{"  API-Usage = 25/5000 ;; news=1/2; other", LimitInfo{Used: 25, Max: 5000}},
		{"api-usage=25/5000, api-bursts=1/750", LimitInfo{Used: 25, Max: 5000, BurstUsed: 1, BurstMax: 750}},
		{"api-usage=25/5000; api-bursts=x", LimitInfo{Used: 25, Max: 5000}},
	}
	for _, tt := range tests {
		if got, ok := ParseLimitInfo(tt.in); !ok || got != tt.want {
			t.Errorf("ParseLimitInfo(%q) = %+v, %v; want %+v", tt.in, got, ok, tt.want)
		}
	}
}

func TestParseLimitInfoUnknown(t *testing.T) {
	for _, in := range []string{
		"", "garbage", "api-usage", "api-usage=", "api-usage=/", "api-usage=18", "api-usage=18/", "api-usage=/5000", "api-usage=a/b",
		"api-usage=-1/5000", "api-usage=+1/5000", "api-usage=1/0", "api-usage=1/-5", "api-usage=99999999999999999999/5000",
		"api-usage=1.5/5000", "api-bursts=1/750", "per-app-api-usage=17/250(appName=api-usage=1/2)", "xapi-usage=1/2",
		"api-usage=1/5000; api-usage=2/5000",
	} {
		if got, ok := ParseLimitInfo(in); ok || got != (LimitInfo{}) {
			t.Errorf("ParseLimitInfo(%q) = %+v, %v; want unknown", in, got, ok)
		}
	}
}

func TestUnreadableHeaderKeepsTheLastUsage(t *testing.T) {
	header := "api-usage=18/5000"
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Sforce-Limit-Info", header)
		answer(200, goodCount)(w, r)
	})
	c := f.client(t, Options{})
	if _, ok := c.Usage(); ok {
		t.Error("usage is known before any answer")
	}
	for _, header = range []string{"api-usage=18/5000", "garbage", ""} {
		if _, err := c.CountUsers(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Usage(); !ok || got.Used != 18 || got.Remaining() != 4982 {
			t.Errorf("after %q: got %+v, %v; want 18 of 5000", header, got, ok)
		}
	}
}

func FuzzParseLimitInfo(f *testing.F) {
	f.Add("api-usage=25/5000; per-app-api-usage=17/250(appName=sample); api-bursts=1/750")
	f.Add("api-usage=1/0;(")
	f.Add("a=1/2(appName=;))")
	f.Fuzz(func(t *testing.T, in string) {
		got, ok := ParseLimitInfo(in)
		switch {
		case !ok && got != (LimitInfo{}):
			t.Errorf("unknown, yet %+v", got)
		case ok && (got.Max <= 0 || got.Used < 0 || got.AppUsed < 0 || got.BurstUsed < 0):
			t.Errorf("impossible: %+v", got)
		case ok && !strings.Contains(strings.ToLower(in), "api-usage"):
			t.Errorf("known from %q", in)
		}
	})
}

func TestLimits(t *testing.T) {
	body := `{"DailyApiRequests":{"Max":100000,"Remaining":99982,"MyApp":{"Max":0,"Remaining":0}},"PermissionSets":{"Max":1500,"Remaining":1499,"CreateCustom":{"Max":1000,"Remaining":999}},"Odd":{"Max":5},"New":[1]}`
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/services/data/v66.0/limits" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		answer(200, body)(w, r)
	})
	c := f.client(t, Options{})
	got, err := c.Limits(t.Context())
	if err != nil || got.DailyAPIRequests != (Limit{100000, 99982}) || got.All["PermissionSets"] != (Limit{1500, 1499}) || len(got.All) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	body = `{"PermissionSets":{"Max":1500,"Remaining":1499}}`
	if got, err := c.Limits(t.Context()); err == nil {
		t.Errorf("got %+v without DailyApiRequests, want an error", got)
	}
}
