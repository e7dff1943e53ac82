package app

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

// metrics is the deliver.Observer behind /metrics (names of DESIGN §6). Labels hold config names and enum words only.
type metrics struct {
	registry *prometheus.Registry
	attempts *prometheus.CounterVec
	filing   *prometheus.HistogramVec
	alarms   *prometheus.CounterVec
}

func newMetrics(s connector.Store, ids map[string]string, clockOff func() time.Duration) (*metrics, error) {
	m := &metrics{registry: prometheus.NewRegistry(),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_attempts_total", Help: "Attempts toward EHRs and platforms, by how they ended."}, []string{"ehr", "outcome", "reason"}),
		filing:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "chartwire_filing_seconds", Help: "From our commit of an exchange to its receipt.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 10)}, []string{"ehr"}),
		alarms:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chartwire_alarms_total", Help: "Items parked and connections stopped, by reason."}, []string{"ehr", "reason"}),
	}
	names := map[string]string{}
	for name, id := range ids {
		names[id] = name
	}
	off := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "chartwire_clock_offset_seconds", Help: "By how much the machine's clock has jumped since the start; 0 is good."},
		func() float64 { return clockOff().Seconds() })
	for _, c := range []prometheus.Collector{m.attempts, m.filing, m.alarms, off, &counts{store: s, names: names}} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Attempted is deliver.Observer.
func (m *metrics) Attempted(ehr, outcome string, r connector.Reason) {
	m.attempts.WithLabelValues(ehr, outcome, string(r)).Inc()
}

// Moved is deliver.Observer.
func (m *metrics) Moved(ehr, _ string, i connector.Item) {
	if i.Kind == connector.ItemExchange && i.State == connector.Filed {
		m.filing.WithLabelValues(ehr).Observe(i.ChangedAt.Sub(i.CommittedAt).Seconds())
	}
}

// Alarm is deliver.Observer.
func (m *metrics) Alarm(ehr string, r connector.Reason, _ string) {
	m.alarms.WithLabelValues(ehr, string(r)).Inc()
}

// counts reads the conservation equation and what is parked at scrape time.
type counts struct {
	store connector.Store
	names map[string]string
}

var (
	exchangesDesc = prometheus.NewDesc("chartwire_exchanges", "Exchanges by state; accepted is their sum.", []string{"state", "direction", "channel", "ehr"}, nil)
	parkedDesc    = prometheus.NewDesc("chartwire_parked", "Items that need a person.", []string{"reason", "owner"}, nil)
)

func (c *counts) Describe(ch chan<- *prometheus.Desc) { ch <- exchangesDesc; ch <- parkedDesc }

func (c *counts) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	parked := map[[2]string]float64{}
	err := c.store.View(ctx, func(tx connector.Tx) error {
		tallies, err := tx.Tallies()
		if err != nil {
			return err
		}
		for _, t := range tallies {
			ch <- prometheus.MustNewConstMetric(exchangesDesc, prometheus.GaugeValue, float64(t.N), string(t.State), string(t.Direction), t.Channel, c.names[t.EHR])
		}
		items, err := tx.OpenItems("", []connector.ItemState{connector.Parked}, 100_000)
		for _, i := range items {
			parked[[2]string{string(i.Reason), i.WhoActs()}]++
		}
		return err
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(exchangesDesc, err)
		return
	}
	for k, n := range parked {
		ch <- prometheus.MustNewConstMetric(parkedDesc, prometheus.GaugeValue, n, k[0], k[1])
	}
}

// alarms is the deliver.Observer that writes what needs a person into the log, with the sentence a person reads.
type alarms struct{ log *slog.Logger }

func (a alarms) Attempted(string, string, connector.Reason) {}

func (a alarms) Moved(string, string, connector.Item) {}

func (a alarms) Alarm(ehr string, r connector.Reason, item string) {
	a.log.Warn("needs a person: "+r.Sentence(), "ehr", ehr, "reason", string(r), "who", r.Owner(), "next", r.Next(), "item", item)
}

// observers tells several observers in turn.
type observers []deliver.Observer

func (o observers) Attempted(ehr, outcome string, r connector.Reason) {
	for _, x := range o {
		if x != nil {
			x.Attempted(ehr, outcome, r)
		}
	}
}

func (o observers) Moved(ehr, channel string, i connector.Item) {
	for _, x := range o {
		if x != nil {
			x.Moved(ehr, channel, i)
		}
	}
}

func (o observers) Alarm(ehr string, r connector.Reason, item string) {
	for _, x := range o {
		if x != nil {
			x.Alarm(ehr, r, item)
		}
	}
}
