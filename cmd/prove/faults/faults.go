// Package faults holds the connector to what it promises while the other side, the disk or the database misbehave: no
// acknowledgement of what cannot be stored (P2), one entry for each exchange whatever becomes of an answer (P3), each thread
// in its order and none held up by another (P4).
package faults

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/figure"
	"github.com/chartwire/chartwire/cmd/prove/rig"
	"github.com/chartwire/chartwire/connector/clock"
)

// Options of Run.
type Options struct {
	Exchanges int      // of each mode of P3; P4 has five times as many
	Only      []string // P2, P3, P4, P4-wedged; all where none is named
	Keep      bool     // keep the logs of a run that failed
	Book      *figure.Book
	Log       io.Writer // what is going on, for who waits
}

// run is one Run.
type run struct {
	Options
	binary string
}

// Run measures, and fails where a run could not be carried out; a figure that is short is the Book's to tell.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "prove-faults")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &run{Options: o}
	if r.binary, err = rig.Build(ctx, dir, false); err != nil {
		return err
	}
	for _, part := range []struct {
		id  string
		run func(context.Context) error
	}{{"P2", r.away}, {"P3", r.once}, {"P4", r.order}, {"P4-wedged", r.wedged}} {
		if !r.wanted(part.id) {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.id, err)
		}
	}
	return ctx.Err()
}

func (r *run) wanted(id string) bool {
	for _, o := range r.Only {
		if o == id {
			return true
		}
	}
	return len(r.Only) == 0
}

func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.Log, "%s "+format+"\n", append([]any{clock.System.Now().UTC().Format(time.TimeOnly)}, args...)...)
}

func (r *run) zero(id string, n int, note string) {
	r.Book.Add(figure.Figure{ID: id, Value: float64(n), Limit: "=0", Note: note})
}

// in runs fn in a world that is up, with conservation watched all the time, and tells what the watch saw.
func (r *run) in(ctx context.Context, name string, o rig.Options, fn func(ctx context.Context, w *rig.World) error) (err error) {
	o.Binary, o.Keep = r.binary, r.Keep
	start := clock.System.Now()
	w, err := rig.New(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = w.Close(err) }()
	if err := w.Up(ctx); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	samples := make(chan *rig.Samples, 1)
	go func() { samples <- w.Watch(watching) }()
	err = fn(ctx, w)
	stop()
	seen := <-samples
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if seen.Taken == 0 {
		return fmt.Errorf("%s: conservation was never looked at", name)
	}
	note := fmt.Sprintf("of %d samples, %v", seen.Taken, clock.System.Now().Sub(start).Round(time.Second))
	if len(seen.Broken) > 0 {
		note += ": " + seen.Broken[0]
	}
	r.zero("P5-"+name, len(seen.Broken), note)
	return nil
}

// settle waits until nothing moves and tells the judge's verdict.
func (r *run) settle(ctx context.Context, w *rig.World, within time.Duration) (rig.States, rig.Verdict, error) {
	states, err := w.Settle(ctx, within)
	v := w.Judge()
	if !v.Clean() {
		r.say("%s", v)
	}
	return states, v, err
}
