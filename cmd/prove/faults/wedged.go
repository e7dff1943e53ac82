package faults

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/cmd/prove/figure"
	"github.com/chartwire/chartwire/cmd/prove/rig"
	"github.com/chartwire/chartwire/connector/clock"
)

const (
	wedgedThreads = 10
	wedgedPairs   = 5
	shortPairs    = 2 // of a run of fewer exchanges than shortRun: too few to tell how much the reference swings
	shortRun      = 4000
	phase         = 12 * time.Second
	answersIn     = 20 * time.Millisecond // the EHR's own time for a request
)

// wedge makes an EHR that takes its time, and that never answers a write about some threads while it is on.
type wedge struct{ on atomic.Bool }

func (g *wedge) options(o *ehr.Options) {
	o.Before = func(r *http.Request) *ehr.Response {
		if err := clock.Sleep(r.Context(), clock.System, answersIn); err != nil {
			return &ehr.Response{Reset: true}
		}
		if !g.on.Load() || r.Method != http.MethodPost {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if err == nil && bytes.Contains(body, []byte("wedged-")) {
			return &ehr.Response{Hang: true}
		}
		return nil
	}
}

// wedged is the other half of P4: ten threads whose writes are never answered leave the time that others need as it was.
// Phases with and without them take turns.
func (r *run) wedged(ctx context.Context) error {
	g := &wedge{}
	o := rig.Options{Store: rig.SQLite, Workers: 8, Deadline: 2 * time.Second, EHR: g.options}
	return r.in(ctx, "P4-wedged", o, func(ctx context.Context, w *rig.World) error {
		var free, beside []time.Duration
		pairs := wedgedPairs
		if r.Exchanges < shortRun {
			pairs = shortPairs
		}
		for pair := range pairs {
			for _, on := range []bool{false, true} {
				name := fmt.Sprintf("free%d-", pair)
				if on {
					name = fmt.Sprintf("beside%d-", pair)
				}
				g.on.Store(on)
				p99, err := r.phase(ctx, w, name, on, pair)
				if err != nil {
					return err
				}
				r.say("%s p99 %v", name, p99.Round(time.Millisecond))
				if on {
					beside = append(beside, p99)
				} else {
					free = append(free, p99)
				}
			}
		}
		g.on.Store(false)
		_, v, err := r.settle(ctx, w, 5*time.Minute)
		if err != nil {
			return err
		}
		r.ratio(free, beside, v)
		return nil
	})
}

func (r *run) ratio(free, beside []time.Duration, v rig.Verdict) {
	slices.Sort(free)
	slices.Sort(beside)
	reference := free[len(free)/2]
	spread := free[len(free)*3/4] - free[len(free)/4]
	r.Book.Add(figure.Figure{ID: "P4-wedged-p99", Value: float64(beside[len(beside)/2]) / float64(reference), Limit: "<=1.2",
		Noisy: len(free) < wedgedPairs || spread > reference/4,
		Note: fmt.Sprintf("p99 ack to chart %v without, %v beside %d wedged threads, medians of %d; spread of the first %v",
			reference.Round(time.Millisecond), beside[len(beside)/2].Round(time.Millisecond), wedgedThreads, len(free), spread.Round(time.Millisecond))})
	r.zero("P4-wedged-wrong", v.Lost+v.Duplicates+v.Inversions+v.WrongPatient+v.WrongWords+v.Strangers, fmt.Sprintf("of %d acked", v.Acked))
}

// phase sends about 40 exchanges a second for a while, and gives the 99th percentile of the time from their
// acknowledgement to their entry. With wedged threads there are those besides, each with something to file all the time.
func (r *run) phase(ctx context.Context, w *rig.World, name string, wedged bool, pair int) (time.Duration, error) {
	if wedged {
		if err := w.Send(ctx, rig.Load{Senders: wedgedThreads, Messages: 4, Threads: wedgedThreads, Prefix: fmt.Sprintf("wedged-%d-", pair)}); err != nil {
			return 0, err
		}
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = clock.Sleep(ctx, clock.System, phase)
	}()
	// Threads that were begun are ended: one that was cut off between two messages that changed places has a gap.
	if err := w.Send(ctx, rig.Load{Senders: 8, Messages: 4, Pause: 200 * time.Millisecond, Prefix: name, Until: over}); err != nil {
		return 0, err
	}
	filed, err := r.filedBy(ctx, w, name)
	if err != nil {
		return 0, err
	}
	var took []time.Duration
	for key, at := range w.Acks.Times() {
		if strings.HasPrefix(key, name) {
			took = append(took, filed[key].Sub(at))
		}
	}
	if len(took) < 60 {
		return 0, fmt.Errorf("only %d exchanges in %v: that has no 99th percentile", len(took), phase)
	}
	slices.Sort(took)
	return took[len(took)*99/100], nil
}

// filedBy waits until every acknowledged message of a prefix has its entry, and gives when each came into being.
func (r *run) filedBy(ctx context.Context, w *rig.World, prefix string) (map[string]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		filed := map[string]time.Time{}
		for _, e := range w.EHR.Ledger() {
			for _, id := range e.Identifiers {
				if e.Version == 1 && strings.HasSuffix(id.System, "/message") {
					filed[id.Value] = e.Time
				}
			}
		}
		missing := 0
		for key := range w.Acks.Times() {
			if _, ok := filed[key]; !ok && strings.HasPrefix(key, prefix) {
				missing++
			}
		}
		if missing == 0 {
			return filed, nil
		}
		if clock.Sleep(ctx, clock.System, 100*time.Millisecond) != nil {
			return nil, fmt.Errorf("%d exchanges of %s are not on the chart a minute after the last", missing, prefix)
		}
	}
}
