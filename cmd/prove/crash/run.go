// Package crash kills and stops Chartwire's processes: at random times, at each named point, and past their leases. What
// was acknowledged must be on the chart afterwards, once.
package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/cmd/prove/figure"
	"github.com/chartwire/chartwire/cmd/prove/rig"
	"github.com/chartwire/chartwire/connector/clock"
)

// Run is one proof. Binary is built with points.
type Run struct {
	Binary string
	Seed   uint64
	Per    string // filing.per: exchange, or thread
	Keep   bool   // logs of a failed run
	Book   *figure.Book
	Out    io.Writer // progress

	random *rand.Rand
}

// perThread says whether a thread is one entry here, whose figures are told apart.
func (r *Run) perThread() bool { return r.Per == "thread" }

// named is a figure's name.
func (r *Run) named(name string) string {
	if r.perThread() {
		return name + "-thread"
	}
	return name
}

// settleWithin bounds how long the last exchange may take after the last fault.
const settleWithin = 3 * time.Minute

func (r *Run) say(format string, args ...any) { fmt.Fprintf(r.Out, format+"\n", args...) }

func (r *Run) sleep(ctx context.Context, from, to time.Duration) error {
	return clock.Sleep(ctx, clock.System, from+time.Duration(r.random.Int64N(int64(to-from))))
}

// under runs faults while load and samples go on, waits until nothing moves, and judges. A run in which nothing was
// acknowledged or sampled proves nothing and fails.
func (r *Run) under(ctx context.Context, w *rig.World, l rig.Load, faults func(ctx context.Context) error) (rig.Verdict, *rig.Samples, rig.States, error) {
	var none rig.Verdict
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := make(chan struct{})
	l.Until, l.Closes = quiet, r.perThread()
	sent, sampled := make(chan struct{}), make(chan *rig.Samples, 1)
	go func() {
		defer close(sent)
		if err := w.Send(ctx, l); err != nil {
			cancel(err) // the faults end early, and this is why
		}
	}()
	watching, enough := context.WithCancel(ctx)
	go func() { sampled <- w.Watch(watching) }()
	err := faults(ctx)
	close(quiet)
	if err != nil {
		cancel(err)
	}
	<-sent
	var states rig.States
	if err == nil {
		states, err = w.Settle(ctx, settleWithin)
	}
	enough()
	samples := <-sampled
	if err = errors.Join(context.Cause(ctx), err); err != nil {
		return none, samples, states, err
	}
	w.Sample(ctx, samples)
	v := w.Judge()
	if v.Acked == 0 || samples.Taken == 0 {
		return v, samples, states, errors.New("nothing was acknowledged, or conservation never sampled: this run proves nothing")
	}
	return v, samples, states, nil
}

// figures adds what a verdict says under a name such as kill-sqlite. apart leaves what is doubled to a figure of its own.
func (r *Run) figures(name, note string, v rig.Verdict, s *rig.Samples, apart bool) {
	add := func(row string, value int, more string) {
		r.Book.Add(figure.Figure{ID: row + "-" + r.named(name), Value: float64(value), Limit: "=0", Note: more})
	}
	add("P1", v.Lost, fmt.Sprintf("acked and not on the chart, of %d acked, %s", v.Acked, note))
	if !apart {
		add("P3", v.Duplicates, "doubled")
	}
	add("P4", v.Inversions, fmt.Sprintf("inverted and not marked late; %d marked", v.Late))
	add("P25", v.WrongPatient+v.WrongWords+v.Strangers, "under a wrong patient, with other words, or of nobody")
	add("P5", len(s.Broken), fmt.Sprintf("broken of %d samples of conservation", s.Taken))
	if !v.Clean() {
		r.say("%s: %v", name, v)
	}
	for _, b := range s.Broken[:min(len(s.Broken), 5)] {
		r.say("%s: %s", name, b)
	}
}

// Begin seeds the run.
func (r *Run) Begin() { r.random = rand.New(rand.NewPCG(r.Seed, 0xC4A5)) }

// searchOnly is the EHR on which only Find stands between a killed worker and a double.
func searchOnly() ehr.Traits { return ehr.SearchOnly() }

// p10 adds the figure of the pauses' own row.
func (r *Run) p10(name string, value int, note string) {
	r.Book.Add(figure.Figure{ID: "P10-" + r.named(name), Value: float64(value), Limit: "=0", Note: note})
}
