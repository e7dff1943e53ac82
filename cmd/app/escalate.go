package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector/alert"
)

// escalator is the ladder of the configuration.
func (a *App) escalator(c *config.Config) *alert.Escalator {
	names, pools := map[string]string{}, map[string]time.Duration{}
	for name, id := range a.ids {
		names[id] = name
	}
	for _, p := range c.Pools {
		pools[alert.PoolKey(a.ids[p.EHR], p.ID)] = p.SLA
	}
	l, u := c.Parked.Ladder, c.Parked.Urgent
	return &alert.Escalator{Store: a.store, Clock: a.o.Clock, Log: a.o.Log, Board: a.board, Names: names,
		SLA:    alert.SLA{Default: c.Parked.SLA, Pools: pools},
		Ladder: alert.Ladder{Steps: steps(l.Owner, l.Supervisor, l.Admin), Urgent: steps(u.Owner, u.Supervisor, u.Admin)}}
}

func steps(owner, supervisor, admin time.Duration) []alert.Step {
	return []alert.Step{{To: "owner", After: owner}, {To: "supervisor", After: supervisor}, {To: "admin", After: admin}}
}

// overdue is what the ladder last saw, as metrics.
type overdue struct{ of *alert.Escalator }

var (
	overdueDesc      = prometheus.NewDesc("chartwire_parked_overdue", "Parked items past their SLA.", nil, nil)
	parkedOldestDesc = prometheus.NewDesc("chartwire_parked_oldest_seconds", "How long the oldest parked item has been parked.", nil, nil)
)

func (o overdue) Describe(ch chan<- *prometheus.Desc) { ch <- overdueDesc; ch <- parkedOldestDesc }

func (o overdue) Collect(ch chan<- prometheus.Metric) {
	now := o.of.Overdue()
	ch <- prometheus.MustNewConstMetric(overdueDesc, prometheus.GaugeValue, float64(now.Late))
	ch <- prometheus.MustNewConstMetric(parkedOldestDesc, prometheus.GaugeValue, now.Oldest.Seconds())
}
