package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/fhir/smart"
)

// pinEvery is how long it is at most from one try to read a smart-configuration to the next.
const pinEvery = time.Minute

// launches are the SMART clients of the EHRs that launch the inbox, by the connection's name.
type launches map[string]*smart.App

// run pins the smart-configuration of every EHR at the start, so that the first launch follows what was there when somebody looked
// to the start, and not what is there when it comes. An EHR that is down keeps nothing from starting: it is tried again. It returns
// when ctx ends.
func (l launches) run(ctx context.Context, c clock.Clock, log *slog.Logger) error {
	var all sync.WaitGroup
	for name, app := range l {
		all.Go(func() { pin(ctx, app, c, log.With("ehr", name)) })
	}
	all.Wait()
	<-ctx.Done()
	return nil
}

// pin tries until the document is pinned, be it by a launch in between, and says so; what stands against it is said once for as long
// as it is the same.
func pin(ctx context.Context, app *smart.App, c clock.Clock, log *slog.Logger) {
	said := ""
	for wait := time.Second; ; wait = min(2*wait, pinEvery) {
		conf, err := app.Pin(ctx)
		if err == nil {
			log.Info("the EHR's smart-configuration is pinned until the next start", "authorization_endpoint", conf.AuthorizationEndpoint,
				"token_endpoint", conf.TokenEndpoint, "issuer", conf.Issuer)
			return
		}
		if ctx.Err() != nil {
			return
		}
		var failed *smart.LaunchError
		if why := err.Error(); why != said && errors.As(err, &failed) {
			log.Warn("the EHR's smart-configuration is not pinned yet, and nobody can open the inbox from it; it is tried again until it is", "code", failed.Code, "why", why,
				"next", "chartwire doctor says what is wrong and who must act")
			said = why
		}
		if clock.Sleep(ctx, c, wait) != nil {
			return
		}
	}
}

var pinnedDesc = prometheus.NewDesc("chartwire_launch_pinned", "1 where the EHR's smart-configuration is pinned; 0: it could not be read yet, and nobody can open the inbox from it.", []string{"ehr"}, nil)

// Describe is prometheus.Collector.
func (launches) Describe(ch chan<- *prometheus.Desc) { ch <- pinnedDesc }

// Collect is prometheus.Collector.
func (l launches) Collect(ch chan<- prometheus.Metric) {
	for name, app := range l {
		value := 0.0
		if app.Pinned() != nil {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(pinnedDesc, prometheus.GaugeValue, value, name)
	}
}
