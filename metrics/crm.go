package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Ops are the operations on Salesforce, as label values.
func Ops() []string {
	return []string{"token", "versions", "org", "describe", "count", "snapshot", "changes", "by_id", "frozen", "limits", "glance", "bulk_create", "bulk_poll", "bulk_rows", "bulk_drop"}
}

// Codes are the ways in which a request to Salesforce ends: its HTTP status,
// or why there was none.
func Codes() []string {
	return []string{
		"200", "204", "400", "401", "403", "404", "408", "410", "414", "420", "429", "431", "500", "502", "503", "504",
		"error", "timeout", "canceled",
	}
}

// CRM measures the calls to Salesforce.
type CRM struct {
	orgs     []string
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	used     *prometheus.GaugeVec
	max      *prometheus.GaugeVec
	ratio    *prometheus.GaugeVec
	ours     *prometheus.GaugeVec
	left     *prometheus.GaugeVec
}

func newCRM(orgs []string) *CRM {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"org"})
	}
	return &CRM{
		orgs: orgs,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rosterd_crm_requests_total",
			Help: "HTTP requests to Salesforce, retries included, by operation and by HTTP status or why there was none.",
		}, []string{"org", "op", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rosterd_crm_request_duration_seconds",
			Help:    "How long one HTTP request to Salesforce took, its body included.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, []string{"org"}),
		used:  gauge("rosterd_crm_quota_used_calls", "API calls of all apps of the org in the last 24 hours, as Salesforce last said."),
		max:   gauge("rosterd_crm_quota_max_calls", "API calls that the org may make in 24 hours, as Salesforce last said."),
		ratio: gauge("rosterd_crm_quota_used_ratio", "API calls used of those allowed to the org in 24 hours, 0 to 1."),
		ours:  gauge("rosterd_crm_quota_own_calls", "API calls of this daemon to the org in the last 24 hours."),
		left:  gauge("rosterd_crm_quota_budget_left_calls", "API calls that routine work may still make now; -1 when there is no budget."),
	}
}

func (c *CRM) collectors() []prometheus.Collector {
	return []prometheus.Collector{c.requests, c.duration, c.used, c.max, c.ratio, c.ours, c.left}
}

func (c *CRM) create(org string) {
	for _, op := range Ops() {
		for _, code := range Codes() {
			c.requests.WithLabelValues(org, op, code)
		}
	}
	c.duration.WithLabelValues(org)
	for _, g := range []*prometheus.GaugeVec{c.used, c.max, c.ratio, c.ours, c.left} {
		g.WithLabelValues(org)
	}
}

// Request counts one HTTP request.
func (c *CRM) Request(org, op, code string, took time.Duration) {
	org = closed(org, c.orgs)
	c.requests.WithLabelValues(org, closed(op, Ops()), closed(code, Codes())).Inc()
	c.duration.WithLabelValues(org).Observe(took.Seconds())
}

// Quota notes what Salesforce said of the org's allocation. Negative figures
// are unknown and leave what was known.
func (c *CRM) Quota(org string, used, most int) {
	org = closed(org, c.orgs)
	if used >= 0 {
		c.used.WithLabelValues(org).Set(float64(used))
	}
	if most >= 0 {
		c.max.WithLabelValues(org).Set(float64(most))
	}
	if used >= 0 && most > 0 {
		c.ratio.WithLabelValues(org).Set(float64(used) / float64(most))
	}
}

// Own notes how many of the calls were ours, and how many more routine work
// may make; -1 when there is no budget.
func (c *CRM) Own(org string, ours, left int) {
	org = closed(org, c.orgs)
	c.ours.WithLabelValues(org).Set(float64(ours))
	c.left.WithLabelValues(org).Set(float64(left))
}
