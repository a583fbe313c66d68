package metrics

import (
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func fresh(t *testing.T) (*Metrics, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	m, err := New(reg, Options{Version: "1.2.3", Orgs: []Org{{"acme", []string{"powerdialer"}}, {"globex", nil}}})
	if err != nil {
		t.Fatal(err)
	}
	return m, reg
}

func scrape(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(reg).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("status %d, %v", w.Code, err)
	}
	return string(body)
}

func TestLint(t *testing.T) {
	_, reg := fresh(t)
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "rosterd_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	gathered, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^(rosterd_(sync|stream|crm|config)_[a-z_]+|rosterd_build_info|(go|process)_[a-z_]+)$`)
	for _, f := range gathered {
		if !form.MatchString(f.GetName()) {
			t.Errorf("%s does not follow rosterd_SUBSYSTEM_WHAT", f.GetName())
		}
		for _, one := range f.GetMetric() {
			for _, l := range one.GetLabel() {
				switch l.GetName() {
				case "org", "kind", "outcome", "verb", "reason", "op", "code", "license", "state", "version", "revision", "goversion":
				default:
					if strings.HasPrefix(f.GetName(), "rosterd_") {
						t.Errorf("%s has the label %s, which is not on the list", f.GetName(), l.GetName())
					}
				}
			}
		}
	}
}

// What alerts look at is there from the start, with zeros.
func TestSeriesExistFromTheStart(t *testing.T) {
	_, reg := fresh(t)
	text := scrape(t, reg)
	for _, want := range []string{
		`rosterd_sync_last_success_timestamp_seconds{kind="full",org="acme"} 0`,
		`rosterd_sync_held{org="globex"} 0`,
		`rosterd_sync_runs_total{kind="changes",org="acme",outcome="failed"} 0`,
		`rosterd_sync_changes_total{org="acme",outcome="applied",verb="deactivate"} 0`,
		`rosterd_sync_skipped{org="acme",reason="no_seat"} 0`,
		`rosterd_sync_run_duration_seconds_count{kind="full",org="acme"} 0`,
		`rosterd_sync_deactivations_overdue{org="acme"} 0`,
		`rosterd_sync_seats{license="powerdialer",org="acme",state="assigned"} 0`,
		`rosterd_crm_requests_total{code="503",op="snapshot",org="globex"} 0`,
		`rosterd_crm_quota_used_ratio{org="acme"} 0`,
		`rosterd_config_last_reload_successful 0`,
		`rosterd_build_info{goversion="go`,
		`version="1.2.3"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(text, `"other"`) {
		t.Error("something is counted as other before anything happened")
	}
}

func TestObservations(t *testing.T) {
	m, reg := fresh(t)
	m.Sync.RunFinished("acme", "full", "succeeded", 90*time.Second)
	m.Sync.Changes("acme", "create", "applied", 3)
	m.Sync.Changes("acme", "create", "applied", 2)
	m.Sync.Skipped("acme", "no_seat", 4)
	m.Sync.StatusGauges("acme", 10, 9, 8, 7, 6, 5)
	m.Sync.LastSuccess("acme", "full", time.Unix(1_700_000_000, 500_000_000))
	m.Sync.LastSuccess("acme", "changes", time.Time{})
	m.Sync.QuotaGauges("acme", 50, 200, 10, -1)
	m.Sync.Lag("acme", -time.Second)
	m.Sync.Seats("acme", "powerdialer", 5, 4)
	m.CRM.Request("acme", "count", "200", time.Second)
	m.CRM.Quota("acme", -1, -1) // unknown: leaves what was known
	m.Reloaded(true)
	text := scrape(t, reg)
	for _, want := range []string{
		`rosterd_sync_runs_total{kind="full",org="acme",outcome="succeeded"} 1`,
		`rosterd_sync_run_duration_seconds_bucket{kind="full",org="acme",le="120"} 1`,
		`rosterd_sync_run_duration_seconds_bucket{kind="full",org="acme",le="60"} 0`,
		`rosterd_sync_changes_total{org="acme",outcome="applied",verb="create"} 5`,
		`rosterd_sync_skipped{org="acme",reason="no_seat"} 4`,
		`rosterd_sync_mirror_users{org="acme"} 10`, `rosterd_sync_enrolled_users{org="acme"} 9`,
		`rosterd_sync_held{org="acme"} 8`, `rosterd_sync_attention{org="acme"} 7`,
		`rosterd_sync_waiting_users{org="acme"} 6`, `rosterd_sync_deactivations_overdue{org="acme"} 5`,
		`rosterd_sync_last_success_timestamp_seconds{kind="full",org="acme"} 1.7000000005e+09`,
		`rosterd_sync_last_success_timestamp_seconds{kind="changes",org="acme"} 0`,
		`rosterd_crm_quota_used_calls{org="acme"} 50`, `rosterd_crm_quota_max_calls{org="acme"} 200`,
		`rosterd_crm_quota_used_ratio{org="acme"} 0.25`, `rosterd_crm_quota_own_calls{org="acme"} 10`,
		`rosterd_crm_quota_budget_left_calls{org="acme"} -1`,
		`rosterd_sync_lag_seconds_sum{org="acme"} 0`, `rosterd_sync_lag_seconds_count{org="acme"} 1`,
		`rosterd_sync_seats{license="powerdialer",org="acme",state="purchased"} 5`,
		`rosterd_crm_requests_total{code="200",op="count",org="acme"} 1`,
		`rosterd_config_last_reload_successful 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	m.Reloaded(false)
	if text := scrape(t, reg); !strings.Contains(text, "rosterd_config_last_reload_successful 0\n") ||
		strings.Contains(text, "rosterd_config_last_reload_success_timestamp_seconds 0\n") {
		t.Error("a refused reload must clear the gauge and keep the time of the last good one")
	}
}

// Whatever a caller passes for a label, no person can come out as one, and no
// label can take endless values.
func TestLabelsAreClosed(t *testing.T) {
	m, reg := fresh(t)
	before := strings.Count(scrape(t, reg), "\n")
	for _, who := range []string{"ada.example@example.com", "Ada Example", "005000000000001AAA", "+15550100", "https://example.com/x"} {
		m.Sync.RunFinished(who, who, who, time.Second)
		m.Sync.Changes(who, who, who, 1)
		m.Sync.Skipped(who, who, 1)
		m.Sync.StatusGauges(who, 1, 1, 1, 1, 1, 1)
		m.Sync.LastSuccess(who, who, time.Now())
		m.Sync.QuotaGauges(who, 1, 1, 1, 1)
		m.Sync.Lag(who, time.Second)
		m.Sync.Seats(who, who, 1, 1)
		m.Sync.Seats("acme", who, 1, 1)
		m.CRM.Request(who, who, who, time.Second)
		if text := scrape(t, reg); strings.Contains(text, who) {
			t.Errorf("%q came out as a label", who)
		}
	}
	for i := range 1000 {
		m.Sync.Seats("acme", "type-"+strings.Repeat("x", i%60)+time.Duration(i).String(), 1, 1)
	}
	if grown := strings.Count(scrape(t, reg), "\n") - before; grown > 200 {
		t.Errorf("%d new lines", grown)
	}
}

func TestRegisteredTwice(t *testing.T) {
	_, reg := fresh(t)
	if _, err := New(reg, Options{}); err == nil {
		t.Error("registered twice without an error")
	}
}

func TestStream(t *testing.T) {
	m, reg := fresh(t)
	m.Sync.StreamState("acme", "live")
	m.Sync.StreamState("acme", "down")
	m.Sync.StreamEnded("acme", "silent")
	m.Sync.StreamEnded("acme", "a person's name")
	m.Sync.StreamEvents("acme", "update", 3)
	m.Sync.StreamLag("acme", 200*time.Millisecond)
	m.Sync.Deliveries("acme", 70, 50_000)
	text := scrape(t, reg)
	for _, want := range []string{
		`rosterd_stream_state{org="acme",state="down"} 1`, `rosterd_stream_state{org="acme",state="live"} 0`,
		`rosterd_stream_ended_total{org="acme",reason="silent"} 1`, `rosterd_stream_ended_total{org="acme",reason="other"} 1`,
		`rosterd_stream_events_total{kind="update",org="acme"} 3`, `rosterd_stream_lag_seconds_count{org="acme"} 1`,
		`rosterd_stream_delivered_events{org="acme"} 70`, `rosterd_stream_deliverable_events{org="acme"} 50000`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}
