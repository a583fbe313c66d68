package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The closed sets of label values of the stream.
var (
	streamPhases  = []string{"live", "connecting", "down", "off"}
	streamReasons = []string{
		"closed", "network", "silent", "service", "throttled", "login", "auth", "permission", "topic", "limit", "replay", "protocol", "store",
	}
	streamKinds = []string{"create", "update", "delete", "undelete", "gap", "overflow"}
)

// StreamPhases are how a stream of change events stands.
func StreamPhases() []string { return slices.Clone(streamPhases) }

// StreamReasons are why a stream ended.
func StreamReasons() []string { return slices.Clone(streamReasons) }

// StreamKinds are what events tell of.
func StreamKinds() []string { return slices.Clone(streamKinds) }

// stream measures the stream of change events.
type stream struct {
	phase      *prometheus.GaugeVec
	ended      *prometheus.CounterVec
	events     *prometheus.CounterVec
	lag        *prometheus.HistogramVec
	deliveries *prometheus.GaugeVec
	allowed    *prometheus.GaugeVec
}

func newStream() *stream {
	return &stream{
		phase: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rosterd_stream_state", Help: "1 for the state that the stream of change events is in, 0 for the others.",
		}, []string{"org", "state"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rosterd_stream_ended_total", Help: "Streams that ended or could not begin, by reason.",
		}, []string{"org", "reason"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rosterd_stream_events_total", Help: "Change events of users received, by what they tell of.",
		}, []string{"org", "kind"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rosterd_stream_lag_seconds", Help: "Time from the commit of a change in Salesforce until the directory was true, for changes that events told of.",
			Buckets: []float64{.05, .1, .2, .3, .5, .75, 1, 2, 5, 10, 30, 60, 300},
		}, []string{"org"}),
		deliveries: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rosterd_stream_delivered_events", Help: "Events delivered to all subscribers of the org in the last 24 hours, as Salesforce last said.",
		}, []string{"org"}),
		allowed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rosterd_stream_deliverable_events", Help: "Events that may be delivered in 24 hours, as Salesforce last said; 0 for unknown.",
		}, []string{"org"}),
	}
}

func (s *stream) collectors() []prometheus.Collector {
	return []prometheus.Collector{s.phase, s.ended, s.events, s.lag, s.deliveries, s.allowed}
}

func (s *stream) create(org string) {
	for _, p := range streamPhases {
		s.phase.WithLabelValues(org, p)
	}
	for _, r := range streamReasons {
		s.ended.WithLabelValues(org, r)
	}
	for _, k := range streamKinds {
		s.events.WithLabelValues(org, k)
	}
	s.lag.WithLabelValues(org)
	s.deliveries.WithLabelValues(org)
	s.allowed.WithLabelValues(org)
}

// StreamState notes in which phase the stream is.
func (s *Sync) StreamState(org, phase string) {
	org = closed(org, s.orgs)
	for _, p := range streamPhases {
		on := 0.0
		if p == phase {
			on = 1
		}
		s.stream.phase.WithLabelValues(org, p).Set(on)
	}
}

// StreamEnded counts a stream that ended.
func (s *Sync) StreamEnded(org, reason string) {
	s.stream.ended.WithLabelValues(closed(org, s.orgs), closed(reason, streamReasons)).Inc()
}

// StreamEvents counts events that arrived.
func (s *Sync) StreamEvents(org, kind string, n int) {
	s.stream.events.WithLabelValues(closed(org, s.orgs), closed(kind, streamKinds)).Add(float64(max(n, 0)))
}

// StreamLag notes how long a change took from its commit to the directory.
func (s *Sync) StreamLag(org string, d time.Duration) {
	s.stream.lag.WithLabelValues(closed(org, s.orgs)).Observe(max(d, 0).Seconds())
}

// Deliveries notes how the org's allocation of delivered events stands.
func (s *Sync) Deliveries(org string, used, most int) {
	org = closed(org, s.orgs)
	s.stream.deliveries.WithLabelValues(org).Set(float64(used))
	s.stream.allowed.WithLabelValues(org).Set(float64(most))
}
