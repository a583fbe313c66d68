// Package metrics holds every metric of rosterd: its name, its labels, and all
// values that they can have. Nothing else names a metric. It imports nothing of
// ours: the rooms below declare small observers, and the types here happen to
// have their methods. No label can hold a person, a URL or a message: a value
// outside of its closed set is counted as "other".
package metrics

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// other stands for a label value outside of its closed set.
const other = "other"

// Org is what is known of an org before anything happens.
type Org struct {
	Name     string
	Licenses []string // license types
}

// Options say what is measured.
type Options struct {
	Version string // of the daemon; empty means unknown
	Orgs    []Org
}

// Metrics are the metrics of one daemon. It is safe for concurrent use.
type Metrics struct {
	Sync *Sync
	CRM  *CRM

	reloaded   prometheus.Gauge
	reloadedAt prometheus.Gauge
}

// New makes the metrics and registers them, together with those of the Go
// runtime and of the process.
func New(reg prometheus.Registerer, o Options) (*Metrics, error) {
	m := &Metrics{
		reloaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rosterd_config_last_reload_successful",
			Help: "1 if the configuration was taken over the last time it was read, 0 if the one before it is still in force.",
		}),
		reloadedAt: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rosterd_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration in force was read, in seconds since 1970.",
		}),
	}
	orgs := make([]string, len(o.Orgs))
	for i, org := range o.Orgs {
		orgs[i] = org.Name
	}
	m.CRM = newCRM(orgs)
	m.Sync = newSync(orgs, m.CRM)
	all := slices.Concat(m.Sync.collectors(), m.CRM.collectors(), []prometheus.Collector{
		m.reloaded, m.reloadedAt, buildInfo(o.Version),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	})
	var errs []error
	for _, c := range all {
		errs = append(errs, reg.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	for _, org := range o.Orgs {
		m.Sync.create(org)
		m.CRM.create(org.Name)
	}
	return m, nil
}

// Reloaded notes that the configuration was read, and whether it was taken
// over.
func (m *Metrics) Reloaded(ok bool) {
	if !ok {
		m.reloaded.Set(0)
		return
	}
	m.reloaded.Set(1)
	m.reloadedAt.SetToCurrentTime()
}

// Handler serves what reg gathers.
func Handler(reg *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg, MaxRequestsInFlight: 4})
}

func buildInfo(version string) prometheus.Collector {
	if version == "" {
		version = "unknown"
	}
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rosterd_build_info",
		Help: "Always 1; the labels say which build runs.",
	}, []string{"version", "revision", "goversion"})
	g.WithLabelValues(version, revision, runtime.Version()).Set(1)
	return g
}

// closed returns v if it is one of set, and "other" if it is not.
func closed(v string, set []string) string {
	if slices.Contains(set, v) {
		return v
	}
	return other
}
