package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/egress"
)

// board is where alerts are kept and told from: to the configured webhook, where there is one.
func (b *builder) board(s connector.Store, c clock.Clock, log *slog.Logger) (*alert.Board, error) {
	o := alert.Options{Store: s, Clock: c, Log: log}
	if a := b.config.Alerts; a.URL != "" {
		hc, err := b.guard.Client("alerts", []string{a.URL}, egress.Limits{Total: 10 * time.Second, Body: 64 << 10})
		if err != nil {
			return nil, fmt.Errorf("alerts.url: %w", err)
		}
		secret := ""
		if lines := a.Secret.Secrets(); len(lines) > 0 {
			secret = lines[0]
		}
		hook, err := alert.NewWebhook(a.URL, secret, hc, c)
		if err != nil {
			return nil, fmt.Errorf("alerts.secret: %w", err)
		}
		o.Tell = hook
	}
	return alert.New(o), nil
}

// standstill reads at scrape time how long the oldest exchange of each EHR has been under way, and which alerts are open.
type standstill struct {
	store connector.Store
	clock clock.Clock
	names map[string]string
	board *alert.Board
}

var (
	oldestDesc = prometheus.NewDesc("chartwire_lane_oldest_seconds", "Age of the oldest item on the lanes of an EHR that is not done, by state; 0 where there is none.", []string{"ehr", "state"}, nil)
	alertsDesc = prometheus.NewDesc("chartwire_alerts", "Open alerts.", []string{"kind", "ehr"}, nil)
)

func (s *standstill) Describe(ch chan<- *prometheus.Desc) { ch <- oldestDesc; ch <- alertsDesc }

// Collect reads one row of an index for each EHR and state.
func (s *standstill) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	now := s.clock.Now()
	ages := map[[2]string]float64{}
	err := s.store.View(ctx, func(tx connector.Tx) error {
		for id, name := range s.names {
			for _, state := range []connector.ItemState{connector.Waiting, connector.Held, connector.Filing, connector.Unknown} {
				items, err := tx.OpenItems(id, []connector.ItemState{state}, 1)
				if err != nil {
					return err
				}
				age := 0.0
				if len(items) > 0 {
					age = max(now.Sub(items[0].CommittedAt).Seconds(), 0)
				}
				ages[[2]string{name, string(state)}] = age
			}
		}
		return nil
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(oldestDesc, err)
	}
	for k, age := range ages {
		ch <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, age, k[0], k[1])
	}
	open := map[[2]string]float64{}
	for _, a := range s.board.Open() {
		open[[2]string{string(a.Kind), a.EHR}]++
	}
	for k, n := range open {
		ch <- prometheus.MustNewConstMetric(alertsDesc, prometheus.GaugeValue, n, k[0], k[1])
	}
}
