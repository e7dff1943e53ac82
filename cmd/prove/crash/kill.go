package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/rig"
	"github.com/chartwire/chartwire/connector/clock"
)

// Kill runs n cycles of kill -9 at random times under load on one store. On Postgres the database goes too: alone in
// every third cycle, together with the connector in every other third.
func (r *Run) Kill(ctx context.Context, store string, n int) error {
	w, err := rig.New(ctx, rig.Options{Binary: r.Binary, Store: store, Per: r.Per, Traits: searchOnly(), Keep: r.Keep})
	if err != nil {
		return err
	}
	if err := w.Up(ctx); err != nil {
		return w.Close(err)
	}
	var back []time.Duration
	began := clock.System.Now()
	load := rig.Load{Senders: 4, Pause: 15 * time.Millisecond, Replies: 10, Seed: r.Seed}
	v, s, states, err := r.under(ctx, w, load, func(ctx context.Context) error {
		for cycle := range n {
			if err := r.sleep(ctx, 100*time.Millisecond, 900*time.Millisecond); err != nil {
				return err
			}
			if err := r.killOnce(w, cycle); err != nil {
				return err
			}
			at := clock.System.Now()
			if err := up(ctx, w); err != nil {
				return fmt.Errorf("cycle %d: %w", cycle+1, err)
			}
			back = append(back, clock.System.Now().Sub(at))
			if (cycle+1)%50 == 0 {
				r.say("kill-%s: %d of %d cycles, %d acked", store, cycle+1, n, w.Acks.Acked())
			}
		}
		return nil
	})
	if err != nil {
		return w.Close(err)
	}
	slices.Sort(back)
	note := fmt.Sprintf("%d kills, ready again in %v (median) and %v (longest), %d parked, %v in all", n,
		back[len(back)/2].Round(time.Millisecond), back[len(back)-1].Round(time.Millisecond), states["parked"],
		clock.System.Now().Sub(began).Round(time.Second))
	r.figures("kill-"+store, note, v, s, false)
	return w.Close(kept(r, v, s))
}

// kept is the failure that keeps the logs of a run whose figures are short.
func kept(r *Run, v rig.Verdict, s *rig.Samples) error {
	if r.Keep && (!v.Clean() || len(s.Broken) > 0) {
		return errors.New("figures are short")
	}
	return nil
}

// killOnce ends the connector, the database, or both at once.
func (r *Run) killOnce(w *rig.World, cycle int) error {
	if w.Cluster == nil {
		w.Kill()
		return nil
	}
	how := "kill"
	if r.random.IntN(2) == 0 {
		how = "immediate"
	}
	switch cycle % 3 {
	case 0:
		w.Kill()
		return nil
	case 1:
		return w.Cluster.Down(how)
	}
	down := make(chan error, 1)
	go func() { down <- w.Cluster.Down(how) }()
	w.Kill()
	return <-down
}

// up brings back whatever is down.
func up(ctx context.Context, w *rig.World) error {
	if w.Cluster != nil {
		if err := w.Cluster.Up(); err != nil {
			return err
		}
	}
	return w.Up(ctx)
}
