package metrics

import (
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The closed sets of label values of the sync.
var (
	kinds    = []string{"full", "changes", "user"}
	outcomes = []string{"succeeded", "succeeded_with_issues", "held", "paused_quota", "failed", "cancelled"}
	verbs    = []string{"create", "link", "update", "schedule", "unschedule", "deactivate", "activate"}
	ends     = []string{"applied", "unchanged", "refused", "failed", "held"}
	reasons  = []string{"out_of_scope", "not_selected", "no_seat", "protected", "admin_hold", "ambiguous", "duplicate", "taken", "invalid", "parked", "held", "not_visible"}
)

// Kinds are what a run reads.
func Kinds() []string { return slices.Clone(kinds) }

// Outcomes are how a run ends.
func Outcomes() []string { return slices.Clone(outcomes) }

// Verbs are what a change does to a user.
func Verbs() []string { return slices.Clone(verbs) }

// Ends are how a change ends.
func Ends() []string { return slices.Clone(ends) }

// Reasons are why a user was left alone.
func Reasons() []string { return slices.Clone(reasons) }

// maxLicenses bounds the license types of an org that get a label of their own.
const maxLicenses = 50

var licenseForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// Sync measures the sync. It has the methods that the engine calls its
// observer by.
type Sync struct {
	orgs   []string
	crm    *CRM // quota gauges live there
	stream *stream

	mu       sync.Mutex          // guards licenses
	licenses map[string][]string // those with a label, by org

	runs      *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	changes   *prometheus.CounterVec
	skipped   *prometheus.GaugeVec
	success   *prometheus.GaugeVec
	lag       *prometheus.HistogramVec
	mirror    *prometheus.GaugeVec
	enrolled  *prometheus.GaugeVec
	held      *prometheus.GaugeVec
	attention *prometheus.GaugeVec
	waiting   *prometheus.GaugeVec
	overdue   *prometheus.GaugeVec
	seats     *prometheus.GaugeVec
}

func newSync(orgs []string, crm *CRM) *Sync {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, append([]string{"org"}, labels...))
	}
	return &Sync{
		orgs: orgs, crm: crm, stream: newStream(), licenses: map[string][]string{},
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rosterd_sync_runs_total", Help: "Runs that ended, by kind and outcome.",
		}, []string{"org", "kind", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rosterd_sync_run_duration_seconds", Help: "How long runs took, by kind.",
			Buckets: []float64{.1, .5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200},
		}, []string{"org", "kind"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rosterd_sync_changes_total", Help: "Changes of dialer users that the sync made or tried, by verb and outcome.",
		}, []string{"org", "verb", "outcome"}),
		skipped: gauge("rosterd_sync_skipped", "Users that the last full look left alone, by reason.", "reason"),
		success: gauge("rosterd_sync_last_success_timestamp_seconds", "When a run of the kind last succeeded, in seconds since 1970; 0 for never.", "kind"),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rosterd_sync_lag_seconds", Help: "Time from a change in Salesforce until it was applied to the directory.",
			Buckets: []float64{.1, .5, 1, 5, 15, 30, 60, 90, 120, 300, 900, 3600, 14400, 86400},
		}, []string{"org"}),
		mirror:    gauge("rosterd_sync_mirror_users", "Salesforce users in the mirror."),
		enrolled:  gauge("rosterd_sync_enrolled_users", "Dialer users that are linked to Salesforce."),
		held:      gauge("rosterd_sync_held", "Changes that are held until a person approves them."),
		attention: gauge("rosterd_sync_attention", "Open attention items: things that only a person can decide."),
		waiting:   gauge("rosterd_sync_waiting_users", "Users who wait for a seat."),
		overdue:   gauge("rosterd_sync_deactivations_overdue", "Users whose access should have ended already and has not."),
		seats:     gauge("rosterd_sync_seats", "Seats of a license type, purchased and assigned.", "license", "state"),
	}
}

func (s *Sync) collectors() []prometheus.Collector {
	return append(s.stream.collectors(),
		s.runs, s.duration, s.changes, s.skipped, s.success, s.lag, s.mirror, s.enrolled, s.held, s.attention, s.waiting, s.overdue, s.seats,
	)
}

func (s *Sync) create(org Org) {
	for _, k := range kinds {
		for _, o := range outcomes {
			s.runs.WithLabelValues(org.Name, k, o)
		}
		s.duration.WithLabelValues(org.Name, k)
		s.success.WithLabelValues(org.Name, k)
	}
	for _, v := range verbs {
		for _, e := range ends {
			s.changes.WithLabelValues(org.Name, v, e)
		}
	}
	for _, r := range reasons {
		s.skipped.WithLabelValues(org.Name, r)
	}
	for _, g := range []*prometheus.GaugeVec{s.mirror, s.enrolled, s.held, s.attention, s.waiting, s.overdue} {
		g.WithLabelValues(org.Name)
	}
	s.lag.WithLabelValues(org.Name)
	s.stream.create(org.Name)
	for _, l := range org.Licenses {
		s.Seats(org.Name, l, 0, 0)
	}
}

// RunFinished counts a run that ended.
func (s *Sync) RunFinished(org, kind, outcome string, took time.Duration) {
	org, kind = closed(org, s.orgs), closed(kind, kinds)
	s.runs.WithLabelValues(org, kind, closed(outcome, outcomes)).Inc()
	s.duration.WithLabelValues(org, kind).Observe(took.Seconds())
}

// Changes counts n changes that ended alike.
func (s *Sync) Changes(org, verb, outcome string, n int) {
	if n > 0 {
		s.changes.WithLabelValues(closed(org, s.orgs), closed(verb, verbs), closed(outcome, ends)).Add(float64(n))
	}
}

// Skipped notes how many users are left alone for a reason.
func (s *Sync) Skipped(org, reason string, n int) {
	s.skipped.WithLabelValues(closed(org, s.orgs), closed(reason, reasons)).Set(float64(n))
}

// StatusGauges notes how an org stands.
func (s *Sync) StatusGauges(org string, mirror, enrolled, held, attention, waiting, overdue int) {
	org = closed(org, s.orgs)
	s.mirror.WithLabelValues(org).Set(float64(mirror))
	s.enrolled.WithLabelValues(org).Set(float64(enrolled))
	s.held.WithLabelValues(org).Set(float64(held))
	s.attention.WithLabelValues(org).Set(float64(attention))
	s.waiting.WithLabelValues(org).Set(float64(waiting))
	s.overdue.WithLabelValues(org).Set(float64(overdue))
}

// LastSuccess notes when a run of the kind last succeeded; zero is never.
func (s *Sync) LastSuccess(org, kind string, at time.Time) {
	seconds := 0.0
	if !at.IsZero() {
		seconds = float64(at.UnixMilli()) / 1000
	}
	s.success.WithLabelValues(closed(org, s.orgs), closed(kind, kinds)).Set(seconds)
}

// QuotaGauges notes how the API quota stands; -1 is unknown.
func (s *Sync) QuotaGauges(org string, used, most, ours, budgetLeft int) {
	s.crm.Quota(org, used, most)
	s.crm.Own(org, ours, budgetLeft)
}

// Lag notes how long one change of Salesforce took to reach the directory.
func (s *Sync) Lag(org string, d time.Duration) {
	s.lag.WithLabelValues(closed(org, s.orgs)).Observe(max(d, 0).Seconds())
}

// Seats notes the seats of a license type.
func (s *Sync) Seats(org, license string, purchased, assigned int) {
	org = closed(org, s.orgs)
	license = s.license(org, license)
	s.seats.WithLabelValues(org, license, "purchased").Set(float64(purchased))
	s.seats.WithLabelValues(org, license, "assigned").Set(float64(assigned))
}

// license bounds the label: types are configured, so they are few and have the
// form that the configuration asks for.
func (s *Sync) license(org, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.licenses[org]
	if slices.Contains(known, name) {
		return name
	}
	if !licenseForm.MatchString(name) || len(known) >= maxLicenses {
		return other
	}
	s.licenses[org] = append(known, name)
	return name
}
