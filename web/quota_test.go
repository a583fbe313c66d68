package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/sync"
)

// The health page says what API calls are spent on, what stops when, and why.
func TestQuotaPart(t *testing.T) {
	h := newHouse(t)
	h.login(viewerToken)
	at := controltest.Start()
	for _, tc := range []struct {
		limits sync.QuotaStatus
		want   []string
		not    string
	}{
		{
			sync.QuotaStatus{Used: 10000, Max: 100000, Ours: 1000, Level: "normal", PollEvery: "1m0s", At: at},
			[]string{
				"API calls: what they go to", "Finding people who leave", "Full syncs", "the calls last the coming 24 hours", "40 calls",
				"Other apps make about 375 API calls an hour", "about " + number(9000) + " calls", "every 1 min</dd>", "20 Nov 2026 04:00 MST",
			},
			"instead of",
		},
		{
			sync.QuotaStatus{Used: 10000, Max: 100000, Ours: 1000, Level: "stretched", PollEvery: "1m30s", At: at},
			[]string{"every 1 min 30 s instead of every 1 min", "stretched"},
			"nothing is left",
		},
		{
			sync.QuotaStatus{Used: 100000, Max: 100000, Ours: 1000, Level: "exhausted", PollEvery: "15m0s", At: at},
			[]string{"nothing is left for rosterd within 24 hours"},
			"the calls last",
		},
	} {
		h.engines["acme"].Set(func(e *controltest.Engine) { e.Limits = tc.limits })
		status, _, page := h.get("/o/acme/health")
		if status != http.StatusOK || strings.Contains(page, tc.not) {
			t.Errorf("%s: status %d, says %q: %t", tc.limits.Level, status, tc.not, strings.Contains(page, tc.not))
		}
		page = strings.ReplaceAll(page, at.Add(4*time.Hour).In(time.FixedZone("MST", -7*3600)).Format("2 Jan 15:04 MST"), "20 Nov 2026 04:00 MST") // within the year it is left out
		for _, w := range tc.want {
			if !strings.Contains(page, w) {
				t.Errorf("%s: the page lacks %q", tc.limits.Level, w)
			}
		}
	}
}
