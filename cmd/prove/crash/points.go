package crash

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
	"github.com/chartwire/chartwire/cmd/prove/rig"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/crash"
)

// metWithin is how long a process under load may take to come by a point: an open attempt is looked for only after settle.
const metWithin = 60 * time.Second

// Points ends the process at each named point, rounds times, on one store. Each must really end there.
func (r *Run) Points(ctx context.Context, store string, rounds int) error {
	w, err := rig.New(ctx, rig.Options{Binary: r.Binary, Store: store, Per: r.Per, Traits: searchOnly(), Keep: r.Keep,
		Script: script.Must[ehr.Script]("POST * %9 commit-then-reset\n")}) // so that there are open attempts to look for
	if err != nil {
		return err
	}
	if err := w.Up(ctx); err != nil {
		return w.Close(err)
	}
	began := clock.System.Now()
	load := rig.Load{Senders: 4, Pause: 15 * time.Millisecond, Replies: 3, Seed: r.Seed}
	v, s, states, err := r.under(ctx, w, load, func(ctx context.Context) error {
		for round := range rounds {
			for _, p := range crash.Points {
				if err := r.endAt(ctx, w, p); err != nil {
					return fmt.Errorf("round %d, %s: %w", round+1, p, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		return w.Close(err)
	}
	note := fmt.Sprintf("%d points × %d, each met, %d parked, %v in all", len(crash.Points), rounds, states["parked"],
		clock.System.Now().Sub(began).Round(time.Second))
	r.figures("points-"+store, note, v, s, false)
	return w.Close(kept(r, v, s))
}

// endAt starts the process with the point in its environment, waits for its end there, and starts it without.
func (r *Run) endAt(ctx context.Context, w *rig.World, point string) error {
	replica := w.Replicas[0]
	replica.Kill()
	n := 1 + r.random.IntN(3)
	if strings.HasPrefix(point, "store-") {
		n += 10 // its own commits while it starts come by there too
	}
	replica.Env = []string{fmt.Sprintf("CRASHPOINT=%s:%d", point, n)}
	if err := replica.Start(ctx); err != nil {
		return err
	}
	started := replica.Ready(ctx)
	met, cancel := context.WithTimeout(ctx, metWithin)
	defer cancel()
	select {
	case <-replica.Gone():
	case <-met.Done():
		return fmt.Errorf("the process came not by the point in %v, so nothing was proven", metWithin)
	}
	if !replica.Killed() {
		return fmt.Errorf("the process ended by itself and not at the point (started: %v)", started)
	}
	replica.Env = nil
	return w.Up(ctx)
}
